"""Durable receipt: one transaction stores the message, obeys a stop, pauses the cadence and notes the debt."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extras import Json
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.arrivals import hand_to_the_shop, is_overtaken_start, keep_media, place_late
from channels.consent import ConsentWord, read_message
from channels.consent_answers import is_aside, means_the_booking, obey, tell_the_person
from channels.inbound import Inbound, Receipt
from channels.reminded import means_the_visit, note_confirmation
from crm.consents import has_grant, opt_out_of, record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import ChatSession, Lead, Location
from crm.sessions import open_session
from crm.tenants import TenantSettings
from crm.writers import is_proved
from ops.queue import WakeQueue

# What an ordinary message does is one call of a function in the database (migrations/sql/0001_inbox.sql).
_STORE = """
select * from store_inbound(%(tenant_id)s, %(location_id)s, %(session_id)s, %(channel)s, %(kind)s, %(body)s,
    %(body_full)s, %(subject)s, %(from_address)s, %(to_address)s, %(carrier)s, %(carrier_id)s, %(rfc_message_id)s,
    %(rfc_references)s, %(raw)s, %(now)s, %(answer)s, %(plain)s, %(quiet)s, %(longest)s)
"""
# The same where the location was found in memory: in the one round trip the number is looked up once more.
_STORE_ROUTED = (
    _STORE.replace(
        "select * from store_inbound(%(tenant_id)s,",
        "select s.* from route_phone(%(reached_by)s) r cross join lateral store_inbound(r.tenant_id,",
    ).rstrip()
    + " s where r.tenant_id = %(tenant_id)s and r.row_id = %(location_id)s"
)
_DEFAULTS = TenantSettings()


class NumberMoved(Exception):
    """The number by which a text came is not (any more) that of the location it was to be stored for."""


class _Stored(NamedTuple):
    """What `store_inbound` answers, and what there is to fetch. `message_id` None: a duplicate."""

    session_id: int
    message_id: int | None
    human: bool
    is_first: bool
    due: datetime | None
    media_ids: tuple[int, ...] = ()


def receive(db: Database, queue: WakeQueue, inbound: Inbound, *, we_confirm_stops: bool) -> Receipt:
    """Store one inbound message and, after the commit, wake the worker. Safe to repeat: a known carrier id is a
    duplicate and changes nothing. Raises crm.leads.NoIdentity for a sender that can be no lead (a short code) and
    the database's errors when it is away, so that the webhook can ask the carrier to come again. Raises NumberMoved, with
    nothing stored, when `reached_by` is another location's number by now."""
    word = read_message(
        inbound.body,
        inbound.subject,
        automatic=inbound.automatic,
        channel=inbound.channel,
        opt_out_type=inbound.opt_out_type,
    )
    row = None
    if word is None and not inbound.media and inbound.sent_at is None:
        store = _STORE if inbound.reached_by is None else _STORE_ROUTED
        row = db.one_statement(store, _parameters(inbound, answer=True, plain=True))
    stored = _Stored(*row) if row is not None else _receive_with_care(db, inbound, word, we_confirm_stops)
    if stored.message_id is None:
        return Receipt(inbound.tenant_id, stored.session_id, 0, duplicate=True)
    if stored.due is not None:
        queue.wake("answer", inbound.tenant_id, stored.session_id, stored.due)
    for media_id in stored.media_ids:
        queue.wake("media", inbound.tenant_id, media_id, inbound.received_at)
    # A stop's confirmation, or a notice to a person of the shop, waits in the outbox.
    if word is not None or stored.human or not inbound.fresh:
        queue.wake("flush", inbound.tenant_id, stored.session_id, inbound.received_at)
    return Receipt(inbound.tenant_id, stored.session_id, stored.message_id, duplicate=False)


