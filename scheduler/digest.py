"""The owner's morning message: what happened yesterday at each location, when there is something to tell.

Once a day and location, at the location's own hour; a clock that was away for the morning does not make up for it at
night.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from channels.hours import local_to_utc
from crm.day_summary import DaySummary, summary_of
from crm.job_runs import note_failure
from crm.mailroom import mailroom
from crm.models import Location, Tenant
from crm.notices import notify_staff
from crm.once import first_time
from crm.routing import active_tenants
from crm.tenants import settings_of
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "digest"
# A shop reads it in the morning or not at all.
WITHIN = timedelta(hours=3)


def write_digests(runtime: Runtime, now: datetime) -> int:
    """Write what is due at `now` for every location of every business; returns how many shops were told. Safe to repeat
    and for two at once: the day is claimed in the transaction that writes the message."""
    with runtime.db.system() as session:
        tenants = [one.id for one in active_tenants(session)]
    told = 0
    for tenant_id in tenants:
        try:
            with runtime.db.tenant(tenant_id) as session:
                written = _of_tenant(session, tenant_id, now)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with one business is no reason to tell the others nothing
            _failed(runtime, tenant_id, now, error)
            continue
        for session_id in written:
            runtime.queue.wake("flush", tenant_id, session_id, now)
        told += len(written)
    return told


def _failed(runtime: Runtime, tenant_id: int, now: datetime, error: Exception) -> None:
    log.error("digest_failed", tenant_id=tenant_id, error=type(error).__name__, exc_info=error)
    with runtime.db.tenant(tenant_id) as session:
        note_failure(session, JOB, tenant_id, f"{now:%Y-%m-%d}", now, now, error)


def _of_tenant(session: Session, tenant_id: int, now: datetime) -> list[int]:
    hour = settings_of(session.get_one(Tenant, tenant_id)).digest_hour
    if hour is None:
        return []
    places = session.scalars(select(Location).order_by(Location.id)).all()
    found = [_of_location(session, place, hour, now) for place in places]
    return [one for one in found if one is not None]


def _of_location(session: Session, location: Location, hour: int, now: datetime) -> int | None:
    """The conversation the notice was written in, or None: not its hour, told already, nobody to tell, or nothing to."""
    zone = ZoneInfo(location.timezone)
    today = now.astimezone(zone).date()
    begins = local_to_utc(today, time(hour), zone)
    if not begins <= now < begins + WITHIN:
        return None
    if not first_time(session, location.tenant_id, JOB, f"{location.id} {today}", since=begins, now=now):
        return None
    day = today - timedelta(days=1)
    since, until = (local_to_utc(each, time(0), zone) for each in (day, today))
    summary = summary_of(session, location, since, until)
    if summary.is_empty:
        return None
    chat, lead = mailroom(session, location)
    written = notify_staff(
        session,
        session=chat,
        lead=lead,
        location=location,
        text=words_for(location.name, day, summary),
        dedupe_key=f"digest:{location.id}:{today}",
        now=now,
        kind="system",
        # Nobody needs to be woken by it: a mail where there is an address.
        avoid="sms",
    )
    log.info("digest_written", location_id=location.id, told=len(written))
    return chat.id if written else None


def words_for(shop: str, day: date, summary: DaySummary) -> str:
    """The message, short enough for a text."""
    parts = [
        f"{summary.new_leads} new {_plural('lead', summary.new_leads)}, {summary.booked} booked.",
        f"{summary.waiting} {_plural('conversation', summary.waiting)} for a person (leads list --status human)."
        if summary.waiting
        else "",
        f"{summary.undelivered} {_plural('message', summary.undelivered)} did not arrive."
        if summary.undelivered
        else "",
        f"{summary.failed_jobs} {_plural('job', summary.failed_jobs)} failed (leads jobs --failed)."
        if summary.failed_jobs
        else "",
    ]
    return f"{shop}, {day:%a %b} {day.day}: " + " ".join(part for part in parts if part)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
