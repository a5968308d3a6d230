"""A mailbox behind the fake of Microsoft Graph, and what a correct reader must find in it."""

from __future__ import annotations

import base64
import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.graph_limits import FILES, OUTLOOK, TEAMS
from records.models import Connection, SourceContext
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, ZONE, Built, mail
from tests.servers.graph import Attachment, Calendar, Graph, connection_fields
from tests.servers.graph_files import SITES, Files, Item, Site
from tests.servers.graph_teams import ANA, KIM, LEE, Teams, changed, picture
from tests.servers.mailstore import Mailbox
from tests.servers.web import Served

ACCOUNT = "ana@example.org"
SITE = "https://district.sharepoint.example/sites/board"
SHARED = "https://district.sharepoint.example/:w:/g/personal/lee/abc"
CLOUD = f"https://district.sharepoint.example/personal/ana/Documents/{SECRET}.docx"


def context_of(url: str, account: str = ACCOUNT, **about: Any) -> SourceContext:
    """Return what a connector is given for the fake at an address."""
    extra = about.pop("extra", {})
    unlimited = dict.fromkeys((limit.setting for limit in (OUTLOOK, FILES, TEAMS)), "0")
    fields = connection_fields(url, **{"patience_s": "0.3", **unlimited, **extra})
    connection = Connection("m365", fields["host"], fields["login"], fields["password"], fields["extra"])
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=account, **about)


def event(key: str, **about: Any) -> dict[str, Any]:
    """Return an event (https://learn.microsoft.com/graph/api/resources/event)."""
    start = about.pop("day", "2025-03-04")
    return {
        "id": key,
        "changeKey": f"ck-{key}",
        "createdDateTime": "2025-02-01T00:00:00Z",
        "lastModifiedDateTime": "2025-02-02T00:00:00Z",
        "categories": [],
        "iCalUId": f"uid-{key}",
        "subject": f"{SECRET} {key}",
        "body": {"contentType": "text", "content": f"agenda {SECRET}"},
        "start": {"dateTime": f"{start}T18:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": f"{start}T19:00:00.0000000", "timeZone": "UTC"},
        "originalStartTimeZone": "Pacific Standard Time",
        "isAllDay": False,
        "isCancelled": False,
        "hasAttachments": False,
        "location": {"displayName": "Room 4"},
        "organizer": {"emailAddress": {"name": "Ana Ruiz", "address": ACCOUNT}},
        "attendees": [
            {
                "type": "required",
                "status": {"response": "accepted", "time": "2025-02-02T00:00:00Z"},
                "emailAddress": {"name": "Lee Okafor", "address": "lee@example.org"},
            }
        ],
        "type": "singleInstance",
        "recurrence": None,
        **about,
    }


def series(key: str) -> dict[str, Any]:
    """Return a weekly series without an end, with one changed and one cancelled instance."""
    changed = event(
        f"{key}-2", type="exception", originalStart="2025-03-11T17:00:00Z", day="2025-03-12",
        subject="moved by a day",
    )  # fmt: skip
    return event(
        key,
        type="seriesMaster",
        recurrence={
            "pattern": {
                "type": "weekly",
                "interval": 1,
                "daysOfWeek": ["tuesday"],
                "firstDayOfWeek": "sunday",
            },
            "range": {
                "type": "noEnd",
                "startDate": "2025-03-04",
                "endDate": "0001-01-01",
                "recurrenceTimeZone": "Pacific Standard Time",
            },
        },
        cancelledOccurrences=[f"OID.{key}.2025-03-18"],
        exceptionOccurrences=[changed],
    )


def tenant() -> Graph:
    """Return a tenant with one mailbox that has something in every place."""
    graph = Graph()
    box = graph.store.mailbox(ACCOUNT)
    inbox = box.folder("Inbox", role="inbox")
    sent = box.folder("Sent Items", role="sentitems")
    project = box.folder(f"{SECRET} project", parent=inbox.id)
    deep = box.folder("Deeper", parent=project.id)
    hidden = box.folder("Conversation Action Settings", hidden=True)
    box.folder("Empty")
    box.folder("Weekly digests", role="searchfolder")
    lost = box.folder("Deletions", role="recoverableitemsdeletions", root="recoverable")
    box.folder("Purges", parent="x", root="recoverable")
    old = box.folder("Inbox of the archive", root="archive")
    for number in range(7):
        # three within one second, in an order that is not that of their ids
        same = datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC) if number in {2, 3, 4} else None
        date = f"{'Tue' if number < 6 else 'Wed'}, {4 + number // 6} Mar 2025 {10 + number % 6}:20:34 -0800"
        about = {"received": same} if same else {}
        box.add(inbox, mail(number, date), labels=("Budget",) if number == 1 else (), **about)
    for number, folder in enumerate((sent, project, deep, hidden, lost), 20):
        box.add(folder, mail(number))
    box.add(old, mail(99))
    box.add(inbox, mail(40), faults=frozenset({"undated"}))
    linking = box.add(inbox, mail(41, "Wed, 5 Mar 2025 12:00:00 -0800"))
    graph.attached[linking.id] = [
        Attachment("AT1", f"{SECRET} plan.docx", b"PK as of now", CLOUD),
        Attachment("AT2", "carried.txt", b"in the MIME"),
    ]
    day = event("EV3", isAllDay=True, hasAttachments=True)
    day["start"], day["end"] = (
        {"dateTime": f"2025-03-0{number}T00:00:00.0000000", "timeZone": "UTC"} for number in (6, 7)
    )
    graph.calendars[ACCOUNT] = [
        Calendar("CAL1", "Calendar", [event("EV1"), series("EV2"), day], default=True),
        Calendar("CAL2", "Birthdays"),
    ]
    graph.attached["EV3"] = [
        Attachment("AT3", "agenda.txt", SECRET.encode()),
        Attachment("AT4", "carried mail", mail(70), item=True),
    ]
    return graph