def _receive_with_care(
    db: Database, inbound: Inbound, word: ConsentWord | None, we_confirm_stops: bool
) -> _Stored:
    """The same for somebody new, a stop, pictures, a late text, or a conversation that a person has: more happens in
    the transaction."""
    with db.tenant(inbound.tenant_id) as session:
        _still_reached(session, inbound)
        if word is not None and word.meaning == "start" and is_overtaken_start(session, inbound):
            word = None
        if word is not None and word.meaning == "start" and not is_proved(inbound.channel, inbound.raw):
            # Anybody may ask us to be silent; to be written to again is the customer's to ask.
            word = None
        known = inbound.session_id or _session_of(session, inbound)
        if word is not None and means_the_booking(session, word, inbound, known):
            word = None
        if word is not None and means_the_visit(session, word, inbound, known):
            word = None
        answer = word is None or word.goes_on(inbound.channel)
        stored_as = replace(inbound, session_id=known, automatic=inbound.automatic or is_aside(word, inbound))
        parameters = _parameters(stored_as, answer=answer, plain=False)
        found = session.connection().exec_driver_sql(_STORE, parameters).first()
        if found is None:
            raise RuntimeError(f"session {known} cannot be found")
        stored = _Stored(*found)
        if stored.message_id is not None:
            place_late(session, stored_as, stored.message_id)
            _consent(session, inbound, word, stored, stored.message_id, we_confirm_stops)
            stored = stored._replace(media_ids=keep_media(session, inbound, stored.message_id))
        return stored


def _still_reached(session: Session, inbound: Inbound) -> None:
    if inbound.reached_by is None:
        return
    phone = session.scalar(select(Location.phone).where(Location.id == inbound.location_id))
    if phone != inbound.reached_by:
        raise NumberMoved


def _session_of(session: Session, inbound: Inbound) -> int:
    """The session of this sender; made, with its lead, for somebody new.

    Somebody known is only looked up: everybody locks the session before the lead, and so does what comes after this.
    """
    address = Lead.phone if inbound.channel == "sms" else Lead.email
    known = session.scalar(
        select(ChatSession.id)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(Lead.location_id == inbound.location_id, address == inbound.from_address)
    )
    if known is not None:
        return known
    data = LeadData(
        source="text" if inbound.channel == "sms" else "email",
        phone=inbound.from_address if inbound.channel == "sms" else None,
        email=inbound.from_address if inbound.channel == "email" else None,
        first_name=(inbound.sender_name or "").split(" ")[0] or None,
    )
    lead, _ = upsert_lead(session, inbound.tenant_id, inbound.location_id, data)
    return open_session(session, lead).id


def _parameters(inbound: Inbound, *, answer: bool, plain: bool) -> dict[str, Any]:
    sms = inbound.channel == "sms"
    return {
        "tenant_id": inbound.tenant_id,
        "location_id": inbound.location_id,
        "session_id": inbound.session_id,
        "channel": inbound.channel,
        # What is too old to be answered is stored like what needs no answer, and so owes none; `place_late` mends it.
        "kind": "automatic" if inbound.automatic or not inbound.fresh else "inbound",
        "body": inbound.body,
        "body_full": inbound.body_full,
        "subject": inbound.subject,
        "from_address": inbound.from_address,
        "to_address": inbound.to_address,
        "carrier": inbound.carrier,
        "carrier_id": inbound.carrier_id,
        "rfc_message_id": inbound.rfc_message_id,
        "rfc_references": inbound.rfc_references,
        "raw": Json(inbound.raw),
        "reached_by": inbound.reached_by,
        "now": inbound.received_at,
        "answer": answer and not inbound.automatic,
        "quiet": _DEFAULTS.quiet_window_sms_s if sms else _DEFAULTS.quiet_window_email_s,
        "longest": _DEFAULTS.max_burst_wait_s,
        "plain": plain,
    }


def _consent(
    session: Session,
    inbound: Inbound,
    word: ConsentWord | None,
    stored: _Stored,
    message_id: int,
    we_confirm_stops: bool,
) -> None:
    """Obey a stop, start or help; tell the person who has the conversation; and keep a first text of somebody's own
    as the evidence that they may be written to."""
    if word is not None:
        obey(session, word, inbound, stored.session_id, message_id, we_confirm_stops=we_confirm_stops)
        return
    if inbound.automatic:
        return
    if not inbound.fresh:
        hand_to_the_shop(session, inbound, stored.session_id, message_id)
    elif stored.human:
        tell_the_person(session, inbound, stored.session_id, message_id)
        note_confirmation(session, inbound, stored.session_id)
    address = (inbound.tenant_id, inbound.channel, inbound.from_address)
    wrote_first = stored.is_first and is_proved(inbound.channel, inbound.raw)
    if wrote_first and not has_grant(session, *address) and opt_out_of(session, *address) is None:
        record_consent(
            session,
            tenant_id=inbound.tenant_id,
            channel="sms" if inbound.channel == "sms" else "email",
            address=inbound.from_address,
            action="grant",
            actor="customer",
            source="wrote first",
            evidence=inbound.body.strip() or "a message without words",
            effective_at=inbound.said_at,
            message_id=message_id,
        )
