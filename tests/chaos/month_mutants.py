"""Faults that are put into the code on purpose, to see that the judge of the month finds each of them, and by which words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy.orm import Session

import channels.outbox
from channels.carrier import CarrierError
from channels.gate import checks, touches
from crm.consent_policy import Permission
from crm.models import ChatMessage
from scheduler import burst, dispatch_message, dispatch_touch, plan, recheck
from scheduler import touches as rows
from scheduler.due import Due, Outcome, settle
from tests.chaos import month, month_carrier, month_customers, month_judge_carriers, month_people

Patch = pytest.MonkeyPatch


def deaf_to_replies(patch: Patch) -> None:
    """The gate does not ask whether they wrote since."""
    _without(patch, checks.newer_message)


def any_hour(patch: Patch) -> None:
    """Texts leave in the night."""
    _without(patch, touches.hours)
    patch.setattr(dispatch_message, "_hold", lambda *_: None)


def no_jitter(patch: Patch) -> None:
    """Who came together is written to together."""
    patch.setattr("scheduler.cadence.share", lambda _: 0.0)
    patch.setattr(month_judge_carriers, "MOST_IN_A_SECOND", 2)


def no_grace(patch: Patch) -> None:
    """Touches are written however late."""
    whole = plan.load_plan()
    steps = tuple(step.model_copy(update={"grace": timedelta(days=9)}) for step in whole.steps)
    patch.setattr(plan, "load_plan", lambda _="default": whole.model_copy(update={"steps": steps}))


def uncertain_is_not_sent(patch: Patch) -> None:
    """What may have been sent is sent again without asking."""
    patch.setitem(month_carrier.TEXT_FATES, "taken, no answer", 40.0)
    real = channels.outbox.after_error

    def careless(session: Session, message: ChatMessage, error: CarrierError, now: datetime) -> None:
        kind = "transient" if error.kind == "uncertain" else error.kind
        real(session, message, CarrierError(str(error), kind=kind, code=error.code), now)

    patch.setattr(channels.outbox, "after_error", careless)


def a_step_is_lost(patch: Patch) -> None:
    """The last touch is not planned."""
    real = rows.plan_touches
    patch.setattr(rows, "plan_touches", lambda *args: real(*args)[:-1])


def no_reasons(patch: Patch) -> None:
    """Skipped touches do not say why."""

    def skip(due: Due, reason: str, *, counted: str) -> Outcome:
        settle(due, "skipped", None)
        return Outcome(counted)

    patch.setattr(dispatch_touch, "skip", skip)


def blind_to_bookings(patch: Patch) -> None:
    """Who booked is asked to book."""
    patch.setitem(month_customers.DEEDS, "booking", 400)
    patch.setattr(recheck, "has_appointment", lambda *_: False)
    _without(patch, touches.over)


def blind_to_persons(patch: Patch) -> None:
    """The cadence goes on beside a person of the shop."""
    patch.setitem(month_customers.DEEDS, "takeover", 400)
    patch.setattr(dispatch_touch, "halt_reason", lambda *_, **__: None)
    _without(patch, checks.person_on_the_line)


def consent_to_everything(patch: Patch) -> None:
    """Nobody has to agree to texts."""
    patch.setitem(month_people.KINDS, (False, True, True), 200)
    patch.setattr(rows, "may_text", lambda *_: Permission(True, "why not"))
    _without(patch, touches.consent)


def no_patience(patch: Patch) -> None:
    """A cadence goes on a minute after a reply."""
    patch.setattr(rows, "_resume_after_s", lambda _: 60)


def all_at_once(patch: Patch) -> None:
    """What piled up while we were away goes out together."""
    patch.setattr(burst, "check", lambda *_: None)
    patch.setattr(dispatch_message, "_too_near", lambda *_: None)
    _without(patch, touches.per_day, touches.per_24_hours)


def nobody_takes_over(patch: Patch) -> None:
    """What a worker that died had claimed stays claimed."""
    patch.setitem(month.DIES, "dispatch", 0.9)
    patch.setattr("scheduler.dispatch.CLAIM", timedelta(days=900))


def stop_is_forgotten(patch: Patch) -> None:
    """The ledger is not asked, and a stop ends nothing."""
    patch.setitem(month_customers.DEEDS, "stop", 400)
    patch.setattr("crm.consent_policy.PersonConsent.stop", lambda *_: None)
    patch.setattr("crm.consent_stops.halt_touches", lambda *_, **__: 0)
    patch.setattr("crm.consent_stops.try_move", lambda *_, **__: False)
    _without(patch, checks.opted_out, checks.newer_message, touches.consent)


# What the judge says of each.
FAULTS: dict[Callable[[Patch], None], str] = {
    deaf_to_replies: "after the reply", any_hour: "breaks the .* hours|the shop is closed", no_jitter: "are due at",
    no_grace: "after its time", uncertain_is_not_sent: "was handed over at", a_step_is_lost: "has the steps",
    no_reasons: "no reason", blind_to_bookings: "they booked on", blind_to_persons: "a person has the conversation",
    consent_to_everything: "never agreed", no_patience: "after the reply", all_at_once: "got (two|.) by",
    nobody_takes_over: "forgotten", stop_is_forgotten: "after their stop",
}  # fmt: skip


def _without(patch: Patch, *taken_out: Callable[..., Any]) -> None:
    # The package has a function of the module's name.
    module = import_module("channels.gate.decide")
    patch.setattr(module, "CHECKS", tuple(check for check in module.CHECKS if check not in taken_out))
