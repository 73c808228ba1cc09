"""Durable receipt: one transaction stores the message, obeys a stop, pauses the cadence and notes the debt.

Order matters: the session row is locked before the message is inserted, so message ids grow in the order in which
they count, and a turn never believes it answered a message it did not see.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from psycopg2.extras import Json
from sqlalchemy.orm import Session

from channels.consent import ConsentWord, read_consent
from channels.consent_answers import obey, tell_the_person
from channels.inbound import Inbound, Receipt
from crm.consents import has_grant, opt_out_of, record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.sessions import open_session
from crm.tenants import TenantSettings
from ops.queue import WakeQueue

log = structlog.get_logger(__name__)

_FIND = {
    "sms": "l.location_id = %(location_id)s and l.phone = %(from_address)s",
    "email": "l.location_id = %(location_id)s and l.email = %(from_address)s",
}
_FIND_SESSION = (
    "select s.id, s.lead_id, s.state, s.last_inbound_id is null, t.settings"
    " from chat_sessions s join leads l on l.id = s.lead_id join tenants t on t.id = s.tenant_id"
    " where {where} for update of s"
)
# One round trip for what every ordinary message does. A duplicate inserts nothing, so it changes nothing.
_STORE = """
with message as (
    insert into chat_messages (tenant_id, session_id, lead_id, direction, channel, kind, status, body, body_full,
        subject, from_address, to_address, carrier, carrier_id, rfc_message_id, rfc_references, raw, received_at,
        created_at)
    values (%(tenant_id)s, %(session_id)s, %(lead_id)s, 'in', %(channel)s, %(kind)s, 'received', %(body)s,
        %(body_full)s, %(subject)s, %(from_address)s, %(to_address)s, %(carrier)s, %(carrier_id)s,
        %(rfc_message_id)s, %(rfc_references)s, %(raw)s, %(now)s, %(now)s)
    on conflict (tenant_id, channel, carrier_id) do nothing
    returning id
), session as (
    update chat_sessions s set
        last_inbound_id = message.id, last_inbound_at = %(now)s, last_channel = %(channel)s,
        subject = coalesce(s.subject, %(subject)s),
        answer_tries = 0,
        burst_started_at = case when s.answer_due_at is null then %(now)s else s.burst_started_at end,
        answer_due_at = case when not %(answer)s or s.state <> 'agent' then s.answer_due_at
            else least(%(now)s + %(quiet)s,
                       case when s.answer_due_at is null then %(now)s else s.burst_started_at end + %(longest)s) end
    from message where s.id = %(session_id)s and not %(automatic)s
    returning s.answer_due_at
), touches as (
    update touch_points p set status = 'paused', reason = 'the customer replied', claim_token = null,
        claimed_until = null
    from message where p.lead_id = %(lead_id)s and p.status in ('planned', 'claimed') and not %(automatic)s
)
select message.id, (select answer_due_at from session) from message
"""


def receive(db: Database, queue: WakeQueue, inbound: Inbound, *, we_confirm_stops: bool) -> Receipt:
    """Store one inbound message and, after the commit, wake the worker. Safe to repeat: a known carrier id is a
    duplicate and changes nothing. Raises crm.leads.NoIdentity for a sender that can be no lead (a short code) and
    SQLAlchemy errors when the database is away, so that the webhook can ask the carrier to come again."""
    word = None if inbound.automatic else read_consent(inbound.body)
    with db.tenant(inbound.tenant_id) as session:
        session_id, lead_id, human, is_first, settings = _conversation(session, inbound)
        message_id, due = _store(session, inbound, session_id, lead_id, settings, answer=word is None)
        if message_id is not None:
            _consent(session, inbound, word, session_id, message_id, is_first, we_confirm_stops)
            if human and word is None and not inbound.automatic:
                tell_the_person(session, inbound, session_id, message_id)
    if message_id is None:
        return Receipt(inbound.tenant_id, session_id, 0, duplicate=True)
    if due is not None:
        queue.wake("answer", inbound.tenant_id, session_id, due)
    # A stop's confirmation, or a notice to the person who has the conversation, waits in the outbox.
    if word is not None or human:
        queue.wake("flush", inbound.tenant_id, session_id, inbound.received_at)
    return Receipt(inbound.tenant_id, session_id, message_id, duplicate=False)


def _conversation(session: Session, inbound: Inbound) -> tuple[int, int, bool, bool, TenantSettings]:
    """The locked session of this sender; made, with its lead, for somebody new."""
    row = _find(session, inbound)
    if row is None:
        data = LeadData(
            source="text" if inbound.channel == "sms" else "email",
            phone=inbound.from_address if inbound.channel == "sms" else None,
            email=inbound.from_address if inbound.channel == "email" else None,
            first_name=(inbound.sender_name or "").split(" ")[0] or None,
        )
        lead, _ = upsert_lead(session, inbound.tenant_id, inbound.location_id, data)
        open_session(session, lead)
        session.flush()
        row = _find(session, inbound)
        if row is None:
            raise RuntimeError("a session that was just made cannot be found")
    return row[0], row[1], row[2] == "human", row[3], TenantSettings.model_validate(row[4])


def _find(session: Session, inbound: Inbound) -> Any:
    where = "s.id = %(session_id)s" if inbound.session_id else _FIND[inbound.channel]
    parameters = {
        "session_id": inbound.session_id,
        "location_id": inbound.location_id,
        "from_address": inbound.from_address,
    }
    return session.connection().exec_driver_sql(_FIND_SESSION.format(where=where), parameters).first()


def _store(
    session: Session,
    inbound: Inbound,
    session_id: int,
    lead_id: int,
    settings: TenantSettings,
    *,
    answer: bool,
) -> tuple[int | None, datetime | None]:
    quiet = settings.quiet_window_sms_s if inbound.channel == "sms" else settings.quiet_window_email_s
    row = (
        session.connection()
        .exec_driver_sql(
            _STORE,
            {
                "tenant_id": inbound.tenant_id,
                "session_id": session_id,
                "lead_id": lead_id,
                "channel": inbound.channel,
                "kind": "automatic" if inbound.automatic else "inbound",
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
                "now": inbound.received_at,
                "answer": answer and not inbound.automatic,
                "automatic": inbound.automatic,
                "quiet": timedelta(seconds=quiet),
                "longest": timedelta(seconds=max(quiet, settings.max_burst_wait_s)),
            },
        )
        .first()
    )
    return (None, None) if row is None else (row[0], row[1])


def _consent(
    session: Session,
    inbound: Inbound,
    word: ConsentWord | None,
    session_id: int,
    message_id: int,
    is_first: bool,
    we_confirm_stops: bool,
) -> None:
    """Obey a stop, start or help; a first text of somebody's own is the evidence that they may be texted."""
    if word is not None:
        obey(session, word, inbound, session_id, message_id, we_confirm_stops=we_confirm_stops)
        return
    known = is_first is False or inbound.automatic
    if known or has_grant(session, inbound.tenant_id, inbound.channel, inbound.from_address):
        return
    if opt_out_of(session, inbound.tenant_id, inbound.channel, inbound.from_address) is None:
        record_consent(
            session,
            tenant_id=inbound.tenant_id,
            channel="sms" if inbound.channel == "sms" else "email",
            address=inbound.from_address,
            action="grant",
            actor="customer",
            source="wrote first",
            evidence=inbound.body,
            effective_at=inbound.received_at,
            message_id=message_id,
        )
