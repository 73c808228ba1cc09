"""What works: for each plan, step, channel and template, what was written, sent, answered, booked and stopped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.touch_results import ANSWERS, BOOKINGS, RULE, SENT, STOPS, WINDOWS

# What a message that waits, is with the carrier, arrived, did not, or was kept back by the gate counts as.
STANDS = {
    "pending": "waiting", "sending": "waiting", "unknown": "waiting", "sent": "on_its_way", "delivered": "delivered",
    "undelivered": "failed", "failed": "failed", "withheld": "withheld", "dropped": "withheld",
}  # fmt: skip
SUMS = (
    "touches", "written", "skipped", "ended", "waiting", "on_its_way", "delivered", "failed", "withheld", "sent",
    "answered", "booked", "opted_out",
)  # fmt: skip

_REPORT = f"""
with {SENT.strip()}, {STOPS.strip()}, {ANSWERS.strip()}, {BOOKINGS.strip()}
select t.plan, t.plan_version, t.step, t.channel, t.template, t.status, m.status as stands,
       case when t.status <> 'written' then t.reason
            when m.status in ('withheld', 'dropped') then coalesce(m.error, 'held back by the gate') end as reason,
       count(*) as touches, count(a.id) as answered, count(b.id) as booked, count(o.id) as opted_out
  from touch_points t
  left join chat_messages m on m.id = t.message_id and t.status = 'written'
  left join answered a on a.id = t.id
  left join booked b on b.id = t.id
  left join opted_out o on o.id = t.id
 where t.tenant_id = :tenant and t.status in ('written', 'skipped', 'ended')
   and t.due_at >= :since and t.due_at < :until%s
 group by 1, 2, 3, 4, 5, 6, 7, 8
 order by 1, 2 nulls first, 3, 4, 5
"""
_NARROWED = {
    "plan": " and t.plan = :plan",
    "channel": " and t.channel = :channel",
    "template": " and t.template = :template",
    "location_id": " and t.lead_id in (select l.id from leads l where l.location_id = :location_id)",
}
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class Narrowed:
    """Only touches of this plan, channel, template or location; None: of all."""

    plan: str | None = None
    channel: str | None = None
    template: str | None = None
    location_id: int | None = None


@dataclass
class Line:
    """One step of one version of a plan by one channel and template; `plan_version` None is the plan that ships.

    touches = written + skipped + ended; written = waiting + on_its_way + delivered + failed + withheld. `sent` left and
    did not come back: on_its_way + delivered. `not_sent`: how many for each reason, of skipped, ended and withheld.
    """

    plan: str
    plan_version: int | None
    step: int
    channel: str
    template: str
    touches: int = 0
    written: int = 0
    skipped: int = 0
    ended: int = 0
    waiting: int = 0
    on_its_way: int = 0
    delivered: int = 0
    failed: int = 0
    withheld: int = 0
    sent: int = 0
    answered: int = 0
    booked: int = 0
    opted_out: int = 0
    not_sent: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CadenceReport:
    """The touches that were due in the span and are over, by line, and the rule by which answers count."""

    since: datetime
    until: datetime
    rule: str
    lines: list[Line]
    totals: dict[str, int]
    not_sent: dict[str, int]


def report_on(
    session: Session, tenant_id: int, since: datetime, until: datetime, narrowed: Narrowed | None = None
) -> CadenceReport:
    """Read and count in one query. Touches that are still planned, claimed or paused are in no number."""
    only = narrowed or Narrowed()
    wanted = {name: getattr(only, name) for name in _NARROWED if getattr(only, name) is not None}
    statement = text(_REPORT % "".join(_NARROWED[name] for name in wanted))
    given = {"tenant": tenant_id, "since": since, "until": until, **WINDOWS, **wanted}
    lines = _lines(session.execute(statement, given))
    reasons: dict[str, int] = {}
    for line in lines:
        for reason, count in line.not_sent.items():
            reasons[reason] = reasons.get(reason, 0) + count
    totals = {name: sum(getattr(line, name) for line in lines) for name in SUMS}
    return CadenceReport(since, until, RULE, lines, totals, _most_first(reasons))


def general_reason(reason: str | None) -> str:
    """A reason without its numbers, so that "too late: 7 h" and "too late: 9 h" are one."""
    return _NUMBERS.sub("N", reason) if reason else "no reason was kept"


def _lines(rows: Iterable[Any]) -> list[Line]:
    found: dict[tuple[Any, ...], Line] = {}
    for row in rows:
        key = (row.plan, row.plan_version, row.step, row.channel, row.template)
        _count(found.setdefault(key, Line(*key)), row)
    for line in found.values():
        line.sent = line.on_its_way + line.delivered
        line.not_sent = _most_first(line.not_sent)
    return list(found.values())


def _count(line: Line, row: Any) -> None:
    line.touches += row.touches
    names = [row.status]
    if row.status == "written":
        # A message is never deleted; a touch that lost its own is one nobody knows the end of.
        names.append(STANDS.get(row.stands, "waiting"))
    for name in names:
        setattr(line, name, getattr(line, name) + row.touches)
    line.answered += row.answered
    line.booked += row.booked
    line.opted_out += row.opted_out
    if names[-1] in ("skipped", "ended", "withheld"):
        reason = general_reason(row.reason)
        line.not_sent[reason] = line.not_sent.get(reason, 0) + row.touches


def _most_first(reasons: dict[str, int]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda one: (-one[1], one[0])))
