"""The gate: may this go, now? One check for every outbound message, at the moment of sending.

Promises in order: never to someone who said stop; never what is no longer true; never twice. The answer is allow,
hold (until when), withhold (it never goes) or drop (something newer made it pointless), always with its reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from channels.hours import candidate_zones, next_allowed
from crm.consents import normal_address, opt_out_of
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location, Tenant, TouchPoint

Verdict = Literal["allow", "hold", "withhold", "drop"]

MARKETING = ("touch",)
TOUCHES_PER_DAY = 1
# One confirmation of an opt-out may follow within five minutes (messaging facts 3.2).
STOP_ANSWER_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True)
class GateRules:
    """What the installation adds to the law: in demo mode only the allow-listed addresses are really written to."""

    demo_mode: bool = False
    demo_allow_list: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The verdict with every reason that led to it, in words an owner understands."""

    verdict: Verdict
    reasons: tuple[str, ...]
    hold_until: datetime | None = None


@dataclass(frozen=True)
class Case:
    """One message and what is known about it now."""

    session: Session
    message: ChatMessage
    chat: ChatSession
    lead: Lead
    location: Location
    now: datetime
    rules: GateRules

    @property
    def to_customer(self) -> bool:
        """Notices go to staff; everything else to the lead."""
        return self.message.kind != "notice"


def decide(session: Session, message: ChatMessage, now: datetime, rules: GateRules) -> Decision:
    """Ask every check; the hardest verdict wins and all reasons are kept. Locks the session row, so that a stop,
    a person or a newer message either is seen here or comes after the message."""
    chat = session.get_one(ChatSession, message.session_id, with_for_update=True, populate_existing=True)
    case = Case(
        session,
        message,
        chat,
        session.get_one(Lead, message.lead_id, populate_existing=True),
        session.get_one(Location, chat.location_id),
        now,
        rules,
    )
    found = [decision for check in CHECKS if (decision := check(case)) is not None]
    for verdict in ("withhold", "drop", "hold"):
        hits = [decision for decision in found if decision.verdict == verdict]
        if hits:
            until = max((d.hold_until for d in hits if d.hold_until is not None), default=None)
            if until is not None and message.expires_at is not None and until >= message.expires_at:
                return Decision("withhold", (*_reasons(found), "it would expire before it may be sent"))
            return Decision(hits[0].verdict, _reasons(found), until)
    return Decision("allow", ("every check passed",))


def _reasons(found: list[Decision]) -> tuple[str, ...]:
    return tuple(reason for decision in found for reason in decision.reasons)


def _opted_out(case: Case) -> Decision | None:
    message = case.message
    event = opt_out_of(case.session, message.tenant_id, message.channel, message.to_address)
    if event is None:
        return None
    if message.kind == "consent" and case.now - event.effective_at <= STOP_ANSWER_WITHIN:
        return None
    return Decision("withhold", (f"this person said stop on {event.effective_at:%Y-%m-%d %H:%M} UTC",))


def _demo(case: Case) -> Decision | None:
    allowed = {normal_address(case.message.channel, entry) for entry in case.rules.demo_allow_list}
    if not case.rules.demo_mode or normal_address(case.message.channel, case.message.to_address) in allowed:
        return None
    return Decision("withhold", ("DEMO_MODE is on and this recipient is not on DEMO_ALLOW_LIST",))


def _tenant_paused(case: Case) -> Decision | None:
    tenant = case.session.get_one(Tenant, case.message.tenant_id)
    if tenant.status == "active" or not case.to_customer:
        return None
    return Decision("hold", ("the business is paused",), case.now + timedelta(minutes=15))


def _expired(case: Case) -> Decision | None:
    expires = case.message.expires_at
    return (
        Decision("withhold", ("it is too late for this message",))
        if expires and expires <= case.now
        else None
    )


def _bad_address(case: Case) -> Decision | None:
    lead, message = case.lead, case.message
    since = lead.phone_bad_since if message.channel == "sms" else lead.email_bad_since
    address = lead.phone if message.channel == "sms" else lead.email
    if since is None or not case.to_customer or message.to_address != address:
        return None
    return Decision("withhold", ("this address does not work",))


