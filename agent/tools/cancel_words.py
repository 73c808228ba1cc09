"""Whether a customer's words ask to cancel, and which of their appointments: pure reading, English and Spanish.

With one appointment ahead a plain wish is enough. With several, the words have to name one: by its day or time, by its
work, by its place in the row; a yes counts for the one that our question named. What is not plain is asked back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from agent.check import names_moment
from agent.tools.acceptance import Reading, clauses, mild_alone
from agent.tools.named import WEEKDAY, Named, Shown, folded, read_named
from agent.tools.yes_only import says_more
from agent.tools.yes_words import (
    AGREES,
    ASKS_FOR,
    BARE,
    CANCEL,
    CONDITION,
    DOUBTS,
    HARMLESS,
    KEEP,
    POSTPONES,
)

# A yes to "cancel it or move it?" does not say which.
_OR_MOVE = re.compile(r"\b(?:move|reschedul\w*|keep|instead|mover|cambiar|mantener)\b")
# Where a new clause begins although nothing, or the comma of "tuesday, nov 24", parts it from the one before.
_BEGINS = re.compile(
    r" (?:and|y) (?=(?:i'?ll |i will |i |please )?(?:keep|leave|deje|mantenga)\b)"
    rf"|, ?(?=(?:please |just )?(?:cancel|keep|leave|do|no|not|i|{'|'.join(one for one in WEEKDAY if len(one) > 4)})\b)"
)
_NOUN = r"(?:one|appointments?|appt|visit|booking|cita|reserva)"
_PLACES = tuple(
    (re.compile(pattern), place)
    for pattern, place in (
        (rf"\b(?:first|next|earlier|sooner|earliest) {_NOUN}\b|\b1st {_NOUN}\b|\bfirst$|\bprimer[ao]?\b|\bproxima {_NOUN}\b", 0),
        (rf"\b(?:second|2nd) {_NOUN}\b|\bsecond$|\bsegund[ao]\b", 1),
        (rf"\b(?:third|3rd) {_NOUN}\b|\bthird$|\btercer[ao]?\b", 2),
        (rf"\b(?:last|latest|later|latter) {_NOUN}\b|\blast$|\bultim[ao]\b", -1),
    )
)  # fmt: skip
_MOVES = re.compile(r"\b(?:move|resched\w*|rebook\w*|mover\w*|muev\w*|cambi\w*|reagend\w*)\b")
# What a wish to cancel may hold besides what it cancels.
_OF_THE_WISH = frozenset(
    re.findall(
        r"\w+",
        "have need want go get going must like all both each every everything appointments bookings visit visits reservation"
        " plan cancel cancelling canceling todas todo ambas dos citas tengo necesito debo reserva hoy",
    )
)
_IDLE = re.compile(r"\b(?:that(?:'?s| is) all|at all|after all|es todo)\b")
_EVERY = re.compile(r"\b(?:both|all|everything|each|todas?|todo|ambas|las dos)\b")
_WORD = re.compile(r"[a-z0-9]{3,}")
# Words in the names of services that customers say of anything.
_SAYS_NOTHING = frozenset(
    re.findall(
        r"\w+",
        "and the for with from car auto carro vehicle truck suv whole all one two three per year not new old back clear"
        " same day con los las del para",
    )
)
_AROUND = re.compile(
    r"\b(?:appointments?|appts?|visits?|bookings?|citas?|my|mine|mean|meant|i|about|regarding|please|pls|thanks|yes|si|mean)\b"
)


@dataclass(frozen=True)
class Visit:
    """An appointment ahead: its time, and the words of the names of its services."""

    shown: Shown
    work: frozenset[str]

    @property
    def id(self) -> int:
        """The appointment's id."""
        return self.shown.id


@dataclass(frozen=True)
class Cancelling:
    """What the words come to, and the appointments they mean: "yes" with one, or with every one that was asked for;
    "which" with those that fit alike; "other" names none of them; "no" asks for nothing."""

    reading: Reading
    ids: frozenset[int]


@dataclass(frozen=True)
class Meant:
    """The appointments that some words fit; `each`: every one of them, and not one of them."""

    ids: frozenset[int]
    each: bool = False


