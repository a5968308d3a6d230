"""What each answer of Exchange Web Services means, and what a person is to do about it.

Codes are told by name, never by the message beside them
(https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode).
"""

from __future__ import annotations

import re

from connectors.asking import Busy, Denied, Refused
from records.errors import AccessError
from records.vocabulary import Reason


class Coded(Exception):  # noqa: N818 - named by what happened
    """The server's answer is a code; the message beside it may hold an address, and is dropped."""

    def __init__(self, code: str, after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after_s = after_s


class Http(Exception):  # noqa: N818 - named by what happened
    """The answer is no SOAP."""

    def __init__(self, status: int, after_s: float | None) -> None:
        super().__init__(str(status))
        self.status = status
        self.after_s = after_s


class Broken(Exception):  # noqa: N818 - named by what happened
    """An answer that contradicts itself or stops in the middle."""


_ITEM = {
    "ErrorMimeContentConversionFailed": (Reason.NOT_CONVERTIBLE, "mime_conversion"),
    "ErrorContentConversionFailed": (Reason.NOT_CONVERTIBLE, "content_conversion"),
    "ErrorMimeContentInvalid": (Reason.NOT_CONVERTIBLE, "mime_content"),
    "ErrorUnsupportedMimeConversion": (Reason.NOT_CONVERTIBLE, "mime_unsupported"),
    "ErrorUnsupportedTypeForConversion": (Reason.NOT_CONVERTIBLE, "mime_unsupported"),
    "ErrorItemCorrupt": (Reason.CORRUPT, "item_corrupt"),
    "ErrorCorruptData": (Reason.CORRUPT, "corrupt_data"),
    "ErrorPropertyValidationFailure": (Reason.CORRUPT, "property"),
    "ErrorFolderCorrupt": (Reason.CORRUPT, "folder_corrupt"),
    "ErrorMessageSizeExceeded": (Reason.TOO_LARGE, "message_size"),
    "ErrorDataSizeLimitExceeded": (Reason.TOO_LARGE, "message_size"),
    "ErrorVirusDetected": (Reason.REFUSED_BY_SOURCE, "virus"),
    "ErrorVirusMessageDeleted": (Reason.REFUSED_BY_SOURCE, "virus"),
}  # fmt: skip
_GONE = frozenset({
    "ErrorItemNotFound", "ErrorFolderNotFound", "ErrorObjectTypeChanged", "ErrorParentFolderNotFound",
})  # fmt: skip
_AWAY = frozenset({
    "ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened", "ErrorTimeoutExpired",
    "ErrorInternalServerTransientError", "ErrorMailboxStoreUnavailable", "ErrorMailboxMoveInProgress",
    "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError",
    "ErrorADUnavailable", "ErrorInsufficientResources", "ErrorNotEnoughMemory",
    "ErrorNoRespondingCASInDestinationSite",
})  # fmt: skip
_FAULTY = frozenset({
    "ErrorInternalServerError", "ErrorBatchProcessingStopped", "ErrorItemPropertyRequestFailed",
    "ErrorFolderPropertyRequestFailed", "ErrorRequestAborted", "ErrorProxyRequestProcessingFailed",
})  # fmt: skip
_REMEDY = {
    **dict.fromkeys(
        ("ErrorNonExistentMailbox", "ErrorInvalidSmtpAddress", "ErrorInvalidUserPrincipalName",
         "ErrorInvalidUserSid", "ErrorMissingEmailAddress", "ErrorInvalidMailbox"),
        "the server knows no such mailbox; check `account` in the request file (its primary address), and "
        "that the mailbox is on this server and not in the cloud, or the other way round",
    ),
    **dict.fromkeys(
        ("ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"),
        "the right to impersonate this mailbox is missing; give the account the role "
        "ApplicationImpersonation for a scope that holds the mailbox (Exchange Server), or the application "
        "`Application EWS.AccessAsApp` for one (Exchange Online); a change takes up to two hours",
    ),
    **dict.fromkeys(
        ("ErrorAccountDisabled", "ErrorMailboxLogonFailed", "ErrorMailboxConfiguration"),
        "the mailbox cannot be logged on to: its account is disabled, or its licence was removed; enable it "
        "for the time of the search, or export it (purview_export)",
    ),
    **dict.fromkeys(
        ("ErrorPasswordExpired", "ErrorPasswordChangeRequired"),
        "the password has expired; set a new one and put it into `password`",
    ),
    "ErrorQuotaExceeded": "the mailbox is over its quota, and the server answers no more; raise the quota, "
    "then run again",
    "ErrorNonPrimarySmtpAddress": "`account` is not the mailbox's primary address; write that one",
    **dict.fromkeys(
        ("ErrorInvalidServerVersion", "ErrorInvalidSchemaVersionForMailboxVersion"),
        "the server is older than Exchange 2013 SP1 or no Exchange at all; check `host`",
    ),
}  # fmt: skip
_SWITCHED_OFF = (
    "Exchange Web Services are refused (HTTP 403). In Exchange Online they have been switched off since "
    "1 October 2026: read this mailbox with microsoft_graph and its archive with purview_export, or have an "
    "administrator allow the application until 1 April 2027 (Set-OrganizationConfig -EwsEnabled $true "
    "-EwsAllowedAppIDs with its client id, and EwsEnabled on the mailbox; up to 24 hours). On Exchange "
    "Server check EwsEnabled and EwsApplicationAccessPolicy of the mailbox and the organisation"
)
_APPLICATION_REFUSED = (
    "the server refuses a token it was just given (HTTP 401); grant the application `full_access_as_app`, or "
    "`Application EWS.AccessAsApp` for named mailboxes, check that `host` and `authority` are of the same "
    "cloud, and this machine's clock"
)
_LOGIN_REFUSED = (
    "the server refuses user and password (HTTP 401); check `login` and `password`, that the account is not "
    "locked, and `auth` in extra (ntlm or basic)"
)
_NO_SERVICE_STATUS = frozenset({301, 302, 307, 308, 404, 405})
_BUSY_STATUS = frozenset({429, 503, 509})
_FAULTY_STATUS = frozenset({408, 500, 502, 504})
_CODE = re.compile(r"[A-Za-z0-9]{1,80}")


def of_code(coded: Coded, where: str) -> Exception:
    """Return what a code means for what was asked.

    Args:
        coded: The server's answer.
        where: Start of a message.
    """
    code = coded.code
    if code in _AWAY:
        return Busy(coded.after_s)
    if code in _FAULTY:
        return Busy(coded.after_s, of_item(coded))
    if code in _REMEDY:
        return Denied(f"{where}: {_REMEDY[code]}", code)
    return of_item(coded)


def of_item(coded: Coded) -> Refused:
    """Return why one item, or one folder, cannot be had."""
    code = coded.code if _CODE.fullmatch(coded.code) else "no_code"
    if code in _ITEM:
        return Refused(*_ITEM[code], 200, code)
    if code in _GONE:
        return Refused(Reason.REFUSED_BY_SOURCE, "gone", 200, code)
    if code in _FAULTY or code in _AWAY:
        return Refused(Reason.UNREADABLE, code, 200, code)
    return Refused(Reason.REFUSED_BY_SOURCE, code, 200, code)


def of_http(answer: Http, where: str, *, with_token: bool) -> Exception:
    """Return what an answer means that is no SOAP.

    Args:
        answer: Status and time to wait.
        where: Start of a message.
        with_token: The request held a token, not user and password.
    """
    status = answer.status
    if status in _BUSY_STATUS:
        return Busy(answer.after_s)
    if status in _FAULTY_STATUS:
        return Busy(answer.after_s, Refused(Reason.UNREADABLE, f"http_{status}", status))
    if status == 403:
        return Denied(f"{where}: {_SWITCHED_OFF}", "http_403")
    if status == 401:
        return Denied(f"{where}: {_APPLICATION_REFUSED if with_token else _LOGIN_REFUSED}", "http_401")
    if status in _NO_SERVICE_STATUS:
        return AccessError(
            f"{where}: no Exchange Web Services at the address (HTTP {status}); write the address that "
            "Get-WebServicesVirtualDirectory shows into `host`"
        )
    return Refused(Reason.REFUSED_BY_SOURCE, f"http_{status}", status)
