"""What a file seems to be, from its name, its label and its first bytes."""

from __future__ import annotations

import mimetypes
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_TYPES = mimetypes.MimeTypes()
for _suffix, _type in {
    ".eml": "message/rfc822",
    ".emlx": "message/rfc822",
    ".ics": "text/calendar",
    ".vcf": "text/vcard",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".msg": "application/vnd.ms-outlook",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".webp": "image/webp",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
    ".rar": "application/vnd.rar",
    ".cab": "application/vnd.ms-cab-compressed",
    ".iso": "application/x-iso9660-image",
    ".md": "text/markdown",
    ".log": "text/plain",
    ".p7m": "application/pkcs7-mime",
    ".p7s": "application/pkcs7-signature",
}.items():
    _TYPES.add_type(_type, _suffix)

_DOCUMENT_SUFFIXES = frozenset(
    [
        "docx",
        "docm",
        "dotx",
        "dotm",
        "xlsx",
        "xlsm",
        "xltx",
        "xltm",
        "xlsb",
        "pptx",
        "pptm",
        "ppsx",
        "ppsm",
        "potx",
        "potm",
        "vsdx",
        "vsdm",
        "odt",
        "ods",
        "odp",
        "odg",
        "odf",
        "ott",
        "ots",
        "otp",
        "epub",
        "pages",
        "numbers",
        "key",
        "sxw",
        "sxc",
        "sxi",
        "one",
        "oxps",
        "xps",
    ]
)
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
_MOST_INFLATED = 16 << 20
_HEAD = 4096
_DOCUMENT_SIGNS = (
    b"[Content_Types].xml",
    b"_rels/.rels",
    b"word/document.xml",
    b"xl/workbook.",
    b"ppt/presentation.xml",
)


def by_name(name: str) -> str:
    """Return the media type a name's ending stands for, or ``application/octet-stream``."""
    leaf = name.replace("\\", "/").rpartition("/")[2]
    suffix = "." + leaf.rpartition(".")[2].lower() if "." in leaf else ""
    table = _TYPES.types_map[True]
    return table.get(suffix) or _TYPES.types_map[False].get(suffix) or "application/octet-stream"


def suffix(name: str | None) -> str:
    """Return a name's ending in lower case without its dot, or an empty text."""
    if not name or "." not in name:
        return ""
    return name.rpartition(".")[2].lower()


def is_zipped_document(media_type: str | None, name: str | None, head: bytes) -> bool:
    """Tell whether a zip is an Office, OpenDocument or EPUB file: by first members, name or label."""
    if head[30:38] == b"mimetype" and b"application/" in head[38:80]:
        return True
    if any(name.startswith(_DOCUMENT_SIGNS) for name in _member_names(head)):
        return True
    if suffix(name) in _DOCUMENT_SUFFIXES:
        return True
    return media_type is not None and (
        "officedocument" in media_type or "opendocument" in media_type or media_type == "application/epub+zip"
    )


def _member_names(head: bytes) -> Iterator[bytes]:
    """Yield the names of a zip's own first members, as far as its head tells them.

    Members are walked one after another: a document that lies uncompressed in an archive has headers of its
    own there, and they must not make the archive pass for that document.
    """
    at = 0
    while head[at : at + 4] == b"PK\x03\x04" and at + _LOCAL_HEADER.size <= len(head):
        (_, _, flags, method, _, _, _, packed, _, name_size, extra_size) = _LOCAL_HEADER.unpack_from(head, at)
        name_at = at + _LOCAL_HEADER.size
        yield head[name_at : name_at + name_size]
        at = name_at + name_size + extra_size + packed
        if flags & 0x08 and packed == 0:  # its size stands after it: only inflating shows where it ends
            inflating = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                inflating.decompress(head[at:] if method == 8 else b"", _MOST_INFLATED)
            except zlib.error:
                return
            if not inflating.eof:
                return
            end = len(head) - len(inflating.unused_data)
            at = head.find(b"PK\x03\x04", end, end + 28)
            if at < 0:
                return


ISO = b"CD001"
"""Mark of a volume descriptor of ISO 9660 (ECMA-119 section 8.1.2)."""

_ISO_AT = 16 * 2048 + 1
_FAR_MARKS = (ISO, b"BEA01")
_END_MARKS = (b"koly", b"conectix")
_DISK_IMAGES = (
    b"conectix", b"vhdxfile", b"KDMV", b"COWD", b"# Disk DescriptorFile", b"EVF\x09\x0d\x0a\xff\0",
    b"EVF2\x0d\x0a\x81\0", b"LVF\x09\x0d\x0a\xff\0", b"LEF2\x0d\x0a\x81\0", b"encrcdsa",
    b"QFI\xfb", b"AFF10\r\n", b"<<< Oracle VM VirtualBox Disk Image >>>",
)  # fmt: skip
"""VHD, VHDX, VMDK, EWF 1 and 2 (E01, Ex01, L01, Lx01), a locked DMG, QCOW, AFF, VDI: marked at the start."""


