"""Makes ``dashboard.json`` from ``dashboard.yaml``; run by hand when the latter changes, output committed.

The compiler is kb-dashboard-core (MIT), which wants Python 3.12 and is no part of an installation. In an
environment with its version 0.4.1: ``python search/kibana/compile_dashboard.py``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE / "dashboard.yaml"
MADE = HERE / "dashboard.json"

_KEPT = ("attributes", "coreMigrationVersion", "id", "managed", "references", "type", "typeMigrationVersion")
"""Members of the object; left out are the compiler's invented times, people and version."""


def compiled() -> dict[str, Any]:
    """Return the object with the digest of what it was made from."""
    from kb_dashboard_core.dashboard_compiler import (  # type: ignore[import-not-found]  # see the module
        load,
        render,
    )

    (dashboard,) = load(str(SOURCE))
    made = json.loads(render(dashboard).model_dump_json(by_alias=True))
    panels = json.loads(made["attributes"]["panelsJSON"])
    for panel in panels:
        _corrected(panel)
    made["attributes"]["panelsJSON"] = json.dumps(panels)
    return {"made_from_sha256": digest(), "object": {name: made[name] for name in _KEPT}}


def digest() -> str:
    """Return the SHA-256 of the YAML."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()


def _corrected(panel: dict[str, Any]) -> None:
    """Bring a panel into the form Kibana itself writes, where the compiler's differs, and set what it cannot.

    - A panel by reference names ``panel_<index>``: Kibana takes the panel's prefix off the references' names
      before it compares, and refuses the dashboard when none is equal.
    - A histogram takes all days, those with items alone: the page's time range is never applied (Kibana's
      default is the last 15 minutes), and one wrong date in 1970 does not make 20,000 buckets.
    """
    if "panelRefName" in panel:
        panel["panelRefName"] = f"panel_{panel['panelIndex']}"
        panel["embeddableConfig"].pop("savedObjectId")
    state = panel["embeddableConfig"].get("attributes", {}).get("state", {})
    for layer in state.get("datasourceStates", {}).get("formBased", {}).get("layers", {}).values():
        for column in layer["columns"].values():
            if column["operationType"] == "date_histogram":
                column["params"] |= {"ignoreTimeRange": True, "includeEmptyRows": False}


if __name__ == "__main__":
    MADE.write_text(json.dumps(compiled(), indent=1, sort_keys=True) + "\n", "utf-8")
