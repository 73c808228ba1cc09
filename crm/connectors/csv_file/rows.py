"""From a row of a file to an enquiry, or to the reason why it is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from crm.connectors.csv_file.connector import SOURCE
from crm.connectors.csv_file.dates import Order, moment_of
from crm.connectors.csv_file.mapping import Columns
from crm.connectors.csv_file.reader import Row
from crm.connectors.csv_file.values import (
    car_of,
    email_of,
    is_true,
    language_of,
    names_of,
    phone_of,
    postal_code_of,
    says_stop,
    state_of,
    unguarded,
)
from crm.connectors.records import ConsentEvidence, LeadContext, NotALead
from crm.connectors.stored import enquiry
from crm.text import storable

FUTURE = timedelta(days=1)
MOST_FACTS, LONGEST_FACT = 30, 500
_CAR = ("vehicle_year", "vehicle_make", "vehicle_model", "vehicle_submodel", "vehicle_style", "vehicle_color")


@dataclass(frozen=True)
class Place:
    """A shop that rows may belong to. `names`: how a file may call it, in lower case."""

    location_id: int
    zone: ZoneInfo
    names: frozenset[str]


@dataclass(frozen=True)
class Reading:
    """How the rows of one file are read. `place`: where rows belong that name no shop. The words of consent are for a
    column that says yes, where the file itself does not hold them."""

    columns: Columns
    places: tuple[Place, ...]
    place: Place | None
    file_name: str
    now: datetime
    order: Order = "mdy"
    sms_words: str | None = None
    email_words: str | None = None


@dataclass(frozen=True)
class Told:
    """One row as an enquiry. `notes`: what of it could not be used. `state` and `postal_code` are the person's."""

    line: int
    location_id: int
    found: LeadContext
    notes: tuple[str, ...] = ()
    state: str | None = None
    postal_code: str | None = None

    @property
    def wants_nothing(self) -> bool:
        """Whether the file says of every address of theirs that it must not be written to."""
        refused = {one.channel for one in self.found.consents if one.refused}
        data = self.found.data
        return all(
            channel in refused for channel, address in (("sms", data.phone), ("email", data.email)) if address
        )

    @property
    def request_id(self) -> str:
        """What makes two rows, or two imports of one, the same enquiry."""
        return self.found.data.external_id or ""


@dataclass(frozen=True)
class Rejected:
    """A row that is no enquiry, and why."""

    line: int
    reason: str


def read_row(row: Row, reading: Reading) -> Told | Rejected:
    """The enquiry in a row."""
    if row.problem is not None:
        return Rejected(row.line, row.problem)
    width = len(reading.columns.header)
    if any(cell.strip() for cell in row.cells[width:]):
        why = "is there a delimiter inside of a cell that is not in quotation marks?"
        return Rejected(row.line, f"it has {len(row.cells)} cells and the first row {width}; {why}")
    cells = _Cells(tuple(storable(unguarded(cell)) for cell in row.cells), reading.columns)
    notes: list[str] = []
    try:
        place = _place(cells, reading)
        made_at = _made_at(cells, reading, place)
        number, address = _addresses(cells, notes)
    except _No as no:
        return Rejected(row.line, str(no))
    record = _record(cells, notes, reading, number, address)
    record["made_at"] = made_at
    record["facts"] = _facts(cells, row.line, reading)
    record_id = _record_id(cells, record, place)
    found = enquiry(record, SOURCE, record_id, str(place.location_id))
    if isinstance(found, NotALead):
        return Rejected(row.line, found.reason)
    refused = _refused(cells, found, reading, row.line)
    stopped = {one.channel for one in refused}
    agreed = (one for one in _consents(found, reading, row.line) if one.channel not in stopped)
    found = replace(found, consents=(*agreed, *refused))
    state = state_of(cells.first("state"))
    return Told(
        row.line, place.location_id, found, tuple(notes), state, postal_code_of(cells.first("postal_code"))
    )


class _No(Exception):
    """The row is no enquiry."""


@dataclass(frozen=True)
class _Cells:
    """The cells of one row by what their columns mean."""

    cells: tuple[str, ...]
    columns: Columns

    def all(self, field: str) -> list[str]:
        """What stands in the columns of a field, without empty cells."""
        return [text for index in self.columns.fields.get(field, ()) if (text := self.at(index))]

    def first(self, field: str) -> str:
        """The first of them, or nothing."""
        return next(iter(self.all(field)), "")

    def at(self, index: int) -> str:
        """One cell; a row may be shorter than the first one."""
        return self.cells[index].strip() if index < len(self.cells) else ""


def _place(cells: _Cells, reading: Reading) -> Place:
    name = cells.first("location")
    if not name:
        if reading.place is None:
            raise _No("it names no shop; there are several, say which with --location")
        return reading.place
    found = [place for place in reading.places if " ".join(name.lower().split()) in place.names]
    if len(found) != 1:
        raise _No(f"there is no shop {name[:60]!r}")
    return found[0]


