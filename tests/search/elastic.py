"""A real Elasticsearch for the tests of a session, and engines on it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from search.elasticsearch import Cluster, ElasticsearchEngine

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
