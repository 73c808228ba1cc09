"""From a checked request to a lead, its request and what was agreed to: one transaction, with the answer in it.

The answer never tells what the person said to us: who said stop is told of like anybody known, and stays stopped.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from channels.api.bodies import Posted
from channels.api.checking import refusal
from channels.api.evidence import Seen, consents_of, missing_words
from channels.api.problems import FieldError, Problem
from channels.api.schema import CarIn, LeadIn
from crm.api_keys import Caller
from crm.connectors.intake import TakenIn, take_in
from crm.connectors.records import LeadContext
from crm.connectors.web_form.connector import SOURCE as FORM_SOURCE
from crm.consents import standing
from crm.db import Database
from crm.lead_states import note
from crm.leads import Forgotten, LeadData, VehicleData
from crm.models import ApiRequest, Location
from crm.webhooks import store_event

log = structlog.get_logger(__name__)

SOURCE = "api"
# What two transactions may do to each other without either being wrong: deadlock, lost race, a lead merged meanwhile.
_AGAIN = frozenset({"40P01", "40001", "55000"})
TRIES = 5
CONSENT_NOT_TAKEN = "consent not taken"


@dataclass(frozen=True)
class Answer:
    """What the caller is told. `event_id` has to be woken after the commit; None: nothing new. `replayed`: it is the
    answer of an earlier request with the same idempotency key."""

    status: int
    body: dict[str, Any]
    event_id: uuid.UUID | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Work:
    """One request, ready to be stored. `idempotency_key` None: the caller gave none."""

    caller: Caller
    lead: LeadIn
    posted: Posted
    seen: Seen
    idempotency_key: str | None
    now: datetime

    @property
    def source(self) -> str:
        """What leads of this request came from."""
        return FORM_SOURCE if self.posted.is_form else SOURCE


def store(db: Database, work: Work) -> Answer:
    """Store a request, once. Raises Problem (fields, idempotency-conflict) and the database's errors."""
    for _ in range(TRIES - 1):
        try:
            return _once(db, work)
        except (DBAPIError, StaleDataError) as error:
            if not _worth_trying(error):
                raise
    return _once(db, work)


def _worth_trying(error: SQLAlchemyError) -> bool:
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "pgcode", None) in _AGAIN
    return True


def _once(db: Database, work: Work) -> Answer:
    with db.tenant(work.caller.tenant_id) as session:
        claim: int | None = None
        if work.idempotency_key is not None:
            claim, known = _claim(session, work, f"{work.caller.name}/{work.idempotency_key}")
            if known is not None:
                return known
        answer, lead_id = _store(session, work)
        if claim is not None:
            values = {"status": answer.status, "answer": answer.body, "lead_id": lead_id}
            session.execute(update(ApiRequest).where(ApiRequest.id == claim).values(**values))
        return answer


def _claim(session: Session, work: Work, key: str) -> tuple[int | None, Answer | None]:
    """(the row of this request, None) for the first one; (None, its answer) for all others, which wait for the first
    one's commit here. Raises Problem for another body."""
    digest = work.posted.digest()
    claimed = session.execute(
        insert(ApiRequest)
        .values(
            tenant_id=work.caller.tenant_id,
            idempotency_key=key,
            body_hash=digest,
            status=0,
            answer={},
            received_at=work.now,
        )
        .on_conflict_do_nothing()
        .returning(ApiRequest.id)
    ).scalar_one_or_none()
    if claimed is not None:
        return claimed, None
    known = session.scalars(select(ApiRequest).where(ApiRequest.idempotency_key == key)).one()
    if known.body_hash != digest:
        raise Problem(
            "idempotency-conflict", "use a new Idempotency-Key for every request that says something new"
        )
    return None, Answer(known.status, dict(known.answer), replayed=True)


def _store(session: Session, work: Work) -> tuple[Answer, int | None]:
    location_id = _location(session, work)
    warnings = missing_words(work.lead)
    try:
        taken = take_in(session, work.caller.tenant_id, location_id, _context(work, location_id), work.now)
    except Forgotten:
        # Told again after the person had their data erased: it is left alone, and nobody has to come again.
        return Answer(200, _body(None, None, False, warnings)), None
    _note_places(taken, work.lead)
    _note_stops(session, taken, work)
    event_id = _announce(session, taken, work) if taken.request_new else None
    body = _body(taken.lead.id, taken.request.id, taken.created, warnings)
    log.info(
        "api_lead_stored", key_id=work.caller.key_id, lead_id=taken.lead.id, request_id=taken.request.id,
        created=taken.created, request_new=taken.request_new,
    )  # fmt: skip
    return Answer(201 if taken.request_new else 200, body, event_id), taken.lead.id


