"""The leak gate: leaks planted in every place are found; a good bundle holds nothing of what must stay in."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import quopri
import shutil
from urllib.parse import quote

import pytest

from records import tables as t
from records.compound_files import Storage, write
from records.errors import CheckFailed, UsageError
from records.ids import sha256_hex
from release.gate import CHECKS, gate
from release.leaks import Looker, Watch, views, words
from release.package import build_draft
from tests.extract import outlook_files
from tests.extract.samples import zip_of
from tests.release.conftest import opened_copy
from tests.release.scenario import words_of
from tests.release.world import OPEN, RELEASE, REQUEST, UNRESPONSIVE, WITHHOLD, context, mail, zipped


def look(scenario, folder):
    return gate(folder, scenario.world.catalogue, scenario.world.store, REQUEST)


@pytest.fixture(scope="module")
def built(tmp_path_factory, full_home):
    """One draft; the gate only reads, so that its catalogue serves every planted leak."""
    place = tmp_path_factory.mktemp("gate")
    scenario = opened_copy(full_home, place / "home")
    scenario.draft(place / "draft")
    yield scenario, place / "draft"
    scenario.world.store.close()
    scenario.world.catalogue.close()


@pytest.fixture
def drafted(built, tmp_path):
    """The draft to plant leaks in; the catalogue is not to be changed."""
    shutil.copytree(built[1], tmp_path / "draft")
    return built[0], tmp_path / "draft"


@pytest.fixture
def own(built, full_home, tmp_path):
    """The draft with a catalogue of its own."""
    shutil.copytree(built[1], tmp_path / "draft")
    scenario = opened_copy(built[0], tmp_path / "home")
    yield scenario, tmp_path / "draft"
    scenario.world.store.close()
    scenario.world.catalogue.close()


def test_a_good_draft_and_a_good_package_pass(own, tmp_path):
    scenario, draft = own
    report = look(scenario, draft)
    assert report.findings == ()
    assert report.ok
    assert tuple(check.name for check in report.checks) == CHECKS
    by_name = {check.name: check for check in report.checks}
    assert by_name["content"].looked_for == 13 * 5  # twelve words a text: five runs of eight each
    assert by_name["native"].looked_for == 7
    assert by_name["note"].looked_for > 0
    assert "texts of records that are not in review" in by_name["content"].not_checked
    assert any("pdf_streams (2)" in line for line in by_name["container"].not_checked)
    scenario.approve(json_sha(draft))
    scenario.package(tmp_path / "out")
    assert look(scenario, tmp_path / "out").ok
    assert look(scenario, tmp_path / "out" / "release").ok


def json_sha(draft):
    return sha256_hex((draft / "release" / "tagmanifest-sha256.txt").read_bytes())


def test_nothing_that_must_stay_in_is_anywhere_in_the_bundle(own, tmp_path):
    """The same question asked without the gate: plain search over every file, name and unpacked container."""
    scenario, draft = own
    scenario.approve(json_sha(draft))
    scenario.package(tmp_path / "out")
    secrets = [
        "secret-folder-name",
        "Suggested title",
        "rule words",
        "Another suggestion",
        "noted this thing",
    ]
    secrets += ["Dinner plans", "lunch plans", *words_of("outside").split()]
    for kept in scenario.kept.values():
        secrets += [
            kept.item,
            kept.subject,
            kept.name,
            sha256_hex(kept.native),
            sha256_hex(kept.text.encode()),
        ]
        secrets += kept.text.split()
    for root in (tmp_path / "out" / "release", draft / "release"):
        for path in root.rglob("*"):
            haystacks = [path.relative_to(root).as_posix()]
            if path.is_file():
                looker = Looker(Watch())
                data = path.read_bytes()
                looker.data(data)
                haystacks += [*views(data), *looker.look.digests]
            for haystack in haystacks:
                found = [s for s in secrets if s and s.casefold() in haystack.casefold()]
                assert found == [], path


# --- planted leaks


def append(path, text):
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


DOCUMENTS = [
    "data/index.html",
    "data/index.csv",
    "data/exemption-log.csv",
    "data/counts.json",
    "data/terms.csv",
    "data/unsearchable.csv",
    "data/retention.csv",
    "data/audit-head.txt",
    "data/status.json",
    "bag-info.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha256.txt",
    "data/text/DRAFT-0001.txt",
    "data/natives/DRAFT-0001.eml",
]
KEPT = [
    "grades", "advice", "personal", "unresponsive", "undecided", "redact", "notice", "later", "carrier",
    "appendix", "box", "member",
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_leak_in_any_document_is_found(drafted, document):
    scenario, draft = drafted
    grades, appendix = scenario.kept["grades"], scenario.kept["appendix"]
    planted = {
        ("content", grades.item): " ".join(grades.text.split()[2:10]),
        ("subject", grades.item): grades.subject,
        ("file_name", appendix.item): appendix.name,
        ("item_id", grades.item): grades.item,
        ("native_hash", grades.item): sha256_hex(grades.native),
    }
    path = draft / "release" / document
    if document == "data/status.json":
        status = json.loads(path.read_text())
        path.write_text(json.dumps({**status, "more": list(planted.values())}))
    else:
        append(path, "\n" + "\n".join(planted.values()) + "\n")
    found = {(f.check, f.what) for f in look(scenario, draft).findings if f.where == document}
    assert planted.keys() <= found


@pytest.mark.parametrize("name", KEPT)
def test_each_kind_of_kept_record_is_found_by_native_text_and_words(drafted, name):
    scenario, draft = drafted
    kept = scenario.kept[name]
    data = draft / "release" / "data"
    (data / "natives" / "DRAFT-0001.eml").write_bytes(kept.native)
    (data / "text" / "DRAFT-0001.txt").write_text(kept.text)
    append(data / "index.html", f"<!-- {kept.subject or kept.name} -->")
    found = {(f.check, f.where) for f in look(scenario, draft).findings if f.what == kept.item}
    assert ("native", "data/natives/DRAFT-0001.eml") in found
    assert ("content", "data/text/DRAFT-0001.txt") in found
    assert ("subject" if kept.subject else "file_name", "data/index.html") in found


TEXT = words_of("grades")
SPELLINGS = {
    "capitals": TEXT.upper(),
    "line breaks": TEXT.replace(" ", "\r\n"),
    "punctuation": TEXT.replace(" ", ", "),
    "entities": "".join(f"&#{ord(c)};" for c in TEXT),
    "hex entities": "".join(f"&#x{ord(c):x};" for c in TEXT),
    "tags between words": "<b>" + TEXT.replace(" ", "</b> <b>") + "</b>",
    "tags within words": TEXT.replace("word", "<i>w</i>ord"),
    "attribute": f'<span title="{html.escape(TEXT)}"></span>',
    "comment": f"<!-- {TEXT} -->",
    "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in TEXT),
    "percent": quote(TEXT, safe=""),
    "plus signs": TEXT.replace(" ", "_"),
    "base64": base64.b64encode(TEXT.encode()).decode(),
    "data address": f'<img src="data:text/plain;base64,{base64.b64encode(TEXT.encode()).decode()}">',
    "full width": "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in TEXT),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_words_are_found_in_every_spelling(drafted, spelling):
    scenario, draft = drafted
    append(draft / "release" / "data" / "index.html", f"\n{SPELLINGS[spelling]}\n")
    findings = look(scenario, draft).findings
    assert ("content", "data/index.html", scenario.kept["grades"].item) in {
        (f.check, f.where, f.what) for f in findings
    }


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        b"\0\0\0" + TEXT.encode(),
        b"\0" + TEXT.encode("utf-16-le"),
    ],
    ids=["utf-16 with a mark", "utf-16", "binary", "binary and utf-16"],
)
def test_words_are_found_in_other_encodings(drafted, data):
    scenario, draft = drafted
    (draft / "release" / "data" / "natives" / "DRAFT-0003.pdf").write_bytes(data)
    assert "content" in {f.check for f in look(scenario, draft).findings}


def test_a_file_name_that_leaks_is_found_and_not_repeated(drafted):
    scenario, draft = drafted
    kept = scenario.kept["appendix"]
    data = draft / "release" / "data"
    (data / "natives" / kept.name).write_bytes(b"x")
    (data / kept.item).mkdir()
    (data / kept.item / "y").write_bytes(b"y")
    findings = look(scenario, draft).findings
    assert {f.check for f in findings} == {"layout", "file_name", "item_id"}
    assert all(kept.name not in f.where and kept.item not in f.where for f in findings)


@pytest.mark.parametrize(
    "name",
    ["data/extra.txt", "extra.txt", "data/natives/DRAFT-0099.eml", "data/natives/DRAFT-0001.eml.bak",
     "fetch.txt", "data/text/DRAFT-0007.txt", ".DS_Store"],
)  # fmt: skip
def test_a_file_that_does_not_belong_is_found(drafted, name):
    scenario, draft = drafted
    (draft / "release" / name).write_bytes(b"harmless")
    assert [f.check for f in look(scenario, draft).findings] == ["layout"]


def test_links_are_found(drafted, tmp_path):
    scenario, draft = drafted
    natives = draft / "release" / "data" / "natives"
    (natives / "folder").symlink_to(tmp_path)
    (natives / "file").symlink_to(natives / "DRAFT-0001.eml")
    found = [(f.check, f.what) for f in look(scenario, draft).findings]
    assert found == [("layout", "not_a_plain_file")] * 2


def test_another_verifier_is_found(drafted):
    scenario, draft = drafted
    append(draft / "release" / "verify.py", b"# nothing\n")
    assert [(f.check, f.what) for f in look(scenario, draft).findings] == [("layout", "verifier_differs")]


def test_natives_under_each_others_numbers_are_found(drafted):
    scenario, draft = drafted
    natives = draft / "release" / "data" / "natives"
    shutil.copy(natives / "DRAFT-0001.eml", natives / "DRAFT-0002.eml")
    assert [(f.check, f.what) for f in look(scenario, draft).findings] == [
        ("native", "not_the_released_record")
    ]


def nested_mail(inner: bytes) -> bytes:
    return b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + inner


def quoted(data: bytes) -> bytes:
    return (
        b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + quopri.encodestring(data.replace(b"w", b"\xc2\xadw"))
    )


CARRIERS = {
    "mail": lambda d: mail("Harmless", "harmless", ("x.bin", d)),
    "mail in a mail": lambda d: nested_mail(mail("Harmless", "harmless", ("x.bin", d))),
    "zip": lambda d: zipped(("x.bin", d)),
    "zip in a zip": lambda d: zipped(("x.zip", zipped(("y.zip", zipped(("z.bin", d)))))),
    "zip in a mail": lambda d: mail("Harmless", "harmless", ("x.zip", zipped(("z.bin", d)))),
    "mail in a zip": lambda d: zipped(("m.eml", mail("Harmless", "harmless", ("x.bin", d)))),
    "gzip": lambda d: gzip.compress(d, mtime=0),
    "gzip in a zip": lambda d: zipped(("x.gz", gzip.compress(d, mtime=0))),
    "base64 in XML": lambda d: b'<mms><part data="' + base64.b64encode(d) + b'"/></mms>',
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_released_native_that_carries_a_withheld_one_unseen_is_found(world, tmp_path, carrier):
    """The reader missed the part, so the catalogue knows no child: the container rule cannot see it."""
    secret = f"native {words_of('secret')}".encode()
    kept = world.add(
        WITHHOLD, kind="file", native=secret, name="secret-kept-file.docx", text=words_of("secret")
    )
    world.add(
        RELEASE, kind="file", native=CARRIERS[carrier](secret), name="harmless.bin", text="harmless text"
    )
    with pytest.raises(CheckFailed, match=rf"container in data/natives/DRAFT-0002\.bin \({kept}\)"):
        build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert list(tmp_path.glob("*draft*")) == []


@pytest.mark.parametrize(
    "native",
    [
        zipped(("secret-kept-file.docx", b"other bytes")),
        mail("Harmless", "harmless", ("secret-kept-file.docx", b"other bytes")),
        mail("Fwd: Subject of a kept record", "harmless"),
        mail("=?utf-8?b?" + base64.b64encode(b"Subject of a kept record").decode() + "?=", "harmless"),
        mail("Harmless", words_of("secret")),
        quoted(words_of("secret").encode()),
    ],
    ids=["zip name", "mail name", "subject", "encoded subject", "body", "quoted-printable"],
)
def test_names_and_words_inside_released_natives_are_found(world, tmp_path, native):
    world.add(WITHHOLD, kind="file", native=b"n", name="secret-kept-file.docx", text=words_of("secret"))
    world.add(WITHHOLD, subject="Subject of a kept record", text="short")
    world.add(RELEASE, kind="file", native=native, name="harmless.bin", text="harmless text")
    with pytest.raises(CheckFailed, match=r"leak gate found 1 things"):
        build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())


def test_what_released_records_say_is_no_leak(world, tmp_path):
    shared = "These very words stand in the withheld mail and in the released answer to it as well."
    world.add(WITHHOLD, subject="A subject that goes round", text=shared)
    world.add(RELEASE, subject="Re: A subject that goes round", text=f"You wrote: {shared}")
    made = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert made.counts["released"] == 1


def test_a_line_that_names_a_released_mail_is_no_leak(world, tmp_path):
    quoted = "On Fri, 02 Jan 2026 09:04:05 -0800, A. Clerk <clerk@cedarfalls.example> wrote:\n> short"
    world.add(WITHHOLD, text=f"{words_of('secret')}\n{quoted}", native=b"n")
    world.add(RELEASE, text="short", days=0, to=(("Ben Driver", "ben.driver@cedarfalls.example"),))
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())


def test_the_request_and_our_own_page_are_no_leak(world, tmp_path):
    world.add(WITHHOLD, subject="Bus route change at Cedar Falls Middle School", text=context().request_text)
    world.add(UNRESPONSIVE, subject="What could not be searched", text="x")
    world.add(RELEASE, text="anything")
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())


def test_an_explanation_that_quotes_the_record_stops_it(world, tmp_path):
    from dataclasses import replace

    from records.decisions import Exemption

    told = replace(WITHHOLD, exemptions=(Exemption("student-any-record", f"It says: {words_of('secret')}"),))
    world.add(told, text=words_of("secret"))
    with pytest.raises(CheckFailed, match=r"content in data/exemption-log\.csv"):
        build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())


def test_an_undecided_copy_of_a_released_record_is_no_leak(world, tmp_path):
    world.add(RELEASE, kind="file", native=b"same", text="the same text of at least eight words in both")
    world.add(
        OPEN,
        kind="file",
        native=b"same",
        text="the same text of at least eight words in both",
        custodian="c2",
    )
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())


def test_what_could_not_be_opened_is_said(world, tmp_path):
    locked = bytearray(zipped(("a.txt", b"hello")))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    world.add(RELEASE, kind="file", native=bytes(locked), name="a.zip")
    world.add(RELEASE, kind="file", native=b"PK\x03\x04 torn", name="b.zip")
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    report = gate(tmp_path / "draft", world.catalogue, world.store, REQUEST)
    not_checked = {check.name: check.not_checked for check in report.checks}["container"]
    assert "natives with: encrypted (1)" in not_checked
    assert "natives with: zip (1)" in not_checked


def test_a_bomb_is_said_and_not_opened():
    looker = Looker(Watch())
    level = b"0" * 1000
    for _ in range(12):
        level = zipped(("x.zip", level))
    looker.data(level)
    assert "limit" in looker.look.unopened


def test_a_decision_after_the_package_makes_it_fail(own, tmp_path):
    scenario, draft = own
    scenario.approve(json_sha(draft))
    scenario.package(tmp_path / "out")
    scenario.world.decide(scenario.released["mail"], WITHHOLD)
    found = {(f.check, f.where) for f in look(scenario, tmp_path / "out").findings}
    assert ("layout", "a file with the name hash") not in found
    assert any(f.what == scenario.released["mail"] for f in look(scenario, tmp_path / "out").findings)


def test_it_refuses_what_is_no_bundle_of_the_request(drafted, tmp_path):
    scenario, draft = drafted
    with pytest.raises(CheckFailed, match="says what it is"):
        look(scenario, tmp_path / "nowhere")
    with pytest.raises(CheckFailed, match="another request"):
        gate(draft, scenario.world.catalogue, scenario.world.store, "other")
    status = draft / "release" / "data" / "status.json"
    status.write_text(status.read_text().replace('"draft": true', '"draft": false'))
    with pytest.raises(CheckFailed, match="not approved"):
        look(scenario, draft)
    status.write_text("[]")
    with pytest.raises(CheckFailed):
        look(scenario, draft)


def test_an_unknown_request(drafted):
    scenario, draft = drafted
    status = draft / "release" / "data" / "status.json"
    status.write_text(status.read_text().replace(REQUEST, "nobody"))
    with pytest.raises(UsageError):
        gate(draft, scenario.world.catalogue, scenario.world.store, "nobody")


def test_text_that_left_the_store_is_said(own):
    scenario, draft = own
    item = scenario.world.row(t.readings, item_id=scenario.kept["grades"].item)
    scenario.world.store.remove(item.text_sha256, by="R", why="w", authority="a")
    checks = {check.name: check for check in look(scenario, draft).checks}
    assert "texts that are not in the store (1)" in checks["content"].not_checked


def test_words():
    assert words("Straße_Ä-1.pdf ﬁne") == ["strasse", "ä", "1", "pdf", "fine"]
    assert words("") == []


def test_a_compound_file_is_looked_at_as_text_and_named_as_not_opened():
    watch = Watch()
    watch.add_shingles(words("only five words in this"), "note", "x")
    looker = Looker(watch)
    looker.data(write(Storage({"__substg1.0_1000001F": "only five words in this".encode("utf-16-le")})))
    assert (looker.look.unopened, looker.look.found) == ({"compound_file"}, {("note", "x")})


def outlook_looker(built: outlook_files.Built, *watched: str) -> Looker:
    watch = Watch()
    for text in watched:
        watch.add(words(text), "note", text)
    looker = Looker(watch)
    looker.data(outlook_files.msg_file(built))
    return looker


def test_a_message_of_outlook_is_looked_into_with_all_that_hangs_on_it():
    packed = outlook_files.rtf(rb"{\rtf1\ansi the superintendent resigned}")
    withheld = zip_of([("inner.txt", b"the withheld plan")])
    built = outlook_files.Built(
        {0x001A: "IPM.Note", 0x0037: "Zo\u00eb L\u00f3pez", 0x1009: packed},
        attachments=[
            {0x3705: 1, 0x3707: "Secret list.zip", 0x3701: withheld},
            {0x3705: 5, 0x3701: outlook_files.Built({0x001A: "IPM.Note", 0x1000: "an inner message"})},
        ],
    )
    said = ("Zo\u00eb L\u00f3pez", "superintendent resigned", "withheld plan", "Secret list", "inner message")
    looker = outlook_looker(built, *said, "not there at all")
    assert {owner for _, owner in looker.look.found} == set(said)
    assert hashlib.sha256(withheld).hexdigest() in looker.look.digests
    assert hashlib.sha256(b"the withheld plan").hexdigest() in looker.look.digests
    assert looker.look.unopened == set()


def test_packed_rtf_that_does_not_unpack_is_named():
    looker = outlook_looker(outlook_files.Built({0x001A: "IPM.Note", 0x1009: b"LZFu" * 9}))
    assert looker.look.unopened == {"compressed_rtf"}


def test_a_message_of_outlook_that_is_cut_is_named_as_not_opened():
    watch = Watch()
    looker = Looker(watch)
    looker.data(outlook_files.simple_msg()[:-600])
    assert "compound_file" in looker.look.unopened


def test_runs_shorter_than_a_shingle_are_watched_whole():
    watch = Watch()
    watch.add_shingles(words("only five words in this"), "note", "x")
    assert watch.find("he said only five words in this room") == {("note", "x")}
    assert watch.find("only five words in that") == set()
    watch.clear("Only five: words in this!")
    assert len(watch) == 0
