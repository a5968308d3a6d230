"""The Elasticsearch engine: one versioned index a request, on a server 8.19 or 9.

What is in an index of a request, ``elasticsearch_mapping.json``: documents (``doc_type`` ``item``), for each
batch one ``batch`` record, and the batch's words with their numbers of documents (``words``, packed). All in
one shard, so that one point in time shows all of them as they belong together.

A batch is there whole or not at all. Each load of it is a generation: its documents carry
``load = batch.generation``, and nobody sees them before the batch's record names that generation as ``live``.
The record is written last, on condition that no later attempt has claimed the batch meanwhile
(``if_seq_no``); only then the older generation is deleted. So whatever fails in the middle, readers see what
they saw before, and the same command run again starts a new generation. ``_id`` is the load and the item's
id: sending a document again after an answer was lost replaces it.

Two aliases: ``…-load`` is where the program writes and reads; the plain name is what people and Kibana read.
It is moved by ``publish``, when the number of documents is the ledger's, and shows live documents only.

Words are the project's own. The body, nearly all of a text, is folded here and sent as the words that are
searched, with spaces between (measured: the server takes them six times as fast). For the short fields, which
people read in Kibana, the char filter is made from ``search.folding``'s table, and the tokenizer's letters
are the table's, so that no Java's Unicode version matters. Queries are ``term``, ``terms``,
``prefix``, ``match_phrase``, ``intervals`` and ``bool`` over folded words, never ``query_string``. A question
about another document of the family is asked first, and its answer's ids are the condition.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import tenacity
from elasticsearch import (
    ApiError,
    ConflictError,
    ConnectionTimeout,
    Elasticsearch,
    NotFoundError,
    SSLError,
    TransportError,
)

from records import canonical
from records.errors import AccessError, AttemptLost, CheckFailed, Incomplete, Retryable, UsageError
from search import expansion
from search import tree as q
from search.folding import ANALYZER, TABLE, TOKEN_CHARACTERS, fold
from search.matcher import Tokens, holds
from search.protocol import (
    INDEX_PREFIX,
    PREFIX_LIMIT,
    TIME_LIMIT_S,
    Counts,
    Hit,
    IndexDocument,
    IndexState,
    SearchEngine,
    TermHits,
    TooLong,
    TooManyWords,
    index_alias,
)

MAPPING = Path(__file__).with_name("elasticsearch_mapping.json")
SETTINGS = Path(__file__).with_name("elasticsearch_settings.json")
LAYOUT = 3
"""Version of what is in an index; with another one it is refused until it is rebuilt."""

PIECE_CHARACTERS = 16 << 20
"""Longest value of a text field; a longer text is several, parted where a token ends (the gap between values
is 0, so phrases and distances do not notice). The server refuses a string above 50 million characters."""

_BULK_DOCUMENTS = 1_000
_BULK_CHARACTERS = 8 << 20
_WORDS_EACH = 2_000
_PACKS_EACH = 50
_PAGE = 10_000  # the server's largest page (index.max_result_window)
_BUCKETS = 10_000
_TEXTS_EACH = 200
_RULES_EACH = 1_000  # words of one query that are asked as intervals; the server counts each as a clause
_IDS_EACH = 50_000  # below index.max_terms_count
_KEEP_ALIVE = "5m"
_LAST = "\U0010ffff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_AT_ONCE = 20  # queries of a list that are sent together; the server runs them side by side
_ASKING = 2  # threads that ask and read answers: the server works on the next while one is read
_AHEAD = 3  # such pieces that are asked before the answer to one is taken in
_AT_ONCE_S = 2  # longest for one of them; then it is asked alone
_FIRST_HITS = 100  # read with each count
_SHARED = 25_000  # families, and contents, that hits share; two lists are below the server's 65,536 buckets
_WORDS_WAITING = 100_000
_LONG_LIST = 50  # queries from which on every document's row is read once, and hits come as numbers
_MANY_PATTERNS = 10  # from which on all words of the index are read once
_HIT_SORT = ("item_id", "family_id", "custodian", "source", "distinct_key")

T = TypeVar("T")

Describe = Callable[[Iterable[str]], Iterable[tuple[str, dict[str, Any]]]]
"""Gives the fields of items that people look at and no query of ours reads, such as coding states."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the cluster is and how to enter it; never stored.

    Attributes:
        url: Its address.
        ca: File of the certificate authority that signed its certificate, or None for the system's.
        api_key: Secret, or empty for a cluster without security.
        patience_s: How long a passing fault (no answer, overloaded) is waited out before the work is given
            up to be resumed.
    """

    url: str
    ca: Path | None = None
    api_key: str = field(default="", repr=False)
    patience_s: float = 120.0

    def client(self) -> Elasticsearch:
        """Return a client that never tries again by itself: what may be sent twice is decided here."""
        options: dict[str, Any] = {"request_timeout": 120, "max_retries": 0, "retry_on_timeout": False}
        if self.api_key:
            options["api_key"] = self.api_key
        if self.ca is not None:
            options["ca_certs"] = str(self.ca)
        return Elasticsearch(self.url, **options)


class ElasticsearchEngine(SearchEngine):
    """An index of one request; safe in threads and over a fork.

    Attributes:
        cluster: Where it is.
        alias: What people and Kibana read.
        load_alias: What the program writes and reads.
        time_limit_s: How long one query may take, in seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        request_id: str,
        time_limit_s: float = TIME_LIMIT_S,
        describer: Callable[[], Describe] | None = None,
    ) -> None:
        """Name the index; nothing is sent before it is used.

        Args:
            cluster: Where it is.
            request_id: The request.
            time_limit_s: How long one query may take.
            describer: Asked once a batch: what is known of its items is loaded with them, so that a batch or
                an index that is loaded again loses nothing that people look at.
        """
        self.cluster = cluster
        self.time_limit_s = time_limit_s
        self._describer = describer
        self.alias = index_alias(request_id)
        self.load_alias = f"{self.alias}-load"
        self._clients: dict[int, Elasticsearch] = {}
        self._lock = threading.Lock()
        self._answer: _Answer | None = None
        self._words = _AllWords()

    # -- the index itself

    def create(self) -> None:
        """Make the index if it is not there; see ``SearchEngine``.

        Raises:
            UsageError: It was made with another token rule or layout.
        """
        with _translated():
            if self._made() is None:
                with suppress(_AlreadyThere):
                    self._make(1)

    def rebuild(self) -> None:
        """Begin the next version of the index beside the one that people read, and load into it from now on.

        The alias of people stays where it is until ``publish``.
        """
        with _translated():
            versions = self._versions()
            self._make(1 + max((int(name.rpartition("-v")[2]) for name in versions), default=0))

    def publish(self, documents: int) -> None:
        """Show the index to people: restore the settings of serving, move the alias, delete older versions.

        Args:
            documents: How many the ledger says it must hold.

        Raises:
            CheckFailed: It holds another number; the alias stays where it is.
        """
        with _translated():
            self._client().indices.refresh(index=self.load_alias)
            with self._reader() as reader:
                found = reader.total({"match_all": {}}) if reader else 0
                loads = reader.loads if reader else ()
                if reader and found == documents and not reader.joined():
                    self._join_words(reader)
            if found != documents:
                raise CheckFailed(
                    f"the index holds {found:,} documents and the ledger {documents:,}: "
                    "rebuild it with reindex"
                )
            (index,) = self._client().indices.get_alias(name=self.load_alias)
            self._client().indices.put_settings(index=index, settings=_settings()["serve"])
            older = [name for name in self._versions() if name != index]
            self._client().indices.update_aliases(
                actions=[
                    *({"remove_index": {"index": name}} for name in older),
                    self._for_people(index, loads),
                ]
            )

    def _join_words(self, reader: _Reader) -> None:
        """Put the words of all batches together, so that whoever asks for many reads each once."""
        load = _joined_load(reader.loads)
        packs = _packed(reader.words(""), load, {"batch": "", "generation": 0})
        while piece := list(islice(packs, 2 * _PACKS_EACH)):
            _bulk(self, piece)
        _bulk(self, [{"index": {"_id": f"{load}:end"}}, {"doc_type": "words_end", "load": load}])
        older = {"bool": {"filter": [{"prefix": {"load": _JOINED}}], "must_not": [{"term": {"load": load}}]}}
        self._client().delete_by_query(index=self.load_alias, query=older, conflicts="proceed", refresh=True)

    def _for_people(self, index: str, loads: Iterable[str]) -> dict[str, Any]:
        """The action that shows people the documents of these generations."""
        return {"add": {"index": index, "alias": self.alias, "filter": _live(loads)}}

    def _show_people(self) -> None:
        """Let people see a batch that was loaded again after the index was published."""
        (index,) = self._client().indices.get_alias(name=self.load_alias)
        if self._client().indices.exists_alias(name=self.alias, index=index):
            with self._reader() as reader:
                loads = reader.loads if reader else ()
            self._client().indices.update_aliases(actions=[self._for_people(index, loads)])

    def drop(self) -> None:
        """Delete every version of the index and its aliases; see ``SearchEngine``."""
        with _translated():
            for name in self._versions():
                with suppress(NotFoundError):
                    self._client().indices.delete(index=name)

    def close(self) -> None:
        """Close the connections of this process; the next call opens them again."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _client(self) -> Elasticsearch:
        with self._lock:
            if os.getpid() not in self._clients:  # a forked child leaves its parent's connections alone
                self._clients[os.getpid()] = self.cluster.client()
            return self._clients[os.getpid()]

    def _versions(self) -> list[str]:
        found = self._client().indices.get(
            index=f"{self.alias}-v*", features="aliases", expand_wildcards="all"
        )
        return sorted(found.keys())

    def _made(self) -> str | None:
        """Return the id that the cluster gave the index, or None when there is none.

        Raises:
            UsageError: It was made with another token rule or layout.
        """
        try:
            found = self._client().indices.get(
                index=self.load_alias,
                features="mappings,settings",
                filter_path=["*.mappings._meta", "*.settings.index.uuid"],
            )
        except NotFoundError:
            return None
        (index,) = found.values()
        if index.get("mappings", {}).get("_meta", {}) != _META:
            raise UsageError("the index was made with another token rule or layout: rebuild it with reindex")
        return str(index["settings"]["index"]["uuid"])

    def _make(self, version: int) -> None:
        index = f"{self.alias}-v{version:06d}"
        older = [] if version == 1 else self._versions()
        settings = _settings()
        try:
            self._client().indices.create(
                index=index,
                mappings=json.loads(MAPPING.read_text("utf-8")) | {"_meta": _META},
                settings={**settings["fixed"], **settings["load"], "analysis": analysis()},
                aliases=None if older else {self.load_alias: {}},
            )
        except ApiError as error:
            if _type(error) == "resource_already_exists_exception":
                raise _AlreadyThere from error  # another worker was first: theirs is the same
            raise
        if older:
            self._client().indices.update_aliases(
                actions=[
                    {"remove": {"index": f"{self.alias}-v*", "alias": self.load_alias}},
                    {"add": {"index": index, "alias": self.load_alias}},
                ]
            )

    # -- writing

    def upsert(self, batch_id: str, documents: Iterable[IndexDocument]) -> int:
        """Put a batch's documents in, replacing what it put there before; see ``SearchEngine``.

        Raises:
            AttemptLost: A later attempt has claimed the batch; this one's documents stay unseen.
            CheckFailed: An item is in it twice, or in another batch too, or the cluster refuses a document.
            Incomplete: The index takes no writes (read-only, disk full), or holds less than was sent.
            Retryable: The cluster went away or stayed overloaded.
        """
        self.create()
        with _translated():
            load = _Load(self, batch_id, *self._claim(batch_id))
            try:
                load.send(documents)
                load.check()
                load.show()
            except BaseException:
                load.delete(f"{batch_id}.{load.generation}")
                raise
            self._show_people()
            if load.generation > 1:
                load.delete_older()
        return load.documents

    def _claim(self, batch_id: str) -> tuple[int, int, int, dict[str, Any]]:
        """Give the batch its next generation; return it, the record's place in its history, and it."""
        while True:
            try:
                found = self._patient(
                    lambda: self._client().get(index=self.load_alias, id=f"batch:{batch_id}")
                )
                record = dict(found["_source"])
                condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            except NotFoundError:
                record = {"doc_type": "batch", "batch": batch_id, "generation": 0, "live": 0, "documents": 0}
                condition = {"op_type": "create"}
            record["generation"] += 1
            try:
                written = self._patient(
                    lambda record=record, condition=condition: self._client().index(  # type: ignore[misc]
                        index=self.load_alias, id=f"batch:{batch_id}", document=record, require_alias=True,
                        **condition,
                    )
                )  # fmt: skip
            except ConflictError:
                continue  # claimed by another in this moment, or by this one when the answer was lost
            return record["generation"], written["_seq_no"], written["_primary_term"], record

    def _patient(self, call: Callable[[], T]) -> T:
        """Call until it is answered; a passing fault is waited out, longer each time, within the patience."""
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=15),
            stop=tenacity.stop_after_delay(self.cluster.patience_s),
            reraise=True,
        )
        return trying(call)

    def describe(self, fields: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """Write fields that people look at over documents that are there, where they have changed.

        The server analyzes a whole document again to change one field of it, so each document keeps a digest
        of these fields, and one that has them already is left alone.

        Args:
            fields: Item ids with what to write; fields of the mapping that no query of ours reads.

        Returns:
            How many documents were written.
        """
        written = 0
        stream = iter(fields)
        while piece := list(islice(stream, _BULK_DOCUMENTS)):
            wanted = dict(piece)
            with _translated():
                with self._reader() as reader:
                    there = reader.described(list(wanted)) if reader else []
                operations = []
                for item_id, place, digest in there:
                    fresh = _described(wanted[item_id])
                    if fresh["described"] != digest:
                        operations += [{"update": {"_id": place}}, {"doc": fresh}]
                written += _bulk(self, operations)
        with _translated():
            if written:
                self._client().indices.refresh(index=self.load_alias)
        return written

    # -- reading

    @contextmanager
    def reading(self) -> Iterator[_Reading]:
        """Hold one state of the index; see ``SearchEngine``."""
        with _translated(), self._reader() as reader:
            yield _Reading(self, reader)

    def terms(self, queries: Iterable[q.Node]) -> Iterator[TermHits]:
        """Run a term list, all of it on one point in time; see ``SearchEngine``."""
        listed = list(queries)
        with _translated(), self._reader() as reader:
            if reader is None:
                yield from (TermHits(()) for _ in listed)
                return
            pieces = [listed[n : n + _AT_ONCE] for n in range(0, len(listed), _AT_ONCE)]
            asking = ThreadPoolExecutor(_ASKING)
            try:
                table = asking.submit(reader.table) if len(listed) >= _LONG_LIST else None
                if sum(len(set(q.open_terms(query))) for query in listed) >= _MANY_PATTERNS:
                    reader.read_words()
                waiting: deque[Future[list[TermHits]]] = deque()
                for piece in pieces:
                    waiting.append(asking.submit(lambda piece=piece: list(reader.answers(piece, table))))  # type: ignore[misc]
                    if len(waiting) > _AHEAD:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                asking.shutdown(cancel_futures=True)

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted; see ``SearchEngine``."""
        if isinstance(term, q.Word):
            return [term.text]
        with _translated(), self._reader() as reader:
            return reader.expand(term) if reader else []

    def vocabulary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the tokens that start with ``prefix`` (folded first), with the number of documents."""
        with _translated(), self._reader() as reader:
            found = list(reader.words(fold(prefix).strip())) if reader else []
        yield from found

    @contextmanager
    def _reader(self) -> Iterator[_Reader | None]:
        """Open a point in time, or give None when the index was never made."""
        index_id = self._made()
        if index_id is None:
            yield None
            return
        reader = _Reader(self._client(), self.load_alias, index_id, self.time_limit_s, self._words)
        try:
            reader.open()
            yield reader
        finally:
            reader.close()


class _Reading:
    """What is asked of one state of the index; of an index that was never made, an empty one.

    Attributes:
        engine: Keeps the last answer.
        reader: The point in time, or None.
    """

    def __init__(self, engine: ElasticsearchEngine, reader: _Reader | None) -> None:
        self.engine = engine
        self.reader = reader

    def state(self) -> IndexState:
        """Say what is in it; see ``Reading``."""
        loads, documents = (self.reader.loads, self.reader.documents) if self.reader else ((), 0)
        return IndexState(documents, len(loads), ANALYZER, "elasticsearch")

    def count(self, query: q.Node) -> Counts:
        """Count exactly; see ``Reading``. The first hits come along, since a person counts and then looks."""
        if self.reader is None:
            return Counts(0, 0, 0)
        with _translated():
            self.reader.begin()
            compiled = self.reader.compile(query)
            counts, first = self.reader.counted(compiled)
        self.engine._answer = _Answer(query, self.reader.shown, compiled, counts, first)
        return counts

    def search(self, query: q.Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Return hits in item-id order, those after ``after``; see ``Reading``."""
        if self.reader is None:
            return []
        kept = self.engine._answer
        known = kept is not None and (kept.query, kept.shown) == (query, self.reader.shown)
        if kept is not None and known and after is None and kept.has(limit):
            return list(kept.first[:limit])
        with _translated():
            self.reader.begin()
            compiled = kept.compiled if kept is not None and known else self.reader.compile(query)
            if after is not None:
                compiled = {"bool": {"filter": [compiled, {"range": {"item_id": {"gt": after}}}]}}
            return [Hit(*row) for row in islice(self.reader.rows(compiled, _HIT_SORT, limit), limit)]


def _check_whole(found: Any) -> None:
    """Refuse part of an answer."""
    if found.get("timed_out"):
        raise Retryable("the search cluster gave up on a query", retry_after_s=5.0)


_META = {"analyzer": ANALYZER, "layout": LAYOUT}


class _AlreadyThere(Exception):  # noqa: N818 - not an error
    """Another process has made the index meanwhile."""


# -- the analyzer


def analysis() -> dict[str, Any]:
    """Return the index's analysis settings, made from the folding table.

    Every mapped or removed code point is one rule of a ``mapping`` char filter; the tokenizer takes runs of
    the characters that the table keeps or maps to. So what is a letter is said by the table, and not by the
    Unicode version of the server's Java.

    The rules are one text with commas between, which the server parts by itself (every rule is written in
    escapes, so none has a comma): 20,204 values of a list are copied one by one whenever the server looks at
    the settings of an index.
    """
    table = json.loads(TABLE.read_text("ascii"))
    removed = (point for first, last in table["drop"] for point in range(first, last + 1))
    rules = [f"{_escaped(chr(point))}=>" for point in removed]
    rules += [
        f"{_escaped(chr(int(point, 16)))}=>{_escaped(folded)}" for point, folded in table["map"].items()
    ]
    return {
        "char_filter": {"folding": {"type": "mapping", "mappings": ",".join(rules)}},
        "tokenizer": {
            "letters_and_digits": {
                "type": "pattern", "group": 0,
                "pattern": f"{_letters(table['keep'])}{{1,{TOKEN_CHARACTERS}}}",
            },
            # Measured in UTF-16 units, of which a letter has two at most; what comes was cut already.
            "spaces": {"type": "whitespace", "max_token_length": 2 * TOKEN_CHARACTERS},
        },
        "analyzer": {
            "folded": {"type": "custom", "char_filter": ["folding"], "tokenizer": "letters_and_digits"},
            "words": {"type": "custom", "tokenizer": "spaces"},
        },
    }  # fmt: skip


def _escaped(text: str) -> str:
    """Write text as a rule of the char filter wants it: UTF-16 units; plain white space would be cut off."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _letters(ranges: list[list[int]], first: int = 0, last: int = 0x10FFFF) -> str:
    """Return a character class of Java for sorted ranges, written as a decision tree.

    Java asks every part of a plain class in turn, nearly a thousand here; measured, that indexes 0.1 MB of
    text a second. ASCII is the first branch.
    """
    if len(ranges) <= 2:
        return "[" + "".join(f"\\x{{{start:x}}}-\\x{{{end:x}}}" for start, end in ranges) + "]"
    half = len(ranges) // 2
    if first < 0x80 <= last:
        half = sum(1 for start, _ in ranges if start < 0x80) or half
    border = ranges[half][0]
    left, right = _letters(ranges[:half], first, border - 1), _letters(ranges[half:], border, last)
    return f"[[\\x{{{first:x}}}-\\x{{{border - 1:x}}}&&{left}][\\x{{{border:x}}}-\\x{{{last:x}}}&&{right}]]"


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SETTINGS.read_text("utf-8"))
    return found


def server_version(cluster: Cluster) -> tuple[int, ...]:
    """Ask the server which version it is, once and without patience.

    Raises:
        AccessError: It refuses the key, or its certificate is not trusted.
        Retryable: It does not answer.
    """
    with _translated(), cluster.client() as client:
        number = str(client.info()["version"]["number"])
    return tuple(int(part) for part in number.partition("-")[0].split("."))


# -- who may do what

ROLES: dict[str, dict[str, Any]] = {
    "index": {
        "cluster": ["monitor"],
        "indices": [{"names": [f"{INDEX_PREFIX}-*"], "privileges": ["all"]}],
    },
    "read": {
        "cluster": ["monitor"],
        "indices": [{"names": [f"{INDEX_PREFIX}-*"], "privileges": ["read", "view_index_metadata"]}],
    },
}
"""What the program needs, and what people and Kibana need: names and rights of Elastic's page "Security
privileges"."""


def make_roles(admin: Elasticsearch) -> list[str]:
    """Make or renew the roles ``daylight-index`` and ``daylight-read``; return their names.

    Args:
        admin: Connected as somebody who may manage security.
    """
    with _translated():
        for name, rights in ROLES.items():
            admin.security.put_role(name=f"{INDEX_PREFIX}-{name}", **rights)
    return [f"{INDEX_PREFIX}-{name}" for name in ROLES]


def make_keys(admin: Elasticsearch) -> dict[str, str]:
    """Make both roles, and an API key with exactly the rights of each; return the keys by role, never stored.

    Args:
        admin: Connected as somebody who may manage security.
    """
    make_roles(admin)
    with _translated():
        return {
            name: admin.security.create_api_key(
                name=f"{INDEX_PREFIX}-{name}", role_descriptors={f"{INDEX_PREFIX}-{name}": rights}
            )["encoded"]
            for name, rights in ROLES.items()
        }


# -- loading a batch


class _Load:
    """One generation of a batch on its way in."""

    def __init__(
        self,
        engine: ElasticsearchEngine,
        batch_id: str,
        generation: int,
        seq_no: int,
        primary_term: int,
        record: dict[str, Any],
    ) -> None:
        self.generation = generation
        self.documents = 0
        self._engine = engine
        self._batch_id = batch_id
        self._condition: dict[str, Any] = {"if_seq_no": seq_no, "if_primary_term": primary_term}
        self._record = record
        self._load = f"{batch_id}.{generation}"
        self._items: set[str] = set()
        self._words: Counter[str] = Counter()
        self._packs = 0

    def send(self, documents: Iterable[IndexDocument]) -> None:
        """Send the documents and then the batch's words."""
        describe = self._engine._describer() if self._engine._describer else None
        waiting: list[IndexDocument] = []
        size = 0
        for document in documents:
            if document.item_id in self._items:
                raise CheckFailed(f"item {document.item_id} is in its batch twice")
            self._items.add(document.item_id)
            weight = len(document.text) + len(document.subject) + len(document.participants)
            if waiting and (size + weight > _BULK_CHARACTERS or len(waiting) == _BULK_DOCUMENTS):
                self._send(waiting, describe)
                waiting, size = [], 0
            waiting.append(document)
            size += weight
        if waiting:
            self._send(waiting, describe)
        self.documents = len(self._items)
        named = {"batch": self._batch_id, "generation": self.generation}
        packs = list(_packed(sorted(self._words.items()), self._load, named))
        self._packs = len(packs) // 2
        _bulk(self._engine, packs)

    def _send(self, documents: list[IndexDocument], describe: Describe | None) -> None:
        known = dict(describe([document.item_id for document in documents])) if describe else {}
        operations: list[dict[str, Any]] = []
        for document in documents:
            words = fold(document.text).split()
            texts = (document.subject, document.filename, document.participants,
                     document.sender, document.to, document.cc, document.bcc)  # fmt: skip
            self._words.update({*words, *fold(" ".join(texts)).split()})
            source = _source(document, " ".join(words), self._load, self._batch_id)
            if document.item_id in known:
                source |= _described(known[document.item_id])
            operations += [{"index": {"_id": f"{self._load}:{document.item_id}"}}, source]
        _bulk(self._engine, operations)

    def check(self) -> None:
        """Make sure that all that was sent is there and that no item is in another batch."""
        engine = self._engine
        client = engine._client()
        engine._patient(lambda: client.indices.refresh(index=engine.load_alias))
        for kind, sent in (("item", self.documents), ("words", self._packs)):
            mine: list[dict[str, Any]] = [{"term": {"load": self._load}}, {"term": {"doc_type": kind}}]
            query: dict[str, Any] = {"bool": {"filter": mine}}
            there = engine._patient(lambda query=query: client.count(index=engine.load_alias, query=query))  # type: ignore[misc]
            if there["count"] != sent:
                raise Incomplete(
                    f"the search cluster holds {there['count']:,} of {sent:,} records of batch "
                    f"{self._batch_id}: run the same command again"
                )
        with engine._reader() as reader:
            others = (
                [load for load in reader.loads if load.rpartition(".")[0] != self._batch_id] if reader else []
            )
            items = iter(self._items)
            while reader and others and (piece := list(islice(items, _IDS_EACH))):
                query = {"bool": {"filter": [{"terms": {"item_id": piece}}, {"terms": {"load": others}}]}}
                if reader.total(query):
                    raise CheckFailed("an item of this batch is in another batch too: rebuild with reindex")

    def show(self) -> None:
        """Make this generation the one that readers see, unless a later attempt has claimed the batch."""
        engine = self._engine
        client = engine._client()
        record = self._record | {"live": self.generation, "documents": self.documents}
        name = f"batch:{self._batch_id}"
        try:
            engine._patient(
                lambda: client.index(
                    index=engine.load_alias, id=name, document=record, require_alias=True, **self._condition
                )
            )
        except ConflictError as error:
            # Written already when only the answer was lost.
            if client.get(index=engine.load_alias, id=name)["_source"] != record:
                raise AttemptLost(f"a newer attempt has claimed batch {self._batch_id}") from error
        engine._patient(lambda: client.indices.refresh(index=engine.load_alias))

    def delete(self, load: str) -> None:
        """Delete a generation that nobody sees; on failure it stays unseen, for the next load to delete."""
        self._delete({"term": {"load": load}})

    def delete_older(self) -> None:
        """Delete every other generation of the batch, what earlier failures left behind too."""
        older = {"range": {"generation": {"lt": self.generation}}}
        self._delete({"bool": {"filter": [{"term": {"batch": self._batch_id}}, older],
                               "must_not": [{"term": {"doc_type": "batch"}}]}})  # fmt: skip

    def _delete(self, query: dict[str, Any]) -> None:
        client = self._engine._client()
        with suppress(ApiError, TransportError):
            client.indices.refresh(index=self._engine.load_alias)
            client.delete_by_query(
                index=self._engine.load_alias, query=query, conflicts="proceed", refresh=True
            )


def _source(document: IndexDocument, body: str, load: str, batch_id: str) -> dict[str, Any]:
    """One document as it is stored, its text as folded words; an empty field is left out."""
    texts = {
        "subject": document.subject, "body": body, "filename": document.filename,
        "participants": document.participants, "from": document.sender, "to": document.to,
        "cc": document.cc, "bcc": document.bcc,
    }  # fmt: skip
    found: dict[str, Any] = {
        "doc_type": "item", "load": load, "batch": batch_id, "generation": int(load.rpartition(".")[2]),
        "item_id": document.item_id, "family_id": document.family_id, "source": document.source_id,
        "custodian": document.custodian_id, "kind": document.kind, "has": sorted(document.has),
        "type": document.doc_type, "lang": list(document.languages),
        "distinct_key": document.distinct_key,
    }  # fmt: skip
    if document.parent_id is not None:
        found["parent_id"] = document.parent_id
    if document.sent_on is not None:
        found["day"] = document.sent_on.isoformat()
    if document.filename:
        found["filename_keyword"] = _SURROGATE.sub(" ", document.filename)
    for name, text in texts.items():
        if text:
            pieces = [_SURROGATE.sub(" ", piece) for piece in pieces_of(text, PIECE_CHARACTERS)]
            found[name] = pieces if len(pieces) > 1 else pieces[0]
    return found


def _packed(words: Iterable[tuple[str, int]], load: str, named: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Words in order, some thousand a record: looked up by their first and last."""
    stream, number = iter(words), 0
    while pack := list(islice(stream, _WORDS_EACH)):
        yield {"index": {"_id": f"{load}:words:{number}"}}
        yield {
            "doc_type": "words", "load": load, **named, "first_word": pack[0][0], "last_word": pack[-1][0],
            "words": "\n".join(f"{word} {documents}" for word, documents in pack),
        }  # fmt: skip
        number += 1


_JOINED = "joined:"


def _joined_load(loads: Iterable[str]) -> str:
    """Under what name the words of these generations are kept together; no batch's load begins so."""
    return _JOINED + hashlib.sha256("\n".join(sorted(loads)).encode()).hexdigest()


def _described(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the digest by which fields are known to be written already."""
    text = _SURROGATE.sub(" ", canonical.dumps(fields))
    return {**canonical.loads(text), "described": hashlib.sha256(text.encode()).hexdigest()[:16]}


def pieces_of(text: str, longest: int) -> list[str]:
    """Part a text into values of at most ``longest`` characters without parting a token.

    What has no separator for as long as a value may be (no text that a person wrote) is stored in its folded
    form from there on, which has a space wherever a token is cut, every 256 characters.
    """
    pieces: list[str] = []
    at = 0
    while len(text) - at > longest:
        end = next((n for n in range(at + longest, at, -1) if fold(text[n - 1]) == " "), 0)
        if not end:
            return [*pieces, *pieces_of(fold(text[at:]), longest)]
        pieces.append(text[at:end])
        at = end
    return [*pieces, text[at:]]


def _bulk(engine: ElasticsearchEngine, operations: list[dict[str, Any]]) -> int:
    """Send operations until each was taken; only those that the cluster was too busy for are sent again.

    Returns:
        How many were carried out: all, but for updates of documents that another load has replaced meanwhile.

    Raises:
        CheckFailed: It refuses one for good; named by its id and the cluster's code, never by content.
        Incomplete: The index takes no writes.
        Retryable: It stayed too busy, or away.
    """
    waiting = [tuple(operations[n : n + 2]) for n in range(0, len(operations), 2)]
    done = len(waiting)

    def send() -> None:
        nonlocal waiting, done
        answer = engine._client().bulk(
            index=engine.load_alias,
            operations=[line for pair in waiting for line in pair],
            require_alias=True,  # never let a write make an index with a mapping of its own
            filter_path=["items.*.status", "items.*.error.type"],
        )
        if len(answer["items"]) != len(waiting):
            raise Incomplete("the search cluster answered for a part of what it was sent: run it again")
        again = []
        for pair, result in zip(waiting, answer["items"], strict=True):
            ((action, outcome),) = result.items()
            kind = outcome.get("error", {}).get("type", "")
            if kind == "cluster_block_exception":
                raise Incomplete(_BLOCKED)
            if outcome["status"] in _PASSING:
                again.append(pair)
            elif action == "update" and outcome["status"] == 404:
                done -= 1
            elif outcome["status"] >= 300:
                name = next(iter(pair[0].values()))["_id"].rpartition(":")[2]
                raise CheckFailed(f"the search cluster refuses item {name}: {kind or outcome['status']}")
        waiting = again
        if waiting:
            raise _Busy

    if waiting:
        engine._patient(send)
    return done


# -- reading

_NUMBER = "_shard_doc"
"""A document's number in the one shard of a point in time; the server gives documents in this order for
nothing."""


def _page(query: dict[str, Any], fields: tuple[str, ...], size: int) -> dict[str, Any]:
    return {
        "query": query, "size": size, "sort": [{name: "asc"} for name in fields],
        "stored_fields": "_none_", "track_total_hits": False,
    }  # fmt: skip


class _RowsOfHits:
    """Makes hits of rows that hold all of a hit."""

    fields: ClassVar[tuple[str, ...]] = _HIT_SORT

    def hits(self, rows: Iterable[list[Any]]) -> tuple[Hit, ...]:
        return tuple(Hit(*row[: len(_HIT_SORT)]) for row in rows)


_rows_of_hits = _RowsOfHits()


@dataclass(frozen=True, slots=True)
class _Table:
    """Makes hits of rows that hold a number alone: the rows of all documents were read before.

    Attributes:
        all: Every document, by item id in order.
        places: Where it is in ``all``, by its number.
    """

    all: list[Hit]
    places: dict[int, int]

    fields: ClassVar[tuple[str, ...]] = (_NUMBER,)

    @classmethod
    def of(cls, rows: Iterable[list[Any]]) -> _Table:
        same: dict[str, str] = {}  # one string for each id, however many rows name it
        numbered = sorted((row[1], row[0], row[2:]) for row in rows)
        return cls(
            [
                Hit(item_id, *(same.setdefault(value, value) for value in rest))
                for item_id, _, rest in numbered
            ],
            {number: place for place, (_, number, _) in enumerate(numbered)},
        )

    def hits(self, rows: Iterable[list[Any]]) -> tuple[Hit, ...]:
        return tuple([self.all[place] for place in sorted([self.places[row[0]] for row in rows])])


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a query found, for the pages that are asked for after its count.

    Attributes:
        query: The query.
        shown: What the index showed then.
        compiled: The query as the server takes it.
        counts: Its counts.
        first: Its first hits, at most ``_FIRST_HITS``.
    """

    query: q.Node
    shown: _Shown
    compiled: dict[str, Any]
    counts: Counts
    first: tuple[Hit, ...]

    def has(self, limit: int) -> bool:
        """Say whether a first page of so many hits is in it."""
        return limit <= len(self.first) or len(self.first) == self.counts.documents


_Shown = tuple[str, tuple[str, ...]]
"""Id of an index, and the generations that are to be seen in it: where both are the same, all is."""


class _AllWords:
    """All words of an index as last read, a space between two: as strings they take ten times as much."""

    def __init__(self) -> None:
        self._kept: tuple[_Shown, str] | None = None

    def get(self, shown: _Shown) -> list[str] | None:
        """Return the words, sorted, or None when others or none are kept."""
        kept = self._kept
        return kept[1].split(" ") if kept is not None and kept[0] == shown else None

    def keep(self, shown: _Shown, words: list[str]) -> None:
        """Keep them instead of what was kept."""
        self._kept = shown, " ".join(words)


_SHOWN = {"bool": {"filter": [{"term": {"doc_type": "batch"}}, {"range": {"live": {"gt": 0}}}]}}
"""The records of batches that are to be seen."""


_BATCH = ("batch", "live", "documents")


def _live(loads: Iterable[str]) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"doc_type": "item"}}, {"terms": {"load": list(loads)}}]}}


