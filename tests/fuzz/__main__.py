"""``python -m tests.fuzz TARGET --minutes N``: fuzz one reader; with files: read each of them once.

Without a target all names are printed. A file that fails again ends with its traceback and exit code 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tests.fuzz.driver import PACKAGES, fuzz, limited


def main() -> None:
    """Read the command line and do it."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("target", nargs="?", help="which reader")
    asked.add_argument("files", nargs="*", type=Path, help="inputs to read once each")
    asked.add_argument("--minutes", type=float, default=1.0, help="of processor time")
    asked.add_argument("--seed", type=int, default=None, help="repeat a run (its seed is printed)")
    asked.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "daylight-fuzz")
    given = asked.parse_args()
    with nullcontext() if given.files or not given.target else _instrumented():
        from tests.fuzz.targets import TARGETS
    if not given.target:
        print("\n".join(TARGETS))
        return
    with tempfile.TemporaryDirectory() as folder, nullcontext() if given.files else _instrumented():
        target = TARGETS[given.target](Path(folder))
        if given.files:
            for path in given.files:
                with limited():
                    target.read(path.read_bytes())
            return
        seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
        print(f"{given.target}: seed {seed}", flush=True)
        fuzz(given.target, target.seeds, target.read, seed=seed, cpu_s=60 * given.minutes, folder=given.out)


def _instrumented() -> AbstractContextManager[None]:
    import atheris

    found: AbstractContextManager[None] = atheris.instrument_imports(
        include=list(PACKAGES), enable_loader_override=False
    )
    return found


if __name__ == "__main__":
    main()
