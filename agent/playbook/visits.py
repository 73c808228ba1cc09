"""Which of several appointments a text is about: the one to cancel, the one to move. Nobody's next one is taken for granted.

The words are read as the tools read them, so that what is asked for here is not refused there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time

from agent.playbook import phrases
from agent.playbook.facts import Slot
from agent.playbook.intents import Intent
from agent.playbook.lines import line, moment, named_in
from agent.playbook.reading import Reading
from agent.playbook.reply import Say, Step, do, say
from agent.playbook.text import folded
from agent.playbook.transcript import Situation
from agent.playbook.when import When
from agent.tools.cancel_words import Visit, asked_about, asks_to_cancel, meant_by, named_work, work_words
from agent.tools.named import WEEKDAY, Shown

# From here on a wish to move speaks of the new time; "to move" is the wish itself.
_NEW_TIME = re.compile(
    r"\b(?:to|for|until|till|al|para|a (?=las?\b|el\b|"
    + "|".join(WEEKDAY)
    + r"))\b(?! (?:move|resched\w*|change|switch|push|shift)\b)"
)
_OLD_TIME = re.compile(r"\b(?:instead of|rather than|from|en vez de|en lugar de|en vez del) (.+)")


def cancel_one_of(s: Situation, r: Reading) -> Step | None:
    """The step for a customer with several appointments who asks to cancel, or answers our question about that: the
    cancellation of the one they named after we asked, or the question whether or which."""
    visits, slots = _visits(s.facts.appointments), {slot.id: slot for slot in s.facts.appointments}
    today = s.facts.now.date()
    asked = None if r.has(Intent.MOVE) else asked_about(s.asked, visits, today)
    heard = asks_to_cancel([s.said], visits, asked, today)
    chosen = [slots[one] for one in sorted(heard.ids)] if heard.reading == "yes" else []
    if len(chosen) == 1 and asked is not None and heard.ids <= asked:
        return do("cancel", appointment_id=chosen[0].id)
    if heard.reading == "no" and asked and r.has(Intent.NO, Intent.CANCEL, Intent.YES):
        return _stay(s, [slots[one] for one in asked])
    if heard.reading == "no" and not r.has(Intent.CANCEL):
        return None
    if len(chosen) == 1:
        return phrases.ask_cancel(s.facts, chosen[0].label)
    if chosen or (asked is not None and len(asked) > 1):
        # All of them at once, or asked a second time: a person sees to it.
        note = f"The customer has several appointments and wants to cancel: {' '.join(s.said.split())[:300]}"
        return do("hand_off", reason="cannot_answer", note=note)
    return ask_whether_to_cancel(s)


def ask_whether_to_cancel(s: Situation) -> Say:
    """The question before the only appointment is cancelled, or which of several."""
    if len(s.facts.appointments) == 1:
        return phrases.ask_cancel(s.facts, s.facts.appointments[0].label)
    return phrases.one(s.facts, "which_cancel", times=phrases.times(s.facts, s.facts.appointments))


def to_be_moved(s: Situation) -> Slot | None:
    """The appointment that a wish for another time is about; None when it cannot be told which of several."""
    slots = s.facts.appointments
    if len(slots) == 1:
        return slots[0]
    said, visits, today = folded(s.said), _visits(slots), s.facts.now.date()
    if (ids := named_work(said, visits)) is not None and len(ids) == 1:
        return _with(slots, ids)
    old = _OLD_TIME.search(said)
    heads = [_NEW_TIME.split(old[1])[0]] if old else []
    heads.append(said if phrases.ASKED_WHICH_MOVE.search(s.asked) else _NEW_TIME.split(said)[0])
    for words in heads:
        if (meant := meant_by(words, visits, today)) is not None and len(meant.ids) == 1:
            return _with(slots, meant.ids)
    return _spoken_of(s)


def new_time(when: When, moved: Slot) -> When:
    """The time that is wanted: of several days that were named, the day of the appointment itself is the old one."""
    days = when.days
    if moved.day is None or len(days.weekdays) + len(days.dates) < 2:
        return when
    weekdays, dates = days.weekdays - {moved.day.weekday()}, days.dates - {moved.day}
    return replace(when, days=replace(days, weekdays=weekdays, dates=dates))


def answers_which(s: Situation) -> bool:
    """Whether a text only says which appointment is to be moved, as we asked: its day is not the new one."""
    if not phrases.ASKED_WHICH_MOVE.search(s.asked):
        return False
    visits = _visits(s.facts.appointments)
    meant = meant_by(folded(s.said), visits, s.facts.now.date())
    return meant is not None and len(meant.ids) == 1


def ask_which_to_move(s: Situation) -> Step:
    """The question which of several appointments is to be moved."""
    return phrases.one(s.facts, "which_to_move", times=phrases.times(s.facts, s.facts.appointments))


def _spoken_of(s: Situation) -> Slot | None:
    """The one that our last word about moving named, or whose work the times on the table were found for."""
    for text in reversed(s.told[-3:]):
        named = [one for one in s.facts.appointments if named_in(text, one.label)]
        if len(named) == 1 and phrases.MOVING.search(text):
            return named[0]
    work = sorted(s.facts.offers[0].services) if s.facts.offers else None
    same = [one for one in s.facts.appointments if sorted(one.services) == work]
    return same[0] if len(same) == 1 else None


def _stay(s: Situation, slots: Sequence[Slot]) -> Step:
    if len(slots) == 1:
        return phrases.one(s.facts, "stays", label=moment(slots[0].label, s.facts.speaks))
    return say(line("no_problem", s.facts.speaks))


def _visits(slots: Sequence[Slot]) -> list[Visit]:
    """The appointments as the tools read words against them."""
    return [Visit(_shown(slot), work_words(slot.services)) for slot in slots]


def _shown(slot: Slot) -> Shown:
    # Local wall time on both sides; an appointment without a day fits no day that is named.
    start = datetime.combine(slot.day or date.min, slot.start or time())
    return Shown(slot.id, slot.label, start, start)


def _with(slots: Sequence[Slot], ids: frozenset[int]) -> Slot:
    return next(slot for slot in slots if slot.id in ids)