class _Reader:
    """The index at one point in time.

    Attributes:
        shown: The index and the generations in it that are to be seen, one a batch.
        documents: How many those hold.
        limit_s: How long a query may take.
    """

    def __init__(
        self, client: Elasticsearch, index: str, index_id: str, limit_s: float, words: _AllWords
    ) -> None:
        self._client = client
        self._index = index
        self._pit = ""
        self.shown: _Shown = (index_id, ())
        self.limit_s = limit_s
        self._clock = threading.local()  # a list is asked by several threads
        self.begin()
        self._labels: dict[str, list[str]] = {}
        self._words = words
        self._all: list[str] | None = None
        self._joined: bool | None = None
        self._filter: dict[str, Any] = {}
        self.documents = 0

    @property
    def loads(self) -> tuple[str, ...]:
        """The generations that are to be seen, one a batch."""
        return self.shown[1]

    def open(self) -> None:
        self._pit = self._client.open_point_in_time(index=self._index, keep_alive=_KEEP_ALIVE)["id"]
        records = list(self._rows(_SHOWN, _BATCH))
        self.shown = self.shown[0], tuple(f"{batch}.{live}" for batch, live, _ in records)
        self.documents = sum(documents for _, _, documents in records)
        self._filter = _live(self.loads)

    def begin(self) -> None:
        """Give the next question of this thread all of its time."""
        self._clock.until = time.monotonic() + self.limit_s

    def close(self) -> None:
        if self._pit:
            with suppress(ApiError, TransportError):  # it ends by itself
                self._client.close_point_in_time(id=self._pit)

    # -- asking

    def _search(self, **body: Any) -> dict[str, Any]:
        if time.monotonic() > self._clock.until:
            raise TooLong(self.limit_s)
        found = self._client.search(
            pit={"id": self._pit, "keep_alive": _KEEP_ALIVE},
            allow_partial_search_results=False,  # part of an answer is no answer
            **body,
        )
        _check_whole(found)
        self._pit = found.get("pit_id", self._pit)
        return dict(found)

    def _seen(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"bool": {"filter": [query, self._filter]}}

    def total(self, query: dict[str, Any]) -> int:
        """Return how many documents match, exactly."""
        found = self._search(query=self._seen(query), size=0, track_total_hits=True)
        return int(found["hits"]["total"]["value"])

    def rows(self, query: dict[str, Any], fields: tuple[str, ...], page: int = _PAGE) -> Iterator[list[Any]]:
        """Yield keyword fields of every document that matches, in the order of the fields."""
        return self._rows(self._seen(query), fields, page)

    def _rows(
        self,
        query: dict[str, Any],
        fields: tuple[str, ...],
        page: int = _PAGE,
        first: list[list[Any]] | None = None,
    ) -> Iterator[list[Any]]:
        """Page by ``search_after``; what is sorted by comes with the hit, so that nothing else is read.

        Without ``stored_fields`` the server would unpack each hit's text to give its ``_id``. ``first`` is
        the first page, where it was read before.
        """
        size = max(1, min(page, _PAGE))
        after: list[Any] | None = None
        while True:
            rows = first
            if rows is None or after is not None:
                found = self._search(
                    filter_path=["pit_id", "timed_out", "hits.hits.sort"],
                    search_after=after,
                    **_page(query, fields, size),
                )
                rows = [hit["sort"] for hit in found.get("hits", {}).get("hits", [])]
            for row in rows:
                yield row[: len(fields)]
            if len(rows) < size:
                return
            after = rows[-1]

    def table(self) -> _Table:
        """Read the row of every document once."""
        self.begin()
        return _Table.of(self.rows({"match_all": {}}, (_NUMBER, *_HIT_SORT)))

    def answers(self, queries: list[q.Node], table: Future[_Table] | None) -> Iterator[TermHits]:
        """Answer some queries of a list together; one that cannot be run says why.

        Args:
            queries: The queries.
            table: The rows of all documents, which may still be read; None: each answer brings those of its
                hits.
        """
        compiled: list[dict[str, Any] | str] = []
        for query in queries:
            self.begin()
            try:
                compiled.append(self._seen(self.compile(query)))
            except (TooManyWords, TooLong) as refused:
                compiled.append(str(refused))
        asked = [one for one in compiled if not isinstance(one, str)]
        fields = _RowsOfHits.fields if table is None else _Table.fields
        answered = iter(list(self._together(asked, fields)))  # asked while the table is read
        hits = _rows_of_hits if table is None else table.result()
        for one in compiled:
            if isinstance(one, str):
                yield TermHits((), one)
                continue
            first = next(answered)
            self.begin()
            try:
                yield TermHits(hits.hits(self._rows(one, hits.fields, first=first)))
            except TooLong as refused:
                yield TermHits((), str(refused))

    def _together(
        self, queries: list[dict[str, Any]], fields: tuple[str, ...]
    ) -> Iterator[list[list[Any]] | None]:
        """Yield the first page of each query; None for one to be asked alone: it is slow, or failed."""
        if not queries:
            return
        searches: list[dict[str, Any]] = []
        for query in queries:
            pit = {"id": self._pit, "keep_alive": _KEEP_ALIVE}
            page = _page(query, fields, _PAGE)
            searches += [{}, {**page, "pit": pit, "timeout": f"{_AT_ONCE_S}s"}]
        wanted = ("timed_out", "error.type", "hits.hits.sort")
        found = self._client.msearch(
            searches=searches, filter_path=["took", *(f"responses.{name}" for name in wanted)]
        )
        for answer in found["responses"]:
            hits = answer.get("hits", {}).get("hits", [])
            whole = "error" not in answer and not answer.get("timed_out")
            yield [hit["sort"] for hit in hits] if whole else None

    def counted(self, query: dict[str, Any]) -> tuple[Counts, tuple[Hit, ...]]:
        """Count what matches exactly, and return its first hits by item id.

        The server counts the families, and contents, that several of the documents share: each of the others
        has one of its own. Their number is all that it sends.
        """
        shared: dict[str, Any] = {}
        for name in ("family_id", "distinct_key"):
            several = {"min_doc_count": 2, "shard_min_doc_count": 2}
            shared[name] = {"terms": {"field": name, "size": _SHARED, **several}}
            shared[f"all_{name}"] = {"stats_bucket": {"buckets_path": f"{name}>_count"}}
        page = _page(self._seen(query), _HIT_SORT, _FIRST_HITS)
        found = self._search(
            aggs=shared,
            filter_path=[
                "pit_id", "timed_out", "hits.total", "hits.hits.sort",
                *(f"aggregations.all_*.{figure}" for figure in ("count", "sum")),
            ],
            **{**page, "track_total_hits": True},
        )  # fmt: skip
        documents = int(found["hits"]["total"]["value"])

        def different(name: str) -> int:
            figures = found["aggregations"][f"all_{name}"]
            if figures["count"] < _SHARED:
                return documents - int(figures["sum"]) + int(figures["count"])
            return sum(1 for _ in self._values(self._seen(query), name))

        counts = Counts(documents, different("family_id"), different("distinct_key"))
        hits = found["hits"].get("hits", [])
        return counts, tuple(Hit(*hit["sort"][: len(_HIT_SORT)]) for hit in hits)

    def _values(self, query: dict[str, Any], field: str) -> Iterator[str]:
        after: dict[str, Any] | None = None
        while True:
            pages: dict[str, Any] = {"size": _BUCKETS, "sources": [{"value": {"terms": {"field": field}}}]}
            if after is not None:
                pages["after"] = after
            found = self._search(query=query, size=0, aggs={"values": {"composite": pages}})
            buckets = found["aggregations"]["values"]["buckets"]
            yield from (bucket["key"]["value"] for bucket in buckets)
            if len(buckets) < _BUCKETS:
                return
            after = found["aggregations"]["values"]["after_key"]

    def described(self, item_ids: list[str]) -> list[tuple[str, str, str]]:
        """Return those items that are there: item id, ``_id``, digest of the fields that people look at."""
        query = self._seen({"terms": {"item_id": item_ids}})
        found = self._search(
            query=query, size=len(item_ids), source=False, docvalue_fields=["item_id", "described"],
            track_total_hits=False,
        )["hits"]["hits"]  # fmt: skip
        return [
            (hit["fields"]["item_id"][0], hit["_id"], hit["fields"].get("described", [""])[0])
            for hit in found
        ]

    def texts(self, query: dict[str, Any], name: str) -> Iterator[tuple[str, list[str]]]:
        """Yield every document that matches with the values of a text field, some hundred at once."""
        after: list[Any] | None = None
        while True:
            page = self._search(
                query=self._seen(query), size=_TEXTS_EACH, sort=[{"item_id": "asc"}], search_after=after,
                source=[name], track_total_hits=False,
            )["hits"]["hits"]  # fmt: skip
            for hit in page:
                value = hit["_source"].get(name, [])
                yield hit["sort"][0], [value] if isinstance(value, str) else value
            if len(page) < _TEXTS_EACH:
                return
            after = page[-1]["sort"]

    def words(self, start: str) -> Iterator[tuple[str, int]]:
        """Yield the words that start so, sorted, with the number of their documents."""
        waiting: dict[str, int] = {}
        for first, pack in self._packs(start):
            if len(waiting) > _WORDS_WAITING:  # no later pack has a word before the first of this one
                ready = sorted(word for word in waiting if word < first)
                yield from ((word, waiting.pop(word)) for word in ready)
            for line in pack.split("\n"):
                word, _, documents = line.partition(" ")
                if word.startswith(start):
                    waiting[word] = waiting.get(word, 0) + int(documents)
        yield from sorted(waiting.items())

    def _listed(self, start: str) -> list[str]:
        """Return the words that start so, sorted."""
        words = self._all = self._all or self._words.get(self.shown)
        if words is None:
            # In the order in which they come, nearly sorted: a set would lose it.
            words = sorted(
                dict.fromkeys(word for _, pack in self._packs(start) for word in pack.split()[::2])
            )
            if not start:
                self._words.keep(self.shown, words)
                self._all = words
        return words[bisect_left(words, start) : bisect_left(words, start + _LAST)] if start else words

    def read_words(self) -> None:
        """Read all words of the index, for a list that asks for many."""
        self._listed("")

    def joined(self) -> bool:
        """Say whether the words of all batches are kept together too, see ``publish``."""
        if self._joined is None:
            end = [{"term": {"doc_type": "words_end"}}, {"term": {"load": _joined_load(self.loads)}}]
            found = self._search(query={"bool": {"filter": end}}, size=0, track_total_hits=True)
            self._joined = found["hits"]["total"]["value"] > 0
        return self._joined

    def _packs(self, start: str) -> Iterator[tuple[str, str]]:
        """Yield packs as far as words in them may start so, in the order of their first words, with these."""
        wanted: list[dict[str, Any]] = [
            {"term": {"doc_type": "words"}},
            {"terms": {"load": [_joined_load(self.loads)] if self.joined() else list(self.loads)}},
        ]
        if start:
            wanted += [
                {"range": {"last_word": {"gte": start}}},
                {"range": {"first_word": {"lt": start + _LAST}}},
            ]
        after: list[Any] | None = None
        size = 200
        while True:
            page = self._search(
                query={"bool": {"filter": wanted}}, size=size, sort=["first_word"], search_after=after,
                source=["words"], track_total_hits=False,
            )["hits"]["hits"]  # fmt: skip
            for hit in page:
                yield hit["sort"][0], hit["_source"]["words"]
            if len(page) < size:
                return
            after = page[-1]["sort"]

    # -- from tree to query

    def compile(self, node: q.Node) -> dict[str, Any]:
        """Compile a tree.

        Raises:
            TooManyWords: A ``*`` stands for more than ``PREFIX_LIMIT`` words.
        """
        known: dict[q.Term, list[str]] = {}
        for term in q.open_terms(node):
            if term not in known:
                known[term] = self.expand(term)
        return self._query(expansion.plain(node, known.__getitem__), None)

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted, unless they are too many."""
        words = expansion.expand(term, self._listed(expansion.common_start(term)))
        if len(words) > PREFIX_LIMIT:
            raise TooManyWords(len(words))
        return words

    def _query(self, node: q.Node, field: str | None) -> dict[str, Any]:
        match node:
            case q.And():
                wanted = [child for child in node.children if not isinstance(child, q.Not)]
                unwanted = [child.child for child in node.children if isinstance(child, q.Not)]
                return {
                    "bool": {
                        "filter": [self._query(child, field) for child in wanted],
                        "must_not": [self._query(child, field) for child in unwanted],
                    }
                }
            case q.Or():
                return self._or(node, field)
            case q.Not():
                return {"bool": {"must_not": [self._query(node.child, field)]}}
            case q.Field():
                return self._field(node)
            case q.DateRange():
                bounds = {"gte": node.first, "lte": node.last}
                return {"range": {"day": {name: day.isoformat() for name, day in bounds.items() if day}}}
            case q.Near() | q.NotNear():
                names = q.DEFAULT_FIELDS if field is None else (field,)
                return _any([self._near(node, name) for name in names])
            case _:
                if field in q.LABEL_FIELDS:
                    return self._label(node, field)
                names = q.DEFAULT_FIELDS if field is None else (field,)
                return _any([self._leaf(node, name) for name in names])

    def _or(self, node: q.Or, field: str | None) -> dict[str, Any]:
        """Plain words are one ``terms`` a field, however many they are."""
        if field in q.LABEL_FIELDS:
            return _any([self._query(child, field) for child in node.children])
        words = sorted({child.text for child in node.children if isinstance(child, q.Word)})
        rest = [child for child in node.children if not isinstance(child, q.Word)]
        names = q.DEFAULT_FIELDS if field is None else (field,)
        return _any([
            *({"terms": {name: words}} for name in names if words),
            *(self._query(child, field) for child in rest),
        ])  # fmt: skip

    def _field(self, node: q.Field) -> dict[str, Any]:
        if node.name not in q.RELATED_FIELDS:
            return self._query(node.child, node.name)
        if node.name == "attachment":
            carried = {
                "bool": {"filter": [self._query(node.child, "body"), {"exists": {"field": "parent_id"}}]}
            }
            return _among("item_id", (row[0] for row in self.rows(carried, ("parent_id",))))
        inner = self._query(node.child, None)
        return _among("family_id", (row[0] for row in self.rows(inner, ("family_id",))))

    def _label(self, leaf: q.Leaf, field: str) -> dict[str, Any]:
        if field not in self._labels:
            everything = self._seen({"match_all": {}})
            self._labels[field] = list(q.HAS_VALUES if field == "has" else self._values(everything, field))
        return {"terms": {field: [v for v in self._labels[field] if q.label_matches(leaf, v)]}}

    def _leaf(self, leaf: q.Leaf, name: str) -> dict[str, Any]:
        match leaf:
            case q.Word():
                return {"term": {name: leaf.text}}
            case q.Prefix():
                if leaf.text.isascii():
                    return {"prefix": {name: leaf.text}}
                # The server measures prefixes in bytes or in UTF-16 units.
                return {"terms": {name: self.expand(leaf)}}
            case q.Phrase():
                if all(isinstance(t, q.Word) and len(t.text) <= TOKEN_CHARACTERS for t in leaf.terms):
                    return {"match_phrase": {name: " ".join(term.text for term in leaf.terms)}}  # type: ignore[union-attr]
                return self._open_phrase(leaf, name)
            case _:
                raise AssertionError("patterns are written out before")

    def _near(self, node: q.Near | q.NotNear, name: str) -> dict[str, Any]:
        """Words near one another: as intervals where these are exact, else each candidate is decided."""
        if isinstance(node, q.Near):
            left, right = self._operand(node.left), self._operand(node.right)
            if left is not None and right is not None:
                orders = [(left, right)] if node.ordered else [(left, right), (right, left)]
                # Ordered intervals never overlap; unordered ones may, and would let one place serve twice.
                return _any([_side_by_side(name, list(order), node.distance - 1) for order in orders])
        found: set[str] = set()
        for item_id, texts in self.texts(self._candidates(node, name), name):
            tokens = Tokens([token for text in texts for token in fold(text).split()])
            if holds(node, tokens.places):
                found.add(item_id)
        return _among("item_id", found)

    def _operand(self, node: q.Node) -> list[dict[str, Any]] | None:
        """Return the alternatives of an operand as rules, or None where intervals would not be exact.

        Intervals keep the shortest of places that lie in one another, so the gap of a longer place is lost:
        alternatives must be of one length. What is too many for one query is decided too.
        """
        leaves = list(node.children) if isinstance(node, q.Or) else [node]
        rules: list[dict[str, Any]] = []
        lengths: set[int] = set()
        for leaf in leaves:
            if not isinstance(leaf, q.Leaf):
                return None
            choices = [self._choices(term) for term in q.terms_of(leaf)]
            lengths.add(len(choices))
            if len(choices) == 1:
                rules += choices[0]
            elif all(choices):
                rules.append(_in_order(choices, 0))
            if len(lengths) > 1 or len(rules) + sum(map(len, choices)) > _RULES_EACH:
                return None
        return rules

    def _candidates(self, node: q.Node, name: str) -> dict[str, Any]:
        """Return a condition that every document with a span of an operand meets, and some others."""
        match node:
            case q.Near():
                return {"bool": {"filter": [self._candidates(n, name) for n in (node.left, node.right)]}}
            case q.NotNear():
                return self._candidates(node.left, name)
            case q.Or():
                return _any([self._candidates(child, name) for child in node.children])
            case _:
                assert isinstance(node, q.Leaf)
                return self._leaf(node, name)

    def _open_phrase(self, phrase: q.Phrase, name: str) -> dict[str, Any]:
        """A phrase with terms that stand for several words; too many of them are asked in parts."""
        choices = [self._choices(term) for term in phrase.terms]
        most = max(range(len(choices)), key=lambda place: len(choices[place]))
        if sum(map(len, choices)) <= _RULES_EACH:
            return _side_by_side(name, choices)
        if not all(choices):
            return {"match_none": {}}
        found: set[str] = set()
        words = iter(choices[most])
        while piece := list(islice(words, _RULES_EACH)):
            query = _side_by_side(name, [*choices[:most], piece, *choices[most + 1 :]])
            found.update(row[0] for row in self.rows(query, ("item_id",)))
        return _among("item_id", found)

    def _choices(self, term: q.Term) -> list[dict[str, Any]]:
        """The words that a term of a phrase stands for, as rules."""
        match term:
            case q.Word():  # a longer one stands for nothing; the analyzer would make it two
                return [{"match": {"query": term.text}}] if len(term.text) <= TOKEN_CHARACTERS else []
            case q.Prefix():
                return [{"match": {"query": word}} for word in self.expand(term)]
            case _:
                raise AssertionError("patterns are written out before")


def _side_by_side(name: str, choices: list[list[dict[str, Any]]], gaps: int = 0) -> dict[str, Any]:
    return {"intervals": {name: _in_order(choices, gaps)}} if all(choices) else {"match_none": {}}


def _in_order(choices: list[list[dict[str, Any]]], gaps: int) -> dict[str, Any]:
    rules = [words[0] if len(words) == 1 else {"any_of": {"intervals": words}} for words in choices]
    return {"all_of": {"ordered": True, "max_gaps": gaps, "intervals": rules}}


def _any(queries: list[dict[str, Any]]) -> dict[str, Any]:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def _among(field: str, ids: Iterable[str]) -> dict[str, Any]:
    """A condition on many ids, in pieces that the server takes."""
    wanted = iter(sorted(set(ids)))
    pieces: list[dict[str, Any]] = []
    while piece := list(islice(wanted, _IDS_EACH)):
        pieces.append({"terms": {field: piece}})
    return _any(pieces) if pieces else {"match_none": {}}


# -- what went wrong, sorted by what to do

_PASSING = frozenset({429, 502, 503, 504})
_BLOCKED = "the search index takes no writes (read-only, or its disk is full): make room, run it again"


class _Busy(Exception):  # noqa: N818 - a passing state
    """Some of a bulk was refused for now."""


def _type(error: ApiError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    found = body.get("error", {})
    return str(found.get("type", "")) if isinstance(found, dict) else ""


def _passes(error: BaseException) -> bool:
    """Say whether another try may be answered; a blocked index stays blocked though it says 429."""
    if isinstance(error, ApiError):
        return error.status_code in _PASSING and _type(error) != "cluster_block_exception"
    if isinstance(error, SSLError):
        return False
    return isinstance(error, TransportError | _Busy)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into ours; their own texts can hold words of a query or a document."""
    try:
        yield
    except _Busy as error:
        raise Retryable("the search cluster is overloaded", retry_after_s=30.0) from error
    except SSLError as error:
        raise AccessError(
            "the search cluster's certificate is not trusted: see DAYLIGHT_ELASTICSEARCH_CA"
        ) from error
    except ConnectionTimeout as error:
        raise Retryable("the search cluster does not answer in time", retry_after_s=30.0) from error
    except TransportError as error:
        raise Retryable("the search cluster does not answer", retry_after_s=30.0) from error
    except ApiError as error:
        raise _sorted(error) from error


def _sorted(error: ApiError) -> Exception:
    kind = _type(error)
    if kind == "cluster_block_exception":
        return Incomplete(_BLOCKED)
    if error.status_code in {401, 403}:
        return AccessError("the search cluster refuses the key: see DAYLIGHT_ELASTICSEARCH_API_KEY")
    if error.status_code in _PASSING:
        return Retryable("the search cluster is overloaded or not ready", retry_after_s=30.0)
    if error.status_code == 413:
        return CheckFailed(
            "an item has more text than the search cluster takes: raise http.max_content_length"
        )
    if error.status_code == 404:
        return Incomplete("the search index was deleted meanwhile: rebuild it with reindex")
    return CheckFailed(f"the search cluster answered {error.status_code} {kind}")
