"""What is measured: one file a part, each with ``measure`` (JSON figures) and ``sheets`` (tables)."""

from types import ModuleType

from benchmarks.parts import (
    airflow,
    collect,
    elastic,
    exports,
    mail,
    memory,
    peers,
    query,
    share,
    terms,
    tika,
)

PARTS: dict[str, ModuleType] = {
    "mail": mail,
    "memory": memory,
    "share": share,
    "airflow": airflow,
    "query": query,
    "peers": peers,
    "terms": terms,
    "elastic": elastic,
    "tika": tika,
    "collect": collect,
    "exports": exports,
}
"""In the order they run: the parts that query come after those that make large indexes."""
