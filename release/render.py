"""From a plan to the files of ``release/``: the index, the log, the counts, natives and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from records import canonical
from records.errors import CheckFailed, ItemError
from records.evidence import BlobRef, EvidenceStore
from records.vocabulary import Kind
from release import numbering, verifier
from release.bag import BagWriter
from release.context import WORKING_COPY
from release.conversation_page import conversation_pages, listed
from release.keys import SigningKey
from release.page import index_page
from release.plan import RETENTION_KEYS
from release.selection import Role
from release.sheets import csv_bytes, plain

NAME_NOT_SHOWN = "name not shown"

TYPES: Mapping[str, str] = {
    Kind.EMAIL: "e-mail",
    Kind.MESSAGE: "text message",
    Kind.CHAT: "chat message",
    Kind.CALL: "call",
    Kind.EVENT: "calendar entry",
    Kind.POST: "post",
    Kind.FILE: "file",
    Kind.CONTACT: "contact",
    Kind.TASK: "task",
    Kind.NOTE: "note",
}
TREATMENTS: Mapping[str, str] = {Role.RELEASED: "released", Role.WITHHELD: "withheld in full"}
BASES: Mapping[str, str] = {
    "stated": "as stated",
    "assumed_zone": "time zone assumed",
    "relative": "worked out from other times",
    "none": "no trustworthy time",
}
_PRIVILEGES = ("RCW 5.60.060", "RCW 18.83.110", "RCW 7.07", "RCW 42.56.600", "RCW 42.56.290")
"""Citations that rest on a privilege or on work product rather than on an exemption of the act alone."""

INDEX_COLUMNS = (
    "number", "family", "family_numbers", "treatment", "record_type", "date_time", "date_basis", "from", "to",
    "cc", "bcc", "participants", "subject", "file_name", "bytes", "sha256", "native", "text", "custodian",
    "duplicate_holders", "retention_series", "log_no", "conversation",
)  # fmt: skip
LOG_COLUMNS = (
    "log_no", "begin_no", "end_no", "pages", "record_type", "date", "author", "recipients", "description",
    "treatment", "exemption_code", "exemption_citation", "explanation", "privilege_basis", "attorney",
    "reviewer", "decided_at", "rule_or_human", "family_numbers", "bundle",
)  # fmt: skip
RETENTION_COLUMNS = ("number", "series", *RETENTION_KEYS, "confirmed_at")


@dataclass(frozen=True, slots=True)
class Freeze:
    """What an approval fixed; None in its place makes a draft.

    Attributes:
        at: UTC text.
        audit_seq: Number of the audit entry of the approval.
        audit_head: Its hash: the head that the bundle publishes.
        numbers: Item id to permanent number.
    """

    at: str
    audit_seq: int
    audit_head: str
    numbers: Mapping[str, int]


def local_time(utc_text: str | None, zone: ZoneInfo) -> str:
    """Return a time as people see it: ``2026-01-02 09:04:05 -0800``; empty for None."""
    if not utc_text:
        return ""
    return canonical.utc_time(utc_text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")


def people(pairs: Sequence[Sequence[str]]) -> str:
    """Return participants in their order as ``Name <address>; …``."""
    return "; ".join(
        f"{plain(name)} <{plain(address)}>" if name and address else plain(name or address)
        for name, address in pairs
    )


def ranges(numbers: Sequence[int], prefix: str) -> str:
    """Return numbers as ``A to B; C``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = numbering.permanent
    return "; ".join(
        shown(prefix, a) if a == b else f"{shown(prefix, a)} to {shown(prefix, b)}" for a, b in runs
    )


