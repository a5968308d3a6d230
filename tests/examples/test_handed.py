"""What is handed over from phones and apps is what its truth says, by readers that are not the project's."""

from __future__ import annotations

import csv
import html
import io
import json
import plistlib
import re
import sqlite3
import tomllib
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
from PIL import Image

from examples.district.asks import BUS_TERMS, Fields, Source, Tokens
from examples.district.build import HANDED
from examples.district.handed import DOUBTFUL, MOST, Cast, Made, digest, make_cast, ordinary
from examples.district.handed_pictures import SHEET
from examples.district.handed_printouts import LAYOUTS, write_layouts
from examples.district.handed_printouts import LOST as LOST_STOPS
from examples.district.handed_tables import COLUMNS, HEADER, MAP, TABLE, write_map
from examples.district.handed_whatsapp import COACHES, LATE_BUS, LOST, SHOWN
from examples.district.people import make_people
from examples.district.texts import make_words
from examples.exports.imessage import DATABASE, hashed

ZONE = ZoneInfo("America/Los_Angeles")
SEEDS, ORDINARY = (1, 2, 3), 25
EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


@cache
def cast_of(seed: int) -> Cast:
    return make_cast(seed, make_people(seed), make_words(seed, 600))


@pytest.fixture(params=SEEDS)
def cast(request) -> Cast:
    return cast_of(request.param)


def source_of(cast: Cast, place: str) -> Source:
    connector, office, _ = HANDED[place]
    return Source(place, connector, cast.office(office), "cust-01", f"sources/{place}")


@cache
def made_of(seed: int, place: str, count: int) -> Made:
    cast = cast_of(seed)
    return HANDED[place][2](source_of(cast, place), cast, count)


def made(cast: Cast, place: str, count: int = ORDINARY) -> Made:
    return made_of(cast.seed, place, count)


def by_key(one: Made, *kinds: str) -> dict:
    return {top.native_key: top for top in one.tops if top.kind in kinds and top.collection[0] == "stored"}


def failed(one: Made) -> dict:
    return {top.name: top.collection[1] for top in one.tops if top.collection[0] == "failed"}


def pacific_text(at: datetime, form: str) -> str:
    return at.astimezone(ZONE).strftime(form)


# -- all of them


@pytest.mark.parametrize("count", [1, 25, 28, MOST])
def test_ordinary_messages_are_of_days_that_are_in_no_doubt(cast, count):
    days = [at.date().isoformat() for at, _ in ordinary(cast.rng("x"), cast.words, count)]
    assert len(days) == count
    edges = {"2025-08-31", "2025-10-31", "2025-12-31", "2026-04-01", "2026-06-01", "2026-07-01"}
    assert {day.isoformat() for day in DOUBTFUL} == edges
    assert edges & {*days} == set()


@pytest.mark.parametrize("place", HANDED)
def test_an_export_has_a_story_and_grows_by_ordinary_messages_alone(cast, place):
    small, large = made(cast, place, 0), made(cast, place)
    grown = 0 if place == "screenshots-01" else ORDINARY
    assert len(large.tops) - len(small.tops) == grown
    keys = Counter(top.native_key for top in large.tops)
    assert set(keys.values()) == {1}
    tags = {tag for top in large.tops for tag in top.tags}
    assert "outside_window" in tags
    assert tags & {"hit_text", "found_only_after_ocr"}
    if grown:
        assert {"near_miss", "student_data", "hit_text"} <= tags
    assert bool(failed(large)) == (place not in {"talkingpoints-01", "parentsquare-01"})


@pytest.mark.parametrize("place", HANDED)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(place):
    again = make_cast(1, make_people(1), make_words(1, 600))
    assert HANDED[place][2](source_of(again, place), again, ORDINARY) == made(cast_of(1), place)
    assert made(cast_of(1), place).files != made(cast_of(2), place).files


@pytest.mark.parametrize("place", HANDED)
def test_words_hit_where_the_story_says_so(cast, place):
    for top in made(cast, place).tops:
        tokens = Tokens(Fields(top.subject, top.words, top.name or "", top.participants, top.kind))
        hits = [term.query for term in BUS_TERMS if term.test is not None and term.test(tokens)]
        if "near_miss" in top.tags:
            assert hits == [], top.words
        if "hit_text" in top.tags and place not in {"whatsapp-01", "facebook-01"}:  # two requests
            assert hits, top.words


# -- each


