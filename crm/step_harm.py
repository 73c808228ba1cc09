"""Touches that make people say stop: which step of which plan does it surely more often than the rest.

If a step were like the others on its channel, each stop would have followed one of its touches with the probability of
its share of all touches that went out. How much better "it makes a stop R times as likely" explains the counts is the
same bet at fair odds that stops experiments (`crm.experiments.harm`), so it may be looked at after every stop; the limit
is shared out over all steps that are looked at. Being surely worse is not enough: a step also needs a number of touches,
of stops and a share of stops worth bothering about, which each business may set.

A step that surely makes more people say stop than carriers put up with is stopped as well, whatever the others do: the
same bet against the claim that its rate is no higher than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.experiments.harm import FALSE_STOPS, evidence
from crm.template_blocks import STEP
from crm.tenants import TenantSettings
from crm.touch_results import SENT, STOPS, WINDOWS

LOOKED_BACK = timedelta(days=90)
# How many times as likely a harmful touch makes a stop.
RATIOS = (1.5, 2.0, 3.0, 5.0)
# Whatever the other touches do: carriers suspend who makes more people than this say stop (messaging facts 3.4).
MOST_RATE, WORSE_RATES = 0.04, (0.06, 0.1, 0.2, 0.4)

# Counting begins anew when a person lifts a block. Reminders are asked for and are no part of it.
_COUNTS = f"""
with {SENT.strip()}, {STOPS.strip()}, lifted as (
    select b.template, max(b.lifted_at) as at from template_blocks b
     where b.tenant_id = :tenant and b.lifted_at is not null and b.template like '{STEP}%' group by b.template
)
select s.plan, s.step, s.channel, count(*) as sent, count(o.id) as stops, max(o.id) as last_touch
  from sent s
  left join opted_out o on o.id = s.id
  left join lifted l on l.template = '{STEP}' || s.plan || ':' || s.step || ':' || s.channel
 where s.kind = 'touch' and s.sent_at >= :since and (l.at is null or s.sent_at > l.at)
 group by s.plan, s.step, s.channel
 order by s.plan, s.step, s.channel
"""


@dataclass(frozen=True)
class StepCount:
    """How many touches of a step went out by a channel, and after how many of them the person said stop. `last_touch`:
    the newest touch point of these, None without any."""

    plan: str
    step: int
    channel: str
    sent: int
    stops: int
    last_touch: int | None = None


@dataclass(frozen=True)
class StepWatch:
    """One step against the rest of its channel: the evidence, and the limit at which it is stopped."""

    count: StepCount
    rest_sent: int
    rest_stops: int
    evidence: float
    limit: float

    def sentence(self) -> str:
        """Why the step was stopped, for its owner."""
        one, by = self.count, "text" if self.count.channel == "sms" else "email"
        rest = (
            f"{self.rest_stops} of {self.rest_sent} ({self.rest_stops / self.rest_sent:.1%}) after the other touches by {by}"
            if self.rest_sent
            else f"carriers suspend senders above {MOST_RATE:.0%}"
        )
        return (
            f"{one.stops} of {one.sent} people ({one.stops / one.sent:.1%}) said stop after step {one.step} of the plan"
            f" {one.plan} by {by}, {rest}"
        )


def counts_of(session: Session, tenant_id: int, now: datetime) -> list[StepCount]:
    """The touches of the last 90 days, in one query; of a step that a person released, those since then."""
    given = {"tenant": tenant_id, "since": now - LOOKED_BACK, "until": now + LOOKED_BACK, **WINDOWS}
    return [StepCount(*row) for row in session.execute(text(_COUNTS), given)]


def harmful(counts: Sequence[StepCount], settings: TenantSettings) -> list[StepWatch]:
    """The steps that do harm, the worst first."""
    looked_at = [one for one in counts if one.sent >= settings.harmful_least_sent]
    found = [_watch(one, counts, len(looked_at)) for one in looked_at if _is_worth_it(one, settings)]
    sure = [one for one in found if one.evidence >= one.limit]
    return sorted(sure, key=lambda one: -one.evidence)


def _is_worth_it(one: StepCount, settings: TenantSettings) -> bool:
    return (
        one.stops >= settings.harmful_least_stops
        and 100 * one.stops >= settings.harmful_least_percent * one.sent
    )


def _watch(one: StepCount, counts: Sequence[StepCount], looked_at: int) -> StepWatch:
    rest = [other for other in counts if other.channel == one.channel and other is not one]
    rest_sent, rest_stops = sum(other.sent for other in rest), sum(other.stops for other in rest)
    strength = _too_many(one)
    # Judged by the rate besides: many stops of a step that is most of what is sent prove nothing.
    if rest_sent and one.stops * rest_sent > rest_stops * one.sent:
        strength = max(strength, evidence(one.stops, rest_stops, one.sent / (one.sent + rest_sent), RATIOS))
    # Each of the two claims has a limit of its own.
    return StepWatch(one, rest_sent, rest_stops, strength, looked_at / FALSE_STOPS)


def _too_many(one: StepCount) -> float:
    """How much better a higher rate than `MOST_RATE` explains the stops, averaged over a few; a touch that may still be
    followed by a stop counts as one that was not."""
    fine = one.sent - one.stops
    found = (
        one.stops * log(rate / MOST_RATE) + fine * log((1 - rate) / (1 - MOST_RATE)) for rate in WORSE_RATES
    )
    return sum(exp(min(strength, 700.0)) for strength in found) / len(WORSE_RATES)