class Rows:
    """The tables of one instalment, built once from its plan."""

    def __init__(self, plan: Mapping[str, Any], freeze: Freeze | None) -> None:
        self.plan, self.freeze = plan, freeze
        self.basis, self.told = plan["basis"], plan["context"]
        self.zone = ZoneInfo(self.told["zone"])
        self.records: list[dict[str, Any]] = self.basis["records"]
        self.numbers = self._numbers()
        self._family_no = {f: n for n, f in enumerate(dict.fromkeys(r["family_id"] for r in self.records), 1)}
        self._family_ranges = self._ranges()
        self.slices: list[dict[str, Any]] = self.basis.get("slices", [])  # a plan of format 1 has none
        self._slice_of = self._slice_paths()
        self.index = [self._index_row(r) for r in self.records]
        self.log = [row for r in self.records if r["role"] == Role.WITHHELD for row in self._log_rows(r)]

    def _numbers(self) -> dict[str, str]:
        if self.freeze is None:
            return {r["item_id"]: numbering.draft(n) for n, r in enumerate(self.records, 1)}
        prefix = self.told["prefix"]
        return {
            r["item_id"]: numbering.permanent(prefix, self.freeze.numbers[r["item_id"]]) for r in self.records
        }

    def _ranges(self) -> dict[str, str]:
        """A family's numbers, those of earlier instalments included."""
        members: dict[str, list[str]] = {}
        for record in self.records:
            members.setdefault(record["family_id"], []).append(record["item_id"])
        out: dict[str, str] = {}
        for family, ids in members.items():
            earlier = list(self.basis["families"][family]["earlier"])
            if self.freeze is not None:
                out[family] = ranges([*earlier, *(self.freeze.numbers[i] for i in ids)], self.told["prefix"])
                continue
            first, last = self.numbers[ids[0]], self.numbers[ids[-1]]
            shown = [ranges(earlier, self.told["prefix"])] if earlier else []
            out[family] = "; ".join([*shown, first if first == last else f"{first} to {last}"])
        return out

    def _slice_paths(self) -> dict[str, str]:
        """Message to its page, which is named by the first number on it."""
        out: dict[str, str] = {}
        for one in self.slices:
            shown = [line for line in one["lines"] if isinstance(line, str)]
            out |= dict.fromkeys(shown, f"conversations/{self.numbers[shown[0]]}.html")
        return out

    def page_of(self, one: Mapping[str, Any]) -> str:
        """Return the path of a slice's page."""
        return self._slice_of[next(line for line in one["lines"] if isinstance(line, str))]

    def _type(self, record: Mapping[str, Any]) -> str:
        name = TYPES.get(record["kind"], record["kind"])
        return f"{name}, attached" if record["level"] else name

    def _index_row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        row = {
            "number": self.numbers[record["item_id"]],
            "family": f"F{self._family_no[record['family_id']]:05d}",
            "family_numbers": self._family_ranges[record["family_id"]],
            "treatment": TREATMENTS[record["role"]],
            "record_type": self._type(record),
        }
        if record["role"] == Role.WITHHELD:
            return {**row, "log_no": self.log_no(record)}
        number = row["number"]
        flag = record["retention"] or {}
        return {
            **row,
            "date_time": local_time(record["at"], self.zone),
            "date_basis": BASES.get(record["at_basis"], record["at_basis"]),
            "from": people(record["sender"]),
            **{key: people(record[key]) for key in ("to", "cc", "bcc", "participants")},
            "subject": record["subject"],
            "file_name": record["name"],
            "bytes": record["size_bytes"],
            "sha256": record["blob_sha256"],
            "native": f"natives/{number}.{record['extension']}",
            "text": f"text/{number}.txt" if record["text_sha256"] else "",
            "custodian": record["custodian"],
            "duplicate_holders": "; ".join(record["holders"]),
            "retention_series": flag.get("series") or "",
            "conversation": self._slice_of.get(record["item_id"], ""),
        }

    def log_no(self, record: Mapping[str, Any]) -> str:
        """Return the stable log number of a withheld record."""
        return f"{self.basis['request_id']}-{record['log_no']:04d}"

    def _log_rows(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One row a claim. Nothing here is taken from the record's content, subject or file name."""
        number = self.numbers[record["item_id"]]
        labels = {address.lower(): label for address, label in self.told["log_people"].items()}
        everybody = [*record["to"], *record["cc"], *record["bcc"], *record["participants"]]
        attorneys = sorted(
            {
                labels[a.lower()]
                for _, a in [*record["sender"], *everybody]
                if any(word in labels.get(a.lower(), "").lower() for word in ("attorney", "counsel"))
            }
        )
        common = {
            "log_no": self.log_no(record),
            "begin_no": number,
            "end_no": number,
            "pages": record["pages"] or "",
            "record_type": self._type(record),
            "date": local_time(record["at"], self.zone) or "no trustworthy date",
            "author": _named(record["sender"], labels),
            "recipients": _named(everybody, labels),
            "description": self._type(record).capitalize(),
            "treatment": TREATMENTS[record["role"]],
            "reviewer": record["decided_by"],
            "decided_at": local_time(record["decided_at"], self.zone),
            "rule_or_human": "human",
            "family_numbers": self._family_ranges[record["family_id"]],
            "bundle": f"instalment {self.basis['installment']}",
        }
        rows = []
        for claim in record["exemptions"]:
            citation = self.told["citations"].get(claim["code"], "")
            privileged = any(p in citation for p in _PRIVILEGES)
            rows.append(
                {
                    **common,
                    "exemption_code": claim["code"],
                    "exemption_citation": citation,
                    "explanation": claim["explanation"],
                    "privilege_basis": citation if privileged else "",
                    "attorney": "; ".join(attorneys) if privileged else "",
                }
            )
        return rows

    @property
    def approved_on(self) -> str:
        """The day of the approval in the request's zone; empty for a draft."""
        return local_time(self.freeze.at, self.zone)[:10] if self.freeze is not None else ""

    @property
    def retention(self) -> list[dict[str, Any]]:
        """One row a record whose retention series a person confirmed."""
        out = []
        for record in self.records:
            if record.get("retention"):
                flag = record["retention"]
                shown = {k: flag.get(k, "") for k in RETENTION_COLUMNS}
                shown["series"] = flag["series"] or "no series found"
                shown["confirmed_at"] = local_time(flag["confirmed_at"], self.zone)
                out.append({**shown, "number": self.numbers[record["item_id"]]})
        return out

    @property
    def counts(self) -> dict[str, int]:
        """What is in the bundle; the verifier counts it again."""
        released = [r for r in self.records if r["role"] == Role.RELEASED]
        return {
            "records": len(self.records),
            "released": len(released),
            "withheld_in_full": len(self.records) - len(released),
            "natives": len(released),
            "texts": sum(1 for r in released if r["text_sha256"]),
            "families": len(self._family_no),
            "log_entries": len({row["log_no"] for row in self.log}),
            "conversation_pages": len(self.slices),
        }

    @property
    def families(self) -> list[tuple[list[dict[str, Any]], int]]:
        """Index rows banded by family, each with the number of its members that are not yet produced."""
        bands: dict[str, list[dict[str, Any]]] = {}
        for record, row in zip(self.records, self.index, strict=True):
            bands.setdefault(record["family_id"], []).append(row)
        return [(band, int(self.basis["families"][family]["waiting"])) for family, band in bands.items()]


def _named(pairs: Sequence[Sequence[str]], labels: Mapping[str, str]) -> str:
    """Return labels of those who may be named, then how many are not."""
    known, hidden = [], 0
    for _, address in pairs:
        label = labels.get(address.lower())
        if label is None:
            hidden += 1
        elif label not in known:
            known.append(label)
    if hidden:
        known.append(NAME_NOT_SHOWN if hidden == 1 else f"{hidden} {NAME_NOT_SHOWN.replace('name', 'names')}")
    return "; ".join(known)


def render(
    root: Path, plan: Mapping[str, Any], freeze: Freeze | None, store: EvidenceStore, key: SigningKey | None
) -> tuple[bytes, Rows]:
    """Write ``release/`` into a folder that does not exist yet.

    Args:
        root: The bag's folder.
        plan: See ``release.plan``.
        freeze: None for a draft.
        store: Where natives and texts lie.
        key: Signs the tag manifest; None for a draft.

    Returns:
        The tag manifest's bytes and the tables.

    Raises:
        CheckFailed: A native or a text is not in the store or is damaged; the item is named.
    """
    rows = Rows(plan, freeze)
    bag = BagWriter(root, file_time(plan, freeze))
    released = [(rec, row) for rec, row in zip(rows.records, rows.index, strict=True) if row.get("native")]
    wanted = [rec[key] for rec, _ in released for key in ("blob_sha256", "text_sha256") if rec[key]]
    refs = store.find(wanted)
    for record, row in released:
        item_id = record["item_id"]
        _copy(bag, store, item_id, record["blob_sha256"], refs, row["native"])
        if row["text"]:
            _copy(bag, store, item_id, record["text_sha256"], refs, row["text"])
    for name, data in conversation_pages(rows, _Words(store, refs)).items():
        bag.add(name, data)
    for name, data in _documents(rows).items():
        bag.add(name, data)
    tag_manifest = bag.close(_bag_info(rows))
    if key is not None:
        bag.write_signature(_signature(key, tag_manifest))
    return tag_manifest, rows


def file_time(plan: Mapping[str, Any], freeze: Freeze | None) -> int:
    """Return the time of every file: the approval's, or for a draft midnight UTC of the day of receipt."""
    if freeze is not None:
        return int(canonical.utc_time(freeze.at).timestamp())
    day = datetime.fromisoformat(plan["context"]["received_on"])
    return int(day.replace(tzinfo=UTC).timestamp())


def _copy(
    bag: BagWriter, store: EvidenceStore, item_id: str, sha256: str, refs: Mapping[str, BlobRef], path: str
) -> None:
    ref = refs.get(sha256)
    try:
        if ref is None:
            raise CheckFailed(f"item {item_id} cannot be released: its bytes are not in the evidence store")
        with store.stream(ref) as stream:
            written = bag.add_stream(path, stream)
    except ItemError as error:
        raise CheckFailed(
            f"item {item_id} cannot be released: its stored bytes are damaged ({error})"
        ) from error
    if written != sha256:
        raise CheckFailed(f"item {item_id} cannot be released: what was written differs from what was stored")


@dataclass(frozen=True, slots=True)
class _Words:
    """Stored texts of messages, for the pages of conversations."""

    store: EvidenceStore
    refs: Mapping[str, BlobRef]

    def __call__(self, sha256: str) -> str:
        return self.store.read(self.refs[sha256]).decode("utf-8", "replace")


def _documents(rows: Rows) -> dict[str, bytes]:
    told = rows.told
    terms = told["cleared_terms"]
    return {
        "index.csv": csv_bytes(INDEX_COLUMNS, rows.index),
        "exemption-log.csv": csv_bytes(LOG_COLUMNS, rows.log),
        "retention.csv": csv_bytes(RETENTION_COLUMNS, rows.retention),
        "unsearchable.csv": csv_bytes(("source", "reason", "count"), told["unsearchable"]),
        "terms.csv": csv_bytes(("term",), [{"term": t} for t in terms])
        if terms is not None
        else csv_bytes(("note",), [{"note": "Search terms are not included in this bundle."}]),
        "counts.json": _json(
            {
                "installment": rows.counts,
                "review": rows.basis["review"],
                "ledger": told["ledger"],
                "unbalanced_because": told["unbalanced_because"],
            }
        ),
        "status.json": _json(_status(rows)),
        "audit-head.txt": _audit_head(rows),
        "index.html": index_page(rows, listed(rows)),
    }


def _status(rows: Rows) -> dict[str, Any]:
    numbers = [row["number"] for row in rows.index]
    return {
        "format": rows.plan["format"],
        "working_copy": True,
        "statement": WORKING_COPY,
        "draft": rows.freeze is None,
        "request_id": rows.basis["request_id"],
        "installment": rows.basis["installment"],
        "approved_at": rows.freeze.at if rows.freeze else None,
        "first_number": numbers[0] if numbers else None,
        "last_number": numbers[-1] if numbers else None,
    }


def _audit_head(rows: Rows) -> bytes:
    if rows.freeze is None:
        return b"Draft: the head of the audit log is fixed when the instalment is approved.\n"
    return (
        "Head of the office's audit log when this instalment was approved.\n"
        "The log is a chain of hashes: with this head the office can be held to every entry before it.\n"
        f"entry: {rows.freeze.audit_seq}\nhash: {rows.freeze.audit_head}\napproved at: {rows.freeze.at}\n"
    ).encode()


def _bag_info(rows: Rows) -> dict[str, str]:
    info = {
        "Bag-Software-Agent": "daylight",
        "Bagging-Date": rows.freeze.at[:10] if rows.freeze else rows.told["received_on"],
        "External-Identifier": f"{rows.basis['request_id']} instalment {rows.basis['installment']}",
        "Internal-Sender-Description": WORKING_COPY,
    }
    if rows.freeze is None:
        info["Internal-Sender-Identifier"] = "DRAFT"
    return info


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _signature(key: SigningKey, tag_manifest: bytes) -> bytes:
    told = {
        "algorithm": "Ed25519",
        "fingerprint": key.fingerprint,
        "public_key": key.public.hex(),
        "signature": key.sign(tag_manifest).hex(),
        "signed": verifier.TAG_MANIFEST,
    }
    return (canonical.dumps(told) + "\n").encode()