def far_mark(stream: BinaryIO) -> bytes:
    """Return what tells an image of a disc or disk, which has its mark elsewhere; empty for other files.

    ISO 9660 and UDF are marked in their 17th sector; a DMG and a VHD of fixed size by their last 512 bytes.
    """
    size = stream.seek(0, 2)
    for at, marks in ((_ISO_AT, _FAR_MARKS), (size - 512, _END_MARKS)):
        if 0 <= at < size:
            stream.seek(at)
            sector = stream.read(512)
            if sector.startswith(marks):
                return sector
    return b""


def is_disk_image(head: bytes) -> bool:
    """Tell whether a head, with the far mark behind it, is that of an image of a disk that is not opened."""
    return head.startswith(_DISK_IMAGES) or head[_HEAD:].startswith((b"BEA01", *_END_MARKS))


def is_iso(head: bytes) -> bool:
    """Tell whether a head, with the far mark behind it, is that of an ISO 9660 image."""
    return head[_HEAD:].startswith(ISO)


_CLAIMS = _DOCUMENT_SUFFIXES | frozenset(
    [
        "pdf",
        "doc",
        "dot",
        "xls",
        "xlt",
        "ppt",
        "pps",
        "rtf",
        "msg",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "tif",
        "tiff",
        "bmp",
        "heic",
        "heif",
        "webp",
    ]
)


def claims_document(name: str | None, media_type: str | None) -> bool:
    """Tell whether name or label say that this is a document or an image of a format that Tika knows."""
    if suffix(name) in _CLAIMS:
        return True
    return media_type is not None and (
        media_type in ("application/pdf", "application/msword", "application/rtf")
        or media_type.startswith(("image/", "application/vnd.ms-", "application/vnd.o"))
    )


_TEXT_SUFFIXES = frozenset(
    [
        "txt",
        "text",
        "csv",
        "tsv",
        "json",
        "jsonl",
        "ndjson",
        "geojson",
        "xml",
        "html",
        "htm",
        "xhtml",
        "md",
        "log",
        "ini",
        "cfg",
        "conf",
        "toml",
        "yaml",
        "yml",
        "sql",
        "py",
        "js",
        "css",
        "svg",
        "vcf",
        "srt",
        "vtt",
        "tex",
        "bat",
        "sh",
        "ps1",
        "diff",
        "patch",
        "properties",
        "rst",
        "asc",
        "xsl",
        "xslt",
        "rss",
        "atom",
        "kml",
        "gpx",
    ]
)
_TEXT_TYPES = frozenset({
    "application/json", "application/xml", "application/xhtml+xml", "application/csv",
    "application/x-ndjson", "application/javascript", "application/x-javascript", "application/ld+json",
    "message/delivery-status", "message/disposition-notification", "message/feedback-report",
    "message/external-body", "message/partial", "image/svg+xml", "application/sql", "application/x-sh",
    "application/yaml", "application/rss+xml",
})  # fmt: skip
BINARY_STARTS = (
    b"%PDF", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"\xff\xd8\xff",
    b"GIF8", b"MZ", b"\x7fELF", b"BM", b"II*\0", b"MM\0*", b"%!PS", b"Rar!",
    b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"MSCF\0", b"RIFF", b"OggS", b"ID3",
)  # fmt: skip
_CONTROLS = bytes(range(9)) + bytes((11, *range(14, 27), 28, 29, 30, 31, 127))


def is_texty(head: bytes) -> bool:
    """Tell whether bytes look like text in some charset: UTF-16 by its marks or zeros, else few controls."""
    if not head:
        return True
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        third = len(head) * 0.35
        return (odd > third and even < len(head) * 0.05) or (even > third and odd < len(head) * 0.05)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls <= len(head) * 0.01


def text_score(media_type: str | None, name: str | None, head: bytes) -> int | None:
    """Return how sure it is that a file is plain text, CSV, HTML, XML or JSON; None when it is not."""
    if head.startswith(BINARY_STARTS) and not (
        head.startswith((b"MZ", b"BM", b"ID3")) and is_texty(head[:512])
    ):
        return None
    if not is_texty(head):
        return None
    if media_type is not None and (
        (media_type.startswith("text/") and media_type not in ("text/rtf", "text/richtext"))
        or media_type in _TEXT_TYPES
        or media_type.endswith(("+xml", "+json"))
    ):
        return 60
    return 55 if suffix(name) in _TEXT_SUFFIXES else 30
