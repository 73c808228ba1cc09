"""What stands on SendGrid's lists becomes true here too: for mail whose events never came, and for what happened
before we were told of events at all. Safe to repeat; a list is read again and again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from channels.email.event_effects import Failure, did_not_arrive, mark_bad, plain_code
from channels.email.optouts import OptOut, came_back_since, opt_out_address
from channels.email.suppressions import Listed
from channels.rows import lock
from crm.consents import normal_address, owe_to_carrier
from crm.models import ChatMessage, ChatSession, ConsentEvent, ConsentPush, Lead

# SendGrid tries for three days; clocks differ a little.
TRIES_FOR, CLOCKS_DIFFER = timedelta(days=4), timedelta(minutes=10)
# So many of our own stops are owed to an account in one look; the rest in the next.
MOST_OWED = 1000

_FAILURES = {
    "bounces": ("hard", "the address does not work"),
    "invalid_emails": ("hard", "SendGrid says the address is not valid"),
    "blocks": ("soft", "their mail server refused it"),
}


def mirror(session: Session, tenant_id: int, listed: Listed, *, shared: bool, now: datetime) -> bool:
    """Take over one entry for one business that has a lead with this address. `shared`: the list serves other
    businesses too. Returns whether anything was new here."""
    if listed.kind in _FAILURES:
        return _failed(session, tenant_id, listed, now)
    if came_back_since(session, tenant_id, listed.address, listed.created):
        return False
    if listed.kind == "unsubscribes" and _is_our_own_entry(session, tenant_id, listed.address):
        return False
    told = OptOut(
        f"SendGrid: list of {listed.kind}",
        f"this address is on SendGrid's list of {listed.kind} since {listed.created:%Y-%m-%d %H:%M} UTC",
        ends_cadence=listed.kind == "spam_reports",
        alone=shared,
    )
    return opt_out_address(session, tenant_id, listed.address, told, now)


def owe_stops(session: Session, tenant_id: int, now: datetime) -> int:
    """Owe SendGrid every stop of mail that it was never told of, from before the business had an account of its own
    there, say. Returns how many; one that stands no more is settled when its turn comes."""
    told = exists().where(ConsentPush.consent_event_id == ConsentEvent.id)
    missing = session.scalars(
        select(ConsentEvent)
        .where(
            ConsentEvent.tenant_id == tenant_id,
            ConsentEvent.channel == "email",
            ConsentEvent.action == "revoke",
            ConsentEvent.scope == "all",
            ConsentEvent.actor != "carrier",
            ConsentEvent.address.contains("@"),
            ~told,
        )
        .order_by(ConsentEvent.id)
        .limit(MOST_OWED)
    ).all()
    for event in missing:
        owe_to_carrier(session, event, now)
    return len(missing)


def _failed(session: Session, tenant_id: int, listed: Listed, now: datetime) -> bool:
    blame, says = _FAILURES[listed.kind]
    message = _mail_of(session, tenant_id, listed)
    if message is not None:
        code = plain_code(listed.status) or plain_code(listed.reason)
        failure = Failure("hard" if blame == "hard" else "soft", says, listed.reason, code)
        return did_not_arrive(session, message, failure, "bounce", None, now)
    if blame == "hard":
        mark_bad(session, listed.address, now)
    return False


def _mail_of(session: Session, tenant_id: int, listed: Listed) -> ChatMessage | None:
    """The mail that an entry is about, locked: the last one before it of which nothing was heard since."""
    # By conversation, because that is how messages can be found; by address would walk through all of them.
    theirs = (
        select(ChatSession.id)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(Lead.tenant_id == tenant_id, Lead.email == listed.address)
    )
    sent = select(ChatMessage.id).where(
        ChatMessage.session_id.in_(theirs),
        ChatMessage.channel == "email",
        ChatMessage.direction == "out",
        ChatMessage.to_address == listed.address,
        ChatMessage.status == "sent",
        ChatMessage.sent_at.between(listed.created - TRIES_FOR, listed.created + CLOCKS_DIFFER),
    )
    found = session.scalar(sent.order_by(ChatMessage.sent_at.desc()).limit(1))
    message = None if found is None else lock(session, found)
    return message if message is not None and message.status == "sent" else None


def _is_our_own_entry(session: Session, tenant_id: int, address: str) -> bool:
    """Whether we put it there ourselves: then it says nothing that the ledger does not say better."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    ConsentPush.consent_event_id == ConsentEvent.id,
                    ConsentPush.status == "done",
                    ConsentPush.error.is_(None),
                    ConsentEvent.tenant_id == tenant_id,
                    ConsentEvent.channel == "email",
                    ConsentEvent.action == "revoke",
                    ConsentEvent.address == normal_address("email", address),
                )
            )
        )
    )
