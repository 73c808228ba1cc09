"""Whether a customer's words take one shown time: pure reading, English and Spanish.

A model may believe it heard a yes; a write happens only when this finds one too. The last decisive clause counts, so
"yes ... no wait" is no, and "not tuesday, wednesday at 1 works" is Wednesday. What is not plainly said is asked back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from agent.tools.named import WEEKDAY, Named, Shown, folded, read_named
from agent.tools.yes_only import says_more, takes_leave, without_courtesy
from agent.tools.yes_words import (
    AGREES,
    ALTERNATIVE,
    ANY_OF_THEM,
    ASKS,
    ASKS_FOR,
    BARE,
    CONDITION,
    DOUBTS,
    GREETING,
    HARMLESS,
    MILD,
    MILD_ALONE,
    ORDINALS,
    POSTPONES,
    QUERY,
)  # fmt: skip

Reading = Literal["yes", "no", "which", "other", "more"]
_WEEKDAY_COMMA = re.compile(rf"\b({'|'.join(sorted(WEEKDAY, key=len, reverse=True))}|mar)s?\.?,(?= )")
_CLAUSE = re.compile(r"([^?!;\n,.]|\.(?=\d|m\b)|(?<=\b[ap])\.(?= ?m)|(?<=[ap]\.m)\.)+[?!;\n,.]*")
_TURNS = re.compile(r"\b(?:but|though|however|although|pero|aunque)\b")


@dataclass(frozen=True)
class Table:
    """What the customer has before them: the times of the newest message that showed some, in the order of that
    message; the time in question; which of them our last text was about; and the words and amounts that only repeat what
    was offered or what is on record: the services, the car, the customer's name."""

    shown: tuple[Shown, ...]
    this: Shown
    asked: frozenset[int]
    asked_question: bool
    today: date
    known: frozenset[str] = frozenset()


@dataclass
class _Heard:
    """What the clauses since the last refusal add up to."""

    agreed: bool = False
    mildly: bool = False
    asks: bool = False
    any_of_them: bool = False
    more: bool = False
    named: tuple[Named, ...] = ()
    places: frozenset[int] = frozenset()


def accepts(messages: Sequence[str], table: Table) -> Reading:
    """Whether the unanswered messages take `table.this`: "yes"; "no", nothing was agreed to; "which", the words fit
    several shown times; "other", they name another time; "more", they say something beside the yes that has to be
    answered first. Never raises."""
    heard = _Heard()
    for clause, is_question in clauses(messages):
        heard = _hear(heard, clause, is_question, table)
    reading = _taken(heard, table)
    return "more" if reading == "yes" and heard.more else reading


def _taken(heard: _Heard, table: Table) -> Reading:
    """Which of the shown times the words take, whatever else they say."""
    if not (heard.agreed or heard.mildly):
        return "no"
    if heard.any_of_them and table.this in table.shown:
        return "yes"
    fitting = _fitting(heard, table)
    if fitting is None:
        return _bare_yes(heard, table)
    if table.this.id not in fitting:
        return "other" if heard.agreed or fitting else "no"
    return "yes" if len(fitting) == 1 else "which"


