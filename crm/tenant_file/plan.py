"""What applying a file would do: differences with their fields, what stays, and what a person has to know before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from crm.calendar.overview import Booking
from crm.tenant_file.actual import Actual
from crm.tenant_file.complaints import missing
from crm.tenant_file.problems import Problem
from crm.tenant_file.reading import TenantFile
from crm.tenant_file.records import NEEDED, Fields, Key, shown
from crm.tenant_file.wanted import Wanted

Action = Literal["create", "change", "prune", "keep"]
# Changes after which somebody may be booked outside the hours.
_HOURS = ("hours", "timezone", "holidays", "active")


@dataclass(frozen=True)
class FieldChange:
    """One field before and after, as a person reads it; secrets are never in it."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """One thing that differs. prune: it is not in the file, and goes only with --prune; keep: it cannot go, `note` says
    why. `values` are what is to be written."""

    action: Action
    key: Key
    fields: tuple[FieldChange, ...] = ()
    note: str = ""
    values: Fields = field(default_factory=dict, repr=False, compare=False)

    def as_data(self) -> dict[str, Any]:
        """For --json."""
        return {
            "action": self.action,
            "kind": self.key.kind,
            "location": self.key.place or None,
            "name": self.key.name or None,
            "fields": {one.field: [one.before, one.after] for one in self.fields},
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True)
class Plan:
    """The differences of one business. `stranded`: who is booked outside the new hours, by location and its zone."""

    slug: str
    is_new: bool
    differences: tuple[Difference, ...]
    unchanged: int
    stranded: tuple[tuple[str, str, Booking], ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *actions: Action) -> list[Difference]:
        """The differences of these kinds."""
        return [one for one in self.differences if one.action in actions]

    def work(self, *, prune: bool) -> list[Difference]:
        """What applying would write."""
        return self.of("create", "change", *(("prune",) if prune else ()))


def differences(
    file: TenantFile, wanted: Wanted, actual: Actual | None
) -> tuple[list[Difference], int, list[Problem]]:
    """What differs, how many things are the same already, and what is missing for a new one."""
    found: list[Difference] = []
    problems: list[Problem] = []
    unchanged = 0
    for key, fields in wanted.records.items():
        there = actual.records.get(key) if actual else None
        if there is None:
            problems += [
                missing(file.tree, wanted.places[key], name)
                for name in NEEDED.get(key.kind, ())
                if fields.get(name) is None
            ]
            found.append(Difference("create", key, tuple(_shown(fields)), values=fields))
            continue
        changes = {name: value for name, value in fields.items() if there.get(name) != value}
        unchanged += not changes
        if changes:
            found.append(Difference("change", key, tuple(_compared(there, changes)), values=changes))
    return [*found, *_not_in_file(wanted, actual)], unchanged, problems


def touches_hours(one: Difference) -> bool:
    """Whether somebody may be left outside the hours by it."""
    if one.key.kind in ("special", "closure"):
        return True
    names = one.values if one.action == "change" else ()
    return one.key.kind in ("location", "bay") and any(name.startswith(_HOURS) for name in names)


def _not_in_file(wanted: Wanted, actual: Actual | None) -> Iterator[Difference]:
    if actual is None:
        return
    for key, fields in actual.records.items():
        owner = ("location", "") if key.kind == "location" else (key.kind, key.place)
        named = key in wanted.records
        if key in wanted.gone or (owner in wanted.complete and not named and not _rests(key, fields)):
            yield Difference("prune", key)


def _rests(key: Key, fields: Fields) -> bool:
    """What is out of use already, and services that the CRM's own catalogue brought."""
    if key.kind == "service":
        return not fields["active"] or fields["external_id"] is not None
    return key.kind == "bay" and not fields["active"]


def _shown(fields: Fields) -> Iterator[FieldChange]:
    for name, value in fields.items():
        yield FieldChange(name, "", shown(name, value))


def _compared(there: Fields, changes: Fields) -> Iterator[FieldChange]:
    for name, value in changes.items():
        before, after = shown(name, there.get(name)), shown(name, value)
        # Long words may differ behind what is shown of them.
        yield FieldChange(name, before, f"{after} (other words)" if before == after else after)
