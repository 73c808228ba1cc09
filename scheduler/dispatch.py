"""Writing a due touch into the outbox: claim, look at the facts again, write. Sending is the outbox's
business.

Nothing planned days ago is trusted: a reply, a booking, a stop or a person on the line since then wins,
late work is skipped, and of several due touches of one lead only one is written, so that downtime never
ends in a burst.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from channels import writing
from channels.email.links import KEPT_AS, MailLinks
from channels.gate.opening import touch_hold
from channels.templates import TemplateFailed, render
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location, Offer, Service, TouchPoint, Vehicle
from crm.notices import notify_staff
from crm.touches import halt_touches
from ops.clock import Clock
from scheduler import burst, wording
from scheduler.cadence import WORDS, choose_channel
from scheduler.due import Due, put_back, settle, skip
from scheduler.plan import UnknownPlan, load_plan
from scheduler.recheck import halt_reason
from scheduler.touches import Known, known_of

log = structlog.get_logger(__name__)

CLAIM = timedelta(seconds=60)
# A touch that raises is looked at again after an hour, so that it does not block the others at every sweep.
AFTER_ERROR = timedelta(hours=1)
# A message that waits for its answer comes before a follow-up, which is looked at again after that long.
AFTER_ANSWER = timedelta(minutes=15)


def write_touch(
    db: Database, tenant_id: int, touch_point_id: int, clock: Clock, links: MailLinks | None = None
) -> int | None:
    """Write one due touch into the outbox; returns the message's id (wake "deliver" for it), or None when
    it was not due, not ours to claim, or not to be written: then its row has the status and the reason.
    `links` makes the link that ends these emails. Safe to repeat."""
    now = clock.now()
    with db.tenant(tenant_id) as session:
        token = _claim(session, touch_point_id, now)
    if token is None:
        return None
    try:
        with db.tenant(tenant_id) as session:
            return _decide(session, touch_point_id, token, now, links)
    except (TemplateFailed, UnknownPlan) as error:
        log.error("touch_failed", touch_point_id=touch_point_id, error=str(error))
        with db.tenant(tenant_id) as session:
            _settle_claimed(
                session, touch_point_id, token, status="skipped", reason=str(error), claimed_until=None
            )
        return None
    except Exception:
        with db.tenant(tenant_id) as session:
            _settle_claimed(session, touch_point_id, token, claimed_until=now + AFTER_ERROR)
        raise


def _claim(session: Session, touch_point_id: int, now: datetime) -> uuid.UUID | None:
    free = or_(
        TouchPoint.status == "planned",
        and_(TouchPoint.status == "claimed", TouchPoint.claimed_until < now),
    )
    token = uuid.uuid4()
    claimed = session.execute(
        update(TouchPoint)
        .where(TouchPoint.id == touch_point_id, TouchPoint.due_at <= now, free)
        .values(status="claimed", claim_token=token, claimed_until=now + CLAIM)
        .returning(TouchPoint.id)
    ).scalar_one_or_none()
    return None if claimed is None else token


def _settle_claimed(session: Session, touch_point_id: int, token: uuid.UUID, **values: object) -> None:
    session.execute(
        update(TouchPoint)
        .where(TouchPoint.id == touch_point_id, TouchPoint.claim_token == token)
        .values(**values)
    )


def write_now(
    session: Session,
    touch: TouchPoint,
    chat: ChatSession,
    lead: Lead,
    now: datetime,
    links: MailLinks | None,
    known: Known,
    *,
    fresh: bool,
    vehicle: Vehicle | None = None,
) -> int | None:
    """The same for a touch that the caller's own transaction has just planned, with the conversation's row locked or
    new: nobody else can claim it, so it is written in the same transaction. `known`: what was read of the lead in it;
    `fresh`: the lead was made in it, and `vehicle` is the only car it can have.

    Raises TemplateFailed, UnknownPlan: then leave the touch to `write_touch`, which notes why it fails.
    """
    plan = load_plan(touch.plan)
    step = plan.get(touch.step)
    if step is None:
        raise UnknownPlan(f"the plan {touch.plan!r} no longer has step {touch.step}")
    location = session.get_one(Location, chat.location_id)
    return _judge(Due(session, touch, chat, lead, location, plan, step, now, links, known, fresh, vehicle))


def _decide(
    session: Session, touch_point_id: int, token: uuid.UUID, now: datetime, links: MailLinks | None
) -> int | None:
    due = _load(session, touch_point_id, token, now, links)
    return None if due is None else _judge(due)


def _judge(due: Due) -> int | None:
    session, now = due.session, due.now
    if due.touch.due_at > now:
        # Moved by a first touch that was written late, between our claim and now.
        settle(due, "planned", due.touch.reason)
        return None
    halt = halt_reason(session, due.lead, due.chat, due.touch, now, known=due.known, fresh=due.fresh)
    if halt is not None and due.asked_for and halt[0] == "paused":
        return _tell_the_person(due)
    if halt is not None:
        halt_touches(session, due.lead.id, *halt)
        return None
    if due.asked_for and due.chat.answer_due_at is not None:
        return put_back(due, now + AFTER_ANSWER)
    late = now - due.touch.due_at
    if late > due.step.grace:
        return skip(due, f"too late: {int(late.total_seconds() // 3600)} h after its time")
    verdict = burst.check(session, due.touch, due.plan, due.location.timezone, now)
    if isinstance(verdict, str):
        return skip(due, verdict)
    if verdict is not None:
        return put_back(due, verdict)
    return _write(due)


def _load(
    session: Session, touch_point_id: int, token: uuid.UUID, now: datetime, links: MailLinks | None
) -> Due | None:
    """The touch if the claim still holds. The session row is locked first, as the inbox and the gate do."""
    session_id = session.scalar(select(TouchPoint.session_id).where(TouchPoint.id == touch_point_id))
    if session_id is None:
        return None
    chat = session.get_one(ChatSession, session_id, with_for_update=True)
    touch = session.get_one(TouchPoint, touch_point_id, with_for_update=True)
    if touch.status != "claimed" or touch.claim_token != token:
        return None
    plan = load_plan(touch.plan)
    step = plan.get(touch.step)
    if step is None:
        raise UnknownPlan(f"the plan {touch.plan!r} no longer has step {touch.step}")
    lead = session.get_one(Lead, touch.lead_id)
    location = session.get_one(Location, chat.location_id)
    return Due(session, touch, chat, lead, location, plan, step, now, links, known_of(session, lead))


def _write(due: Due) -> int | None:
    wanted = due.touch.channel if due.asked_for else due.step.channel
    channel, status, reason = choose_channel(wanted, due.known.facts)
    if status == "skipped":
        return skip(due, reason or "no channel")
    if not due.fresh and _wrote_just_now(due, channel):
        return skip(due, f"too soon after the {WORDS[channel]} before it")
    hold = _hold(due, channel)
    if hold is not None and due.step.offers:
        # Times are looked up when they can be sent at once; what waits for hours may be taken meanwhile.
        return put_back(due, hold)
    # A follow-up is about what the customer said then, which need not be what they first asked for.
    vehicle = due.vehicle if due.fresh else wording.vehicle_of(due.session, due.lead)
    services = [] if due.asked_for else wording.fitting_services(due.session, due.lead, vehicle)
    offers = _offers(due, services, vehicle)
    message = _message(due, channel, vehicle, services, offers, _expires(due, hold, offers))
    if message is None:
        return skip(due, "it was written before or the address is gone")
    for offer in offers:
        offer.message_id = message.id
    settle(due, "written", reason)
    due.touch.channel, due.touch.message_id = channel, message.id
    burst.replan_rest(due.session, due.touch, due.plan, due.known.facts, due.now)
    log.info("touch_written", touch_point_id=due.touch.id, step=due.touch.step, message_id=message.id)
    return message.id


def _message(
    due: Due,
    channel: str,
    vehicle: Vehicle | None,
    services: list[Service],
    offers: list[Offer],
    expires: datetime,
) -> ChatMessage | None:
    """The row of the outbox. A mail names the link that ends these mails, so its id is known before its words."""
    outbox_id = uuid.uuid4()
    link = due.links.unsubscribe(outbox_id) if due.links is not None and channel == "email" else None
    variables = wording.variables_for(
        due.session,
        due.lead,
        due.location,
        services,
        offers,
        vehicle,
        about=due.touch.note,
        unsubscribe=link,
        fresh=due.fresh,
    )
    rendered = render(due.touch.template, channel, variables)
    return writing.add(
        due.session,
        chat=due.chat,
        lead=due.lead,
        location=due.location,
        channel=channel,
        kind="touch",
        body=rendered.body,
        subject=rendered.subject,
        dedupe_key=f"touch:{due.touch.id}",
        now=due.now,
        touch_point_id=due.touch.id,
        expires_at=expires,
        outbox_id=outbox_id,
        raw=None if link is None else {KEPT_AS: link},
        first=due.fresh,
    )


def _offers(due: Due, services: list[Service], vehicle: Vehicle | None) -> list[Offer]:
    if not due.step.offers:
        return []
    return wording.offer_times(due.session, due.lead, due.location, due.chat.id, services, vehicle, due.now)


def _hold(due: Due, channel: str) -> datetime | None:
    if channel != "sms":
        return None
    # As the gate tells them apart.
    return touch_hold(due.session, due.lead, due.location, due.now, first=due.touch.step == 1)


def _expires(due: Due, hold: datetime | None, offers: list[Offer]) -> datetime:
    """The grace counts from the moment the hours allow; a time named in it must still be bookable."""
    moments = [(hold or due.now) + due.step.grace, *(offer.expires_at for offer in offers)]
    return min(moments)


def _wrote_just_now(due: Due, channel: str) -> bool:
    recent = due.session.scalar(
        select(ChatMessage.id)
        .where(
            ChatMessage.lead_id == due.lead.id,
            ChatMessage.kind == "touch",
            ChatMessage.channel == channel,
            ChatMessage.created_at > due.now - due.plan.apart,
            ChatMessage.status.not_in(("withheld", "dropped", "failed")),
        )
        .limit(1)
    )
    return recent is not None


def _tell_the_person(due: Due) -> int | None:
    """The date has come and a person has the conversation: they keep the promise, and nobody else does."""
    name = due.lead.first_name or due.lead.phone or due.lead.email or "A customer"
    notify_staff(
        due.session,
        session=due.chat,
        lead=due.lead,
        location=due.location,
        text=f"{name} asked to hear from you today about: {due.touch.note}. You have the conversation."
        f" See: leads transcript {due.lead.id}",
        dedupe_key=f"follow_up:{due.touch.id}",
        now=due.now,
    )
    return skip(due, "a person has the conversation and was told that the date has come")
