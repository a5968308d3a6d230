"""What a file of a social media download holds, found from how it begins: a list of records, or else.

X writes one assignment of a list (``window.YTD.tweets.part0 = [``) and names its type there. Meta (Facebook,
Instagram) writes plain JSON: a list, or an object with a list as a member whose name says what it is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from connectors.json_lists import listed_objects
from connectors.json_objects import Cut
from records.errors import ItemError
from records.vocabulary import Kind

HEAD = 64 << 10
"""Bytes of a file that are looked at."""

X, FACEBOOK, INSTAGRAM, META = "x", "facebook", "instagram", "meta"
"""Platforms; ``meta`` is a thread of which nothing says whether it is of Facebook or of Instagram."""

DIRECT, GROUP = "direct message", "group message"
TALK = frozenset({DIRECT, GROUP})
"""Records of X that lie in a conversation, a level deeper than all others."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A list of records.

    Attributes:
        platform: Whose it is.
        record: What one of its objects is, in words.
        kind: The same as a kind of item.
        member: The member of the file's object that is the list; empty where the file is the list.
        skip: Bytes before the object that has that member.
        deleted: The owner, or the service, had deleted it.
        headers: It names records by id and time, and has nothing of what they say.
        page: It is a web page.
    """

    platform: str
    record: str
    kind: Kind = Kind.POST
    member: bytes = b""
    skip: int = 0
    deleted: bool = False
    headers: bool = False
    page: bool = False


_YTD = re.compile(rb"(?:\xef\xbb\xbf)?\s*window\.YTD\.([A-Za-z0-9_]{1,80})\.part(\d{1,4})\s*=")
_MANIFEST = re.compile(rb"(?:\xef\xbb\xbf)?\s*window\.__THAR_CONFIG\s*=")
_OF_X: Mapping[str, Layout] = {
    "tweet": Layout(X, "post"),
    "tweets": Layout(X, "post"),
    "community_tweet": Layout(X, "community post"),
    "twitter_circle_tweet": Layout(X, "circle post"),
    "note_tweet": Layout(X, "long post"),
    "deleted_tweet": Layout(X, "post", deleted=True),
    "deleted_tweets": Layout(X, "post", deleted=True),
    "deleted_note_tweet": Layout(X, "long post", deleted=True),
    "direct_message": Layout(X, DIRECT, Kind.CHAT),
    "direct_messages": Layout(X, DIRECT, Kind.CHAT),
    "direct_message_group": Layout(X, GROUP, Kind.CHAT),
    "direct_messages_group": Layout(X, GROUP, Kind.CHAT),
    "tweet_headers": Layout(X, "post", headers=True),
    "deleted_tweet_headers": Layout(X, "post", headers=True, deleted=True),
    "direct_message_headers": Layout(X, DIRECT, Kind.CHAT, headers=True),
    "direct_message_group_headers": Layout(X, GROUP, Kind.CHAT, headers=True),
}  # fmt: skip

KEPT_AS_FILES = frozenset({
    "account", "account_creation_ip", "account_label", "account_suspension", "account_timezone",
    "ad_engagements", "ad_impressions", "ad_mobile_conversions_attributed",
    "ad_mobile_conversions_unattributed", "ad_online_conversions_attributed",
    "ad_online_conversions_unattributed", "ageinfo", "app", "birdwatch_note", "birdwatch_note_rating",
    "block", "branch_links", "catalog_item", "commerce_catalog", "community_note", "community_note_rating",
    "connected_application", "contact", "device_token", "direct_message_mute", "email_address_change",
    "follower", "following", "ip_audit", "like", "lists_created", "lists_member", "lists_subscribed",
    "moment", "mute", "ni_devices", "periscope_account_information", "periscope_ban_information",
    "periscope_broadcast_metadata", "periscope_comments_made_by_user", "periscope_expired_broadcasts",
    "periscope_followers", "periscope_profile_description", "personalization", "phone_number",
    "product_drop", "product_set", "professional_data", "profile", "protected_history", "reply_prompt",
    "saved_search", "screen_name_change", "shop_module", "shopify_account", "smartblock", "spaces_metadata",
    "sso", "tweetdeck", "twitter_circle", "twitter_circle_member", "twitter_shop", "user_link_clicks",
    "verified", "tweet_headers", "deleted_tweet_headers", "direct_message_headers",
    "direct_message_group_headers",
})  # fmt: skip
"""Types of X that are no posts or messages of the account; each is an item as a file."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """The first bytes of a data file of X.

    Attributes:
        type: As X names it; empty for the manifest.
        part: Number of the part, from 0.
    """

    type: str
    part: int


def data_file(head: bytes) -> DataFile | None:
    """Say which data file of X begins so; None for anything else."""
    if _MANIFEST.match(head):
        return DataFile("", 0)
    found = _YTD.match(head)
    return DataFile(found[1].decode("ascii"), int(found[2])) if found else None


def x_layout(of: DataFile) -> Layout | None:
    """Return the layout of a data file of X; None for what is no list of records."""
    return _OF_X.get(of.type)


# --- Meta ------------------------------------------------------------------------------------------------

_OF_META: Mapping[str, Layout] = {
    "comments_v2": Layout(FACEBOOK, "comment"),
    "group_comments_v2": Layout(FACEBOOK, "group comment"),
    "group_posts_v2": Layout(FACEBOOK, "group post"),
    "anonymous_author_posts": Layout(FACEBOOK, "group post"),
    "pending_posts_v2": Layout(FACEBOOK, "pending post"),
    "activity_log_data": Layout(FACEBOOK, "post by others"),
    "archived_stories_v2": Layout(FACEBOOK, "story"),
    "archive_v2": Layout(FACEBOOK, "archived post"),
    "trash_v2": Layout(FACEBOOK, "post", deleted=True),
    "videos_v2": Layout(FACEBOOK, "video"),
    "other_photos_v2": Layout(FACEBOOK, "photo"),
    "notes_v2": Layout(FACEBOOK, "note"),
    "your_events_v2": Layout(FACEBOOK, "event"),
    "ig_stories": Layout(INSTAGRAM, "story"),
    "ig_reels_media": Layout(INSTAGRAM, "reel"),
    "ig_igtv_media": Layout(INSTAGRAM, "video"),
    "ig_archived_post_media": Layout(INSTAGRAM, "archived post"),
    "ig_other_media": Layout(INSTAGRAM, "other content"),
    "ig_recently_deleted_media": Layout(INSTAGRAM, "post", deleted=True),
    "comments_reels_comments": Layout(INSTAGRAM, "comment"),
    "comments_story_comments": Layout(INSTAGRAM, "comment"),
    "text_post_app_text_posts": Layout(INSTAGRAM, "threads post"),
}  # fmt: skip
_ACTIVITY = frozenset({
    "your_activity_across_facebook", "your_facebook_activity", "this_profile's_activity_across_facebook",
    "your_instagram_activity",
})  # fmt: skip
_OLD_TOPS = frozenset(
    {"messages", "posts", "comments_and_reactions", "comments", "stories", "content", "media"}
)
_FIRST_MEMBER = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*\"(\w{1,80})\"\s*:\s*")
_INNER_LIST = re.compile(rb"\{\s*\"(\w{1,80})\"\s*:\s*\[")
_LIST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_THREAD = re.compile(rb"\"(?:sender_name|thread_path|is_still_participant)\"\s*:")
_NAME = re.compile(rb"\"(\w{1,80})\"\s*:")
_SEALED = re.compile(rb"\"(?:senderName|threadName)\"\s*:")
_MESSAGE_FILE = re.compile(r"(?:^|/)messages/[^/]+/[^/]+/message_\d+\.json")
_MESSAGE_PAGE = re.compile(r"(?:^|/)messages/[^/]+/[^/]+/message_\d+\.html?$")
PAGE_HEAD = 1 << 20
"""Bytes of a page that are looked at: its styles stand before its first message."""

PAGE_DATE = (
    rb"(?:[A-Z][a-z]{2,8} \d{1,2}, \d{4}|\d{1,2} [A-Z][a-z]{2,8} \d{4})(?:,| at)? {1,2}"
    rb"\d{1,2}:\d\d(?::\d\d)?(?:(?: |\xc2\xa0|\xe2\x80\xaf)?[AaPp][Mm])?"
)
"""A time as Meta's pages spell it: ``Oct 19, 2019, 2:37 PM``, ``19 Oct 2019, 14:37``,
``Jul 31, 2023 4:12:10pm``."""

SEALED = "end-to-end encrypted"
"""Messenger's separate download of end-to-end encrypted chats."""


