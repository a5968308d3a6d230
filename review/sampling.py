"""Sampling what is not going to be reviewed: the frozen list, the draw, and what a coded sample says.

An elusion sample asks how much that is responsive a search left behind (Grossman and Cormack, "A Glossary of
Technology-Assisted Review", 2013). The unit is the family. The list that is drawn from (the *discard pile*)
holds every family with a stored member that is not in review: no term of the version in force hits it, nobody
decided on a member, nobody found it in an earlier sample. What was reviewed and found not responsive is not
in it: a person has read that. The interval is Clopper and Pearson's (Biometrika 26, 1934).
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import sqlalchemy as sa

from records import tables as t
from records.decisions import in_review
from records.errors import UsageError
from records.vocabulary import CollectionState, TextState

LARGEST_SEED = 2**63 - 1
LEAST_MARGIN, LEAST_CONFIDENCE = 0.001, 0.5
"""Less than these is a share written for a percentage (0.95 for 95), and a draw is never taken back."""
_IN_QUERY = 500


# --- the list that is drawn from -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Families:
    """Where the families of a request stand, for one version of its terms.

    Attributes:
        reviewed: In review.
        left: Stored and not in review: the discard pile.
        responsive: In review, with a member that was decided responsive.
        undecided: In review, none decided responsive, and with a member whose answer is open.
        not_stored: Met, and no member could be stored: nobody can read them, so they are in no list.
    """

    reviewed: frozenset[str]
    left: frozenset[str]
    responsive: frozenset[str]
    undecided: frozenset[str]
    not_stored: frozenset[str]


def families(connection: sa.Connection, request_id: str, version: int) -> Families:
    """Look at every family, in the caller's view."""
    i = t.items.c
    standings = in_review(connection, request_id, version)
    stored: set[str] = set()
    failed: set[str] = set()
    reviewed: set[str] = set()
    responsive: set[str] = set()
    open_: set[str] = set()
    rows = connection.execute(
        sa.select(i.item_id, i.family_id, i.state)
        .where(i.request_id == request_id)
        .execution_options(yield_per=5_000)
    )
    for item_id, family_id, state in rows:
        if state == CollectionState.FAILED:
            failed.add(family_id)
        if state != CollectionState.STORED:
            continue
        stored.add(family_id)
        standing = standings.get(item_id)
        if standing is None:
            continue
        reviewed.add(family_id)
        decision = standing.decision
        if decision is None or (decision.public_record and decision.responsive is None):
            open_.add(family_id)
        elif decision.responsive:
            responsive.add(family_id)
    return Families(
        reviewed=frozenset(reviewed),
        left=frozenset(stored - reviewed),
        responsive=frozenset(responsive),
        undecided=frozenset(open_ - responsive),
        not_stored=frozenset(failed - stored),
    )


def frame_text(left: Iterable[str]) -> str:
    """Return the frozen list as it is kept and hashed: sorted family ids, a line each, every line ended."""
    return "".join(f"{family_id}\n" for family_id in sorted(left))


def frame_sha256(text: str) -> str:
    """Return the hash that says which list a sample was drawn from."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def draw(left: Collection[str], seed: int, size: int) -> tuple[str, ...]:
    """Draw families, in the order drawn.

    A family's turn is the SHA-256 of ``seed:family_id``, smallest first. A library's random number generator
    may change with the library; this can be drawn again by anybody, with nothing but the list and the seed,
    and does not depend on the order of the list.

    Raises:
        UsageError: The seed is below 0 or above ``LARGEST_SEED``.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"a seed is a whole number from 0 to {LARGEST_SEED}")

    def turn(family_id: str) -> tuple[str, str]:
        return hashlib.sha256(f"{seed}:{family_id}".encode("ascii")).hexdigest(), family_id

    return tuple(heapq.nsmallest(size, set(left), key=turn))


# --- figures -------------------------------------------------------------------------------------------


def size_for(margin: float, confidence: float, population: int | None = None) -> int:
    """Return how many to draw so that a proportion is known within ``margin`` either way.

    For the worst case, a proportion of one half: ``z²/4·margin²``, corrected for a finite population.
    A proportion near zero, as elusion should be, comes out much closer than the margin.

    Args:
        margin: Half the width, such as 0.02.
        confidence: Such as 0.95.
        population: How many there are; None for no end of them.

    Raises:
        UsageError: One of them is no share that makes sense.
    """
    _check_share("the margin", margin, LEAST_MARGIN)
    _check_share("the confidence", confidence, LEAST_CONFIDENCE)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    endless = z * z / (4 * margin * margin)
    if population is None:
        return math.ceil(endless)
    return min(population, math.ceil(endless / (1 + (endless - 1) / population))) if population else 0


