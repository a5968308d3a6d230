"""OneDrive, SharePoint and shared files through Graph: what is read, what goes wrong, what is told."""

from __future__ import annotations

import io
import logging
import traceback
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors import graph_files
from connectors.graph_hashes import Sum, agrees, quick_xor
from connectors.microsoft_graph import MicrosoftGraph
from records.errors import AccessError, CursorExpired, ItemError, SettingsError
from records.models import ExcludedItem, FailedItem, FoundItem, Part, Scope, Unreached, Window
from records.vocabulary import Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything
from tests.connectors.built_graph import ACCOUNT, SHARED, SITE, context_of, with_files
from tests.connectors.collecting import collected, until_done
from tests.servers import graph_files as fake
from tests.servers.graph import FILES, MAIL, Graph
from tests.servers.graph_files import SELECTED, SITES, TOKEN, Files, Item, Version
from tests.servers.web import Fault, Served

ONE = Scope("files/b!ana", "OneDrive", "drive")


@pytest.fixture(scope="module")
def server():
    """Return one server for all tests: each puts its own tenant behind it."""
    with Served(Graph().app()) as made:
        yield made


@pytest.fixture
def graph():
    made = Graph()
    made.store.mailbox(ACCOUNT)
    return made


@pytest.fixture
def served(server, graph):
    server.faults.clear()
    server.requests.clear()
    return server


@pytest.fixture
def files(served, graph):
    """Return what serves drives; behind the server from now on."""
    graph.entra.rights.add(SITES)
    made = Files(graph)
    served.app = graph.app()
    return made


@pytest.fixture
def drive(files):
    return files.drive("b!ana", of=ACCOUNT)


def fill(drive: fake.Drive, count: int) -> list[Item]:
    return [
        drive.add(Item(f"01F{number}", f"{SECRET} {number}.txt", b"%d" % number * 9, created=made_on(number)))
        for number in range(count)
    ]


def made_on(number: int) -> str:
    return f"2025-03-{number + 1:02}T10:00:00Z"


def connect(served: Served, *, about: dict[str, Any] | None = None, **options: str) -> MicrosoftGraph:
    given = {"places": ("files",), **(about or {})}
    return MicrosoftGraph(context_of(served.url, options=options, **given))


def run(home: Path, served: Served, *, about: dict[str, Any] | None = None, **given: Any):
    context = context_of(served.url, **{"places": ("files",), "options": {}, **(about or {})})
    return collected(home, MicrosoftGraph, context, **given)


def found_in(source: MicrosoftGraph, scope: Scope = ONE, window: Window = ALWAYS):
    return [value for part in source.parts(scope, 10_000, 1 << 30) for value in source.items(part, window)]


# --- what is there ---


def test_a_file_has_the_facts_the_service_gives(served, files, drive):
    drive.folder("01A", "Plans")
    drive.folder("01B", "2025", "01A")
    computer = {"createdDateTime": "2019-01-01T00:00:00Z", "lastModifiedDateTime": "2019-02-01T00:00:00Z"}
    drive.add(Item("01Z", "route.docx", b"words", "01B", more={"fileSystemInfo": computer}))
    [item], data = everything(connect(served), ONE)
    assert data == {"01Z": b"words"}
    assert item == FoundItem(
        native_key="01Z",
        kind=Kind.FILE,
        cursor="f1:2025-03-04T18:20:34Z|01Z||",
        name="route.docx",
        media_type="application/octet-stream",
        size_bytes=5,
        moment=item.moment,
        metadata={
            "file_id": "01Z",
            "change": '"c:{01Z},5"',
            "created": "2025-03-04T18:20:34Z",
            "modified": "2025-03-05T18:20:34Z",
            "created_by": "Ana Ruiz <ana@example.org>",
            "modified_by": "Lee Okafor <lee@example.org>",
            "created_there": "2019-01-01T00:00:00Z",
            "modified_there": "2019-02-01T00:00:00Z",
            "address": "https://district.sharepoint.example/b!ana/route.docx",
            "folder": "Plans/2025",
            "drive": "OneDrive",
        },
    )
    assert item.moment.text == "2025-03-05T18:20:34Z"


