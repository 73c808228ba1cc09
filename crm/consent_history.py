"""The consent ledger as an owner reads it: what stands for an address, and every event that led there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consent_policy import consent_of, may_email, may_text, settings_for
from crm.consents import events_of, normal_address, standing_of
from crm.emails import normal_email
from crm.models import ConsentEvent, ConsentPush, Lead
from crm.phones import e164
from crm.reading import LeadNotFound, find_lead

State = Literal["stopped", "no offers", "granted", "unknown"]


class NoSuchAddress(Exception):
    """What was asked for is no lead number, phone or email address. Fit to be shown to an owner."""


@dataclass(frozen=True)
class EventLine:
    """One event. `carrier`: what became of telling Twilio, where it has to be told."""

    id: int
    at: datetime
    action: str
    scope: str
    actor: str
    source: str
    evidence: str
    lead_id: int | None
    message_id: int | None
    carrier: str | None


@dataclass(frozen=True)
class AddressConsent:
    """One address: what stands, the words it stands on, and all its events, oldest first."""

    channel: str
    address: str
    state: State
    since: datetime | None
    evidence: str | None
    events: list[EventLine]


@dataclass(frozen=True)
class ConsentCard:
    """What `leads consent` prints. `cadence`: whether it may use each channel and why, for a lead."""

    lead_id: int | None
    addresses: list[AddressConsent]
    cadence: dict[str, str]


def addresses_of(session: Session, key: str) -> tuple[Lead | None, list[tuple[str, str]]]:
    """The lead behind a number, phone or email, if it is exactly one, and the addresses that are meant: a lead's both,
    else the address itself. Raises NoSuchAddress."""
    phone, email = e164(key), normal_email(key)
    if phone or email:
        return None, [("sms", phone)] if phone else [("email", email or "")]
    try:
        lead = session.get_one(Lead, find_lead(session, key))
    except LeadNotFound as error:
        raise NoSuchAddress(str(error)) from error
    pairs = (("sms", lead.phone), ("email", lead.email))
    return lead, [(channel, address) for channel, address in pairs if address]


def read_consents(session: Session, tenant_id: int, key: str) -> ConsentCard:
    """The card of a lead, phone or email. Raises NoSuchAddress."""
    lead, addresses = addresses_of(session, key)
    lines = [_line(session, tenant_id, channel, address) for channel, address in addresses]
    return ConsentCard(lead.id if lead else None, lines, _cadence(session, lead) if lead else {})


def _cadence(session: Session, lead: Lead) -> dict[str, str]:
    settings = settings_for(session, lead.tenant_id)
    consent = consent_of(session, lead, settings.stop_covers)
    asked = {"sms": may_text(consent, lead, settings), "email": may_email(consent)}
    return {name: f"{'may' if one.allowed else 'may not'}: {one.why}" for name, one in asked.items()}


def _line(session: Session, tenant_id: int, channel: str, address: str) -> AddressConsent:
    events = events_of(session, tenant_id, channel, address)
    found = standing_of(events)
    state: State = "unknown"
    if found.stop is not None:
        state = "stopped"
    elif found.marketing_stop is not None:
        state = "no offers"
    elif found.grant is not None:
        state = "granted"
    counts = found.stop or found.marketing_stop or found.grant
    return AddressConsent(
        channel=channel,
        address=normal_address(channel, address),
        state=state,
        since=counts.effective_at if counts else None,
        evidence=counts.evidence if counts else None,
        events=_events(session, events),
    )


def _events(session: Session, events: list[ConsentEvent]) -> list[EventLine]:
    ids = [event.id for event in events]
    pushes = {
        push.consent_event_id: push.status if push.error is None else f"{push.status}: {push.error}"
        for push in session.scalars(select(ConsentPush).where(ConsentPush.consent_event_id.in_(ids)))
    }
    return [
        EventLine(
            id=event.id,
            at=event.effective_at,
            action=event.action,
            scope=event.scope,
            actor=event.actor,
            source=event.source,
            evidence=event.evidence,
            lead_id=event.lead_id,
            message_id=event.message_id,
            carrier=pushes.get(event.id),
        )
        for event in events
    ]
