"""What is put in by hand: the mail, texts and files the requests are about, near-misses, and broken things.

Everything here is a list of small steps, in memory: some two hundred, whatever the size of the district.
"""

from __future__ import annotations

from examples.district.clock import pacific
from examples.district.people import People
from examples.district.plant_asks import contract, near_misses, staffing
from examples.district.plant_bus import bus_edges, bus_files, bus_mail, bus_phone, students
from examples.district.plant_odd import odd_files, odd_mail
from examples.district.plant_policy import plant_policy
from examples.district.plant_variants import plant_variants
from examples.district.planter import Planter
from examples.district.texts import Words

OVERLAP_AT = pacific(2026, 2, 23, 7, 30)
"""When the older backup of the director's phone was made."""


def plant(seed: int, people: People, words: Words) -> Planter:
    """Return everything that is planted."""
    planter = Planter(seed, people, words)
    bus_mail(planter)
    bus_edges(planter)
    bus_phone(planter)
    bus_files(planter)
    contract(planter)
    staffing(planter)
    near_misses(planter)
    odd_mail(planter)
    odd_files(planter)
    students(planter, people)
    plant_variants(planter)
    plant_policy(planter)
    _older_backup(planter)
    return planter


def _older_backup(planter: Planter) -> None:
    """Plant what a backup of the director's phone had that was made earlier: the same messages once more."""
    for step in list(planter.texts):
        if step.phone == "phone-01" and step.element.at <= OVERLAP_AT:
            planter.text("phone-04", step.element, step.answers, (*step.tags, "overlap"))
