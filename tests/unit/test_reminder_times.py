"""When reminders leave: never at night anywhere the customer may be, never after the visit, never on top of the booking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.hours import next_allowed
from scheduler.plan import load_plan
from scheduler.reminder_times import NEARER, NIGHT, Moment, Visit, moments

CHICAGO = "America/Chicago"
PLAN = load_plan("reminders")
ZONES = (CHICAGO, "America/New_York", "America/Phoenix", "Pacific/Honolulu", "America/Los_Angeles")


def local(text: str, zone: str = CHICAGO) -> datetime:
    """A moment of a wall clock."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def visit(comes: str, told: str, *, zones: tuple[str, ...] = (CHICAGO,), in_talk: bool = False) -> Visit:
    return Visit(local(comes), local(told), CHICAGO, frozenset(zones), frozenset({"IL"}), in_talk)


def shown(found: list[Moment]) -> list[str]:
    """Local time or reason."""
    zone = ZoneInfo(CHICAGO)
    return [one.reason or f"{one.due_at.astimezone(zone):%m-%d %H:%M}" for one in found]


@pytest.mark.parametrize(
    ("comes", "told", "expected"),
    [
        # Far ahead: at once, two days before at the same time, three hours before.
        ("2026-12-03 14:00", "2026-11-23 09:00", ["11-23 09:00", "12-01 14:00", "12-03 11:00"]),
        # Early: three hours before is night, so the evening before.
        ("2026-12-03 08:00", "2026-11-23 09:00", ["11-23 09:00", "12-01 08:00", "12-02 20:15"]),
        # Both would be of the night: each moves by itself.
        ("2026-12-03 07:00", "2026-11-23 09:00", ["11-23 09:00", "11-30 20:15", "12-02 20:15"]),
        # Booked for tomorrow: the two days are over.
        ("2026-11-24 14:00", "2026-11-23 09:00", ["11-23 09:00", NEARER, "11-24 11:00"]),
        # Booked for this afternoon: three hours before is too soon after the booking, or past.
        ("2026-11-23 15:00", "2026-11-23 09:00", ["11-23 09:00", NEARER, NEARER]),
        ("2026-11-23 11:00", "2026-11-23 09:00", ["11-23 09:00", NEARER, NEARER]),
        # Booked in the evening for the next morning: the evening before is now.
        ("2026-11-24 08:00", "2026-11-23 19:30", ["11-23 19:30", NEARER, NIGHT]),
        # Made at night: confirmed in the morning, unless the visit is almost there.
        ("2026-12-03 14:00", "2026-11-23 23:30", ["11-24 08:00", "12-01 14:00", "12-03 11:00"]),
        ("2026-11-24 08:30", "2026-11-23 23:30", ["11-23 23:30", NEARER, NIGHT]),
        # Over the end of summer time the hour of the day stays, and three hours are three hours.
        ("2026-11-02 10:00", "2026-10-20 09:00", ["10-20 09:00", "10-31 10:00", "11-01 20:15"]),
        ("2027-03-15 14:00", "2027-03-01 09:00", ["03-01 09:00", "03-13 14:00", "03-15 11:00"]),
    ],
)  # fmt: skip
def test_a_table(comes: str, told: str, expected: list[str]) -> None:
    assert shown(moments(PLAN, visit(comes, told), local(told))) == expected


def test_what_was_agreed_in_talk_waits_for_the_reply() -> None:
    found = moments(
        PLAN, visit("2026-12-03 14:00", "2026-11-23 09:00", in_talk=True), local("2026-11-23 09:00")
    )
    assert shown(found)[0] == "11-23 09:05"


def test_every_place_of_the_customer_counts() -> None:
    """Nine in Chicago is five in Honolulu: the evening before, when both are awake."""
    one = visit("2026-12-03 12:00", "2026-11-23 14:00", zones=(CHICAGO, "Pacific/Honolulu"))
    assert shown(moments(PLAN, one, local("2026-11-23 14:00"))) == [
        "11-23 14:00",
        "12-01 12:00",
        "12-02 20:15",
    ]


def test_planned_late_it_is_not_planned_into_the_past() -> None:
    found = moments(PLAN, visit("2026-12-03 14:00", "2026-11-23 09:00"), local("2026-12-03 12:00"))
    assert shown(found) == ["12-03 12:00", NEARER, NEARER]


@settings(max_examples=150, deadline=None)
@given(
    start=st.timedeltas(timedelta(0), timedelta(days=730)),
    ahead=st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
    zone=st.sampled_from(ZONES),
    zones=st.frozensets(st.sampled_from(ZONES), min_size=1),
    in_talk=st.booleans(),
)
def test_any_visit(
    start: timedelta, ahead: timedelta, zone: str, zones: frozenset[str], in_talk: bool
) -> None:
    told = datetime(2026, 1, 1, tzinfo=UTC) + start
    one = Visit(told + ahead, told, zone, zones, frozenset(), in_talk)
    found = moments(PLAN, one, told)
    planned = [each for each in found if each.reason is None]
    assert [each.step.step for each in found] == [step.step for step in PLAN.steps]
    assert all(told <= each.due_at < one.comes_at for each in planned)
    for each in (each for each in planned if each.step.before is not None):
        assert next_allowed(each.due_at, zones, (), "reminder") is None
        assert each.due_at - told >= PLAN.apart
        assert one.comes_at - each.due_at >= timedelta(hours=2), (
            "an hour is lost or won when the clocks change"
        )
    reminders = [each.due_at for each in planned if each.step.before is not None]
    assert all(later - earlier >= PLAN.apart for earlier, later in pairwise(reminders))