def _newer_message(case: Case) -> Decision | None:
    message, chat = case.message, case.chat
    if (
        message.kind == "reply"
        and not _announces(message)
        and (chat.last_inbound_id or 0) > (message.answers_up_to or 0)
    ):
        return Decision("drop", ("the customer wrote again before this was sent",))
    if message.kind in MARKETING and chat.last_inbound_at and chat.last_inbound_at >= message.created_at:
        return Decision("drop", ("the customer wrote after this was planned",))
    return None


def _person_on_the_line(case: Case) -> Decision | None:
    if case.chat.state != "human" or not case.to_customer or case.message.kind == "consent":
        return None
    if _announces(case.message):
        return None
    return Decision("drop", ("a person has taken over the conversation",))


def _announces(message: ChatMessage) -> bool:
    """The reply that announces a hand-off was written in the same turn and still goes: nobody else would say it."""
    return bool((message.raw or {}).get("announces_hand_off"))


def _already_booked(case: Case) -> Decision | None:
    if case.message.kind not in MARKETING:
        return None
    booked = case.session.scalar(
        select(Appointment.id)
        .where(
            Appointment.lead_id == case.lead.id,
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.ends_at > case.now,
        )
        .limit(1)
    )
    return None if booked is None else Decision("drop", ("the customer already has an appointment",))


def _hours(case: Case) -> Decision | None:
    if case.message.kind not in MARKETING or case.message.channel != "sms":
        return None
    zones = candidate_zones(case.message.to_address, case.location.timezone)
    until = next_allowed(case.now, zones, case.location.state, _kind_for_hours(case))
    return None if until is None else Decision("hold", ("outside the lawful hours of the recipient",), until)


def _kind_for_hours(case: Case) -> str:
    """The first touch answers an enquiry the person just made, so it may go from eight to eight; later ones may not."""
    touch = _touch_of(case)
    return "first_touch" if touch is not None and touch.step == 1 else case.message.kind


def _touch_of(case: Case) -> TouchPoint | None:
    touch_id = case.message.touch_point_id
    return None if touch_id is None else case.session.get(TouchPoint, touch_id)


def _touch_cap(case: Case) -> Decision | None:
    """At most one touch a day and three in 24 hours to a person, over all shops of the business."""
    if case.message.kind not in MARKETING:
        return None
    # Two shops of one business may be about to write to the same person: the second waits and counts the first.
    key = f"touch:{case.message.tenant_id}:{case.message.channel}:{case.message.to_address}"
    case.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    sent = case.session.execute(
        select(func.count(), func.min(ChatMessage.sent_at)).where(
            ChatMessage.to_address == case.message.to_address,
            ChatMessage.channel == case.message.channel,
            ChatMessage.kind.in_(MARKETING),
            # What is with the carrier, or may be, has no time of sending yet and counts all the same.
            or_(
                ChatMessage.status.in_(("sending", "unknown")),
                ChatMessage.status.in_(("sent", "delivered"))
                & (ChatMessage.sent_at > case.now - timedelta(hours=20)),
            ),
            ChatMessage.id != case.message.id,
        )
    ).one()
    planned_today = _same_day_by_plan(case)
    if sent[0] < TOUCHES_PER_DAY + planned_today:
        return None
    first = sent[1] or case.now
    return Decision("hold", ("this person already got a message today",), first + timedelta(hours=20))


def _same_day_by_plan(case: Case) -> int:
    """The first day of a cadence is front-loaded (touches 1 and 3 are texts of day one): up to three in 24 hours.

    Counted from its first touch, not from the lead's first day: somebody who came on Saturday night is written to on
    Monday for the first time.
    """
    touch = _touch_of(case)
    if touch is None or touch.step == 1:
        return 0 if touch is None else 2
    began = case.session.scalar(
        select(ChatMessage.id)
        .join(TouchPoint, TouchPoint.id == ChatMessage.touch_point_id)
        .where(
            TouchPoint.lead_id == touch.lead_id,
            TouchPoint.cadence_run == touch.cadence_run,
            TouchPoint.step == 1,
            ChatMessage.sent_at > case.now - timedelta(hours=24),
        )
        .limit(1)
    )
    return 0 if began is None else 2


CHECKS: tuple[Callable[[Case], Decision | None], ...] = (
    _opted_out,
    _demo,
    _tenant_paused,
    _expired,
    _bad_address,
    _newer_message,
    _person_on_the_line,
    _already_booked,
    _hours,
    _touch_cap,
)
