"""Stops of two leads that are one person: whatever either said closes every address of both, and nothing opens one."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy.orm import Session

from crm.consent_policy import consent_of, settings_for
from crm.consents import Actor, Channel, Scope, record_consent, standing
from crm.models import ConsentEvent, Lead


def carry_stops(s: Session, into: Lead, other: Lead, now: datetime) -> int:
    """Append to the ledger what each one's stop means for the other one's address on that channel; returns how many
    events. The source ends as the first one's did: it says how far the stop reaches. Grants are not carried: consent
    is given for an address."""
    pairs: tuple[tuple[Channel, str | None, str | None], ...] = (
        ("sms", into.phone, other.phone),
        ("email", into.email, other.email),
    )
    added = 0
    for channel, mine, theirs in pairs:
        if mine is None or theirs is None:
            continue
        for source, target in ((mine, theirs), (theirs, mine)):
            added += _carry(s, into, other, channel, source, target, now)
    return added


def is_closed(s: Session, lead: Lead) -> bool:
    """Whether nothing may go to the lead on any channel by the ledger's last word; one without an address counts."""
    found = consent_of(s, lead, settings_for(s, lead.tenant_id).stop_covers)
    known = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    return bool(known) and all(found.stop(channel) is not None for channel in known)


def _carry(
    s: Session, into: Lead, other: Lead, channel: Channel, source: str, target: str, now: datetime
) -> int:
    from_, to = standing(s, into.tenant_id, channel, source), standing(s, into.tenant_id, channel, target)
    stops: list[tuple[Scope, ConsentEvent | None, ConsentEvent | None]] = [
        ("all", from_.stop, to.stop),
        ("marketing", from_.marketing_stop, to.marketing_stop or to.stop),
    ]
    for scope, there, here in stops:
        if there is None or (here is not None and _binds(here, there)):
            continue
        record_consent(
            s,
            tenant_id=into.tenant_id,
            channel=channel,
            address=target,
            action="revoke",
            actor=cast(Actor, there.actor),
            source=f"leads {into.id} and {other.id} are one person; {there.source}",
            evidence=there.evidence,
            effective_at=now,
            lead_id=into.id,
            message_id=there.message_id,
            scope=scope,
        )
        # A stop of everything is one of offers too.
        return 1
    return 0


def _binds(here: ConsentEvent, there: ConsentEvent) -> bool:
    """Whether the stop that stands here is as hard to lift as the other: the shop can take back its own."""
    return here.actor in ("customer", "carrier") or there.actor not in ("customer", "carrier")