def test_every_place_is_listed_and_what_is_not_reached_says_why(served, graph):
    with_files(graph)
    served.app = graph.app()
    places = ("files", "sites", "shared")
    source = connect(served, about={"places": places}, sites=SITE, shared=SHARED)
    source.check()
    assert [(scope.key, scope.label, scope.kind) for scope in source.scopes()] == [
        ("files/b!ana", "OneDrive", "drive"),
        ("sites/b!board", "Board/Documents", "library"),
        ("sites/b!budget", "Board/Budget/Documents", "library"),
        ("shared/b!lee/02D", f"{SECRET} shared", "shared"),
    ]
    there = [one for one in source.unreached() if one.key.partition("/")[0] in places]
    assert [(one.key, one.reach, one.detail) for one in there] == [
        ("files/recycle_bin", Reach.NOT_BY_THIS_ROUTE, "recycle_bin"),
        ("files/preservation_hold", Reach.NOT_BY_THIS_ROUTE, "preservation_hold"),
        ("sites/recycle_bin", Reach.NOT_BY_THIS_ROUTE, "recycle_bin"),
        ("sites/preservation_hold", Reach.NOT_BY_THIS_ROUTE, "preservation_hold"),
        ("sites/lists", Reach.NOT_BY_THIS_ROUTE, "lists"),
        ("shared/others", Reach.NOT_BY_THIS_ROUTE, "shared_with_me"),
    ]


def test_sites_and_shared_files_that_nobody_named_are_not_asked_for(served, files, drive):
    source = connect(served, about={"places": ("files", "sites", "shared")})
    assert [scope.key for scope in source.scopes()] == ["files/b!ana"]
    unreached = {one.key: one.reach for one in source.unreached()}
    assert unreached["sites/none"] is Reach.NOT_ASKED
    assert not [line for line in served.requests if "/sites/" in line or "/shares/" in line]


def test_a_query_narrows_files_down(served, files, drive):
    fill(drive, 5)
    drive.folder("01B", "bus plans")
    drive.add(Item("01X", "the board's bus.txt", b"x"))
    drive.add(Item("01Y", "other.txt", b"the Bus is late"))
    found = found_in(connect(served, files_query="bus"))
    assert [item.native_key for item in found] == ["01X", "01Y"]
    assert [item.native_key for item in found_in(connect(served, files_query="board's"))] == ["01X"]
    assert not [line for line in served.requests if "/delta" in line]


@pytest.mark.parametrize(
    ("facets", "reason", "detail"),
    [
        ({"package": {"type": "oneNote"}, "folder": {}}, Reason.UNSUPPORTED, "package_oneNote"),
        ({"package": {"type": "a name?"}}, Reason.UNSUPPORTED, "package"),
        ({"bundle": {"childCount": 2}}, Reason.UNSUPPORTED, "no_file"),
        ({"malware": {"description": "x"}, "file": {}}, Reason.REFUSED_BY_SOURCE, "malware"),
        ({"remoteItem": {"id": "1", "folder": {}}}, Reason.UNSUPPORTED, "shortcut_to_folder"),
    ],
)
def test_what_has_no_bytes_is_failed_by_name(served, files, drive, facets, reason, detail):
    drive.add(Item("01N", "notes", None, more=facets))
    [item] = found_in(connect(served))
    cursor = "f1:2025-03-04T18:20:34Z|01N||"
    assert item == FailedItem("01N", Kind.FILE, cursor, reason, detail, "notes")


def test_a_shortcut_is_the_file_it_leads_to_as_it_is_now(served, files, drive):
    files.drive("b!lee").add(Item("02A", "theirs.txt", b"theirs"))
    there = {"id": "02A", "size": 6, "file": {}, "parentReference": {"driveId": "b!lee"}}
    drive.add(Item("01S", "link.txt", None, more={"remoteItem": there}))
    [item], data = everything(connect(served), ONE)
    assert data == {"01S": b"theirs"}
    assert item.warnings == (WarningCode.AS_OF_NOW,)
    assert item.metadata["shortcut_to"] == "b!lee/02A"


