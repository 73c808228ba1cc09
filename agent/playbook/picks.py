"""Which of the shown times a customer means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time

from agent.playbook.facts import Slot
from agent.playbook.spanish_times import in_english_words
from agent.playbook.text import folded
from agent.playbook.when import When

_NTH = r"(?: (?:one|option|time|slot|works))"
_COUNTED = r"\b(?:option|number|no\.?|#) ?"
_ORDINALS: tuple[tuple[str, int], ...] = (
    (r"\b(?:la|el) (?:primer[ao]?|uno)\b|^primer[ao]?\b", 0),
    (r"\b(?:la|el) (?:segund[ao]|del? medio)\b|^segund[ao]\b", 1),
    (r"\b(?:la|el) tercer[ao]?\b|^tercer[ao]?\b", 2),
    (r"\b(?:la|el) ultim[ao]\b", -1),
    (
        rf"\b(?:first|1st)\b(?! (?:thing|available|of|week))|{_COUNTED}(?:1|one)\b|^1\W*$|^(?:the )?former\b",
        0,
    ),
    (rf"\b(?:second|2nd|middle){_NTH}|^(?:the )?(?:second|2nd|middle)\W*$|{_COUNTED}(?:2|two)\b|^2\W*$", 1),
    (rf"\b(?:third|3rd){_NTH}|^(?:the )?(?:third|3rd)\W*$|{_COUNTED}(?:3|three)\b|^3\W*$", 2),
    (rf"\blast{_NTH}|^(?:the )?last\W*$|\b(?:the )?latter\b", -1),
    (rf"\b(?:earliest|earlier|soonest|sooner){_NTH}|^(?:the )?(?:earliest|soonest)\W*$", 0),
    (rf"\b(?:latest|later){_NTH}|^(?:the )?latest\W*$", -1),
)


@dataclass(frozen=True)
class Pick:
    """`fits` are the shown times that agree with the text; `named` says that the text named a time at all."""

    fits: tuple[Slot, ...] = ()
    named: bool = False

    @property
    def one(self) -> Slot | None:
        """The only time that fits a text which names one."""
        return self.fits[0] if self.named and len(self.fits) == 1 else None


def read_pick(text: str, when: When, offers: Sequence[Slot], today: date) -> Pick:
    """Compare a text with the shown offers. Every day and time it names has to agree. Never raises."""
    if not offers:
        return Pick()
    by_time = _by_when(when, offers, today)
    by_place = _by_ordinal(text, offers)
    if by_place and not (by_time.named and by_time.fits):
        return Pick((by_place,), named=True)
    if by_place and by_place not in by_time.fits:
        # "2" may be two o'clock or the second one: both are shown to the customer again.
        return Pick((*by_time.fits, by_place), named=True)
    return Pick((by_place,), named=True) if by_place else by_time


def _by_ordinal(text: str, offers: Sequence[Slot]) -> Slot | None:
    said = folded(text)
    for pattern, place in _ORDINALS:
        if re.search(pattern, said) and (place < len(offers)):
            return offers[place]
    return None


def _by_when(when: When, offers: Sequence[Slot], today: date) -> Pick:
    """The offers inside any of the windows a text names. A day in doubt is named and fits none: it has to be asked."""
    if when.doubt:
        return Pick((), named=True)
    found = [_inside(window, offers, today) for window in when.windows]
    fits = tuple(slot for slot in offers if any(slot in pick.fits for pick in found))
    return Pick(fits, any(pick.named for pick in found))


def _inside(when: When, offers: Sequence[Slot], today: date) -> Pick:
    days, clock = when.days, when.clock
    fits = tuple(offers)
    named = False
    if days.dates or days.weekdays:
        named = True
        fits = tuple(s for s in fits if s.day in days.dates or (s.day and s.day.weekday() in days.weekdays))
    if days.start or days.end:
        fits = tuple(s for s in fits if s.day and (days.start or today) <= s.day <= (days.end or s.day))
    exact = clock.at or (() if clock.after or clock.before else clock.loose)
    if exact and (clock.at or any(slot.start in exact for slot in fits)):
        named = True
        fits = tuple(slot for slot in fits if slot.start in exact)
    if clock.after or clock.before:
        named = True
        fits = tuple(slot for slot in fits if _within(slot.start, clock.after, clock.before))
    return Pick(fits, named)


def _within(start: time | None, after: time | None, before: time | None) -> bool:
    return start is not None and (after is None or start >= after) and (before is None or start < before)


_AGREES = re.compile(
    r"\b(?:works?|good|great|perfect|fine|yes|yeah|yep|sure|ok|okay|i'll take|take|book|let's|sounds|prefer|i'd like|"
    r"would like|go with|do|please|put me|see you|i'll be there|i want|i need|best|make it|"
    r"si|claro|esta bien|perfecto|de acuerdo|dale|por favor|me (?:queda|sirve|gusta|parece)|prefiero|quiero|tomo|"
    r"apunt\w+|agend\w+|reserv\w+|ahi estare|bueno)\b"
)
_ASKS_FOR = re.compile(
    r"\b(?:can|could|may) (?:i|we) (?:please )?(?:have|take|get|do|book|come|grab)\b|\b(?:can|could) you book\b|^book\b"
    r"|\bme (?:puede|pueden|podria) (?:dar|apuntar|agendar|reservar)\b|\bpuedo (?:tomar|ir|llevar\w*|agendar|reservar)\b"
)
_BARE = re.compile(
    r"\b(?:the|at|on|one|el|la|las|los|de|del|primer[ao]?|segund[ao]|tercer[ao]?|ultim[ao]|uno|"
    r"then|for|me|and|a|am|pm|o'clock|slot|time|option|number|first|second|third|last|earliest|latest|"
    r"morning|afternoon|evening|noon|tomorrow|today|next|this|mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun|[a-z]+day|it|is|i'm|"
    r"january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|"
    r"sept?|oct|nov|dec|\d{1,4}(?:st|nd|rd|th|am|pm|ish)?)\b|[^a-z]"
)


def plainly_taken(text: str, *, asks: bool) -> bool:
    """Whether a text that names one shown time also agrees to it: with a word of agreement, or by saying nothing else.

    A question agrees only when it asks to have the time ("can I take tuesday?").
    """
    said = folded(text)
    if asks:
        return bool(_ASKS_FOR.search(said))
    return bool(_AGREES.search(said)) or not _BARE.sub("", in_english_words(said))
