"""Writing the differences of a plan, kind by kind, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from crm.models import (
    Bay,
    BayHours,
    CarrierCheck,
    CatalogueStamp,
    CrmCheck,
    Location,
    LocationClosure,
    LocationHours,
    LocationSpecialHours,
    Service,
    ServiceChange,
    ServiceSource,
    Staff,
)
from crm.tenant_file import records
from crm.tenant_file.actual import Actual
from crm.tenant_file.plan import Difference
from crm.tenant_file.records import Fields, Key
from crm.tenant_file.times import DAYS, Week

# What a location takes along when it goes; the stamp last, because it is set anew when services go.
OWN: tuple[Any, ...] = (
    ServiceChange,
    ServiceSource,
    Bay,
    Service,
    Staff,
    LocationHours,
    LocationSpecialHours,
    LocationClosure,
    CarrierCheck,
    CrmCheck,
    CatalogueStamp,
)


@dataclass
class Writing:
    """One business being written. `tenant_id` is the scope of the session, `who` stands in histories."""

    s: Session
    tenant_id: int
    actual: Actual
    now: datetime
    who: str
    locations: dict[str, Location] = field(default_factory=dict)

    def at(self, slug: str) -> dict[str, int]:
        """The columns every row of a location has."""
        return {"tenant_id": self.tenant_id, "location_id": self.locations[slug].id}


def write_places(w: Writing, found: list[Difference]) -> None:
    """Everything that hangs on locations."""
    w.locations = dict(w.actual.locations)
    written = [one for one in found if one.action in ("create", "change")]
    _release_addresses(w, written)
    for one in _of(written, "location"):
        _location(w, one.key, one.values)
    w.s.flush()
    for one in _of(written, "location"):
        _hours(w, one.key.place, one.values)
    _rows(w, written)
    w.s.flush()


def prune_places(w: Writing, found: list[Difference]) -> None:
    """Take away what is not in the file; services and people stay on record, out of use."""
    w.locations = w.locations or dict(w.actual.locations)
    for one in found:
        row = w.actual.rows[one.key]
        if one.key.kind == "special":
            for each in row:
                w.s.delete(each)
        elif one.key.kind == "closure":
            w.s.delete(row)
        elif one.key.kind in ("bay", "service"):
            if one.key.kind == "service":
                _note_change(w, one, "gone")
            row.active = False
        elif one.key.kind == "staff":
            row.removed_at = w.now
        elif one.key.kind == "location":
            _remove_location(w.s, row)
    w.s.flush()


def _release_addresses(w: Writing, found: Iterable[Difference]) -> None:
    """Two locations may swap their numbers: each is unique at every moment, so both are given up first."""
    for one in _of(found, "location"):
        row = w.actual.locations.get(one.key.place)
        if row is not None and one.values.keys() & {"phone", "mailbox"}:
            row.phone = None if "phone" in one.values else row.phone
            row.mailbox = None if "mailbox" in one.values else row.mailbox
    w.s.flush()


def _location(w: Writing, key: Key, values: Fields) -> None:
    row = w.locations.get(key.place)
    columns = {records.LOCATION[name]: value for name, value in values.items() if name in records.LOCATION}
    if records.DROP_OFF in values:
        columns["drop_off_from"], columns["drop_off_until"] = values[records.DROP_OFF] or (None, None)
    if row is None:
        row = Location(tenant_id=w.tenant_id, slug=key.place, **columns)
        w.s.add(row)
        w.locations[key.place] = row
        return
    for column, value in columns.items():
        setattr(row, column, value)


def _hours(w: Writing, slug: str, values: Fields) -> None:
    days = {number: values[f"hours.{day}"] for number, day in enumerate(DAYS) if f"hours.{day}" in values}
    if not days:
        return
    place = w.locations[slug].id
    if w.actual.hours.get(slug):
        at = (LocationHours.location_id == place, LocationHours.weekday.in_(days))
        w.s.execute(delete(LocationHours).where(*at))
    w.s.add_all(
        LocationHours(**w.at(slug), weekday=day, opens=opens, closes=closes)
        for day, times in days.items()
        for opens, closes in times
    )


def _rows(w: Writing, found: list[Difference]) -> None:
    for one in _of(found, "special"):
        for each in w.actual.rows.get(one.key, ()):
            w.s.delete(each)
        w.s.flush()
        day = date.fromisoformat(one.key.name)
        w.s.add_all(
            LocationSpecialHours(**w.at(one.key.place), on_date=day, opens=opens, closes=closes)
            for opens, closes in one.values["times"]
        )
    for one in _of(found, "closure"):
        first, _, last = one.key.name.partition(" to ")
        days = {"starts_on": date.fromisoformat(first), "ends_on": date.fromisoformat(last)}
        _write(w, one, LocationClosure, days, one.values)
    bays = [
        (_write(w, one, Bay, {"name": one.key.name}, _columns(one, records.BAY)), one)
        for one in _of(found, "bay")
    ]
    for one in _of(found, "service"):
        _note_change(w, one, "changed")
        _write(w, one, Service, {"code": one.key.name}, _columns(one, records.SERVICE))
    for one in _of(found, "staff"):
        own = {"name": one.key.name, "location_id": w.locations[one.key.place].id if one.key.place else None}
        _write(w, one, Staff, own, _columns(one, records.STAFF), placed=False)
    w.s.flush()
    for row, one in bays:
        if "hours" in one.values:
            _bay_hours(w, row, one.values["hours"])


def _write(
    w: Writing, one: Difference, table: type[Any], own: dict[str, Any], values: Fields, *, placed: bool = True
) -> Any:
    row = w.actual.rows.get(one.key)
    if row is None:
        owner = w.at(one.key.place) if placed else {"tenant_id": w.tenant_id}
        row = table(**{**owner, **own, **values})
        w.s.add(row)
        return row
    for column, value in values.items():
        setattr(row, column, value)
    return row


def _note_change(w: Writing, one: Difference, what: str) -> None:
    """Prices are proved by their history; a service that is new has none."""
    row = w.actual.rows.get(one.key)
    if row is None:
        return
    columns = _columns(one, records.SERVICE) if what == "changed" else {"active": False}
    fields = {column: [getattr(row, column), value] for column, value in columns.items()}
    made = {
        "service_id": row.id,
        "what": what,
        "fields": fields,
        "who": w.who,
        "why": "tenant file",
        "at": w.now,
    }
    w.s.add(ServiceChange(**w.at(one.key.place), **made))


def _columns(one: Difference, columns: dict[str, str]) -> Fields:
    found = {columns[name]: value for name, value in one.values.items() if name in columns}
    if "skills" in found:
        found["skills"] = list(found["skills"])
    return found


def _bay_hours(w: Writing, bay: Bay, week: Week | None) -> None:
    w.s.execute(delete(BayHours).where(BayHours.bay_id == bay.id))
    w.s.add_all(
        BayHours(tenant_id=w.tenant_id, bay_id=bay.id, weekday=day, opens=opens, closes=closes)
        for day, times in enumerate(week or ())
        for opens, closes in times
    )


def _remove_location(s: Session, row: Location) -> None:
    """Only of a location that nobody ever wrote to: guards.kept saw to that."""
    bays = Bay.__table__.select().with_only_columns(Bay.id).where(Bay.location_id == row.id)
    s.execute(delete(BayHours).where(BayHours.bay_id.in_(bays)))
    for table in OWN:
        s.execute(delete(table).where(table.location_id == row.id))
    s.delete(row)


def _of(found: Iterable[Difference], kind: str) -> list[Difference]:
    return [one for one in found if one.key.kind == kind]
