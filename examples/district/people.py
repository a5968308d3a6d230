"""Who works, learns and parents in the district. Every name is made up; domains end in ``.example``."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

DISTRICT = "Alder Valley School District"
DOMAIN = "aldervalley.example"
SCHOOLS = (
    "Cedar Falls Middle School",
    "Alder Valley High School",
    "Maple Hollow Elementary",
    "Quarry Hill Elementary",
)
AREA_CODES = ("206", "253", "360", "425", "509")


def _listed(words: str) -> list[str]:
    return words.split()


_FIRST = _listed(
    "Adaeze Marisol Tobias Ingrid Kwame Priya Søren Beatriz Desmond Yuki Halvor Lucía Emeka Fiona "
    "Rashid Odalys Petra Gideon Samira Callum Noémie Zoltán Anneliese Jarek Imani Thaddeus Rosalind "
    "Viktor Delphine Marek Aurelia Bram Celestine Dmitri Esperanza Florian Greta Hamza Ilse Joaquín "
    "Katya Leopold Mireille Nadia Oskar Pilar Quentin Renata Stellan Tamsin Ulrike Valentín Wilhelmina "
    "Xiomara Yasmin Zdenka Anselm Birgitta Corwin Dalia Eamon Ffion Gunnar Hortensia Isidro Jolanta "
)
_LAST = _listed(
    "Okonjo Velarde Thornquist Abernath Nuñez Kowalczyk Ólafsdóttir Castellane Whitlow Tanigawa "
    "Brandvold Herrán Adeyinka Marchbank Siddal Quintavo Novotny Larkspurre Haddadin Fairweath Bélanger "
    "Szalay Dreschler Wójtowic Mbatha Penhallow Ashgrove Sorensby Lachapel Zelinka Fontanez Vandermolen "
    "Oyelaran Petrovny Casaverde Steinkamp Hallqvist Mansouri Braunfeld Ibarrola Sokolenko Trevanion "
    "Desrosier Kaplanek Lindström Echeverri Pemberley Rizzolan Nyqvist Tolliver Grünwald Montalbo "
    "Ashworthy Delacruzan Yilmazer Cernak Hollisterre Jónasdal Corrigane Abousaid Flanneryn Gwynedd "
    "Osterlund Marroquinez Idowuson Bielska "
)
_STUDENT_LAST = _listed(
    "Amberson Balcazar Chidozie Dunmorrow Eskildsen Fenwright Galarzan Hutchvale Inverson Jaramello "
    "Kettleby Lundgrove Mayfielde Nakashiro Obregona Pryderi Quarrington Rasmundsen Stavenger Tsukuda "
    "Umberland Vasquine Wetherbane Xanderly Yarbrook Zamorano Aldercott Birchwell Coldspring Dovecote "
)
_STUDENT_FIRST = _listed(
    "Avery Milo Juniper Mateo Wren Soraya Felix Anouk Idris Clementine Ravi Saoirse Luca Paloma Ezra "
    "Tindra Otis Marigold Kenji Freya Amadou Linnea Rafael Odette Silas Nour Beckett Ximena Theo Isolde "
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes or receives.

    Attributes:
        id: ``s001`` for staff; other letters for outsiders.
        name: Display name, any script of Latin letters.
        email: ASCII.
        number: E.164, from the ranges kept free for fiction (555-0100 to 555-0199).
        role: Job title.
        place: School or office.
    """

    id: str
    name: str
    email: str
    number: str
    role: str
    place: str


@dataclass(frozen=True, slots=True)
class Guardian:
    """A student's parent or other guardian."""

    name: str
    relation: str
    email: str
    number: str


