"""Locked files and the passwords given for them: what opens, what stays closed, and what is told of it."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest

from extract.archives import ZipReader
from extract.protocol import ExtractContext, Limits
from extract.unlocking import can_be_locked
from extract.workers import Job, Worker
from records.models import Extraction, Failure, Password
from records.vocabulary import Reason
from tests.extract import samples
from tests.extract.samples import ZONE

FIXTURES = Path(__file__).parents[1] / "fixtures"
OFFICE = "Password1234_"
WRONG = "not this one"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as one:
        yield one


def passwords(*secrets: str) -> tuple[Password, ...]:
    return tuple(Password(f"p{number:03d}", secret) for number, secret in enumerate(secrets, 1))


def given(*secrets: str, name: str = "", limits: Limits | None = None) -> ExtractContext:
    return ExtractContext(name, None, ZONE, limits=limits or Limits(), passwords=passwords(*secrets))


def read(worker: Worker, data: bytes, context: ExtractContext) -> Extraction:
    (result,) = worker.submit([Job(1, data, context, None)])
    return result.extraction


def told(got: Extraction) -> dict[str, str]:
    return {key: value for key, value in got.metadata.items() if "password" in key or key == "opened_by"}


def locked(lock: pikepdf.Encryption, data: bytes | None = None) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), pikepdf.open(io.BytesIO(data or samples.text_pdf())) as pdf:
        warnings.simplefilter("ignore")
        pdf.save(out, encryption=lock)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rc4cryptoapi_password.doc", "lorem ipsum"),
        ("rc4cryptoapi_password.xls", "Sheet1\n\tlorem ipsum\t3"),
        ("rc4cryptoapi_password.ppt", "Lorem ipsum"),
        ("ecma376standard_password.docx", "lorem ipsum"),
        ("example_password.xlsx", "Sheet1\n\tlorem\tipsum"),
    ],
)
def test_an_office_file(worker: Worker, name: str, text: str) -> None:
    data = (FIXTURES / name).read_bytes()
    got = read(worker, data, given(WRONG, OFFICE, name=name))
    assert (got.failure, told(got)) == (None, {"opened_by": "p002", "passwords_tried": "p001"})
    assert got.text == text
    closed = read(worker, data, given(WRONG, name=name))
    assert (closed.failure, closed.text) == (Failure(Reason.ENCRYPTED, "office_password"), "")
    assert told(closed) == {"passwords_tried": "p001"}
    assert read(worker, data, given(name=name)) == Extraction(
        failure=Failure(Reason.ENCRYPTED, "office_password")
    )


@pytest.mark.parametrize(("revision", "aes"), [(3, False), (4, True), (6, True)])
def test_a_pdf(worker: Worker, revision: int, aes: bool) -> None:
    lock = pikepdf.Encryption(user="Größe 9", owner="o", R=revision, aes=aes, metadata=aes)  # type: ignore[arg-type]
    data = locked(lock)
    got = read(worker, data, given(WRONG, "Größe 9"))
    plain = read(worker, samples.text_pdf(), given())
    assert (got.text, got.pages, got.failure) == (plain.text, 3, None)
    assert told(got) == {"opened_by": "p002", "passwords_tried": "p001"}
    assert "protection" not in got.metadata
    assert told(read(worker, data, given("o"))) == {"opened_by": "p001"}
    assert read(worker, data, given(WRONG)).failure == Failure(Reason.ENCRYPTED, "pdf_password")


def test_a_pdf_with_an_owners_password_alone_opens_without_one_and_says_so(worker: Worker) -> None:
    got = read(worker, locked(pikepdf.Encryption(user="", owner="o")), given(WRONG))
    assert (got.failure, got.metadata["protection"], told(got)) == (None, "owner_password", {})
    assert "page 2 line 4" in got.text


def test_a_scan_waits_for_ocr_once_it_is_open(worker: Worker) -> None:
    got = read(worker, samples.locked_pdf(), given("u"))
    assert (got.needs_ocr_pages, got.pages) == ((2, 3), 4)


MEMBERS = [("a.txt", b"the first member"), ("b/c.txt", b"the second member" * 1000)]


def zip_crypto(password: bytes) -> bytes:
    """Lock the members by the old lock (APPNOTE 6.1), which no library here writes."""
    table = [_crc(byte) for byte in range(256)]
    out = bytearray(samples.zip_of(MEMBERS))
    with zipfile.ZipFile(io.BytesIO(bytes(out))) as archive:
        infos = archive.infolist()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for info in infos:
            start = info.header_offset + 30 + len(info.filename.encode())
            packed = bytes(out[start : start + info.compress_size])
            head = bytes(11) + bytes([info.CRC >> 24])
            locked_bytes = _encrypted(head + packed, password, table)
            raw = zipfile.ZipInfo(info.filename, info.date_time)
            archive.writestr(raw, locked_bytes)
    return _as_locked(made.getvalue(), infos)


def _crc(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xEDB88320 if byte & 1 else 0)
    return byte


def _encrypted(data: bytes, password: bytes, table: list[int]) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ table[(keys[2] ^ (keys[1] >> 24)) & 0xFF]

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in data:
        mixed = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ ((mixed * (mixed ^ 1) >> 8) & 0xFF))
        update(byte)
    return bytes(out)


def _as_locked(data: bytes, infos: list[zipfile.ZipInfo]) -> bytes:
    """Put flag, method, checksum and size of the locked members into headers that say `stored`."""
    out = bytearray(data)
    at = directory = 0
    for info in infos:
        at, directory = data.index(b"PK\x03\x04", at), data.index(b"PK\x01\x02", directory)
        for place, flags in ((at, 6), (directory, 8)):
            out[place + flags] |= 1
            out[place + flags + 2] = info.compress_type
            crc = place + flags + 8
            out[crc : crc + 4] = info.CRC.to_bytes(4, "little")
            out[crc + 8 : crc + 12] = info.file_size.to_bytes(4, "little")
        at, directory = at + 4, directory + 4
    return bytes(out)


def unzip(data: bytes, context: ExtractContext) -> Extraction:
    return ZipReader().extract(io.BytesIO(data), context)


@pytest.mark.parametrize(
    ("data", "detail"),
    [(samples.locked_zip(MEMBERS), "zip_aes"), (zip_crypto(b"secret"), "zip_crypto")],
    ids=["aes", "zip_crypto"],
)
class TestZip:
    def test_its_members_come_out(self, data: bytes, detail: str) -> None:
        got = unzip(data, given(WRONG, "secret"))
        assert [(child.name, child.data, child.failure) for child in got.children] == [
            (name, content, None) for name, content in MEMBERS
        ]
        assert [child.metadata["opened_by"] for child in got.children] == ["p002", "p002"]
        assert (got.failure, got.warnings) == (None, ())
        assert told(got) == {"opened_by": "p002", "passwords_tried": "p001"}
        assert detail not in str(got.metadata)

    def test_it_stays_locked(self, data: bytes, detail: str) -> None:
        # 270 wrong passwords: of the old lock one or the other passes its check byte
        many = [f"wrong {number}" for number in range(270)]
        got = unzip(data, given(*many, limits=Limits(password_tries=270)))
        assert [child.failure for child in got.children] == [Failure(Reason.ENCRYPTED, detail)] * 2
        assert got.failure == Failure(Reason.ENCRYPTED, "zip")
        assert told(got) == {"passwords_tried": " ".join(f"p{n:03d}" for n in range(1, 271))}

    def test_the_limit_is_of_the_whole_archive(self, data: bytes, detail: str) -> None:
        wrong = [f"wrong {number}" for number in range(7)]
        got = unzip(data, given(*wrong, "secret", limits=Limits(password_tries=5)))
        assert [child.failure for child in got.children] == [Failure(Reason.ENCRYPTED, detail)] * 2
        assert told(got) == {"passwords_tried": "p001 p002 p003 p004 p005", "passwords_left": "3"}
        assert unzip(data, given(*wrong, "secret", limits=Limits(password_tries=8))).failure is None
        none = unzip(data, given("secret", limits=Limits(password_s=0)))
        assert told(none) == {"passwords_left": "1"}

    def test_what_unpacks_to_too_much_is_a_bomb(self, data: bytes, detail: str) -> None:
        with pytest.raises(Exception, match="bomb: archive_bytes"):
            unzip(data, given("secret", limits=Limits(children_bytes=1000)))
        assert detail


def test_members_with_passwords_of_their_own() -> None:
    import pyzipper

    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        for name, secret in (("1", b"one"), ("2", b"two"), ("3", "größe".encode("cp437")), ("4", b"other")):
            archive.setpassword(secret)
            archive.writestr(name, name)
    got = unzip(out.getvalue(), given("two", "größe", "one"))
    assert [child.data for child in got.children] == [b"1", b"2", b"3", None]
    assert [child.metadata.get("opened_by") for child in got.children] == ["p003", "p001", "p002", None]
    assert got.children[3].failure == Failure(Reason.ENCRYPTED, "zip_aes")
    assert told(got)["opened_by"] == "p001 p002 p003"


def test_a_damaged_office_file_costs_itself(worker: Worker) -> None:
    data = (FIXTURES / "example_password.xlsx").read_bytes()
    without_count = data.replace(b"spinCount", b"spunCount")
    closed = Failure(Reason.ENCRYPTED, "office_password")
    assert without_count != data
    assert read(worker, without_count, given(OFFICE)).failure == closed
    assert read(worker, data[:600], given(OFFICE, name="a.xlsx")).failure == Failure(Reason.CORRUPT, "tika")
    assert read(worker, samples.locked_office(), given(OFFICE)).failure == closed
    other = (FIXTURES / "rc4cryptoapi_password.xls").read_bytes()
    assert read(worker, other, given(OFFICE)).failure is None


def test_only_what_could_be_locked_is_given_passwords() -> None:
    assert can_be_locked((FIXTURES / "rc4cryptoapi_password.doc").read_bytes())
    assert can_be_locked(samples.locked_zip(MEMBERS))
    assert can_be_locked(b"\r\n" + samples.locked_pdf())
    assert not can_be_locked(samples.SIMPLE)
    assert not can_be_locked(samples.picture("PNG"))


def test_a_password_is_in_no_representation() -> None:
    context = given("swordfish")
    assert "swordfish" not in f"{context!r} {context.passwords[0]} {Job(1, b'', context, None)!r}"