def test_a_file_that_was_shared_is_read_by_its_address(served, files, drive):
    drive.add(Item("01A", "alone.txt", b"alone"))
    files.shared[SHARED] = ("b!ana", "01A")
    source = connect(served, about={"places": ("shared",)}, shared=f"{SHARED}, {SHARED}")
    [scope] = source.scopes()
    assert everything(source, scope)[1] == {"01A": b"alone"}


# --- order, parts, cursors ---


def test_a_drive_is_cut_by_creation_into_no_more_parts_than_it_can_bear(served, files, drive, monkeypatch):
    fill(drive, 9)
    source = connect(served)
    parts = list(source.parts(ONE, 4, 1 << 30))
    assert [(part.items, part.size_bytes) for part in parts] == [(4, 36), (4, 36), (1, 9)]
    assert parts[1].spec == '{"before":"2025-03-09T10:00:00Z","first":"2025-03-05T10:00:00Z","v":1}'
    monkeypatch.setattr(graph_files, "MOST_PARTS", 2)
    assert [part.items for part in source.parts(ONE, 1, 1 << 30)] == [5, 4]
    assert [part.size_bytes for part in source.parts(ONE, 100, 1)] == [36, 36, 9]
    with pytest.raises(SettingsError, match="plan the run again"):
        list(source.items(Part(ONE, 0, '{"v": 9}'), ALWAYS))
    with pytest.raises(CursorExpired):
        list(source.items(Part(ONE), ALWAYS, "q7:other"))


def test_a_drive_is_listed_once_for_all_its_parts(tmp_path, served, files, drive):
    drive.folder("01D", f"{SECRET} plans")
    items = fill(drive, 9)
    items[7].parent = "01D"
    about = {"scratch": str(tmp_path / "scratch")}

    def listings() -> int:
        return len([line for line in served.requests if "/root/delta" in line and "token" not in line])

    parts = list(connect(served, about=about).parts(ONE, 4, 1 << 30))
    assert listings() == 1
    [kept] = (tmp_path / "scratch").iterdir()
    assert all(f'"list":"{kept.name}"' in part.spec for part in parts)
    read = [list(connect(served, about=about).items(part, ALWAYS)) for part in parts]
    assert listings() == 1
    anew = [list(connect(served).items(part, ALWAYS)) for part in parts]  # without the folder
    assert listings() == 4
    assert read == anew
    assert [value.metadata.get("folder") for values in read for value in values][7] == f"{SECRET} plans"
    # a list that is not whole is not used
    kept.write_bytes(kept.read_bytes()[:-30])
    assert list(connect(served, about=about).items(parts[0], ALWAYS)) == anew[0]
    assert listings() == 5
    # the list of another round takes its place
    drive.add(Item("01G", "new.txt", b"new", created=made_on(20)))
    parts = list(connect(served, about=about).parts(ONE, 4, 1 << 30))
    assert [one for one in (tmp_path / "scratch").iterdir() if one.name == kept.name] == []
    assert [value.native_key for value in connect(served, about=about).items(parts[-1], ALWAYS)] == [
        "01F8",
        "01G",
    ]


@pytest.mark.parametrize("versions", ["no", "yes"])
def test_a_kill_at_each_item_and_page_loses_and_doubles_nothing(
    tmp_path, served, files, drive, monkeypatch, versions
):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    items = fill(drive, 5)
    items[2].versions = [Version("1.0", b"a", made_on(0)), Version("2.0", b"bb", made_on(1))]
    about = {"options": {"versions": versions}}
    result = until_done(lambda: run(tmp_path / "home", served, about=about, kill_after=1, max_items=3))
    keys = {item.id for item in items} | ({"01F2@1.0", "01F2@2.0"} if versions == "yes" else set())
    assert set(result.items) == keys
    assert result.scopes == {"files/b!ana": (None, len(keys), None, None)}
    assert files.loads == len(keys)


