"""A real Elasticsearch for the tests of a session, and engines on it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.protocol import INDEX_PREFIX

_number = itertools.count(1)


@contextmanager
def fresh(cluster: Cluster) -> Iterator[ElasticsearchEngine]:
    """Give an engine of a request that no other test uses; its index is gone afterwards."""
    engine = ElasticsearchEngine(cluster, f"2026-{os.getpid()}-{next(_number):04d}")
    try:
        yield engine
    finally:
        engine.drop()
        engine.close()


@contextmanager
def emptied(engine: ElasticsearchEngine) -> Iterator[ElasticsearchEngine]:
    """Empty an engine's index and give another engine on it, which knows nothing of what was there.

    Making an index takes longer than all that a small collection is asked.
    """
    engine.create()
    engine.connection.client().delete_by_query(index=engine.load_alias, query={"match_all": {}}, refresh=True)
    again = ElasticsearchEngine(engine.connection.cluster, engine.alias.removeprefix(f"{INDEX_PREFIX}-"))
    try:
        yield again
    finally:
        again.close()
