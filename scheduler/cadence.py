"""The planner: a plan, what is known of the lead and the moment in; touch points with times and reasons out.

Pure: no database and no clock of its own. The first touch is due at once (the gate holds it when the hour is wrong);
every other one lands inside the sending hours of the shop's zone (messaging facts 3.3) and of the shop, counted from the
first good moment, so that a lead of Saturday night does not find three messages on Monday at ten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from crm.calendar.hours import OpeningHours, Stretch
from crm.calendar.labels import local_text
from scheduler.moments import MINUTE, Calendar, moved, share
from scheduler.plan import Plan, Step

Status = Literal["planned", "skipped"]
WORDS = {"sms": "text", "email": "email"}
NO_POSTAL = "the shop has no postal address, which such mail must name"
NO_HOUR = "no hour that the step, the shop and the law allow comes within four months"
OF_A_VISIT = "it is counted from an appointment, and planned when there is one"


@dataclass(frozen=True)
class LeadFacts:
    """What decides the channel and the hour. `may_*`: consent where it is needed, and no opt-out.

    `has_postal`: the shop has a postal address, without which commercial mail is unlawful (messaging facts 4.4). `seed`:
    the lead's number, so that it always has the same share of the jitter; None has none. `hours`: the shop's, where its
    touches keep to them. `holidays`: what the location observes, for plans that avoid those days.
    """

    timezone: str
    has_phone: bool
    has_email: bool
    may_text: bool
    may_email: bool
    has_postal: bool = True
    seed: int | None = None
    hours: OpeningHours | None = None
    holidays: frozenset[date] = frozenset()


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
    """The plan for one lead from `now` on: as many touches as steps, strictly later one after the other.

    What counts from an appointment is skipped here; `scheduler.reminder_times` plans it when there is one.
    """
    run = _Run(plan, facts, now, rush=True)
    return [run.next(step) for step in plan.steps]


def rest_of(plan: Plan, facts: LeadFacts, now: datetime, done_steps: Collection[int]) -> list[PlannedTouch]:
    """What is left of the plan after a silence, its clock restarted at `now`: the next step comes in the next good hour,
    the others keep their distances to it. The first day's rush is over: never two touches on one day."""
    run = _Run(plan, facts, now, rush=False)
    return [run.next(step) for step in plan.steps if step.step not in done_steps]


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


class _Run:
    """The moments of one lead's touches, one after the other. `rush`: more than one may fall on the first day.

    Jitter is put on last and the step after is counted from where this one would be without it: all of a lead's
    touches move together, so that their order and their distances stay.
    """

    def __init__(self, plan: Plan, facts: LeadFacts, now: datetime, *, rush: bool) -> None:
        excluded = facts.holidays if plan.avoid_holidays else frozenset[date]()
        self.plan, self.facts, self.now, self.rush = plan, facts, now, rush
        self.calendar = Calendar(ZoneInfo(facts.timezone), facts.hours, excluded)
        self.part = share(facts.seed)
        opening = self.calendar.soonest(now)
        self.start = opening.starts_at if opening is not None else now
        # Where the step before would be without jitter, how long after the beginning, and when it is felt.
        self.base, self.after, self.last = self.start, timedelta(0), now
        self.begun: Step | None = None
        self.used: dict[str, datetime] = {}
        self.used_base: dict[str, datetime] = {}

    def next(self, step: Step) -> PlannedTouch:
        """The touch of the next step."""
        channel, status, reason = choose_channel(step.channel, self.facts)
        if step.before is not None:
            return self._passed(step, channel, reason if status == "skipped" else OF_A_VISIT)
        if self.begun is None and self._leaves_now(step):
            return self._at_once(step, channel, status, reason)
        good = self._good(step)
        if good is None:
            return self._passed(step, channel, reason if status == "skipped" else NO_HOUR)
        earliest = self.last + MINUTE
        if status == "planned" and channel in self.used:
            if good.starts_at - self.used_base[channel] < self.plan.apart:
                status, reason = "skipped", f"too soon after the {WORDS[channel]} before it"
            else:
                earliest = max(earliest, self.used[channel] + self.plan.apart)
        due = self._due(step, good, earliest)
        if due is None:
            return self._passed(step, channel, NO_HOUR)
        self.begun, self.after, self.last = self.begun or step, step.after, due
        self.base = max(good.starts_at, due - self.plan.jitter * self.part)
        return self._touch(step, channel, due, status, reason)

    def _leaves_now(self, step: Step) -> bool:
        # An enquiry is answered at once, whatever the hour; what goes on after a silence waits for a good one.
        return self.rush and not (step.after or step.days or step.part)

    def _at_once(self, step: Step, channel: str, status: Status, reason: str | None) -> PlannedTouch:
        self.begun, self.last = step, self.start
        touch = self._touch(step, channel, self.now, status, reason)
        if status == "planned":
            # Felt when the hour is good: the ones after it keep their distance to that.
            self.used[channel] = self.start
        return touch

    def _good(self, step: Step) -> Stretch | None:
        """The good hours from the moment on when the step would be due without jitter."""
        if self.rush and not step.in_days:
            return self.calendar.soonest(self.base + (step.after - self.after), step)
        begun = self.start.astimezone(self.calendar.zone)
        if self.begun is None:
            wanted = begun.date() + timedelta(days=step.after.days if self.rush else 0)
        else:
            days = step.after.days - (0 if self.rush else self.begun.after.days)
            # Never two touches of the slow part on one local day, however far the one before was moved.
            wanted = max(
                begun.date() + timedelta(days=days), self.calendar.local_day(self.last) + timedelta(days=1)
            )
        return self.calendar.on_or_after(wanted, begun.time(), step)

    def _due(self, step: Step, good: Stretch, earliest: datetime) -> datetime | None:
        """With the lead's jitter, or the first good moment from `earliest` on when that would be too near to what went
        before it; None when there is none."""
        due = moved(good, self.plan.jitter, self.part)
        if due >= earliest:
            return due
        later = self.calendar.soonest(earliest, step)
        return None if later is None else later.starts_at

    def _passed(self, step: Step, channel: str, reason: str | None) -> PlannedTouch:
        """It has no time; it keeps its place, so that a plan reads from top to bottom."""
        self.last += MINUTE
        return self._touch(step, channel, self.last, "skipped", reason)

    def _touch(
        self, step: Step, channel: str, due: datetime, status: Status, reason: str | None
    ) -> PlannedTouch:
        if status == "planned":
            self.used[channel], self.used_base[channel] = due, self.base
        local = local_text(due, self.facts.timezone)
        return PlannedTouch(step.step, channel, step.template, due, local, status, reason)
