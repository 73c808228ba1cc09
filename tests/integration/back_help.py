"""What the tests of reading the outside calendar back share: looks, tellings, and what people do in Shopmonkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from crm.calendar.daybook import load_day_book
from crm.calendar.job import Job
from crm.calendar.slots import free_slots
from crm.connectors.base import Change
from crm.db import Database
from crm.models import (
    Appointment,
    Bay,
    ChatMessage,
    ChatSession,
    CrmCheck,
    Location,
    Service,
    TenantCrmConfig,
)
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.crm_appointments import appointment_told, read_appointments
from scheduler.crm_looks import Look, Looked
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import local
from tests.integration.push_help import NINE, Site, connected_site
from tests.integration.talking import outgoing

MINUTE = timedelta(minutes=1)
WEDNESDAY = local(25, 11)


@dataclass
class Back:
    """North with its Shopmonkey. `notes` are what the last look left for the next."""

    site: Site
    notes: dict[str, Any]

    # What we do

    def booked(self, starts_at: datetime = NINE) -> int:
        """An appointment of the customer's that stands in Shopmonkey too."""
        number = self.site.book(starts_at)
        assert self.site.push(number) in ("created", "found")
        return number

    def look(self, after: timedelta = MINUTE) -> Looked:
        """One look, some time later."""
        self.site.clock.advance(after)
        now = self.site.clock.now()
        look = Look(1, self.site.config_id, self.site.shop.location_id, None, self.notes, now)
        looked = read_appointments(self.site.runtime, self.site.shop.tenant_id, look)
        self.notes = self.notes if looked.notes is None else looked.notes
        return looked

    def tell(self, number: int, after: timedelta = MINUTE) -> str:
        """The job that tells a change, some time later."""
        self.site.clock.advance(after)
        return jobs.JOBS["appointment_tell"](self.site.runtime, self.site.shop.tenant_id, str(number))

    def told(self, change: Change) -> str:
        """A webhook about an appointment."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            config = s.get_one(TenantCrmConfig, self.site.config_id)
        return appointment_told(self.site.runtime, self.site.shop.tenant_id, config, change)

    def check(self, next_at: datetime) -> int:
        """The row of the looks at this calendar."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            row = CrmCheck(
                tenant_id=self.site.shop.tenant_id,
                config_id=self.site.config_id,
                location_id=self.site.shop.location_id,
                kind="appointments",
                next_at=next_at,
            )
            s.add(row)
            s.flush()
            return row.id

    # What came of it

    def row(self, number: int) -> Appointment:
        """The appointment, freshly read."""
        return self.site.row(number)

    def texts(self) -> list[str]:
        """What the customer got of such news, oldest first; sent ones and those that wait."""
        return [one.body for one in self.news() if one.status not in ("dropped", "withheld")]

    def news(self) -> list[ChatMessage]:
        """The same as rows."""
        return outgoing(self.site.db, self.site.shop, "confirmation")

    def notices(self) -> list[str]:
        """What the shop's people got."""
        return [one.body for one in outgoing(self.site.db, self.site.shop, "notice")]

    def blocks(self) -> list[Appointment]:
        """Rows of other people's entries, by bay and time."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            statement = select(Appointment).where(Appointment.source == "crm")
            return list(s.scalars(statement.order_by(Appointment.starts_at, Appointment.bay_id)))

    def spans(self) -> list[tuple[int, datetime, datetime]]:
        """Which bay is blocked from when to when; bays counted from 0."""
        bays = self.site.shop.bay_ids
        return [(bays.index(one.bay_id), one.starts_at, one.ends_at) for one in self.blocks()]

    def offered(self, starts_at: datetime, minutes: int = 60) -> bool:
        """Whether a waiting customer would be offered that start."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            location = s.get_one(Location, self.site.shop.location_id)
            service = s.get_one(Service, self.site.shop.service_ids["tint-full-sedan-carbon"])
            job = Job((service.id,), minutes, needs=frozenset({(service.category, service.code)}))
            book = load_day_book(s, location, self.site.clock.now())
        found = free_slots(book, job, self.site.clock.now())
        return starts_at in [one.starts_at for one in found]

    def history(self, number: int) -> list[tuple[str, str]]:
        """(who, what) of an appointment's history."""
        return [(one["who"], one["what"]) for one in self.row(number).history]

    def debts(self) -> list[int]:
        """Tellings that the sweeper would find now."""
        with self.site.db.system() as s:
            found = s.execute(
                text("select row_id from owed_work(:at, 100) where job = 'appointment_tell'"),
                {"at": self.site.clock.now()},
            )
            return [int(row.row_id) for row in found]

    # What people do

    def entry(self, number: int) -> dict[str, Any]:
        """Our entry in Shopmonkey."""
        row = self.row(number)
        assert row.external_id is not None
        return self.site.shopmonkey.tables["appointment"][row.external_id]

    def drag(self, number: int, to: datetime, end: datetime | None = None) -> None:
        """Somebody at the shop moves our entry."""
        self.site.clock.advance(timedelta(seconds=1))
        self.site.shopmonkey.move_appointment(self.entry(number)["id"], to, end)

    def set(self, **columns: Any) -> None:
        """Change the location."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            location = s.get_one(Location, self.site.shop.location_id)
            for name, value in columns.items():
                setattr(location, name, value)

    def only_bays(self, count: int) -> None:
        """Take all bays but the first `count` out of use."""
        with self.site.db.tenant(self.site.shop.tenant_id) as s:
            for bay in s.scalars(select(Bay).where(Bay.id.in_(self.site.shop.bay_ids[count:]))):
                bay.active = False


@contextmanager
def reading_back(
    database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World, **standin: Any
) -> Iterator[Back]:
    """Everything wired over real sockets."""
    with connected_site(database, redis_url, clock, db, world, **standin) as site:
        yield Back(site, {})


def change(back: Back, model: Any, **columns: Any) -> None:
    """Change the customer's lead or conversation."""
    shop = back.site.shop
    row_id = shop.session_id if model is ChatSession else shop.lead_id
    with back.site.db.tenant(shop.tenant_id) as s:
        row = s.get_one(model, row_id)
        for name, value in columns.items():
            setattr(row, name, value)


def moved(back: Back, to: datetime = WEDNESDAY) -> int:
    """A booking that the shop has moved."""
    number = back.booked()
    back.drag(number, to)
    back.look()
    return number


def cancelled(back: Back) -> int:
    """A booking that the shop has cancelled."""
    number = back.booked()
    back.site.shopmonkey.cancel_appointment(back.entry(number)["id"])
    back.look()
    return number