def _made_at(cells: _Cells, reading: Reading, place: Place) -> datetime | None:
    text = cells.first("made_at")
    if not text:
        return None
    moment = moment_of(text, place.zone, reading.order)
    if moment is None:
        shape = "month/day/year" if reading.order == "mdy" else "day/month/year"
        raise _No(f"{text[:40]!r} is no date (dates of this file are read as {shape})")
    if moment > reading.now + FUTURE:
        raise _No(f"its date {text[:40]!r} lies in the future")
    return moment


def _addresses(cells: _Cells, notes: list[str]) -> tuple[str | None, str | None]:
    number, no_number = phone_of(cells.all("phone"))
    address, no_address = email_of(cells.all("email"))
    problems = [why for why in (no_number, no_address) if why]
    if number is None and address is None:
        raise _No("; ".join(problems) or "there is neither a phone number nor an email address")
    notes += [f"kept without it: {why}" for why in problems]
    return number, address


def _record(
    cells: _Cells, notes: list[str], reading: Reading, number: str | None, address: str | None
) -> dict[str, Any]:
    record: dict[str, Any] = {"phone": number, "email": address}
    for field in ("first_name", "last_name"):
        record[field] = cells.first(field)
    if not record["last_name"]:
        # Without a column for the last name, the other one holds both.
        alone = "last_name" not in cells.columns.fields
        whole = cells.first("name") or (record["first_name"] if alone else "")
        if whole:
            record["first_name"], record["last_name"] = names_of(whole)
    # Two columns may say the same.
    record["wish"] = "; ".join(dict.fromkeys(cells.all("wish")))
    record.update(car_of(cells.first("vehicle")))
    record.update({name: text for name in _CAR if (text := cells.first(name).removesuffix(".0"))})
    language = cells.first("language")
    record["language"] = language_of(language)
    if language and not record["language"]:
        notes.append(f"kept without it: {language[:40]!r} is no language we know")
    for channel, words in (("sms", reading.sms_words), ("email", reading.email_words)):
        if not is_true(cells.first(f"{channel}_consent")):
            continue
        said = cells.first(f"{channel}_consent_text") or words
        if said:
            record[f"{channel}_consent"], record[f"{channel}_consent_text"] = True, said
        else:
            notes.append(f"consent to {channel} was not recorded: nothing says what they agreed to")
    return record


def _facts(cells: _Cells, line: int, reading: Reading) -> dict[str, Any]:
    own = {
        reading.columns.header[index][:60]: text[:LONGEST_FACT]
        for index in reading.columns.facts[:MOST_FACTS]
        if (text := cells.at(index))
    }
    facts: dict[str, Any] = {"file": reading.file_name, "line": line}
    return {**facts, "facts": own} if own else facts


def _record_id(cells: _Cells, record: Mapping[str, Any], place: Place) -> str:
    """The same for the same enquiry, whichever way it is exported; the shop and the person are part of it, because two
    files may count from 1, and a file may give everybody the same number."""
    person = _digest(record["phone"], record["email"])[:12]
    if own := cells.first("id").removesuffix(".0"):
        what = f"id:{own[:100]}"
    else:
        made_at = record["made_at"]
        parts = [made_at.isoformat() if made_at else None, record["wish"]]
        what = "row:" + _digest(*parts, *(record.get(name) for name in _CAR))[:24]
    return f"{place.location_id}/{what}/{person}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _refused(cells: _Cells, found: LeadContext, reading: Reading, line: int) -> tuple[ConsentEvidence, ...]:
    """What the file says of stops, with the words of its cells. A yes beside it in another column counts for nothing."""
    refused = []
    addresses: dict[Literal["sms", "email"], str | None] = {
        "sms": found.data.phone,
        "email": found.data.email,
    }
    for channel, address in addresses.items():
        said = [cell for field in (f"{channel}_stop", "stop") for cell in cells.all(field) if says_stop(cell)]
        if address and said:
            evidence = {"stop": said[0], "file": reading.file_name, "line": line}
            words = json.dumps({**evidence, "imported_at": reading.now.isoformat()}, ensure_ascii=False)
            refused.append(ConsentEvidence(channel, address, words, refused=True))
    return tuple(refused)


def _consents(found: LeadContext, reading: Reading, line: int) -> tuple[Any, ...]:
    """The evidence with the file it stands in: that is where the shop has it."""
    return tuple(
        replace(
            one,
            evidence=json.dumps(
                {
                    **json.loads(one.evidence),
                    "file": reading.file_name,
                    "line": line,
                    "imported_at": reading.now.isoformat(),
                },
                ensure_ascii=False,
            ),
        )
        for one in found.consents
    )
