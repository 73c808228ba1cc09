"""The rules of a shop that is more than hours and two bays: cars that are left, skills, buffers, limits, overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm.calendar.book import BayBook, DayBook, ShopRules
from crm.calendar.booker import Override
from crm.calendar.hours import OpeningHours, Stretch, open_stretches
from crm.calendar.job import Job, Visit, job_for, minutes_of
from crm.calendar.refusals import SENTENCES, BookingRefused
from crm.calendar.rules import LIFTABLE, ORDER, Slot, judge, refusals
from crm.calendar.slots import Wanted, free_slots, nearest, place
from crm.models import Service

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = {day: ((time(9), time(12)), (time(13), time(18))) for day in range(5)}


def shop(bays: dict[int, BayBook] | None = None, **rules: object) -> DayBook:
    """Monday to Friday 9 to 12 and 13 to 18, one bay, half-hour grid, two hours' notice, two weeks ahead."""
    hours = OpeningHours(CHICAGO, WEEK)
    first = NOW.astimezone(CHICAGO).date()
    stretches = tuple(open_stretches(hours, first, first + timedelta(days=28)))
    longest_stretch, longest_day = hours.longest()
    own = ShopRules(
        timezone=CHICAGO,
        slot=timedelta(minutes=30),
        notice=2 * HOUR,
        horizon=timedelta(days=14),
        longest_stretch=longest_stretch,
        longest_day=longest_day,
    )
    books = {1: BayBook(())} if bays is None else bays
    return DayBook(
        replace(own, **rules),  # type: ignore[arg-type]
        stretches,
        {bay: replace(book, open=book.open or stretches) for bay, book in books.items()},
    )


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of Chicago's November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC)


def job(hours: float, visit: Visit = "wait", *needs: tuple[str, str]) -> Job:
    """A visit with that much labour."""
    return Job((1,), int(hours * 60), visit, frozenset(needs))


def slot(book: DayBook, wanted: Job, start: datetime) -> Slot:
    """The slot at a start that must be free."""
    found = judge(book, wanted, start, NOW)
    assert found.slot is not None, found.refusals
    return found.slot


@pytest.mark.parametrize(
    ("hours", "visit", "start", "end"),
    [
        (3, "wait", at(24, 9), at(24, 12)),
        (4, "wait", at(24, 9), None),
        (4, "wait", at(24, 13), at(24, 17)),
        (6, "wait", at(24, 9), at(24, 16)),
        (6, "wait", at(24, 14), None),
        (9, "wait", at(24, 9), at(25, 10)),
        (4, "drop_off", at(24, 10), at(24, 15)),
        (8, "drop_off", at(24, 10), at(25, 10)),
        (8, "drop_off", at(27, 13), at(30, 12)),
    ],
)
def test_how_far_a_job_goes_on(hours: float, visit: Visit, start: datetime, end: datetime | None) -> None:
    found = judge(shop(), job(hours, visit), start, NOW)
    assert (found.slot and found.slot.ends_at) == end
    assert found.refusals == (() if end else ("closed",))


def test_a_car_that_stays_overnight_keeps_its_bay() -> None:
    night = Stretch(at(24, 20), at(24, 21))
    assert refusals(shop({1: BayBook((), (night,))}), job(8, "drop_off"), at(24, 10), NOW) == ["taken"]


def test_a_dropped_off_car_is_offered_once_a_day_with_its_window() -> None:
    book = shop({1: BayBook((), (Stretch(at(24, 10), at(24, 14)),))})
    slots = free_slots(book, job(3, "drop_off"), NOW, Wanted(to_date=date(2026, 11, 25)))
    assert [(one.arrives_from, one.arrives_until, one.starts_at) for one in slots] == [
        (at(24, 9), at(24, 10), at(24, 14)),
        (at(25, 9), at(25, 10), at(25, 10)),
    ]


def test_work_on_a_car_that_is_left_may_start_later_that_day_but_not_before_it_is_there() -> None:
    book = shop({1: BayBook((), (Stretch(at(24, 10), at(24, 12)),))})
    assert judge(book, job(2, "drop_off"), at(24, 9), NOW).refusals == ("off_grid", "taken")
    moved = place(book, job(2, "drop_off"), at(24, 10), NOW).slot
    assert moved is not None
    assert (moved.starts_at, moved.arrives_from) == (at(24, 13), at(24, 9))


@pytest.mark.parametrize(
    ("begin", "end", "window"),
    [
        (None, None, (at(24, 9), at(24, 10))),
        (time(8), time(9, 30), (at(24, 9), at(24, 9, 30))),
        (time(11), time(13, 30), (at(24, 11), at(24, 12))),
        (time(6), time(7), (at(24, 9), at(24, 10))),
        (time(14), None, (at(24, 14), at(24, 15))),
    ],
)
def test_the_window_is_within_opening_hours(
    begin: time | None, end: time | None, window: tuple[datetime, datetime]
) -> None:
    assert shop(drop_off_from=begin, drop_off_until=end).arrival_on(date(2026, 11, 24)) == Stretch(*window)
    assert shop().arrival_on(date(2026, 11, 28)) is None


def test_a_wish_for_a_time_of_day_meets_the_window() -> None:
    def found(after: time | None, before: time | None) -> int:
        day = date(2026, 11, 24)
        return len(free_slots(shop(), job(2, "drop_off"), NOW, Wanted(day, day, after, before)))

    assert [found(time(9, 30), time(9, 30)), found(time(9, 30), None), found(None, time(9, 30))] == [1, 1, 1]
    assert [found(time(10), None), found(None, time(9)), found(time(16), time(16))] == [0, 0, 0]


