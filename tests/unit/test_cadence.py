"""The planner: where 13 touches land, in every zone and at every hour."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from channels.hours import is_federal_holiday, local_to_utc
from channels.templates import names
from scheduler.cadence import LeadFacts, PlannedTouch, plan_touches
from scheduler.plan import Plan, UnknownPlan, body_of, load_plan, parse_duration, shipped_names, show_duration

ZONES = (
    "America/Chicago", "America/New_York", "America/Phoenix", "Pacific/Honolulu", "America/St_Johns",
    "Australia/Lord_Howe", "America/Adak", "Asia/Kathmandu",
)  # fmt: skip
NEW_YEAR_2025 = datetime(2025, 1, 1, tzinfo=UTC)
NEITHER = "no consent to texts and no email wanted"
MONDAY_ELEVEN = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)


def facts(zone: str = "America/Chicago", /, **changes: bool) -> LeadFacts:
    everything = {"has_phone": True, "has_email": True, "may_text": True, "may_email": True}
    return LeadFacts(timezone=zone, **(everything | changes))


def inside_hours(touch: PlannedTouch, zone: str) -> bool:
    local = touch.due_at.astimezone(ZoneInfo(zone))
    if local.weekday() == 6 or is_federal_holiday(local.date()):
        return False
    return time(10) <= local.time() < (time(17) if local.weekday() == 5 else time(18))


def test_the_default_plan_is_the_13_touches_of_the_design() -> None:
    plan = load_plan()
    assert [step.step for step in plan.steps] == list(range(1, 14))
    assert [step.channel for step in plan.steps] == [
        "sms", "email", "sms", "sms", "email", "sms", "email", "sms", "email", "sms", "email", "sms", "email",
    ]  # fmt: skip
    assert [step.after for step in plan.steps][:4] == [
        timedelta(0), timedelta(minutes=10), timedelta(hours=4), timedelta(days=1),
    ]  # fmt: skip
    assert [step.after.days for step in plan.steps][4:] == [2, 3, 5, 7, 10, 14, 18, 23, 30]
    used = {step.template for name in shipped_names() for step in load_plan(name).steps}
    assert sorted(used) == names(), "every template is of a plan, and every step has one"


@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 4 * 366 * 24 * 3600).map(lambda seconds: NEW_YEAR_2025 + timedelta(seconds=seconds)),
    phone=st.booleans(),
    email=st.booleans(),
    may_text=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_touches_rise_and_stay_inside_the_hours(
    zone: str, start: datetime, phone: bool, email: bool, may_text: bool
) -> None:
    plan = load_plan()
    touches = plan_touches(plan, facts(zone, has_phone=phone, has_email=email, may_text=may_text), start)
    assert len(touches) == len(plan.steps)
    assert touches[0].due_at == start
    moments = [touch.due_at for touch in touches]
    assert all(one < following for one, following in pairwise(moments))
    assert all(inside_hours(touch, zone) for touch in touches[1:])
    days = [touch.due_at.astimezone(ZoneInfo(zone)).date() for touch in touches[3:]]
    assert len(set(days)) == len(days), "the slow part never takes two touches on one day"
    for touch, step in zip(touches, plan.steps, strict=True):
        assert touch.due_at >= start + step.after - timedelta(hours=1), (
            "never early, but for a change of clocks"
        )
        assert (touch.status == "skipped") <= (touch.reason is not None)
    if not (phone and may_text) and not email:
        assert {touch.status for touch in touches} == {"skipped"}


@pytest.mark.parametrize(
    ("start", "zone"),
    [
        (datetime(2026, 3, 2, 17, 30, tzinfo=UTC), "America/Chicago"),
        (datetime(2026, 10, 26, 16, 30, tzinfo=UTC), "America/Chicago"),
        (datetime(2026, 3, 2, 15, 0, tzinfo=UTC), "America/St_Johns"),
        (datetime(2026, 9, 29, 0, 30, tzinfo=UTC), "Australia/Lord_Howe"),
        (datetime(2026, 3, 2, 18, 30, tzinfo=UTC), "America/Phoenix"),
    ],
)
def test_local_time_survives_a_change_of_clocks(start: datetime, zone: str) -> None:
    wall = start.astimezone(ZoneInfo(zone)).time()
    days = plan_touches(load_plan(), facts(zone), start)[3:]
    assert {touch.due_at.astimezone(ZoneInfo(zone)).time() for touch in days} == {wall}
    offsets = {touch.due_at.astimezone(ZoneInfo(zone)).utcoffset() for touch in days}
    assert len(offsets) == (1 if zone == "America/Phoenix" else 2), (
        "the month really holds a change of clocks"
    )


def test_a_time_that_does_not_exist_moves_forward() -> None:
    skipped = local_to_utc(date(2026, 3, 8), time(2, 30), ZoneInfo("America/Chicago"))
    assert skipped.astimezone(ZoneInfo("America/Chicago")).time() == time(3, 30)
    half_hour = local_to_utc(date(2026, 10, 4), time(2, 15), ZoneInfo("Australia/Lord_Howe"))
    assert half_hour.astimezone(ZoneInfo("Australia/Lord_Howe")).time() == time(2, 45)


def test_short_delays_are_kept_inside_the_hours() -> None:
    touches = plan_touches(load_plan(), facts(), MONDAY_ELEVEN)
    assert touches[1].due_at - MONDAY_ELEVEN == timedelta(minutes=10)
    assert touches[2].due_at - MONDAY_ELEVEN == timedelta(hours=4)
    assert touches[3].local_time == "2026-12-01 11:00 America/Chicago"


def test_a_lead_of_saturday_night_is_not_flooded_on_monday() -> None:
    saturday_night = datetime(2026, 11, 15, 5, 0, tzinfo=UTC)
    touches = plan_touches(load_plan(), facts(), saturday_night)
    assert [touch.local_time[:16] for touch in touches[:4]] == [
        "2026-11-14 23:00", "2026-11-16 10:10", "2026-11-16 14:00", "2026-11-17 10:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "channel", "status", "reason"),
    [
        ({"has_phone": False}, "email", "planned", "no phone number: by email instead"),
        ({"may_text": False}, "email", "planned", "no consent to texts: by email instead"),
        ({"has_phone": False, "has_email": False}, "sms", "skipped", "no phone number and no email address"),
        ({"may_text": False, "may_email": False}, "sms", "skipped", NEITHER),
    ],
)
def test_the_other_channel_or_none(known: dict[str, bool], channel: str, status: str, reason: str) -> None:
    first = plan_touches(load_plan(), facts(**known), MONDAY_ELEVEN)[0]
    assert (first.channel, first.status, first.reason) == (channel, status, reason)


@pytest.mark.parametrize("known", [{"has_email": False}, {"has_phone": False}])
def test_one_channel_alone_gets_no_two_messages_in_ten_minutes(known: dict[str, bool]) -> None:
    touches = plan_touches(load_plan(), facts(**known), MONDAY_ELEVEN)
    assert [touch.status for touch in touches] == ["planned", "skipped", *["planned"] * 11]
    assert touches[1].reason is not None
    assert touches[1].reason.startswith("too soon after")


def step(number: int, after: str) -> dict[str, object]:
    return {"step": number, "after": after, "channel": "sms", "template": "hello", "about": "x"}


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step(1, "0m"), step(1, "1d")],
        [step(2, "0m"), step(1, "1d")],
        [step(1, "1d"), step(2, "4h")],
        [step(1, "1d"), step(2, "24h")],
        [step(1, "30h")],
        [step(1, "soon")],
        [step(1, "-1d")],
        [{**step(1, "0m"), "channel": "fax"}],
        [{**step(1, "0m"), "template": "../secrets"}],
        [{**step(1, "0m"), "typing_error": 1}],
        [{key: value for key, value in step(1, "0m").items() if key != "after"}],
        [{**step(1, "0m"), "days": []}],
        [{**step(1, "0m"), "days": ["someday"]}],
        [{**step(1, "0m"), "part": "night"}],
        [{**step(1, "0m"), "before": "2d"}],
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(steps: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate({"name": "x", "steps": steps})


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": 2, "before": "3h"}, {"step": 3, "before": "2d"}],
        [{"step": 2, "before": "2d"}, {"step": 3, "after": "1d"}],
        [{"step": 2, "before": "2d", "after": "1d"}],
        [{"step": 2, "before": "2d", "part": "morning"}],
    ],
)
def test_what_counts_from_a_visit_stands_last_and_alone(steps: list[dict[str, object]]) -> None:
    words = {"channel": "sms", "template": "hello", "about": "x"}
    good = [{"step": 2, "after": "0m"}, {"step": 3, "before": "2d"}, {"step": 4, "before": "3h"}]
    made = [{**words, **one} for one in good]
    assert len(Plan.model_validate({"name": "x", "kind": "appointment", "steps": made}).steps) == 3
    with pytest.raises(ValidationError):
        Plan.model_validate(
            {"name": "x", "kind": "appointment", "steps": [{**words, **one} for one in steps]}
        )


def test_a_plan_says_how_it_goes_on_after_silence() -> None:
    with pytest.raises(ValidationError, match="needs `resume_after`"):
        Plan.model_validate({"name": "x", "resume_after": None, "steps": [step(1, "0m")]})
    assert (
        Plan.model_validate(
            {"name": "x", "resume": "never", "resume_after": None, "steps": [step(1, "0m")]}
        ).resume
        == "never"
    )


def test_what_ships_is_stored_and_read_back_as_it_is() -> None:
    for name in shipped_names():
        plan = load_plan(name)
        assert Plan.model_validate(json.loads(json.dumps(body_of(plan)))) == plan


def test_durations_and_unknown_plans() -> None:
    assert parse_duration("90m") == timedelta(minutes=90)
    assert [show_duration(timedelta(minutes=each)) for each in (0, 90, 120, 2880)] == [
        "0m",
        "90m",
        "2h",
        "2d",
    ]
    for name in ("nonsense", "../default", ""):
        with pytest.raises(UnknownPlan):
            load_plan(name)
