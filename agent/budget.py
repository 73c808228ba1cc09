"""A tenant's monthly budget for models: what is left, and how it steps down. Customers are answered at every step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import structlog
from sqlalchemy.orm import Session

from agent.models.base import Usage
from agent.pricing import assumed_microusd
from crm.models import ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.once import first_time
from crm.spend import Spent, month_of, spent_between
from crm.tenants import TenantSettings

log = structlog.get_logger(__name__)

JOB = "ai_budget"
MICROUSD_PER_CENT = 10_000


class Step(Enum):
    """What the used share of the budget means; the value is the share from which it holds."""

    ALL_WELL = 0.0
    ALERT = 0.8
    SMALLER = 0.9
    RULES = 1.0


@dataclass(frozen=True)
class Budget:
    """One month of one tenant. All amounts are micro-USD; `assumed` stands for `unpriced` requests of unknown price."""

    limit_microusd: int
    known_microusd: int
    assumed_microusd: int
    unpriced: int
    begins: datetime
    ends: datetime

    @property
    def used_microusd(self) -> int:
        """What counts against the limit."""
        return self.known_microusd + self.assumed_microusd

    @property
    def step(self) -> Step:
        """The hardest step that is reached. A limit of 0 is reached from the start."""
        reached = [step for step in Step if self.used_microusd >= step.value * self.limit_microusd]
        return reached[-1]


def assumed_for(spent: Spent) -> int:
    """What the requests of unknown price are taken to have cost, in micro-USD."""
    return sum(
        assumed_microusd(
            one.provider,
            Usage(one.input_tokens, one.cached_tokens, one.written_tokens, one.output_tokens),
            one.uncounted,
        )
        for one in spent.unpriced
    )


def budget_of(s: Session, settings: TenantSettings, now: datetime) -> Budget | None:
    """The tenant's budget of this month with what is used of it; None without a limit."""
    if settings.monthly_ai_budget_cents is None:
        return None
    begins, ends = month_of(s, now)
    spent = spent_between(s, begins, ends)
    return Budget(
        limit_microusd=settings.monthly_ai_budget_cents * MICROUSD_PER_CENT,
        known_microusd=spent.known_microusd,
        assumed_microusd=assumed_for(spent),
        unpriced=sum(one.requests for one in spent.unpriced),
        begins=begins,
        ends=ends,
    )


def announce(s: Session, chat: ChatSession, budget: Budget, now: datetime) -> None:
    """Tell the staff once a month that most of the budget is used, and once that all of it is. Who comes late to the
    first hears only the second. Written in the caller's transaction into this conversation's outbox."""
    if budget.step is Step.ALL_WELL:
        return
    used_up = budget.step is Step.RULES
    subject = f"{budget.begins:%Y-%m} {'used up' if used_up else 'alert'}"
    if not first_time(s, chat.tenant_id, JOB, subject, since=budget.begins, now=now):
        return
    log.warning("ai_budget_step", tenant_id=chat.tenant_id, step=budget.step.name.lower())
    notify_staff(
        s,
        session=chat,
        lead=s.get_one(Lead, chat.lead_id),
        location=s.get_one(Location, chat.location_id),
        text=_used_up(budget) if used_up else _alert(budget),
        dedupe_key=f"{JOB}:{subject}",
        now=now,
        kind="budget",
    )


def _alert(budget: Budget) -> str:
    share = 100 * budget.used_microusd // budget.limit_microusd
    return (
        f"{share}% of this month's AI budget is used: {_dollars(budget.used_microusd)} of"
        f" {_dollars(budget.limit_microusd)}.{_estimate(budget)} From 90% on a smaller model answers, from 100% on the"
        f" built-in rules, until {budget.ends:%b} {budget.ends.day}. Customers are always answered. See: leads ai cost"
    )


def _used_up(budget: Budget) -> str:
    return (
        f"This month's AI budget of {_dollars(budget.limit_microusd)} is used up.{_estimate(budget)} Until"
        f" {budget.ends:%b} {budget.ends.day} the built-in rules answer your customers and book them; what the rules"
        " do not understand goes to a person. See: leads ai cost"
    )


def _estimate(budget: Budget) -> str:
    if not budget.unpriced:
        return ""
    return f" {_dollars(budget.assumed_microusd)} of it is our estimate for {budget.unpriced} requests of unknown price."


def _dollars(microusd: int) -> str:
    return f"${microusd / 1_000_000:.2f}"
