"""Fetching exports: never asked for twice, downloads that go on, files that are checked, then read."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import exports
from desk.home import Home
from desk.register import enter
from desk.request import parse_request
from desk.run import collect, open_run, plan
from desk.topping_up import amend
from records import canonical
from records import tables as t
from records.errors import AccessError, AlreadyRunning, CheckFailed, Incomplete, Retryable, UsageError
from records.ledger import ledger
from records.settings import Settings
from tests.connectors.packages import ANA, Mail, PurviewItem, PurviewPackage, VaultPackage
from tests.servers.purview import CASE, SEARCH, PurviewService
from tests.servers.vault import MATTER, VaultService, new_key
from tests.servers.web import Fault, Served

MAILS = [Mail(n) for n in range(4)]
BODY = {
    "text": "bus route",
    "received_on": date(2026, 9, 8),
    "terms": "",
    "window": {
        "from": datetime(2025, 1, 1, tzinfo=UTC).date(),
        "to": datetime(2025, 12, 31, tzinfo=UTC).date(),
    },
    "custodians": [{"id": "c1", "name": "Ana", "emails": [ANA]}],
}
VAULT = {
    "id": "v1", "connector": "vault_export", "custodian": "c1", "connection": "google",
    "options": {"matter": MATTER},
}  # fmt: skip
PURVIEW = {
    "id": "p1", "connector": "purview_export", "custodian": "c1", "connection": "microsoft",
    "options": {"case": CASE, "search": SEARCH},
}  # fmt: skip


@pytest.fixture(scope="module")
def key() -> str:
    return new_key()


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Iterator[Home]:
    monkeypatch.setattr(exports, "_PAUSE_S", 0.0)
    made = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    yield made
    made.close()


@pytest.fixture
def vault(key: str, monkeypatch) -> Iterator[tuple[VaultService, Served]]:
    package = VaultPackage("daylight", MAILS).build(per_zip=2, sums=False)
    service = VaultService(package=package)
    with service.serve() as served:
        _connect(monkeypatch, service.connection(served, key))
        yield service, served


@pytest.fixture
def purview(monkeypatch) -> Iterator[tuple[PurviewService, Served]]:
    items = [PurviewItem(f"Exchange/{ANA}/Inbox/{mail.number}.eml", mail.raw) for mail in MAILS]
    service = PurviewService(package=PurviewPackage(items).build())
    with service.serve() as served:
        _connect(monkeypatch, service.connection(served))
        yield service, served


def _connect(monkeypatch, connection) -> None:
    stated = {
        "conn_type": "generic", "host": connection.host, "login": connection.login,
        "password": connection.secret, "extra": dict(connection.extra),
    }  # fmt: skip
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection.id.upper()}", json.dumps(stated))


def opened(home: Home, *sources: dict) -> str:
    return enter(home, parse_request({**BODY, "sources": list(sources)}, "test"), "", by="pro")


def fetch(home: Home, request_id: str, source_id: str = "v1", **given):
    return exports.fetch(home, request_id, source_id, by="pro", poll_s=0.0, **given)


def log(home: Home) -> list[dict]:
    with home.catalogue.read() as connection:
        entries = connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq))
        found = [canonical.loads(entry) for entry in entries]
    return [entry for entry in found if entry["action"].startswith("export_")]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- the good way --------------------------------------------------------------------------------------


def test_a_vault_export_is_asked_for_waited_for_downloaded_and_then_read(home, vault):
    service, _ = vault
    service.looks = 3
    request_id = opened(home, VAULT)
    said: list[str] = []
    done = fetch(home, request_id, say=said.append)
    size = sum(map(len, service.package.values()))
    assert done == {"outcome": "fetched", "files": len(service.package), "bytes": size, "partly": 0}
    package = files(exports.folder_of(home, request_id, "v1"))
    sums = package.pop(exports.SUMS).decode().splitlines()
    assert package == service.package
    assert len(sums) == len(service.package)
    assert "source v1: the service keeps the files until about 2026-12-15" in said
    assert [entry["action"] for entry in log(home)] == ["export_asked", "export_fetched"]
    open_run(home, request_id, "local-1")
    planned = plan(home, request_id, "local-1")
    collect(home, request_id, "local-1", [batch for group in planned["groups"] for batch in group])
    found = {scope.scope: scope for scope in ledger(home.catalogue, request_id).scopes}
    mine = found[f"daylight/{ANA}"]
    assert (mine.expected, mine.expected_by, mine.stored, mine.balanced) == (4, "result counts", 4, True)


def test_a_purview_export_likewise(home, purview):
    service, _ = purview
    service.looks = 2
    request_id = opened(home, PURVIEW)
    assert fetch(home, request_id, "p1")["outcome"] == "fetched"
    assert files(exports.folder_of(home, request_id, "p1")) == service.package
    open_run(home, request_id, "local-1")
    planned = plan(home, request_id, "local-1")
    collect(home, request_id, "local-1", [batch for group in planned["groups"] for batch in group])
    found = {scope.scope: scope for scope in ledger(home.catalogue, request_id).scopes}
    mine = found[f"exchange/{ANA}"]
    assert (mine.expected, mine.expected_by, mine.stored, mine.balanced) == (4, "item report", 4, True)


def test_a_run_before_the_export_is_here_says_what_to_do(home, vault):
    request_id = opened(home, VAULT)
    open_run(home, request_id, "local-1")
    with pytest.raises(AccessError, match=rf"`daylight exports fetch {request_id} v1` asks for it"):
        plan(home, request_id, "local-1")


# --- never twice ---------------------------------------------------------------------------------------


def test_fetching_again_asks_for_nothing_and_downloads_nothing(home, vault):
    service, served = vault
    request_id = opened(home, VAULT)
    fetch(home, request_id)
    before = len(served.requests)
    assert fetch(home, request_id)["outcome"] == "here"
    assert len(served.requests) == before
    assert len(service.exports) == 1


def test_an_export_whose_record_was_lost_is_found_by_its_name(home, vault):
    service, served = vault
    request_id = opened(home, VAULT)
    served.faults.append(Fault(r"^POST /v1/matters", cut_after=5))
    with pytest.raises(Retryable, match="cut off while an export was asked for"):
        exports.ask(home, request_id, "v1", by="pro")
    assert len(service.exports) == 1  # it was created all the same
    assert fetch(home, request_id)["outcome"] == "fetched"
    assert len(service.exports) == 1
    assert [entry["action"] for entry in log(home)] == ["export_known", "export_fetched"]


def test_an_export_that_the_request_file_names_is_never_created(home, vault):
    service, _ = vault
    request_id = opened(home, VAULT)
    fetch(home, request_id)
    named = opened(home, {**VAULT, "options": {"matter": MATTER, "export": "exportly-1"}})
    assert fetch(home, named)["outcome"] == "fetched"
    assert len(service.exports) == 1
    with pytest.raises(UsageError, match="`export` in options names the export"):
        fetch(home, named, again=True)


def test_another_export_is_asked_for_only_when_told(home, vault):
    service, _ = vault
    request_id = opened(home, VAULT)
    fetch(home, request_id)
    package = exports.folder_of(home, request_id, "v1")
    old = files(package)
    service.package = VaultPackage("daylight", MAILS[:1]).build(sums=False)
    assert fetch(home, request_id, again=True)["outcome"] == "fetched"
    assert [body["name"] for body in service.bodies] == [
        f"daylight-{request_id}-v1",
        f"daylight-{request_id}-v1-2",
    ]
    assert files(package).keys() >= service.package.keys()
    assert files(package.with_name("v1.1")) == old  # what was collected from is kept


def test_not_while_the_last_one_is_being_made(home, vault):
    service, _ = vault
    service.looks = 100
    request_id = opened(home, VAULT)
    with pytest.raises(Incomplete, match="making the export"):
        fetch(home, request_id, wait=False)
    with pytest.raises(UsageError, match="still being made; fetch without --again"):
        fetch(home, request_id, again=True)
    assert len(service.exports) == 1


def test_two_processes_do_not_fetch_one_source_at_once(home, vault):
    service, served = vault
    request_id = opened(home, VAULT)
    served.faults.append(Fault(r"^GET /v1/matters", wait_s=0.6))
    first = threading.Thread(target=exports.ask, args=(home, request_id, "v1"), kwargs={"by": "pro"})
    first.start()
    while not served.requests:
        pass
    with pytest.raises(AlreadyRunning, match="is being fetched by another process"):
        exports.ask(home, request_id, "v1", by="pro")
    first.join()
    assert len(service.exports) == 1


# --- downloads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["v1", "p1"])
def test_half_a_download_goes_on_where_it_broke_off(home, vault, purview, which):
    (service, served), source = (vault, VAULT) if which == "v1" else (purview, PURVIEW)
    request_id = opened(home, source)
    served.faults += [Fault(r"^GET /(storage|ediscovery)", cut_after=200, skip=1, times=1)]
    assert fetch(home, request_id, which)["outcome"] == "fetched"
    got = files(exports.folder_of(home, request_id, which))
    got.pop(exports.SUMS, None)
    assert got == service.package
    resumed = [line for line in service.ranges if line]
    assert len(resumed) == 1
    assert 0 < int(resumed[0].removeprefix("bytes=").rstrip("-")) <= 200


@pytest.mark.parametrize("kill_at", [1, 2, 3, 4])
def test_killed_between_files_it_goes_on_and_reads_no_file_twice(home, vault, monkeypatch, kill_at):
    service, served = vault
    request_id = opened(home, VAULT)

    class Killed(BaseException): ...

    whole = exports._take_file
    taken = 0

    def until_killed(*arguments):
        nonlocal taken
        if taken == kill_at:
            raise Killed
        taken += 1
        whole(*arguments)

    monkeypatch.setattr(exports, "_take_file", until_killed)
    with pytest.raises(Killed):
        fetch(home, request_id)
    assert not exports.folder_of(home, request_id, "v1").exists()  # nothing that looks finished
    monkeypatch.setattr(exports, "_take_file", whole)
    assert fetch(home, request_id)["outcome"] == "fetched"
    downloads = [line for line in served.requests if line.startswith("GET /storage")]
    assert len(downloads) == len(set(downloads)) == len(service.package)


def test_a_service_without_ranges_is_read_from_the_start_again(home, vault):
    service, served = vault
    service.ignores_ranges = True
    served.faults += [Fault(r"^GET /storage", cut_after=200)]
    request_id = opened(home, VAULT)
    fetch(home, request_id)
    got = files(exports.folder_of(home, request_id, "v1"))
    got.pop(exports.SUMS)
    assert got == service.package


def test_a_download_that_breaks_off_at_the_same_place_each_time_ends(home, vault):
    _, served = vault
    served.faults += [Fault(r"^GET /storage", cut_after=0, times=None)]
    request_id = opened(home, VAULT)
    with pytest.raises(Retryable, match="breaks off at the same place each time; what came is kept"):
        fetch(home, request_id)


def test_a_wrong_sum_is_tried_once_more_and_then_refused(home, vault):
    service, served = vault
    request_id = opened(home, VAULT)
    exports.ask(home, request_id, "v1", by="pro")
    exports.look(home, request_id, "v1")
    name = next(iter(service.objects))
    right = service.objects[name]
    service.objects[name] = right[:-1] + b"\x01"
    with pytest.raises(
        CheckFailed, match=r"^source v1: file 1: its size or sum is not what the service states"
    ):
        fetch(home, request_id)
    assert not exports.folder_of(home, request_id, "v1").exists()
    assert len([line for line in served.requests if line.startswith("GET /storage")]) == 2
    service.objects[name] = right
    assert fetch(home, request_id)["outcome"] == "fetched"


def test_a_file_of_another_size_is_refused(home, purview):
    service, _ = purview
    request_id = opened(home, PURVIEW)
    name = next(iter(service.package))
    shown = service._shown

    def longer(request, operation):
        answer = shown(request, operation)
        for one in answer.get("exportFileMetadata", ()):
            one["size"] -= 1
        return answer

    service._shown = longer
    with pytest.raises(CheckFailed, match="its size or sum"):
        fetch(home, request_id, "p1")
    assert name in service.package


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_waited_for(home, vault, status):
    service, served = vault
    served.faults += [
        Fault(r"^GET /storage", status=status, headers={"Retry-After": "0"}),
        Fault(r"^GET /v1/matters/[^/]+/exports/", status=status, headers={"Retry-After": "0"}),
    ]
    request_id = opened(home, VAULT)
    assert fetch(home, request_id)["outcome"] == "fetched"
    assert len(service.exports) == 1


def test_a_token_that_expires_on_the_way_is_renewed(home, purview):
    service, _ = purview
    request_id = opened(home, PURVIEW)
    exports.ask(home, request_id, "p1", by="pro")
    service.entra.forget()
    assert fetch(home, request_id, "p1")["outcome"] == "fetched"


# --- what can become of an export ----------------------------------------------------------------------


def test_an_export_that_failed_says_so_and_another_can_be_asked_for(home, vault):
    service, _ = vault
    service.ends = "FAILED"
    request_id = opened(home, VAULT)
    with pytest.raises(AccessError, match="the export failed at the service; look at it there"):
        fetch(home, request_id)
    service.ends = "COMPLETED"
    assert fetch(home, request_id, again=True)["outcome"] == "fetched"


def test_an_export_whose_files_are_gone(home, vault):
    service, _ = vault
    request_id = opened(home, VAULT)
    exports.ask(home, request_id, "v1", by="pro")
    exports.look(home, request_id, "v1")
    service.expire()
    with pytest.raises(AccessError, match=r"the files of the export are gone: .* 15 days .*--again"):
        fetch(home, request_id)


def test_an_export_that_the_service_knows_no_more(home, purview):
    service, _ = purview
    request_id = opened(home, PURVIEW)
    exports.ask(home, request_id, "p1", by="pro")
    service.operations.clear()
    with pytest.raises(AccessError, match=r"knows the export no more; .* 14 days\. Fetch with --again"):
        fetch(home, request_id, "p1")


def test_a_wrong_id_of_an_export_is_told_and_can_be_corrected(home, purview, tmp_path):
    service, _ = purview
    request_id = opened(home, {**PURVIEW, "options": {**PURVIEW["options"], "operation": "nope"}})
    with pytest.raises(AccessError, match="no such export, or no more; check `operation` in options"):
        fetch(home, request_id, "p1")
    other = opened(home, PURVIEW)
    exports.ask(home, other, "p1", by="pro")
    [operation] = service.operations
    (tmp_path / "terms.csv").write_text("term\nbus\n", "utf-8")
    (tmp_path / "request.toml").write_text(CORRECTED.format(operation=operation), "utf-8")
    amend(home, request_id, tmp_path / "request.toml", by="pro", why="the right id")
    assert fetch(home, request_id, "p1")["outcome"] == "fetched"
    assert len(service.bodies) == 1


CORRECTED = f"""
text = "bus route"
received_on = 2026-09-08
terms = "terms.csv"
window = {{{{ from = 2025-01-01, to = 2025-12-31 }}}}
custodians = [{{{{ id = "c1", name = "Ana", emails = ["{ANA}"] }}}}]
[[sources]]
id = "p1"
connector = "purview_export"
custodian = "c1"
connection = "microsoft"
options = {{{{ case = "{CASE}", search = "{SEARCH}", operation = "{{operation}}" }}}}
"""


def test_an_export_that_runs_for_too_long(home, vault):
    service, _ = vault
    service.looks = 100
    request_id = opened(home, VAULT)
    exports.ask(home, request_id, "v1", by="pro")
    place = exports._Place(exports.folder_of(home, request_id, "v1"))
    long_ago = canonical.utc_text(datetime.now(UTC) - timedelta(days=9))
    place.keep(dataclasses.replace(place.known(), asked_at=long_ago))
    with pytest.raises(AccessError, match="running for more than 8 days and will not end"):
        fetch(home, request_id)


def test_an_export_that_is_done_in_part_is_fetched_and_said(home, purview):
    service, _ = purview
    service.ends = "partiallySucceeded"
    request_id = opened(home, PURVIEW)
    assert fetch(home, request_id, "p1")["partly"] == 1
    assert log(home)[-1]["partly"] is True


# --- who may -------------------------------------------------------------------------------------------


def test_only_sources_of_an_api_are_fetched(home, tmp_path, vault):
    request_id = opened(
        home, VAULT, {"id": "m1", "connector": "mail_files", "custodian": "c1", "path": str(tmp_path)}
    )
    with pytest.raises(UsageError, match=r"^source m1 of request .* such are: v1$"):
        fetch(home, request_id, "m1")


def test_nothing_is_fetched_for_a_closed_request(home, vault):
    request_id = opened(home, VAULT)
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed"):
        fetch(home, request_id)


def test_no_secret_and_no_address_is_kept(home, vault):
    request_id = opened(home, VAULT)
    fetch(home, request_id)
    folder = exports.folder_of(home, request_id, "v1").parent
    kept = (folder / ".v1.json").read_text() + json.dumps(log(home))
    for word in ("PRIVATE KEY", "ya29", ANA, "http"):
        assert word not in kept
