"""Chat messages and transcripts of Zoom.

A message's lines say who wrote it and to whom; when, the connector says, because the file's place decides it.
A transcript is one record: its captions are cut where a line was full, not where somebody stopped.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import BinaryIO, ClassVar

from extract import charsets
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import of_facts
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-zoom-message"
TRANSCRIPT_TYPE = "text/vtt"

_DIRECT = re.compile(r"\((?:direct message|privately)\)\s*$", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:\d{4}-\d\d-\d\d[ \t]+)?\d\d:\d\d:\d\d[ \t]+From[ \t]+(?P<sender>.+?)[ \t]+to[ \t]+(?P<to>.+?)[ \t]*:"
    r"(?:[ \t]+(?P<text>.*)|[ \t]*)"
)
_CLOUD = re.compile(r"\d\d:\d\d:\d\d\t(?P<sender>[^\t]+):\t(?P<text>.*)")
_CUE = re.compile(r"(?P<start>(?:\d+:)?\d\d:\d\d)\.\d{3}[ \t]+-->[ \t]+(?:\d+:)?\d\d:\d\d\.\d{3}.*")
_VOICE = re.compile(r"<v(?:\.[^ >]*)? (?P<name>[^>]+)>")
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_SPEAKER = re.compile(r"(?P<name>[^:<>\n]{1,80}): (?P<text>.*)", re.DOTALL)


class ZoomChatReader(LabelledReader):
    """Reads one chat message."""

    name: ClassVar[str] = "zoom_chat"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when its first line is none of a message.
        """
        text, guessed = charsets.decode_file(stream.read())
        first, _, rest = charsets.tidy(text).partition("\n")
        header = _CLOUD.fullmatch(first) or _HEADER.fullmatch(first)
        if header is None:
            raise ItemError(Reason.CORRUPT, "zoom_message")
        parts = header.groupdict()
        to = parts.get("to") or ""
        lines = [parts["text"] or "", *(line.removeprefix("\t") for line in rest.split("\n"))]
        return Extraction(
            text="\n".join(lines).strip("\n "),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=Address(header["sender"].strip(), ""),
                to=(Address(_DIRECT.sub("", to).strip(), ""),) if to else (),
                moment=of_facts(context.metadata),
                thread_key=context.metadata.get("group", ""),
            ),
            metadata={"direct": "true"} if _DIRECT.search(to) else {},
            warnings=(WarningCode.CHARSET_GUESSED,) if guessed else (),
        )


class TranscriptReader:
    """Reads a transcript (WebVTT, https://www.w3.org/TR/webvtt1/)."""

    name: ClassVar[str] = "webvtt"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept what begins as the format wants it."""
        return 90 if re.match(rb"(?:\xef\xbb\xbf)?WEBVTT(?:[ \t\r\n]|$)", head) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read it: a line for each caption, with its time since the start, and its speaker if named."""
        text, guessed = charsets.decode_file(stream.read())
        lines: list[str] = []
        speakers: dict[str, None] = {}
        for block in re.split(r"\n{2,}", charsets.tidy(text)):
            rows = block.strip("\n").split("\n")
            at = next((number for number, row in enumerate(rows[:2]) if _CUE.fullmatch(row)), None)
            if at is None:
                continue  # the head, notes and styles
            cue = _CUE.fullmatch(rows[at])
            words = " ".join(rows[at + 1 :]).strip()
            voice, said = _VOICE.search(words), _SPEAKER.fullmatch(words)
            speaker = voice["name"].strip() if voice else said["name"].strip() if said else ""
            words = _TAG.sub("", words).strip()
            if speaker:
                speakers.setdefault(speaker)
            shown = f"{speaker}: {words}" if voice else words
            lines.append(f"[{cue['start'] if cue else ''}] {shown}")
        stated = context.metadata.get("started_at", "")
        moment = Moment(datetime.fromisoformat(stated), stated, Basis.RELATIVE) if stated else NO_MOMENT
        return Extraction(
            text="\n".join(lines),
            kind=Kind.FILE,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                participants=tuple(Address(name, "") for name in speakers),
                moment=moment,
            ),
            metadata={"captions": str(len(lines))},
            warnings=(WarningCode.CHARSET_GUESSED,) if guessed else (),
        )
