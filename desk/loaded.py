"""What a worker process needs, loaded once by the server that it is forked from; see ``desk.pool``."""

from __future__ import annotations

import gc
from importlib import import_module

_NEEDED = (
    "connectors.mail_files",
    "desk.batch",
    "retention.suggest",
    "search.embedded",
    "search.occurrences",
    "structlog",
)


gc.disable()  # all of this stays: looking for what could go takes a sixth of the time
for _name in _NEEDED:
    import_module(_name)
gc.enable()
