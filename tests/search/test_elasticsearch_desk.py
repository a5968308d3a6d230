"""A whole request on the real server: run, searched, rebuilt; and the settings that lead there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from desk.doctor import checks
from desk.home import cluster
from examples.servers.elasticsearch import Server
from examples.servers.temporary import free_port
from records.errors import SettingsError
from records.settings import Settings, load_settings
from tests.command import daylight, lines
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

KEY = "DAYLIGHT_ELASTICSEARCH_API_KEY"


@pytest.mark.services
@pytest.mark.slow
def test_a_request_on_the_cluster(
    elastic_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYLIGHT_ELASTICSEARCH", elastic_server.url)
    (tmp_path / "mail").mkdir()
    for n in range(6):
        (tmp_path / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    home = tmp_path / "home"
    daylight(home, "open", request_file(tmp_path, "mail"), "--by", "P. Officer")
    done = daylight(home, "run", "2026-0001", "--local")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "complete"
    assert not (home / "requests/2026-0001/index").exists()
    counted = json.loads(daylight(home, "search", "2026-0001", "bus w/3 route", "--count").stdout)
    assert counted == {"documents": 6, "families": 6, "distinct": 6}
    with Elasticsearch(elastic_server.url) as client:
        assert client.count(index="daylight-2026-0001")["count"] == 6  # what people read
        assert list(client.indices.get(index="daylight-2026-0001-v*")) == ["daylight-2026-0001-v000001"]
        rebuilt = daylight(home, "reindex", "2026-0001")
        assert json.loads(rebuilt.stdout)["documents"] == 6, rebuilt.stderr
        assert list(client.indices.get(index="daylight-2026-0001-v*")) == ["daylight-2026-0001-v000002"]
        assert client.count(index="daylight-2026-0001")["count"] == 6
        found = {check["check"]: check for check in lines(daylight(home, "doctor"))}
        assert found["elasticsearch"]["found"] == "Elasticsearch 8.19.8"
        client.indices.delete(index="daylight-2026-0001-v000002")
    lost = daylight(home, "run", "2026-0001", "--local")
    assert lost.returncode != 0  # an index that is gone is said aloud, never a request without hits
    assert "reindex" in lost.stderr


def settings(tmp_path: Path, **given: object) -> Settings:
    return Settings(home=tmp_path, **given)


def test_the_key_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("of-the-file\n", "utf-8")
    there = settings(tmp_path, elasticsearch="https://es.example:9200", elasticsearch_api_key_file=file)
    assert cluster(there).api_key == "of-the-file"
    monkeypatch.setenv(KEY, "of-the-environment")
    assert cluster(there).api_key == "of-the-environment"
    assert "of-the-" not in repr(cluster(there))
    assert "of-the-" not in repr(load_settings(tmp_path))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"elasticsearch": "es.example:9200"}, "DAYLIGHT_ELASTICSEARCH is an address"),
        ({"elasticsearch": "https://elastic:pw@es.example"}, "without a password"),
        ({"elasticsearch": "http://es.example:9200"}, "in the clear"),
        ({"elasticsearch": "https://es.example", "elasticsearch_ca": Path("/nothing")}, "CA names no file"),
    ],
)
def test_settings_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], named: str
) -> None:
    monkeypatch.setenv(KEY, "secret")
    with pytest.raises(SettingsError, match=named):
        cluster(settings(tmp_path, **given))


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    there = settings(tmp_path, elasticsearch="https://x", elasticsearch_api_key_file=tmp_path / "none")
    with pytest.raises(SettingsError, match="API_KEY_FILE cannot be read"):
        cluster(there)


def test_the_doctor_says_that_nobody_answers(tmp_path: Path) -> None:
    there = settings(tmp_path, elasticsearch=f"http://127.0.0.1:{free_port()}")
    found = {check["check"]: check for check in checks(there)}["elasticsearch"]
    assert (found["ok"], found["found"]) == (False, "the search cluster does not answer")
    assert "docs/elasticsearch.md" in found["do"]
