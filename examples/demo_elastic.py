"""The demonstration on a real Elasticsearch: ``make demo-elastic``.

The server is started here, on this machine alone, with TLS, its own authority, and two API keys: the program
works with the one that may write, and what people see at the end is read with the one that may only read. It
is stopped at the end and its data with it; ``daylight reindex`` builds the index anew wherever one is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from elasticsearch import Elasticsearch
from rich.table import Table

from examples import demo
from examples.servers.elasticsearch import Server, elasticsearch, why_not
from search.elasticsearch_cluster import make_keys
from search.protocol import index_alias

REQUEST_ID = "2026-0001"
FIGURES = {
    "coding_state": "where they stand in review",
    "text_state": "text",
    "kind": "kind",
    "terms": "terms that match",
    "series": "retention series",
}


def main(arguments: list[str] | None = None) -> int:
    """Run as a command, with the options of ``examples.demo``; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    missing = why_not(8)
    if missing:
        demo.console.print(missing, markup=False, style="bold red")
        return 4
    demo.console.print("[bold]0. Elasticsearch starts[/bold]")
    with elasticsearch(8, secure=True, heap="1g", whole_compiler=True) as server:
        with _client(server, (server.user, server.password)) as admin:
            keys = make_keys(admin)
        os.environ |= {
            "DAYLIGHT_ELASTICSEARCH": server.url,
            "DAYLIGHT_ELASTICSEARCH_CA": str(server.ca),
            "DAYLIGHT_ELASTICSEARCH_API_KEY": keys["index"],
        }
        demo.tell(
            f"Elasticsearch {server.version} is ready at {server.url}, with TLS and a key for each role"
        )
        code = demo.main(given)
        if code == 0:
            show(server, keys["read"])
            export(given)
        return code


def _client(server: Server, login: tuple[str, str] | None = None, key: str | None = None) -> Elasticsearch:
    return Elasticsearch(
        server.url, ca_certs=str(server.ca), basic_auth=login, api_key=key, request_timeout=60
    )


def show(server: Server, key: str) -> None:
    """Print what people see of the request on the cluster, as the role that may only read."""
    alias = index_alias(REQUEST_ID)
    with _client(server, key=key) as reader:
        reader.indices.get_alias(name=alias)
        found = reader.search(
            index=alias, size=0, track_total_hits=True,
            aggs={name: {"terms": {"field": name, "size": 8}} for name in FIGURES},
        )  # fmt: skip
    demo.console.print("\n[bold]11. What people see on the cluster[/bold]")
    table = Table(title=f"{alias}: {found['hits']['total']['value']:,} items", title_justify="left")
    for column in ("by", "value", "items"):
        table.add_column(column, justify="right" if column == "items" else "left", overflow="fold")
    for name, words in FIGURES.items():
        for number, bucket in enumerate(found["aggregations"][name]["buckets"]):
            table.add_row("" if number else words, str(bucket["key"]), f"{bucket['doc_count']:,}")
        table.add_section()
    demo.console.print(table)


def export(given: list[str]) -> None:
    """Write the file that Kibana takes in, and say what ends with the server."""
    top = Path(given[given.index("--home") + 1]) if "--home" in given else demo.ROOT / "demo-home"
    top = top.resolve()
    folders = demo.Folders(top, top / "district", top / "home", top / "desk")
    out = folders.desk / "kibana.ndjson"
    demo.Desk(folders).daylight("kibana", "export", REQUEST_ID, "--out", out)
    demo.tell(f"for Kibana (Stack Management, Saved Objects, Import): {out}")
    demo.tell(
        "the server ends now, and its data with it: to go on, set DAYLIGHT_ELASTICSEARCH to another one (or"
    )
    demo.tell(
        f"nothing, for the embedded index) and type: daylight --home {folders.home} reindex {REQUEST_ID}"
    )


if __name__ == "__main__":
    sys.exit(main())
