"""Several touches of one lead due at once, after downtime: one is written, the rest is skipped or moved.

The first touch introduces us, so it goes before any other and the others keep their distance to it. After
it the newest one counts: what it says is still fresh, the older ones have lost their point.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.hours import next_allowed
from crm.models import TouchPoint
from crm.template_blocks import step_block
from scheduler.cadence import LeadFacts, choose_channel, plan_touches
from scheduler.due import Due
from scheduler.plan import Plan
from scheduler.touches import rows_of_run

OPEN = ("planned", "claimed")


def check(due: Due) -> str | datetime | None:
    """None to write this touch, a reason to skip it, or the moment until which it is put back."""
    touch, now = due.touch, due.now
    first = due.plan.steps[0]
    if touch.step == first.step:
        return None
    rows = due.session.scalars(
        select(TouchPoint).where(
            TouchPoint.lead_id == touch.lead_id,
            TouchPoint.cadence_run == touch.cadence_run,
            TouchPoint.id != touch.id,
            TouchPoint.status.in_(OPEN),
            TouchPoint.due_at <= now,
        )
    )
    others = [row.step for row in rows if _would_go(due, row)]
    step = due.plan.get(touch.step)
    if step is not None and first.step in others:
        moment = now + (step.after - first.after)
        return next_allowed(moment, [due.location.timezone], None, "touch") or moment
    newer = max((other for other in others if other > touch.step), default=None)
    return None if newer is None else f"step {newer} is due as well: one message is enough"


def _would_go(due: Due, other: TouchPoint) -> bool:
    """Whether another due touch of the run will itself be written: for one that will be skipped nothing is given up."""
    step = due.plan.get(other.step)
    if step is None or due.now - other.due_at > step.grace:
        return False
    channel, status, _ = choose_channel(step.channel, due.known.facts)
    return status != "skipped" and step_block(due.session, other.plan, other.step, channel) is None


def replan_rest(
    session: Session, touch: TouchPoint, plan: Plan, facts: Callable[[], LeadFacts], now: datetime
) -> None:
    """After a first touch that went out so late that others are due already: plan those from now on. `facts` are only read
    then."""
    if touch.step != plan.steps[0].step:
        return
    if len(plan.steps) < 2 or now - touch.created_at < plan.steps[1].after - plan.steps[0].after:
        # Written as planned: nothing else can be due, and nobody needs to look.
        return
    rest = [
        other
        for other in rows_of_run(session, touch.lead_id, touch.cadence_run)
        # One that the same batch claimed is put back when its turn comes, because it is not due any more.
        if other.step > touch.step and other.status in OPEN
    ]
    if not any(other.due_at <= now for other in rest):
        return
    times = {planned.step: planned for planned in plan_touches(plan, facts(), now)}
    for other in rest:
        if other.step in times:
            other.due_at, other.local_time = times[other.step].due_at, times[other.step].local_time
