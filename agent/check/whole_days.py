"""A day or a week without a clock: whoever hears "Friday looks good" believes that they may come on Friday.

No list of wordings is complete, so the default is turned round: a day that nothing of the turn knows may be asked about,
denied, said back as the customer's wish or looked up; any other way of naming it puts it forward as free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from agent.check.clocks import clocks_in
from agent.check.days import Day, calendar_says, days_in
from agent.check.grammar import denied
from agent.check.opening import Hours, hours_clause, speaks_of_hours
from agent.check.pairs import same_day
from agent.check.patterns import pattern
from agent.check.records import Moment, Records
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_ASSERTS = pattern("moments", "asserts")
_WISH = pattern("moments", "wish")
_REPEATS = pattern("moments", "repeats")
_LOOKS = pattern("moments", "looks")
_LIMITS = pattern("moments", "limits")
_THAT_TIME = pattern("moments", "that_time")
_COURTESY = pattern("moments", "courtesy")
_IN_IF = pattern("moments", "in_if")
_TELL_ME = pattern("moments", "tell_me")
_ASKS = pattern("grammar", "asks")
_BREATH = 4
"""Words of an answer that only agrees, and of the question before it."""
_SPANS = {
    ahead: pattern("moments", name) for ahead, name in ((0, "this_week"), (1, "next_week"), (None, "far"))
}


class WholeDays:
    """Judges the days that one reply names, with or without a clock beside them."""

    def __init__(self, records: Records, hours: Hours) -> None:
        self.records = records
        self.hours = hours
        self.asked = days_in(records.words, records.today)
        self.known: tuple[Moment, ...] = (*records.offers, *records.visits, *records.past)

    def judge(self, sentence: Sentence, day: Day, *, with_clock: bool) -> Finding | Trace | None:
        """What a day of a sentence rests on, that it rests on nothing, or None when it states nothing."""
        clause = sentence.clause_text(day.start)
        states = self._states(sentence, day, clause)
        source = self._record_of(day) or self._special(day) or self._in_texts(day)
        if not source and not states and any(same_day(day, one) and _overlap(day, one) for one in self.asked):
            source = "customer's words"
        if source:
            return Trace("date", day.text, source)
        # "Do you mean Mon, Jan 4 or Thu, Apr 1?" of a "4/1" in an earlier message.
        asks_back = sentence.question and not states and bool(_REPEATS.search(clause))
        stands = (day.dated and not asks_back) or (states and not with_clock)
        return Finding("date", day.text) if stands else None

    def on_calendar(self, sentence: Sentence, days: Sequence[Day]) -> list[tuple[Day, Finding | Trace]]:
        """The days of "the 1st is a Tuesday" and "Thursday is Thanksgiving", each with whether the calendar says so, whoever
        said it first."""
        judged: list[tuple[Day, Finding | Trace]] = []
        for first, second in pairwise(days):
            so = calendar_says(sentence.text, self._dated(first), self._dated(second), self.records.today)
            if so is None or sentence.question:
                continue
            text = sentence.text[first.start : second.end]
            verdict = (
                Trace("date", text, "the calendar")
                if so
                else Finding("date", text, "The calendar says otherwise.")
            )
            judged += [(first, verdict), (second, verdict)]
        return judged

    def week(self, sentence: Sentence) -> Finding | None:
        """ "Sure, next week", where nothing of the turn is in that week; None when it states nothing or something is."""
        if clocks_in(sentence.text) or speaks_of_hours(hours_clause(sentence.text, 0)):
            return None
        for ahead, form in _SPANS.items():
            for match in form.finditer(sentence.text):
                span = Day(match.start(), match.end(), match.group())
                states = self._states(sentence, span, sentence.clause_text(span.start))
                if states and not self._anything_in(ahead):
                    return Finding("date", span.text)
        return None

    def agreed(self, sentence: Sentence, behind: Sentence | None) -> Finding | None:
        """ "Saturday? You bet.": the customer's day asked back and answered in the same breath."""
        if behind is None or not sentence.question or behind.question or denied(behind, 0):
            return None
        days = days_in(sentence.text, self.records.today)
        if not days or self.knows(days[0]):
            return None
        tells = _TELL_ME.search(behind.text) or _LOOKS.search(behind.text) or _ASKS.match(sentence.text)
        short = max(len(one.text.split()) for one in (sentence, behind)) <= _BREATH
        agrees = _THAT_TIME.search(behind.text) or (short and not tells)
        return Finding("date", days[0].text) if agrees else None

    def knows(self, day: Day) -> bool:
        """Whether a free time, a visit or an earlier one is on this day."""
        return any(one.on(day) for one in self.known)

    def _dated(self, day: Day) -> Day:
        """The mention of a holiday as its date, where the shop's hours name it."""
        at = self.hours.date_of(day.holiday) if day.holiday else None
        return (
            day if at is None else replace(day, dates=frozenset({(at.month, at.day)}), exact=at, holiday=None)
        )

    def _states(self, sentence: Sentence, day: Day, clause: str) -> bool:
        """Whether a sentence puts a day forward as one on which something can happen or will."""
        at = day.start
        if denied(sentence, at) or _REPEATS.search(clause) or self._is_over(day):
            return False
        if sentence.question:
            return bool(_ASSERTS.search(clause)) and not _WISH.search(sentence.text)
        before = sentence.before(at)
        if (
            _LOOKS.search(before)
            or _COURTESY.search(before)
            or _IN_IF.search(before)
            or _LIMITS.search(before)
        ):
            return False
        return not _TELL_ME.search(clause) or bool(_ASSERTS.search(clause))

    def _is_over(self, day: Day) -> bool:
        today = self.records.today
        return day.exact is not None and today is not None and day.exact < today

    def _record_of(self, day: Day) -> str:
        return next((f"{one.source}: {one.label}" for one in self.known if one.on(day)), "")

    def _special(self, day: Day) -> str:
        for one in self.hours.special:
            if day.dated and day.fits(one):
                return "shop hours"
        if day.holiday and self.hours.of(day, self.records.today):
            return "shop hours"
        return "the day today" if self.records.today and day.dated and day.fits(self.records.today) else ""

    def _in_texts(self, day: Day) -> str:
        for text in self.records.texts:
            if any(
                same_day(day, one) and _overlap(day, one) for one in days_in(text.text, self.records.today)
            ):
                return text.source
        return ""

    def _anything_in(self, ahead: int | None) -> bool:
        """Whether a known moment is in this week (0), the next (1), or after that (None)."""
        today = self.records.today
        if today is None:
            return bool(self.known)
        monday = today - timedelta(days=today.weekday())
        days = [day for one in self.known for day in (one.day, *one.also) if day is not None]
        if ahead is None:
            return any(day >= monday + timedelta(weeks=2) for day in days)
        first = monday + timedelta(weeks=ahead)
        # Said on a Sunday, "next week" begins tomorrow; said late in the week, a customer may mean seven days from now.
        last = (
            max(first + timedelta(days=6), today + timedelta(days=7)) if ahead else first + timedelta(days=6)
        )
        return any(first <= day <= last for day in days)


def _overlap(one: Day, other: Day) -> bool:
    """Whether two mentions can mean the same day, told by what both say or by the calendar."""
    if one.holiday or other.holiday:
        return one.holiday == other.holiday
    if one.exact and other.exact:
        return one.exact == other.exact
    if one.exact:
        return other.fits(one.exact)
    return one.fits(other.exact) if other.exact else True
