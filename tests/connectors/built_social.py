"""Downloads of X, Facebook and Instagram, in the layouts that the services publish or are seen to use.

X describes its files in ``data/README.txt`` of each archive; Meta publishes no description.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from examples.exports import meta
from examples.exports.meta import PAGE, meta_json, meta_list
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

OWNER = "1400000000000000001"
LEE = "222000111"
KIM = "333000222"


def objects_in(values: list[Any], indent: int | None = 2) -> tuple[bytes, list[bytes]]:
    """Return the text of a list, and the exact bytes of each of its objects in it."""
    objects = [
        json.dumps(one, indent=indent, ensure_ascii=n % 2 == 0).encode() for n, one in enumerate(values)
    ]
    return b"[\n  " + b",\n  ".join(objects) + b"\n]", objects


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- X ---------------------------------------------------------------------------------------------------


def tweet(key: str, text: str = SECRET, **about: Any) -> dict[str, Any]:
    """Return a post as an archive has it."""
    return {
        "tweet": {
            "id": key,
            "id_str": key,
            "created_at": "Tue Mar 04 18:20:34 +0000 2025",
            "full_text": text,
            "entities": {"user_mentions": [], "urls": []},
            "favorite_count": "3",
            "retweet_count": "0",
            **about,
        }
    }


PHOTO = {
    "url": "https://t.co/p1",
    "expanded_url": "https://x.com/district/status/1700000000000000102/photo/1",
    "media_url_https": "https://pbs.twimg.com/media/AbC.jpg",
    "type": "photo",
}
VIDEO = {
    "url": "https://t.co/v1",
    "media_url_https": "https://pbs.twimg.com/thumb/x.jpg",
    "type": "video",
    "video_info": {"variants": [{"url": "https://video.twimg.com/vid/720/clip.mp4?tag=12"}]},
}
TWEETS = [
    tweet(
        "1700000000000000101",
        f"{SECRET} snow &amp; ice [see] https://t.co/a1",
        entities={
            "user_mentions": [{"screen_name": "lee_o", "name": "Lee Okafor", "id_str": LEE, "id": LEE}],
            "urls": [{"url": "https://t.co/a1", "expanded_url": "https://example.org/snow?a=1"}],
        },
    ),
    tweet("1700000000000000102", "look https://t.co/p1", extended_entities={"media": [PHOTO]}),
    tweet("1700000000000000103", "gone https://t.co/v1", extended_entities={"media": [VIDEO]}),
    tweet("1700000000000000104", "", created_at="soon", edit_info={"initial": {"editTweetIds": ["1", "2"]}}),
]
MORE = [tweet("1700000000000000104", "again"), {"tweet": {"full_text": "of no id"}}]
DELETED = [tweet("1700000000000000105", f"{SECRET} oops", deleted_at="Wed Mar 05 18:20:34 +0000 2025")]


def said(key: str, sender: str, text: str = SECRET, **about: Any) -> dict[str, Any]:
    return {
        "messageCreate": {
            "id": key,
            "senderId": sender,
            "text": text,
            "createdAt": "2025-03-06T17:15:00.120Z",
            "mediaUrls": [],
            "urls": [],
            "reactions": [],
            **about,
        }
    }


TALK = [
    said(
        "1712000000000000002",
        OWNER,
        f"{SECRET} moved to 4 &amp; {{bring}} cleats",
        recipientId=LEE,
        reactions=[{"senderId": LEE, "reactionKey": "like", "eventId": "9"}],
    ),
    said(
        "1712000000000000001",
        LEE,
        recipientId=OWNER,
        mediaUrls=["https://ton.twitter.com/dm/1/x/y.jpg", "https://ton.twitter.com/dm/1/x/z.jpg"],
    ),
]
GROUP = [
    {
        "conversationNameUpdate": {
            "initiatingUserId": OWNER,
            "name": "Coaches",
            "createdAt": "2025-03-06T19:00:00.000Z",
        }
    },
    said("1712000000000000005", KIM, "agenda"),
    {
        "participantsJoin": {
            "initiatingUserId": OWNER,
            "userIds": [KIM],
            "createdAt": "2025-03-06T17:59:00.000Z",
        }
    },
]


def ytd(kind: str, values: list[Any], part: int = 0) -> tuple[bytes, list[bytes]]:
    data, objects = objects_in(values)
    return f"window.YTD.{kind}.part{part} = ".encode() + data, objects


def conversations(kind: str, talks: dict[str, list[Any]]) -> tuple[bytes, dict[str, list[bytes]]]:
    """Return a file of conversations, and the bytes of each one's messages."""
    texts, found = [], {}
    for key, messages in talks.items():
        data, found[key] = objects_in(messages)
        head = json.dumps({"conversationId": key})[:-1].encode()
        texts.append(b'{ "dmConversation" : ' + head + b', "messages": ' + data + b"} }")
    return f"window.YTD.{kind}.part0 = [".encode() + b",".join(texts) + b"]", found


