"""Ids and hashes: how an item, a message, a family are recognised.

Four values answer four questions and never stand in for one another: the SHA-256 of the bytes, the EDRM
message identification hash (the same message on another platform), the content hash ``ec1`` (the same
message as a reader sees it), and the family hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

UNIT = "\x1f"
_NOT_ALNUM = re.compile(r"[\W_]+")
_ASCII_NOT_ALNUM = bytes(c for c in range(128) if not chr(c).isalnum())
_FIRST_ANGLE = re.compile(r"<[^>]*>")
_FOLD = re.compile(r"\r?\n(?=[ \t])")


def item_id(custodian: str, source_id: str, scope_key: str, native_key: str) -> str:
    """Return the id of a top item: this custodian's copy in this place.

    First 32 hex digits of SHA-256 over ``it1``, custodian, source id, scope key and native key joined by
    U+001F. The same source read twice gives the same ids.
    """
    return _short("it1", custodian, source_id, scope_key, native_key)


def child_item_id(
    custodian: str, source_id: str, scope_key: str, native_key: str, parent_id: str, part_path: str
) -> str:
    """Return the id of a child: its top item's four values, its parent's id and its part path."""
    return _short("it1", custodian, source_id, scope_key, native_key, parent_id, part_path)


def _short(*parts: str) -> str:
    return hashlib.sha256(UNIT.join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def message_identification_hash(message_id_field: str | None) -> str | None:
    """Return the EDRM Message Identification Hash 1.0 (January 2023): MD5 of ``<…>``, or None.

    Args:
        message_id_field: The body of the Message-ID header field, folded or not; None when absent.

    Returns:
        32 lower-case hex digits; None when there is no id between brackets (an empty ``<>`` counts as none).
    """
    if not message_id_field:
        return None
    found = _FIRST_ANGLE.search(_FOLD.sub("", message_id_field))
    if found is None or found.group() == "<>":
        return None
    return hashlib.md5(found.group().encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


class BegunHash:
    """A content hash but for what the message carries, which comes last in it.

    A message that is attached counts by its own content hash, and that is known only once all it carries was
    read: so a hash is begun with the message, and finished from the innermost outwards.
    """

    __slots__ = ("_made",)

    def __init__(self, *parts: str) -> None:
        """Begin with all parts but the last."""
        self._made = hashlib.sha256(UNIT.join((*parts, "")).encode("utf-8", "surrogatepass"))

    def finish(self, attachments: Iterable[tuple[str, str]]) -> str:
        """Return the hash, 64 hex digits; may be called again.

        Args:
            attachments: Pairs of name and SHA-256 in hex; a message by no name and its content hash, since
                each route names an attached message otherwise.
        """
        made = self._made.copy()
        files = ";".join(f"{name}:{digest}" for name, digest in sorted(attachments))
        made.update(files.encode("utf-8", "surrogatepass"))
        return made.hexdigest()


def content_hash(
    *,
    sent_at: datetime | None,
    sender: str,
    recipients: Iterable[str],
    subject: str,
    body: str,
    attachments: Iterable[tuple[str, str]],
) -> str | None:
    """Return the ``ec1`` content hash: the same message whichever way it came; see ``content_begun``."""
    begun = content_begun(sent_at=sent_at, sender=sender, recipients=recipients, subject=subject, body=body)
    return begun.finish(attachments) if begun is not None else None


def content_begun(
    *, sent_at: datetime | None, sender: str, recipients: Iterable[str], subject: str, body: str
) -> BegunHash | None:
    """Begin the ``ec1`` content hash: the same message whichever way it came.

    Args:
        sent_at: Aware UTC time; years outside 1980…(now + 2) count as absent, as does None.
        sender: Address without display name.
        recipients: To, Cc and Bcc addresses together.
        subject: As stated; runs of white space count as one space.
        body: Plain text; only its letters and digits count, case kept.

    Returns:
        The hash, to be finished with its attachments; None for a thin item (fewer than three of sender,
        recipients, subject and body): such items would merge by the hundred, so the byte hash stands in.
    """
    people = ";".join(sorted({r.lower() for r in recipients if r}))
    subject = " ".join(subject.split())
    body = letters_and_digits(body)
    if sum(map(bool, (sender, people, subject, body))) < 3:
        return None
    stamp = ""
    if sent_at is not None and 1980 <= sent_at.year <= datetime.now(UTC).year + 2:
        stamp = sent_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    return BegunHash("ec1", stamp, sender.lower(), people, subject, body)


def message_begun(*, platform: str, message_id: str, sender: str, body: str) -> BegunHash | None:
    """Begin the ``cm1`` content hash of a text or chat: the same message in two backups or on two devices.

    A backup numbers its rows anew and notes when a message was read, so the bytes of the same message differ;
    its id does not. One that was edited between two backups has other words, and another hash.

    Args:
        platform: Whose ids these are.
        message_id: The platform's own id; empty for none.
        sender: Address, else name.
        body: Plain text; only its letters and digits count, case kept.

    Returns:
        The hash, to be finished with its attachments; None without an id: the byte hash stands in.
    """
    if not message_id:
        return None
    return BegunHash("cm1", platform, message_id, sender.lower(), letters_and_digits(body))


def letters_and_digits(text: str) -> str:
    """Return what ``isalnum`` is true of; first without the ASCII that is not, which is nearly all of it."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _ASCII_NOT_ALNUM)
    kept = rest.decode("utf-8", "surrogatepass")
    return kept if kept.isascii() or kept.isalnum() else _NOT_ALNUM.sub("", kept)


LEAST_FOOTER = 20
"""Letters and digits of a footer: a shorter one may well be what somebody wrote."""


def without_footers(letters: str, footers: Sequence[str]) -> tuple[str, int]:
    """Return a body without the footers that it ends with and the banners that it begins with, and how many.

    What a mail system adds to some copies would make each another message, and an empty one no longer empty.
    What stands in the middle stays: a reply quotes it in every copy.

    Args:
        letters: The body's ``letters_and_digits``.
        footers: Those of each, as people wrote it in the settings, of ``LEAST_FOOTER`` at least.
    """
    count = 0
    while True:
        found = next((one for one in footers if letters.endswith(one) or letters.startswith(one)), None)
        if found is None:
            return letters, count
        letters = letters.removesuffix(found) if letters.endswith(found) else letters.removeprefix(found)
        count += 1


def family_hash(parent_sha256: str, child_hashes: Iterable[str]) -> str:
    """Return the family hash: ``fam1``, the parent's hash and the sorted hashes of all below it.

    A message counts by its content hash where it has one, the parent too, and anything else by its bytes.
    """
    joined = UNIT.join(("fam1", parent_sha256, *sorted(child_hashes)))
    return hashlib.sha256(joined.encode()).hexdigest()
