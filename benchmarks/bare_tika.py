"""The peer of the disposable worker: Tika alone, in this process, no limits and no protection.

``python -m benchmarks.bare_tika FOLDER``: reads every file of the folder, once it is warm from one file of
each kind, and prints ``{"files": n, "seconds": s, "failed": n}``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def _text(engine: Any, data: bytes) -> bool:
    try:
        text, _ = engine.extract_bytes_to_string(bytearray(data))
    except TypeError:  # how this library says that a file cannot be read
        return False
    return bool(text.strip())


def main() -> int:
    """Measure; returns 0."""
    import iscc_tika

    engine = iscc_tika.Extractor()
    paths = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_file())
    for path in {path.suffix: path for path in paths}.values():
        _text(engine, path.read_bytes())
    began = time.monotonic()
    failed = sum(not _text(engine, path.read_bytes()) for path in paths)
    print(json.dumps({"files": len(paths), "seconds": time.monotonic() - began, "failed": failed}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