def _body(lead_id: int | None, request_id: int | None, created: bool, warnings: list[str]) -> dict[str, Any]:
    return {"lead_id": lead_id, "request_id": request_id, "created": created, "warnings": warnings}


def _location(session: Session, work: Work) -> int:
    """The shop that was named, or the key's, or the business's only one. Raises Problem (fields)."""
    wanted, own = work.lead.location, work.caller.location_id
    rows = session.execute(select(Location.id, Location.slug).order_by(Location.id)).all()
    here = [row.id for row in rows if own in (None, row.id) and wanted in (None, row.slug)]
    if len(here) == 1:
        return int(here[0])
    if not rows:
        raise refusal([FieldError(("location",), "is not there: the business has no shop yet")])
    if wanted is not None:
        why = "is no shop of this business" if own is None else "is not the shop this key is for"
        raise refusal([FieldError(("location",), why)])
    raise refusal([FieldError(("location",), "is needed: the business has several shops")])


def _context(work: Work, location_id: int) -> LeadContext:
    lead = work.lead
    first, last = _names(lead)
    data = LeadData(
        source=work.source,
        first_name=first,
        last_name=last,
        phone=lead.phone,
        email=lead.email,
        external_id=_external_id(work, location_id),
        wish=lead.wish,
        language=lead.language,
        vehicle=None if lead.vehicle is None else _car(lead.vehicle),
    )
    return LeadContext(str(location_id), data, consents_of(lead, work.seen), lead.told(), lead.made_at)


def _names(lead: LeadIn) -> tuple[str | None, str | None]:
    if lead.first_name or lead.last_name or lead.name is None:
        return lead.first_name, lead.last_name
    first, _, rest = lead.name.partition(" ")
    return first, rest.strip() or None


def _car(car: CarIn) -> VehicleData | None:
    values = car.model_dump(exclude_none=True)
    return VehicleData(**values) if values else None


def _external_id(work: Work, location_id: int) -> str:
    """What makes two tellings one enquiry: the caller's own number of it, or the idempotency key; without either the
    same words on the same day, because visitors press a button twice.

    The sender is part of it (two sites count from 1), and so is the person: a caller that gives everybody the same
    number must not lose anybody.
    """
    lead = work.lead
    person = hashlib.sha256(f"{lead.phone}\0{lead.email}".encode()).hexdigest()[:12]
    if lead.external_id is not None:
        what = f"id:{lead.external_id}"
    elif work.idempotency_key is not None:
        what = f"key:{work.idempotency_key}"
    else:
        what = f"day:{work.now.astimezone(UTC):%Y-%m-%d}:{_words(work.posted)}"
    return f"{work.caller.name}/{location_id}/{what}/{person}"


def _words(posted: Posted) -> str:
    """A digest of what was said, without the moments at which a page says it."""
    fields = json.loads(json.dumps(posted.fields))
    fields.pop("made_at", None)
    for consent in fields.get("consent", {}).values():
        if isinstance(consent, dict):
            consent.pop("at", None)
    return Posted(fields, posted.is_form, {}).digest()[:32]


def _note_places(taken: TakenIn, told: LeadIn) -> None:
    """Where the person lives narrows when they may be written to."""
    lead = taken.lead
    if lead.postal_code is None and told.postal_code is not None:
        lead.postal_code = told.postal_code
    if lead.state is None and told.state is not None:
        lead.state = told.state.upper()


def _note_stops(session: Session, taken: TakenIn, work: Work) -> None:
    """Somebody who said stop ticked a box: anybody could have, so it lifts nothing, and the shop can see it."""
    for consent in consents_of(work.lead, work.seen):
        if consent.refused:
            continue
        known = standing(session, work.caller.tenant_id, consent.channel, consent.address)
        if taken.request_new and (known.stop or known.marketing_stop) is not None:
            why = "a form says they agreed, but they said stop; only their own START undoes that"
            note(
                session, taken.lead, CONSENT_NOT_TAKEN, before=None, after=consent.channel, who=work.source, why=why,
                now=work.now,
            )  # fmt: skip


def _announce(session: Session, taken: TakenIn, work: Work) -> uuid.UUID | None:
    """The worker begins the cadence: the row is the debt."""
    body = json.dumps({"lead_id": taken.lead.id, "session_id": taken.chat.id}).encode()
    return store_event(
        session,
        tenant_id=work.caller.tenant_id,
        source=SOURCE,
        dedupe_key=f"request:{work.caller.tenant_id}:{taken.request.id}",
        headers={},
        content_type="application/json",
        body=body,
        now=work.now,
    )