@dataclass
class _Heard:
    """What the clauses since the last refusal add up to. `topic` is what was named beside the wish itself."""

    wants: bool = False
    meant: Meant | None = None
    topic: Meant | None = None
    kept: frozenset[int] = frozenset()
    limited: bool = False


def work_words(names: Sequence[str]) -> frozenset[str]:
    """The words by which customers tell these services from others."""
    found = (_stem(word) for name in names for word in _WORD.findall(folded(name)))
    return frozenset(found) - _SAYS_NOTHING


def asked_about(body: str, visits: Sequence[Visit], today: date) -> frozenset[int] | None:
    """The appointments that a message of ours asked about cancelling; None when it did not ask. A question that names
    none may mean the only one there is."""
    parts = re.split(r"(?<=[?.!])\s+", folded(body))
    questions = [
        one for one in parts if one.endswith("?") and CANCEL.search(one) and not _OR_MOVE.search(one)
    ]
    if not questions:
        return None
    text = " ".join(questions)
    if labelled := frozenset(one.id for one in visits if names_moment(text, one.shown.label)):
        return labelled
    if (asked := meant_by(text, visits, today)) is not None:
        return asked.ids
    return frozenset(one.id for one in visits) if len(visits) == 1 else frozenset()


def meant_by(words: str, visits: Sequence[Visit], today: date) -> Meant | None:
    """The appointments that folded words name by day, time, work or place, soonest first; None when they name none and
    nobody in them when what they name is none of these."""
    everyone = frozenset(one.id for one in visits)
    words = _IDLE.sub(" ", words)
    if _EVERY.search(words):
        return Meant(everyone, each=True)
    place, rest = _place(words, visits)
    named = read_named(_without_work(rest, visits), today)
    parts = [one for one in (place, _by_time(named, visits), named_work(words, visits)) if one is not None]
    if not parts:
        return None
    ids = frozenset.intersection(*parts)
    return Meant(ids, each=_by_each_day(named, [one for one in visits if one.id in ids]))


def asks_to_cancel(
    messages: Sequence[str], visits: Sequence[Visit], asked: frozenset[int] | None, today: date
) -> Cancelling:
    """What the unanswered messages ask to cancel of `visits`, soonest first; `asked` as `asked_about` tells it of our last
    message. The last word of several counts. Never raises."""
    heard = _Heard()
    for clause, is_question in clauses([_BEGINS.sub(" ; ", folded_lines(one)) for one in messages]):
        _hear(heard, clause, is_question, visits, asked, today)
    if not heard.wants or heard.limited:
        return Cancelling("no", frozenset())
    meant = _settled(heard, visits, asked)
    if not meant.ids:
        return Cancelling("other", frozenset())
    return Cancelling("yes" if len(meant.ids) == 1 or meant.each else "which", meant.ids)


def folded_lines(message: str) -> str:
    """A message in lower case with its lines kept."""
    return "\n".join(folded(line) for line in message[:2000].splitlines())


def _hear(
    heard: _Heard,
    clause: str,
    is_question: bool,
    visits: Sequence[Visit],
    asked: frozenset[int] | None,
    today: date,
) -> None:
    meant = meant_by(clause, visits, today)
    more = _says_more(clause, visits, today)
    if CONDITION.search(HARMLESS.sub(" ", clause)) and more:
        heard.limited = True
    if KEEP.search(clause):
        _keep(heard, meant, visits)
    elif CANCEL.search(clause) and not (is_question and not ASKS_FOR.search(clause)):
        doubts = DOUBTS.search(CANCEL.sub(" ", HARMLESS.sub(" ", clause))) or _MOVES.search(clause)
        if not (doubts or more):
            heard.wants, heard.meant = True, meant or heard.meant
    elif asked is not None and not is_question:
        _answer(heard, clause, meant, asked, more=more)
    elif meant is not None and _only_names(clause, visits, today):
        heard.topic = meant


def _keep(heard: _Heard, meant: Meant | None, visits: Sequence[Visit]) -> None:
    """ "Keep friday" spares one of them; any other word of keeping takes the wish back."""
    so_far = heard.meant.ids if heard.meant else frozenset()
    if meant and meant.ids and len(meant.ids) < len(visits) and not meant.ids & so_far:
        heard.kept |= meant.ids
    else:
        heard.wants, heard.meant, heard.topic = False, None, None


