"""What only the database can say about a plan: addresses somebody else has, and what cannot go because rows refer to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.models import ApiKey, Appointment, ChatSession, Lead, ModelAttempt, Offer, Wave
from crm.tenant_file.actual import Actual
from crm.tenant_file.plan import Difference
from crm.tenant_file.problems import Problem
from crm.tenant_file.reading import TenantFile
from crm.tenant_file.records import Key
from crm.tenant_file.wanted import Wanted

# Rows that prove something or belong to a person: a location that has any stays. Whatever else refers to a location goes
# with it (writing.OWN).
RECORDS: dict[str, Any] = {
    "leads": Lead,
    "appointments": Appointment,
    "conversations": ChatSession,
    "offers": Offer,
    "keys of the API": ApiKey,
    "model calls": ModelAttempt,
    "waves": Wave,
}
_ROUTES = {
    "phone": "select k.key, r.tenant_id, r.row_id from unnest(cast(:keys as text[])) as k (key)"
    " cross join lateral route_phone(k.key) r",
    "mailbox": "select k.key, r.tenant_id, r.row_id from unnest(cast(:keys as text[])) as k (key)"
    " cross join lateral route_mailbox(k.key) r",
    "account_sid": "select k.key, r.tenant_id, r.row_id from unnest(cast(:keys as text[])) as k (key)"
    " cross join lateral route_account(k.key) r",
}


def taken(
    s: Session, file: TenantFile, wanted: Wanted, actual: Actual | None, found: Iterable[Difference]
) -> list[Problem]:
    """Phones, mailboxes and accounts that another business has, or a location that keeps them. Three queries."""
    own = actual.tenant.id if actual and actual.tenant else None
    slugs = {row.id: slug for slug, row in actual.locations.items()} if actual else {}
    problems = []
    for name, statement in _ROUTES.items():
        asked = {
            str(value): one.key
            for one in found
            if one.action in ("create", "change") and (value := one.values.get(name)) is not None
        }
        rows = s.execute(text(statement), {"keys": list(asked)}) if asked else ()
        for row in rows:
            slug = slugs.get(row.row_id) if name != "account_sid" and row.tenant_id == own else None
            if slug is not None and _gives_up(wanted, slug, name, row.key):
                continue
            if name == "account_sid" and row.tenant_id == own:
                continue
            who = f"location {slug} of this business has it" if slug else "another business has it"
            place = (*wanted.places[asked[row.key]], name)
            problems.append(file.problem(f"{row.key} is taken: {who}; give it up there first", *place))
    return problems


def _gives_up(wanted: Wanted, slug: str, name: str, value: str) -> bool:
    fields = wanted.records.get(Key("location", slug), {})
    return name in fields and fields[name] != value


def unknown_skills(file: TenantFile, wanted: Wanted, actual: Actual | None) -> Iterator[Problem]:
    """Skills of bays that are neither a category nor a code of what their location sells, after the change."""
    words: dict[str, set[str]] = {}
    for source in (actual.records if actual else {}, wanted.records):
        for key, fields in source.items():
            if key.kind == "service":
                words.setdefault(key.place, set()).update({key.name, fields.get("category") or key.name})
    for key, fields in wanted.records.items():
        if key.kind != "bay":
            continue
        known = words.get(key.place, set())
        for skill in fields.get("skills", ()):
            if skill not in known:
                said = f"{key.place} has no service or category {skill!r}; there is {_listed(known)}"
                yield file.problem(said, *wanted.places[key], "skills")


def kept(s: Session, actual: Actual, found: Iterable[Difference], now: datetime) -> list[Difference]:
    """The differences, with what cannot be pruned turned into `keep`, and with what pruning would come to."""
    kept_ones = list(found)
    pruned = [one for one in kept_ones if one.action == "prune"]
    bays = {actual.rows[one.key].id for one in pruned if one.key.kind == "bay"}
    places = {actual.rows[one.key].id for one in pruned if one.key.kind == "location"}
    ahead = _counts(
        s, Appointment.bay_id, bays, Appointment.status.in_(ACTIVE), Appointment.blocked_until > now
    )
    used = {what: _counts(s, table.location_id, places) for what, table in RECORDS.items()}
    return [_judged(one, actual, ahead, used) if one.action == "prune" else one for one in kept_ones]


def _judged(
    one: Difference, actual: Actual, ahead: Mapping[int, int], used: Mapping[str, Mapping[int, int]]
) -> Difference:
    row = actual.rows[one.key]
    if one.key.kind == "bay" and ahead.get(row.id):
        many = ahead[row.id]
        which = "it" if many == 1 else "them"
        return replace(one, action="keep", note=f"{many} booked ahead; move or cancel {which} first")
    if one.key.kind == "location":
        said = [f"{counts[row.id]} {what}" for what, counts in used.items() if row.id in counts]
        if said:
            return replace(one, action="keep", note=f"it has {', '.join(said)}, which stay on record")
    notes = {"service": "cannot be booked any more", "bay": "out of use", "staff": "hears nothing any more"}
    return replace(one, note=notes.get(one.key.kind, ""))


def _counts(s: Session, column: Any, ids: set[int], *filters: Any) -> dict[int, int]:
    if not ids:
        return {}
    statement = select(column, func.count()).where(column.in_(ids), *filters).group_by(column)
    return {row[0]: row[1] for row in s.execute(statement)}


def _listed(words: set[str]) -> str:
    few = sorted(words)
    return ", ".join(few[:12]) + (f" and {len(few) - 12} more" if len(few) > 12 else "") or "none yet"
