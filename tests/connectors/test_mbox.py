"""The mbox splitter against a slow, plainly correct reference; then case by case; then parts and ordinals."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import bytesource, mbox
from connectors.bytesource import PlainSource, StreamSource
from connectors.mail_files import MailFiles
from connectors.mbox import SeenHashes, is_separator, prefix_of, split
from connectors.mbox_count import count_messages
from records.errors import SettingsError
from records.models import FailedItem, FoundItem, Part
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, FROM_LINE, context, everything, keyed, mail, mbox_bytes

DATED = re.compile(
    rb"^From (.*[ \t])?(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Mar|Jun) +\d\d? "
    rb"\d\d:\d\d:\d\d( \+0000)? \d{4}\r?\n$"
)
HEADER = re.compile(rb"^([!-9;-~]+[ \t]*:|>From )")


def lines_of(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+$", data)


def starts_message(lines: list[bytes], n: int) -> bool:
    if n + 1 >= len(lines):
        return False
    line, after = lines[n], lines[n + 1]
    if DATED.match(line):
        return bool(HEADER.match(after)) or after in (b"\n", b"\r\n")
    return line.rstrip(b"\r\n \t") == b"From -" and bool(HEADER.match(after)) and line.endswith(b"\n")


def reference(data: bytes) -> list[bytes]:
    """Return the native bytes of every message, line by line over the whole file at once."""
    lines = lines_of(data.removeprefix(b"\xef\xbb\xbf"))
    while lines and lines[0] in (b"\n", b"\r\n"):
        lines.pop(0)
    borders, n = [], 0
    first_empty = True
    jump_to = None
    while n < len(lines):
        alone = n == 0 or first_empty or lines[n - 1] in (b"\n", b"\r\n") or jump_to == n
        first_empty = False
        if alone and starts_message(lines, n):
            borders.append(n)
            jump_to = length_target(lines, n)
            if jump_to is not None:
                n = jump_to
                continue
        n += 1
    if not borders:
        return [without_blank(lines)] if lines else []
    out = [without_blank(lines[: borders[0]])] if borders[0] else []
    for at, border in enumerate(borders):
        end = borders[at + 1] if at + 1 < len(borders) else len(lines)
        out.append(without_blank(lines[border + 1 : end]))
    return out


def without_blank(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-1] if lines and lines[-1] in (b"\n", b"\r\n") else lines)


def length_target(lines: list[bytes], border: int) -> int | None:
    """Return the line at which a message ends by its Content-Length, if that fits."""
    n, length = border + 1, None
    while n < len(lines) and lines[n] not in (b"\n", b"\r\n"):
        if length is None and lines[n].startswith(b"Content-Length: "):
            length = int(lines[n][16:])
        n += 1
    if length is None or n == len(lines):
        return None
    rest = lines[n + 1 :]
    body = b"".join(rest)
    if length > len(body):
        return None
    for skipped in (
        {b"": 0, b"\n": 1, b"\r\n": 2}[e] for e in (b"", b"\n", b"\r\n") if body[length:].startswith(e)
    ):
        seen = 0
        for k in range(len(rest) + 1):
            if seen == length + skipped and (k == len(rest) or starts_message(lines, n + 1 + k)):
                return n + 1 + k
            if k < len(rest):
                seen += len(rest[k])
    return None


PIECES = st.sampled_from([
    b"From a@b Mon Jan  1 10:00:00 2024\n", b"From a@b Mon Jan  1 10:00:00 2024\r\n", b"From - \n",
    b"From -\r\n",
    b"From 17@xxx Tue Mar 04 18:20:34 +0000 2025\n", b"From the meeting we learn\n", b"From a@b Mon Jan 1\n",
    b">From a@b Mon Jan  1 10:00:00 2024\n", b"\n", b"\n", b"\r\n", b"Subject: x\n", b"Subject: y\r\n",
    b"text\n",
    b"text\r\n", b" folded\n", b"Content-Length: 6\n", b"Content-Length: 45\n", b"Content-Length: 5\r\n",
    b"12345\n",
    b"\xff\x00\n", b"no end", b"a" * 300 + b"\n", b"\r", b"From ", b": odd\n",
])  # fmt: skip
FILES = st.builds(
    lambda bom, pieces: bom + b"".join(pieces),
    st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    st.lists(PIECES, max_size=40),
)
MESSAGES = st.lists(
    st.builds(
        lambda mark, head, body, end: mark + head + b"\n" + b"".join(body) + end,
        st.sampled_from([b"From a@b Mon Jan  1 10:00:00 2024\n", b"From -\n"]),
        st.sampled_from(
            [
                b"Subject: x\n",
                b"A: 1\nContent-Length: 12\nB: 2\n",
                b"Content-Length: 0\n",
                b"Content-Length: 6\n",
            ]
        ),
        st.lists(
            st.sampled_from(
                [b"12345\n", b"\n", b"From -\n", b"X: y\n", b"From a@b Mon Jan  1 10:00:00 2024\n"]
            ),
            max_size=6,
        ),
        st.sampled_from([b"", b"\n", b"\n\n"]),
    ),
    max_size=6,
).map(b"".join)


def natives(source, **more) -> list[bytes]:
    out = []
    for span in split(source, **more):
        read = source.read_at(span.start, span.end - span.start)
        assert span.data is None or span.data == read
        out.append(read)
    return out


class Memory:
    """A source over bytes, for speed."""

    cut = None

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_at(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]

    def release(self, offset: int) -> None:
        pass

    def close(self) -> None:
        pass


@settings(max_examples=250, deadline=None)
@given(st.one_of(FILES, MESSAGES), st.sampled_from([64, 200, 1 << 20]), st.sampled_from([0, 20, 1 << 20]))
@example(b"From -\nA: b\n\nFrom -\nA: c\n\n\n", 64, 0)
@example(b"From a@b Mon Jan  1 10:00:00 2024\n\nFrom a@b Mon Jan  1 10:00:00 2024\n\n", 64, 0)
def test_splits_like_the_reference(data: bytes, chunk: int, held: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mbox, "CHUNK", chunk)
        patch.setattr(bytesource, "CHUNK", chunk)
        patch.setattr(mbox, "HELD", held)
        assert natives(Memory(data)) == reference(data)
        with StreamSource(io.BytesIO(data)) as stream:
            assert natives(stream) == reference(data)


@settings(max_examples=200, deadline=None)
@given(st.one_of(FILES, MESSAGES))
def test_both_counts_agree(data: bytes) -> None:
    expected = len(reference(data))
    assert count_messages(io.BytesIO(data), can_seek=True) == expected
    assert count_messages(io.BytesIO(data), can_seek=False) in (expected, None)
    if b"Content-Length" not in data:
        assert count_messages(io.BytesIO(data), can_seek=False) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=600).map(lambda b: b.replace(b"\nFrom", b"\n")), max_size=5),
    st.sampled_from([64, 128]),
)
def test_long_messages_slide_through_the_buffer(bodies: list[bytes], chunk: int) -> None:
    messages = [b"S: x\n\n" + body + b"\n" for body in bodies]
    data = mbox_bytes(messages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mbox, "CHUNK", chunk)
        patch.setattr(mbox, "_HEADER_BYTES", 64)
        patch.setattr(mbox, "HELD", 32)
        assert natives(Memory(data)) == messages == reference(data)


@settings(max_examples=150, deadline=None)
@given(FILES)
def test_a_run_from_any_separator_gives_the_rest(data: bytes) -> None:
    spans = list(split(Memory(data)))
    for n, span in enumerate(spans[:-1]):
        assert list(split(Memory(data), span.following)) == spans[n + 1 :]
        assert list(split(Memory(data), 0, span.following)) == spans[: n + 1]


@pytest.mark.parametrize(
    "line",
    [
        b"From x Mon Jun 01 10:00:00 2009\n",
        b"From x@y Mon Jun  1 10:00:00 2009\r\n",
        b"From x Mon Jun 1 10:00 2009\n",
        b"From x Mon Jun 1 10:00:00 PDT 2009\n",
        b"From x Mon Jun 1 10:00:00 MET DST 2009\n",
        b"From x Mon Jun 1 10:00:00 2009 +0200\n",
        b"From 1790000000000000000@xxx Tue Mar 04 18:20:34 +0000 2025\n",
        b"From - Tue Mar 04 18:20:34 2025\n",
        b'From "a b"@c Tue Mar 04 18:20:34 2025\n',
        b"From user at example.com  Tue Mar  4 18:20:34 2025\n",
        b"From x Tue, 4 Mar 2025 18:20:34 +0000\n",
        b"From x Tue 4 Mar 2025 18:20:34\n",
        b"From x Mon Jun 01 10:00:00 GMT+01:00 2009\n",
        b"From x Mon Jun 01 10:00:00 2009 UTC-0800\n",
        b"From uucp Tue Mar  4 18:20:34 2025 remote from host\n",
        b"From -\n",
        b"From - \r\n",
    ],
)
def test_these_separate(line: bytes) -> None:
    assert is_separator(line + b"Subject: x\n")
    assert count_messages(io.BytesIO(line + b"Subject: x\n\nbody\n"), can_seek=True) == 1
    assert count_messages(io.BytesIO(b"x\n\n" + line + b"Subject: x\n\nbody\n"), can_seek=True) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"From the meeting on Monday we learn:\n",
        b"From Mon Jun 01 2009\n",
        b"From x Mon Jun 01 10:00:00\n",
        b"From x Jun 01 10:00:00 2009\n",
        b"from x Mon Jun 01 10:00:00 2009\n",
        b">From x Mon Jun 01 10:00:00 2009\n",
        b"From x Mon Jun 01 10:00:00 2009 and so on\n",
        b"From a" + b"a" * 1100 + b" Mon Jun 01 10:00:00 2009\n",
        b"From -x\n",
        b"From x Mon Jun 01 10:00:00 GMT* 2009\n",
        b"From x Mon Jun 01 10:00:00 GMT+1x:00 2009\n",
    ],
)
def test_these_do_not(line: bytes) -> None:
    assert not is_separator(line + b"Subject: x\n")
    assert count_messages(io.BytesIO(b"x\n\n" + line + b"Subject: x\n\nbody\n"), can_seek=True) == 1


def test_a_line_of_text_must_not_follow() -> None:
    assert not is_separator(FROM_LINE + b"and so it went on\n")
    assert not is_separator(FROM_LINE)
    assert is_separator(FROM_LINE + b"\n")
    assert not is_separator(b"From -\n\n")


def test_content_length_keeps_unquoted_from_lines_inside() -> None:
    body = b"one\n\n" + FROM_LINE + b"Subject: quoted whole\n\nend\n"
    head = b"Subject: a\nContent-Length: %d\n\n" % len(body)
    second = b"Subject: b\n\nx\n"
    data = FROM_LINE + head + body + b"\n" + FROM_LINE + second + b"\n"
    assert natives(Memory(data)) == [head + body, second]
    assert count_messages(io.BytesIO(data), can_seek=True) == 2
    assert count_messages(io.BytesIO(data), can_seek=False) is None


@pytest.mark.parametrize("length", [0, 3, 17, 400, 10**14])
def test_a_wrong_content_length_is_not_believed(length: int) -> None:
    first = b"Subject: a\nContent-Length: %d\n\nbody of a\n" % length
    second = b"Subject: b\n\nx\n"
    data = mbox_bytes([first, second])
    assert natives(Memory(data)) == [first, second]
    assert count_messages(io.BytesIO(data), can_seek=True) == 2


def test_mixed_line_ends_byte_order_mark_and_no_last_newline() -> None:
    first, second, third = b"Subject: a\r\n\r\nx\r\n", b"Subject: b\n\ny\n", b"Subject: c\n\nlast without end"
    data = b"\xef\xbb\xbf" + b"".join(
        (FROM_LINE.replace(b"\n", b"\r\n"), first, b"\r\n", FROM_LINE, second, b"\n", FROM_LINE, third)
    )
    assert natives(Memory(data)) == [first, second, third]


def test_bytes_before_the_first_separator_are_an_item(tmp_path: Path) -> None:
    path = tmp_path / "cut.mbox"
    path.write_bytes(b"tail of a message whose start is gone\n\n" + mbox_bytes([mail(1)]))
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert [value.kind for value in values] == [Kind.FILE, Kind.EMAIL]
    assert values[0].warnings == (WarningCode.PARTIAL,)
    assert data[values[0].native_key] == b"tail of a message whose start is gone\n"
    assert source.count(scope).count == 2


@pytest.mark.parametrize(
    ("content", "count"), [(b"", 0), (b"\n\n", 0), (b"\xef\xbb\xbf", 0), (b"just words\n", 1)]
)
def test_an_mbox_with_no_message(tmp_path: Path, content: bytes, count: int) -> None:
    path = tmp_path / "x.mbox"
    path.write_bytes(content)
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    assert (scope.kind, source.count(scope).count) == ("mbox", count)
    assert len(everything(source, scope)[0]) == count


def test_thunderbirds_deleted_mail_is_kept_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "Inbox"
    path.write_bytes(
        b"".join(
            b"From - \nX-Mozilla-Status: %s\n" % s + mail(n) + b"\n" for n, s in enumerate([b"0001", b"0009"])
        )
    )
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    assert [dict(value.metadata) for value in everything(source, scope)[0]] == [{}, {"expunged": "true"}]


def test_equal_messages_in_different_parts_get_the_ordinals_of_the_whole(tmp_path: Path) -> None:
    rng = random.Random(4)
    messages = [mail(rng.randrange(12)) for _ in range(200)]
    path = tmp_path / "many.mbox"
    path.write_bytes(mbox_bytes(messages))
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    parts = list(source.parts(scope, 7, 1 << 30))
    assert len(parts) == 29
    assert [part.items for part in parts] == [7] * 28 + [4]
    assert sum(part.size_bytes for part in parts) == path.stat().st_size
    found = [value.native_key for part in reversed(parts) for value in source.items(part, ALWAYS)]
    assert sorted(found) == sorted(keyed(messages))
    repeats = [
        v for part in parts for v in source.items(part, ALWAYS) if WarningCode.DUPLICATE_ENTRY in v.warnings
    ]
    assert len(repeats) == 200 - 12


def test_a_part_spec_names_only_what_repeats(tmp_path: Path) -> None:
    path = tmp_path / "x.mbox"
    path.write_bytes(mbox_bytes([mail(n) for n in range(50)] + [mail(3)]))
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    first, *_, last = source.parts(scope, 10, 1 << 30)
    prefix = f"{prefix_of(hashlib.sha256(mail(3)).digest()):016x}"
    assert '"seen":{}' in first.spec
    assert f'"seen":{{"{prefix}":1}}' in last.spec


def test_a_part_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mbox"
    path.write_bytes(mbox_bytes([mail(1)]))
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    with pytest.raises(SettingsError, match="plan the run again"):
        list(source.items(Part(scope, 0, '{"v":9}'), ALWAYS))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40) | st.integers(0, 2**64 - 1), max_size=300))
def test_seen_hashes_counts_like_a_dictionary(prefixes: list[int]) -> None:
    seen, plain = SeenHashes(), {}
    for prefix in prefixes:
        assert seen.count(prefix) == plain.get(prefix or 1, 0)
        plain[prefix or 1] = plain.get(prefix or 1, 0) + 1
    assert seen.repeated() == {prefix for prefix, count in plain.items() if count > 1}


def test_seen_hashes_grows() -> None:
    seen = SeenHashes()
    rng = random.Random(1)
    values = [rng.getrandbits(64) for _ in range(20_000)]
    assert all(seen.count(value) == 0 for value in values)
    assert all(seen.count(value) == 1 for value in values)


def test_a_large_message_is_opened_by_place(tmp_path: Path) -> None:
    big = b"Subject: big\nDate: Tue, 4 Mar 2025 10:20:34 -0800\n\n" + b"x" * 5_000_000 + b"\n"
    messages = [mail(1), big, mail(2)]
    path = tmp_path / "x.mbox"
    path.write_bytes(mbox_bytes(messages))
    with gzip.open(tmp_path / "x.mbox.gz", "wb", compresslevel=1) as packed:
        packed.write(mbox_bytes(messages))
    for name in ("x.mbox", "x.mbox.gz"):
        source = MailFiles(context(str(tmp_path / name)))
        (scope,) = source.scopes()
        values, data = everything(source, scope)
        assert data == keyed(messages)
        assert not isinstance(values[1].handle, bytes)
        assert values[1].moment.at is not None
        assert source.count(scope).count == 3


def test_a_gz_that_is_cut_keeps_what_came_out_and_says_so(tmp_path: Path) -> None:
    rng = random.Random(2)
    messages = [mail(n, body=rng.randbytes(400).hex()) for n in range(300)]
    whole = gzip.compress(mbox_bytes(messages))
    path = tmp_path / "x.mbox.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    *found, last, rest = values
    assert len(found) > 100
    assert all(data[value.native_key] == message for value, message in zip(found, messages, strict=False))
    assert isinstance(last, FoundItem)
    assert last.warnings == (WarningCode.PARTIAL,)
    assert rest == FailedItem("rest", Kind.EMAIL, rest.cursor, Reason.TRUNCATED, "stream_cut")
    assert source.count(scope).count is None
    again = list(source.items(Part(scope), ALWAYS, last.cursor))
    assert again == [rest]
    assert list(source.items(Part(scope), ALWAYS, rest.cursor)) == []


def test_a_damaged_gz_says_corrupt(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(mbox_bytes([mail(n) for n in range(2_000)])))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "x.mbox.gz"
    path.write_bytes(data)
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert isinstance(values[-1], FailedItem)
    assert values[-1].reason is Reason.CORRUPT


def test_a_large_mbox_in_a_zip(tmp_path: Path) -> None:
    messages = [mail(n, body="y" * 3_000) for n in range(1_000)]
    with zipfile.ZipFile(tmp_path / "mail.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Inbox", mbox_bytes(messages))
        archive.writestr("Old.gz", gzip.compress(mbox_bytes(messages[:3])))
    source = MailFiles(context(str(tmp_path)))
    folder, rest, inbox, old = source.scopes()
    assert [s.key for s in (folder, rest, inbox, old)] == [
        ".",
        "mail.zip",
        "mail.zip!Inbox",
        "mail.zip!Old.gz",
    ]
    assert everything(source, inbox)[1] == keyed(messages)
    assert everything(source, old)[1] == keyed(messages[:3])
    assert [source.count(s).count for s in (folder, rest, inbox, old)] == [0, 0, 1_000, 3]
    values = list(source.items(Part(inbox), ALWAYS))
    assert list(source.items(Part(inbox), ALWAYS, values[700].cursor)) == values[701:]


@pytest.mark.slow
def test_a_large_file_takes_flat_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large.mbox"
    block = mbox_bytes([mail(n, body="z" * 4_000) for n in range(1_000)])
    with path.open("wb") as stream:
        for _ in range(8):
            stream.write(block)
        stream.write(FROM_LINE + b"Subject: huge\n\n" + b"q" * 60_000_000 + b"\n\n")
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    tracemalloc.start()
    parts = list(source.parts(scope, 10_000, 64 << 20))
    count = 0
    for part in parts:
        for item in source.items(part, ALWAYS):
            with source.open(item) as native:
                while native.read(1 << 20):
                    pass
            count += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 8_001
    assert path.stat().st_size > 90_000_000
    assert peak < 24 << 20


def test_plain_source_closes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with PlainSource(str(tmp_path / "x")) as source:
        assert source.read_at(1, 5) == b"bc"
    source.close()
