"""Facebook and Instagram: lists of records as Meta's downloads in JSON have them.

Used for the fictional district and by the tests of the connector and the reader. Meta publishes no layout;
each byte of UTF-8 stands as a character of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

PAGE = "this_profile's_activity_across_facebook"
"""The folder of a page's download."""


def meta_json(value: Any) -> str:
    """Return JSON as Meta writes it: each byte of UTF-8 as a character of its own."""
    plain = json.dumps(value, indent=2, ensure_ascii=False)
    return json.dumps(json.loads(plain.encode().decode("latin-1")), indent=2)


def meta_list(values: Sequence[Any]) -> tuple[bytes, list[bytes]]:
    """Return the text of a list, and the exact bytes of each of its objects in it."""
    objects = [meta_json(one).encode() for one in values]
    return b"[" + b",".join(objects) + b"]", objects


def thread(
    messages: Sequence[Any], name: str, *, people: Sequence[str], path: str, **about: Any
) -> tuple[bytes, list[bytes]]:
    """Return a file of messages, and the exact bytes of each of them.

    Args:
        messages: As objects, newest first.
        name: What the conversation is called.
        people: Who takes part.
        path: As ``inbox/leeokafor_123``.
        about: What else stands before the messages.
    """
    head: dict[str, Any] = {"participants": [{"name": one} for one in people]} | about
    tail = {"title": name, "is_still_participant": True, "thread_path": path}
    data, objects = meta_list(messages)
    start = meta_json(head)[:-1].rstrip().encode()
    return start + b', "messages": ' + data + b"," + meta_json(tail)[1:].encode(), objects


def message(at_ms: int, sender: str, content: str | None, **about: Any) -> dict[str, Any]:
    """Return a message of a thread; without content for one that has only media or was unsent."""
    stated = {} if content is None else {"content": content}
    return {
        "sender_name": sender, "timestamp_ms": at_ms, **stated, "is_geoblocked_for_viewer": False, **about,
    }  # fmt: skip


def timed(times: Sequence[int], before: str = "") -> list[str]:
    """Return what records are called that have no id: by their time, equal ones by their order."""
    keys: list[str] = []
    for at in times:
        key, number = f"{before}{at}", 0
        while (f"{key}:{number}" if number else key) in keys:
            number += 1
        keys.append(f"{key}:{number}" if number else key)
    return keys
