"""From what an outside system told to a lead, its car, its request and its consents: one transaction for all of them.

Whoever tells it (a webhook, a look, a form, a row of a file), however often, in whatever order and however many at once:
one person is one lead, one request is one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.connectors.base import ConsentEvidence, LeadContext
from crm.consents import THIS_CHANNEL_ONLY, record_consent, standing
from crm.lead_requests import newest_request, request_of, take_request
from crm.lead_states import note
from crm.leads import Forgotten, Found, LeadData, find_lead, place_lead, root_of, upsert_vehicle
from crm.models import ChatSession, Lead, LeadChange, LeadRequest, Location, Vehicle
from crm.sessions import open_session

log = structlog.get_logger(__name__)

# What a lead's history calls these.
SAME_PERSON = "same person?"
OTHER_ADDRESS = "other address"
REQUEST = "request"
# Ends the source of a refusal that a form or an outside system tells; a no to texts is none to mail.
REFUSED = " (refused)" + THIS_CHANNEL_ONLY
# The version of the record that was taken in last, among a request's facts.
VERSION = "told_version"


@dataclass(frozen=True)
class TakenIn:
    """What stands in the database now. `created`: the person is new; `request_new`: what they asked for is."""

    lead: Lead
    chat: ChatSession
    request: LeadRequest
    created: bool
    request_new: bool
    vehicle: Vehicle | None = None


def location_ids(s: Session) -> dict[str, int]:
    """The tenant's locations by the outside system's id of them. What belongs to none of them is none of ours."""
    rows = s.execute(
        select(Location.crm_location_id, Location.id).where(Location.crm_location_id.is_not(None))
    )
    return {crm_id: row_id for crm_id, row_id in rows if crm_id is not None}


def take_in(
    s: Session,
    tenant_id: int,
    location_id: int,
    found: LeadContext,
    now: datetime,
    *,
    version: str | None = None,
    known: bool = False,
) -> TakenIn:
    """Store all of `found` in the caller's transaction; safe to repeat. The rows are locked until it ends, the
    conversation before the lead, as everybody does.

    A request that is known stays with its lead, whatever addresses are told now; `known`: the caller has seen that it
    is. Raises crm.leads.NoIdentity,
    crm.leads.Forgotten (leave it alone), ValueError for an enquiry without an id of its source.
    """
    source, external_id = found.data.source, found.data.external_id
    if not external_id:
        raise ValueError("an enquiry needs an id of its source")
    whose = find_lead(s, tenant_id, location_id, found.data)
    # Told with addresses nobody here has, it is new but for a corrected one: then the insert below finds it known.
    if known or whose.lead is not None:
        request = request_of(s, tenant_id, source, external_id)
        whose = whose if request is None else _of_request(s, request, whose)
    chat = None if whose.lead is None else _locked_chat(s, whose.lead)
    lead, created = place_lead(s, tenant_id, location_id, found.data, whose, found.facts)
    chat = open_session(s, lead) if chat is None else chat
    vehicle = found.data.vehicle
    car = None if vehicle is None else upsert_vehicle(s, lead, vehicle, known_car=not created)
    facts = {**found.facts, **({} if version is None else {VERSION: version})}
    taken, request_new = take_request(
        s,
        lead,
        source=source,
        external_id=external_id,
        wish=found.data.wish,
        vehicle_id=None if car is None else car.id,
        facts=facts,
        made_at=found.made_at or now,
    )
    if taken.lead_id != lead.id and created:
        # Another worker took it in meanwhile, for a person with other addresses. What was made here is nobody's.
        for row in (car, chat, lead):
            if row is not None:
                s.delete(row)
                s.flush()
        return take_in(s, tenant_id, location_id, found, now, version=version, known=True)
    if not created:
        _about_a_known_lead(s, lead, whose, found, taken, request_new, now)
    for consent in found.consents:
        said_at = min(consent.said_at or taken.made_at, now) if consent.fresh else None
        note_consent(s, lead, consent, source, now, said_at=said_at)
    log.info("lead_taken_in", source=source, lead_id=lead.id, created=created, request_new=request_new)
    return TakenIn(lead, chat, taken, created, request_new, car)


def _of_request(s: Session, request: LeadRequest, by_address: Found) -> Found:
    """The lead the request belongs to; whoever else holds an address of it is somebody else. Raises Forgotten."""
    lead = root_of(s, s.get_one(Lead, request.lead_id))
    if lead.erased_at is not None:
        raise Forgotten(Forgotten.__doc__)
    named = () if by_address.lead is None else (by_address.lead, *by_address.others)
    return Found(lead, tuple(one for one in named if one.id != lead.id))


def _locked_chat(s: Session, lead: Lead) -> ChatSession | None:
    mine = select(ChatSession).where(ChatSession.lead_id == lead.id).with_for_update()
    return s.scalars(mine.execution_options(populate_existing=True)).first()


def _about_a_known_lead(
    s: Session,
    lead: Lead,
    whose: Found,
    found: LeadContext,
    request: LeadRequest,
    request_new: bool,
    now: datetime,
) -> None:
    source = found.data.source
    newest = newest_request(s, lead.id)
    if request_new and newest is not None and newest.id == request.id:
        # What they want now is what they are asked about; an old order that is told late changes nothing.
        lead.wish = request.wish or lead.wish
        lead.facts = {**lead.facts, **found.facts}
    else:
        lead.facts = {**found.facts, **lead.facts}
    if request_new:
        note(s, lead, REQUEST, before=None, after=request.external_id, who=source, why=request.wish, now=now)
    for other in whose.others:
        why = (
            f"a request names addresses of both; if they are one person, merge lead {other.id} into this one"
        )
        _note_once(s, lead, SAME_PERSON, str(other.id), source, why, now)
    for name in _differing(lead, whose, found.data):
        why = f"a request names another {name} than ours, which works; it was not taken over"
        _note_once(s, lead, OTHER_ADDRESS, f"{name} of {request.external_id}", source, why, now)


def _differing(lead: Lead, whose: Found, data: LeadData) -> list[str]:
    """Addresses of `data` that are neither the lead's nor another lead's."""
    pairs = [("phone", data.phone), ("email", data.email)]
    held = {(name, getattr(one, name)) for one in whose.others for name, _ in pairs}
    known = [(name, value) for name, value in pairs if value is not None]
    return [
        name
        for name, value in known
        if getattr(lead, name) not in (None, value) and (name, value) not in held
    ]


def _note_once(s: Session, lead: Lead, what: str, after: str, who: str, why: str, now: datetime) -> None:
    same = select(LeadChange.id).where(
        LeadChange.lead_id == lead.id, LeadChange.what == what, LeadChange.after == after
    )
    if s.scalar(same.limit(1)) is None:
        note(s, lead, what, before=None, after=after, who=who, why=why, now=now)


def note_consent(
    s: Session,
    lead: Lead,
    consent: ConsentEvidence,
    source: str,
    now: datetime,
    *,
    said_at: datetime | None = None,
) -> None:
    """Record what an outside system says of a consent, in the caller's transaction, where it changes anything.

    A refusal ends the cadence on its channel and nothing else: it is no STOP, and the carrier hears nothing of it. A
    later yes with evidence lifts it. Neither undoes what the person said in words of their own, but for a no that they
    gave after it, `said_at`: a wish to hear no more may be told in any reasonable way (47 CFR 64.1200(a)(10)).
    """
    known = standing(s, lead.tenant_id, consent.channel, consent.address)
    revoked, granted = known.revocation("marketing"), known.grant
    if revoked is not None and (consent.refused or not revoked.source.endswith(REFUSED)):
        return
    # Told again it is no new consent; an unticked field that has stood for long is no answer to their own START.
    since = said_at is not None and granted is not None and said_at > granted.effective_at
    stands = granted is not None and (not consent.refused or (granted.actor == "customer" and not since))
    if stands and revoked is None:
        return
    record_consent(
        s,
        tenant_id=lead.tenant_id,
        channel=consent.channel,
        address=consent.address,
        action="revoke" if consent.refused else "grant",
        actor="crm",
        source=source + REFUSED if consent.refused else source,
        evidence=consent.evidence,
        effective_at=now,
        lead_id=lead.id,
        scope="marketing" if consent.refused else "all",
    )
