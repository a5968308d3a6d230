"""The request file: what is wrong in it is named, all at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from desk.request import doubts, load_request
from records.errors import SettingsError

GOOD = """
text = "All communications about the bus route change"
received_on = 2026-09-08
terms = "terms.csv"
window = { from = 2026-01-01 }
[[custodians]]
id = "rdelgado"
name = "Rosa Delgado"
emails = ["rdelgado@cedarfalls.example"]
numbers = ["+14255550101"]
[[sources]]
id = "mail"
connector = "mail_files"
custodian = "rdelgado"
path = "sources/mail"
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "terms.csv").write_text("\ufeffterm,note\nbus,\n", "utf-8")

    def written(text: str) -> Path:
        path = tmp_path / "request.toml"
        path.write_text(text, "utf-8")
        return path

    return written


def test_the_roster_comes_along_and_a_wrong_one_is_refused(write, tmp_path):
    (tmp_path / "roster.csv").write_text("kind,name\nschool,Cedar Falls\n", "utf-8")
    path = write('roster = "roster.csv"\n' + GOOD)
    assert load_request(path).roster == "kind,name\nschool,Cedar Falls\n"
    (tmp_path / "roster.csv").write_text("kind,name\nhouse,Secret\n", "utf-8")
    with pytest.raises(SettingsError, match=r"^roster: line 2: kind is not one of [a-z, ]+$"):
        load_request(path)
    (tmp_path / "roster.csv").unlink()
    with pytest.raises(SettingsError, match=r"roster: .*roster.csv cannot be read"):
        load_request(path)


def test_footers_are_long_enough_to_be_no_ones_words(write):
    kept = load_request(write('footers = ["This message came from outside."]\n' + GOOD)).request.footers
    assert kept == ("This message came from outside.",)
    with pytest.raises(SettingsError, match=r"footers\.1: .*a footer has 20 letters and digits at least"):
        load_request(write(f'footers = ["{"a1" * 10}", "{"a1" * 9}a ...."]\n' + GOOD))


def test_the_districts_domains(write):
    two = GOOD.replace(
        "[[sources]]",
        '[[custodians]]\nid = "b"\nname = "B"\n'
        'emails = ["b@mail.example", "b@CedarFalls.example"]\n[[sources]]',
    )
    assert load_request(write(GOOD)).request.district_domains() == ("cedarfalls.example",)
    assert load_request(write(two)).request.district_domains() == ("cedarfalls.example",)
    stated = load_request(write('domains = ["k12.example"]\n' + two))
    assert stated.request.district_domains() == ("k12.example",)
    with pytest.raises(SettingsError, match=r"domains\.0"):
        load_request(write('domains = ["@cedarfalls.example"]\n' + GOOD))


