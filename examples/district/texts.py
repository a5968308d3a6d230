"""Ordinary words of a school office: sentences with slots, joined to paragraphs once and drawn from after.

No sentence here holds what a term of a request looks for; near-misses and hits are planted, never chance.
"""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import random
from dataclasses import dataclass

_SUBJECTS = (
    "Schedule for {thing}", "{thing}: next steps", "Question about {thing}", "{place} update", "Notes from {day}",
    "Reminder: {thing}", "Draft agenda, {day}", "{thing} for {place}", "Room {num} and {thing}", "Follow-up on {thing}",
    "Attendance, {place}", "Order {code}", "Supplies for {place}", "Field trip, {day}", "Coverage of {thing} in the newsletter",
)  # fmt: skip
_THINGS = (
    "the science fair", "report cards", "the winter concert", "library inventory", "parent conferences", "the fire drill",
    "the copier lease", "spring testing", "the book order", "lunch supervision", "the wellness survey", "staff parking",
    "the field day", "kindergarten sign-up", "the budget calendar", "laptop repairs", "the art show", "the food drive",
    "the reading block", "early dismissal", "the safety walk", "club photos", "locker assignments", "the spelling bee",
)  # fmt: skip
_PLACES = (
    "the main office", "the north wing", "the gym", "the library", "Maple Hollow", "Quarry Hill", "the high school",
    "the middle school", "the district office", "the cafeteria", "the music room", "the annex",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "next week", "the 12th", "the 23rd")
_SENTENCES = (
    "Thank you for the quick answer about {thing}; I will pass it on to {place} by {day}.",
    "Please have the list for {thing} ready on {day}, since {place} needs {num} copies before the bell.",
    "We counted {num} chairs in {place} and are {small} short for {thing}.",
    "The custodial crew will be in {place} on {day} after {small} o'clock, so leave nothing on the floor.",
    "I moved {thing} to {day} because {place} is taken; the new room is {num}.",
    "Could you look at order {code} and tell me whether it went out with {thing}?",
    "The numbers for {thing} look right to me, apart from line {num}, which still shows last year's figure.",
    "Families asked {small} times this week about {thing}, so a short note on the web page would help.",
    "If {day} does not work for you, {place} is also free the day after, between {small} and four.",
    "Our volunteers offered to help with {thing}; they need a contact in {place} and a parking spot.",
    "The substitute for room {num} has arrived and has the plan for {day}.",
    "Let us keep {thing} simple this year: one page, one table, and the names of those who help.",
    "I attached nothing yet; the file for {thing} is still with {place} and should be back on {day}.",
    "The heating in {place} is fine again, the thermostat in room {num} had a loose wire.",
    "Remember that {thing} needs two signatures before {day}, one of them from {place}.",
    "The students did well; {num} of them handed in the work for {thing} and the rest have until {day}.",
    "Ticket {code} is closed: the projector in {place} needed a new lamp.",
    "We spent {num} dollars on {thing}, which leaves enough for {small} more sets.",
    "Lunch duty in {place} changes on {day}; the new list hangs in the staff room.",
    "For {thing} we expect about {num} visitors, and the doors of {place} open at half past {small}.",
    "The printer in {place} is out again and the service firm comes on {day}; use the one in room {num}.",
    "A reminder that time sheets are due on {day}, also from those who only helped with {thing}.",
    "I spoke with {place} about {thing} and they are happy with the plan as it stands.",
    "The weather on {day} may be poor, so {thing} moves into {place} if it rains.",
    "Minutes of the last meeting are in the shared folder under {code}; corrections until {day}, please.",
    "There are {small} open questions on {thing}: who opens {place}, who closes it, and who pays for the paper.",
    "The insurance form for {thing} came back signed and is filed as {code}.",
    "My planning period is free on {day}, so I can walk through {place} with you then.",
    "Keys for {place} are signed out to room {num} until {day}.",
    "The assembly on {day} runs {num} minutes longer than usual because of {thing}.",
)
_GREETINGS = ("Hi {0},", "Hello {0},", "Good morning {0},", "{0},", "Dear {0},")
_CLOSINGS = ("Thanks,", "Best,", "Thank you,", "Regards,", "See you then,")
FOREIGN = (
    "Sehr geehrte Frau Müller, die Übergabe für die Grüße aus Zürich ist geklärt; schöne Ferien und viel Spaß.",
    "Estimada familia: la reunión de mañana será en el salón pequeño; habrá café y también niños de cuarto año.",
    "Nous avons reçu les élèves à l'école; le déjeuner a coûté très peu et tout s'est bien passé, à bientôt.",
    "Kära alla, mötet på måndag är inställt; vi hörs igen när vårens läsår är klart för både små och stora.",
)
EASTERN = (
    "Kính gửi phụ huynh, buổi họp sẽ bắt đầu lúc bảy giờ tối tại thư viện của trường.",
    "Уважаемые родители, собрание состоится во вторник вечером в библиотеке школы.",
    "保護者の皆様、今週の集まりは図書室で行います。よろしくお願いします。",
    "Szanowni Państwo, zebranie odbędzie się w czwartek; proszę o potwierdzenie obecności żółtą kartką.",
)
TEXT_LINES = (
    "running late, start without me", "can you call me when you get a minute", "on my way", "got it, thanks",
    "doors are open", "meeting moved to room {num}", "did the order {code} arrive", "yes see you {day}",
    "who has the key for {place}", "please bring the list for {thing}", "ok", "will do before {day}",
)  # fmt: skip
_CODES = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def fill(rng: random.Random, template: str) -> str:
    """Fill the slots of one template."""
    return template.format(
        thing=rng.choice(_THINGS),
        place=rng.choice(_PLACES),
        day=rng.choice(_DAYS),
        num=rng.randrange(21, 399),
        small=rng.randrange(2, 9),
        code=f"{rng.choice(_CODES)}{rng.choice(_CODES)}-{rng.randrange(30000, 99999)}",
    )


