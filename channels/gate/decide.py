"""Asking every check, and the one rule that makes a verdict of their answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from channels.gate import checks, touches
from channels.gate.case import Case, load_case
from channels.gate.decision import Decision, GateRules
from channels.hours import closes_at
from crm.models import ChatMessage

CHECKS: tuple[Callable[[Case], Decision | None], ...] = (
    checks.opted_out,
    touches.consent,
    checks.demo_mode,
    checks.tenant_paused,
    checks.expired,
    checks.bad_address,
    checks.blocked,
    checks.newer_message,
    checks.person_on_the_line,
    checks.another_visit,
    touches.over,
    touches.hours,
    touches.per_day,
    touches.per_24_hours,
    touches.budget,
)


def decide(session: Session, message: ChatMessage, now: datetime, rules: GateRules) -> Decision:
    """Ask every check; the hardest verdict wins and all reasons are kept. Locks the session row, so that a stop,
    a person or a newer message either is seen here or comes after the message."""
    case = load_case(session, message, now, rules)
    found = [decision for check in CHECKS if (decision := check(case)) is not None]
    reasons = tuple(dict.fromkeys(reason for decision in found for reason in decision.reasons))
    for verdict in ("withhold", "drop", "hold"):
        hits = [decision for decision in found if decision.verdict == verdict]
        if hits:
            until = max((d.hold_until for d in hits if d.hold_until is not None), default=None)
            if until is not None and message.expires_at is not None and until >= message.expires_at:
                return Decision("withhold", (*reasons, "it would expire before it may be sent"))
            return Decision(hits[0].verdict, reasons, until)
    return Decision("allow", ("every check passed",), good_until=_good_until(case))


def _good_until(case: Case) -> datetime | None:
    """When an allowed message may no longer arrive: its own end, or the end of the lawful window for a text."""
    ends = [case.message.expires_at]
    if case.message.channel == "sms":
        shop_open = case.touch.shop_open if case.touch is not None else None
        where = case.where
        ends.append(closes_at(case.now, where.zones, where.states, case.hours_kind, shop_open=shop_open))
    return min((end for end in ends if end is not None), default=None)