def test_the_database_of_the_phone_has_a_row_for_each_message(cast, tmp_path):
    one = made(cast, "iphone-01")
    (folder,) = {path.partition("/")[0] for path in one.files}
    path = tmp_path / "sms.db"
    path.write_bytes(one.files[f"{folder}/{DATABASE}"])
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    rows = {row["guid"]: row for row in db.execute("SELECT * FROM message")}
    tops = by_key(one, "message")
    assert rows.keys() == tops.keys()
    for guid, row in rows.items():
        assert (EPOCH + timedelta(seconds=row["date"] // 10**9)).timestamp() == tops[guid].at.timestamp()
        held = (row["attributedBody"] or b"") + (row["text"] or "").encode()
        first = tops[guid].words.split("\n")[0]
        if not {"unsent", "system_row"} & {*tops[guid].tags}:
            assert first.encode() in held
    tagged = {tag: rows[key] for key, top in tops.items() for tag in top.tags}
    history = plistlib.loads(tagged["edited"]["message_summary_info"])["ec"]["0"]
    assert [b"Tuesday" in said["t"] for said in history] == [True, False]
    assert plistlib.loads(tagged["unsent"]["message_summary_info"])["rp"] == [0]
    assert tagged["tapback"]["associated_message_guid"] == f"p:0/{tagged['edited']['guid']}"
    listed = "SELECT message_id FROM chat_message_join"
    (gone,) = db.execute(f"SELECT * FROM message WHERE ROWID NOT IN ({listed})")
    assert gone["guid"] == tagged["recently_deleted"]["guid"]
    autumn = [top.at for top in one.tops if "autumn_hour" in top.tags]
    assert [pacific_text(at, "%H:%M %Z") for at in autumn] == ["01:30 PDT", "01:30 PST"]
    attached = {
        row["guid"]: row["transfer_name"] for row in db.execute("SELECT guid, transfer_name FROM attachment")
    }
    assert failed(one) == {"IMG_2042.MOV": "not_in_export"}
    assert sorted(attached.values()) == ["IMG_2041.jpeg", "IMG_2042.MOV"]
    there = one.files[f"{folder}/{hashed('MediaDomain', 'Library/SMS/Attachments/00/01/IMG_2041.jpeg')}"]
    (picture,) = [top for top in one.tops if top.name == "IMG_2041.jpeg"]
    assert picture.sha256 == digest(there)
    assert picture.native_key.partition("#")[2] in attached
    db.close()


def test_the_chats_have_an_entry_for_each_message(cast):
    one = made(cast, "whatsapp-01")
    with zipfile.ZipFile(io.BytesIO(one.files[COACHES])) as packed:
        assert packed.namelist() == ["_chat.txt", SHOWN]
        coaches = packed.read("_chat.txt")
    late = one.files[LATE_BUS]
    for text, form, scope in (
        (coaches, r"^\u200e?\[\d", f"{COACHES}!_chat.txt"),
        (late, r"^\d+/\d+/\d\d, ", LATE_BUS),
    ):
        begun = [found.start() for found in re.finditer(form, text.decode(), re.MULTILINE)]
        parts = [text.decode()[a:b] for a, b in zip(begun, [*begun[1:], None], strict=True)]
        tops = [top for top in one.tops if top.scope == scope and top.kind == "chat"]
        assert [digest(part.encode()) for part in parts] == [top.sha256 for top in tops]
        for part, top in zip(parts, tops, strict=True):
            stamp = pacific_text(top.at, "%-m/%-d/%y, %-I:%M")
            assert stamp in part
            said = part.replace("\u200e", "").replace("\r\n", "\n").rstrip("\n")
            assert said.endswith(top.words)
    equal = [top for top in one.tops if "duplicate" in top.tags]
    assert [top.native_key.rpartition(":")[2] for top in equal] == ["0", "1"]
    assert failed(one) == {LOST: "not_in_export", None: "omitted_by_user"}
    assert LOST.encode() in coaches
    order = re.findall(r"11/2/25, (1:\d\d:\d\d)", coaches.decode())
    assert order == ["1:50:10", "1:10:44"]


def test_the_takeout_of_voice_has_an_element_for_each_message(cast):
    one = made(cast, "voice-01")
    paths = [path for path in sorted(one.files) if re.search(r"/Calls/.*html$", path)]
    pages = [one.files[path].decode() for path in paths]
    elements = [
        element
        for page in pages
        for element in re.findall(r'<div class="message">.*?</q>.*?</div>', page, re.DOTALL)
    ]
    tops = [top for top in one.tops if top.kind == "message"]
    assert len(elements) == len(tops)
    for element, top in zip(elements, tops, strict=True):
        (at,) = re.findall(r'class="dt" title="([^"]+)"', element)
        assert datetime.fromisoformat(at) == top.at
        (said,) = re.findall(r"<q>(.*?)</q>", element, re.DOTALL)
        assert html.unescape(said) == top.words
    calls = [page for page in pages if 'class="haudio"' in page]
    assert sorted(digest(page.encode()) for page in calls) == sorted(
        top.sha256 for top in one.tops if top.kind == "call"
    )
    named = re.findall(r'<img src="([^"]+)"', "".join(pages))
    present = {path.rpartition("/")[2].removesuffix(".jpg") for path in one.files if path.endswith(".jpg")}
    assert set(failed(one)) == set(named) - present
    assert len(present & set(named)) == 1
    deleted = [top for top in tops if "deleted" in top.tags]
    assert len(deleted) == 2
    assert sum("User Deleted:\nTrue" in page for page in pages) == 1


def test_the_download_of_the_page_has_an_object_for_each_record(cast):
    one = made(cast, "facebook-01")
    (data,) = one.files.values()
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    lists = {name.rpartition("/")[2]: data for name, data in files.items() if name.endswith(".json")}
    posts = json.loads(lists["profile_posts_1.json"])
    comments = [row["data"][0]["comment"] for row in json.loads(lists["comments.json"])["comments_v2"]]
    thread = json.loads(lists["message_1.json"])
    found = {str(post["timestamp"]): repaired(post["data"][0]["post"]) for post in posts}
    found |= {str(said["timestamp"]): repaired(said["comment"]) for said in comments}
    folder = thread["thread_path"].partition("/")[2]
    found |= {f"{folder}/{m['timestamp_ms']}": repaired(m.get("content", "")) for m in thread["messages"]}
    tops = by_key(one, "post", "chat")
    assert {key: top.words for key, top in tops.items()} == found
    for key, top in tops.items():
        stated = int(key.rpartition("/")[2])
        assert datetime.fromtimestamp(stated / (1000 if "/" in key else 1), UTC) == top.at
    assert [m["timestamp_ms"] for m in thread["messages"] if m.get("is_unsent")] == [
        int(key.rpartition("/")[2]) for key, top in tops.items() if "unsent" in top.tags
    ]
    edited = [post["timestamp"] for post in posts if post["data"][1]["update_timestamp"] != post["timestamp"]]
    assert edited == [int(key) for key, top in tops.items() if "edited" in top.tags]
    uris = re.findall(r'"uri": "([^"]+)"', lists["profile_posts_1.json"].decode())
    assert [uri.rpartition("/")[2] for uri in uris if uri not in files] == list(failed(one)) == ["182.jpg"]
    assert any("é" in top.words for top in tops.values())


def repaired(text: str) -> str:
    return text.encode("latin-1").decode()


def test_the_table_has_a_row_for_each_message_and_its_map_is_confirmed(cast, tmp_path):
    one = made(cast, "talkingpoints-01")
    rows = list(csv.DictReader(io.StringIO(one.files[TABLE].decode("utf-8-sig"), newline="")))
    tops = by_key(one, "chat")
    assert [row["Message ID"] for row in rows] == list(tops)
    for row in rows:
        top = tops[row["Message ID"]]
        assert row["Sent At (PT)"] == pacific_text(top.at, "%m/%d/%Y %I:%M %p")
        assert f"{row['Original Message']}\n{row['Translated Message']}".strip() == top.words
    write_map(tmp_path)
    stated = tomllib.loads((tmp_path / MAP).read_text("utf-8"))
    assert tuple(stated["header"]) == HEADER == tuple(rows[0])
    assert stated["columns"] == COLUMNS
    assert stated["confirmed_by"]
    assert stated["confirmed_on"].isoformat() == "2026-09-09"
    assert set(HEADER) - set(COLUMNS.values()) == {"Student"}


@pytest.mark.parametrize("place", ["remind-01", "parentsquare-01"])
def test_the_printouts_have_the_words_of_each_message(cast, place, tmp_path):
    one = made(cast, place)
    (data,) = one.files.values()
    pdf = pypdfium2.PdfDocument(data)
    pages = [page.get_textpage().get_text_bounded() for page in pdf]
    pdf.close()
    words = " ".join(" ".join(pages).split())
    tops = [top for top in one.tops if top.kind == "chat"]
    for top in tops:
        assert " ".join(top.words.removesuffix(LOST_STOPS).split()) in words
    assert words.count("Staff)") + words.count("Parent)") == (len(tops) if place == "remind-01" else 0)
    assert len(pages) == (3 if place == "remind-01" else 2)
    assert failed(one) == ({LOST_STOPS: "not_in_export"} if place == "remind-01" else {})
    (whole,) = [top for top in one.tops if top.kind == "file" and top.collection[0] == "stored"]
    assert whole.sha256 == digest(data)
    write_layouts(tmp_path)
    stated = tomllib.loads((tmp_path / LAYOUTS[place]).read_text("utf-8"))
    assert stated["app"] == place.removesuffix("-01")
    assert stated["confirmed_by"]


def test_the_pictures_are_those_of_the_sheet(cast):
    one = made(cast, "screenshots-01")
    rows = list(csv.DictReader(io.StringIO(one.files[SHEET].decode(), newline="")))
    named = [row["file"] for row in rows]
    pictures = {path for path in one.files if path.endswith(".png")}
    assert set(named) - pictures == set(failed(one)) == {"IMG_0421.png"}
    assert pictures - set(named) == {"IMG_0430.png"}
    tops = {top.native_key: top for top in one.tops}
    assert tops.keys() == {*named, *pictures, SHEET}
    for path in pictures:
        with Image.open(io.BytesIO(one.files[path])) as picture:
            picture.verify()
    for row in rows:
        first, at = row["first_day"], tops[row["file"]].at
        assert first == (pacific_text(at, "%Y-%m-%d") if at else "") or row["file"] not in pictures
        assert row["app"] == "Signal"
        assert tops[row["file"]].scope == f"Signal/{row['contact']}"
