"""When a confirmation and reminders leave: pure, from a plan, the visit's time and the places the customer may be in.

A reminder that would fall into the night moves back to the evening before, never forward: it must not come after the
visit. What would come too soon after the booking, or after the message before it, is skipped and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from channels.hours import local_to_utc, next_allowed
from scheduler.plan import ONE_DAY, Plan, Step

# The window of what is asked for but not at night (channels/hours.yaml); a confirmation may leave at any hour by law.
KIND = "reminder"
# An agent's booking is told in its reply first, whatever that takes.
AFTER_THE_TALK = timedelta(minutes=5)
# A visit so close to the morning is confirmed at night all the same.
SOON = timedelta(hours=1)
# How far a reminder moves back, in what steps, and how long before the night it is to leave.
_FARTHEST, _STEP, _MARGIN = timedelta(hours=36), timedelta(minutes=15), timedelta(minutes=30)
NEARER = "the appointment was made nearer to it than that"
NIGHT = "there is no lawful hour between the booking and the visit"


@dataclass(frozen=True)
class Visit:
    """What decides the times. `comes_at`: when the customer comes; `told_at`: when the booking or its last change was
    made; `zones` and `states`: everywhere the customer may be. All moments UTC, `timezone` the shop's."""

    comes_at: datetime
    told_at: datetime
    timezone: str
    zones: frozenset[str]
    states: frozenset[str]
    in_talk: bool = False


@dataclass(frozen=True)
class Moment:
    """One message: `reason` None when it is to be sent at `due_at`, else why it is not."""

    step: Step
    due_at: datetime
    reason: str | None = None


def moments(plan: Plan, visit: Visit, now: datetime) -> list[Moment]:
    """Every step of the plan with its time, in the order of the steps. Never later than the visit, unless skipped."""
    found: list[Moment] = []
    last = visit.told_at
    for step in plan.steps:
        one = (
            _confirmation(step, visit, now)
            if step.before is None
            else _reminder(step, plan, visit, now, last)
        )
        if one.reason is None and step.before is not None:
            last = one.due_at
        found.append(one)
    return found


def is_night(moment: datetime, visit: Visit) -> bool:
    """Whether it is night at one of the places where the customer may be."""
    return next_allowed(moment, visit.zones, visit.states, KIND) is not None


def _confirmation(step: Step, visit: Visit, now: datetime) -> Moment:
    due = max(visit.told_at + step.after + (AFTER_THE_TALK if visit.in_talk else timedelta(0)), now)
    morning = next_allowed(due, visit.zones, visit.states, KIND)
    if morning is not None and morning + SOON < visit.comes_at:
        due = morning
    return Moment(step, due, None if due < visit.comes_at else "the visit has begun")


def _reminder(step: Step, plan: Plan, visit: Visit, now: datetime, last: datetime) -> Moment:
    due = _before(visit, step.before or timedelta(0))
    if due <= now or due - last < plan.apart:
        return Moment(step, due, NEARER)
    moved = _earlier(due, visit)
    if moved is None or moved <= now or moved - last < plan.apart:
        return Moment(step, due, NIGHT)
    return Moment(step, moved)


def _before(visit: Visit, span: timedelta) -> datetime:
    """Whole days keep the time of day, also over a change of the clocks; less is elapsed time."""
    if span < ONE_DAY or span % ONE_DAY:
        return visit.comes_at - span
    zone = ZoneInfo(visit.timezone)
    wall = visit.comes_at.astimezone(zone)
    return local_to_utc(wall.date() - span, wall.time(), zone)


def _earlier(due: datetime, visit: Visit) -> datetime | None:
    """The last moment at or before `due` that is no night anywhere, with time to leave before the night begins."""
    if not is_night(due, visit):
        return due
    candidate = due
    while due - candidate < _FARTHEST:
        candidate -= _STEP
        if not is_night(candidate, visit):
            sooner = candidate - _MARGIN
            return candidate if is_night(sooner, visit) else sooner
    return None
