from __future__ import annotations

import pytest

from tests.release.world import World, new_world


@pytest.fixture
def world(tmp_path):
    made = new_world(tmp_path / "home")
    yield made
    made.store.close()
    made.catalogue.close()


@pytest.fixture
def empty_world(world) -> World:
    return world
