"""Raw webhooks, mail events and error texts of a forgotten person, found by what is written in them, in small batches.

A stored post says nothing of whose it is but in its own bytes, so the bytes are searched for every form of the person's
addresses and for the ids that carriers and CRMs know them by. A post that names them loses all of its bytes, and stays
as a row so that the same post, told again, is known. What is still to be processed is somebody writing now: it stays,
and is counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, literal, or_, select, update
from sqlalchemy.orm import Session

from crm.db import Database
from crm.lead_forgetting import Person, phone_forms
from crm.lead_merging_rows import run
from crm.models import JobExecution, MailEvent, WebhookEvent

BATCH = 200
NOTE = "its person was forgotten"


@dataclass(frozen=True)
class Raw:
    """What was found. `waiting`: posts that are still to be processed and were left alone."""

    webhooks: int = 0
    mail_events: int = 0
    errors: int = 0
    waiting: int = 0


def needles_of(person: Person) -> list[str]:
    """Everything that a stored post is searched for, in small letters."""
    found: dict[str, None] = {}
    for channel, address in person.addresses:
        forms = phone_forms(address) if channel == "sms" else [address, address.replace("@", "%40")]
        found |= dict.fromkeys(one.lower() for one in forms)
    return [*found, *(one.lower() for one in person.ids)]


def sweep(db: Database, person: Person, *, erase: bool) -> Raw:
    """Find, and with `erase` take away, what the tenant's raw rows hold of the person. A transaction a batch, so that
    nothing is locked for long."""
    needles = needles_of(person)
    webhooks = waiting = 0
    after = uuid.UUID(int=0)
    while True:
        with db.tenant(person.tenant_id) as s:
            page = list(
                s.scalars(
                    select(WebhookEvent.id)
                    .where(WebhookEvent.id > after)
                    .order_by(WebhookEvent.id)
                    .limit(BATCH)
                )
            )
            if not page:
                break
            after = page[-1]
            hits = s.execute(_hits(page, person, needles)).all()
            waiting += sum(1 for row in hits if row.status == "received")
            done = [row.id for row in hits if row.status != "received"]
            webhooks += _erase_webhooks(s, done, needles) if erase else len(done)
    with db.tenant(person.tenant_id) as s:
        mail_events = _mail_events(s, person, erase=erase)
        errors = _errors(s, needles, erase=erase)
    return Raw(webhooks, mail_events, errors, waiting)


def _hits(page: list[uuid.UUID], person: Person, needles: list[str]) -> Any:
    # Bytes as text: what is no ASCII is escaped, and stands in no needle.
    words = func.lower(func.encode(WebhookEvent.body, "escape"))
    ids = [uuid.UUID(one) for one in person.event_ids if _is_uuid(one)]
    same: list[ColumnElement[bool]] = [words.contains(needle, autoescape=True) for needle in needles]
    same += [func.lower(WebhookEvent.dedupe_key).contains(needle, autoescape=True) for needle in needles]
    same += [
        func.lower(cast(column, String)).contains(needle, autoescape=True)
        for needle in needles
        for column in (WebhookEvent.note, WebhookEvent.headers)
    ]
    same += [WebhookEvent.dedupe_key.in_(person.message_keys), WebhookEvent.id.in_(ids)]
    return select(WebhookEvent.id, WebhookEvent.status).where(
        WebhookEvent.id.in_(page), or_(literal(False), *same), func.octet_length(WebhookEvent.body) > 0
    )


def _erase_webhooks(s: Session, ids: Iterable[uuid.UUID], needles: list[str]) -> int:
    wanted = list(ids)
    mine = update(WebhookEvent).where(WebhookEvent.id.in_(wanted))
    named = [func.lower(WebhookEvent.dedupe_key).contains(needle, autoescape=True) for needle in needles]
    run(
        s,
        mine.where(or_(literal(False), *named)).values(
            dedupe_key=literal("erased:") + cast(WebhookEvent.id, String)
        ),
    )
    return run(s, mine.values(body=b"", headers={}, note=NOTE, status="ignored"))


def _mail_events(s: Session, person: Person, *, erase: bool) -> int:
    emails = [address for channel, address in person.addresses if channel == "email"]
    where = (MailEvent.tenant_id == person.tenant_id, func.lower(MailEvent.address).in_(emails))
    if not erase:
        return int(s.scalar(select(func.count()).select_from(MailEvent).where(*where)) or 0)
    return run(s, update(MailEvent).where(*where).values(address="", raw={}, reason=None))


def _errors(s: Session, needles: list[str], *, erase: bool) -> int:
    named = or_(
        literal(False), *(func.lower(JobExecution.error).contains(one, autoescape=True) for one in needles)
    )
    if not erase:
        return int(s.scalar(select(func.count()).select_from(JobExecution).where(named)) or 0)
    return run(s, update(JobExecution).where(named).values(error="[erased]"))


def _is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True
