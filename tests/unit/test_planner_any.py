"""The planner with any plan, anywhere, at any time: what must hold always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crm.calendar.hours import OpeningHours
from scheduler.cadence import LeadFacts, PlannedTouch, plan_touches, rest_of
from scheduler.moments import WEEKDAYS
from scheduler.plan import Plan, Step
from tests.unit.planner_help import day_in, is_open, is_wanted, lead, may_be_sent, plan_of, shop

# Half hours (St. John's, Kathmandu's 45 minutes, Lord Howe's change by half an hour), no summer time (Arizona, Puerto
# Rico, Hawaii), Alaska, and both ends of the day.
ZONES = (
    "America/Chicago", "America/New_York", "America/Phoenix", "America/Puerto_Rico", "Pacific/Honolulu",
    "America/Anchorage", "America/Adak", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Kiritimati",
)  # fmt: skip
NEW_YEAR_2025 = datetime(2025, 1, 1, tzinfo=UTC)

starts = st.integers(0, 4 * 366 * 24 * 3600).map(lambda seconds: NEW_YEAR_2025 + timedelta(seconds=seconds))
afters = st.lists(
    st.one_of(st.integers(0, 23 * 60).map(lambda m: f"{m}m"), st.integers(1, 60).map(lambda d: f"{d}d")),
    min_size=1, max_size=9, unique=True,
)  # fmt: skip
days = st.one_of(st.none(), st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True))
parts = st.sampled_from((None, None, "morning", "midday", "afternoon", "evening"))


def minutes(text: str) -> int:
    return int(text[:-1]) * (1440 if text[-1] == "d" else 1)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Steps at rising times, each with wishes of its own or none."""
    steps: list[dict[str, Any]] = []
    for after in sorted(draw(afters), key=minutes):
        wishes = {"days": draw(days), "part": draw(parts)} if draw(st.booleans()) else {}
        steps.append({"after": after, "channel": draw(st.sampled_from(("sms", "email"))), **wishes})
    apart = draw(st.sampled_from(("0m", "45m", "3h", "30h")))
    jitter = draw(st.sampled_from(("0m", "10m", "2h")))
    return plan_of(*steps, apart=apart, jitter=jitter, avoid_holidays=draw(st.booleans()))


@st.composite
def leads(draw: st.DrawFn, start: datetime) -> LeadFacts:
    """Somebody anywhere, of a shop with hours, closures and holidays, or without."""
    zone = draw(st.sampled_from(ZONES))
    hours: OpeningHours | None = None
    if draw(st.booleans()):
        weekdays = draw(st.sets(st.sampled_from("0123456"), min_size=1))
        hours = shop(zone, "".join(sorted(weekdays)), draw(st.integers(6, 13)), draw(st.integers(14, 23)))
        closed = start.date() + timedelta(days=draw(st.integers(-2, 40)))
        length = timedelta(days=draw(st.integers(0, 20)))
        hours = replace(hours, closures=((closed, closed + length),) if draw(st.booleans()) else ())
    ahead = draw(st.sets(st.integers(0, 90), max_size=8))
    return lead(
        zone, has_phone=draw(st.booleans()), has_email=draw(st.booleans()), may_text=draw(st.booleans()),
        seed=draw(st.one_of(st.none(), st.integers(1, 10**9))), hours=hours,
        holidays=frozenset(start.date() + timedelta(days=number) for number in ahead),
    )  # fmt: skip


def check(plan: Plan, facts: LeadFacts, touch: PlannedTouch, holidays: frozenset[date]) -> None:
    """Everything that one planned touch after the first one has to keep to."""
    step = plan.get(touch.step)
    assert step is not None
    assert may_be_sent(touch.due_at, facts.timezone), touch
    assert facts.hours is None or is_open(touch.due_at, facts.hours), touch
    assert is_wanted(touch.due_at, facts.timezone, step.days, step.part), touch
    assert day_in(touch.due_at, facts.timezone) not in holidays, touch


def check_distances(plan: Plan, touches: list[PlannedTouch]) -> None:
    assert all(one.due_at < following.due_at for one, following in pairwise(touches))
    for channel in ("sms", "email"):
        sent = [t.due_at for t in touches if t.channel == channel and t.status == "planned"]
        assert all(later - one >= plan.apart for one, later in pairwise(sent)), "the distance on a channel"


def _early(touch: PlannedTouch, step: Step, timezone: str, start: datetime) -> bool:
    """Whole days are days of the shop's calendar, so a part of the day may be earlier on it than the start was."""
    if step.in_days and step.part is not None:
        return day_in(touch.due_at, timezone) < day_in(start, timezone) + step.after
    return touch.due_at < start + step.after - timedelta(hours=1)


@given(data=st.data(), plan=plans(), start=starts)
@settings(max_examples=80, deadline=None)
def test_any_plan_keeps_the_hours_the_order_and_the_distance(
    data: st.DataObject, plan: Plan, start: datetime
) -> None:
    facts = data.draw(leads(start))
    touches = plan_touches(plan, facts, start)
    assert [touch.step for touch in touches] == [step.step for step in plan.steps]
    assert plan_touches(plan, facts, start) == touches, "the same lead, the same times"
    assert all((touch.status == "skipped") <= bool(touch.reason) for touch in touches)
    check_distances(plan, touches)
    excluded = facts.holidays if plan.avoid_holidays else frozenset()
    for touch, step in zip(touches, plan.steps, strict=True):
        at_once = step is plan.steps[0] and not (step.after or step.days or step.part)
        if at_once:
            assert touch.due_at == start
        elif touch.status == "planned":
            check(plan, facts, touch, excluded)
            assert not _early(touch, step, facts.timezone, start), "never early, but for the clocks"


@given(data=st.data(), plan=plans(), start=starts)
@settings(max_examples=50, deadline=None)
def test_any_rest_of_a_plan_goes_on_one_a_day(data: st.DataObject, plan: Plan, start: datetime) -> None:
    facts = data.draw(leads(start))
    numbers = [step.step for step in plan.steps]
    done = data.draw(st.sets(st.sampled_from(numbers)))
    touches = rest_of(plan, facts, start, done)
    assert [touch.step for touch in touches] == [number for number in numbers if number not in done]
    check_distances(plan, touches)
    excluded = facts.holidays if plan.avoid_holidays else frozenset()
    sent = [touch for touch in touches if touch.status == "planned"]
    for touch in sent:
        check(plan, facts, touch, excluded)
    on = [day_in(touch.due_at, facts.timezone) for touch in sent]
    assert len(set(on)) == len(on), "never two on one day"


@given(data=st.data(), plan=plans(), start=starts)
@settings(max_examples=30, deadline=None)
def test_jitter_only_ever_delays_a_little(data: st.DataObject, plan: Plan, start: datetime) -> None:
    """Where no other rule comes in between: the same days, and never more than the plan's jitter later."""
    facts = replace(data.draw(leads(start)), hours=None)
    calm = plan.model_copy(
        update={
            "apart": timedelta(0),
            "steps": tuple(s.model_copy(update={"days": None, "part": None}) for s in plan.steps),
        }
    )
    without = plan_touches(calm, replace(facts, seed=None), start)
    for plain, moved in zip(without, plan_touches(calm, facts, start), strict=True):
        assert timedelta(0) <= moved.due_at - plain.due_at <= max(calm.jitter, timedelta(0))
