"""Command: ``python -m examples.district --items N --seed S --out DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from examples.district.build import LARGEST, SMALLEST, build


def main(arguments: list[str] | None = None) -> int:
    """Make a district and print its counts as one JSON object; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.district", description=__doc__)
    parser.add_argument("--items", type=int, default=3300, help=f"top items, {SMALLEST} to {LARGEST}")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    args = parser.parse_args(arguments)
    try:
        summary = build(args.items, args.seed, args.out)
    except ValueError as err:
        print(err, file=sys.stderr)
        return 2
    print(json.dumps(summary, indent=2, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
