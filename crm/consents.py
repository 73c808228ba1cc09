"""The consent ledger: append-only rows, read as "the last word wins" per tenant, channel and address.

An opt-out by the customer or the carrier is undone only by the customer's own later grant, never by the shop or an
import (47 CFR 64.1200(a)(10); messaging facts 3.2). It never expires and does not hang on the lead's row.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ConsentEvent
from crm.phones import e164

_E164 = re.compile(r"\+[1-9]\d{6,14}")
Channel = Literal["sms", "email"]
Actor = Literal["customer", "shop", "carrier", "crm"]


def normal_address(channel: str, raw: str) -> str:
    """The form an address has in the ledger: E.164 (short codes as they are), or lower-case email."""
    if channel == "email":
        return raw.strip().lower()
    # Carriers send E.164 already, and parsing a number takes longer than storing a message.
    return raw if _E164.fullmatch(raw) else e164(raw) or raw.strip()


def _events(session: Session, tenant_id: int, channel: str, address: str) -> list[ConsentEvent]:
    statement = (
        select(ConsentEvent)
        .where(
            ConsentEvent.tenant_id == tenant_id,
            ConsentEvent.channel == channel,
            ConsentEvent.address == normal_address(channel, address),
        )
        .order_by(ConsentEvent.id)
    )
    return list(session.scalars(statement))


def _standing(events: list[ConsentEvent]) -> ConsentEvent | None:
    """The event that counts now. Only the customer can lift a customer's or carrier's revocation."""
    standing: ConsentEvent | None = None
    for event in events:
        revoked_by_person = (
            standing is not None and standing.action == "revoke" and standing.actor in ("customer", "carrier")
        )
        if revoked_by_person and event.action == "grant" and event.actor != "customer":
            continue
        standing = event
    return standing


def opt_out_of(session: Session, tenant_id: int, channel: str, address: str) -> ConsentEvent | None:
    """The revocation in force for this address, or None."""
    standing = _standing(_events(session, tenant_id, channel, address))
    return standing if standing is not None and standing.action == "revoke" else None


def is_opted_out(session: Session, tenant_id: int, channel: str, address: str) -> bool:
    """True when the last word for this address is a revocation."""
    return opt_out_of(session, tenant_id, channel, address) is not None


def has_grant(session: Session, tenant_id: int, channel: str, address: str) -> bool:
    """True when the last word for this address is a grant; silence is no consent."""
    standing = _standing(_events(session, tenant_id, channel, address))
    return standing is not None and standing.action == "grant"


def record_consent(
    session: Session,
    *,
    tenant_id: int,
    channel: Channel,
    address: str,
    action: Literal["grant", "revoke"],
    actor: Actor,
    source: str,
    evidence: str,
    effective_at: datetime,
    lead_id: int | None = None,
    message_id: int | None = None,
    scope: Literal["all", "marketing"] = "all",
) -> ConsentEvent:
    """Append one event. `evidence` is the verbatim text, form or CRM field; `source` says where it came in."""
    event = ConsentEvent(
        tenant_id=tenant_id,
        channel=channel,
        address=normal_address(channel, address),
        action=action,
        actor=actor,
        source=source,
        evidence=evidence[:2000],
        effective_at=effective_at,
        lead_id=lead_id,
        message_id=message_id,
        scope=scope,
    )
    session.add(event)
    session.flush()
    return event
