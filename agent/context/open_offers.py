"""The times a customer was shown and can still take: what the calendar would refuse now is not theirs to choose any more.

An offer keeps no bay. Between the text that showed it and the answer to it others book, the shop closes a day, a mechanic's
bay goes away; so the rules that decide about a booking are asked here as well, before a model may call a time open.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.context.history import SAID
from crm.calendar.book import DayBook
from crm.calendar.daybook import ACTIVE, load_day_book
from crm.calendar.holds import HeldFor
from crm.calendar.job import Job
from crm.calendar.offers import job_of
from crm.calendar.slots import place
from crm.models import Appointment, ChatMessage, Location, Offer


def shown_offers(session: Session, session_id: int, now: datetime, up_to: int) -> list[Offer]:
    """The newest batch of times this customer was shown, up to the message `up_to`, without those that have expired."""
    newest = (
        select(Offer.message_id)
        .join(ChatMessage, ChatMessage.id == Offer.message_id)
        .where(Offer.session_id == session_id, Offer.message_id <= up_to, ChatMessage.status.in_(SAID))
        .order_by(Offer.message_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = select(Offer).where(
        Offer.session_id == session_id, Offer.message_id == newest, Offer.expires_at > now
    )
    return list(session.scalars(statement.order_by(Offer.starts_at, Offer.id)))


def still_open(
    session: Session,
    location: Location,
    offers: Sequence[Offer],
    visits: Collection[Appointment],
    now: datetime,
) -> list[Offer]:
    """Those of `offers` that a booking of this moment would accept, in their order. `visits` are the customer's own: a
    time they have is not open to them, and the next visit does not stand in the way of its own move.

    One look into the calendar, and a second one when some of the times are not for the work of that next visit.
    """
    taken = {one.offer_id for one in visits if one.status in ACTIVE}
    wanted = [one for one in offers if one.id not in taken]
    if not wanted:
        return []
    ahead = [one for one in visits if one.status in ACTIVE and one.starts_at > now]
    next_one = min(ahead, key=lambda one: one.starts_at, default=None)
    look = _Look(session, location, wanted, now)
    return [one for one in wanted if look.accepts(one, next_one)]


class _Look:
    """The calendar of this moment, read for all of these offers at once."""

    def __init__(self, session: Session, location: Location, offers: Sequence[Offer], now: datetime) -> None:
        self._session, self._location, self._now = session, location, now
        self._until = max(now, *(one.starts_at for one in offers))
        # As a booking reads it, where only earlier offers of others are held against one.
        self._whom = HeldFor(offers[0].session_id, max(one.id for one in offers))
        self._books: dict[int | None, DayBook] = {}
        self._jobs: dict[tuple[object, ...], Job] = {}

    def accepts(self, offer: Offer, next_one: Appointment | None) -> bool:
        """Whether the rules accept this start, and the work is done by when the customer was told."""
        moves = next_one is not None and bool(set(next_one.service_ids) & set(offer.service_ids))
        book = self._book(next_one.id if next_one is not None and moves else None)
        slot = place(book, self._job(offer), offer.starts_at.astimezone(UTC), self._now).slot
        if slot is None:
            return False
        if offer.visit == "wait":
            return slot.ends_at <= offer.ends_at
        return book.day_of(slot.ends_at) <= book.day_of(offer.ends_at)

    def _book(self, ignore: int | None) -> DayBook:
        if ignore not in self._books:
            self._books[ignore] = load_day_book(
                self._session,
                self._location,
                self._now,
                ignore_appointment_id=ignore,
                until=self._until,
                held_for=self._whom,
            )
        return self._books[ignore]

    def _job(self, offer: Offer) -> Job:
        """Times of one batch are mostly for one job, so its services are read once."""
        length = offer.ends_at - offer.starts_at
        key = (tuple(offer.service_ids), offer.visit, offer.labour_minutes, length)
        if key not in self._jobs:
            self._jobs[key] = job_of(self._session, offer)
        return self._jobs[key]
