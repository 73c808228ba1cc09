"""The message of one touch: its channel, its words and offers, and its row in the outbox."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, or_, select

from channels import writing
from channels.email.links import KEPT_AS
from channels.gate.opening import touch_hold
from channels.hours import SEARCH_DAYS
from channels.templates import Rendered, Variables
from crm.models import ChatMessage, Offer, Service, Vehicle
from crm.template_blocks import step_block
from crm.told_prices import prices_said
from scheduler import burst, wording
from scheduler.cadence import WORDS, choose_channel
from scheduler.due import Due, Outcome, among_others, put_back, settle, skip
from scheduler.touch_text import words_of
from scheduler.touches import facts_to_plan

log = structlog.get_logger(__name__)

WAITING = ("pending", "sending", "unknown")
# A touch waits so long at a time for the one before it to leave.
ON_ITS_WAY = timedelta(minutes=15)
NO_HOUR = f"no hour that the shop and the law allow comes within {SEARCH_DAYS} days"


def write(due: Due) -> Outcome:
    """Write the touch into the outbox with its new status, in one transaction; or skip it, or put it back until its
    hours. Raises TemplateFailed."""
    wanted = due.touch.channel if due.asked_for else due.step.channel
    channel, status, reason = choose_channel(wanted, due.known.facts)
    if status == "skipped":
        return skip(due, reason or "no channel", counted="no channel")
    stopped = _stopped(due, channel)
    if stopped is not None:
        return skip(due, f"this step is stopped: {stopped}", counted="the step is stopped")
    too_near = None if due.fresh else _too_near(due, channel)
    if too_near is not None:
        return too_near
    hold = _hold(due, channel)
    if hold is not None and hold >= due.now + timedelta(days=SEARCH_DAYS):
        # Looked at again and again it would wander on for months after its cadence.
        return skip(due, NO_HOUR, counted="no hour")
    if hold is not None and due.step.offers:
        # Times are looked up when they can be sent at once; what waits for hours may be taken meanwhile.
        return put_back(due, among_others(due, hold))
    # A follow-up is about what the customer said then, which need not be what they first asked for.
    vehicle = due.vehicle if due.fresh else wording.vehicle_of(due.session, due.lead)
    services = [] if due.asked_for else wording.fitting_services(due.session, due.lead, vehicle)
    offers = _offers(due, services, vehicle)
    message = _message(due, channel, vehicle, services, offers, _expires(due, hold, offers))
    if message is None:
        return skip(due, "it was written before or the address is gone", counted="no channel")
    for offer in offers:
        offer.message_id = message.id
    settle(due, "written", reason)
    due.touch.channel, due.touch.message_id = channel, message.id
    burst.replan_rest(
        due.session,
        due.touch,
        due.plan,
        lambda: facts_to_plan(due.session, due.lead, due.plan, due.known, due.now),
        due.now,
    )
    log.info("touch_written", touch_point_id=due.touch.id, step=due.touch.step, message_id=message.id)
    return Outcome("written", message.id)


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
    rendered = _words(due, channel, variables)
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
        raw={**({} if link is None else {KEPT_AS: link}), **prices_said(rendered.body, services)} or None,
        first=due.fresh,
    )


def _words(due: Due, channel: str, variables: Variables) -> Rendered:
    """What was written ahead for this very touch, else the template: the business's own, else ours."""
    return words_of(
        due.session,
        due.touch,
        due.chat,
        due.lead,
        due.location,
        channel,
        variables,
        due.now,
        offers=due.step.offers,
    )


def _stopped(due: Due, channel: str) -> str | None:
    """Why this step is not sent on this channel any more: too many of those who got it said stop."""
    block = step_block(due.session, due.touch.plan, due.touch.step, channel)
    return None if block is None else block.reason


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


def _too_near(due: Due, channel: str) -> Outcome | None:
    """Skipped when the touch before it went out too short a time ago; put back while that one still waits, because it
    counts from the moment at which it leaves: after downtime the two would leave together."""
    least = due.now - due.plan.apart
    earlier = due.session.execute(
        select(ChatMessage.status, ChatMessage.send_after)
        .where(
            ChatMessage.lead_id == due.lead.id,
            ChatMessage.kind == "touch",
            ChatMessage.channel == channel,
            or_(
                ChatMessage.status.in_(WAITING),
                func.coalesce(ChatMessage.sent_at, ChatMessage.created_at) > least,
            ),
            ChatMessage.status.not_in(("withheld", "dropped", "failed")),
        )
        .order_by(ChatMessage.status.in_(WAITING).desc(), ChatMessage.id.desc())
        .limit(1)
    ).first()
    if earlier is None:
        return None
    if earlier.status in WAITING:
        return put_back(due, max(due.now + ON_ITS_WAY, earlier.send_after or due.now))
    return skip(due, f"too soon after the {WORDS[channel]} before it", counted="too soon")
