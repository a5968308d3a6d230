"""The error tree, sorted by what to do next.

::

    DaylightError
    ├── Fatal                stop: a person must change something
    │   ├── SettingsError    a setting, a request file or an option is wrong        exit 3
    │   ├── AccessError      a path, a mailbox or a service refuses                 exit 4
    │   ├── UsageError       the command makes no sense in this state               exit 2
    │   ├── CheckFailed      a verification found a difference                      exit 6
    │   ├── Incomplete       something is missing; the work can be resumed          exit 5
    │   ├── AlreadyRunning   another run of the same request holds the lock         exit 2
    │   └── AttemptLost      a newer attempt owns the batch; this one must not write
    ├── Retryable            try again: carries ``retry_after_s``                   exit 5
    ├── CursorExpired        a source no longer knows a cursor: its place is read again in full
    └── ItemError            costs one item: becomes a row with a reason code, the run goes on

Messages say what happened, to which id, and what to do. They carry ids and codes only: never content,
names, addresses or secrets. Inside a stream an item failure is a value (``FailedItem``), not a raise.
"""

from __future__ import annotations

from records.vocabulary import RETRYABLE, Reason


class DaylightError(Exception):
    """The root of everything this project raises on purpose."""


class Fatal(DaylightError):  # noqa: N818 - named by what to do, not by being an error
    """Stop; a person must change something before a second try makes sense."""


class SettingsError(Fatal):
    """A setting, a request file or an option is wrong; the message names it."""


class AccessError(Fatal):
    """A path, a mailbox or a service cannot be reached or refuses."""


class UsageError(Fatal):
    """The command makes no sense in the present state of the request."""


class CheckFailed(Fatal):
    """A verification found a difference; the message counts what differs."""


class Incomplete(Fatal):
    """Something is missing (a full disk, an interrupted run); run the same command again to resume."""


class AlreadyRunning(Fatal):
    """Another run of the same request is alive."""


class AttemptLost(Fatal):
    """A newer attempt has claimed the batch; what this one was about to write is refused."""


class Retryable(DaylightError):  # noqa: N818 - named by what to do
    """A passing fault.

    Attributes:
        retry_after_s: Seconds to wait, as the service asked, or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CursorExpired(DaylightError):  # noqa: N818 - named by what happened
    """A source no longer knows the cursor it gave; its place is read again from the start, and that is said.

    What is stored already is passed over by its native key, so that nothing is doubled.
    """


class ItemError(DaylightError):
    """One item cannot be read.

    Attributes:
        reason: The stable reason code.
        detail: A short code or phrase without content (``pdf_password``, ``zip_depth``).
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    @property
    def retryable(self) -> bool:
        """Whether another try on the same bytes may end differently."""
        return self.reason in RETRYABLE
