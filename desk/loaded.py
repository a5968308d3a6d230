"""What a worker process needs, loaded once by the server that it is forked from; see ``desk.pool``."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

_NEEDED = (
    "connectors.mail_files",
    "desk.batch",
    "retention.suggest",
    "search.embedded",
    "search.occurrences",
)


def _load_logger() -> None:
    """Load structlog without rich, which it takes for a console: no worker has one, and it is the larger."""
    if "rich" in sys.modules:
        import_module("structlog")
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # it then counts as not installed
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]


gc.disable()  # all of this stays: looking for what could go takes a sixth of the time
_load_logger()
for _name in _NEEDED:
    import_module(_name)
gc.enable()