def x_files() -> tuple[dict[str, bytes], dict[str, bytes], dict[str, Reason]]:
    """Return the files of an archive, what is found in its lists, and what fails."""
    files: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    for name, kind, values, part in (
        ("tweets", "tweets", TWEETS, 0), ("tweets-part1", "tweets", MORE, 1),
        ("deleted-tweets", "deleted_tweets", DELETED, 0),
    ):  # fmt: skip
        files[f"data/{name}.js"], objects = ytd(kind, values, part)
        for value, data in zip(values, objects, strict=True):
            key = value["tweet"].get("id_str") or sha(data)
            found[f"{key}:1" if key in found else key] = data
    talks = {
        "direct_messages": {f"{LEE}-{OWNER}": TALK},
        "direct_messages_group": {"1612345678901234567": GROUP},
    }
    for kind, one in talks.items():
        files[f"data/{kind.replace('_', '-')}.js"], parts = conversations(kind, one)
        for talk, objects in parts.items():
            for message, data in zip(one[talk], objects, strict=True):
                (body,) = message.values()
                found[f"{talk}/{body.get('id') or sha(data)}"] = data
    headers = [{"tweet": {"tweet_id": f"17000000000000001{n:02}", "user_id": OWNER}} for n in (1, 2, 3, 4, 9)]
    files["data/tweet-headers.js"] = ytd("tweet_headers", headers)[0]
    files["data/like.js"] = ytd("like", [{"like": {"tweetId": "1", "fullText": SECRET}}])[0]
    files["data/tomorrow.js"] = ytd("tomorrow", [])[0]
    files["data/tweets_media/1700000000000000102-AbC.jpg"] = b"\xff\xd8 photo"
    files["data/direct_messages_media/1712000000000000001-y.jpg"] = b"\xff\xd8 y"
    files["data/manifest.js"] = (
        b"window.__THAR_CONFIG = "
        + json.dumps(
            {
                "userInfo": {"accountId": OWNER, "userName": "district", "displayName": "The District"},
                "dataTypes": {
                    "tweets": {
                        "mediaDirectory": "data/tweets_media",
                        "files": [
                            {"fileName": "data/tweets.js", "globalName": "YTD.tweets.part0", "count": "4"},
                            {
                                "fileName": "data/tweets-part1.js",
                                "globalName": "YTD.tweets.part1",
                                "count": "2",
                            },
                        ],
                    },
                    "noteTweet": {"files": [{"fileName": "data/note-tweet.js", "count": "1"}]},
                    "directMessages": {"files": [{"fileName": "data/direct-messages.js", "count": "1"}]},
                },
            }
        ).encode()
    )
    failed = {
        "1700000000000000103#0": Reason.NOT_IN_EXPORT,
        "1700000000000000109": Reason.NOT_IN_EXPORT,
        f"{LEE}-{OWNER}/1712000000000000001#1": Reason.NOT_IN_EXPORT,
        "data/note-tweet.js": Reason.NOT_IN_EXPORT,
    }
    return files, found, failed


