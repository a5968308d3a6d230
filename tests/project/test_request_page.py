"""The page of the request file against what reads it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from desk.request import Custodian, Request, RuledOut, Source, parse_request
from tests.project.test_docs import first_column

TEXT = (Path(__file__).parents[2] / "docs/request.md").read_text("utf-8")


def test_its_example_is_taken():
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    found = parse_request(tomllib.loads(example), "docs/request.md")
    assert [source.id for source in found.sources] == ["lee-mail", "lee-phone"]
    assert found.sources[1].kept_back == 12


@pytest.mark.parametrize(
    ("heading", "model", "elsewhere"),
    [
        ("Keys", Request, {"custodians", "sources"}),
        ("Keys of a place ruled out", RuledOut, set()),
        ("Keys of a custodian", Custodian, set()),
        ("Keys of a source", Source, set()),
    ],
)
def test_every_key_has_a_row_and_no_row_is_left_over(heading, model, elsewhere):
    assert set(first_column(TEXT, heading)) == set(model.model_fields) - elsewhere
