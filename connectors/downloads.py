"""Bytes of a service, all of them received before any is given out.

They are kept in memory up to 8 MB, then in a file without a name. What is cut off is gone on with where it is
known to be of the same bytes still, else begun again, so that nobody ever reads half of a record, or the
halves of two.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, cast

from connectors.asking import Busy, Refused
from records.numbers import whole_number
from records.vocabulary import Reason

if TYPE_CHECKING:
    import httpx

OF_BYTES = ("Range", "If-Range", "Accept-Encoding")
"""Headers that say which bytes are wanted; they go along where an answer leads to another address."""

_IN_MEMORY = 8 << 20
_HEAD = 4 << 10
_PLACE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
"""https://www.rfc-editor.org/rfc/rfc9110#section-14.4"""


def downloaded(
    answered: Callable[[Mapping[str, str]], AbstractContextManager[httpx.Response]],
    tried: Callable[[Callable[[], None]], None],
    *,
    is_checked: bool = False,
    is_whole: Callable[[bytes], bool] = lambda _: True,
) -> BinaryIO:
    """Return all bytes of an answer.

    They are asked for as they are stored, not packed: a part of packed bytes cannot be unpacked by itself,
    and packed ones that end early are not told from whole ones.

    Args:
        answered: Sends the request with these headers.
        tried: Tries again as long as ``Busy`` is raised.
        is_checked: The caller holds the bytes against a sum: they are gone on with although the service gives
            no strong ``ETag`` (RFC 9110 section 13.1.5).
        is_whole: Tells by its first bytes whether it is what was asked for; what is not is asked for again.

    Raises:
        Refused: It is refused, or comes broken each time.
        Retryable: The service is busy or away for too long.
    """
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed by its reader
    state = _State(file)

    def once() -> None:
        try:
            with answered(state.wanted(is_checked=is_checked)) as response:
                state.take(response)
        except Refused as refused:
            if refused.status != 416:
                raise
            state.begin_again()  # a part that is not there is asked for as a whole
            raise Busy(final=Refused(Reason.UNREADABLE, "http_416", 416, refused.code)) from None
        except Busy as busy:
            if isinstance(busy.final, Refused) and busy.final.status == 416:
                state.begin_again()
            raise
        file.seek(0)
        if not is_whole(file.read(_HEAD)):
            state.begin_again()
            raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", 200))

    try:
        tried(once)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


class _State:
    """What has come of a download so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._tag = ""

    def begin_again(self) -> None:
        """Forget what came."""
        self._tag = ""
        self._file.seek(0)
        self._file.truncate()

    def wanted(self, *, is_checked: bool) -> dict[str, str]:
        """Return the headers that ask for what is missing."""
        asked = {"Accept-Encoding": "identity"}
        offset = self._file.tell()
        if offset and (self._tag or is_checked):
            asked["Range"] = f"bytes={offset}-"
            if self._tag:
                asked["If-Range"] = self._tag
        return asked

    def take(self, response: httpx.Response) -> None:
        """Put the bytes of an answer where they belong.

        Raises:
            Busy: It is not the answer to what was asked, or ends before all is there.
        """
        status, total = response.status_code, None
        if status == 206:
            place = _PLACE.fullmatch(response.headers.get("content-range", ""))
            if place is None or int(place[1]) != self._file.tell():
                self.begin_again()
                raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", status))
            total = whole_number(place[2])
        elif status == 200:
            self.begin_again()
        else:  # accepted, no content: there are bytes, and they are not here
            raise Busy(final=Refused(Reason.UNREADABLE, f"http_{status}", status))
        self._tag = _strong_tag(response)
        for block in response.iter_bytes():  # as they come: what is gathered first is lost by a cut
            self._file.write(block)
        if total is not None and self._file.tell() != total:
            raise Busy(final=Refused(Reason.UNREADABLE, "cut_off", status))


def _strong_tag(response: httpx.Response) -> str:
    """Return what says that bytes are of the same file; empty where nothing does."""
    tag = str(response.headers.get("etag", ""))
    return tag if tag.startswith('"') and "content-encoding" not in response.headers else ""
