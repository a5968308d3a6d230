"""Large exports: what the generators write is what a reader finds, and only a whole run is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks import readers
from benchmarks.handed import Handed, phone, sms, takeout
from benchmarks.parts import exports
from benchmarks.settings import SIZES, Bench, BenchmarkError
from connectors.export_paths import tally_of
from connectors.registry import connector
from records.models import ExcludedItem, FailedItem, FoundItem, SourceContext, Window

ZONE = ZoneInfo("America/Los_Angeles")
WRITERS = {
    "sms_backup_restore": (sms.write_backup, 1_000_000),
    "imessage": (phone.write_messages, 1_000),
    "google_takeout": (takeout.write_export, 12_000_000),
}


def context(path: Path) -> SourceContext:
    return SourceContext("s1", "c1", str(path), ZONE)


@pytest.fixture(autouse=True)
def _plain_letters(monkeypatch):
    """The words of letters take a second to make."""

    def letter(n, seed):
        head = f"Message-ID: <{n:08}.{seed}@mail.example>\nDate: Mon, 06 Jan 2020 16:00:00 +0000"
        kind = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nX-Mailer: Example"
        return f"{head}\n{kind}\n\nLine {n} of {seed}\nFrom here on\n".encode()

    monkeypatch.setattr(takeout, "letter", letter)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_what_a_reader_finds(tmp_path, name):
    write, size = WRITERS[name]
    handed = write(tmp_path / "a", size, 1)
    assert handed.size_bytes == sum(path.stat().st_size for path in handed.path.rglob("*") if path.is_file())
    source = connector(name)(context(handed.path))
    source.check()
    states = {FoundItem: 0, FailedItem: 0, ExcludedItem: 0}
    keys = set()
    for scope in source.scopes():
        values = [
            value
            for part in source.parts(scope, 400, 1 << 20)
            for value in source.items(part, Window(None, None, ZONE))
        ]
        assert source.count(scope).count == len(values)
        for value in values:
            states[type(value)] += 1
            keys.add((scope.key, value.native_key))
    assert tuple(states.values()) == (handed.stored, handed.failed, handed.excluded)
    assert len(keys) == sum(states.values())
    paths = tally_of(source)
    assert (paths.paths, paths.unknown) == (handed.paths, 0)
    assert paths.read + sum(paths.ignored.values()) == handed.paths


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path, name):
    write, size = WRITERS[name]
    made = [write(tmp_path / str(n), size // 10 or 1, seed).path for n, seed in enumerate((1, 1, 2))]
    one, same, other = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in made
    )
    assert one == same != other


def test_rows_after_the_first_block_are_other_rows_with_the_same_words(tmp_path, monkeypatch):
    monkeypatch.setattr(phone, "BLOCK", 300)
    handed = phone.write_messages(tmp_path / "a", 700, 1)
    source = connector("imessage")(context(handed.path))
    (scope, _) = source.scopes()
    (part,) = source.parts(scope, 10_000, 1 << 30)
    rows = {
        one["row"]: one["message"]
        for value in source.items(part, Window(None, None, ZONE))
        if isinstance(value, FoundItem) and value.media_type == "application/x-imessage-row+json"
        for one in [json.loads(value.handle)]
    }
    assert len(rows) == 700
    assert rows[309]["associated_message_guid"] == f"p:0/{rows[308]['guid']}"
    assert rows[321]["thread_originator_guid"] == rows[318]["guid"]
    assert len({row["guid"] for row in rows.values()}) == 700
    assert [rows[n]["attributedBody"] for n in (4, 304, 604)] == 3 * [rows[4]["attributedBody"]]
    assert rows[304]["date"] - rows[4]["date"] == rows[604]["date"] - rows[304]["date"] == 300 * 37 * 10**9


@pytest.fixture
def bench(tmp_path):
    return Bench(SIZES["tiny"], tmp_path, tmp_path / "cache", lambda _: None)


PEER = (
    "data = bytearray(b'x' * 40_000_000); import sys, time; open(sys.argv[1] + '/read', 'w'); time.sleep(0.5)"
)


@pytest.mark.slow
def test_a_backup_is_measured_and_its_reader_beside_it(bench, monkeypatch):
    """The tenth and the whole are one size here: what is shown is that each figure is there."""
    reader = readers.Reader(
        "reader 1", "all messages", "", "nothing", lambda _, out: [sys.executable, "-c", PEER, str(out)]
    )
    kind = exports.Export("sms", "sms_backup_restore", sms.write_backup, 300_000, "bytes", lambda _: [reader])
    handed = kind.written(bench.work / "handed", kind.size, 1)
    run = exports._collected(bench, "SMS backup", kind, handed, read=True)
    assert {name: one["items"] for name, one in run["read_alone"].items()} == {
        "calls-20260905180000.xml": 8, "sms-20260905180000.xml": 64,
    }  # fmt: skip
    assert (run["messages"], run["items"], run["paths"]) == (72, 72, 2)
    assert run["size_bytes"] == handed.size_bytes
    items = {name: (one["batches"], one["items"]) for name, one in run["scopes"].items()}
    assert items == {"calls-20260905180000.xml": (1, 8), "sms-20260905180000.xml": (1, 64)}
    measured = ("plan_s", "collect_s", "plan_cpu_s", "run_cpu_s", "messages_per_s", "mb_per_s")
    assert [name for name in (*measured, "peak_pss_bytes", "peak_rss_bytes") if not run[name] > 0] == []
    (peer,), left_out = exports._asked(bench, kind, handed)
    assert (peer["name"], left_out) == ("reader 1", "")
    assert peer["peak_rss_bytes"] > 40_000_000
    assert sorted(path.name for path in bench.work.iterdir() if path.is_dir()) == [
        "handed",
        "request-exports",
    ]
    shown = exports.sheets({
        "exports": {"SMS backup": {"runs": [run, run], "peers": [peer], "peers_at": 1, "left_out": ""}},
        "most_mib": 500, "most_growth": 1.2,
    })  # fmt: skip
    through, beside = (sheet.as_markdown() for sheet in shown)
    assert f"| SMS backup, {handed.size_bytes / 1e6:.1f} MB, 72 messages | 72 |" in through
    assert (
        "below 500 MiB is reached; ten times the size takes 1.00 × the memory, at most 1.2 × is reached"
        in through
    )
    assert "| SMS backup, all messages, reader 1 |" in beside
    assert "reader 1: nothing." in beside


def ledger(*, stored=5, failed=1, excluded=0, found=6, balanced=True, paths=3, unknown=0):
    return {
        "scopes": [
            {"scope": "a", "found": found, "stored": stored, "failed": failed, "excluded": excluded,
             "balanced": balanced},
        ],
        "exports": [{"paths": paths, "unknown": unknown, "balanced": True}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"stored": 4, "found": 5}, "4 stored, 1 failed, 0 excluded of 5; there are (5, 1, 0)"),
        ({"failed": 0, "excluded": 1}, "5 stored, 0 failed, 1 excluded of 6"),
        ({"found": 7}, "excluded of 7"),
        ({"balanced": False}, "1 places do not balance"),
        ({"paths": 4}, "of 3 paths it tells"),
        ({"unknown": 1}, "of 3 paths it tells"),
    ],
)
def test_a_run_with_an_item_or_a_path_amiss_is_not_measured(wrong, words):
    handed = Handed(Path(), 5, 5, 1, 0, 3, 100)
    exports._check("x", ledger(), handed)
    with pytest.raises(BenchmarkError) as caught:
        exports._check("x", ledger(**wrong), handed)
    assert words in str(caught.value)


def test_a_reader_that_cannot_be_had_is_said(bench, monkeypatch):
    monkeypatch.setattr(readers.shutil, "which", lambda _: None)
    kind = exports._exports(bench)["chat.db"]
    peers, left_out = exports._asked(bench, kind, Handed(Path(), 5, 5, 1, 0, 3, 100))
    assert peers == []
    assert left_out.startswith("cargo is not installed here, and imessage-exporter is not in ")


def test_a_reader_that_does_not_install_is_said_with_the_last_words_of_its_installer(monkeypatch):
    with pytest.raises(readers.NotHadError, match="ended with 4: no such crate"):
        readers._fetched([sys.executable, "-c", "import sys; sys.stderr.write('no such crate'); sys.exit(4)"])


def test_only_the_exports_that_were_asked_for_are_measured(bench, monkeypatch):
    measured = []
    monkeypatch.setattr(
        exports, "_collected", lambda _bench, name, _kind, _handed, read: measured.append((name, read))
    )
    monkeypatch.setattr(exports, "_asked", lambda _bench, _kind, _handed: ([], ""))
    own = Bench(bench.sizes, bench.work, bench.cache, bench.say, export_sets=("sms",))
    (one,) = exports.measure(own)["exports"].values()
    assert (one["connector"], one["peers_at"]) == ("sms_backup_restore", 1)
    assert measured == [("SMS backup", True), ("SMS backup", False)]


def test_a_reader_that_breaks_off_costs_only_itself(bench):
    def made(code):
        return lambda _handed, _out: [sys.executable, "-c", code]

    wanted = [
        readers.Reader("one", "mail", "", "nothing", made("raise SystemExit(3)")),
        readers.Reader("two", "mail", "", "nothing", made("pass")),
    ]
    kind = exports.Export("sms", "sms_backup_restore", sms.write_backup, 1, "bytes", lambda _: wanted)
    peers, left_out = exports._asked(bench, kind, Handed(Path(), 5, 5, 1, 0, 3, 100))
    assert ([peer["name"] for peer in peers], left_out) == (["two"], "one broke off")
    assert [path.name for path in bench.work.iterdir() if path.is_dir()] == []