def test_a_good_file(write, tmp_path):
    request, terms, _ = load_request(write(GOOD))
    assert terms == "term,note\nbus,\n"
    assert request.sources[0].path == str(tmp_path / "sources/mail")
    window = request.window_days()
    assert (window.first, window.last) == (date(2026, 1, 1), date(2026, 9, 8))
    assert str(window.zone) == "America/Los_Angeles"
    context = request.context(request.sources[0])
    assert context.owner_handles == ("rdelgado@cedarfalls.example", "+14255550101")
    assert (context.source_id, context.custodian_id) == ("mail", "rdelgado")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('terms = "terms.csv"', 'terms = "terms.csv"\npurpose = "why"', "purpose: unknown key"),
        ('custodian = "rdelgado"', 'custodain = "rdelgado"', "source mail: custodain: unknown key"),
        ('custodian = "rdelgado"', 'custodian = "nobody"', "source mail: no custodian has the id nobody"),
        ("received_on = 2026-09-08", "", "received_on: missing"),
        ("received_on = 2026-09-08", 'received_on = "soon"', "received_on: no day; write it as 2026-01-31"),
        ("from = 2026-01-01", "from = 2026-01-01, to = 2025-01-01", "`from` is later than `to`"),
        ("from = 2026-01-01", "form = 2026-01-01", "window.form: unknown key"),
        ('terms = "terms.csv"', 'terms = "terms.csv"\ntime_zone = "Pacific"', "time_zone: not a known zone"),
        ('terms = "terms.csv"', 'terms = "gone.csv"', "gone.csv cannot be read (No such file or directory)"),
        ('text = "All', 'text = "All\nbroken', "not valid TOML"),
        ('id = "mail"', 'id = "../mail"', "source number 1: id: not an id: up to 64 letters, digits"),
        ('id = "mail"', "", "source number 1: id: missing"),
        ('path = "sources/mail"', "", "source mail: write either `path` (a file or folder) or `connection`"),
        (
            'path = "sources/mail"',
            'path = "x"\nplaces = "mail"',
            "source mail: places: not a list; write it in",
        ),
        (
            'path = "sources/mail"',
            'path = "x"\noptions = { a = true }',
            "options.a: not a text; write it in quotes",
        ),
        (
            'path = "sources/mail"',
            'connection = "https://graph.example"',
            "source mail: connection: not the id of a connection",
        ),
        (
            "rdelgado@cedar",
            "Rosa <rdelgado@cedar",
            "custodian rdelgado: emails.0: no mail address; write it alone",
        ),
    ],
)
def test_what_is_wrong_is_named(write, old, new, message):
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        load_request(write(GOOD.replace(old, new)))
    assert message in str(caught.value)
    for words in ("Value error", "Input should", "String should", "Tuple should"):  # of a library
        assert words not in str(caught.value)


def test_two_wrong_keys_are_both_named(write):
    with pytest.raises(SettingsError) as caught:
        load_request(write('colour = "red"\nsize = 3\n' + GOOD))
    assert "colour: unknown key" in str(caught.value)
    assert "size: unknown key" in str(caught.value)


def test_ids_are_unique(write):
    twice = GOOD + GOOD[GOOD.index("[[sources]]") :]
    with pytest.raises(SettingsError, match="sources: id used twice: mail"):
        load_request(write(twice))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nothing\.toml: cannot be read \(No such file or directory\)"):
        load_request(tmp_path / "nothing.toml")


def test_a_term_list_as_spreadsheets_save_it(write, tmp_path):
    path = write(GOOD)
    (tmp_path / "terms.csv").write_bytes("term\ncaf\xe9 \u201cgate\u201d\n".encode("windows-1252"))
    assert load_request(path)[1] == "term\ncaf\xe9 \u201cgate\u201d\n"


def test_what_is_probably_a_mistake_is_said(write):
    account = (
        '[[sources]]\nid = "{}"\nconnector = "microsoft_graph"\ncustodian = "rdelgado"\nconnection = "{}"\n'
    )
    request = load_request(write(GOOD)).request
    assert doubts(request, date(2026, 9, 8)) == []
    assert doubts(request, date(2026, 9, 7)) == [
        "The day of receipt, 2026-09-08, is still to come; the day to answer counts from it."
    ]
    more = (
        account.format("all", "m365")
        + account.format("mail", "M365")
        + 'account = "RDelgado@cedarfalls.example"\nplaces = ["mail"]\n'
        + account.format("teams", "m365")
        + 'places = ["teams_chats"]\n'
        + account.format("lee", "m365")
        + 'account = "lee@cedarfalls.example"\n'
        + GOOD[GOOD.index("[[sources]]") :].replace('id = "mail"', 'id = "again"').replace("/mail", "/./mail")
    )
    text = GOOD.replace('id = "mail"', 'id = "files"') + more
    said = doubts(load_request(write(text)).request, date(2026, 9, 8))
    assert [sentence.partition(" read the same")[0] for sentence in said] == [
        "Sources files and again",
        "Sources all and mail",
        "Sources all and teams",
    ]