def test_a_top_up_takes_what_is_new_or_changed_and_tells_what_is_gone(tmp_path, served, files, drive):
    from connectors.relist import EARLIER

    first, second, third = fill(drive, 3)
    run(tmp_path / "home", served)
    drive.items.pop(first.id)
    second.data, second.modified = b"other words", "2025-06-01T00:00:00Z"
    drive.add(Item("01N", "new.txt", b"new"))
    files.loads = 0
    result = run(tmp_path / "home", served, round_no=1)
    assert files.loads == 2
    assert set(result.items) == {first.id, second.id, third.id, "01N", f"{second.id}#r1"}
    assert result.facts(f"{second.id}#r1")[EARLIER] == result.items[second.id].item_id
    assert result.outcomes == {
        first.id: "vanished",
        second.id: "changed",
        third.id: "same",
        "01N": "new",
    }


# --- the window ---


@pytest.mark.parametrize(
    ("first", "last", "inside"),
    [
        (date(2025, 3, 4), date(2025, 3, 4), True),
        (date(2025, 3, 5), date(2025, 3, 5), True),
        (date(2025, 3, 6), None, False),
        (None, date(2025, 3, 3), False),
        (None, date(2019, 5, 1), False),
    ],
)
def test_a_file_is_outside_when_all_that_is_known_of_it_is(served, files, drive, first, last, inside):
    drive.add(Item("01A", "a.txt", b"x"))
    [item] = found_in(connect(served), window=Window(first, last, ZONE))
    assert isinstance(item, FoundItem) is inside
    if not inside:
        assert (item.reason, item.name) == (Reason.OUTSIDE_WINDOW, "a.txt")


def test_the_clock_of_the_computer_it_came_from_counts(served, files, drive):
    computer = {"lastModifiedDateTime": "2019-02-01T00:00:00Z"}
    drive.add(Item("01A", "a.txt", b"x", more={"fileSystemInfo": computer}))
    [item] = found_in(connect(served), window=Window(None, date(2019, 5, 1), ZONE))
    assert isinstance(item, FoundItem)


def test_versions_are_placed_by_their_own_time(served, files, drive):
    made = [Version("1.0", b"a", "2025-01-01T00:00:00Z"), Version("2.0", b"b", "2025-03-04T20:00:00Z")]
    drive.add(Item("01A", "a.txt", b"now", versions=made))
    window = Window(date(2025, 3, 1), date(2025, 3, 31), ZONE)
    source = connect(served, versions="yes")
    values, data = everything(source, ONE, window=window)
    assert [(type(value).__name__, value.native_key) for value in values] == [
        ("FoundItem", "01A"),
        ("ExcludedItem", "01A@1.0"),
        ("FoundItem", "01A@2.0"),
    ]
    assert data == {"01A": b"now", "01A@2.0": b"b"}
    assert values[2].metadata == {
        "file_id": "01A",
        "version": "2.0",
        "change": "2.0",
        "modified": "2025-03-04T20:00:00Z",
        "modified_by": "Lee Okafor <lee@example.org>",
    }
    assert isinstance(found_in(source, window=Window(date(2031, 1, 1), None, ZONE))[0], ExcludedItem)
    assert len(found_in(source, window=Window(date(2031, 1, 1), None, ZONE))) == 1


def test_versions_that_are_refused_are_one_failure(served, files, drive):
    drive.add(Item("01A", "a.txt", b"now"))
    denied = b'{"error": {"code": "accessDenied"}}'
    served.faults.append(Fault("/versions", 403, body=denied, times=None))
    values = found_in(connect(served, versions="yes"))
    assert [value.native_key for value in values] == ["01A", "01A@versions"]
    assert (values[1].reason, values[1].detail) == (Reason.REFUSED_BY_SOURCE, "versions_accessDenied")


# --- sums ---


