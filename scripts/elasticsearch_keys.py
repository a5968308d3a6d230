"""Makes the two roles of the search cluster and prints an API key with the rights of each, once.

Run by whoever may manage security there: with ``DAYLIGHT_ELASTICSEARCH`` (and ``DAYLIGHT_ELASTICSEARCH_CA``)
as daylight itself has them, and ``ELASTIC_PASSWORD``, the superuser's password, in the environment. With
``--index-key FILE`` the key of the program goes into that file, which only this user can read, and the other
alone is printed. Running it again renews the roles and makes further keys; older keys stay valid until they
are invalidated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from elasticsearch import Elasticsearch

from records.errors import DaylightError
from search.elasticsearch_cluster import make_keys


def main() -> int:
    """Make roles and keys; return the exit code."""
    parser = argparse.ArgumentParser(prog="elasticsearch_keys.py")
    parser.add_argument("--index-key", type=Path, metavar="FILE", help="new file for the program's key")
    file: Path | None = parser.parse_args().index_key
    missing = [name for name in ("DAYLIGHT_ELASTICSEARCH", "ELASTIC_PASSWORD") if not os.environ.get(name)]
    if missing:
        sys.stderr.write(f"set {' and '.join(missing)}\n")
        return 3
    if file is not None and file.exists():
        sys.stderr.write(f"{file} is there already; move it away\n")
        return 2
    with Elasticsearch(
        os.environ["DAYLIGHT_ELASTICSEARCH"],
        ca_certs=os.environ.get("DAYLIGHT_ELASTICSEARCH_CA"),
        basic_auth=("elastic", os.environ["ELASTIC_PASSWORD"]),
    ) as admin:
        try:
            keys = make_keys(admin)
        except DaylightError as error:
            sys.stderr.write(f"{error}\n")
            return 4
    if file is not None:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(keys.pop("index") + "\n")
    sys.stdout.write(json.dumps(keys) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