def test_skills_decide_on_the_bay_and_the_special_bay_is_taken_first() -> None:
    book = shop({2: BayBook((), skills=frozenset({"tint"})), 1: BayBook(())})
    assert slot(book, job(2, "wait", ("tint", "tint-x")), at(24, 9)).bay_ids == (2, 1)
    assert slot(book, job(2, "wait", ("ppf", "ppf-x"), ("tint", "t")), at(24, 9)).bay_ids == (1,)
    only = shop({2: BayBook((), skills=frozenset({"tint", "ppf-front"}))})
    assert refusals(only, job(2, "wait", ("ppf", "ppf-full")), at(24, 9), NOW) == ["no_skill"]
    assert refusals(only, job(2, "wait", ("ppf", "ppf-front")), at(24, 9), NOW) == []


def test_bays_with_their_own_hours() -> None:
    mornings = BayBook((Stretch(at(24, 9), at(24, 11)), Stretch(at(25, 9), at(25, 11))))
    book = shop({1: mornings, 2: BayBook(())})
    assert slot(book, job(2), at(24, 9)).bay_ids == (1, 2)
    assert slot(book, job(2), at(24, 9, 30)).bay_ids == (2,)
    assert slot(book, job(2, "drop_off"), at(24, 10)).bay_ids == (2,)


def test_buffers_block_but_need_no_open_hours() -> None:
    book = shop(
        {1: BayBook((), (Stretch(at(24, 13), at(24, 14)),))}, buffer_before=HOUR, buffer_after=HOUR / 2
    )
    first = slot(book, job(2), at(24, 9))
    assert (first.blocked_from, first.blocked_until) == (at(24, 8), at(24, 11, 30))
    assert slot(book, job(3), at(24, 9)).blocked_until == at(24, 12, 30)
    assert refusals(book, job(2), at(24, 14, 30), NOW) == ["taken"]
    assert slot(book, job(2), at(24, 15)).blocked_from == at(24, 14)


def test_limits_of_a_day() -> None:
    tuesday, wednesday = date(2026, 11, 24), date(2026, 11, 25)
    full = replace(shop(max_jobs=3), jobs_on={tuesday: 3, wednesday: 2})
    assert refusals(full, job(1), at(24, 9), NOW) == ["jobs_full"]
    assert refusals(full, job(1), at(25, 9), NOW) == []
    tired = replace(shop(max_labour=480), labour_on={wednesday: 460})
    assert refusals(tired, job(8, "drop_off"), at(24, 10), NOW) == ["labour_full"]
    assert refusals(tired, job(7, "drop_off"), at(24, 10), NOW) == []


def test_the_cutoff_is_about_today_only() -> None:
    closed, still_open = shop(same_day_cutoff=time(9)), shop(same_day_cutoff=time(9, 1))
    assert refusals(closed, job(1), at(23, 14), NOW) == ["too_late_today"]
    assert refusals(closed, job(1), at(24, 9), NOW) == []
    assert refusals(still_open, job(1), at(23, 14), NOW) == []
    # A minute is no time to answer in, so nothing is offered.
    assert free_slots(still_open, job(1), NOW)[0].starts_at == at(24, 9)


def test_every_broken_rule_is_named_and_can_be_lifted_but_one() -> None:
    book = replace(shop({1: BayBook((), skills=frozenset({"tint"}))}, max_jobs=0), jobs_on={})
    odd = job(2, "wait", ("ppf", "x"))
    assert refusals(book, odd, at(24, 7, 10), NOW) == ["no_skill", "jobs_full"]
    lifted = judge(book, odd, at(24, 7, 10), NOW, LIFTABLE).slot
    assert lifted is not None
    assert (lifted.ends_at, lifted.bay_ids) == (at(24, 9, 10), (1,))
    taken = shop({1: BayBook((), (Stretch(at(24, 7), at(24, 8)),))})
    assert judge(taken, odd, at(24, 7, 10), NOW, LIFTABLE).refusals == ("taken",)


@pytest.mark.parametrize(
    ("by", "why", "rules"),
    [("", "why", {"closed"}), ("Sam", " ", {"closed"}), ("Sam", "why", set()), ("Sam", "why", {"taken"})],
)
def test_an_override_needs_a_name_a_reason_and_a_rule(by: str, why: str, rules: set[str]) -> None:
    with pytest.raises(BookingRefused):
        Override(by, why, frozenset(rules))  # type: ignore[arg-type]


def test_every_refusal_has_a_sentence() -> None:
    assert set(SENTENCES) == set(ORDER)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_the_nearest_may_be_a_day_away() -> None:
    book = replace(shop(max_jobs=1), jobs_on={date(2026, 11, 24): 1})
    found = nearest(book, job(2, "drop_off"), NOW, at(24, 9), 2)
    assert [one.arrives_from for one in found] == [at(25, 9), at(26, 9)]


def test_a_job_adds_up_by_the_shape_of_the_car() -> None:
    tint = _service(1, "tint", 150, minutes_by_body_style={"truck": 180})
    coat = _service(2, "coating", 360, visit="drop_off")
    suv = _service(3, "tint", 120, body_style="suv", minutes_by_body_style={"truck": 200})
    assert job_for([tint], "truck").labour_minutes == 180
    assert job_for([tint, coat], None) == Job(
        (1, 2), 510, "drop_off", frozenset({("tint", "s1"), ("coating", "s2")})
    )
    assert minutes_of(suv, "truck") == 120
    with pytest.raises(BookingRefused, match="No service"):
        job_for([], None)


def _service(number: int, category: str, minutes: int, **more: object) -> Service:
    return Service(id=number, code=f"s{number}", category=category, duration_minutes=minutes, **more)
