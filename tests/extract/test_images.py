"""Images that need no Tika: what is told from their structure is what Tika says."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterable
from typing import BinaryIO
from unittest import mock

import pytest
from PIL import Image, PngImagePlugin

from extract import images
from extract.protocol import ExtractContext
from extract.tika import TikaReader
from extract.workers import REGISTRY, Job, Worker
from records.models import Extraction, Failure
from records.vocabulary import Reason
from tests.extract.samples import ZONE

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
    b'<rdf:li xml:lang="x-default">Bus map</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


class AskedReader(TikaReader):
    """Asks Tika about every image."""

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        with mock.patch("extract.images.bare_type", return_value=None):
            return super().extract(stream, context)


ASKED = (AskedReader(),)


def noise(size: tuple[int, int], seed: int = 1) -> Image.Image:
    return Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))


def made(form: str, mode: str = "RGB", size: tuple[int, int] = (37, 21), **options: object) -> bytes:
    buffer = io.BytesIO()
    noise(size).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def moving() -> bytes:
    frames = [noise((30, 20), seed).convert("P") for seed in (1, 2, 3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"by hand")
    return buffer.getvalue()


def exif() -> Image.Exif:
    facts = Image.Exif()
    facts[0x010E] = "Bus 12 at Maple Hollow"
    facts[0x0132] = "2026:03:04 05:06:07"
    return facts


def with_iptc() -> bytes:
    """A JPEG with a by-line (IPTC 2:80) and a caption (2:120) in a Photoshop segment."""
    records = b"".join(
        b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(value)) + value
        for number, value in ((80, b"Ana Ruiz"), (120, b"The new playground"))
    )
    block = b"8BIM\x04\x04\0\0" + struct.pack(">L", len(records)) + records + b"\0" * (len(records) % 2)
    segment = b"Photoshop 3.0\0" + block
    data = made("JPEG")
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def with_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "a drawing program")
    return made("PNG", pnginfo=text)


BARE = {
    "png": made("PNG"),
    "png of 16 grey bits": made("PNG", "I;16"),
    "png with transparency": made("PNG", "RGBA", dpi=(96, 96)),
    "png with a palette": made("PNG", "P"),
    "png of one bit": made("PNG", "1"),
    "png with text": with_text(),
    "jpeg": made("JPEG"),
    "grey jpeg": made("JPEG", "L", dpi=(300, 300)),
    "progressive jpeg": made("JPEG", progressive=True, optimize=True),
    "jpeg for print": made("JPEG", "CMYK"),
    "jpeg with a comment": made("JPEG", comment=b"made by hand"),
    "gif": made("GIF", "P"),
    "grey gif": made("GIF", "L", interlace=0),
    "tracking pixel": made("GIF", "P", (1, 1)),
    "moving gif": moving(),
    "bmp": made("BMP"),
    "bmp of 256 colours": made("BMP", "L"),
    "bmp of two": made("BMP", "1"),
}

TELLING = {
    "exif": (made("JPEG", exif=exif()), {"description": "Bus 12 at Maple Hollow"}),
    "exif date": (made("JPEG", exif=exif()), {"modified": "2026-03-04T05:06:07"}),
    "xmp": (made("JPEG", xmp=XMP), {"title": "Bus map"}),
    "iptc": (with_iptc(), {"author": "Ana Ruiz", "description": "The new playground"}),
    "tiff": (made("TIFF", description="Bus 12"), {"description": "Bus 12"}),
    "webp": (made("WEBP", exif=exif()), {"description": "Bus 12 at Maple Hollow"}),
}


def read(registry: str, files: Iterable[bytes]) -> list[Extraction]:
    jobs = [Job(n, data, ExtractContext(None, None, ZONE), None) for n, data in enumerate(files)]
    with Worker(registry) as worker:
        return [result.extraction for result in worker.submit(jobs)]


def asked(files: Iterable[bytes]) -> list[Extraction]:
    return read(f"{__name__}:ASKED", files)


def damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + chance.randbytes(2) + data[at:]
        case 2:
            return data[:at] + data[at + 2 :]
        case _:
            at = chance.randrange(min(len(data), 60))
            return data[:at] + bytes([chance.choice((0, 1, 255))]) + data[at + 1 :]


def test_tika_says_the_same() -> None:
    files = list(BARE.values())
    assert [name for name, data in BARE.items() if images.bare_type(data) is None] == []
    told = read(REGISTRY, files)
    assert told == asked(files)
    assert {tuple(one.metadata) for one in told} == {("content_type",)}


def test_of_damaged_images_too() -> None:
    chance = random.Random(3)
    files = [damaged(data, chance) for _ in range(40) for data in BARE.values()]
    still_told = [data for data in files if images.bare_type(data) is not None]
    assert len(still_told) > 40
    assert read(REGISTRY, still_told) == asked(still_told)


@pytest.mark.parametrize("name", TELLING)
def test_an_image_that_says_more_goes_to_tika(name: str) -> None:
    data, facts = TELLING[name]
    assert images.bare_type(data) is None
    (got,) = read(REGISTRY, [data])
    assert {key: got.metadata.get(key) for key in facts} == facts


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "bmp"])
def test_only_a_whole_image_is_told(name: str) -> None:
    data = BARE[name]
    assert images.bare_type(data + b"\0more") is None
    assert {images.bare_type(data[:size]) for size in range(0, len(data), 7)} == {None}


def test_a_cut_jpeg_is_still_truncated() -> None:
    (got,) = read(REGISTRY, [BARE["jpeg"][:-200]])
    assert got.failure == Failure(Reason.TRUNCATED, "end_missing")
