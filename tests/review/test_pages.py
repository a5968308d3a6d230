import asyncio
import re
from dataclasses import asdict

import httpx
import pytest
import sqlalchemy as sa

from records import audit, canonical, ids
from records import tables as t
from records.errors import ItemError
from records.ledger import ledger
from records.vocabulary import Reason
from review.guard import CONTENT_SECURITY
from review.page_data import marked
from review.pages import MARKS, make_app
from tests.review.build import REQUEST, Desk, small
from tests.review.pages_data import MAIL, enrich

TOKEN = "k" * 32
BASE = f"/r/{REQUEST}"


def digest(desk, item_id):
    with desk.catalogue.read() as connection:
        return connection.scalar(sa.select(t.readings.c.text_sha256).where(t.readings.c.item_id == item_id))


def app_of(desk):
    def snippets(request_id, item_id, term_no):
        row = desk.store.find([digest(desk, item_id)])
        if not row:
            raise ItemError(Reason.UNREADABLE, "not_in_store")
        return [f"<i>the</i> {MARKS[0]}bus <b> route{MARKS[1]} changes"]

    return make_app(
        desk.catalogue,
        desk.settings,
        token=TOKEN,
        snippets=snippets,
        who="Kim Lee",
        overview=lambda request_id: asdict(ledger(desk.catalogue, request_id)),
    )


class Client:
    """A browser's place: keeps cookies, follows redirects, talks to the application in this process."""

    def __init__(self, app, cookies=None):
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1:8421",
            follow_redirects=True,
            cookies=cookies,
        )

    def request(self, method, path, **options):
        return asyncio.run(self._client.request(method, path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)


client_of = Client


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """As ``opened``, for tests that only look."""
    desk, item = small(tmp_path_factory.mktemp("shared"))
    enrich(desk, item)
    client = client_of(app_of(desk))
    client.get("/", params={"token": TOKEN})
    yield client, desk, item
    desk.close()


@pytest.fixture
def opened(tmp_path):
    """A client that has come in by the token, the desk and its items."""
    desk, item = small(tmp_path / "home")
    enrich(desk, item)
    client = client_of(app_of(desk))
    client.get("/", params={"token": TOKEN})
    yield client, desk, item
    desk.close()


def entries(desk, *actions):
    with desk.catalogue.read() as connection:
        rows = connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq))
        return [
            (e["action"], e["actor"], e.get("item"))
            for e in map(canonical.loads, rows)
            if e["action"] in actions
        ]


# --- the guard -----------------------------------------------------------------------------------------

