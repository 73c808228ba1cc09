"""Free times: which days are searched, what is said about what was found, and a day in doubt that is asked back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from agent.playbook import phrases
from agent.playbook.choices import Service
from agent.playbook.facts import Slot, read_slots
from agent.playbook.intents import Intent, is_clear_yes
from agent.playbook.lines import day_words, either, line, months_in, named_in, nth, weekday_name
from agent.playbook.picks import read_pick
from agent.playbook.prices import car_name, other_cars, quote, quote_call
from agent.playbook.reading import Reading
from agent.playbook.reply import Do, Say, Step, do, say
from agent.playbook.text import folded
from agent.playbook.transcript import Situation
from agent.playbook.when import Doubt, When, read_when
from agent.playbook.wishes import Wish

SHOWN = 3
_SEARCHES = 3
_EARLIER = ("earlier", "sooner", "mas temprano", "mas pronto", "antes")


def times(
    s: Situation,
    r: Reading,
    services: Sequence[Service],
    wishes: Sequence[Wish],
    *,
    priced: bool,
    moving: Slot | None = None,
) -> Step:
    """The price, when it is wanted, and the free times for these services. One search for every choice of days."""
    when = settled(s, r)
    asks = when.doubt is not None
    calls: list[tuple[str, dict[str, Any]]] = list(quote_call(s, r, services)) if priced else []
    if not asks and not s.results("find_times"):
        ids = [service.id for service in services]
        calls += [("find_times", {"service_ids": ids, **wanted}) for wanted in _windows(s, r, when)]
    if calls:
        return Do(tuple(calls))
    price = quote(s, r, services, wishes) if priced else say()
    if asks:
        return Say((*price.parts, ask_day(s, r, when)), price.extras)
    if all(done.failed for done in s.results("find_times")):
        sorry = (line("calendar_down", s.facts.speaks), line("ask_day", s.facts.speaks))
        return Say((*price.parts, *sorry), price.extras)
    slots, missed = _found(s)
    if not slots:
        names = either([service.name for service in services], "en", "and")
        return do("hand_off", reason="cannot_answer", note=f"No open time was found for {names}."[:500])
    return Say((*price.parts, *_offered(s, r, when, slots, missed, moving)), price.extras)


def settled(s: Situation, r: Reading) -> When:
    """When the customer wants to come; a day in doubt that we asked about is settled by the answer."""
    doubtful = _asked_about(s)
    if doubtful is None:
        return r.when_open
    meant = doubtful.days.meant
    fitting = _named_of(s, r, meant)
    if len(fitting) != 1:
        return r.when_open
    clock = r.when.clock or doubtful.clock
    return When(days=type(doubtful.days)(dates=frozenset(fitting)), clock=clock)


def ask_day(s: Situation, r: Reading, when: When) -> str:
    """The question about a day that cannot be told; asked again, it is short."""
    speaks = s.facts.speaks
    meant = when.days.meant
    if not r.when.doubt and phrases.ASKED_DAY_MEANT.search(s.asked):
        return line("which_day", speaks)
    if when.doubt is Doubt.DAY_OR_MONTH and len(meant) > 1:
        days = either([day_words(day, speaks) for day in sorted(meant)], speaks)
        return line("do_you_mean", speaks, days=days)
    if when.doubt is Doubt.WEEKDAY_DIFFERS and meant:
        first = meant[0]
        said = line(
            "date_differs", speaks, day=nth(first, speaks), weekday=weekday_name(first.weekday(), speaks)
        )
    else:
        said = line("date_gone" if when.doubt is Doubt.PAST else "date_unknown", speaks)
    return f"{said} {line('which_day', speaks)}"


def _asked_about(s: Situation) -> When | None:
    """The wish whose day our last text asked about."""
    if not phrases.ASKED_DAY_MEANT.search(s.asked):
        return None
    for text in reversed(s.since_offer):
        if (when := read_when(text, s.facts.now)).doubt:
            return when
    return None


def _named_of(s: Situation, r: Reading, meant: Sequence[date]) -> list[date]:
    """Which of the days in doubt the answer means."""
    days = r.when.days
    months = months_in(folded(s.said))
    if months and not days.dates:
        return [day for day in meant if day.month in months]
    if days:
        return [
            day for day in meant
            if day in days.dates or day.weekday() in days.weekdays
            or (days.start is not None and days.start <= day <= (days.end or day))
        ]  # fmt: skip
    shown = [Slot(place, "", day, None) for place, day in enumerate(sorted(meant))]
    if (picked := read_pick(s.said, When(), shown, s.facts.now.date()).one) and picked.day:
        return [picked.day]
    return list(meant) if len(meant) == 1 and is_clear_yes(s.said) else []


def _windows(s: Situation, r: Reading, when: When) -> list[dict[str, Any]]:
    """Days and times to look for. A time of day alone belongs to the one day we just spoke of."""
    today = s.facts.now.date()
    if r.has(Intent.OTHER_TIMES) and not r.when:
        return [_later(s)]
    searches = when.searches(today)[:_SEARCHES] or [{}]
    days = {slot.day for slot in s.facts.offers if slot.day and named_in(s.asked, slot.label)}
    if r.new_vehicle and not when and len(days) == 1:
        day = next(iter(days)).isoformat()
        return [{"from_date": day, "to_date": day}]
    if r.when.clock and not r.when.days and not r.when.excluded and len(days) == 1 and len(searches) == 1:
        day = next(iter(days)).isoformat()
        return [{**searches[0], "from_date": day, "to_date": day}]
    return [one for place, one in enumerate(searches) if one not in searches[:place]]


def _later(s: Situation) -> dict[str, Any]:
    """Other times than the shown ones: those after them, or on the same days when earlier ones are wanted."""
    days = [slot.day for slot in s.facts.offers if slot.day]
    said = folded(s.said)
    if not days or any(word in said for word in _EARLIER):
        return {}
    return {"from_date": (max(days) + timedelta(days=1)).isoformat()}


def _found(s: Situation) -> tuple[list[Slot], bool]:
    """Up to three times out of all searches in the order of the clock, and whether they are only near what was asked
    for. A search that found what was asked for stands over one that did not."""
    good = [done for done in s.results("find_times") if not done.failed]
    exact = [done for done in good if not done.data.get("note")]
    lists = [read_slots(done.data.get("offers"), "offer_id") for done in exact or good]
    chosen: dict[str, Slot] = {}
    for rank in range(max((len(one) for one in lists), default=0)):
        for slots in lists:
            if rank < len(slots) and len(chosen) < SHOWN:
                chosen.setdefault(slots[rank].label, slots[rank])
    ordered = sorted(chosen.values(), key=lambda slot: (str(slot.day), str(slot.start)))
    return ordered, not exact


def _offered(
    s: Situation, r: Reading, when: When, slots: Sequence[Slot], missed: bool, moving: Slot | None
) -> tuple[str, ...]:
    """The times, with an honest word when they are not what was asked for."""
    misses = missed and bool(when)
    wanted = {start for window in when.windows for start in window.clock.at}
    shown = [slot for slot in slots if slot.start in wanted] or slots
    sorry = (line("nothing_then", s.facts.speaks),) if misses else ()
    if moving is not None:
        return (*sorry, phrases.move_times(s.facts, moving, shown))
    # With several cars on the table the times are those of the first.
    car = (r.vehicle.model or car_name(r.vehicle)) if other_cars(s, r) else ""
    return (*sorry, phrases.offer_times(s.facts, shown, missed=misses, car=car))
