from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.servers.elasticsearch import Server, elasticsearch, why_not
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from tests.search import elastic
from tests.search.home import Home
from tests.search.term_lists import ITEMS


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.close()


@pytest.fixture
def filled(home: Home) -> Home:
    home.fill("b000001", ITEMS[:4])
    home.fill("b000002", ITEMS[4:])
    home.index("b000001")
    home.index("b000002")
    return home


@pytest.fixture(scope="session")
def elastic_server() -> Iterator[Server]:
    """Elasticsearch 8.19, one for all tests of this process."""
    missing = why_not(8)
    if missing:
        pytest.skip(missing)
    with elasticsearch(8) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(elastic_server: Server) -> Cluster:
    return Cluster(elastic_server.url, patience_s=20.0)


@pytest.fixture
def elastic_engine(cluster: Cluster) -> Iterator[ElasticsearchEngine]:
    with elastic.fresh(cluster) as engine:
        yield engine
