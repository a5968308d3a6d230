from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.close()
