"""A UFDR: a chat of a group, a text, a multimedia message, a mail, a call, contacts, and files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

AT = "2025-03-04T18:20:34.567+00:00"
SHOWN = "2025-03-04T10:20:34-08:00"


def value(text: str, kind: str = "String", *, cdata: bool = True) -> str:
    shown = f' format="TimeStampKnown" formattedTimestamp="{SHOWN}"' if kind == "TimeStamp" else ""
    return f'<value type="{kind}"{shown}>{f"<![CDATA[{text}]]>" if cdata else text}</value>'


def fields(**stated: str) -> str:
    """Return fields by name; one without text is empty, as reports write it."""
    out = []
    for name, text in stated.items():
        kind = "TimeStamp" if name.endswith(("TimeStamp", "Time", "DateRead")) else "String"
        body = value(text, kind, cdata=kind == "String") if text else "<empty />"
        out.append(f'<field name="{name}" type="{kind}">{body}</field>')
    return "".join(out)


def model(type_: str, id_: str, body: str = "", **about: str) -> str:
    about = {"deleted_state": "Intact", "decoding_confidence": "High", "extractionId": "0"} | about
    stated = "".join(f' {name}="{one}"' for name, one in about.items())
    return f'<model type="{type_}" id="{id_}"{stated}>{body}</model>'


def within(name: str, *models: str, many: bool = True) -> str:
    tag = "multiModelField" if many else "modelField"
    return f'<{tag} name="{name}" type="x">{"".join(models)}</{tag}>'


def party(identifier: str, name: str = "", role: str = "General", owner: str = "False") -> str:
    return model(
        "Party", f"p-{identifier}", fields(Identifier=identifier, Name=name, Role=role, IsPhoneOwner=owner)
    )


def target(*ids: str, ismodel: str = "false") -> str:
    inner = "".join(f'<targetid ismodel="{ismodel}"><![CDATA[{one}]]></targetid>' for one in ids)
    return f'<jumptargets name="">{inner}</jumptargets>'


def attachment(id_: str, *targets: str, name: str = "", path: str = "", url: str = "") -> str:
    stated = fields(Filename=name, attachment_extracted_path=path, URL=url)
    return model("Attachment", id_, stated + (target(*targets) if targets else ""))


ANA = party("+14255550100", "Ana", owner="True")
LEE = party("15551230001@s.whatsapp.net", f"Lee {SECRET}")
ROSA = party("15551230002@s.whatsapp.net", "Rosa")


def message(id_: str, body: str, *more: str, sender: str = LEE, at: str = AT, **about: str) -> str:
    inner = fields(Body=body, TimeStamp=at, Identifier=f"WA-{id_}", SourceApplication="WhatsApp")
    return model("InstantMessage", id_, inner + within("From", sender, many=False) + "".join(more), **about)


MESSAGES = [
    message("m1", f"the bus is late {SECRET}\n<model type=\"InstantMessage\"> & 'full'", within("To", ANA)),
    message(
        "m2", "", within("Attachment", attachment("a1", "f1", name="bus stop.jpg"), many=False),
        within(
            "Attachments", attachment("a1", "f1", name="bus stop.jpg"),
            attachment("a2", "f2", name="plan.pdf"),
        ),
        target("f1"), sender=ANA,
    ),
    message("m3", "erased", deleted_state="Deleted", decoding_confidence="Medium"),
    message("m1", "the same id", target("c1", ismodel="true")),
]  # fmt: skip
LOG = model(
    "ChatActivity", "g1",
    fields(Action="ParticipantAdded", SystemMessageBody="Ana added Rosa", SystemMessageTimeStamp=AT)
    + within("Participant", ROSA, many=False),
)  # fmt: skip
TEXTS = [
    model("SMS", "s1", fields(Source="Native", Body=f"ok {SECRET}", TimeStamp=AT, Folder="Inbox")
          + within("Parties", party("(425) 555-0101", "Sam", "From"),
                   party("+14255550100", "", "To", "True"))),
]  # fmt: skip
PICTURES = [
    model("MMS", "x1", fields(Source="Native", Subject="map", Body="see", TimeStamp=AT)
          + within("From", party("+14255550100", "Ana", "From", "True"), many=False)
          + within("To", party("+14255550101", "Sam", "To"))
          + within("Attachments", attachment("a3", path="email\\map.png", name="map.png"))),
]  # fmt: skip
CALLS = [
    model("Call", "k1", fields(Source="Native", Direction="Incoming", Duration="00:01:05", TimeStamp=AT)
          + within("Parties", party("+14255550101", "Sam", "From"))),
]  # fmt: skip
MAILS = [
    model("Email", "e1", fields(Source="Gmail", Subject="plan", Body="<p>as agreed</p>", TimeStamp=AT)
          + within("From", party("ana@example.org", "Ana", "From", "True"), many=False)
          + within("To", party("lee@example.org", "", "To")) + within("Cc", party("rosa@example.org"))
          + within("Attachments", attachment("a4", name="gone.docx"))),
]  # fmt: skip
CONTACTS = [model("Contact", "n1", fields(Name="Sam")), model("Contact", "n2", fields(Name="Lee"))]
NOTES = [model("Note", "o1", fields(Body="call Sam"))]
FILES = {
    "files/Image/bus stop.jpg": b"\xff\xd8\xff bus",
    "files/Text/unnamed.txt": SECRET.encode(),
    "email/map.png": b"\x89PNG map",
}
TAGGED = {
    "f1": "files\\Image\\bus stop.jpg",
    "f2": "files\\Document\\plan.pdf",
    "f3": "files\\Text\\unnamed.txt",
}


def tagged(files: Mapping[str, str], md5: str = "") -> str:
    return "".join(
        f'<file fs="x" path="/data/{id_}" size="1" id="{id_}" deleted="Intact"><metadata section="File">'
        f'<item name="Local Path"><![CDATA[{path}]]></item><item name="Tags"><![CDATA[Image]]></item>'
        f"<item name='MD5'>{md5}</item></metadata></file>\n"
        for id_, path in files.items()
    )


def chat(messages: list[str], log: str = LOG) -> str:
    return model(
        "Chat", "c1",
        fields(Source="WhatsApp", Id="120363@g.us", Name=f"Buses {SECRET}", ChatType="Group", StartTime=AT)
        + within("Participants", ANA, LEE, ROSA)
        + within("Messages", *messages)
        + (within("ActivityLog", log) if log else ""),
    )  # fmt: skip


def report(decoded: Mapping[str, list[str]], files: Mapping[str, str] = TAGGED, before: str = "") -> bytes:
    types = "".join(
        f'<modelType type="{kind}">\n{"".join(models)}\n</modelType>\n' for kind, models in decoded.items()
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{before}'
        '<project id="1" name="phone" reportVersion="8.5" NodeCount="3" ModelCount="9" '
        'xmlns="http://pa.cellebrite.com/report/2.0">\n'
        '<!-- <modelType type="SMS"><model type="SMS" id="none"></model></modelType> -->\n'
        '<metadata section="Device Info"><item name="IMEI"><![CDATA[<model type="SMS">]]></item></metadata>\n'
        f"<taggedFiles>{tagged(files)}</taggedFiles>\n<decodedData>\n{types}</decodedData>\n"
        '<extraInfos><extraInfo type="model" id="m1"><sourceInfo><nodeInfos><nodeInfo id="f3" offset="8" />'
        "</nodeInfos></sourceInfo></extraInfo></extraInfos>\n</project>\n"
    ).encode()


REPORT = report({
    "Call": CALLS, "Chat": [chat(MESSAGES), chat([], "")], "Contact": CONTACTS, "Email": MAILS,
    "MMS": PICTURES, "Note": NOTES, "SMS": TEXTS,
})  # fmt: skip
NATIVES = {
    "k1": CALLS[0], "m1": MESSAGES[0], "m2": MESSAGES[1], "m3": MESSAGES[2], "m1:1": MESSAGES[3], "g1": LOG,
    "e1": MAILS[0], "x1": PICTURES[0], "s1": TEXTS[0],
}  # fmt: skip
FOUND = {key: one.encode() for key, one in NATIVES.items()}
FAILED = {"m2#1": Reason.NOT_IN_EXPORT, "e1#0": Reason.NOT_IN_EXPORT}


def unpacked(root: Path) -> Built:
    """A UFDR that somebody unpacked."""
    for key, data in (FILES | {"report.xml": REPORT, "settings.json": b"{}"}).items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    excluded = {"settings.json": Reason.EXPORT_SCAFFOLDING}
    return Built(str(root), FOUND | FILES, FAILED, excluded, ("report.xml", "."))


def zipped(root: Path) -> Built:
    """A UFDR as the examiner hands it over."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "phone.ufdr"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in {"report.xml": REPORT, **FILES}.items():
            archive.writestr(key, data)
    others = {f"phone.ufdr!{key}": data for key, data in FILES.items()}
    return Built(str(path), FOUND | others, FAILED, {}, ("phone.ufdr!report.xml", "."))