@dataclass(frozen=True, slots=True)
class Words:
    """A pool of ready paragraphs and subjects, made once a seed.

    Attributes:
        paragraphs: Wrapped at 76 columns, ASCII, without a trailing newline.
        subjects: One line each.
        lines: Short texts, as people type them on a phone.
    """

    paragraphs: tuple[str, ...]
    subjects: tuple[str, ...]
    lines: tuple[str, ...]

    def body(self, rng: random.Random, first_name: str, signature: str, few: int, many: int) -> str:
        """Return a whole letter of ``few`` to ``many`` paragraphs."""
        r = rng.random
        pool, size = self.paragraphs, len(self.paragraphs)
        parts = [_GREETINGS[int(r() * len(_GREETINGS))].format(first_name)]
        parts += [pool[int(r() * size)] for _ in range(few + int(r() * (many - few + 1)))]
        parts.append(f"Reference {int(r() * 900_000) + 100_000}-{int(r() * 9000) + 1000}.")
        parts.append(f"{_CLOSINGS[int(r() * len(_CLOSINGS))]}\n{signature}\n")
        return "\n\n".join(parts)


def make_words(seed: int, size: int) -> Words:
    """Make the pool; ``size`` paragraphs."""
    rng = random.Random(f"words-{seed}")
    paragraphs = tuple(
        wrap(" ".join(fill(rng, s) for s in rng.sample(_SENTENCES, rng.randrange(3, 7)))) for _ in range(size)
    )
    subjects = tuple(_upper(fill(rng, rng.choice(_SUBJECTS))) for _ in range(max(200, size // 4)))
    lines = tuple(fill(rng, rng.choice(TEXT_LINES)) for _ in range(400))
    return Words(paragraphs, subjects, lines)


def wrap(text: str, width: int = 76) -> str:
    """Break at spaces, as a mail program does; faster than textwrap, which the pool does not need."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\n".join(lines)


def quote(text: str, limit: int) -> str:
    """Quote a message for a reply: at most ``limit`` characters, whole lines."""
    kept = text if len(text) <= limit else text[: text.rfind("\n", 0, limit)]
    return "> " + kept.rstrip("\n").replace("\n", "\n> ") + "\n"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
