"""Putting it together: sources, what is planted, bulk mail around it, the truth, the requests.

Everything is streamed: a million items need no more memory than a thousand.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import unicodedata
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from examples.district import documents, phones, takeout
from examples.district.asks import Source, make_asks, write_requests
from examples.district.bulk import Bulk, Chatter, Threads
from examples.district.clock import QUIET, mail_date, pacific
from examples.district.declared import DECLARED, SILENT, write_declared
from examples.district.handed import MOST, Maker, make_cast, write
from examples.district.handed_facebook import facebook
from examples.district.handed_iphone import iphone
from examples.district.handed_pictures import OPTIONS, screenshots
from examples.district.handed_printouts import LAYOUTS, parentsquare, remind, write_layouts
from examples.district.handed_tables import MAP, talkingpoints, write_map
from examples.district.handed_voice import takeout_voice
from examples.district.handed_whatsapp import whatsapp
from examples.district.people import People, Person, make_people
from examples.district.plant_leads import LEADS_FROM, Leads, in_gap, lead_mail, write_truth
from examples.district.plant_policy import write_policy_truth
from examples.district.plant_variants import forms
from examples.district.planter import BOXES, OTHER_BOXES, FileStep, MailStep, Planter, TextStep
from examples.district.planting import OVERLAP_AT, plant
from examples.district.roster import write_roster
from examples.district.stores import Maildir, MailZip, Mbox, Placed, Store, open_mbox
from examples.district.texts import Words, make_words
from examples.district.truth import Piece, Top, TruthTable
from examples.district.truth_variants import FormTable

SMALLEST, LARGEST = 300, 1_000_000
CROWDED = 500
"""Below this size a planted message lies in one mailbox only, to leave room for ordinary ones."""
LOCKED_MEMBERS = 1
OLDER = {"phone-04": f"{OVERLAP_AT:%Y%m%d%H%M%S}"}
"""When an older backup was made, by phone."""
QUIET_AT = pacific(QUIET.year, QUIET.month, QUIET.day, 9)


def build(items: int, seed: int, out: Path) -> dict[str, Any]:
    """Write a district of exactly ``items`` top items; returns counts by source, state and request.

    Args:
        items: Top items over all sources, 300 to 1,000,000.
        seed: The same seed and size give the same bytes.
        out: A new or empty folder; gets ``sources/``, ``maps/``, ``layouts/``, ``request-*.toml``,
            ``declared-*.toml``, ``terms-*.csv``, ``truth.jsonl``, ``truth-variants.jsonl``,
            ``truth-leads.jsonl``, ``truth-policy.jsonl``, ``staff.csv``, ``students.csv``, ``roster.csv`` and
            ``file-passwords.csv``.

    Raises:
        ValueError: The size is out of range, or the folder is not empty.
    """
    if not SMALLEST <= items <= LARGEST:
        raise ValueError(f"--items must be from {SMALLEST} to {LARGEST}, not {items}")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty: name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    people = make_people(seed)
    words = make_words(seed, min(6000, max(600, items)))
    places = _sources(people)
    asks = make_asks(_ids(places, CONTRACT_PLACES), _ids(places, STAFFING_PLACES))
    planted_forms = FormTable(forms(people.office["transport"]))
    with TruthTable(out / "truth.jsonl", asks, planted_forms) as truth:
        builder = _Builder(items, seed, out, people, words, places, truth)
        builder.run()
        summary = {
            "items": truth.rows,
            "seed": seed,
            "by_source": dict(truth.by_source),
            "by_state": dict(truth.by_state),
            "families_hit": dict(truth.planted),
        }
    planted_forms.write(out / "truth-variants.jsonl")
    write_requests(out, asks, list(places.values()))
    write_declared(out, asks, list(places.values()), places[SILENT].custodian_id)
    _write_people(out, people)
    _write_passwords(out, places["transport"].custodian_id)
    write_roster(out, people)
    write_map(out)
    write_layouts(out)
    write_truth(
        out,
        builder.leads,
        {key: place.custodian_id for key, place in places.items()},
        {key: place.id for key, place in places.items()},
        items,
    )
    write_policy_truth(out)
    return summary


CONTRACT_PLACES = [
    "facilities",
    "finance",
    "superintendent",
    "principal_mh",
    "clerk",
    "maintenance",
    "phone-03",
    "takeout-02",
    "loose-02",
    "facebook-01",
    "screenshots-01",
]
STAFFING_PLACES = [
    "hr",
    "principal_hs",
    "athletics",
    "superintendent",
    "phone-02",
    "takeout-02",
    "whatsapp-01",
]
HANDED: dict[str, tuple[str, str, Maker]] = {
    "iphone-01": ("imessage", "assistant_cf", iphone),
    "whatsapp-01": ("whatsapp", "athletics", whatsapp),
    "voice-01": ("google_takeout", "counselor", takeout_voice),
    "facebook-01": ("social_media", "communications", facebook),
    "talkingpoints-01": ("message_table", "teacher_a", talkingpoints),
    "remind-01": ("transcripts", "dispatch", remind),
    "parentsquare-01": ("transcripts", "principal_cf", parentsquare),
    "screenshots-01": ("screenshots", "principal_mh", screenshots),
}
"""What is handed over from phones and apps: connector, whose it is, and what makes it."""


def _sources(people: People) -> dict[str, Source]:
    """Return every source by its place key, in the order the requests list them."""
    custodians = {key: f"cust-{n:02}" for n, key in enumerate((*BOXES, *OTHER_BOXES, "board"), 1)}
    holder = {**people.office, "board": people.board[0]}
    rows = [
        (key, f"mail-{n:02}", "mail_files", key, f"sources/maildir/mail-{n:02}")
        for n, key in enumerate(BOXES, 1)
    ]
    rows += [
        ("clerk", "mbox-01", "mail_files", "clerk", "sources/mbox/board-office.mbox"),
        ("retired", "mbox-02", "mail_files", "retired", "sources/mbox/former-principal.mbox.gz"),
        ("maintenance", "mailzip-01", "mail_files", "maintenance", "sources/mailzip-01"),
    ]
    for n, key in enumerate(("transport", "athletics", "facilities", "transport"), 1):
        rows.append((f"phone-{n:02}", f"phone-{n:02}", "sms_backup_restore", key, f"sources/phone-{n:02}"))
    for n, key in enumerate(("principal_cf", "board"), 1):
        rows.append((f"takeout-{n:02}", f"takeout-{n:02}", "google_takeout", key, f"sources/takeout-{n:02}"))
    for n, key in enumerate(("transport", "facilities"), 1):
        rows.append((f"loose-{n:02}", f"loose-{n:02}", "loose_files", key, f"sources/loose-{n:02}"))
    for place, (connector, key, _) in HANDED.items():
        rows.append((place, place, connector, key, f"sources/{place}"))
    options = {"talkingpoints-01": {"map": MAP}, "screenshots-01": OPTIONS}
    options |= {place: {"layout": layout} for place, layout in LAYOUTS.items()}
    return {
        place: Source(
            sid,
            connector,
            holder[key],
            custodians[key],
            path,
            options.get(place, {}),
            declared=sid in DECLARED,
        )
        for place, sid, connector, key, path in rows
    }


def _ids(places: dict[str, Source], keys: Iterable[str]) -> frozenset[str]:
    return frozenset(places[key].id for key in keys)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How many bulk items go where; with what is planted they make exactly the size asked for.

    Attributes:
        handed: Of each export of a phone or an app.
    """

    mail: int
    texts: dict[str, int]
    calls: dict[str, int]
    account: dict[str, int]
    files: dict[str, int]
    handed: int


