"""Lists of JSON objects that are a file's outermost value: day files of Slack, data files of X."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, cast

from connectors.bytesource import GuardedStream, StreamSource
from connectors.json_objects import Cut, objects_of
from records.errors import ItemError
from records.vocabulary import Reason

_NAME = b"list"
_BEFORE = b'{"' + _NAME + b'":'


def listed_objects(stream: BinaryIO) -> Iterator[Cut]:
    """Yield the objects of the list that a file consists of, by their exact bytes; closes the stream.

    What stands before the list (``window.YTD.tweets.part0 =``) is passed over, as long as it has neither
    brackets nor quotes. Other values in the list are passed over too.

    Raises:
        ItemError: The list is not whole: what came out before it broke off was yielded.
    """
    # The list is read as a member of an object, which is what the cutter knows.
    joined = GuardedStream(cast("BinaryIO", _After(_BEFORE, stream)), stream.close)
    with closing(StreamSource(cast("BinaryIO", joined))) as source:
        whole = False
        for found in objects_of(source, _NAME):
            if not isinstance(found, Cut):
                whole = found
            elif found.whole:
                yield found
        if source.cut is not None:
            raise ItemError(source.cut.reason, source.cut.detail)
        if not whole:
            raise ItemError(Reason.TRUNCATED, "list_cut")


class _After(io.RawIOBase):
    """A stream with some bytes before it."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._rest.read(size)
