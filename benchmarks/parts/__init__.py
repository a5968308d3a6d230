"""What is measured: one file a part, each with ``measure`` (JSON figures) and ``sheets`` (tables)."""

from types import ModuleType

from benchmarks.parts import (
    airflow,
    attachments,
    collect,
    elastic,
    exports,
    mail,
    memory,
    near,
    ocr,
    outlook,
    peers,
    query,
    share,
    terms,
    threads,
    tika,
)

PARTS: dict[str, ModuleType] = {
    "mail": mail,
    "attachments": attachments,
    "memory": memory,
    "share": share,
    "airflow": airflow,
    "query": query,
    "peers": peers,
    "terms": terms,
    "near": near,
    "threads": threads,
    "elastic": elastic,
    "tika": tika,
    "ocr": ocr,
    "collect": collect,
    "exports": exports,
    "outlook": outlook,
}
"""In the order they run: the parts that query come after those that make large indexes."""
