from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from release.keys import home_key
from release.package import approve, build_draft, package
from tests.release.scenario import full_scenario
from tests.release.talk import Made, talk, told
from tests.release.world import REQUEST, new_world


@pytest.fixture(autouse=True)
def _fast_disk(request, monkeypatch):
    """A test survives no power cut; those marked otherwise watch what is synced."""
    if "real_fsync" not in request.fixturenames:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def real_fsync():
    """Asks for the disk as it is."""


@pytest.fixture(scope="session")
def opened_home(tmp_path_factory):
    """A home with one open, empty request; copied for each test, since making the tables takes a while."""
    home = tmp_path_factory.mktemp("opened") / "home"
    world = new_world(home)
    world.store.close()
    world.catalogue.close()
    return home


@pytest.fixture
def world(tmp_path, opened_home):
    shutil.copytree(opened_home, tmp_path / "home")
    made = new_world(tmp_path / "home")
    yield made
    made.store.close()
    made.catalogue.close()


@pytest.fixture(scope="session")
def full_home(tmp_path_factory, opened_home):
    """The full scenario, with what it knows; copied for each test."""
    home = tmp_path_factory.mktemp("full") / "home"
    shutil.copytree(opened_home, home)
    scenario = full_scenario(new_world(home))
    scenario.world.store.close()
    scenario.world.catalogue.close()
    return scenario


def opened_copy(old, home):
    """A scenario with a home of its own."""
    shutil.copytree(old.world.home, home)
    known = {name: getattr(old.world, name) for name in ("count", "segments", "decided", "top", "levels")}
    return replace(old, world=replace(new_world(home), **known), key=home_key(home))


@pytest.fixture
def scenario(tmp_path, full_home):
    made = opened_copy(full_home, tmp_path / "home")
    yield made
    made.world.store.close()
    made.world.catalogue.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory, opened_home):
    """Conversations with every kind of message, drafted, approved and packaged; only to be read."""
    place = tmp_path_factory.mktemp("talk")
    shutil.copytree(opened_home, place / "home")
    world = new_world(place / "home")
    ids = talk(world)
    key = home_key(place / "home")
    draft = build_draft(world.catalogue, world.store, REQUEST, place / "draft", context=told())
    approve(world.catalogue, REQUEST, draft.manifest_sha256, "R. Officer", "approved")
    package(world.catalogue, world.store, REQUEST, place / "out", context=told(), key=key)
    yield Made(world, ids, key, place / "home", place / "out")
    world.store.close()
    world.catalogue.close()
