"""Signals from a small collection: what each kind gathers, and the near-misses beside it."""

# ruff: noqa: E501 - each item stands on one line

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from records import tables as t
from records.models import Window
from records.roster import read_roster
from search.signal_people import Custodian, Setting
from search.signals import KIND_LABELS, LEAST_MESSAGES, MOST_PEOPLE, Signal, SignalKind, find, places
from tests.search.home import PACIFIC, REQUEST, Home

LEE = ["Ann Lee", "ann.lee@falls.example"]
OKAFOR = ["Ibe Okafor", "ibe.okafor@falls.example"]
PARENT = ["Pat Doe", "pat.doe@home.example"]
ROSTER = """kind,name,aliases,emails,numbers
staff,Ann Lee,,ann.lee@falls.example,
staff,Bo Ray,,bo.ray@falls.example,+12065550111
board,Di Moss,,di.moss@falls.example,
vendor,Colm Tarrant,,colm@transit.example,
guardian,Pat Doe,,pat.doe@home.example,
mailbox,Records,,records@falls.example,
"""


def setting(roster: str = ROSTER, **lee: Any) -> Setting:
    one = {"emails": (LEE[1],), "numbers": ("+12065550101",)} | lee
    return Setting(
        (
            Custodian("lee", "Ann Lee", (), **one),
            Custodian("okafor", "Ibe Okafor", (), (OKAFOR[1],)),
            Custodian("ruiz", "Ana Ruiz", (), ("ana.ruiz@falls.example",), searched=False),
        ),
        ("falls.example",),
        read_roster(roster),
        Window(date(2026, 1, 1), date(2026, 6, 30), PACIFIC),
        PACIFIC,
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = Home(tmp_path)
    yield opened
    opened.close()


def mail(name: str, text: str, sender: list[str] = LEE, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "text": text, "sender": [sender], "to": [OKAFOR], "subject": f"about {name}", "content": name,
        "sent_at": "2026-03-02T18:00:00.000000Z", **more,
    }  # fmt: skip


def hit(home: Home, *names: str) -> None:
    rows = [
        {
            "request_id": REQUEST,
            "version": 1,
            "term_no": 2,
            "item_id": name,
            "family_id": name,
            "occurrences": 1,
        }
        for name in names
    ]
    with home.catalogue.write() as connection:
        connection.execute(t.hits.insert(), rows)


def look(
    home: Home, items: list[dict[str, Any]], given: Setting | None = None, but: str = "-"
) -> dict[str, Signal]:
    """Fill, mark every family as hit but those that begin with ``but``, and return the signals by subject."""
    home.fill("b000001", items)
    hit(home, *(one["id"] for one in items if "parent" not in one and not one["id"].startswith(but)))
    found, unreadable = find(home.catalogue, home.store, REQUEST, 1, given or setting())
    assert unreadable == 0
    assert len({one.signal_id for one in found}) == len(found)
    return {one.subject: one for one in found}


def kinds(found: dict[str, Signal]) -> dict[str, str]:
    return {subject: str(one.kind) for subject, one in found.items()}


def test_an_own_address_with_every_item_it_stands_in(home):
    found = look(home, [
        mail("m1", "my gmail is Owl@mail.example, use it"),
        mail("m2", "ok\n\nOn Mon, Ann Lee <ann.lee@falls.example> wrote:\n> my gmail is owl@mail.example", OKAFOR),
        mail("m3", "nothing", ["", "owl@mail.example"]),
        mail("m4", "copied", OKAFOR, cc=[["x", "OWL@mail.example"]]),
        mail("m5", "another matter"),
    ])  # fmt: skip
    one = found["owl@mail.example"]
    assert (one.kind, one.custodian_id, one.because) == ("own_account", "lee", ("written",))
    assert sorted(one.items) == ["m1", "m2", "m3", "m4"]
    assert one.messages == 4
    assert one.facts == {"name": "Ann Lee", "first": "2026-03-02", "last": "2026-03-02"}
    assert len(found) == 1


def test_words_quoted_from_somebody_else_are_not_the_senders(home):
    found = look(home, [
        mail("m1", "see\n\nOn Mon, Pat Doe <pat.doe@home.example> wrote:\n> my gmail is p@mail.example"),
        mail("m2", "see\n> my gmail is q@mail.example"),
        mail("m3", "see\nOn Mon, Ibe Okafor <ibe.okafor@falls.example> wrote:\n> my gmail is r@mail.example", PARENT),
    ])  # fmt: skip
    assert {subject: one.custodian_id for subject, one in found.items()} == {"r@mail.example": "okafor"}


def test_accounts_by_their_looks_and_whose_they_are(home):
    found = look(home, [
        mail("m1", "x", ["Ann Lee", "sunny@mail.example"]),
        mail("m2", "x", ["", "ibeokafor9@mail.example"]),
        mail("m3", "x", ["Bo Ray", "bo@mail.example"]),
        mail("m4", "x", ["Ann Lee", "a.lee@falls.example"]),
        mail("m5", "write to ann.lee@mail.example"),
        mail("m6", "From: Ann Lee <luna@mail.example>\nSent: x\n\nold"),
        mail("m7", "x", PARENT, to=[["Colm Tarrant", "colm@transit.example"]]),
    ])  # fmt: skip
    assert kinds(found) == {
        "sunny@mail.example": "own_account",
        "ibeokafor9@mail.example": "own_account",
        "ann.lee@mail.example": "own_account",
        "luna@mail.example": "own_account",
        "bo@mail.example": "undeclared_account",
        "a.lee@falls.example": "undeclared_account",
    }
    assert found["bo@mail.example"].custodian_id is None
    assert found["a.lee@falls.example"].custodian_id == "lee"


def test_a_number_of_ones_own_in_texts_and_mail(home):
    text = {"kind": "message", "source": "phone"}
    found = look(home, [
        mail("t1", "text me at (564) 555-0187 later", OKAFOR, **text),
        mail("m1", "her number is 564.555.0187", PARENT),
        mail("t2", "text me at 206-555-0120", PARENT, **text),
        mail("t3", "hi", ["Ann Lee", "+15645550190"], **text),
        mail("m2", "call me at 564-555-0188"),
    ])  # fmt: skip
    assert {subject: (one.custodian_id, sorted(one.items)) for subject, one in found.items()} == {
        "+15645550187": ("okafor", ["m1", "t1"]),
        "+15645550190": ("lee", ["t3"]),
    }


def test_a_declared_number_counts_only_where_they_ask_to_be_texted_there(home):
    found = look(home, [mail("m1", "Ann Lee\n206-555-0101")])
    assert found == {}
    found = look(home, [mail("m2", "text me at 206-555-0101")])
    assert found["+12065550101"].because == ("declared", "written")


def test_an_account_in_a_source_is_no_lead(home):
    phone = {"kind": "message", "source": "phone", "to": [["", "+12065550111"]]}
    items = [mail(f"t{n}", "on time", ["", "+12065550101"], **phone) for n in range(3)]
    items += [mail("m1", "text me at 206-555-0101, or just text me")]
    takeout = {"source": "takeout"}
    items += [mail(f"g{n}", "x", ["Ann Lee", "sunny@mail.example"], **takeout) for n in range(3)]
    items += [
        mail("m2", "use my personal account, sunny@mail.example"),
        mail("m3", "it is in my personal e-mail"),
    ]
    assert look(home, items) == {}


def test_declared_addresses_elsewhere_that_are_no_source(home):
    given = setting(emails=(LEE[1], "lee@mail.example"))
    found = look(
        home,
        [mail("m1", "x", ["", "lee@mail.example"]), mail("m2", "see lee@mail.example"), mail("m3", "x")],
        given,
    )
    assert found["lee@mail.example"].because == ("declared",)
    assert sorted(found["lee@mail.example"].items) == ["m1", "m2"]


def test_a_mailbox_of_somebody_else_is_no_source_of_the_account(home):
    items = [mail(f"m{n}", "x", ["Ann Lee", "sunny@mail.example"], custodian="okafor") for n in range(4)]
    assert kinds(look(home, items)) == {"sunny@mail.example": "own_account"}


def test_a_device_that_is_not_named(home):
    found = look(home, [
        mail("m1", "just text me"), mail("m2", "on my personal phone"), mail("m3", "from my gmail", OKAFOR),
        mail("m4", "text me", PARENT), mail("m5", "text me", ["Bo Ray", "bo.ray@falls.example"]),
    ])  # fmt: skip
    assert {subject: sorted(one.items) for subject, one in found.items()} == {
        "phone of lee": ["m1", "m2"],
        "e-mail account of okafor": ["m3"],
        "phone of Bo Ray": ["m5"],
    }


def test_an_app_is_one_signal_with_those_who_named_it(home):
    found = look(home, [
        mail("m1", "I'll WhatsApp you"), mail("m2", "on WhatsApp", OKAFOR), mail("m3", "we parents use WhatsApp", PARENT),
        mail("m4", "policy: no WhatsApp", kind="file"), mail("m5", "check Remind"),
        mail("m6", "signal the driver; remind parents"),
    ])  # fmt: skip
    assert {subject: sorted(one.items) for subject, one in found.items()} == {
        "WhatsApp": ["m1", "m2"], "Remind": ["m5"],
    }  # fmt: skip
    assert found["WhatsApp"].facts["custodians"] == ["lee", "okafor"]
    assert (found["WhatsApp"].custodian_id, found["Remind"].custodian_id) == (None, "lee")


def test_a_linked_file_is_one_signal_however_it_is_written(home):
    found = look(home, [
        mail("m1", "https://docs.google.com/document/d/1AbC/edit"), mail("m2", "docs.google.com/document/d/1AbC", PARENT),
        mail("m3", "https://falls.example/d/1AbC"), mail("f1", "1drv.ms/w/s!A", kind="file"),
    ])  # fmt: skip
    assert {subject: sorted(one.items) for subject, one in found.items()} == {
        "docs.google.com/1AbC": ["m1", "m2"], "1drv.ms/w/s!A": ["f1"],
    }  # fmt: skip


def test_shared_mailboxes(home):
    found = look(home, [
        mail("m1", "write to records@falls.example"), mail("m2", "x", cc=[["Office", "cfms-office@falls.example"]]),
        mail("m3", "office@vendor.example, no-reply@falls.example, all-staff@falls.example"),
        mail("m4", "x", ["", "no-reply@falls.example"]),
    ])  # fmt: skip
    assert {subject: (str(one.kind), one.because) for subject, one in found.items()} == {
        "records@falls.example": ("shared_mailbox", ("roster",)),
        "cfms-office@falls.example": ("shared_mailbox", ("role",)),
    }
    given = setting(emails=(LEE[1], "records@falls.example"))
    with home.catalogue.write() as connection:
        connection.execute(t.hits.delete().where(t.hits.c.item_id == "m2"))
    assert find(home.catalogue, home.store, REQUEST, 1, given)[0] == []


def test_people_who_keep_appearing(home):
    bo, di, ruiz, temp = (
        [name, f"{name.lower().replace(' ', '.')}@falls.example"] for name in ("Bo Ray", "Di Moss", "Ana Ruiz", "Temp X")
    )  # fmt: skip
    items = [mail(f"a{n}", "x", cc=[bo, temp]) for n in range(LEAST_MESSAGES)]
    items += [
        mail(f"b{n}", "x", cc=[di], content="same") for n in range(LEAST_MESSAGES)
    ]  # one message, copies
    items += [mail(f"c{n}", "x", ruiz) for n in range(LEAST_MESSAGES)]  # a custodian without a source
    crowd = [[f"P {n}", f"p{n}@home.example"] for n in range(MOST_PEOPLE)]
    items += [
        mail(f"d{n}", "x", cc=[["Kim Roe", "kim.roe@falls.example"], *crowd]) for n in range(LEAST_MESSAGES)
    ]
    items += [mail(f"e{n}", "x", PARENT, cc=[["Far", "far@away.example"]]) for n in range(LEAST_MESSAGES)]
    found = look(home, items)
    assert {subject: (one.messages, len(one.items), one.because) for subject, one in found.items()} == {
        "Bo Ray (bo.ray@falls.example)": (5, 5, ("roster",)),
        "temp.x@falls.example": (5, 5, ("district_address",)),
        "Ana Ruiz (ana.ruiz@falls.example)": (5, 5, ("roster",)),
    }
    assert found["Ana Ruiz (ana.ruiz@falls.example)"].custodian_id == "ruiz"
    assert found["Ana Ruiz (ana.ruiz@falls.example)"].facts["wrote"] == 5
    assert found["Bo Ray (bo.ray@falls.example)"].facts["wrote"] == 0
    assert {str(one.kind) for one in found.values()} == {"person"}


def test_a_missing_attachment_with_its_copies(home):
    child = {"family": "m3", "parent": "m3", "kind": "file"}
    found = look(home, [
        mail("m1", "The list is attached.", content="same"), mail("m2", "The list is attached.", content="same"),
        mail("m3", "The map is attached.", children=1), mail("m3a", "a map", **child),
        mail("m4", "Thanks.\n\nOn Mon, Ann Lee <ann.lee@falls.example> wrote:\n> The list is attached."),
        mail("m5", "Attached: https://docs.google.com/document/d/1AbC, the list is attached."),
        mail("t1", "the list is attached", kind="message"),
        mail("m6", "I attached nothing yet"),
    ])  # fmt: skip
    (one,) = [one for one in found.values() if one.kind is SignalKind.MISSING_ATTACHMENT]
    assert (one.subject, sorted(one.items), one.messages) == ("2026-03-02: about m1", ["m1", "m2"], 1)


def test_a_copy_that_has_the_attachment_answers_for_the_others(home):
    items = [
        mail("m1", "The list is attached.", content="c1"),
        mail("m2", "The list is attached.", content="c2", children=1),
    ]
    home.fill("b000001", items)
    with home.catalogue.write() as connection:
        connection.execute(t.readings.update().values(thread='{"message_id":"<1@falls.example>"}'))
    hit(home, "m1", "m2")
    assert find(home.catalogue, home.store, REQUEST, 1, setting())[0] == []


def days_of_mail(source: str, custodian: str, skip: tuple[date, date]) -> list[dict[str, Any]]:
    out = []
    for n in range(120):
        day = date(2026, 1, 5) + timedelta(days=n)
        if day.weekday() < 5 and not skip[0] <= day <= skip[1]:
            out.append(
                mail(
                    f"{source}-{day}",
                    "x",
                    source=source,
                    custodian=custodian,
                    sent_at=f"{day}T18:00:00.000000Z",
                )
            )
    return out


def with_moments(home: Home) -> None:
    with home.catalogue.write() as connection:
        connection.execute(t.items.update().values(
            moment_at=t.readings.select().with_only_columns(t.readings.c.sent_at)
            .where(t.readings.c.item_id == t.items.c.item_id).scalar_subquery()
        ))  # fmt: skip


def test_a_gap_stands_between_the_messages_in_review_nearest_to_it(home):
    skip = (date(2026, 3, 2), date(2026, 3, 13))
    items = days_of_mail("s1", "lee", skip) + days_of_mail(
        "s2", "okafor", (date(2027, 1, 1), date(2027, 1, 1))
    )
    home.fill("b000001", items)
    with_moments(home)
    hit(home, "s1-2026-02-10", "s1-2026-02-20", "s1-2026-03-20", "s2-2026-03-04")
    (gap,) = find(home.catalogue, home.store, REQUEST, 1, setting())[0]
    assert (gap.kind, gap.subject, gap.custodian_id) == ("mail_gap", "s1: 2026-02-28 to 2026-03-15", "lee")
    assert sorted(gap.items) == ["s1-2026-02-20", "s1-2026-03-20"]
    assert gap.facts["weekdays"] == 10


def test_three_mailboxes_empty_at_once_are_one_signal(home):
    skip = (date(2026, 4, 6), date(2026, 4, 17))
    items = [one for n in range(3) for one in days_of_mail(f"s{n}", f"c{n}", skip)]
    home.fill("b000001", items)
    with_moments(home)
    (gap,) = find(home.catalogue, home.store, REQUEST, 1, setting())[0]
    assert gap.subject == "s0, s1, s2: 2026-04-04 to 2026-04-19"
    assert (gap.facts["sources"], gap.custodian_id, gap.items) == (["s0", "s1", "s2"], None, {})


def test_only_families_in_review_are_looked_at(home):
    found = look(home, [mail("n1", "on WhatsApp"), mail("m1", "x")], but="n")
    assert found == {}
    with home.catalogue.write() as connection:
        connection.execute(
            t.decisions.insert(),
            {"request_id": REQUEST, "item_id": "n1", "seq": 1, "version": 1, "blob_sha256": None, "body": "{}", "by": "x",
             "at": "x"},
        )  # fmt: skip
    assert [one.subject for one in find(home.catalogue, home.store, REQUEST, 1, setting())[0]] == ["WhatsApp"]
    assert find(home.catalogue, home.store, REQUEST, 2, setting())[0] != []  # decided, whatever the version


def test_the_order_is_by_kind_then_by_messages_then_by_subject(home):
    found = look(home, [
        mail("m1", "on WhatsApp, check Remind, on Snapchat"), mail("m2", "on WhatsApp"), mail("m3", "docs.google.com/d/1AbC"),
        mail("m4", "my gmail is z@mail.example"), mail("m5", "The list is attached."),
    ])  # fmt: skip
    assert list(found) == [
        "z@mail.example", "WhatsApp", "Remind", "Snapchat", "docs.google.com/1AbC", "2026-03-02: about m5",
    ]  # fmt: skip


def test_a_text_that_cannot_be_read_back_costs_only_itself(home):
    look(home, [mail("m1", "on WhatsApp"), mail("m2", "check Remind for all of the news of the day")])
    (segment,) = home.store.folder.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[-3] ^= 0xFF
    segment.write_bytes(bytes(data))
    home.store.close()
    found, unreadable = find(home.catalogue, home.store, REQUEST, 1, setting())
    assert ([one.subject for one in found], unreadable) == (["WhatsApp"], 1)


@pytest.mark.parametrize(
    ("kind", "key", "text", "marked"),
    [
        (
            SignalKind.OWN_ACCOUNT,
            "a@b.example",
            "to A@B.example and a@b.example.",
            ["A@B.example", "a@b.example"],
        ),
        (SignalKind.UNDECLARED_ACCOUNT, "+12065550142", "(206) 555-0142", ["(206) 555-0142"]),
        (SignalKind.SHARED_MAILBOX, "a@b.example", "nothing", []),
        (SignalKind.OWN_DEVICE, "phone\x1fc:lee", "text me from my gmail", ["text me"]),
        (SignalKind.OTHER_APP, "Signal", "on Signal; on WhatsApp", ["on Signal"]),
        (
            SignalKind.LINKED_FILE,
            "docs.google.com/1AbC",
            "docs.google.com/d/1AbC now",
            ["docs.google.com/d/1AbC"],
        ),
        (SignalKind.MISSING_ATTACHMENT, "x", "It is attached.", ["is attached"]),
        (SignalKind.PERSON, "r:1", "Bo Ray", []),
        (SignalKind.MAIL_GAP, "x", "anything", []),
    ],
)
def test_where_a_signal_stands_in_a_text(kind, key, text, marked):
    assert [text[start:end] for start, end in places(kind, key, text)] == marked


def test_every_kind_has_a_label_and_a_row_in_the_docs():
    page = (Path(__file__).parents[2] / "docs/leads.md").read_text("utf-8")
    assert set(KIND_LABELS) == set(SignalKind)
    assert [kind for kind in SignalKind if f"\n| `{kind}` |" not in page] == []