def _check_share(what: str, value: float, least: float) -> None:
    if not least <= value < 1:
        raise UsageError(f"{what} lies between {least * 100:g} and 100 percent")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and how far off it may be; shares from 0 to 1.

    Attributes:
        estimate: The estimate itself.
        low: Lower end of the interval with two ends.
        high: Upper end.
        bound: The end of the interval with one end, on the side that matters: elusion is at most this, recall
            at least. It lies nearer to the estimate than the same end of the interval with two.
    """

    estimate: float
    low: float
    high: float
    bound: float


def elusion(found: int, sampled: int, population: int, confidence: float) -> Interval:
    """Return the share of the discard pile that is responsive, from a simple random sample of it.

    Clopper and Pearson's interval takes the draws as independent. They are not (nothing is drawn twice), so
    it is wider than it need be, the more so the larger the sample is beside the pile: the error is on the
    safe side. What is known for certain narrows it: at least what was found is there, and of what was not
    drawn no more than all. So for a sample of everything both ends are the estimate itself.

    Args:
        found: Responsive families of the sample.
        sampled: Families of the sample.
        population: Families of the pile.
        confidence: Such as 0.95.

    Raises:
        ValueError: The counts cannot be.
    """
    if not 0 <= found <= sampled <= population or sampled < 1:
        raise ValueError(f"{found} found of {sampled} of {population}")
    from scipy.special import betaincinv  # takes half a second to load, and few commands sample

    rest = sampled - found
    least, most = found / population, (population - rest) / population
    tail = (1 - confidence) / 2

    def upper(share: float) -> float:
        return min(float(betaincinv(found + 1, rest, share)) if rest else 1.0, most)

    low = float(betaincinv(found, rest + 1, tail)) if found else 0.0
    return Interval(found / sampled, max(low, least), upper(1 - tail), upper(confidence))


def recall(responsive: int, population: int, eluded: Interval) -> Interval | None:
    """Return the share of all responsive families that the search found: ``F / (F + D·elusion)``.

    The interval carries that of elusion over; F is taken as counted without error, though people decided it.

    Args:
        responsive: F, the families found and decided responsive outside of the pile.
        population: D, the families of the pile.
        eluded: Their elusion.

    Returns:
        None where nothing responsive was found by the search: there is no share to speak of.
    """
    if not responsive:
        return None

    def share(missed: float) -> float:
        return responsive / (responsive + population * missed)

    return Interval(share(eluded.estimate), share(eluded.high), share(eluded.low), share(eluded.bound))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a sample says so far.

    Attributes:
        population: D, families of the frozen list.
        size: Families drawn.
        coded: Families answered.
        counted: Families that the estimates stand on: those answered in the order drawn, up to the first that
            is not. The first so many of a random order are a random sample themselves; any others that
            happened to be answered are not.
        found: Responsive families among all that are answered.
        counted_found: Responsive families among those counted.
        responsive: F.
        undecided: Families outside of the list whose answer in review is open: F may grow by them.
        elusion: Share of the list; None while nothing is counted.
        recall: None while nothing is counted, or F is 0.
    """

    population: int
    size: int
    coded: int
    counted: int
    found: int
    counted_found: int
    responsive: int
    undecided: int
    elusion: Interval | None
    recall: Interval | None

    @property
    def census(self) -> bool:
        """Whether the figures are of the whole list, and so no estimates."""
        return self.counted == self.population

    @property
    def provisional(self) -> bool:
        """Whether the figures may still change without another sample."""
        return self.counted < self.size or self.undecided > 0


def figures(
    drawn: Sequence[str],
    answers: Mapping[str, bool],
    frame: Collection[str],
    now: Families,
    confidence: float,
) -> Figures:
    """Add a sample up.

    Args:
        drawn: Its families in the order drawn.
        answers: Family to the answer in force, of those that are answered.
        frame: The frozen list it was drawn from. Families of it are no part of F, even if they were found
            since: else what the sample itself brought to light would count as found by the search.
        now: Where families stand, for the version the sample was drawn under.
        confidence: Such as 0.95.
    """
    frozen = frozenset(frame)
    counted = next((n for n, family_id in enumerate(drawn) if family_id not in answers), len(drawn))
    counted_found = sum(answers[family_id] for family_id in drawn[:counted])
    responsive = len(now.responsive - frozen)
    eluded = elusion(counted_found, counted, len(frozen), confidence) if counted else None
    return Figures(
        population=len(frozen),
        size=len(drawn),
        coded=len(answers),
        counted=counted,
        found=sum(answers.values()),
        counted_found=counted_found,
        responsive=responsive,
        undecided=len(now.undecided - frozen),
        elusion=eluded,
        recall=recall(responsive, len(frozen), eluded) if eluded else None,
    )


# --- what of a sample a search could not have found ----------------------------------------------------


def unsearchable(connection: sa.Connection, request_id: str, drawn: Iterable[str]) -> tuple[int, int]:
    """Return how many families have no member that could be searched, and how many have only some.

    They are part of the list, since no term could hit them; a person opens them all the same.
    """
    i, r = t.items.c, t.readings.c
    states: dict[str, set[bool]] = {}
    wanted = sorted(drawn)
    for start in range(0, len(wanted), _IN_QUERY):
        rows = connection.execute(
            sa.select(i.family_id, i.state, r.text_state)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(
                i.request_id == request_id,
                i.family_id.in_(wanted[start : start + _IN_QUERY]),
                i.state != CollectionState.EXCLUDED,
            )
        )
        for family_id, state, text_state in rows:
            searched = state == CollectionState.STORED and text_state == TextState.SEARCHABLE
            states.setdefault(family_id, set()).add(searched)
    return (
        sum(found == {False} for found in states.values()),
        sum(found == {False, True} for found in states.values()),
    )
