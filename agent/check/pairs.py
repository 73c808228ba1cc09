"""A time together with the day it is meant on, and whether a text names the moment of a label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.check.clocks import Clock, clocks_in
from agent.check.days import Day, days_in
from agent.check.records import Moment
from agent.check.text import clean, sentences

_ATTACHED = re.compile(r"^\s?,?\s?(?:on |el |the |this |next |este |del? |of )?$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """A time with the day that belongs to it, as the sentence puts them."""

    clock: Clock
    day: Day | None


def pairs_in(
    text: str, days: Sequence[Day], clocks: Sequence[Clock], carried: Day | None = None
) -> list[Pair]:
    """Each time with the day right behind it, else the day before it, else the one spoken of last."""
    found: list[Pair] = []
    for clock in clocks:
        ahead = [day for day in days if day.end <= clock.start]
        gaps = [(day, text[clock.end : day.start]) for day in days if day.start >= clock.end]
        behind = next((day for day, gap in gaps if _ATTACHED.match(gap) and not (ahead and "," in gap)), None)
        if ahead and behind and _ATTACHED.match(text[ahead[-1].end : clock.start].replace("at ", "")):
            behind = None
        found.append(Pair(clock, behind or (ahead[-1] if ahead else carried)))
    return found


def names_moment(text: str, label: str) -> bool:
    """Whether a text names the moment of a label ("Tue, Nov 24 at 9:00 AM", "drop off Tue, Nov 24 between 9:00 and
    10:00 AM"): its times and, where the text names days at all, its day, in English or Spanish. "Tomorrow at 9 AM" names
    no day that could be compared."""
    wanted = clean(label)
    when = days_in(wanted, None)
    plain = clean(text)
    return all(_named(plain, clock, when[0] if when else None) for clock in clocks_in(wanted))


def _named(text: str, wanted: Clock, when: Day | None) -> bool:
    carried: Day | None = None
    for sentence in sentences(text):
        days = days_in(sentence.text, None)
        for pair in pairs_in(sentence.text, days, clocks_in(sentence.text), carried):
            if pair.clock.minutes & wanted.minutes and same_day(pair.day, when):
                return True
        carried = days[-1] if days else carried
    return False


def same_day(said: Day | None, when: Day | None) -> bool:
    if said is None or when is None or (said.dates is None and said.weekdays is None):
        return True
    if said.dates is not None and when.dates is not None:
        return bool(said.dates & when.dates) or bool(
            {dom for m, dom in said.dates if not m} & {d for _, d in when.dates}
        )
    return said.weekdays is None or when.weekdays is None or bool(said.weekdays & when.weekdays)


def matches(moment: Moment, clock: Clock | None, day: Day | None) -> bool:
    """Whether a moment is at this time and on this day, as far as they are said."""
    return (clock is None or moment.at(clock.minutes)) and (
        day is None or moment.day is None or moment.on(day)
    )