def mailbox_of(graph: Graph) -> Mailbox:
    """Return the one mailbox."""
    box = graph.store.find(ACCOUNT)
    assert box is not None
    return box


def with_files(graph: Graph) -> tuple[Files, dict[str, bytes], dict[str, Reason]]:
    """Put a OneDrive, a site with one below and a shared folder into a tenant.

    Returns:
        What serves them, and what a correct reader must find: bytes and failures by native key.
    """
    graph.entra.rights.add(SITES)
    files = Files(graph)
    drive = files.drive("b!ana", of=ACCOUNT)
    drive.folder("01D", f"{SECRET} plans")
    drive.folder("01C", "deeper", "01D")
    found = {}
    for number in range(5):
        # three of one second, in an order that is not that of their ids
        created = "2025-03-04T18:20:34Z" if number < 3 else f"2025-03-0{number}T10:00:00Z"
        parent = ("root", "01D", "01C")[number % 3]
        data = f"{SECRET} file {number}".encode() * 60
        drive.add(Item(f"01F{9 - number}", f"{SECRET} {number}.txt", data, parent, created))
        found[f"01F{9 - number}"] = data
    drive.add(Item("01N", f"{SECRET} notes", None, more={"package": {"type": "oneNote"}, "folder": {}}))
    there = {"driveId": "b!lee", "driveType": "business"}
    shortcut = {"id": "02A", "name": "theirs.txt", "size": 6, "file": {}, "parentReference": there}
    drive.add(Item("01S", "theirs.txt", None, more={"remoteItem": shortcut}))
    drive.add(Item("01T", "their folder", None, more={"remoteItem": {**shortcut, "folder": {}, "id": "02D"}}))
    del drive.items["01T"].more["remoteItem"]["file"]
    found["01S"] = b"theirs"
    lee = files.drive("b!lee", of="lee@example.org")
    lee.add(Item("02A", "theirs.txt", b"theirs"))
    lee.folder("02D", f"{SECRET} shared")
    lee.add(Item("02B", "in it.txt", b"in it", "02D"))
    lee.folder("02E", "below", "02D")
    lee.add(Item("02C", "below it.txt", b"below it", "02E"))
    files.shared[SHARED] = ("b!lee", "02D")
    found |= {"02B": b"in it", "02C": b"below it"}
    host = SITE.removeprefix("https://").partition("/")[0]
    board = Site(f"{host},1,2", SITE.removeprefix("https://"), "Board", ["b!board"], [f"{host},1,3"])
    budget = Site(f"{host},1,3", f"{board.path}/budget", "Budget", ["b!budget"])
    files.sites = {board.id: board, budget.id: budget}
    for key, data in (("b!board", b"minutes"), ("b!budget", b"figures")):
        files.drive(key, "Documents").add(Item(f"03{key[2:]}", f"{SECRET}.docx", data))
        found[f"03{key[2:]}"] = data
    failed = {"01N": Reason.UNSUPPORTED, "01T": Reason.UNSUPPORTED}
    return files, found, failed