@dataclass(frozen=True, slots=True)
class Student:
    """A student; ``id`` is the district's own number, seven digits from 4100001."""

    id: str
    name: str
    school: str
    grade: int
    guardians: tuple[Guardian, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Everybody, and by office those whom requests name."""

    staff: tuple[Person, ...]
    students: tuple[Student, ...]
    board: tuple[Person, ...]
    attorney: Person
    vendors: tuple[Person, ...]
    office: dict[str, Person]


OFFICES = (
    ("superintendent", "Superintendent", "District Office"),
    ("clerk", "Executive Assistant and Board Clerk", "District Office"),
    ("transport", "Director of Transportation", "Transportation"),
    ("dispatch", "Bus Dispatcher", "Transportation"),
    ("facilities", "Director of Facilities", "Facilities"),
    ("finance", "Chief Financial Officer", "District Office"),
    ("hr", "Director of Human Resources", "District Office"),
    ("communications", "Communications Manager", "District Office"),
    ("principal_cf", "Principal", SCHOOLS[0]),
    ("assistant_cf", "Assistant Principal", SCHOOLS[0]),
    ("principal_hs", "Principal", SCHOOLS[1]),
    ("athletics", "Athletic Director", SCHOOLS[1]),
    ("principal_mh", "Principal", SCHOOLS[2]),
    ("principal_qh", "Principal", SCHOOLS[3]),
    ("teacher_a", "Teacher, Science", SCHOOLS[0]),
    ("teacher_b", "Teacher, Language Arts", SCHOOLS[0]),
    ("counselor", "Counselor", SCHOOLS[0]),
    ("maintenance", "Maintenance Lead", "Facilities"),
    ("retired", "Former Principal", SCHOOLS[3]),
)
_OTHER_ROLES = (
    "Teacher, Mathematics",
    "Teacher, Grade 4",
    "Teacher, Grade 2",
    "Paraeducator",
    "Office Manager",
    "Bus Driver",
    "Custodian",
    "Librarian",
    "School Nurse",
    "Teacher, Music",
)
STAFF_COUNT = 64
STUDENT_COUNT = 400


def make_people(seed: int) -> People:
    """Make the district's people; the same seed gives the same people."""
    rng = random.Random(f"people-{seed}")
    firsts, lasts = rng.sample(_FIRST, len(_FIRST)), rng.sample(_LAST, len(_LAST))
    staff: list[Person] = []
    for n in range(STAFF_COUNT):
        if n < len(OFFICES):
            _, role, place = OFFICES[n]
        else:
            role, place = _OTHER_ROLES[n % len(_OTHER_ROLES)], SCHOOLS[n % len(SCHOOLS)]
        staff.append(_person(f"s{n + 1:03}", firsts[n], lasts[n], n, role, place, DOMAIN))
    board = tuple(
        _person(
            f"b{n + 1:03}",
            firsts[-1 - n],
            lasts[(n * 7 + 3) % len(lasts)],
            70 + n,
            "Board Member",
            "Board",
            DOMAIN,
        )
        for n in range(5)
    )
    attorney = _person(
        "x001", "Marguerite", "Solvane", 80, "Attorney", "Harborlight Law", "harborlightlaw.example"
    )
    vendors = (
        _person(
            "x002", "Rupert", "Dunholme", 81, "Account Manager", "Summitline Mechanical", "summitline.example"
        ),
        _person("x003", "Astrid", "Vexley", 82, "Estimator", "Playfield Works", "playfieldworks.example"),
        _person("x004", "Colm", "Tarrant", 83, "Planner", "Valley Transit Study", "transitstudy.example"),
    )
    office = {key: staff[n] for n, (key, _, _) in enumerate(OFFICES)}
    return People(tuple(staff), _students(rng), board, attorney, vendors, office)


def ascii_handle(text: str) -> str:
    """Return lower-case ASCII letters and digits of a name, as a mail system would make of it."""
    plain = text.translate({ord("ø"): "o", ord("ł"): "l", ord("Ł"): "L"})
    return "".join(c for c in unicodedata.normalize("NFKD", plain).lower() if c.isascii() and c.isalnum())


def fictional_number(n: int) -> str:
    """Return the n-th number of the ranges kept free for fiction; repeats after 500."""
    return f"+1{AREA_CODES[(n // 100) % len(AREA_CODES)]}55501{n % 100:02}"


def _person(pid: str, first: str, last: str, n: int, role: str, place: str, domain: str) -> Person:
    mail = f"{ascii_handle(first)}.{ascii_handle(last)}@{domain}"
    return Person(pid, f"{first} {last}", mail, fictional_number(n), role, place)


def _students(rng: random.Random) -> tuple[Student, ...]:
    grades = {
        SCHOOLS[0]: (6, 7, 8),
        SCHOOLS[1]: (9, 10, 11, 12),
        SCHOOLS[2]: (1, 2, 3, 4, 5),
        SCHOOLS[3]: (1, 2, 3, 4, 5),
    }
    pairs = [(f, last) for f in _STUDENT_FIRST for last in _STUDENT_LAST]
    out: list[Student] = []
    for n, (first, last) in enumerate(rng.sample(pairs, STUDENT_COUNT)):
        school = SCHOOLS[n % len(SCHOOLS)]
        guardians = tuple(
            Guardian(
                name := f"{rng.choice(_FIRST)} {last}",
                rng.choice(("mother", "father", "grandparent", "guardian")),
                f"{ascii_handle(name.split()[0])}.{ascii_handle(last)}{n}@homemail.example",
                fictional_number(90 + 2 * n + k),
            )
            for k in range(rng.choice((1, 2, 2)))
        )
        out.append(
            Student(str(4100001 + n), f"{first} {last}", school, rng.choice(grades[school]), guardians)
        )
    return tuple(out)
