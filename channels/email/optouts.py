"""Opt-outs that SendGrid tells of: a spam report, an unsubscribe, a name on one of its lists.

They always count, whenever they come (messaging facts 4.3), and only the customer's own START undoes one. Nobody
confirms them: a mail to somebody who reported the last one as spam is what gets a sender blocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consent_stops import Stop, stop_person, upcoming
from crm.consents import SAID_START, THIS_CHANNEL_ONLY, record_consent, standing
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.touches import halt_touches


@dataclass(frozen=True)
class OptOut:
    """What was reported. `source` like "SendGrid: spamreport" and `evidence`, which names the moment, go to the ledger.
    `ends_cadence`: on all channels, whatever the business's `stop_covers` says. `alone`: it says nothing of texts,
    because it need not have been said to this business."""

    source: str
    evidence: str
    ends_cadence: bool = False
    alone: bool = False


def opt_out_address(
    session: Session,
    tenant_id: int,
    address: str,
    told: OptOut,
    now: datetime,
    message: ChatMessage | None = None,
) -> bool:
    """Close email for an address and the person behind it. `message`: the mail it is about, whose conversation the
    caller has locked. Returns False when it was closed already, by the person or at SendGrid."""
    lead = _lead(session, address, message)
    if lead is not None and told.ends_cadence:
        why = "this person reported a mail of ours as spam"
        halt_touches(session, lead.id, "ended", why, reminders=True, now=now)
    before = standing(session, tenant_id, "email", address).stop
    if before is not None and before.actor in ("customer", "carrier"):
        return False
    if lead is None:
        # Nobody we know by this address, or one of the shop's own people: the ledger goes by the address.
        _record(session, tenant_id, address, told, message, now)
        return True
    stop = Stop(
        channels=frozenset({"email"}),
        scope="all",
        actor="carrier",
        source=told.source,
        evidence=told.evidence,
        at=now,
        message_id=message.id if message is not None else None,
        came_from=("email", address),
        alone=told.alone,
        carrier_knows=frozenset({"email"}),
    )
    stop_person(session, lead, stop)
    _tell_shop(session, lead, told, now)
    return True


def came_back_since(session: Session, tenant_id: int, address: str, since: datetime) -> bool:
    """Whether the person said START by or for mail after that moment: what a list still holds from before is over."""
    grant = standing(session, tenant_id, "email", address).grant
    by_person = grant is not None and grant.actor == "customer" and grant.source.startswith(SAID_START)
    return grant is not None and by_person and grant.effective_at > since


def _lead(session: Session, address: str, message: ChatMessage | None) -> Lead | None:
    """The person, locked behind their conversation. A notice is in a customer's conversation but went to one of the
    shop's own people, so whose address it is decides."""
    if message is not None and message.kind != "notice" and message.to_address.lower() == address:
        return session.get_one(Lead, message.lead_id, with_for_update=True, populate_existing=True)
    found = session.scalar(select(Lead.id).where(Lead.email == address).order_by(Lead.id).limit(1))
    if found is None:
        return None
    session.execute(select(ChatSession.id).where(ChatSession.lead_id == found).with_for_update())
    return session.get_one(Lead, found, with_for_update=True, populate_existing=True)


def _record(
    session: Session, tenant_id: int, address: str, told: OptOut, message: ChatMessage | None, now: datetime
) -> None:
    record_consent(
        session,
        tenant_id=tenant_id,
        channel="email",
        address=address,
        action="revoke",
        actor="carrier",
        source=told.source + (THIS_CHANNEL_ONLY if told.alone else ""),
        evidence=told.evidence,
        effective_at=now,
        message_id=message.id if message is not None else None,
        carrier_knows=True,
    )


def _tell_shop(session: Session, lead: Lead, told: OptOut, now: datetime) -> None:
    """The shop hears of a spam report, and of an opt-out by somebody who has an appointment."""
    chat = session.scalars(select(ChatSession).where(ChatSession.lead_id == lead.id)).first()
    booked = upcoming(session, lead, now)
    if chat is None or not (told.ends_cadence or booked):
        return
    name = lead.first_name or lead.email or "A customer"
    what = "reported a mail of ours as spam" if told.ends_cadence else "unsubscribed from our mail"
    text = f"{name} {what} and gets no more mail."
    if booked:
        text += " They have an appointment: please call if something about it changes."
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=text,
        dedupe_key=f"mail_opt_out:{lead.id}:{now:%Y-%m-%d}",
        now=now,
    )