class _Builder:
    """Holds the open stores while items flow through."""

    def __init__(
        self,
        items: int,
        seed: int,
        out: Path,
        people: People,
        words: Words,
        places: dict[str, Source],
        truth: TruthTable,
    ) -> None:
        self._out = out
        self._people = people
        self._words = words
        self._places = places
        self._truth = truth
        self._rng = random.Random(f"bulk-{seed}")
        self._seed = seed
        self._planter: Planter = plant(seed, people, words)
        self._items = items
        self.leads = lead_mail(self._planter, people) if items >= LEADS_FROM else Leads()
        if items < CROWDED:
            self._planter.thin_out()
        self._pool = documents.make_pool(seed, words)
        self._cast = make_cast(seed, people, words)
        self._plan = self._make_plan(items)
        self._stores: dict[str, Store] = {}
        self._exports: dict[str, takeout.Export] = {}
        self._backups: dict[tuple[str, str], phones.Backup] = {}
        self._numbers = 0

    def run(self) -> None:
        """Write every source."""
        with ExitStack() as stack:
            self._open(stack)
            self._spread()
            self._last_mails()
            self._locked_member()
            for store in self._stores.values():
                store.close()
        for export in self._exports.values():
            export.end_mail()
        self._texts()
        self._files()
        self._chats()
        self._handed()
        for export in self._exports.values():
            export.close()

    def _make_plan(self, items: int) -> _Plan:
        planted = self._planter
        fixed = sum(len(m.boxes) * m.repeats for m in planted.mails) + len(planted.texts) + len(planted.files)
        fixed += len(planted.last_mails) + len(_export_files(self._people)) + LOCKED_MEMBERS
        fixed += sum(1 + len(m.files) for talk in _talks(self._people) for m in talk.messages)
        fixed -= sum(len(talk.attached) for talk in _talks(self._people))
        handed_at_least = self._handed_items(0)
        fixed += handed_at_least
        bulk = items - fixed
        if bulk < 0:
            raise AssertionError(f"{fixed} planted items leave no room in {items}")
        handed = min(bulk // 100, MOST)
        bulk -= self._handed_items(handed) - handed_at_least
        shares = ((1, 0.03), (2, 0.02), (3, 0.02), (4, 0.0))
        texts = {f"phone-{n:02}": int(bulk * share) for n, share in shares}
        calls = {key: count // 8 for key, count in texts.items()}
        account = {"takeout-01": int(bulk * 0.02), "takeout-02": int(bulk * 0.01)}
        files = {key: min(int(bulk * 0.004), 1500) for key in ("loose-01", "loose-02")}
        used = sum(texts.values()) + sum(account.values()) + sum(files.values())
        texts_alone = {k: v - calls[k] for k, v in texts.items()}
        return _Plan(bulk - used, texts_alone, calls, account, files, handed)

    def _open(self, stack: ExitStack) -> None:
        for key in BOXES:
            self._stores[key] = Maildir(self._out, self._places[key])
        for key, kind in OTHER_BOXES.items():
            place = self._places[key]
            if kind == "zip":
                self._stores[key] = MailZip(self._out, place, "maintenance-mailbox.zip")
            else:
                self._stores[key] = open_mbox(self._out, place, stack)
        for key, split in (("takeout-01", False), ("takeout-02", True)):
            self._exports[key] = takeout.Export(self._out, self._places[key], split=split, crlf=split)

    # -- mail

    def _spread(self) -> None:
        """Write bulk threads and, at even distances among them, what is planted."""
        steps = list(self._planter.mails)
        self._rng.shuffle(steps)
        bulk = self._plan.mail
        distance = max(1, bulk // (len(steps) + 1))
        accounts = [(key, n) for key, count in self._plan.account.items() for n in range(count)]
        account_distance = max(1, bulk // (len(accounts) + 1))
        threads = Threads(self._rng, self._people, self._words, self._pool, self._seed)
        written = 0
        while written < bulk:
            for letter in threads.next():
                for key, folder in letter.boxes:
                    if written == bulk:
                        break
                    if in_gap(key, letter.at, self._items):
                        continue
                    self._bulk_copy(letter, key, folder)
                    written += 1
                    if written % distance == 0 and steps:
                        self._planted_mail(steps.pop())
                    if written % account_distance == 0 and accounts:
                        self._account_mail(*accounts.pop(), threads)
        for step in steps:
            self._planted_mail(step)
        for key, n in accounts:
            self._account_mail(key, n, threads)

    def _bulk_copy(self, letter: Bulk, key: str, folder: str) -> None:
        store = self._stores[key]
        raw = (
            letter.raw
            if folder == "Sent"
            else _received(letter.raw, letter.date, store.source.custodian, letter.group)
        )
        placed = store.add(raw, letter.at, folder)
        self._row(store.source, placed, letter)

    def _row(self, source: Source, placed: Placed, letter: Bulk) -> None:
        self._truth.add(
            Top(
                source,
                placed.scope,
                placed.native_key,
                "email",
                placed.name,
                letter.group,
                letter.at,
                placed.sha256,
                placed.size,
                letter.subject,
                letter.words,
                children=letter.pieces,
                tags=letter.tags,
                plain=letter.plain,
            )
        )

    def _planted_mail(self, step: MailStep) -> None:
        for key in step.boxes:
            for _ in range(step.repeats):
                if key in self._exports:
                    placed = self._exports[key].add_mail(step.raw, step.at, step.labels)
                    source = self._exports[key].source
                else:
                    store = self._stores[key]
                    source = store.source
                    folder = "Sent" if key == step.sender_box else "Inbox"
                    raw = step.raw
                    if raw and folder == "Inbox" and step.letter is not None:
                        raw = _received(raw, mail_date(step.at), source.custodian, step.group)
                    if isinstance(store, Mbox):
                        store.watched = True
                    placed = store.add(raw, step.at, folder)
                    if isinstance(store, Mbox):
                        store.watched = False
                self._truth.add(_planted_top(step, source, placed))

    def _account_mail(self, key: str, n: int, threads: Threads) -> None:
        export = self._exports[key]
        letter = threads.personal(export.source.custodian)
        labels = "Sent,District work" if n % 3 == 0 else "Inbox,District work,Opened"
        self._row(export.source, export.add_mail(letter.raw, letter.at, labels), letter)

    def _last_mails(self) -> None:
        """Write the message that a file is cut off in."""
        for key, raw, letter in self._planter.last_mails:
            store = self._stores[key]
            assert isinstance(store, Mbox)
            placed = store.add(raw, QUIET_AT, "Inbox", whole=False)
            at = pacific(2026, 2, 17, 10)
            self._truth.add(
                Top(
                    store.source,
                    placed.scope,
                    placed.native_key,
                    "email",
                    None,
                    f"cut-{key}",
                    at,
                    placed.sha256,
                    placed.size,
                    letter.subject,
                    letter.text,
                    tags=("truncated_tail",),
                )
            )

    # -- phones

    def _texts(self) -> None:
        planted: dict[tuple[str, str], list[TextStep]] = {}
        for step in self._planter.texts:
            planted.setdefault((step.phone, "calls" if step.element.kind == "call" else "smses"), []).append(
                step
            )
        for phone in self._plan.texts:
            for tag, counts in (("smses", self._plan.texts), ("calls", self._plan.calls)):
                self._backup(phone, tag, planted.get((phone, tag), []), counts[phone])

    def _backup(self, phone: str, tag: str, steps: list[TextStep], count: int) -> None:
        source = self._places[phone]
        made = OLDER.get(phone, "20260701093000")
        name = f"{'sms' if tag == 'smses' else 'calls'}-{made}.xml"
        backup = phones.Backup(self._out, source, name, tag, len(steps) + count)
        waiting = sorted(steps, key=lambda s: s.element.at, reverse=True)
        chatter = Chatter(self._rng, self._people, self._words, self._pool, count)
        for _ in range(count):
            element = chatter.text() if tag == "smses" else chatter.call()
            while waiting and waiting[-1].element.at <= element.at:
                self._text_row(backup, waiting.pop())
            self._text_row(backup, TextStep(phone, element))
        while waiting:
            self._text_row(backup, waiting.pop())
        backup.close()

    def _text_row(self, backup: phones.Backup, step: TextStep) -> None:
        element = step.element
        key, digest = backup.add(element)
        self._truth.add(
            Top(
                backup.source,
                backup.name,
                key,
                element.kind,
                None,
                digest[:16],
                element.at,
                digest,
                len(element.xml),
                words=element.words,
                participants=element.participants,
                children=element.pieces,
                answers=step.answers,
                tags=step.tags,
                plain=not step.tags,
            )
        )

    # -- files

    def _files(self) -> None:
        steps = list(self._planter.files)
        for key, count in self._plan.files.items():
            for n in range(count):
                piece = self._rng.choice(self._pool)
                steps.append(
                    FileStep(
                        key,
                        f"{1 + n // 200:03}/{n:05} {piece.name}",
                        replace(piece, name=f"{n:05} {piece.name}"),
                    )
                )
        for place, path, piece in _export_files(self._people):
            steps.append(FileStep(place, path, piece))
        for step in steps:
            self._file(step)

    def _chats(self) -> None:
        """Write the conversations: each message is an item, and so is each file that one names."""
        for talk in _talks(self._people):
            export = self._exports[talk.place]
            data, objects = takeout.chat_file(talk.group, talk.messages)
            export.add_file(f"{talk.folder}/messages.json", data)
            there = {p.name for p in talk.attached}
            for message, (key, raw) in zip(talk.messages, objects, strict=True):
                self._truth.add(
                    Top(
                        export.source,
                        "Google Chat",
                        key,
                        "chat",
                        None,
                        f"c-{key}",
                        message.at,
                        hashlib.sha256(raw).hexdigest(),
                        len(raw),
                        words=message.text or "",
                        participants=f"{message.writer.name} {message.writer.email}",
                        tags=("chat", *(("deleted",) if message.text is None else ())),
                    )
                )
                for original, exported in message.files:
                    if exported not in there:
                        lost = f"{talk.folder}/{original}#{key}"
                        self._failed(export.source, "Google Chat", lost, "file", original, "not_in_export")

    def _handed_items(self, ordinary: int) -> int:
        """Return how many items the exports have with so many ordinary messages each."""
        made = (make(self._places[place], self._cast, ordinary) for place, (_, _, make) in HANDED.items())
        return sum(len(one.tops) for one in made)

    def _handed(self) -> None:
        """Write what was handed over from phones and apps."""
        for place, (_, _, make) in HANDED.items():
            source = self._places[place]
            made = make(source, self._cast, self._plan.handed)
            write(self._out, source, made)
            for top in made.tops:
                self._truth.add(top)

    def _locked_member(self) -> None:
        store = self._stores["maintenance"]
        assert isinstance(store, MailZip)
        placed = store.add_locked()
        self._failed(store.source, placed.scope, placed.native_key, "email", placed.name, "encrypted")

    def _failed(self, source: Source, scope: str, key: str, kind: str, name: str | None, reason: str) -> None:
        """Write the row of an item that is found and cannot be had."""
        state = ("failed", reason)
        self._truth.add(Top(source, scope, key, kind, name, f"x-{key}", collection=state, tags=("failed",)))

    def _file(self, step: FileStep) -> None:
        source, piece = self._places[step.place], step.piece
        if step.place in self._exports:
            key, digest = self._exports[step.place].add_file(step.path, piece.data)
            scope = "/".join(step.path.split("/")[1:2])
        else:
            key, digest = _loose(self._out / source.path, step.path, piece.data)
            scope = "files"
        self._truth.add(
            Top(
                source,
                scope,
                key,
                piece.kind,
                key.rsplit("/", 1)[-1],
                f"f-{digest[:16]}",
                None,
                digest,
                len(piece.data),
                piece.subject,
                piece.words,
                piece.ocr_words,
                piece.participants,
                piece.collection,
                piece.text,
                piece.children,
                step.answers,
                piece.tags,
                piece.plain,
            )
        )


def _planted_top(step: MailStep, source: Source, placed: Placed) -> Top:
    return Top(
        source,
        placed.scope,
        placed.native_key,
        "email",
        placed.name,
        step.group,
        step.known_at,
        placed.sha256,
        placed.size,
        step.subject,
        step.words,
        participants=step.participants,
        text=step.text,
        children=step.pieces,
        answers=step.answers,
        tags=step.tags,
        kept=step.in_doubt,
    )


def _received(raw: bytes, date: str, person: Person, group: str) -> bytes:
    """Put before a message what the receiving server puts there."""
    head = (
        f"Received: from relay.aldervalley.example (relay.aldervalley.example [192.0.2.25])\n"
        f"\tby mx.aldervalley.example with ESMTPS id {group}\n\tfor <{person.email}>; {date}\n"
    )
    return head.encode() + raw


def _loose(root: Path, path: str, data: bytes) -> tuple[str, str]:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    os.utime(target, (QUIET_AT.timestamp(), QUIET_AT.timestamp()))
    return unicodedata.normalize("NFC", path), hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class _Talk:
    """A conversation of an export and the files around it."""

    place: str
    group: str
    owner: Person
    messages: tuple[takeout.Chat, ...]
    attached: tuple[Piece, ...] = ()

    @property
    def folder(self) -> str:
        return f"Takeout/Google Chat/Groups/{self.group}"


def _talks(people: People) -> tuple[_Talk, ...]:
    chief, driver = people.office["principal_cf"], people.office["dispatch"]
    board, other = people.board[0], people.board[1]
    chat = takeout.Chat
    map_ = documents.photo_file("File-map.jpg", ["Larkspur Lane stop"], ("found_only_after_ocr", "chat_file"))
    return (
        _Talk(
            "takeout-01",
            "DM Qx7pAAAAE",
            chief,
            (
                chat(driver, pacific(2025, 10, 1, 7, 0), "is there a bus route change coming, then?"),
                chat(
                    driver,
                    pacific(2026, 2, 25, 7, 1),
                    "does the bus route change also count for the late bus",
                ),
                chat(chief, pacific(2026, 2, 25, 7, 3), "no, mornings only — Guten Morgen übrigens"),
                chat(driver, pacific(2026, 2, 25, 7, 4), None),
                chat(
                    driver,
                    pacific(2026, 2, 25, 7, 9),
                    "the map, and the list",
                    (("map.jpg", "File-map.jpg"), ("list.docx", "File-list.docx")),
                ),
            ),
            (map_,),
        ),
        _Talk(
            "takeout-02",
            "DM Zt4kAAAAE",
            board,
            (
                chat(other, pacific(2026, 3, 19, 22, 0), "three parents now ask about Brannock"),
                chat(board, pacific(2026, 3, 19, 22, 4), "I wrote to the office, let us wait"),
            ),
        ),
    )


def _export_files(people: People) -> list[tuple[str, str, Piece]]:
    """Return what an export holds beside mail, chats and documents: who took part, its own pages."""
    out: list[tuple[str, str, Piece]] = []
    for talk in _talks(people):
        both = list({m.writer.id: m.writer for m in talk.messages}.values())
        page = takeout.browser_file(("Mail", "Google Chat", "Drive"))
        scaffold = ("excluded", "export_scaffolding")
        files = (
            (
                f"{talk.folder}/group_info.json",
                takeout.members_file(both),
                "\n".join(f"{p.name} {p.email}" for p in both),
            ),
            (
                "Takeout/Google Chat/Users/User 10293847/user_info.json",
                takeout.user_file(talk.owner, [talk.group]),
                talk.owner.name,
            ),
        )
        for path, data, words in files:
            name = path.rsplit("/", 1)[-1]
            out.append(
                (talk.place, path, Piece(name, "application/json", data, words=words, tags=("chat_facts",)))
            )
        out += [(talk.place, f"{talk.folder}/{p.name}", p) for p in talk.attached]
        out.append(
            (
                talk.place,
                takeout.BROWSER,
                Piece("archive_browser.html", "text/html", page, collection=scaffold),
            )
        )
    return out


def _write_passwords(out: Path, custodian_id: str) -> None:
    """Write what the director of transportation gave for the locked files, for the writer's eyes alone."""
    path = out / "file-passwords.csv"
    path.touch(0o600)
    path.write_text(
        f"custodian,file_password,given\n{custodian_id},not the usual word,by note on 2026-09-09\n"
        f"{custodian_id},{documents.FILE_PASSWORD},by phone on 2026-09-10\n",
        encoding="utf-8",
        newline="",
    )


def _write_people(out: Path, people: People) -> None:
    with (out / "staff.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("id", "name", "email", "number", "role", "place"))
        for p in (*people.staff, *people.board, people.attorney, *people.vendors):
            rows.writerow((p.id, p.name, p.email, p.number, p.role, p.place))
    with (out / "students.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(
            (
                "student_id",
                "name",
                "school",
                "grade",
                "guardian",
                "relation",
                "guardian_email",
                "guardian_number",
            )
        )
        for s in people.students:
            for g in s.guardians:
                rows.writerow((s.id, s.name, s.school, s.grade, g.name, g.relation, g.email, g.number))
