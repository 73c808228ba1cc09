"""Planning and applying a tenant file: each business in one transaction of its own, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.booker import queue_up
from crm.calendar.daybook import ACTIVE
from crm.calendar.overview import Booking, load_stranded
from crm.db import Database
from crm.models import Appointment, Location, Tenant
from crm.tenant_directory import lock_slug, next_tenant_id, tenant_ids
from crm.tenant_file import guards
from crm.tenant_file.actual import Actual, actual_of
from crm.tenant_file.plan import Difference, Plan, differences, touches_hours
from crm.tenant_file.problems import FileProblems
from crm.tenant_file.reading import TenantFile
from crm.tenant_file.wanted import Wanted
from crm.tenant_file.writing import Writing, prune_places, write_places
from crm.tenant_file.writing_business import Business, prune_business, write_business

Stranded = tuple[tuple[str, str, Booking], ...]


@dataclass(frozen=True)
class Job:
    """One business of a file with its secrets resolved, and who applies it when."""

    file: TenantFile
    wanted: Wanted
    by: Business
    now: datetime


def plan_tenant(db: Database, job: Job, tenant_id: int | None) -> Plan:
    """What applying would do; changes nothing. `tenant_id` None: there is no such business yet.

    Raises FileProblems for what the database knows to be wrong, and ops.secrets.SecretsError.
    """
    if tenant_id is None:
        with db.system() as session:
            return _planned(session, job, None)[0]
    with db.tenant(tenant_id) as session:
        plan, actual, found = _planned(session, job, tenant_id)
        stranded = _tried(session, job, tenant_id, actual, found)
    return Plan(plan.slug, plan.is_new, plan.differences, plan.unchanged, stranded)


def apply_tenant(db: Database, job: Job, tenant_id: int | None, *, prune: bool) -> Plan:
    """Make the database as the file says, in one transaction; returns what was done. What was planned before is
    planned again behind the lock, so of two appliers at once the second one finds nothing left to do.

    Raises FileProblems and SecretsError with nothing changed.
    """
    slug = job.file.part.slug
    own = tenant_id or next_tenant_id(db)
    with db.tenant(own) as session:
        lock_slug(session, slug)
        known = tenant_ids(session, [slug]).get(slug)
        if known in (None, own):
            return _applied(session, job, own, is_new=known is None, prune=prune)
    # Somebody made it while we waited, under another number.
    return apply_tenant(db, job, known, prune=prune)


def _applied(session: Session, job: Job, tenant_id: int, *, is_new: bool, prune: bool) -> Plan:
    plan, actual, found = _planned(session, job, None if is_new else tenant_id)
    if is_new:
        name = str(job.wanted.records[found[0].key]["name"])
        session.add(Tenant(id=tenant_id, slug=job.file.part.slug, name=name, settings={}))
        session.flush()
        actual = actual_of(session, tenant_id, job.now.date(), job.by.box)
    places = _affected(session, actual, found, job.now)
    for place in places:
        queue_up(session, place.id)
    before = _stranded(session, places, job.now)
    _write(session, job, tenant_id, actual, found, prune=prune)
    stranded = _new_ones(before, _stranded(session, places, job.now))
    return Plan(plan.slug, is_new, tuple(found), plan.unchanged, stranded)


def _planned(session: Session, job: Job, tenant_id: int | None) -> tuple[Plan, Actual, list[Difference]]:
    actual = None if tenant_id is None else actual_of(session, tenant_id, job.now.date(), job.by.box)
    found, unchanged, problems = differences(job.file, job.wanted, actual)
    problems += guards.taken(session, job.file, job.wanted, actual, found)
    problems += guards.unknown_skills(job.file, job.wanted, actual)
    if problems:
        raise FileProblems(list(dict.fromkeys(problems)))
    if actual is not None:
        found = guards.kept(session, actual, found, job.now)
    plan = Plan(job.file.part.slug, tenant_id is None, tuple(found), unchanged)
    return plan, actual or Actual(), found


def _write(
    session: Session, job: Job, tenant_id: int, actual: Actual, found: list[Difference], *, prune: bool
) -> None:
    writing = Writing(session, tenant_id, actual, job.now, job.by.who)
    written = [one for one in found if one.action in ("create", "change")]
    write_places(writing, written)
    write_business(writing, written, job.by)
    if prune:
        gone = [one for one in found if one.action == "prune"]
        prune_business(writing, gone)
        prune_places(writing, gone)


def _tried(session: Session, job: Job, tenant_id: int, actual: Actual, found: list[Difference]) -> Stranded:
    """Who would be left outside the hours: written into a savepoint that is given up again."""
    places = _affected(session, actual, found, job.now)
    if not places:
        return ()
    slugs = {place.slug for place in places}
    before = _stranded(session, places, job.now)
    savepoint = session.begin_nested()
    some = [one for one in found if one.key.place in slugs and touches_hours(one) and one.action != "prune"]
    write_places(Writing(session, tenant_id, actual, job.now, job.by.who), some)
    after = _stranded(session, places, job.now)
    savepoint.rollback()
    return _new_ones(before, after)


def _affected(session: Session, actual: Actual, found: Iterable[Difference], now: datetime) -> list[Location]:
    """The locations whose hours change and who have somebody booked ahead, in the order in which locks are taken."""
    slugs = {
        one.key.place for one in found if touches_hours(one) and one.action in ("create", "change", "prune")
    }
    places = [row for slug, row in actual.locations.items() if slug in slugs]
    if not places:
        return []
    ahead = (Appointment.blocked_until > now, Appointment.status.in_(ACTIVE))
    ids = [place.id for place in places]
    booked = set(
        session.scalars(
            select(Appointment.location_id).distinct().where(Appointment.location_id.in_(ids), *ahead)
        )
    )
    return sorted((place for place in places if place.id in booked), key=lambda place: place.id)


def _stranded(session: Session, places: list[Location], now: datetime) -> Stranded:
    return tuple(
        (place.slug, place.timezone, one) for place in places for one in load_stranded(session, place, now)
    )


def _new_ones(before: Stranded, after: Stranded) -> Stranded:
    known = {one.id for _, _, one in before}
    return tuple(each for each in after if each[2].id not in known)
