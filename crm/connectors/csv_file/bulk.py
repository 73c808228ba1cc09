"""Rows of people nobody knows, stored many at a time. Everybody else goes through `crm.connectors.intake.take_in`, and a
test holds what the two leave behind against each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.connectors.csv_file.connector import SOURCE
from crm.connectors.csv_file.rows import Told
from crm.connectors.intake import REFUSED, note_consent
from crm.connectors.records import ConsentEvidence
from crm.consents import normal_address
from crm.models import ChatSession, ConsentEvent, Lead, LeadRequest, Vehicle
from crm.sessions import new_reply_token

# Many rows in one statement: without it every row that lacks something would be one of its own.
_WHOLE = {"render_nulls": True}


def store_new(s: Session, tenant_id: int, rows: Sequence[Told], now: datetime) -> set[str]:
    """Store rows of different people who are new, in the caller's transaction.

    Returns the ids of the requests that were stored; with the others somebody else was quicker, and they are of known
    people now.
    """
    if not rows:
        return set()
    by_request = {row.request_id: row for row in rows}
    # No index is named: whichever of them is in the way, the person is known.
    statement = insert(Lead).on_conflict_do_nothing().returning(Lead.id, Lead.external_id)
    made = {
        str(external_id): int(lead_id)
        for lead_id, external_id in s.execute(
            statement, [_lead(tenant_id, row) for row in rows], execution_options=_WHOLE
        )
    }
    stored = [row for row in rows if row.request_id in made]
    if stored:
        _store_sessions(s, tenant_id, stored, made)
        cars = _store_cars(s, tenant_id, stored, made)
        requests = [
            _request(tenant_id, by_request[each], lead_id, cars.get(lead_id), now)
            for each, lead_id in made.items()
        ]
        s.execute(insert(LeadRequest), requests, execution_options=_WHOLE)
        _grant(s, tenant_id, stored, made, now)
    return set(made)


def _lead(tenant_id: int, row: Told) -> dict[str, Any]:
    data = row.found.data
    return {
        "tenant_id": tenant_id,
        "location_id": row.location_id,
        "source": data.source,
        "external_id": data.external_id,
        "first_name": data.first_name,
        "last_name": data.last_name,
        "phone": data.phone,
        "email": data.email,
        "postal_code": row.postal_code,
        "state": row.state,
        "wish": data.wish,
        "language": data.language or "en",
        "facts": dict(row.found.facts),
    }


def _store_sessions(s: Session, tenant_id: int, rows: Sequence[Told], made: dict[str, int]) -> None:
    sessions = [
        {
            "tenant_id": tenant_id,
            "lead_id": made[row.request_id],
            "location_id": row.location_id,
            "reply_token": new_reply_token(),
        }
        for row in rows
    ]
    s.execute(insert(ChatSession), sessions, execution_options=_WHOLE)


def _store_cars(s: Session, tenant_id: int, rows: Sequence[Told], made: dict[str, int]) -> dict[int, int]:
    """The car of each lead that has one."""
    cars = []
    for row in rows:
        car = row.found.data.vehicle
        if car is not None:
            cars.append(
                {
                    "tenant_id": tenant_id,
                    "lead_id": made[row.request_id],
                    "year": car.year,
                    "make": car.make,
                    "model": car.model,
                    "submodel": car.submodel,
                    "body_style": car.body_style,
                    "color": car.color,
                }
            )
    if not cars:
        return {}
    found = s.execute(insert(Vehicle).returning(Vehicle.lead_id, Vehicle.id), cars, execution_options=_WHOLE)
    return {int(lead_id): int(car_id) for lead_id, car_id in found}


def _request(tenant_id: int, row: Told, lead_id: int, car_id: int | None, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "lead_id": lead_id,
        "source": SOURCE,
        "external_id": row.request_id,
        "wish": row.found.data.wish,
        "vehicle_id": car_id,
        "facts": dict(row.found.facts),
        "made_at": row.found.made_at or now,
    }


def _grant(s: Session, tenant_id: int, rows: Sequence[Told], made: dict[str, int], now: datetime) -> None:
    consents = [(made[row.request_id], consent) for row in rows for consent in row.found.consents]
    if not consents:
        return
    named = select(ConsentEvent.channel, ConsentEvent.address).where(
        ConsentEvent.tenant_id == tenant_id,
        tuple_(ConsentEvent.channel, ConsentEvent.address).in_(
            [(one.channel, one.address) for _, one in consents]
        ),
    )
    # The ledger outlives leads: an address may have a history without one, and then the rules of the ledger decide.
    with_history = {(channel, address) for channel, address in s.execute(named)}
    first = [each for each in consents if (each[1].channel, each[1].address) not in with_history]
    if first:
        s.execute(
            insert(ConsentEvent), [_granted(tenant_id, lead_id, consent, now) for lead_id, consent in first]
        )
    for lead_id, consent in consents:
        if (consent.channel, consent.address) in with_history:
            note_consent(s, s.get_one(Lead, lead_id), consent, SOURCE, now)


def _granted(tenant_id: int, lead_id: int, consent: ConsentEvidence, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "channel": consent.channel,
        "address": normal_address(consent.channel, consent.address),
        "action": "revoke" if consent.refused else "grant",
        "scope": "marketing" if consent.refused else "all",
        "actor": "crm",
        "source": SOURCE + REFUSED if consent.refused else SOURCE,
        "evidence": consent.evidence[:2000],
        "effective_at": now,
        "lead_id": lead_id,
    }
