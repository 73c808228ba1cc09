"""The rules of the calendar, and which of the free times are offered."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from crm.calendar.book import BayBook, DayBook, ShopRules
from crm.calendar.hours import OpeningHours, Stretch, open_stretches
from crm.calendar.job import Job
from crm.calendar.rules import Slot, judge, refusals
from crm.calendar.slots import Wanted, free_slots, nearest, spread

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def day_book(
    now: datetime = NOW,
    opens: time = time(9),
    closes: time = time(18),
    busy: dict[int, tuple[Stretch, ...]] | None = None,
) -> DayBook:
    """Open every day, two bays, half-hour grid, two hours' notice, two weeks ahead."""
    hours = OpeningHours(CHICAGO, dict.fromkeys(range(7), ((opens, closes),)))
    first = now.astimezone(CHICAGO).date()
    stretches = open_stretches(hours, first, first + timedelta(days=14))
    longest_stretch, longest_day = hours.longest()
    rules = ShopRules(
        timezone=CHICAGO,
        slot=timedelta(minutes=30),
        notice=2 * HOUR,
        horizon=timedelta(days=14),
        longest_stretch=longest_stretch,
        longest_day=longest_day,
    )
    taken = {1: (), 2: ()} if busy is None else busy
    return DayBook(
        rules, tuple(stretches), {bay: BayBook(tuple(stretches), one) for bay, one in taken.items()}
    )


def work(hours: float) -> Job:
    """A visit of a waiting customer."""
    return Job((1,), int(hours * 60))


def why_not(book: DayBook, wanted: Stretch) -> list[str]:
    """The rules that work during `wanted` would break."""
    length = wanted.ends_at - wanted.starts_at
    return list(refusals(book, work(length / HOUR), wanted.starts_at, NOW))


def fits(book: DayBook, wanted: Stretch) -> bool:
    """True when there is a slot exactly at that time."""
    slot = judge(book, work((wanted.ends_at - wanted.starts_at) / HOUR), wanted.starts_at, NOW).slot
    return slot is not None and times(slot) == wanted


def times(slot: Slot) -> Stretch:
    """The work of a slot."""
    return Stretch(slot.starts_at, slot.ends_at)


def at(day: int, hour: int, minute: int = 0, hours: float = 2) -> Stretch:
    """A stretch in Chicago's time on a day of November 2026."""
    start = datetime(2026, 11, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC)
    return Stretch(start, start + hours * HOUR)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (at(23, 8), "past"),
        (at(23, 10, 30), "too_soon"),
        (Stretch(NOW + timedelta(days=15), NOW + timedelta(days=15, hours=1)), "too_far"),
        (at(24, 8), "closed"),
        (at(24, 17), "closed"),
        (at(24, 9, 10), "off_grid"),
        (at(24, 9), None),
        (at(24, 16), None),
    ],
)
def test_each_rule(wanted: Stretch, why: str | None) -> None:
    assert why_not(day_book(), wanted)[:1] == ([why] if why else [])


def test_one_free_bay_is_enough_and_none_is_not() -> None:
    assert fits(day_book(busy={1: (at(24, 9),), 2: ()}), at(24, 10))
    assert why_not(day_book(busy={1: (at(24, 9),), 2: (at(24, 10),)}), at(24, 10)) == ["taken"]


def test_a_bay_is_free_again_the_minute_work_ends() -> None:
    assert fits(day_book(busy={1: (at(24, 9), at(24, 13))}), at(24, 11))


def test_a_shop_without_active_bays_offers_nothing() -> None:
    assert free_slots(day_book(busy={}), work(1), NOW) == []


def test_an_offer_leaves_time_to_answer() -> None:
    slots = free_slots(day_book(), work(1), NOW)
    assert fits(day_book(), at(23, 11))
    assert slots[0].starts_at == at(23, 11, 30).starts_at


def test_everything_offered_is_accepted() -> None:
    book = day_book(busy={1: (at(24, 9, hours=9),), 2: (at(24, 11), at(25, 9, hours=4))})
    slots = free_slots(book, work(2.5), NOW)
    assert slots
    assert all(fits(book, times(slot)) for slot in slots)
    assert at(24, 9, 30, hours=2.5) not in map(times, slots)
    assert at(24, 13, hours=2.5) in map(times, slots)


@pytest.mark.parametrize(
    ("wanted", "starts"),
    [
        (Wanted(date(2026, 11, 24), date(2026, 11, 24), time(9), time(10)), ["24 09:00", "24 09:30"]),
        (Wanted(date(2026, 11, 24), date(2026, 11, 24), time(14), time(14)), ["24 14:00"]),
        (Wanted(after=time(15, 30), weekdays=frozenset({5})), ["28 15:30", "28 16:00"]),
    ],
)
def test_wishes(wanted: Wanted, starts: list[str]) -> None:
    slots = free_slots(day_book(), work(2), NOW, wanted)
    found = [slot.starts_at.astimezone(CHICAGO).strftime("%d %H:%M") for slot in slots]
    assert found[: len(starts)] == starts


def test_three_times_are_on_three_days_and_at_different_parts_of_the_day() -> None:
    book = day_book()
    chosen = [slot.starts_at.astimezone(CHICAGO) for slot in spread(free_slots(book, work(1), NOW), book)]
    assert len({moment.date() for moment in chosen}) == 3
    assert len({moment.hour < 12 for moment in chosen}) == 2


def test_three_times_on_one_day_are_not_next_to_each_other() -> None:
    book = day_book()
    slots = free_slots(book, work(1), NOW, Wanted(date(2026, 11, 24), date(2026, 11, 24)))
    starts = [slot.starts_at for slot in spread(slots, book)]
    assert len(starts) == 3
    assert all(later - earlier >= 2 * HOUR for earlier, later in pairwise(starts))


def test_the_nearest_times_are_around_the_wanted_one() -> None:
    slots = nearest(day_book(busy={1: (at(24, 13),)}), work(2), NOW, at(24, 13).starts_at)
    found = [slot.starts_at.astimezone(CHICAGO).strftime("%d %H:%M") for slot in slots]
    assert found == ["24 10:30", "24 11:00", "24 15:00"]


def test_no_slot_of_the_spring_night_has_a_time_that_does_not_exist() -> None:
    now = datetime(2027, 3, 13, 12, tzinfo=UTC)
    slots = free_slots(
        day_book(now, time(0), time(6)), work(1), now, Wanted(date(2027, 3, 14), date(2027, 3, 14))
    )
    labels = [slot.starts_at.astimezone(CHICAGO).strftime("%H:%M") for slot in slots]
    assert labels == [
        "00:00",
        "00:30",
        "01:00",
        "01:30",
        *[f"{h:02d}:{m}" for h in (3, 4) for m in ("00", "30")],
        "05:00",
    ]
    assert all(slot.ends_at - slot.starts_at == HOUR for slot in slots)


def test_the_autumn_night_has_each_label_once() -> None:
    now = datetime(2026, 10, 31, 12, tzinfo=UTC)
    slots = free_slots(
        day_book(now, time(0), time(6)), work(1), now, Wanted(date(2026, 11, 1), date(2026, 11, 1))
    )
    labels = [slot.starts_at.astimezone(CHICAGO).strftime("%H:%M") for slot in slots]
    assert len(labels) == len(set(labels))
    assert "01:30" in labels
    first = slots[labels.index("01:30")]
    assert first.starts_at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
