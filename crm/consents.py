"""The consent ledger: append-only rows, read as "the last word wins" per tenant, channel and address.

A revocation covers `all` messages or `marketing` only. An opt-out by the customer or the carrier is undone only by the
customer's own later grant, never by the shop or an import (47 CFR 64.1200(a)(10); messaging facts 3.2). It never
expires and does not hang on the lead's row, so it survives a re-import and another lead with the same phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.mail_accounts import has_account
from crm.models import ConsentEvent, ConsentPush
from crm.phones import e164

_E164 = re.compile(r"\+[1-9]\d{6,14}")
Channel = Literal["sms", "email"]
Scope = Literal["all", "marketing"]
Actor = Literal["customer", "shop", "carrier", "crm"]

# The carrier hears of a stop after our one confirmation, which it would refuse otherwise (messaging facts 0.9, 3.2).
TELL_CARRIER_AFTER = timedelta(minutes=10)
# Ends the `source` of an event about one channel that leaves the other one as it is.
THIS_CHANNEL_ONLY = ", this channel only"
# Begins the `source` of the customer's own START.
SAID_START = "said START"


@dataclass(frozen=True)
class Standing:
    """What counts for one address now. `stop`: no message at all; `marketing_stop`: none of the cadence (a `stop` is
    one too); `grant`: consent that stands, None while a stop does."""

    stop: ConsentEvent | None = None
    marketing_stop: ConsentEvent | None = None
    grant: ConsentEvent | None = None

    def revocation(self, scope: Scope) -> ConsentEvent | None:
        """What forbids a message of this kind: `marketing` is the cadence, `all` everything else."""
        return self.stop if scope == "all" else self.stop or self.marketing_stop


def normal_address(channel: str, raw: str) -> str:
    """The form an address has in the ledger: E.164 (short codes as they are), or lower-case email."""
    if channel == "email":
        return raw.strip().lower()
    # Carriers send E.164 already, and parsing a number takes longer than storing a message.
    return raw if _E164.fullmatch(raw) else e164(raw) or raw.strip()


def events_of(session: Session, tenant_id: int, channel: str, address: str) -> list[ConsentEvent]:
    """Every event of one address, in the order in which they were recorded. A stop that reached us late, over the
    carrier's list, counts from then on: clocks differ, and to obey it is the safe mistake."""
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


def standing_of(events: Iterable[ConsentEvent]) -> Standing:
    """What the events of one address come to. Only the customer can lift a customer's or carrier's revocation."""
    whole: ConsentEvent | None = None
    marketing: ConsentEvent | None = None
    for event in events:
        if event.scope == "all":
            whole = _next(whole, event)
        marketing = _next(marketing, event)
    stop = whole if whole is not None and whole.action == "revoke" else None
    marketing_stop = marketing if marketing is not None and marketing.action == "revoke" else None
    grant = marketing if marketing_stop is None else whole
    return Standing(stop, marketing_stop, None if stop or grant is None or grant.action != "grant" else grant)


def _next(standing: ConsentEvent | None, event: ConsentEvent) -> ConsentEvent:
    by_person = (
        standing is not None and standing.action == "revoke" and standing.actor in ("customer", "carrier")
    )
    if standing is not None and by_person and event.action == "grant" and event.actor != "customer":
        return standing
    return event


def standing(session: Session, tenant_id: int, channel: str, address: str) -> Standing:
    """What counts for one address now."""
    return standing_of(events_of(session, tenant_id, channel, address))


def opt_out_of(
    session: Session, tenant_id: int, channel: str, address: str, scope: Scope = "all"
) -> ConsentEvent | None:
    """The revocation that forbids messages of this kind to this address, or None. `marketing` is asked for touches of
    the cadence, `all` for everything else: who wants no offers still hears about an appointment."""
    return standing(session, tenant_id, channel, address).revocation(scope)


def is_opted_out(session: Session, tenant_id: int, channel: str, address: str, scope: Scope = "all") -> bool:
    """True when a revocation forbids messages of this kind."""
    return opt_out_of(session, tenant_id, channel, address, scope) is not None


def has_grant(session: Session, tenant_id: int, channel: str, address: str, scope: Scope = "all") -> bool:
    """True when the last word for this address is a grant; silence is no consent."""
    found = standing(session, tenant_id, channel, address)
    return found.grant is not None and found.revocation(scope) is None


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
    scope: Scope = "all",
    carrier_knows: bool = False,
) -> ConsentEvent:
    """Append one event. `evidence` is the verbatim text, form or CRM field; `source` says where it came in.

    A stop of all messages that the carrier cannot have noticed (not its own, and not one of its keywords:
    `carrier_knows`) is owed to it, a while later (messaging facts 2.8, 4.3).
    """
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
    if scope == "all" and action == "revoke" and actor != "carrier" and not carrier_knows:
        owe_to_carrier(session, event, effective_at + TELL_CARRIER_AFTER)
    return event


def owe_to_carrier(session: Session, event: ConsentEvent, at: datetime) -> None:
    """Note that the carrier has to be told about an event, from `at` on. The job `consent_push` does it.

    Nothing is owed about what is no address, nor to an account at SendGrid that other businesses share: there, one
    business's stop would end all of their mail to the person (messaging facts 4.3).
    """
    is_phone = event.channel == "sms" and _E164.fullmatch(event.address) is not None
    is_mail = event.channel == "email" and "@" in event.address
    if not is_phone and not (is_mail and has_account(session)):
        return
    session.add(ConsentPush(tenant_id=event.tenant_id, consent_event_id=event.id, next_try_at=at))
    session.flush()
