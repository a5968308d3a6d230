"""What Airflow costs: the same data by ``run --local`` and under an Airflow that is already up."""

from __future__ import annotations

import json
import shutil
import time

from benchmarks import datasets, watch
from benchmarks.runs import check, open_request, remember, run_local
from benchmarks.settings import Bench, BenchmarkError, Figures, daylight
from benchmarks.sheets import Sheet, figure, held
from desk.standalone import Standalone
from records.errors import DaylightError

MOST_S = 45.0
"""At 100,000 messages."""


def measure(bench: Bench) -> Figures:
    """Run both ways, local first; both by the same command, which ends when all is searchable and flagged.

    Raises:
        BenchmarkError: A run failed, or Airflow does not start.
    """
    mail = datasets.letters(bench, bench.sizes.large)
    bench.say(f"airflow: {mail.messages:,} messages with --local …")
    datasets.warm(mail.maildir)
    local = run_local(bench, mail, bench.work / "home-local")
    remember(bench, local, mail.messages)
    home = bench.work / "home-airflow"
    shutil.rmtree(home, ignore_errors=True)
    request_id, _ = open_request(bench, mail, home)
    bench.say("airflow: starting it …")
    began = time.monotonic()
    try:
        with Standalone(home):
            start_s = time.monotonic() - began
            bench.say(f"airflow: {mail.messages:,} messages under it …")
            datasets.warm(mail.maildir)
            command = daylight(home, "run", request_id, "--search-only")
            run = watch.run(command, work=bench.work)
    except DaylightError as error:
        raise BenchmarkError(f"airflow: {error}") from error
    if json.loads(run.output)["state"] != "success":
        raise BenchmarkError("airflow: the run did not end well")
    check(mail, home, request_id)
    shutil.rmtree(home)
    return {
        "messages": mail.messages,
        "local_s": local.running.wall_s,
        "airflow_s": run.wall_s,
        "more_s": run.wall_s - local.running.wall_s,
        "start_s": start_s,
        "most_s": MOST_S,
    }


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    row = (
        f"{figures['messages']:,} messages",
        figure(figures["local_s"]),
        figure(figures["airflow_s"]),
        figure(figures["more_s"]),
        f"{figures['more_s'] / figures['local_s']:.0%}",
    )
    reached = held(figures["more_s"] <= figures["most_s"])
    note = (
        f"Airflow was up already; starting it took {figures['start_s']:.0f} s. Bar: at most "
        f"{figures['most_s']:.0f} s more at 100,000 messages; here {reached}."
    )
    columns = ("run", "--local s", "Airflow s", "more s", "more")
    return [Sheet("Airflow against `--local`", columns, (row,), (note,))]