ITEM = f"{BASE}/i/{{mail}}"
PATHS = [
    "/",
    BASE,
    f"{BASE}/families",
    f"{BASE}/f/{{mail}}",
    ITEM,
    f"{ITEM}/compare/{{mail}}",
    f"{ITEM}/native",
    f"{ITEM}/text",
    "/nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_the_token(desk, path):
    made, item = desk
    app = app_of(made)
    for client in (
        client_of(app),
        client_of(app, cookies={"daylight_view": "x" * 32}),
        client_of(app, cookies={"other": TOKEN}),
    ):
        answer = client.get(path.format(**item), follow_redirects=False)
        assert answer.status_code == 403
        assert "These pages are locked" in answer.text
        assert "Bus" not in answer.text
    assert client_of(app).get(path.format(**item), params={"token": "wrong"}).status_code == 403
    assert entries(made, "read", "downloaded") == []


def test_the_token_goes_from_the_address_into_a_cookie(desk):
    made, _ = desk
    client = client_of(app_of(made))
    answer = client.get(f"{BASE}/families?term=1&token={TOKEN}&page=2", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/families?term=1&page=2")
    assert answer.headers["set-cookie"] == f"daylight_view={TOKEN}; HttpOnly; Path=/; SameSite=strict"
    assert client.get(f"{BASE}/families").status_code == 200


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example/x", "/\\evil.example"])
def test_the_token_never_leads_elsewhere(desk, path):
    made, _ = desk
    address = f"http://127.0.0.1:8421{path}?token={TOKEN}"
    answer = client_of(app_of(made)).get(address, follow_redirects=False)
    location = answer.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8421", 200),
        ("localhost", 200),
        ("[::1]:8421", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8421", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_only_loopback_names_are_answered(shared, host, status):
    client, _, _ = shared
    assert client.get("/", headers={"host": host, "cookie": f"daylight_view={TOKEN}"}).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_reading_is_all_there_is(shared, method):
    client, _, _ = shared
    assert client.request(method, "/").status_code == 405


@pytest.mark.parametrize("path", [*PATHS, "/static/daylight.css"])
def test_every_answer_carries_the_headers(shared, path):
    client, _, item = shared
    headers = client.get(path.format(**item), follow_redirects=False).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


# --- the pages -----------------------------------------------------------------------------------------


def test_requests_and_the_overview(shared):
    client, _, _ = shared
    page = client.get("/").text
    assert "All communications about the bus route change" in page
    page = client.get(BASE).text
    for words in ("Read the 4 families in review", "balanced", "No hits: line 2.", "Line 3 could not be used",
                  f'href="{BASE}/families?term=1"'):  # fmt: skip
        assert words in page


def titles(page):
    return [line.partition(">")[2].partition("<")[0] for line in page.splitlines() if 'class="title"' in line]


def test_families_are_listed_in_reading_order(shared):
    client, _, _ = shared
    assert titles(client.get(f"{BASE}/families").text) == [
        "Bus route 12",
        "Re: Bus route 12",
        "&lt;script&gt;alert(&#39;subject&#39;)&lt;/script&gt; Route 12 news",
        "bus route?",
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("term=1", 4),
        ("term=2", 1),
        ("term=9", 0),
        ("term=x", 4),
        ("custodian=c-lee", 4),
        ("custodian=c-none", 0),
        ("state=awaits_notice", 1),
        ("state=awaits_decision&term=2", 1),
        ("state=awaits_notice&term=2", 0),
        ("page=2", 0),
        ("page=-1", 4),
        ("page=99999999999999", 4),
    ],
)
def test_families_are_filtered(shared, query, count):
    client, _, _ = shared
    assert len(titles(client.get(f"{BASE}/families?{query}").text)) == count


def test_a_list_follows_a_new_decision(opened):
    client, desk, item = opened
    from records.decisions import Decision
    from review import decide

    assert titles(client.get(f"{BASE}/families?state=not_responsive").text) == []
    no = Decision(public_record=True, responsive=False)
    decide.record(desk.catalogue, REQUEST, 1, {item["text"]: no}, "K", source="page")
    assert titles(client.get(f"{BASE}/families?state=not_responsive").text) == ["bus route?"]


def test_long_lists_have_pages(tmp_path):
    desk = Desk(tmp_path)
    for no in range(120):
        desk.add(str(no), subject=f"s{no}", hits={1: 1}, sent_at=f"2026-03-04T15:00:00.{no:06d}Z")
    desk.save()
    client = client_of(app_of(desk))
    page = client.get(f"{BASE}/families?token={TOKEN}&term=1&page=3").text
    assert titles(page) == [f"s{no}" for no in range(100, 120)]
    assert '<a rel="prev" href="?term=1&amp;page=2">' in page
    assert 'rel="next"' not in page
    desk.close()


def test_a_family_in_order_with_why_history_and_flag(opened):
    client, desk, item = opened
    page = client.get(f"{BASE}/f/{item['mail']}").text
    places = [page.index(f'id="i-{item[name]}"') for name in ("mail", "letter", "photo")]
    assert places == sorted(places)
    for words in (
        "Kim Lee &lt;klee@cedarfalls.example&gt;",
        "2026-03-04 07:05:06 -08:00",
        "<mark>bus &lt;b&gt; route</mark>",
        "&lt;i&gt;the&lt;/i&gt;",
        "Dear families",
        "not collected: encrypted",
        "Why it is here: in the family of a record that hit.",
        "GS2016-009 Rev. 0",
        "the schedule row is unverified",
        "Family 1 of 4",
        f'href="{BASE}/f/{item["reply"]}">Next family',
    ):
        assert words in page
    assert entries(desk, "read") == [("read", "Kim Lee", item["mail"]), ("read", "Kim Lee", item["letter"])]
    page = client.get(f"{BASE}/f/{item['reply']}").text
    for words in (
        "(RCW 5.60.060(2)(a)): Advice of counsel",
        "asked &lt;counsel&gt;",
        "in force",
        "Held for: notice",
        "A suggestion, not an answer: look: attorney-client",
    ):
        assert words in page
    assert page.index("withhold") < page.index(", release")


def group_all(desk, item):
    """Say that the answer holds all of the mail, that the news are nearly a copy, and who else has it."""
    where = {"request_id": REQUEST, "grouping_no": 3}
    thread = {"thread_id": "f" * 24, "size": 2}
    tables = {
        t.groupings: [
            {
                **where, "version": 1, "duplicates": "global", "rules_sha256": "", "body": "{}", "by": "x",
                "at": "",
            }
        ],
        t.duplicate_items: [
            {**where, "item_id": item[name], "group_id": "a" * 24, "first_id": item["mail"], "copies": 2}
            for name in ("mail", "html")
        ],
        t.near_items: [
            {**where, "item_id": item["mail"], "group_id": "b" * 24, "pivot_id": item["html"], "percent": 84,
             "same_words": False},
            {**where, "item_id": item["html"], "group_id": "b" * 24, "pivot_id": item["html"], "percent": 100,
             "same_words": True},
        ],
        t.thread_items: [
            {**where, **thread, "item_id": item["mail"], "by": "first", "parent_id": None, "place": 1,
             "depth": 0, "why": None, "container_id": item["reply"]},
            {**where, **thread, "item_id": item["reply"], "by": "subject", "parent_id": item["mail"],
             "place": 2, "depth": 1, "why": "message", "container_id": None},
            {**where, "thread_id": "e" * 24, "size": 1, "item_id": item["html"], "by": "references",
             "parent_id": None, "place": 1, "depth": 0, "why": "both", "container_id": None},
        ],
    }  # fmt: skip
    with desk.catalogue.write() as connection:
        for table, rows in tables.items():
            connection.execute(table.insert(), rows)


def test_a_record_says_what_it_belongs_to(opened):
    client, desk, item = opened
    assert "Belongs together" not in client.get(f"{BASE}/f/{item['mail']}").text
    group_all(desk, item)
    page = client.get(f"{BASE}/f/{item['mail']}").text
    for words in (
        "Thread Tffffffffffff: message 1 of 2</li>",
        f'all of it is in <a href="{BASE}/i/{item["reply"]}">this later message</a>. That orders the reading',
        "2 copies (Daaaaaaaaaaaa):",
        f'<a href="{BASE}/i/{item["html"]}">a copy</a> of c-lee, s-mail inbox',
        f'84 % of <a href="{BASE}/i/{item["html"]}">this record</a>',
        f'<a href="{BASE}/i/{item["mail"]}/compare/{item["html"]}">compare the two</a>',
    ):
        assert words in page
    page = client.get(f"{BASE}/f/{item['reply']}").text
    assert "message 2 of 2 (by subject only); it answers" in page
    assert "<li>Inclusive</li>" in page
    page = client.get(f"{BASE}/f/{item['html']}").text
    assert "this is the record that the group is about" in page
    assert "; what it answers was not collected" in page


def test_two_records_compared(opened):
    client, desk, item = opened
    page = client.get(f"{BASE}/i/{item['mail']}/compare/{item['html']}").text
    assert "<del>on Monday" in page
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert entries(desk, "read") == [("read", "Kim Lee", item["mail"]), ("read", "Kim Lee", item["html"])]
    assert client.get(f"{BASE}/i/{item['mail']}/compare/{item['photo']}").status_code == 404
    assert client.get(f"{BASE}/i/{item['mail']}/compare/{'0' * 32}").status_code == 404


def test_a_thread_that_was_found_goes_before_what_the_records_name(opened):
    """The mail and its answer are one thread by their fields; the groups in force know better."""
    client, desk, item = opened
    before = titles(client.get(f"{BASE}/families").text)
    group_all(desk, item)
    with desk.catalogue.write() as connection:
        connection.execute(
            t.thread_items.update()
            .where(t.thread_items.c.item_id == item["html"])
            .values(thread_id="f" * 24, place=2)
        )
    after = titles(client.get(f"{BASE}/families").text)
    assert sorted(after) == sorted(before)
    assert after.index("Re: Bus route 12") == 1
    assert "Route 12 news" in after[2]


def test_hostile_records_do_not_run(shared):
    client, _, item = shared
    page = client.get(f"{BASE}/f/{item['html']}").text
    body = page.partition('<div class="html">')[2].partition("</details>")[0]
    assert "<b>route</b>" in body
    assert '<div class="heading">Route 12</div>' in body
    assert "[picture: logo &lt;script&gt;alert(2)&lt;/script&gt;]" in body
    assert '[http://example.org/?q="&gt;&lt;script&gt;alert(3)&lt;/script&gt;] the plan' in body
    assert '<td colspan="2">Stop</td>' in body
    gone_tags = "<script <style <img <a <form <input <iframe <svg onload onerror javascript: style= id="
    for gone in [*gone_tags.split(), 'class="state"']:
        assert gone not in body
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;text&#39;)&lt;/script&gt;" in page


def test_a_native_is_given_exactly_and_never_shown(opened):
    client, desk, item = opened
    answer = client.get(f"{BASE}/i/{item['html']}/native")
    assert answer.content == MAIL
    assert answer.headers["content-type"] == "application/octet-stream"
    name = f"{item['html']}.eml"
    assert (
        answer.headers["content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    )
    assert answer.headers["content-length"] == str(len(MAIL))
    letter = client.get(f"{BASE}/i/{item['letter']}/native")
    assert 'filename="_letter.docx"' in letter.headers["content-disposition"]
    assert entries(desk, "downloaded") == [
        ("downloaded", "Kim Lee", item["html"]),
        ("downloaded", "Kim Lee", item["letter"]),
    ]


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\a\r\nSet-Cookie: x=1.txt", "a_Set-Cookie_ x_1.txt"),
        ('a"b;c.txt', "a_b_c.txt"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("\u00fc.pdf", "_.pdf"),
        ("...", None),
    ],
)
def test_a_hostile_file_name_is_made_safe(tmp_path, name, saved):
    desk = Desk(tmp_path)
    item_id = desk.add("1", kind="file", name=name, native=b"x" * 20_000_000, hits={1: 1})
    desk.save()
    answer = client_of(app_of(desk)).get(f"{BASE}/i/{item_id}/native", params={"token": TOKEN})
    assert len(answer.content) == 20_000_000
    assert f'filename="{saved or item_id + ".bin"}"' in answer.headers["content-disposition"]
    desk.close()


def test_a_long_text_is_cut_and_given_whole_as_plain_text(tmp_path):
    desk = Desk(tmp_path)
    text = "ünï <b>" * 10_000
    item_id = desk.add("1", text=text, hits={1: 1})
    desk.save()
    client = client_of(app_of(desk))
    page = client.get(f"{BASE}/f/{item_id}", params={"token": TOKEN}).text
    assert f'href="{BASE}/i/{item_id}/text"' in page
    assert page.count("ünï &lt;b&gt;") == 50_000 // len("ünï <b>")
    answer = client.get(f"{BASE}/i/{item_id}/text")
    assert answer.text == text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert entries(desk, "read") == [("read", "Kim Lee", item_id)] * 2
    desk.close()


def test_a_sheets_link_leads_to_the_record_in_its_family(tmp_path):
    desk = Desk(tmp_path)
    top = desk.add("1", hits={1: 1}, subject="many")
    parts = [
        desk.add(str(no), parent=top, kind="file", name=f"{no:02d}.txt", text=f"part {no}")
        for no in range(30)
    ]
    desk.save()
    client = client_of(app_of(desk))
    client.get("/", params={"token": TOKEN})
    answer = client.get(f"{BASE}/i/{parts[25]}", follow_redirects=False)
    assert answer.headers["location"] == f"{BASE}/f/{top}?page=2#i-{parts[25]}"
    page = client.get(answer.headers["location"]).text
    assert f'id="i-{parts[25]}"' in page
    assert f'id="i-{top}"' not in page
    assert [e[2] for e in entries(desk, "read")] == parts[19:]
    assert f'id="i-{parts[29]}"' in client.get(f"{BASE}/f/{top}?page=77").text
    desk.close()


def test_a_record_found_in_a_sample_joins_the_list_and_says_why(opened):
    client, desk, item = opened
    assert "Not in review" in client.get(f"{BASE}/f/{item['lunch']}").text
    assert ">sample 4</span>" not in client.get(f"{BASE}/families").text
    row = {"request_id": REQUEST, "sample_no": 4, "family_id": item["lunch"], "seq": 1}
    with desk.catalogue.write() as connection:
        connection.execute(
            t.sample_answers.insert(), {**row, "responsive": True, "why": "", "by": "K. Lee", "at": "x"}
        )
    page = client.get(f"{BASE}/f/{item['lunch']}").text
    assert "Why it is here: found responsive by a person in sample 4; no term finds it." in page
    assert re.search(r"Family \d of 5<", page)
    assert "Not in review" not in page
    assert '<span class="tag">sample 4</span>' in client.get(f"{BASE}/families").text
    assert "sample 4" not in client.get(f"{BASE}/f/{item['mail']}").text


def test_a_record_outside_review_can_be_read_and_says_so(shared):
    client, _, item = shared
    assert "Not in review: no term found it" in client.get(f"{BASE}/f/{item['lunch']}").text


@pytest.mark.parametrize(
    "path",
    ["/r/none", "/r/none/families", "/r/none/f/x", f"{BASE}/f/{'f' * 32}", f"{BASE}/i/{'f' * 32}",
     f"{BASE}/i/{'f' * 32}/native", f"{BASE}/i/{{photo}}/native", f"{BASE}/i/{{photo}}/text", "/nothing",
     "/static/../pages.py", "/r/..%2f..%2fx"],
)  # fmt: skip
def test_what_is_not_there_is_not_found_and_makes_nothing(shared, path):
    client, desk, item = shared
    before = entries(desk, "read", "downloaded")
    answer = client.get(path.format(**item))
    assert answer.status_code == 404
    assert "Back to the requests" in answer.text
    assert [p.name for p in (desk.home / "requests").iterdir()] == [REQUEST]
    assert entries(desk, "read", "downloaded") == before


def test_damaged_evidence_is_said_and_never_given(opened):
    client, desk, item = opened
    segment = next((desk.home / "requests" / REQUEST / "evidence").glob("*.seg"))
    data = bytearray(segment.read_bytes())
    for at in range(100, len(data), 7):
        data[at] ^= 0x5A
    segment.write_bytes(data)
    answer = client.get(f"{BASE}/i/{item['mail']}/native")
    assert answer.status_code == 500
    assert "The stored bytes are damaged (corrupt)" in answer.text
    page = client.get(f"{BASE}/f/{item['mail']}")
    assert page.status_code == 200
    assert "The text cannot be read: corrupt." in page.text


def test_a_removed_text_is_said(opened):
    client, desk, item = opened
    gone = digest(desk, item["mail"])
    with desk.catalogue.write() as connection:
        connection.execute(t.blobs.delete().where(t.blobs.c.sha256 == gone))
    page = client.get(f"{BASE}/f/{item['mail']}")
    assert page.status_code == 200
    assert "The text was removed." in page.text
    assert "<strong>bus route</strong>" in page.text
    assert client.get(f"{BASE}/i/{item['mail']}/text").status_code == 404


def test_the_chain_of_readings_is_whole(opened):
    client, desk, item = opened
    for name in ("mail", "reply", "text"):
        client.get(f"{BASE}/f/{item[name]}")
    assert audit.verify(desk.catalogue).seq == 2 + 4


def test_marks_are_the_only_markup():
    assert marked("a\x02b\x03<\x02") == "a<mark>b</mark>&lt;\x02"
    assert marked("\x02<i>\x02x\x03") == "\x02&lt;i&gt;<mark>x</mark>"


def test_a_request_without_anything_has_pages(tmp_path):
    desk = Desk(tmp_path)
    client = client_of(app_of(desk))
    client.get("/", params={"token": TOKEN})
    assert "The terms were not run yet." in client.get(BASE).text
    assert "0 families" in client.get(f"{BASE}/families").text
    assert ids.item_id("a", "b", "c", "d") not in client.get(BASE).text
    desk.close()
