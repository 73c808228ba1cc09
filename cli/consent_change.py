"""What a person of the shop may change about consent, and the sentences that say what it came to."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cli.context import Office
from cli.errors import CliError
from crm.consent_history import NoSuchAddress, addresses_of
from crm.consent_policy import EVERYBODY
from crm.consent_stops import Stop, stop_person
from crm.consents import THIS_CHANNEL_ONLY, Channel, owe_to_carrier, record_consent, standing
from crm.models import ChatSession, ConsentEvent, Lead, Tenant

NAMES = {"sms": "texts", "email": "email"}


def stop(
    office: Office,
    key: str,
    channel: str,
    *,
    offers_only: bool,
    customer_asked: bool,
    who: str,
    evidence: str,
) -> str:
    """Put a stop on record, in the name of the shop or of the customer who asked a person. Raises CliError."""
    with office.db.tenant(office.tenant.id) as session:
        lead, addresses = _wanted(session, key, channel)
        leads = [lead] if lead is not None else _leads_with(session, addresses)
        channels: frozenset[Channel] = frozenset(
            {"sms", "email"} if channel == "all" else {"sms" if channel == "sms" else "email"}
        )
        told = Stop(
            channels=channels,
            scope="marketing" if offers_only else "all",
            actor="customer" if customer_asked else "shop",
            source=f"told {who}" if customer_asked else f"entered by {who}",
            evidence=evidence,
            at=office.clock.now(),
            alone=channel != "all",
        )
        if leads:
            # One of the person's leads is enough: the stop finds the others.
            _lock(session, leads[0])
            events = stop_person(session, leads[0], told)
        else:
            events = _record_alone(session, office.tenant.id, addresses, told)
        closed = ", ".join(event.address for event in events)
    what = "no offers or follow-ups" if offers_only else "nothing more"
    return f"{closed}: {what} from now on, on the word of {who}"


def allow(office: Office, key: str, channel: str, *, who: str, evidence: str) -> str:
    """Put a consent on record that a person of the shop got. Raises CliError where the person's own stop stands."""
    with office.db.tenant(office.tenant.id) as session:
        lead, addresses = _wanted(session, key, channel)
        for name, address in addresses:
            stands = standing(session, office.tenant.id, name, address)
            stop_event = stands.stop or stands.marketing_stop
            if stop_event is not None and stop_event.actor in ("customer", "carrier"):
                raise CliError(
                    f"{address} said stop on {stop_event.effective_at:%Y-%m-%d}; only their own START by"
                    f" {'text' if name == 'sms' else 'email'} undoes that"
                )
            event = record_consent(
                session,
                tenant_id=office.tenant.id,
                channel=name,
                address=address,
                action="grant",
                actor="shop",
                source=f"entered by {who}",
                evidence=evidence,
                effective_at=office.clock.now(),
                lead_id=lead.id if lead else None,
            )
            if name == "email" and stands.stop is not None:
                # SendGrid was told of the shop's own stop, where the shop has an account of its own.
                owe_to_carrier(session, event, office.clock.now())
    return f"{_listed(addresses)}: consent is on record, on the word of {who}"


def say_assumed(office: Office, *, who: str, evidence: str) -> str:
    """Record the shop's statement and let the cadence text everybody on its ground. Stops stand above it."""
    _statement(office, "grant", who, evidence, "assumed")
    return "texts of the cadence go to everybody who did not say stop, on the ground that was stated"


def say_required(office: Office, *, who: str, evidence: str) -> str:
    """Take the statement back."""
    _statement(office, "revoke", who, evidence, "required")
    return "texts of the cadence go only to people whose consent is on record"


def _statement(office: Office, action: str, who: str, evidence: str, text_consent: str) -> None:
    with office.db.tenant(office.tenant.id) as session:
        record_consent(
            session,
            tenant_id=office.tenant.id,
            channel="sms",
            address=EVERYBODY,
            action="grant" if action == "grant" else "revoke",
            actor="shop",
            source=f"stated by {who}",
            evidence=evidence,
            effective_at=office.clock.now(),
        )
        tenant = session.get_one(Tenant, office.tenant.id, with_for_update=True)
        tenant.settings = {**tenant.settings, "text_consent": text_consent}


def _wanted(session: Session, key: str, channel: str) -> tuple[Lead | None, list[tuple[Channel, str]]]:
    try:
        lead, addresses = addresses_of(session, key)
    except NoSuchAddress as error:
        raise CliError(str(error)) from error
    wanted: list[tuple[Channel, str]] = [
        ("sms" if name == "sms" else "email", address)
        for name, address in addresses
        if channel in ("all", name)
    ]
    if not wanted:
        raise CliError(f"{key} has no address for {NAMES.get(channel, 'messages')}")
    return lead, wanted


def _leads_with(session: Session, addresses: list[tuple[Channel, str]]) -> list[Lead]:
    keys = [Lead.phone == address if name == "sms" else Lead.email == address for name, address in addresses]
    return list(session.scalars(select(Lead).where(or_(*keys)).order_by(Lead.id)))


def _lock(session: Session, lead: Lead) -> None:
    """The conversation before the lead, as everybody does."""
    session.execute(select(ChatSession.id).where(ChatSession.lead_id == lead.id).with_for_update())
    session.refresh(lead, with_for_update=True)


def _record_alone(
    session: Session, tenant_id: int, addresses: list[tuple[Channel, str]], told: Stop
) -> list[ConsentEvent]:
    """Of an address that no lead has (yet): the ledger keeps it for the day one comes."""
    return [
        record_consent(
            session,
            tenant_id=tenant_id,
            channel=name,
            address=address,
            action="revoke",
            actor=told.actor,
            source=told.source + (THIS_CHANNEL_ONLY if told.alone else ""),
            evidence=told.evidence,
            effective_at=told.at,
            scope=told.scope,
        )
        for name, address in addresses
    ]


def _listed(addresses: list[tuple[Channel, str]]) -> str:
    return ", ".join(address for _, address in addresses)