@pytest.mark.parametrize(
    ("data", "stated"),
    [
        ("Sg==", "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
        ("tbQ=", "taAFAAAAAAAAAAAAAgAAAAAAAAA="),
        ("0pZP", "0rDEEwAAAAAAAAAAAwAAAAAAAAA="),
        ("", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ],
)
def test_the_sum_of_short_texts_is_the_published_one(data, stated):
    import base64

    assert quick_xor(io.BytesIO(base64.b64decode(data))) == stated
    assert fake.quick_xor(base64.b64decode(data)) == stated


@pytest.mark.parametrize("size", [1, 159, 160, 161, 480, 5_000])
def test_the_sum_is_that_of_its_definition(size, monkeypatch):
    data = bytes(number * 7 % 251 for number in range(size))
    assert quick_xor(io.BytesIO(data)) == fake.quick_xor(data)
    monkeypatch.setattr("connectors.graph_hashes._BLOCK", 320)
    assert quick_xor(io.BytesIO(data)) == fake.quick_xor(data)


def test_other_sums_are_read_too():
    hashes = {"quickXorHash": "x", "sha1Hash": "F7FF9E8B7BB2E09B70935A5D785E0CC5D9D0ABF0"}
    stated = Sum.stated({"file": {"hashes": hashes}})
    assert stated == Sum("sha1", hashes["sha1Hash"])
    assert agrees(io.BytesIO(b"Hello"), stated)
    assert not agrees(io.BytesIO(b"hello"), stated)
    assert Sum.stated({"file": {}}) is None


def test_bytes_that_do_not_add_up_are_failed(tmp_path, served, files, drive):
    drive.add(Item("01A", "a.txt", b"words", wrong_sum="AAAAAAAAAAAAAAAAAAAAAAAAAAA="))
    drive.add(Item("01B", "b.txt", b"words"))
    drive.add(Item("01C", "c.txt", b"words", hashed=False))
    result = run(tmp_path / "home", served)
    row = result.items["01A"]
    assert (row.state, row.reason, row.detail) == ("failed", "unreadable", "sum_differs")
    assert result.states() == {"failed": 1, "stored": 2}


def test_a_file_that_changes_after_it_was_listed_is_taken_as_it_is(tmp_path, served, graph, files, drive):
    item = drive.add(Item("01A", "a.txt", b"before"))
    graph.happens.append(("/content", lambda: setattr(item, "data", b"after!")))
    result = run(tmp_path / "home", served)
    assert (result.items["01A"].state, result.items["01A"].size_bytes) == ("stored", 6)
    assert files.loads == 2


# --- faults ---


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", ["/delta", "/content", "/load/"])
def test_a_busy_service_is_waited_for_as_it_asks(tmp_path, served, files, drive, status, where):
    fill(drive, 2)
    served.faults.append(Fault(where, status, {"retry-after": "0.05"}))
    result = run(tmp_path / "home", served, about={"extra": {"patience_s": "20"}})
    assert result.states() == {"stored": 2}


@pytest.mark.parametrize("where", ["/delta", "/load/"])
def test_a_connection_cut_in_the_middle_is_begun_again(tmp_path, served, files, drive, where):
    fill(drive, 2)
    served.faults.append(Fault(where, cut_after=5))
    result = run(tmp_path / "home", served, about={"extra": {"patience_s": "20"}})
    assert result.states() == {"stored": 2}
    assert {row.size_bytes for row in result.items.values()} == {9}


def test_a_large_file_that_is_cut_off_is_gone_on_with_where_it_was(served, graph, files, drive):
    data = bytes(range(256)) * 4_000
    item = drive.add(Item("01A", "a.bin", data))
    files.tags = True
    source = connect(served, about={"extra": {"patience_s": "20"}})
    [found] = found_in(source)
    served.faults.append(Fault("/load/", cut_after=600_000, times=1))
    with source.open(found) as stream:
        assert stream.read() == data
    assert len(files.parts) == 1
    assert 0 < files.parts[0] <= 600_000
    # another file by then: what was taken of the first is dropped
    served.faults.append(Fault("/load/", cut_after=600_000, times=1))
    began = len([line for line in served.requests if "/content" in line])
    item.hashed = False
    [found] = found_in(source)

    def change() -> None:
        item.data = data[::-1]

    served.app = _after(served.app, "/load/", change)
    with source.open(found) as stream:
        assert stream.read() == data[::-1]
    assert len(files.parts) == 1
    assert len([line for line in served.requests if "/content" in line]) == began + 2


def _after(app: Any, path: str, then: Any) -> Any:
    """Return an application after whose first answer below a path something happens."""
    waiting = [then]

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["path"].startswith(path) and waiting:
                waiting.pop()()

    return wrapped


def test_an_address_that_is_over_is_asked_for_again(tmp_path, served, files, drive):
    fill(drive, 2)
    served.faults.append(Fault("/load/", 401))
    served.faults.append(Fault("/load/", 403, skip=1))
    result = run(tmp_path / "home", served, about={"extra": {"patience_s": "20"}})
    assert result.states() == {"stored": 2}


def test_a_list_that_is_too_old_to_go_on_with_is_begun_again(served, files, drive):
    fill(drive, 7)
    gone = b'{"error": {"code": "resyncRequired"}}'
    served.faults.append(Fault("token=3", 410, body=gone))
    assert [item.native_key for item in found_in(connect(served))] == [f"01F{number}" for number in range(7)]
    served.faults.append(Fault("token=3", 410, body=gone, times=None))
    with pytest.raises(ItemError, match="gone"):
        found_in(connect(served))


def test_a_file_that_is_deleted_while_the_drive_is_listed_is_failed(served, graph, files, drive):
    fill(drive, 7)
    source = connect(served)
    graph.happens.append(("token=6", lambda: drive.add(Item("01G", "gone", None, more={"deleted": {}}))))

    def delete() -> None:
        drive.items["01X"] = Item("01F0", "again", None, more={"deleted": {"state": "deleted"}})

    graph.happens.append(("token=6", delete))
    found = list(source.items(Part(ONE), ALWAYS))
    assert [(item.native_key, type(item).__name__) for item in found] == [
        ("01F0", "FailedItem"),
        *((f"01F{number}", "FoundItem") for number in range(1, 7)),
    ]
    assert (found[0].reason, found[0].detail) == (Reason.REFUSED_BY_SOURCE, "deleted")


def test_a_file_that_is_gone_or_refused_costs_only_itself(tmp_path, served, graph, files, drive):
    items = fill(drive, 4)
    files.refused.add(items[1].id)
    graph.happens.append((f"{items[0].id}/content", lambda: drive.items.pop(items[2].id)))
    result = run(tmp_path / "home", served, about={"extra": {"requests_at_once": "1"}})
    assert {key: (row.state, row.reason, row.detail) for key, row in result.items.items()} == {
        items[0].id: ("stored", None, None),
        items[1].id: ("failed", "refused_by_source", "accessDenied"),
        items[2].id: ("failed", "refused_by_source", "gone"),
        items[3].id: ("stored", None, None),
    }


def test_a_right_that_is_withdrawn_on_the_way_stops_and_loses_nothing(
    tmp_path, served, graph, files, drive, monkeypatch
):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    items = fill(drive, 4)
    graph.happens.append((f"{items[2].id}/content", graph.entra.rights.clear))
    about = {"extra": {"requests_at_once": "1"}}
    with pytest.raises(AccessError, match=r"grant the application `Files\.Read\.All`"):
        run(tmp_path / "home", served, about=about)
    graph.entra.rights.add(FILES)
    assert run(tmp_path / "home", served, about=about).states() == {"stored": 4}


def test_a_drive_that_went_away_is_a_scope_failure(tmp_path, served, graph, files, drive):
    fill(drive, 2)
    drive_went = (r"/root/delta", lambda: files.drives.pop("b!ana"))
    graph.happens.append(drive_went)
    assert run(tmp_path / "home", served).scopes == {"files/b!ana": (None, 0, "unreadable", "scope_gone")}


def test_an_expired_token_is_renewed(served, graph, files, drive):
    fill(drive, 3)
    source = connect(served)
    items = source.items(Part(ONE), ALWAYS)
    item = next(items)
    graph.entra.forget()
    with source.open(item) as stream:
        assert stream.read() == b"0" * 9
    assert graph.entra.asked == 2


# --- what a person is told ---


def test_an_account_without_a_drive_is_told(served, files):
    with pytest.raises(AccessError, match=r"does not give `files` \(ResourceNotFound\); check the account"):
        connect(served).check()
    source = connect(served, about={"places": ()})
    refused = [one for one in source.unreached() if one.key == "files"]
    assert refused == [Unreached("files", "OneDrive", "place", Reach.REFUSED, "ResourceNotFound")]


def test_a_site_that_is_not_there_or_not_granted_is_told_by_its_number(served, graph):
    files, _, _ = with_files(graph)
    served.app = graph.app()
    about = {"places": ("sites",)}
    wrong = connect(served, about=about, sites=f"{SITE} https://district.sharepoint.example/sites/none")
    with pytest.raises(AccessError, match=r"address 2 of `sites` is no site .*\(itemNotFound\)"):
        wrong.check()
    assert [scope.key for scope in wrong.scopes()] == ["sites/b!board", "sites/b!budget"]
    assert Unreached(
        "sites/2", "Address 2 of the request's sites", "site", Reach.REFUSED, "itemNotFound"
    ) in list(wrong.unreached())
    graph.entra.rights = {SELECTED}
    files.granted = {next(iter(files.sites))}
    chosen = connect(served, about=about, sites=SITE)
    chosen.check()
    assert [scope.key for scope in chosen.scopes()] == ["sites/b!board"]
    below = [one for one in chosen.unreached() if one.reach is Reach.REFUSED]
    assert [one.label for one in below] == ["Board/Budget"]
    assert below[0].detail.startswith("accessDenied: refused; grant the application `Sites.Read.All`")
    graph.entra.rights = {FILES, MAIL}  # the place is not named, but the sites are
    graph.store.mailbox(ACCOUNT).folder("Inbox", role="inbox")
    with pytest.raises(AccessError, match=r"grant the application `Sites\.Read\.All`.*or `Sites\.Selected`"):
        connect(served, about={"places": ()}, sites=SITE).check()


def test_a_shared_address_that_leads_nowhere_is_told_by_its_number(served, files, drive):
    source = connect(served, about={"places": ("shared",)}, shared=SHARED)
    with pytest.raises(AccessError, match=r"address 1 of `shared` leads to nothing .*\(itemNotFound\)"):
        source.check()
    assert list(source.scopes()) == []
    assert [(one.key, one.reach) for one in source.unreached() if one.key.startswith("shared")] == [
        ("shared/1", Reach.REFUSED),
        ("shared/others", Reach.NOT_BY_THIS_ROUTE),
    ]


@pytest.mark.parametrize(
    ("options", "places", "says"),
    [
        ({"versions": "all"}, (), "`versions` is neither `yes` nor `no`"),
        ({"sites": "http://x.example/sites/a"}, (), "address 1 of `sites` is no https address"),
        ({"shared": f"{SHARED} theirs.docx"}, (), "address 2 of `shared` is no https address"),
        ({"sites": SITE}, ("mail",), "`sites` names addresses, and `places` leaves `sites` out"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_asked(served, options, places, says):
    source = connect(served, about={"places": places}, **options)
    with pytest.raises(SettingsError, match=says):
        source.check_settings()
    assert served.requests == []


def test_the_address_that_bytes_come_from_is_told_nowhere(served, files, drive, caplog):
    caplog.set_level(logging.DEBUG)
    fill(drive, 2)
    source = connect(served)
    values, _ = everything(source, ONE)
    served.faults.append(Fault("/load/", 404, times=None))
    with pytest.raises(ItemError) as gone, source.open(values[0]):
        pass
    served.faults[:] = [Fault("/load/", 500, times=None)]
    broken = connect(served, about={"extra": {"patience_s": "20"}})
    item = next(broken.items(Part(ONE), ALWAYS))
    with pytest.raises(ItemError) as caught, broken.open(item):
        pass
    shown = [caplog.text, *("".join(traceback.format_exception(one.value)) for one in (gone, caught))]
    assert [TOKEN in text or SECRET in text for text in shown] == [False] * 3
    assert [line for line in served.requests if TOKEN in line]
