"""Fixtures of the review room."""

from __future__ import annotations

import pytest

from tests.review.build import small


@pytest.fixture
def desk(tmp_path):
    """The small request, and its items by name."""
    made, names = small(tmp_path / "home")
    yield made, names
    made.close()
