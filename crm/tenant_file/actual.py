"""What the database has of a business, as records with the rows behind them, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.connectors.registry import settings_of
from crm.connectors.settings import read
from crm.connectors.shopmonkey.rules import LeadRules
from crm.consent_policy import EVERYBODY
from crm.consents import standing
from crm.models import (
    Bay,
    BayHours,
    CarrierAccount,
    Location,
    LocationClosure,
    LocationHours,
    LocationSpecialHours,
    MailAccount,
    Service,
    Staff,
    Tenant,
    TenantCrmConfig,
)
from crm.policies import policy_text
from crm.tenant_file import records
from crm.tenant_file.records import Key, Records, Secret
from crm.tenant_file.schema import ELSEWHERE
from crm.tenant_file.times import DAYS
from crm.tenants import TenantSettings
from ops.secrets import SecretBox, SecretsError

Row = TypeVar("Row", LocationHours, LocationSpecialHours, LocationClosure, Bay, BayHours, Service)
STATED_BY = "stated by "
_ELSEWHERE = {f"settings.{name}" for name in ELSEWHERE}


@dataclass
class Actual:
    """One business as it is. `rows`: the row or rows behind a record. `settings`: the defaults filled in."""

    tenant: Tenant | None = None
    records: Records = field(default_factory=dict)
    rows: dict[Key, Any] = field(default_factory=dict)
    locations: dict[str, Location] = field(default_factory=dict)
    hours: dict[str, list[LocationHours]] = field(default_factory=dict)
    bay_hours: dict[int, list[BayHours]] = field(default_factory=dict)

    def add(self, key: Key, fields: dict[str, Any], row: Any) -> None:
        """One more record."""
        self.records[key], self.rows[key] = fields, row


def actual_of(s: Session, tenant_id: int, today: date, box: SecretBox | None) -> Actual:
    """A business in its own scope. Exceptions of days gone by are left out: nobody plans them any more."""
    tenant = s.get_one(Tenant, tenant_id, populate_existing=True)
    found = Actual(tenant)
    found.add(Key("tenant"), _tenant(s, tenant), tenant)
    for name, value in (tenant.settings.get("shop_facts") or {}).items():
        found.add(Key("fact", "", name), {"value": value}, tenant)
    _accounts(s, found, box)
    places = {
        row.id: row
        for row in s.scalars(select(Location).order_by(Location.id).execution_options(populate_existing=True))
    }
    found.locations = {row.slug: row for row in places.values()}
    weekly = _by_place(s.scalars(select(LocationHours).order_by(LocationHours.id)))
    for place in places.values():
        found.hours[place.slug] = weekly[place.id]
        found.add(Key("location", place.slug), _location(place, weekly[place.id]), place)
        for name, value in place.facts.items():
            found.add(Key("fact", place.slug, name), {"value": str(value)}, place)
    _days(s, found, places, today)
    _bays(s, found, places)
    for row in s.scalars(select(Service).order_by(Service.id)):
        fields = {name: getattr(row, column) for name, column in records.SERVICE.items()}
        found.add(Key("service", places[row.location_id].slug, row.code), fields, row)
    people = select(Staff).where(Staff.removed_at.is_(None)).order_by(Staff.id.desc())
    for person in s.scalars(people):
        slug = places[person.location_id].slug if person.location_id else ""
        fields = {name: getattr(person, column) for name, column in records.STAFF.items()}
        # Of two people with one name at one place the first one is meant.
        found.add(Key("staff", slug, person.name), fields, person)
    return found


def _tenant(s: Session, tenant: Tenant) -> dict[str, Any]:
    settings = TenantSettings.model_validate(tenant.settings)
    stored = {
        name: value for name, value in records.flat("settings", settings).items() if name not in _ELSEWHERE
    }
    version = settings.policy_version
    statement = standing(s, tenant.id, "sms", EVERYBODY).grant if settings.text_consent == "assumed" else None
    return {
        "name": tenant.name,
        "status": tenant.status,
        "cadence": settings.cadence,
        **stored,
        "policy": None if version is None else policy_text(s, tenant.id, version),
        "text_consent": settings.text_consent,
        "text_consent.statement": statement.evidence if statement else None,
        "text_consent.by": statement.source.removeprefix(STATED_BY) if statement else None,
    }


def _accounts(s: Session, found: Actual, box: SecretBox | None) -> None:
    for twilio in s.scalars(select(CarrierAccount)):
        fields: dict[str, Any] = {
            "account_sid": twilio.account_sid,
            "auth_token": _sealed(box, twilio.auth_token_encrypted),
            "messaging_service": twilio.messaging_service_sid,
            "shared_key_id": twilio.shared_key_id,
            "shared_key": _sealed(box, twilio.shared_key_encrypted),
        }
        found.add(Key("twilio"), fields, twilio)
    for mail in s.scalars(select(MailAccount)):
        fields = {
            "api_key": _sealed(box, mail.api_key_encrypted),
            "subuser": mail.subuser,
            "sender_domain": mail.sender_domain,
            "inbound_keys": tuple(mail.inbound_keys),
            "event_keys": tuple(mail.event_keys),
        }
        found.add(Key("sendgrid"), fields, mail)
    for crm in s.scalars(select(TenantCrmConfig).order_by(TenantCrmConfig.id)):
        fields = {
            "base_url": crm.base_url,
            "api_key": _sealed(box, crm.api_key_encrypted),
            "webhook_secret": _newest(_sealed(box, crm.webhook_secret_encrypted)),
            "enabled": crm.enabled,
            "signature_mode": crm.signature_mode,
            **records.flat("lead_rules", read(LeadRules, crm.lead_rules, "the lead rules")),
            **records.flat("settings", settings_of(crm)),
        }
        found.add(Key("crm", "", crm.connector), fields, crm)


def _sealed(box: SecretBox | None, stored: bytes | None) -> Secret | None:
    if stored is None:
        return None
    try:
        return Secret(box.decrypt(stored) if box else None)
    except SecretsError:
        return Secret(None)


def _newest(secret: Secret | None) -> Secret | None:
    """While a secret is replaced the new one stands before the old one."""
    words = secret.plain.split() if secret and secret.plain else []
    return Secret(words[0]) if words else secret


def _location(row: Location, weekly: list[LocationHours]) -> dict[str, Any]:
    fields = {name: getattr(row, column) for name, column in records.LOCATION.items()}
    ends = (row.drop_off_from, row.drop_off_until)
    fields[records.DROP_OFF] = None if None in ends else ends
    if row.holidays:
        fields["holidays"] = {**row.holidays, "open_on": sorted(row.holidays.get("open_on") or [])}
    return fields | {f"hours.{day}": times for day, times in zip(DAYS, _week(weekly), strict=True)}


def _days(s: Session, found: Actual, places: dict[int, Location], today: date) -> None:
    special: dict[Key, list[LocationSpecialHours]] = defaultdict(list)
    for row in s.scalars(select(LocationSpecialHours).where(LocationSpecialHours.on_date >= today)):
        special[Key("special", places[row.location_id].slug, str(row.on_date))].append(row)
    for key, rows in special.items():
        found.add(key, {"times": tuple(sorted((row.opens, row.closes) for row in rows))}, rows)
    for closure in s.scalars(select(LocationClosure).where(LocationClosure.ends_on >= today)):
        named = Key("closure", places[closure.location_id].slug, f"{closure.starts_on} to {closure.ends_on}")
        found.add(named, {"reason": closure.reason}, closure)


def _bays(s: Session, found: Actual, places: dict[int, Location]) -> None:
    found.bay_hours = defaultdict(list)
    for row in s.scalars(select(BayHours)):
        found.bay_hours[row.bay_id].append(row)
    for bay in s.scalars(select(Bay).order_by(Bay.id)):
        own = found.bay_hours.get(bay.id)
        fields = {"active": bay.active, "skills": tuple(bay.skills), "hours": _week(own) if own else None}
        found.add(Key("bay", places[bay.location_id].slug, bay.name), fields, bay)


def _week(rows: Iterable[LocationHours | BayHours]) -> tuple[Any, ...]:
    days: list[list[Any]] = [[] for _ in DAYS]
    for row in rows:
        days[row.weekday].append((row.opens, row.closes))
    return tuple(tuple(sorted(times)) for times in days)


def _by_place(rows: Iterable[LocationHours]) -> dict[int, list[LocationHours]]:
    found: dict[int, list[LocationHours]] = defaultdict(list)
    for row in rows:
        found[row.location_id].append(row)
    return found