def _says_more(clause: str, visits: Sequence[Visit], today: date) -> bool:
    """Whether a clause holds another object than these appointments: "cancel the gym"."""
    _, rest = _place(_EVERY.sub(" ", _IDLE.sub(" ", clause)), visits)
    rest = CANCEL.sub(" ", ASKS_FOR.sub(" ", read_named(_without_work(rest, visits), today).rest))
    hours = {
        str(number) for one in visits for number in (one.shown.first.hour, one.shown.first.hour % 12 or 12)
    }
    return says_more(rest, _OF_THE_WISH | hours, asks=False)


def _answer(heard: _Heard, clause: str, meant: Meant | None, asked: frozenset[int], *, more: bool) -> None:
    """An answer to our question: a no, a yes to what it named, or the choice of one of several it named. A reason
    beside the yes ("something came up") changes nothing; another wish in the yes itself does."""
    plain = HARMLESS.sub(" ", clause)
    if DOUBTS.search(plain) or POSTPONES.search(clause) or (more and AGREES.search(plain)):
        heard.wants, heard.meant = False, None
    elif AGREES.search(plain) or mild_alone(plain):
        heard.wants = True
        heard.meant = Meant(meant.ids & asked, meant.each) if meant else heard.meant
    elif meant is not None and (len(asked) > 1 or heard.wants):
        heard.wants, heard.meant = True, Meant(meant.ids & asked, meant.each)


def _settled(heard: _Heard, visits: Sequence[Visit], asked: frozenset[int] | None) -> Meant:
    meant = heard.meant or heard.topic
    if heard.meant and heard.topic and heard.meant.ids & heard.topic.ids:
        meant = Meant(heard.meant.ids & heard.topic.ids, heard.meant.each)
    if meant is None:
        meant = Meant(frozenset(one.id for one in visits) if asked is None else asked)
    return Meant(meant.ids - heard.kept, meant.each)


def _place(words: str, visits: Sequence[Visit]) -> tuple[frozenset[int] | None, str]:
    for pattern, place in _PLACES:
        if found := pattern.search(words):
            there = -1 <= place < len(visits)
            return frozenset({visits[place].id} if there else ()), words.replace(found[0], " ")
    return None, words


def _by_time(named: Named, visits: Sequence[Visit]) -> frozenset[int] | None:
    if named.definite:
        return frozenset(one.id for one in visits if named.fits(one.shown))
    return frozenset(one.id for one in visits if named.fits_loosely(one.shown)) or None


def named_work(words: str, visits: Sequence[Visit]) -> frozenset[int] | None:
    """The appointments that fit every word which only some of them have in the names of their work."""
    heard = {_stem(word) for word in _WORD.findall(words)}
    groups = [frozenset(one.id for one in visits if word in one.work) for word in heard]
    telling = [ids for ids in groups if ids and len(ids) < len(visits)]
    if not telling:
        return None
    return frozenset.intersection(*telling) or frozenset().union(*telling)


def _by_each_day(named: Named, fitting: Sequence[Visit]) -> bool:
    """ "Tuesday and friday": as many days as appointments, so each of them is meant."""
    weekdays = {one.shown.first.weekday() for one in fitting}
    dates = {one.shown.first.date() for one in fitting}
    return len(fitting) > 1 and (
        len(weekdays) == len(named.weekdays) == len(fitting) or len(dates) == len(named.dates) == len(fitting)
    )


def _only_names(clause: str, visits: Sequence[Visit], today: date) -> bool:
    """Whether a clause says nothing but which appointment: "the windshield one"."""
    _, rest = _place(clause, visits)
    rest = _AROUND.sub(" ", read_named(_without_work(rest, visits), today).rest)
    return not BARE.sub(" ", rest).split()


def _without_work(words: str, visits: Sequence[Visit]) -> str:
    """The words without those of the names of work: the "sun" of a sun strip is no Sunday."""
    work = frozenset().union(*(one.work for one in visits))
    return _WORD.sub(lambda found: " " if _stem(found[0]) in work else found[0], words)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