def top_of(key: str) -> tuple[str, str]:
    """Return what lies before the folders of a Meta download, and the path from there on."""
    parts = key.split("/")
    for tops in (_ACTIVITY, _OLD_TOPS):
        for number, part in enumerate(parts[:-1]):
            if part in tops:
                return "/".join(parts[:number]), "/".join(parts[number:])
    return "/".join(parts[:-1]), parts[-1]


def in_activity(key: str) -> bool:
    """Say whether a path lies in the folders of a newer Meta download."""
    return not _ACTIVITY.isdisjoint(key.split("/")[:-1])


def meta_layout(key: str, head: bytes) -> Layout | None:
    """Return the layout of a JSON file of Meta; None for what is no list of records.

    Args:
        key: Its path.
        head: Its first bytes.
    """
    first = _FIRST_MEMBER.match(head)
    name = first[1].decode("utf-8") if first else ""
    if name in {"participants", "messages", "threadName", "title"} or _MESSAGE_FILE.search(key):
        return _thread(key, head)
    if first is not None and (inner := _INNER_LIST.match(head, first.end())) is not None:
        # {"wall_posts_sent_to_you_v2": {"activity_log_data": [
        found = _OF_META.get(inner[1].decode("utf-8"))
        return _with(found, inner[1], skip=first.end()) if found else None
    if first is not None and (found := _OF_META.get(name)) is not None:
        return _with(found, first[1])
    if name == "comments" and "comments" in key.split("/"):
        return Layout(FACEBOOK, "comment", member=b"comments")
    if name in {"name", "photos"} and "album" in key.split("/") and b'"photos"' in head:
        return Layout(FACEBOOK, "photo", member=b"photos")
    return _of_list(key, head) if _LIST.match(head) else None