def native_of(message: dict[str, Any], *pictures: dict[str, str]) -> bytes:
    """Return the bytes that a message is kept as, by their definition."""
    about = {name: value for name, value in message.items() if not name.startswith("@")}
    if pictures:
        about["hostedContents"] = list(pictures)
    return json.dumps(about, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hosted(key: str, data: bytes) -> dict[str, str]:
    """Return an inline picture as a message carries it."""
    return {"id": key, "contentBytes": base64.b64encode(data).decode(), "contentType": "image/png"}


def with_teams(graph: Graph) -> tuple[Teams, dict[str, bytes]]:
    """Put chats and a team into a tenant; return them, and what is to be found by native key."""
    teams = Teams(graph)
    linked = f"https://district.sharepoint.example/sites/board/{SECRET}.xlsx"
    graph.attached["chat files"] = [Attachment("TF", f"{SECRET}.xlsx", b"PK of a chat", linked)]
    group = teams.chat("19:bus@thread.v2", "group", f"{SECRET} bus", ANA, LEE, KIM)
    shown = group.say(0)
    shown["body"]["content"] = f"<p>{SECRET} map {picture(shown, 'aWQx')}</p>"
    teams.pictures[shown["id"], "aWQx"] = b"\x89PNG map"
    file = {"id": "f-1", "contentType": "reference", "contentUrl": linked, "name": f"{SECRET}.xlsx"}
    group.say(1, f"{SECRET} <attachment id='f-1'></attachment>", LEE, attachments=[file])
    liked = {"reactionType": "like", "user": LEE.as_user, "createdDateTime": "2025-05-01T00:00:00Z"}
    changed(group.say(2, f"{SECRET} liked much later"), 90_000, reactions=[liked])
    changed(group.say(3, f"{SECRET} edited"), 5, lastEditedDateTime=...)
    gone = group.say(4, f"{SECRET} deleted")
    teams.retained[ACCOUNT] = [copy.deepcopy(gone)]
    changed(gone, 2, deletedDateTime=..., body={"contentType": "html", "content": ""})
    group.happen(5, "membersAdded", LEE, members=[{"id": KIM.id, "displayName": None}])
    alone = teams.chat("19:ana_lee@unq.gbl.spaces", "oneOnOne", None, ANA, LEE)
    alone.say(2, f"{SECRET} in the same minute", LEE)
    left = teams.chat("19:left@thread.v2", "group", None, KIM)
    left.left.append(ANA)
    left.say(7, f"{SECRET} before she left", KIM)
    teams.chat("19:others@thread.v2", "group", None, KIM, LEE).say(8, "not hers", KIM)
    board = teams.team("T1", f"{SECRET} board", ANA, KIM)
    board.channel("19:general@thread.tacv2", "General")
    board.channel("19:closed@thread.tacv2", "Closed", "private")
    root = board.post("19:general@thread.tacv2", 0, f"{SECRET} agenda", KIM, subject="Agenda")
    answer = board.post("19:general@thread.tacv2", 1, "", replyToId=root["id"])
    answer["body"]["content"] = f"see {picture(answer, 'aWQy')}"
    teams.pictures[answer["id"], "aWQy"] = b"\x89PNG agenda"
    board.post("19:closed@thread.tacv2", 2, f"{SECRET} closed", KIM)
    found = {
        f"{one['chatId']}/{one['id']}": native_of(one)
        for chat in (group, alone, left)
        for one in chat.messages
    }
    found[f"{group.id}/{shown['id']}"] = native_of(shown, hosted("aWQx", b"\x89PNG map"))
    # the chat has what is left of it, and what retention kept is read after that
    found[f"{group.id}/{gone['id']}"] = native_of(teams.retained[ACCOUNT][0])
    found[f"{group.id}/{group.messages[1]['id']}/file/f-1"] = b"PK of a chat"
    for channel, (_, _, posts) in board.channels.items():
        found |= {f"{channel}/{one['id']}": native_of(one) for one in posts if not one["replyToId"]}
    key = f"19:general@thread.tacv2/{root['id']}/{answer['id']}"
    found[key] = native_of(answer, hosted("aWQy", b"\x89PNG agenda"))
    return teams, found


def graph_account(root: Path) -> Built:
    """Serve the tenant; everything is to be found but the events' bytes, which are made by the connector."""
    from connectors.graph_calendar import icalendar_of

    graph = tenant()
    files, of_drives, failed = with_files(graph)
    teams, of_teams = with_teams(graph)
    served = Served(graph.app())
    box = mailbox_of(graph)
    reached = {key: folder for key, folder in box.folders.items() if folder.root != "archive"}
    found = {one.id: one.raw for one in box.messages.values() if one.folder in reached}
    linking = next(key for key, held in graph.attached.items() if held[0].id == "AT1")
    found[f"{linking}/AT1"] = b"PK as of now"
    found["EV3/AT3"], found["EV3/AT4"] = SECRET.encode(), mail(70)
    for calendar in graph.calendars[ACCOUNT]:
        found |= {one["id"]: icalendar_of(one) for one in calendar.events}
    found |= of_drives | of_teams
    in_teams = ("teams_chats", "teams_retained", "teams_channels/T1")
    mail_folders = ("F0000", "F0002", "F0003", "F0001", "F0004", "F0005")
    in_drives = ("files/b!ana", "sites/b!board", "sites/b!budget", "shared/b!lee/02D")
    undated = {one.id for one in box.messages.values() if "undated" in one.faults}
    return Built(
        found=found,
        failed=failed,
        scopes=(
            *(f"mail/{key}" for key in mail_folders),
            "recoverable/F0007",
            "calendar/CAL1",
            "calendar/CAL2",
            "attachments/messages",
            "attachments/events",
            *in_teams,
            *in_drives,
        ),
        service=context_of(served.url, options={"sites": SITE, "shared": SHARED}),
        uncounted=frozenset({"attachments/messages", "attachments/events", *in_teams, *in_drives}),
        undated=frozenset({*undated, "EV2"}),
        vanish=served.close,
        state=lambda: copy.deepcopy(
            (
                graph.store,
                graph.calendars,
                graph.attached,
                files.drives,
                files.sites,
                files.shared,
                teams.chats,
                teams.teams,
                teams.retained,
                teams.pictures,
            )
        ),
    )
