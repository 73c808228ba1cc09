"""A shop with a customer whose visit is booked, moved and missed, and the jobs that write to them about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from crm.calendar.booker import Booker
from crm.calendar.booking import book, book_directly, move_directly
from crm.calendar.job import Job
from crm.calendar.states import cancel, confirm, no_show
from crm.db import Database
from crm.models import Appointment, ChatMessage, Location, TouchPoint
from crm.routing import owed
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import consent
from tests.integration.calendar_help import add_message, add_offer, dana
from tests.integration.talking import bare, change, hear, rows
from tests.runtimes import FakeSender, runtime_for

CODE = "tint-full-sedan-carbon"
ABOUT = ("confirmation", "reminder")
MARKS = {"cancelled": cancel, "no_show": no_show, "confirmed": confirm}


@dataclass(frozen=True)
class Visits:
    """The running parts, the shop, and the two carriers."""

    runtime: Runtime
    shop: Shop
    clock: FixedClock
    sms: FakeSender
    email: FakeSender

    @property
    def db(self) -> Database:
        """The database of the runtime."""
        return self.runtime.db

    def owner(self) -> Booker:
        """A person of the shop."""
        return Booker(self.shop.lead_id, None, "owner", self.clock.now())

    def books(self, starts_at: datetime, *, work: bool = True) -> int:
        """The shop books the customer by a command; returns the appointment's number."""
        with self.db.tenant(self.shop.tenant_id) as s:
            location = s.get_one(Location, self.shop.location_id)
            job = Job((self.shop.service_ids[CODE],), 150)
            made = book_directly(s, location, self.shop.lead_id, job, starts_at, self.owner())
            number = made.id
        if work:
            self.work()
        return number

    def booked_in_talk(self, starts_at: datetime, channel: str = "sms") -> int:
        """The customer takes a time in the conversation; what the agent replied is not part of it."""
        who = dana(self.shop)
        offer = add_offer(self.db, who, starts_at, code=CODE)
        asked = add_message(self.db, who, direction="in", status="received", body="yes please")
        change(
            self.db, self.shop, "update chat_messages set channel = :c where id = :id", c=channel, id=asked
        )
        change(
            self.db, self.shop, "update chat_sessions set last_channel = :c where id = :session", c=channel
        )
        booker = Booker(self.shop.lead_id, self.shop.session_id, "agent", self.clock.now(), message_id=asked)
        with self.db.tenant(self.shop.tenant_id) as s:
            number = book(s, offer, booker).id
        self.work()
        return number

    def moves(self, number: int, starts_at: datetime) -> None:
        """The shop moves it by a command."""
        with self.db.tenant(self.shop.tenant_id) as s:
            move_directly(s, number, starts_at, self.owner())

    def marks(self, number: int, state: str) -> None:
        """The shop says what became of it."""
        with self.db.tenant(self.shop.tenant_id) as s:
            MARKS[state](s, self.owner(), number)

    def work(self) -> None:
        """What the clock and the workers do now: what is owed, what is due, and what waits in the outbox."""
        self.plan()
        jobs.dispatch_due(self.runtime, 0, "0")
        self.send()

    def plan(self) -> list[str]:
        """Pay what is owed to visits."""
        with self.db.system() as session:
            due = [row for row in owed(session, self.clock.now()) if row.job == "remind"]
        return [jobs.JOBS["remind"](self.runtime, int(row.tenant_id or 0), row.row_id) for row in due]

    def send(self) -> None:
        """Deliver what may leave."""
        waiting = rows(self.db, self.shop, ChatMessage, ChatMessage.status == "pending")
        for one in waiting:
            if one.send_after is not None and one.send_after <= self.clock.now():
                self.runtime.outbox.deliver(self.shop.tenant_id, one.id)

    def at(self, moment: datetime) -> None:
        """It is then, and everybody works."""
        self.clock.moment = moment
        self.work()

    def hears(self, words: str, channel: str = "sms", **more: Any) -> str:
        """The customer writes, and the quiet time passes; what the answering job says."""
        hear(self.runtime, self.shop, words, channel, **more)
        self.clock.advance(timedelta(seconds=20))
        return jobs.answer(self.runtime, self.shop.tenant_id, str(self.shop.session_id))

    def visit(self, number: int) -> Appointment:
        """The appointment, freshly read."""
        with self.db.tenant(self.shop.tenant_id) as s:
            return s.get_one(Appointment, number)

    def plans(self, number: int, *statuses: str) -> list[TouchPoint]:
        """The touch points of a visit, those with one of `statuses` when any is named."""
        where = [TouchPoint.status.in_(statuses)] if statuses else []
        return rows(self.db, self.shop, TouchPoint, TouchPoint.appointment_id == number, *where)

    def told(self, *kinds: str) -> list[str]:
        """What was written about visits, in order, whatever became of it, without the courtesies of a first text."""
        found = rows(self.db, self.shop, ChatMessage, ChatMessage.kind.in_(kinds or ABOUT))
        return [bare(one.body) for one in found]

    def texts(self) -> list[str]:
        """What the phone got."""
        return [bare(one.body) for one in self.sms.sent if one.kind != "notice"]

    def notices(self) -> list[str]:
        """What the shop's people were told."""
        return [one.body for one in rows(self.db, self.shop, ChatMessage, ChatMessage.kind == "notice")]

    def last(self, kind: str) -> ChatMessage:
        """The newest message of a kind."""
        with self.db.tenant(self.shop.tenant_id) as s:
            found = select(ChatMessage).where(ChatMessage.kind == kind).order_by(ChatMessage.id.desc())
            return s.scalars(found.limit(1)).one()


@contextmanager
def visiting(
    database: TestDatabase, redis_url: str, clock: FixedClock, world: World, *models: Any
) -> Iterator[Visits]:
    """The customer of the north shop has agreed to texts and wrote by text last."""
    with ExitStack() as stack:
        sms, email = FakeSender("fake-sms"), FakeSender("fake-email")
        runtime = stack.enter_context(
            runtime_for(database, redis_url, clock, models=models or None, sms=sms, email=email)
        )
        consent(runtime.db, world.north, "grant", clock.now())
        yield Visits(runtime, world.north, clock, sms, email)