def is_message_page(key: str) -> bool:
    """Say whether a path is that of a thread as a web page."""
    return _MESSAGE_PAGE.search(key) is not None


def page_layout(key: str, head: bytes) -> Layout | None:
    """Return the layout of a thread as a web page; None for any other page, and for one without a message."""
    if not is_message_page(key) or re.search(rb">\s*" + PAGE_DATE + rb"\s*</", head) is None:
        return None
    return Layout(_platform(key), "message", Kind.CHAT, page=True)


def _platform(key: str) -> str:
    parts = key.split("/")
    if "your_instagram_activity" in parts:
        return INSTAGRAM
    return FACEBOOK if any("facebook" in part for part in parts[:-1]) else META


def _with(layout: Layout, member: bytes, skip: int = 0) -> Layout:
    return Layout(layout.platform, layout.record, layout.kind, member, skip, layout.deleted)


def _thread(key: str, head: bytes) -> Layout | None:
    if _SEALED.search(head):
        return Layout(FACEBOOK, SEALED, Kind.CHAT, b"messages")
    if not _THREAD.search(head) and not _MESSAGE_FILE.search(key):
        return None
    return Layout(_platform(key), "message", Kind.CHAT, b"messages")


def _of_list(key: str, head: bytes) -> Layout | None:
    """Say what a bare list holds, by the names of members in its first object."""
    folders = key.split("/")[:-1]
    first = _first_names(head)
    if "string_map_data" in first:
        return Layout(INSTAGRAM, "comment") if "comments" in folders else None
    if "timestamp" not in first:
        return Layout(INSTAGRAM, "post") if {"media", "creation_timestamp"} <= first else None
    if "comment" in first:
        return Layout(FACEBOOK, "comment")
    if "reaction" in first:
        return None
    return Layout(FACEBOOK, "post") if "post" in first or "posts" in folders else None


def _first_names(head: bytes) -> set[str]:
    """Return the names of members in the first object of a list, at any depth, as far as ``head`` has it."""
    data = head
    with suppress(ItemError):  # it is longer than what is looked at
        data = next(listed_objects(io.BytesIO(head)), Cut(b"")).data
    return {name.decode("utf-8", "replace") for name in _NAME.findall(data)}