VIEWER = {"Your archive.html": b"<html></html>", "assets/js/main.js": b"let a"}
X_SCOPES = ("data/deleted_tweets", "data/direct_messages", "data/direct_messages_group", "data/tweets", ".")
LISTS = ("tweets", "tweets-part1", "deleted-tweets", "direct-messages", "direct-messages-group")


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def unpack(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def _x(path: Path, before: str = "") -> Built:
    files, found, failed = x_files()
    apart = {f"data/{name}.js" for name in LISTS}
    found |= {f"{before}{name}": data for name, data in files.items() if name not in apart}
    excluded = {f"{before}{name}": Reason.EXPORT_SCAFFOLDING for name in VIEWER}
    failed = {f"{before}{key}" if key.startswith("data/") else key: one for key, one in failed.items()}
    scopes = tuple(key if key == "." else f"{before}{key}" for key in X_SCOPES)
    return Built(str(path), found, failed, excluded, scopes)


def x_zip(root: Path) -> Built:
    """An archive of X as it is downloaded."""
    root.mkdir(parents=True)
    path = root / f"twitter-2025-03-05-{SECRET}.zip"
    zipped(path, x_files()[0] | VIEWER)
    return _x(path)


def x_folder(root: Path) -> Built:
    """The same, unpacked into a folder of its own."""
    unpack(root / "twitter-2025", x_files()[0] | VIEWER)
    return _x(root, "twitter-2025/")


# --- Facebook --------------------------------------------------------------------------------------------

ALBUM = f"{PAGE}/posts/media/Album_1/a.jpg"
POSTS = [
    {
        "timestamp": 1741112433,
        "attachments": [
            {"data": [{"media": {"uri": ALBUM, "creation_timestamp": 1741112433, "description": "Café"}}]},
            {"data": [{"media": {"uri": f"{PAGE}/posts/media/Album_1/lost.jpg"}}]},
            {"data": [{"external_context": {"url": "https://example.org/board", "name": "Board"}}]},
        ],
        "data": [{"post": f"{SECRET} – naïve {{snow}} day"}, {"update_timestamp": 1741112433}],
        "title": "The District shared a link.",
    },
    {"timestamp": 1741112433, "data": [{"post": "in the same second"}, {"update_timestamp": 1741116033}]},
    {"timestamp": 1741112500, "data": [], "attachments": [{"data": [{"place": {"name": "Gym"}}]}]},
]
POSTS_2 = [{"timestamp": 1741112600, "data": [{"post": "second file"}]}]
COMMENTS = [
    {
        "timestamp": 1741112700,
        "data": [
            {"comment": {"timestamp": 1741112700, "comment": f"{SECRET} ja, ø", "author": "The District"}}
        ],
        "title": "The District commented on its own post.",
    }
]
BY_OTHERS = [{"timestamp": 1741112800, "data": [{"post": "a visitor"}], "title": "Kim Tran wrote."}]
THREAD = f"{PAGE}/messages/inbox/leeokafor_123"


def message(at: int, sender: str, content: str | None = SECRET, **about: Any) -> dict[str, Any]:
    return meta.message(at, sender, content, **about)


REACTED = [{"reaction": "❤", "actor": "The District"}]
TWO_PHOTOS = [{"uri": f"{THREAD}/photos/p.jpg"}, {"uri": f"{THREAD}/photos/q.jpg"}]
MESSAGES = {
    1: [
        message(1741112434002, "Lee Okafor", "café? [x]", reactions=REACTED),
        message(1741112434001, "The District", None, photos=TWO_PHOTOS),
    ],
    2: [
        message(1741112434000, "Lee Okafor", None, is_unsent=True),
        message(1741112434000, "Lee Okafor", "twin"),
    ],
    10: [message(1741112400000, "Lee Okafor", f"{SECRET} first")],
}
SEALED = [
    {
        "senderName": "Lee Okafor",
        "text": "sealed",
        "timestamp": 1741112900000,
        "type": "media",
        "isUnsent": False,
        "media": [{"uri": "./media/s.jpg"}, {"uri": "Failed to download media"}],
        "reactions": [],
    }
]


def thread(messages: list[Any], **about: Any) -> tuple[bytes, list[bytes]]:
    people = ("Lee Okafor", "The District")
    return meta.thread(messages, "Lee Okafor", people=people, path="inbox/leeokafor_123", **about)


def timed(before: str, found: dict[str, bytes], times: list[int], objects: list[bytes]) -> None:
    found |= zip(meta.timed(times, before), objects, strict=True)


def facebook_files() -> tuple[dict[str, bytes], dict[str, bytes], dict[str, Reason]]:
    files: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    for number, values in ((1, POSTS), (2, POSTS_2)):
        files[f"{PAGE}/posts/profile_posts_{number}.json"], objects = meta_list(values)
        timed("", found, [one["timestamp"] for one in values], objects)
    data, objects = meta_list(COMMENTS)
    files[f"{PAGE}/comments_and_reactions/comments.json"] = b'{"comments_v2": ' + data + b"}"
    timed("", found, [1741112700], objects)
    data, objects = meta_list(BY_OTHERS)
    files[f"{PAGE}/posts/other_people's_posts.json"] = (
        b'{ "wall_posts_sent_to_you_v2": { "activity_log_data": ' + data + b"} }"
    )
    timed("", found, [1741112800], objects)
    for number, messages in MESSAGES.items():
        files[f"{THREAD}/message_{number}.json"], objects = thread(messages)
        timed("leeokafor_123/", found, [one["timestamp_ms"] for one in messages], objects)
    likes = [{"timestamp": 1741112433, "data": [{"reaction": {"reaction": "LIKE", "actor": "The District"}}]}]
    files[f"{PAGE}/comments_and_reactions/likes_and_reactions_1.json"] = meta_list(likes)[0]
    files["profile_information/profile_information.json"] = meta_json(
        {"profile_v2": {"name": {"full_name": "The District"}}}
    ).encode()
    files[ALBUM] = b"\xff\xd8 a"
    files[f"{THREAD}/photos/p.jpg"] = b"\xff\xd8 p"
    failed = {
        "1741112433#1": Reason.NOT_IN_EXPORT,
        "leeokafor_123/1741112434001#1": Reason.NOT_IN_EXPORT,
    }
    return files, found, failed


FACEBOOK_LISTS = (
    "profile_posts_1.json",
    "profile_posts_2.json",
    "comments.json",
    "other_people's_posts.json",
)
FACEBOOK_SCOPES = (
    f"{PAGE}/comments_and_reactions/comments",
    THREAD,
    f"{PAGE}/posts/other_people's_posts",
    f"{PAGE}/posts/profile_posts",
    ".",
)


def _rest(files: dict[str, bytes]) -> dict[str, bytes]:
    apart = (*FACEBOOK_LISTS, *(f"message_{number}.json" for number in MESSAGES))
    return {name: data for name, data in files.items() if not name.endswith(apart)}


def facebook_zip(root: Path) -> Built:
    """A page's download as one zip."""
    root.mkdir(parents=True)
    files, found, failed = facebook_files()
    path = root / f"facebook-{SECRET}-2025-03-06-AbC.zip"
    zipped(path, files | {"start_here.html": b"<html></html>"})
    excluded = {"start_here.html": Reason.EXPORT_SCAFFOLDING}
    return Built(str(path), found | _rest(files), failed, excluded, FACEBOOK_SCOPES)


def facebook_split(root: Path) -> Built:
    """The same in two zips, pictures apart from what shows them, and Messenger's separate download beside."""
    root.mkdir(parents=True)
    files, found, failed = facebook_files()
    apart = {name: data for name, data in files.items() if name.endswith(".jpg")}
    zipped(root / "a.zip", {name: data for name, data in files.items() if name not in apart})
    zipped(root / "b.zip", apart)
    data, objects = meta_list(SEALED)
    sealed = (
        b'{"participants": ["Lee Okafor", "The District"], "threadName": "Lee Okafor_1", "messages": '
        + data
        + b"}"
    )
    zipped(root / "messages.zip", {"Lee Okafor_1.json": sealed, "media/s.jpg": b"\xff\xd8 s"})
    found["Lee Okafor_1/1741112900000"] = objects[0]
    found |= {f"{'b' if name in apart else 'a'}.zip!/{name}": data for name, data in _rest(files).items()}
    found["messages.zip!/media/s.jpg"] = b"\xff\xd8 s"
    failed["Lee Okafor_1/1741112900000#1"] = Reason.NOT_IN_EXPORT
    scopes = (*(f"a.zip!/{key}" for key in FACEBOOK_SCOPES[:-1]), "messages.zip!/Lee Okafor_1", ".")
    return Built(str(root), found, failed, {}, scopes)


# --- Instagram -------------------------------------------------------------------------------------------

GRAM = "your_instagram_activity"
GRAM_POSTS = [
    {
        "media": [
            {"uri": "media/posts/202503/1.jpg", "creation_timestamp": 1741112433, "title": ""},
            {"uri": "media/posts/202503/2.jpg", "creation_timestamp": 1741112433, "title": ""},
        ],
        "title": f"{SECRET} école 🏫",
        "creation_timestamp": 1741112440,
    },
    {"media": [{"uri": "media/posts/202503/3.jpg", "creation_timestamp": 1741112450, "title": "alone"}]},
]
STORIES = [{"uri": "media/stories/202503/4.jpg", "creation_timestamp": 1741112460, "title": "story"}]
TRASH = [
    {"media": [{"uri": "media/recently_deleted/5.jpg", "creation_timestamp": 1741112465, "title": "gone"}]}
]
REMARKS = [
    {
        "media_list_data": [{"uri": ""}],
        "string_map_data": {
            "Comment": {"value": f"{SECRET} félicitations"},
            "Media Owner": {"value": "lee.o"},
            "Time": {"timestamp": 1741112470},
        },
    }
]


def instagram(root: Path) -> Built:
    """An Instagram download, unpacked."""
    files: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    files[f"{GRAM}/media/posts_1.json"], objects = meta_list(GRAM_POSTS)
    timed("", found, [1741112440, 1741112450], objects)
    files[f"{GRAM}/comments/post_comments_1.json"], objects = meta_list(REMARKS)
    timed("", found, [1741112470], objects)
    for name, member, values, at in (
        ("stories", b"ig_stories", STORIES, 1741112460),
        ("recently_deleted_content", b"ig_recently_deleted_media", TRASH, 1741112465),
    ):
        data, objects = meta_list(values)
        files[f"{GRAM}/media/{name}.json"] = b'{"' + member + b'": ' + data + b"}"
        timed("", found, [at], objects)
    messages = [message(1741112480000, "Lee", "hi ✓")]
    files[f"{GRAM}/messages/inbox/lee_9/message_1.json"], objects = thread(messages)
    timed("lee_9/", found, [1741112480000], objects)
    apart = set(files)
    files |= {f"media/posts/202503/{n}.jpg": f"{n}".encode() for n in (1, 2, 3)}
    files["media/stories/202503/4.jpg"] = b"4"
    files["personal_information/personal_information.json"] = meta_json(
        {
            "profile_user": [
                {
                    "string_map_data": {
                        "Username": {"value": "the.district"},
                        "Name": {"value": "The Dïstrict"},
                    }
                }
            ]
        }
    ).encode()
    files[f"{GRAM}/likes/liked_posts.json"] = b'{"likes_media_likes": []}'
    unpack(root, files)
    found |= {name: data for name, data in files.items() if name not in apart}
    scopes = (
        f"{GRAM}/comments/post_comments", f"{GRAM}/media/posts", f"{GRAM}/media/recently_deleted_content",
        f"{GRAM}/media/stories", f"{GRAM}/messages/inbox/lee_9", ".",
    )  # fmt: skip
    return Built(str(root), found, {"1741112465#0": Reason.NOT_IN_EXPORT}, {}, scopes)
