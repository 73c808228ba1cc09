"""Until when somebody is away, as their mailbox says it. What can be meant in two ways is not guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from channels.email.away_dates import DATE, Named, day_of

# Nobody's absence is announced further ahead than that.
LONGEST = timedelta(days=400)
_SPACE = r"[\s,.:(]*"
_ARTICLE = (
    r"(?:the |der |dem |den |le |la |el |il |lo |o dia |o |dia |na |no |em |am |on |om |op |from |ab )*"
)
_UNTIL = (
    r"\b(?:until|untill|till|til|through|thru|up to|bis|bis zum|bis einschliesslich|bis einschl|bis inkl|bis inklusive"
    r"|bis zum einschliesslich|jusqu'au|jusqu'a|jusque|hasta|hasta el dia|ate|fino al|fino a|tot|tot en met|t/m)"
)
_BACK = (
    r"\b(?:(?:be |am |i'm )?back(?: in| at| to)?(?: the| my)?(?: office| desk| work)?(?: again)?"
    r"|(?:return|returning|returns|resume|resuming|reopen|reopening)(?: to| in)?(?: the| my)?(?: office| work)?"
    r"|available(?: again)?|(?:respond|reply|answer|get back to you)"
    r"|wieder(?: (?:erreichbar|da|im buro|im hause|fur sie da))?(?: ab)?|ab"
    r"|de retour(?: au bureau)?|(?:je )?reviens|reprendrai"
    r"|(?:regreso|regresare|vuelvo|volvere|de vuelta|de regreso|retorno|retornarei|volto|voltarei|estarei de volta)"
    r"(?: a la oficina| al escritorio| ao escritorio)?"
    r"|(?:rientro|rientrero|tornero|torno|di ritorno|di nuovo)(?: in ufficio)?|terug)"
)
_ENDS_WITH = {
    "until": re.compile(f"{_UNTIL}{_SPACE}{_ARTICLE}$"),
    "back": re.compile(f"{_BACK}{_SPACE}{_ARTICLE}$"),
}
# Between the two ends of a stretch of days.
_TO = re.compile(
    r"^\s*-\s*$"
    rf"|^{_SPACE}(?:-|to|and|until|till|through|thru|bis(?: zum| einschliesslich)?|au|al|a|ate|hasta|tot)[\s(]+{_ARTICLE}$"
)
# A weekday in front of its date, or behind it.
_SAME_DAY = re.compile(rf"^{_SPACE}{_ARTICLE}$")
_TODAY = re.compile(
    r"\b(?:out|away|off|closed|unavailable|not in)\b[^.!?]{0,30}\b(?:today|this (?:morning|afternoon))\b"
)
_THIS_WEEK = re.compile(
    r"\b(?:out|away|off|closed|vacation|leave)\b[^.!?]{0,30}\b(?:all|this|rest of the|rest of this) week\b"
)


@dataclass(frozen=True)
class _Said:
    """A day that is named, where it stands, and which day it is."""

    start: int
    end: int
    named: Named
    day: date | None


def away_until(text: str, sent: date) -> date | None:
    """The last day somebody is away, from a plain text (`signs.plain`) written on the day `sent` where they are.

    "Until Monday" counts the Monday, "back on Tuesday" ends on the Monday. None when nothing is said, when it has
    passed, or when it can be meant in two ways ("until 12/11" in November).
    """
    said = _days(text, sent)
    found = [_last_day(one, role) for one, role in _roles(text, said)]
    week_ends = sent + timedelta(days=6 - sent.weekday())
    if not said:
        found += [sent] if _TODAY.search(text) else []
        found += [week_ends] if _THIS_WEEK.search(text) else []
    known = [day for day in found if day is not None and sent <= day <= sent + LONGEST]
    return max(known, default=None)


def _days(text: str, sent: date) -> list[_Said]:
    """The days a text names, in their order; of a weekday and its date next to each other only the date."""
    spots = list(DATE.finditer(text))
    dropped = set()
    for one, following in pairwise(spots):
        if _SAME_DAY.match(text[one.end() : following.start()]):
            if Named.of(one).weekday is not None:
                dropped.add(one.start())
            elif Named.of(following).weekday is not None:
                dropped.add(following.start())
    kept = [spot for spot in spots if spot.start() not in dropped]
    starts = [_with_weekday(spot.start(), spots, dropped) for spot in kept]
    return [
        _Said(start, spot.end(), Named.of(spot), day_of(Named.of(spot), sent))
        for start, spot in zip(starts, kept, strict=True)
    ]


def _with_weekday(start: int, spots: list[re.Match[str]], dropped: set[int]) -> int:
    """Where a date begins with the weekday in front of it: a cue stands before both."""
    before = [spot.start() for spot in spots if spot.start() in dropped and spot.start() < start]
    nearest = max(before, default=start)
    return nearest if start - nearest < 25 else start


def _roles(text: str, said: list[_Said]) -> list[tuple[_Said, str]]:
    """The named days that end an absence, each with the way it does."""
    found = []
    for index, one in enumerate(said):
        before = text[max(0, one.start - 60) : one.start]
        between = text[said[index - 1].end : one.start] if index else None
        if one.named.is_range_end or _ENDS_WITH["until"].search(before) or (between and _TO.match(between)):
            found.append((one, "until"))
        elif _ENDS_WITH["back"].search(before):
            found.append((one, "back"))
    return found


def _last_day(said: _Said, role: str) -> date | None:
    if said.day is None:
        return None
    return said.day if role == "until" else said.day - timedelta(days=1)
