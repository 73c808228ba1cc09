"""Who of a batch of rows is known already: what an import does with a row, and what a dry run says that it would do.

Both ask here, and a test holds the two against each other: by the rules of `crm.leads` one person is one lead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm.connectors.csv_file.connector import SOURCE
from crm.connectors.csv_file.rows import Told
from crm.models import LeadRequest

Verdict = Literal["new", "person known", "request known"]

# Arrays, so that the statement stays the same however many rows a batch has; in two parts, so that each has its index.
# A lead that was merged stands for the one it was merged into.
_PEOPLE = text("""
with named as (
    select id from leads where location_id = any(cast(:places as bigint[])) and phone = any(cast(:phones as varchar[]))
    union
    select id from leads where location_id = any(cast(:places as bigint[])) and email = any(cast(:emails as varchar[]))
)
select l.location_id, l.phone as told_phone, l.email as told_email, r.id, r.phone, r.email, r.phone_bad_since,
       r.email_bad_since
  from named n join leads l on l.id = n.id join leads r on r.id = coalesce(l.merged_into_id, l.id)
 where r.erased_at is null
""")
_Key = tuple[int, str]


@dataclass(eq=False)
class Person:
    """A lead, stored already or by an earlier row."""

    phone: str | None
    email: str | None
    phone_bad: bool = False
    email_bad: bool = False


@dataclass
class People:
    """What is known of a file's people so far: the database's, asked for batch by batch, and earlier rows'."""

    requests: set[str] = field(default_factory=set)
    _stored: dict[int, Person] = field(default_factory=dict)
    _by_phone: dict[_Key, Person] = field(default_factory=dict)
    _by_email: dict[_Key, Person] = field(default_factory=dict)

    def ask(self, s: Session, rows: Sequence[Told]) -> None:
        """Find out about everybody in a batch, in two queries."""
        self.requests.update(known_requests(s, [row.request_id for row in rows]))
        unknown = [row for row in rows if row.request_id not in self.requests]
        if unknown:
            data = [row.found.data for row in unknown]
            parameters = {
                "places": sorted({row.location_id for row in unknown}),
                "phones": [one.phone for one in data if one.phone],
                "emails": [one.email for one in data if one.email],
            }
            for row in s.execute(_PEOPLE, parameters):
                self._remember(row)

    def verdict(self, row: Told) -> Verdict:
        """What a row is. It counts as taken in from then on, so that a later row of the same person finds them known."""
        if row.request_id in self.requests:
            return "request known"
        self.requests.add(row.request_id)
        data, at = row.found.data, row.location_id
        found = (self._by_phone.get((at, data.phone)) if data.phone else None) or (
            self._by_email.get((at, data.email)) if data.email else None
        )
        person = found or Person(None, None)
        self._fill(row, person)
        return "new" if found is None else "person known"

    def _fill(self, row: Told, person: Person) -> None:
        """An address that nobody has goes to the person, if they have none, or one that does not work."""
        data, at = row.found.data, row.location_id
        if (
            data.phone
            and (at, data.phone) not in self._by_phone
            and (person.phone is None or person.phone_bad)
        ):
            if person.phone is not None:
                self._by_phone.pop((at, person.phone), None)
            person.phone, person.phone_bad = data.phone, False
            self._by_phone[at, data.phone] = person
        if (
            data.email
            and (at, data.email) not in self._by_email
            and (person.email is None or person.email_bad)
        ):
            if person.email is not None:
                self._by_email.pop((at, person.email), None)
            person.email, person.email_bad = data.email, False
            self._by_email[at, data.email] = person

    def _remember(self, row: Any) -> None:
        if row.id in self._stored:
            person = self._stored[row.id]
        else:
            person = Person(row.phone, row.email, bool(row.phone_bad_since), bool(row.email_bad_since))
            self._stored[row.id] = person
        # What an earlier row of the file claimed stays claimed.
        for address in (row.told_phone, row.phone):
            if address:
                self._by_phone.setdefault((row.location_id, address), person)
        for address in (row.told_email, row.email):
            if address:
                self._by_email.setdefault((row.location_id, address), person)


def named_once(rows: Sequence[Told]) -> list[bool]:
    """For each row of a batch whether no other row names an address of it: only such a row may be stored out of turn."""
    named = Counter((row.location_id, address) for row in rows for address in _addresses(row))
    return [all(named[row.location_id, address] == 1 for address in _addresses(row)) for row in rows]


def _addresses(row: Told) -> list[str]:
    return [address for address in (row.found.data.phone, row.found.data.email) if address]


def known_requests(s: Session, request_ids: Iterable[str]) -> set[str]:
    """Which of these rows were taken in before."""
    found = select(LeadRequest.external_id).where(
        LeadRequest.source == SOURCE, LeadRequest.external_id.in_(list(request_ids))
    )
    return set(s.scalars(found))
