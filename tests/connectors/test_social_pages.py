"""Threads of Messenger as web pages: their shapes, JSON before pages, pages that are cut or strange."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import pytest

from connectors.registry import guess
from connectors.social_media import PAGE_TYPE, SocialMedia
from extract.protocol import ExtractContext
from extract.social import SocialReader
from records.errors import ItemError
from records.models import Address, ExcludedItem, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Reason
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.collecting import collected

INBOX = "your_activity_across_facebook/messages/inbox"
THREAD = f"{INBOX}/ana_1"
PHOTO = f"{THREAD}/photos/x 1.jpg"
FOOT = "</div></main></body></html>"


def head(people: str = "Ana Ruiz, Lee Okafor", style: int = 10) -> str:
    return (
        f'<html><head><title>Ana Ruiz</title><style>{"a{b:c}" * style}</style></head><body class="_5vb_">'
        '<main><div class="_a706"><header><h1>Ana Ruiz</h1></header>'
        f'<div class="_3-95">Participants: {people}</div>'
    )


def message(sender: str, words: str, time: str, reactions: str = "") -> str:
    """One message in the layout of 2023 and later; classes say nothing."""
    return (
        '<div class="pam _3-95 _2ph- _a6-g uiBoxWhite noborder">'
        f'<div class="_2ph_ _a6-h _a6-i">{sender}</div>'
        f'<div class="_2ph_ _a6-p"><div><div></div><div>{words}</div>'
        f'<div></div><div>{reactions}</div></div></div><div class="_3-94 _a6-o"><a href="https://www.facebook.com/'
        f'dyi/?x=1"><div class="_a72d">{time}</div></a></div></div>'
    )


THREE = [
    message("Lee Okafor", f"{SECRET} &amp; caf\u00e9?<br>at 8", "Mar 04, 2025 10:22:34 am"),
    message(
        "Ana Ruiz", f'<a href="{PHOTO}"><img src="{PHOTO}"></a>', "Oct 19, 2024 at 2:37 PM",
        '<ul class="_a6-q"><li><span>\N{THUMBS UP SIGN}Lee Okafor</span></li></ul>',
    ),
    message("Ana Ruiz", "see https://example.org", "19 Oct 2024, 14:35"),
]  # fmt: skip


def download(root: Path, pages: dict[str, str | bytes], **others: bytes) -> SocialMedia:
    for name, data in (pages | others).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return SocialMedia(context(str(root)))


def thread(root: Path, *messages: str, start: str | None = None, end: str = FOOT) -> SocialMedia:
    return download(root, {f"{THREAD}/message_1.html": (start or head()) + "".join(messages) + end})


def values_of(
    source: SocialMedia, key: str = THREAD, window: Window | None = None, *, cut: bool = False
) -> list:
    source.check()
    scope = next(one for one in source.scopes() if one.key == key)
    values, _ = everything(source, scope, **({"window": window} if window else {}))
    assert source.count(scope).count == (None if cut else len(values))
    return values


def said(one: FoundItem) -> tuple[str, Address | None, dict[str, str]]:
    made = ExtractContext(None, one.media_type, ZONE, metadata=one.metadata)
    got = SocialReader().extract(io.BytesIO(one.handle), made)
    assert got.fields is not None
    assert got.fields.moment == one.moment
    return got.text, got.fields.sender, dict(got.metadata)


def test_messages_of_a_page(tmp_path: Path) -> None:
    source = thread(tmp_path, *THREE)
    (tmp_path / THREAD / "photos").mkdir()
    (tmp_path / PHOTO).write_bytes(b"\xff\xd8")
    assert guess(str(tmp_path)) == "social_media"
    found = values_of(source)
    assert [(one.moment.text, one.moment.at and one.moment.at.isoformat()) for one in found] == [
        ("Mar 04, 2025 10:22:34 am", "2025-03-04T18:22:34+00:00"),
        ("Oct 19, 2024 at 2:37 PM", "2024-10-19T21:37:00+00:00"),
        ("19 Oct 2024, 14:35", "2024-10-19T21:35:00+00:00"),
    ]
    assert {one.moment.basis for one in found} == {Basis.ASSUMED_ZONE}
    assert {(one.media_type, one.metadata["members"]) for one in found} == {
        (PAGE_TYPE, "Ana Ruiz; Lee Okafor")
    }
    assert PHOTO in found[1].metadata["attachments"]
    assert [said(one) for one in found] == [
        (f"{SECRET} & caf\u00e9?\nat 8", Address("Lee Okafor", ""), {}),
        (
            "[x 1.jpg]", Address("Ana Ruiz", ""),
            {"media": "x 1.jpg", "reactions": "\N{THUMBS UP SIGN}Lee Okafor"},
        ),
        ("see https://example.org", Address("Ana Ruiz", ""), {}),
    ]  # fmt: skip


def test_parts_are_read_by_number_and_styles_may_be_long(tmp_path: Path) -> None:
    pages = {
        f"{THREAD}/message_{number}.html": head(style=30_000)
        + message("Ana", f"n{number}", "Mar 04, 2025, 1:00 PM")
        + FOOT
        for number in (10, 2, 1)
    }
    found = values_of(download(tmp_path, dict(pages)))
    assert [said(one)[0] for one in found] == ["n1", "n2", "n10"]


def test_a_thread_that_is_there_as_json_counts_once(tmp_path: Path) -> None:
    whole = json.dumps({
        "participants": [{"name": "Ana"}], "title": "Ana", "thread_path": "inbox/ana_1",
        "messages": [{"sender_name": "Ana", "timestamp_ms": 1741112434000, "content": "x"}],
    })  # fmt: skip
    source = download(
        tmp_path,
        {f"json/{THREAD}/message_1.json": whole, f"pages/{THREAD}/message_1.html": head() + THREE[0] + FOOT},
    )
    assert [scope.key for scope in source.scopes()] == [f"json/{THREAD}", "."]
    (page,) = values_of(source, ".")
    assert page.metadata == {"layout": "a thread that is read from its JSON"}


def test_posts_as_pages_are_refused_beside_messages_that_are_read(tmp_path: Path) -> None:
    posts = "your_activity_across_facebook/posts/your_posts_1.html"
    download(tmp_path / "s", {f"{THREAD}/message_1.html": head() + THREE[0] + FOOT, posts: "<html></html>"})
    done = collected(tmp_path / "home", SocialMedia, context(str(tmp_path / "s")))
    assert done.scopes == {
        "./": (None, 0, "unsupported", "html_download"), THREAD: (1, 1, None, None), ".": (1, 1, None, None),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sender"),
    [
        ("Oct 19, 2024, 2:37 PM", "Ana"),
        ("<div>Oct 19, 2024, 2:37 PM</div>", "Ana"),
        ("x", ""),
        ('<p>a<p>b<br/><img src="https://x.example/y.png">', "Ana"),
    ],
    ids=["a time", "a nested time", "nobody", "not closed"],
)
def test_words_that_look_like_the_pages_own(words: str, sender: str, tmp_path: Path) -> None:
    source = thread(tmp_path, message(sender, words, "Oct 20, 2024, 2:37 PM"))
    scope = next(iter(source.scopes()))
    (one,), _ = everything(source, scope)
    assert one.moment.text == "Oct 20, 2024, 2:37 PM"
    assert said(one)[1] == (Address(sender, "") if sender else None)


# --- pages that are cut or strange


def test_a_page_that_is_cut_gives_what_is_whole_and_one_failure(tmp_path: Path) -> None:
    whole = head() + "".join(THREE)
    values = values_of(thread(tmp_path, whole[: whole.rindex("example.org")], start=" ", end=""), cut=True)
    assert [type(one) for one in values] == [FoundItem, FoundItem, FailedItem, FailedItem]
    assert (values[-1].reason, values[-1].detail) == (Reason.TRUNCATED, "page_cut")


def test_media_that_is_not_there_and_names_that_point_outside_are_failures(tmp_path: Path) -> None:
    values = values_of(thread(tmp_path, THREE[1].replace(PHOTO, "../../etc/passwd"), THREE[1]))
    assert [(one.name, one.reason) for one in values if isinstance(one, FailedItem)] == [
        ("passwd", Reason.NOT_IN_EXPORT), ("x 1.jpg", Reason.NOT_IN_EXPORT),
    ]  # fmt: skip


def test_equal_messages_other_charsets_and_the_autumn_hour(tmp_path: Path) -> None:
    same = message("Ana", "ok", "Nov 02, 2025, 1:30 AM")
    found = values_of(thread(tmp_path, same, same))
    assert [one.native_key.rpartition(":")[2] for one in found][1] == "1"
    assert {code.value for one in found for code in one.warnings} == {"assumed_zone", "ambiguous_hour"}
    page = (head() + message("Jos\u00e9", "x", "Nov 03, 2025, 1:30 AM") + FOOT).encode("cp1252")
    (one,) = values_of(download(tmp_path / "b", {f"{THREAD}/message_1.html": page}))
    assert said(one)[1] == Address("Jos\ufffd", "")


def test_a_huge_message_and_one_at_no_time(tmp_path: Path) -> None:
    (one, odd) = values_of(
        thread(
            tmp_path,
            message("Ana", "word " * 100_000, "Nov 03, 2025, 1:30 AM"),
            message("A", "x", "Feb 31, 2025, 1:30 AM"),
        )
    )
    assert len(said(one)[0]) == 499_999
    assert [code.value for code in odd.warnings] == ["bad_date"]


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    values = values_of(thread(tmp_path, *THREE[::2]), window=Window(date(2026, 1, 1), None, ZONE))
    assert [type(one) for one in values] == [ExcludedItem, ExcludedItem]


@pytest.mark.parametrize("data", [b"", b"<div>x</div>", b"words"])
def test_what_is_no_message_is_corrupt(data: bytes) -> None:
    with pytest.raises(ItemError, match="corrupt: message_page"):
        SocialReader().extract(io.BytesIO(data), ExtractContext(None, PAGE_TYPE, ZONE))
