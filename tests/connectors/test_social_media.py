"""Downloads of social media: facts of records, media, edits, downloads that are cut, strange or refused."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors import social_meta
from connectors.registry import guess
from connectors.social_media import SocialMedia
from examples.exports.meta import PAGE, meta_list
from records import canonical
from records.conversations import conversation_of
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.built_social import (
    GRAM,
    KIM,
    LEE,
    OWNER,
    THREAD,
    facebook_split,
    facebook_zip,
    instagram,
    message,
    thread,
    tweet,
    unpack,
    x_files,
    x_folder,
    x_zip,
    ytd,
)
from tests.connectors.collecting import Killed, collected
from tests.records.homes import REQUEST, new_catalogue

TALK = "data/direct_messages"
POSTS = f"{PAGE}/posts/profile_posts"


def source(root: Path, files: dict[str, bytes]) -> SocialMedia:
    unpack(root, files)
    return SocialMedia(context(str(root)))


def values_of(connector: SocialMedia, key: str, window: Window | None = None) -> dict[str, Any]:
    """Return the values of a scope by native key, in order; the expected count must be theirs or unknown."""
    scope = next(one for one in connector.scopes() if one.key == key)
    values, _ = everything(connector, scope, **({"window": window} if window else {}))
    assert connector.count(scope).count in {len(values), None}
    return {value.native_key: value for value in values}


def told(values: dict[str, Any], key: str) -> tuple[Reason, str]:
    value = values[key]
    assert isinstance(value, FailedItem)
    return value.reason, value.detail


@pytest.mark.parametrize("build", [x_zip, x_folder, facebook_zip, facebook_split, instagram])
def test_is_guessed_by_content(build: Any, tmp_path: Path) -> None:
    built = build(tmp_path / "s")
    assert guess(built.path) == "social_media"
    SocialMedia(built.context).check()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("tweets.js", ytd("tweets", [tweet("1")])[0], "social_media"),
        ("anything.js", ytd("like", [])[0], "social_media"),
        ("message_1.json", thread([message(1741112434000, "Lee")])[0], "social_media"),
        ("saved by hand.json", meta_list([{"timestamp": 1, "data": [{"post": "x"}]}])[0], "social_media"),
        ("app.js", b"window.YTDX = 1", "loose_files"),
        ("messages.json", b'{"messages": [{"creator": {"name": "Ana"}}]}', "loose_files"),
        ("list.json", b'[{"timestamp": 1741112434, "value": 3}]', "loose_files"),
        ("reactions.json", b'[{"timestamp": 1, "data": [{"reaction": {}}]}]', "loose_files"),
        ("broken.json", b"[{", "loose_files"),
    ],
)
def test_a_single_file_is_known_by_how_it_begins(
    name: str, data: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    assert guess(str(tmp_path / name)) == expected


# --- what cannot be read is refused by name ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.txt": b"x"}, "no download of X, Facebook or Instagram at its path"),
        ({"archive.csv": b"Network,Account,ArchiveSocial"}, "Exports of other services"),
        ({f"{PAGE}/posts/profile_posts_1.html": b"<html>"}, r"web pages \(HTML\).*with the format JSON"),
        ({"your_facebook_activity/messages/inbox/a/message_1.html": b"<html>"}, r"web pages \(HTML\)"),
    ],
)
def test_what_is_no_download_says_what_to_do(files: dict[str, bytes], says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"^source s1: .*{says}"):
        source(tmp_path, files).check()


def test_web_pages_beside_a_download_are_a_failed_scope_and_kept_as_files(tmp_path: Path) -> None:
    files = {
        "page/" + f"{PAGE}/posts/profile_posts_1.html": b"<html>" + SECRET.encode(),
        "gram/" + f"{GRAM}/media/stories.json": b'{"ig_stories": []}',
    }
    connector = source(tmp_path / "s", files)
    connector.check()
    assert guess(str(tmp_path / "s")) == "social_media"
    found = collected(tmp_path / "home", SocialMedia, context(str(tmp_path / "s")))
    assert found.scopes == {
        "page/": (None, 0, "unsupported", "html_download"),
        f"gram/{GRAM}/media/stories": (0, 0, None, None),
        ".": (1, 1, None, None),
    }


def test_exports_of_archiving_services_are_named(tmp_path: Path) -> None:
    files = {
        "data/tweets.js": ytd("tweets", [tweet("1")])[0],
        "posts.csv": b"Network,Account\n# exported by ArchiveSocial",
        "site.warc": b"WARC/1.0\r\n",
        "data/tomorrow.js": ytd("tomorrow", [])[0],
        "data/like.js": ytd("like", [])[0],
        "odd.json": b"{}",
        "posts/profile_posts_1.json": b"\x00\x01",
        "note.pdf": b"%PDF",
    }
    values = values_of(source(tmp_path, files), ".")
    assert {key: value.metadata.get("layout") for key, value in values.items()} == {
        "data/like.js": "like",
        "data/tomorrow.js": "tomorrow: not known, kept as a file",
        "note.pdf": None,
        "odd.json": "not known, kept as a file",
        "posts/profile_posts_1.json": "damaged: no JSON, kept as a file",
        "posts.csv": "archivesocial: not known, kept as a file",
        "site.warc": "not known, kept as a file",
    }


# --- X -----------------------------------------------------------------------------------------------------


def test_what_a_post_and_a_message_of_x_are_told_of(tmp_path: Path) -> None:
    connector = SocialMedia(x_zip(tmp_path / "s").context)
    assert {one.key: (one.label, one.kind) for one in connector.scopes()} == {
        "data/deleted_tweets": ("x: deleted posts (The District <@district>)", "posts"),
        TALK: ("x: direct messages (The District <@district>)", "conversation"),
        "data/direct_messages_group": ("x: group messages (The District <@district>)", "conversation"),
        "data/tweets": ("x: posts (The District <@district>)", "posts"),
        ".": (".", "export"),
    }
    posts = values_of(connector, "data/tweets")
    account = {"account": "The District <@district>", "account_id": OWNER}
    assert posts["1700000000000000101"].metadata == {"platform": "x", "record": "post", **account}
    assert posts["1700000000000000101"].moment.text == "Tue Mar 04 18:20:34 +0000 2025"
    assert canonical.loads(posts["1700000000000000102"].metadata["attachments"]) == [
        {"name": "AbC.jpg", "native_key": "data/tweets_media/1700000000000000102-AbC.jpg"}
    ]
    talk = values_of(connector, TALK)
    lee = "Lee Okafor <@lee_o>"
    assert talk[f"{LEE}-{OWNER}/1712000000000000002"].metadata == {
        "platform": "x",
        "record": "direct message",
        **account,
        "group": f"{LEE}-{OWNER}",
        "group_name": f"{lee}, The District <@district>",
        "group_kind": "direct message",
        "members": f"{lee}; The District <@district>",
        "people": canonical.dumps({OWNER: "The District <@district>", LEE: lee}),
    }
    group = values_of(connector, "data/direct_messages_group")
    (agenda,) = (value for key, value in group.items() if key.endswith("/1712000000000000005"))
    assert agenda.metadata["group_name"] == "Coaches"
    assert agenda.metadata["members"] == f"The District <@district>; {KIM}"


def test_states_of_posts_of_x_and_media_that_are_not_there(tmp_path: Path) -> None:
    connector = SocialMedia(x_zip(tmp_path / "s").context)
    posts = values_of(connector, "data/tweets")
    assert posts["1700000000000000103"].warnings == (WarningCode.MISSING_PART,)
    assert told(posts, "1700000000000000103#0") == (Reason.NOT_IN_EXPORT, "media")
    assert told(posts, "1700000000000000109") == (Reason.NOT_IN_EXPORT, "only_header")
    assert posts["1700000000000000104"].warnings == (WarningCode.EDITED, WarningCode.BAD_DATE)
    assert posts["1700000000000000104:1"].warnings == (WarningCode.DUPLICATE_ENTRY,)
    deleted = values_of(connector, "data/deleted_tweets")["1700000000000000105"]
    assert deleted.warnings == (WarningCode.DELETED,)
    assert deleted.metadata["deleted_record"] == "true"
    files = values_of(connector, ".")
    assert told(files, "data/note-tweet.js") == (Reason.NOT_IN_EXPORT, "in_manifest")
    assert files["data/tweets_media/1700000000000000102-AbC.jpg"].metadata == {
        "attached_to": "1700000000000000102"
    }


def test_a_repost_shows_what_another_post_has(tmp_path: Path) -> None:
    media = {"media_url_https": "https://pbs.twimg.com/media/Z.jpg", "source_status_id_str": "7"}
    post = tweet("8", "RT @lee_o: look", entities={"media": [media]})
    values = values_of(source(tmp_path, {"data/tweets.js": ytd("tweets", [post])[0]}), "data/tweets")
    assert told(values, "8#0") == (Reason.NOT_IN_EXPORT, "media_of_another_post")


def test_a_list_that_is_shorter_than_its_manifest_says_shows_it(tmp_path: Path) -> None:
    files, _, _ = x_files()
    files["data/tweets-part1.js"] = ytd("tweets", [], 1)[0]
    connector = source(tmp_path, files)
    scope = next(one for one in connector.scopes() if one.key == "data/tweets")
    values, _ = everything(connector, scope)
    assert (connector.count(scope), len(values)) == (Expected(8, "manifest"), 6)


def test_a_conversation_that_is_missing_shows_in_the_count(tmp_path: Path) -> None:
    files, _, _ = x_files()
    files["data/manifest.js"] = files["data/manifest.js"].replace(
        b'"data/direct-messages.js", "count": "1"', b'"data/direct-messages.js", "count": "2"'
    )
    connector = source(tmp_path, files)
    scope = next(one for one in connector.scopes() if one.key == TALK)
    assert (connector.count(scope), len(everything(connector, scope)[0])) == (Expected(4, "manifest"), 3)


def test_archives_from_before_2022_are_read(tmp_path: Path) -> None:
    """``tweet.js``, and objects without the member that says what they are."""
    old = {"id_str": "5", "full_text": "x", "created_at": "Wed Mar 06 20:00:00 +0000 2019"}
    values = values_of(source(tmp_path, {"data/tweet.js": ytd("tweet", [old])[0]}), "data/tweet")
    assert values["5"].moment.at is not None


# --- Meta --------------------------------------------------------------------------------------------------


def test_what_a_message_of_a_page_is_told_of(tmp_path: Path) -> None:
    connector = SocialMedia(facebook_zip(tmp_path / "s").context)
    labels = {one.key: one.label for one in connector.scopes()}
    assert labels[THREAD] == "facebook: messages, leeokafor_123 (The District)"
    assert labels[POSTS] == "facebook: posts (The District)"
    assert "facebook: posts by others (The District)" in labels.values()
    talk = values_of(connector, THREAD)
    assert list(talk) == [  # message_1, message_2, message_10
        "leeokafor_123/1741112434002",
        "leeokafor_123/1741112434001",
        "leeokafor_123/1741112434001#1",
        "leeokafor_123/1741112434000",
        "leeokafor_123/1741112434000:1",
        "leeokafor_123/1741112400000",
    ]
    assert talk["leeokafor_123/1741112434002"].metadata == {
        "platform": "facebook",
        "record": "message",
        "account": "The District",
        "group": "inbox/leeokafor_123",
        "group_name": "Lee Okafor",
        "group_kind": "direct message",
        "members": "Lee Okafor; The District",
    }
    assert talk["leeokafor_123/1741112434000"].warnings == (WarningCode.DELETED,)
    assert talk["leeokafor_123/1741112434000:1"].warnings == ()
    posts = values_of(connector, POSTS)
    assert posts["1741112433"].warnings == (WarningCode.MISSING_PART,)
    assert posts["1741112433:1"].warnings == (WarningCode.EDITED,)


def test_names_of_threads_are_repaired(tmp_path: Path) -> None:
    data, _ = thread([message(1741112434000, "Zoë")], participants=[{"name": "Zoë"}, {"name": "Ana"}])
    connector = source(tmp_path, {"your_facebook_activity/messages/inbox/zo_1/message_1.json": data})
    (one,) = values_of(connector, "your_facebook_activity/messages/inbox/zo_1").values()
    assert one.metadata["members"] == "Zoë; Ana"


def test_pictures_are_found_in_another_zip_of_the_download(tmp_path: Path) -> None:
    connector = SocialMedia(facebook_split(tmp_path / "s").context)
    posts = values_of(connector, f"a.zip!/{POSTS}")
    assert canonical.loads(posts["1741112433"].metadata["attachments"]) == [
        {"name": "a.jpg", "native_key": f"b.zip!/{PAGE}/posts/media/Album_1/a.jpg"}
    ]
    sealed = values_of(connector, "messages.zip!/Lee Okafor_1")
    assert sealed["Lee Okafor_1/1741112900000"].metadata["group_name"] == "Lee Okafor_1"
    assert told(sealed, "Lee Okafor_1/1741112900000#1") == (Reason.NOT_IN_EXPORT, "not_downloaded")


def test_addresses_of_meta_end_and_others_are_links(tmp_path: Path) -> None:
    uris = ["https://scontent.xx.fbcdn.net/v/a.jpg?oh=1", "https://media.giphy.com/b.gif"]
    post = {"timestamp": 1741112433, "data": [{"post": "x"}], "attachments": [
        {"data": [{"media": {"uri": uri}} for uri in uris]}
    ]}  # fmt: skip
    values = values_of(source(tmp_path, {f"{POSTS}_1.json": meta_list([post])[0]}), POSTS)
    assert list(values) == ["1741112433", "1741112433#0"]
    assert told(values, "1741112433#0") == (Reason.EXPIRED_LINK, "meta_link")


def test_who_owns_an_instagram_account_is_told(tmp_path: Path) -> None:
    connector = SocialMedia(instagram(tmp_path / "s").context)
    posts = values_of(connector, f"{GRAM}/media/posts")
    assert posts["1741112440"].metadata["account"] == "The Dïstrict <@the.district>"
    assert [one["name"] for one in canonical.loads(posts["1741112440"].metadata["attachments"])] == [
        "1.jpg",
        "2.jpg",
    ]
    gone = values_of(connector, f"{GRAM}/media/recently_deleted_content")["1741112465"]
    assert gone.warnings == (WarningCode.DELETED, WarningCode.MISSING_PART)


def test_a_post_longer_than_what_is_looked_at_is_still_a_post(tmp_path: Path) -> None:
    post = {"timestamp": 1741112433, "data": [{"post": "x" * 100_000}]}
    values = values_of(source(tmp_path, {f"{POSTS}_1.json": meta_list([post])[0]}), POSTS)
    assert list(values) == ["1741112433"]


# --- faults ------------------------------------------------------------------------------------------------


def test_a_list_that_is_cut_costs_its_rest_and_no_other_file(tmp_path: Path) -> None:
    files, _, _ = x_files()
    files["data/tweets.js"] = files["data/tweets.js"][:-200]
    files["data/direct-messages.js"] = b'window.YTD.direct_messages.part0 = [{"dmConversation": {"conv'
    connector = source(tmp_path, files)
    posts = values_of(connector, "data/tweets")
    assert told(posts, "data/tweets.js#rest") == (Reason.TRUNCATED, "list_cut")
    assert {"1700000000000000101", "1700000000000000103"} < posts.keys()
    assert isinstance(posts["1700000000000000104"], FoundItem)  # that of the second part
    assert told(values_of(connector, TALK), "data/direct-messages.js#rest") == (Reason.TRUNCATED, "list_cut")
    for key in ("data/tweets", TALK):
        scope = next(one for one in connector.scopes() if one.key == key)
        assert connector.count(scope) == Expected(None, "unknown")
    assert len(values_of(connector, "data/direct_messages_group")) == 3


def test_an_object_that_is_no_json_costs_itself(tmp_path: Path) -> None:
    bad = b'window.YTD.tweets.part0 = [{"tweet": {"id_str": oops}}, ' + json.dumps(tweet("2")).encode() + b"]"
    talk = b'window.YTD.direct_messages.part0 = [{"dmConversation": {"conversationId": 1x, "messages": []}}]'
    connector = source(tmp_path, {"data/tweets.js": bad, "data/direct-messages.js": talk})
    values = list(values_of(connector, "data/tweets").values())
    assert [type(value) for value in values] == [FailedItem, FoundItem]
    assert (values[0].reason, values[0].detail) == (Reason.CORRUPT, "json")
    (lost,) = values_of(connector, TALK).values()
    assert (lost.reason, lost.detail) == (Reason.CORRUPT, "json")


def test_a_thread_that_is_no_json_is_a_failure_and_no_file(tmp_path: Path) -> None:
    good, _ = thread([message(1741112434000, "Lee")])
    files = {f"{THREAD}/message_1.json": b"oops", f"{THREAD}/message_2.json": good}
    values = values_of(source(tmp_path, files), THREAD)
    assert told(values, f"{THREAD}/message_1.json#rest") == (Reason.TRUNCATED, "list_cut")
    assert isinstance(values["leeokafor_123/1741112434000"], FoundItem)


def test_a_zip_that_is_cut_is_a_scope_failure_and_the_others_are_read(tmp_path: Path) -> None:
    built = x_zip(tmp_path / "s")
    (tmp_path / "s" / "cut.zip").write_bytes(Path(built.path).read_bytes()[:2_000])
    found = collected(tmp_path / "home", SocialMedia, context(str(tmp_path / "s")))
    assert found.scopes["cut.zip"] == (None, 0, "truncated", "zip_directory")
    name = Path(built.path).name
    assert found.scopes[f"{name}!/data/tweets"] == (8, 8, None, None)


def test_two_copies_of_a_download_are_two(tmp_path: Path) -> None:
    built = x_zip(tmp_path / "s")
    Path(built.path).rename(tmp_path / "s" / "a.zip")
    (tmp_path / "s" / "a (1).zip").write_bytes((tmp_path / "s" / "a.zip").read_bytes())
    connector = SocialMedia(context(str(tmp_path / "s")))
    first, second = (values_of(connector, f"{name}!/data/tweets") for name in ("a.zip", "a (1).zip"))
    assert list(first) == list(second)
    assert len(first) == 8


def test_a_bomb_and_an_odd_name_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/tweets.js", b"window.YTD.tweets.part0 = [" + b" " * (30 << 20) + b"]")
        archive.writestr("data/like.js", ytd("like", [])[0])
        archive.writestr("../up.txt", b"x")
        archive.writestr("data/direct-messages.js", ytd("direct_messages", [])[0])
    connector = SocialMedia(context(str(path)))
    files = values_of(connector, ".")
    assert told(files, "data/tweets.js") == (Reason.BOMB, "zip_ratio")
    assert files["../up.txt"].warnings == (WarningCode.NAME_CHANGED,)
    assert not values_of(connector, TALK)


def test_the_day_is_that_of_the_requests_zone(tmp_path: Path) -> None:
    late = tweet("1", created_at="Wed Mar 05 07:30:00 +0000 2025")
    early = tweet("2", created_at="Wed Mar 05 08:30:00 +0000 2025")
    connector = source(tmp_path, {"data/tweets.js": ytd("tweets", [late, early])[0]})
    window = Window(date(2025, 3, 5), date(2025, 3, 5), ZONE)
    values = values_of(connector, "data/tweets", window)
    assert [type(value) for value in values.values()] == [ExcludedItem, FoundItem]


@pytest.mark.parametrize("kill_after", [1, 4, 9])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = facebook_zip(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", SocialMedia, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", SocialMedia, built.context)
    assert set(found.items) == {*built.found, *built.failed, *built.excluded}
    assert found.states() == {"stored": len(built.found), "failed": 2, "excluded": 1}


def test_messages_are_read_as_conversations(tmp_path: Path) -> None:
    built = x_zip(tmp_path / "s")
    found = collected(tmp_path / "home", SocialMedia, built.context)
    catalogue = new_catalogue(tmp_path / "home")
    try:
        with catalogue.read() as connection:
            one = found.items[f"{LEE}-{OWNER}/1712000000000000001"]
            talk = conversation_of(connection, REQUEST, 1, one.item_id, ZONE)
            post = found.items["1700000000000000101"]
            assert conversation_of(connection, REQUEST, 1, post.item_id, ZONE) is None
    finally:
        catalogue.close()
    assert talk is not None
    assert talk.name == "Lee Okafor <@lee_o>, The District <@district>"
    (day,) = talk.slices
    assert day.day == date(2025, 3, 6)
    assert len(day.said) == 2


def test_nothing_of_a_record_is_in_a_failure(tmp_path: Path) -> None:
    bad = f'window.YTD.tweets.part0 = [{{"tweet": {{"full_text": "{SECRET}" "}}}}]'.encode()
    values = values_of(source(tmp_path, {"data/tweets.js": bad}), "data/tweets")
    assert values
    assert all(SECRET not in str(getattr(value, "detail", "")) for value in values.values())


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        ("Rosa turned on vanish mode.", True),
        ("Rosa turned off disappearing messages.", True),
        ("Rosa set messages to disappear in 24 hours.", True),
        ("did you see that it vanished?", False),
        (None, False),
    ],
)
def test_a_line_that_says_that_messages_delete_themselves_is_known(words, marked):
    assert social_meta._vanishes({"content": words}) is marked
    assert social_meta._vanishes({"text": words}) is marked
