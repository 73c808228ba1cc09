"""From a stored Shopmonkey webhook to a lead and its conversation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.connectors.base import Change, ConnectorError, ConsentEvidence, LeadContext, NotALead
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.mapping import SOURCE, read_change
from crm.connectors.shopmonkey.rules import LeadRules
from crm.consents import has_grant, is_opted_out, record_consent
from crm.db import Database
from crm.leads import upsert_lead
from crm.models import Lead, Location, TenantCrmConfig, WebhookEvent
from crm.sessions import open_session
from ops.clock import Clock
from ops.secrets import SecretsError

log = structlog.get_logger(__name__)

MakeClient = Callable[[TenantCrmConfig], ShopmonkeyClient]


@dataclass(frozen=True)
class IntakeResult:
    """The lead an order became. `created` is False when the person was known already."""

    lead_id: int
    session_id: int
    created: bool


@dataclass(frozen=True)
class Skipped:
    """Why an event became no lead. Fit to be shown to an owner."""

    reason: str


@dataclass(frozen=True)
class _Work:
    change: Change
    config: TenantCrmConfig
    locations: dict[str, int]


def intake(
    db: Database, event_id: uuid.UUID, tenant_id: int, clock: Clock, make_client: MakeClient
) -> IntakeResult | Skipped:
    """Fetch the order of a stored event and make, or find, its lead and session. Safe to repeat.

    The caller holds the event's claim, notes its outcome and starts the cadence. No transaction is open while
    Shopmonkey is asked. Raises ConnectorError; a key that cannot be decrypted is a misconfigured one.
    """
    with db.tenant(tenant_id) as s:
        work = _read(s, event_id)
    if isinstance(work, Skipped):
        return work
    found = _ask(work, clock, make_client)
    if isinstance(found, NotALead):
        return Skipped(found.reason)
    with db.tenant(tenant_id) as s:
        result = _store(s, tenant_id, work.locations[found.location_external_id], found, clock)
    log.info("lead_taken_in", source=SOURCE, lead_id=result.lead_id, created=result.created)
    return result


def _read(s: Session, event_id: uuid.UUID) -> _Work | Skipped:
    event = s.get(WebhookEvent, event_id)
    if event is None or event.source != SOURCE:
        return Skipped("no such event of Shopmonkey's")
    change = read_change(bytes(event.body))
    if change is None:
        return Skipped("not a change as Shopmonkey's version 3 webhooks tell it")
    if change.table != "order" or change.operation == "DELETE":
        return Skipped(f"{change.operation} of {change.table[:40]}")
    config = s.scalars(select(TenantCrmConfig).where(TenantCrmConfig.connector == SOURCE)).first()
    if config is None or not config.enabled:
        return Skipped("the connection to Shopmonkey is switched off")
    rows = s.execute(
        select(Location.crm_location_id, Location.id).where(Location.crm_location_id.is_not(None))
    )
    return _Work(change, config, {crm_id: row_id for crm_id, row_id in rows if crm_id is not None})


def _ask(work: _Work, clock: Clock, make_client: MakeClient) -> LeadContext | NotALead:
    try:
        rules = LeadRules.model_validate(work.config.lead_rules)
        client = make_client(work.config)
    except ValidationError as error:
        raise ConnectorError(f"the lead rules are not valid: {error}", kind="misconfigured") from error
    except SecretsError as error:
        raise ConnectorError(str(error), kind="misconfigured") from error
    try:
        return ShopmonkeyConnector(client, rules).fetch_lead(
            work.change, frozenset(work.locations), clock.now()
        )
    finally:
        client.close()


def _store(s: Session, tenant_id: int, location_id: int, found: LeadContext, clock: Clock) -> IntakeResult:
    lead, created = upsert_lead(s, tenant_id, location_id, found.data)
    lead.facts = {**found.facts, **lead.facts}
    session = open_session(s, lead)
    for consent in found.consents:
        _grant(s, lead, consent, clock)
    return IntakeResult(lead.id, session.id, created)


def _grant(s: Session, lead: Lead, consent: ConsentEvidence, clock: Clock) -> None:
    known = (lead.tenant_id, consent.channel, consent.address)
    # Told again it is no new consent, and an import never undoes what the person said.
    if is_opted_out(s, *known) or has_grant(s, *known):
        return
    record_consent(
        s,
        tenant_id=lead.tenant_id,
        channel=consent.channel,
        address=consent.address,
        action="grant",
        actor="crm",
        source=SOURCE,
        evidence=consent.evidence,
        effective_at=clock.now(),
        lead_id=lead.id,
    )
