"""The planner: a plan, what is known of the lead and the moment in; touch points with times and reasons out.

Pure: no database and no clock of its own. The first touch is due at once (the gate holds it when the hour is
wrong); every other one lands inside the sending hours of the shop's zone (messaging facts 3.3), counted
from the first good moment, so that a lead of Saturday night does not find three messages on Monday at ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from channels.hours import local_to_utc, next_allowed
from crm.calendar.labels import local_text
from scheduler.plan import Plan, Step

Status = Literal["planned", "skipped"]
WORDS = {"sms": "text", "email": "email"}
NO_POSTAL = "the shop has no postal address, which such mail must name"


@dataclass(frozen=True)
class LeadFacts:
    """What decides the channel and the hour. `may_*`: consent where it is needed, and no opt-out.
    `has_postal`: the shop has a postal address, without which commercial mail is unlawful (messaging facts 4.4)."""

    timezone: str
    has_phone: bool
    has_email: bool
    may_text: bool
    may_email: bool
    has_postal: bool = True


@dataclass(frozen=True)
class PlannedTouch:
    """One touch point before it is a row. `due_at` is UTC, `local_time` the same moment where the shop is."""

    step: int
    channel: str
    template: str
    due_at: datetime
    local_time: str
    status: Status
    reason: str | None


def plan_touches(plan: Plan, facts: LeadFacts, now: datetime) -> list[PlannedTouch]:
    """The plan for one lead from `now` on: as many touches as steps, strictly later one after the other."""
    touches: list[PlannedTouch] = []
    used: dict[str, datetime] = {}
    for step, felt_at, due_at in _moments(plan, facts.timezone, now):
        channel, status, reason = choose_channel(step.channel, facts)
        earlier = used.get(channel)
        if status == "planned" and earlier and felt_at - earlier < plan.apart:
            status, reason = "skipped", f"too soon after the {WORDS[channel]} before it"
        if status == "planned":
            used[channel] = felt_at
        local = local_text(due_at, facts.timezone)
        touches.append(PlannedTouch(step.step, channel, step.template, due_at, local, status, reason))
    return touches


def choose_channel(wanted: str, facts: LeadFacts) -> tuple[str, Status, str | None]:
    """The channel a touch can use, whether it can be sent at all, and why it is not the wanted one."""
    obstacles = {
        "sms": _obstacle(facts.has_phone, facts.may_text, "no phone number", "no consent to texts"),
        "email": _obstacle(facts.has_email, facts.may_email, "no email address", "no email wanted"),
    }
    if obstacles["email"] is None and not facts.has_postal:
        obstacles["email"] = NO_POSTAL
    if obstacles[wanted] is None:
        return wanted, "planned", None
    other = "email" if wanted == "sms" else "sms"
    if obstacles[other] is None:
        return other, "planned", f"{obstacles[wanted]}: by {WORDS[other]} instead"
    return wanted, "skipped", f"{obstacles[wanted]} and {obstacles[other]}"


def _obstacle(has_address: bool, allowed: bool, no_address: str, not_allowed: str) -> str | None:
    if not has_address:
        return no_address
    return None if allowed else not_allowed


def _moments(plan: Plan, timezone: str, now: datetime) -> Iterator[tuple[Step, datetime, datetime]]:
    """Each step with the moment it will be felt (after a hold of the first one) and the moment it is due."""
    zone = ZoneInfo(timezone)
    start = _good(now, timezone)
    wall = start.astimezone(zone)
    before, before_after = start, plan.steps[0].after
    for index, step in enumerate(plan.steps):
        if index == 0:
            yield step, start, now
            continue
        if step.in_days:
            # Never two touches of the slow part on one local day, however far the one before was moved.
            free = before.astimezone(zone).date() + timedelta(days=1)
            due = _good_day(max(wall.date() + step.after, free), wall.time(), timezone)
        else:
            due = _good(before + (step.after - before_after), timezone)
        yield step, due, due
        before, before_after = due, step.after


def _good_day(day: date, wall: time, timezone: str) -> datetime:
    """The wall-clock time on the first day from `day` on when it is inside the hours. It was inside them at the
    start, so a day comes within the week."""
    moment = local_to_utc(day, wall, ZoneInfo(timezone))
    return moment if _good(moment, timezone) == moment else _good_day(day + timedelta(days=1), wall, timezone)


def _good(moment: datetime, timezone: str) -> datetime:
    return next_allowed(moment, [timezone], None, "touch") or moment
