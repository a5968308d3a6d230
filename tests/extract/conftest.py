"""What tests of several readers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.servers.tika import tika
from extract.tika_server import ServedWorker
from extract.workers import Worker


@pytest.fixture(scope="module", params=["tika", pytest.param("tika_server", marks=pytest.mark.services)])
def both_tikas(request: pytest.FixtureRequest) -> Iterator[Worker | ServedWorker]:
    """Each reader of documents: the embedded Tika, and a real server."""
    if request.param == "tika":
        with Worker() as one:
            yield one
        return
    with tika() as server:
        served = ServedWorker(server.url)
        yield served
        served.close()