def clauses(messages: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every clause in folded words, and whether it asks something."""
    for message in messages:
        # Line breaks part clauses; `folded` would lose them.
        text = " ; ".join(folded(line) for line in message[:2000].splitlines())
        text = GREETING.sub(" ", _TURNS.sub(", but ", _WEEKDAY_COMMA.sub(r"\1", text)))
        text = text.replace("👍", " ok ").replace("✅", " ok ").replace("👎", " no ")
        for found in _CLAUSE.finditer(text):
            clause = " ".join(found[0].strip(" ?!;,.\n¿¡-").split())
            if clause and clause != "but":
                yield clause, "?" in found[0] or bool(QUERY.match(clause.removeprefix("but ")))


def _hear(heard: _Heard, clause: str, is_question: bool, table: Table) -> _Heard:
    places, rest = _places(clause, table)
    named = _hours(read_named(rest, table.today), places, table)
    names = named.definite or bool(places) or any(named.fits_loosely(one) for one in table.shown)
    plain = HARMLESS.sub(" ", named.rest)
    fits = names and named.fits(table.this) and (not places or table.this.id in places)
    asks = is_question or bool(ASKS.search(plain))
    said = ASKS_FOR.sub(" ", ANY_OF_THEM.sub(" ", plain))
    more = says_more(said, table.known | _numbers(table, places), asks=asks)
    if POSTPONES.search(clause):
        return _Heard()
    if _refuses(plain, fits, names, asks):
        # "Not tuesday" says nothing about a wednesday, and takes nothing back.
        if names and not fits:
            return heard
        # "The carbon instead" and "if it is free" are not taken back by the yes after them.
        return _Heard(more=more and bool(ALTERNATIVE.search(plain) or CONDITION.search(plain)))
    if takes_leave(clause) and not heard.agreed:
        return replace(heard, mildly=False)
    heard = replace(heard, more=heard.more or more)
    if asks:
        if names and ASKS_FOR.search(clause):
            return replace(heard, agreed=True, named=(*heard.named, named), places=heard.places | places)
        return replace(heard, asks=True)
    bare = names and not BARE.sub("", _unnumbered(without_courtesy(named.rest))).strip()
    return replace(
        heard,
        agreed=heard.agreed or bool(AGREES.search(plain)) or bare,
        mildly=heard.mildly
        or (bool(MILD.search(plain)) and (names or bool(heard.named) or mild_alone(plain))),
        any_of_them=heard.any_of_them or bool(ANY_OF_THEM.search(clause)),
        named=(*heard.named, named) if names else heard.named,
        places=heard.places | places,
    )


def _hours(named: Named, places: frozenset[int], table: Table) -> Named:
    """A number that stands alone and is the hour of nothing that was shown is another hour: "yes, 10"."""
    alone = not BARE.sub("", MILD.sub(" ", AGREES.sub(" ", _unnumbered(named.rest)))).strip()
    if places or not alone or any(named.fits_loosely(one) for one in (*table.shown, table.this)):
        return named
    return replace(named, clocks=named.clocks + named.loose)


def _refuses(plain: str, fits: bool, names: bool, asks: bool) -> bool:
    """A no, a doubt or a condition ("but how much is it?"); in other questions such words mean nothing ("do I have to
    wait?"). A wish for another time is none when it names this one ("wednesday instead")."""
    if ALTERNATIVE.search(plain) and not (names and fits):
        return True
    return plain.startswith("but ") if asks else bool(DOUBTS.search(plain))


def _places(clause: str, table: Table) -> tuple[frozenset[int], str]:
    """The shown times picked by their place ("the second one"), and the clause without that."""
    for pattern, place in ORDINALS:
        # One time alone has no place: "the first one" is then one of an older list.
        if (m := pattern.search(clause)) and -1 <= place < len(table.shown) and len(table.shown) > 1:
            # A bare "2" may be two o'clock: it stays to be read as a time as well.
            rest = clause if clause.isdigit() else clause.replace(m[0], " ")
            return frozenset({table.shown[place].id}), rest
    return frozenset(), clause


def _numbers(table: Table, places: frozenset[int]) -> frozenset[str]:
    """The hours and days of the shown times as customers write them, and the places of a list that one was picked from."""
    found: set[str] = {str(place + 1) for place in range(len(table.shown))} if places else set()
    for one in (*table.shown, table.this):
        for hour in range(one.first.hour, one.last.hour + 1):
            for each in (hour, hour % 12 or 12):
                minutes = {0, one.first.minute, one.last.minute}
                found |= {f"{each}{sign}{minute:02d}" for minute in minutes for sign in ("", ":")}
                found.add(str(each))
        found.add(str(one.first.day))
    return frozenset(found)


def _fitting(heard: _Heard, table: Table) -> set[int] | None:
    """The shown times that agree with everything that was named; None when nothing was named."""
    named = _together(heard.named)
    everything = {one.id: one for one in (*table.shown, table.this)}
    fits = {one.id for one in everything.values() if named.fits(one)}
    loose = {number for number in fits if named.fits_loosely(everything[number])}
    if named.definite:
        if heard.places:
            return fits & heard.places or fits | heard.places
        return fits & loose if loose and not named.clocks else fits
    if heard.places:
        return set(heard.places) | loose
    return loose or None


def _together(parts: Sequence[Named]) -> Named:
    """Several clauses as one: "tuesday, 9 am" names both."""
    total = Named()
    for one in parts:
        total = Named(
            total.weekdays | one.weekdays,
            total.dates | one.dates,
            total.relative | one.relative,
            total.clocks + one.clocks,
            one.bounds or total.bounds,
            total.parts | one.parts,
            total.loose + one.loose,
        )
    return total


def _bare_yes(heard: _Heard, table: Table) -> Reading:
    """A yes that names nothing takes the one time our last text was about. A mild one ("ok", "great") counts only
    after a question of ours and with no question of theirs."""
    if not heard.agreed and (heard.asks or not table.asked_question):
        return "no"
    if table.this.id not in table.asked:
        return "no"
    return "yes" if len(table.asked) == 1 else "which"


def mild_alone(plain: str) -> bool:
    """Whether a clause is a mild yes and nothing else: "ok", "sure"."""
    return bool(MILD_ALONE.search(plain)) and not BARE.sub("", MILD.sub(" ", plain)).strip()


def _unnumbered(rest: str) -> str:
    return re.sub(r"\b\d{1,4}\b", " ", rest)
