"""Book, move, cancel. The rules are asked again inside the transaction, and the database has the last word.

Writers of one location queue up on a lock of its bays, so that two bookings never deadlock on the
exclusion constraint; a writer that does not take the lock is still stopped by the constraint, and then the
other bay is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2 import errors
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE, DayBook, load_day_book
from crm.calendar.hours import Stretch
from crm.calendar.labels import label
from crm.calendar.refusals import (
    BookingConflict,
    BookingRefused,
    already_booked,
    nothing_to_change,
    offer_expired,
    offer_not_shown,
    unknown_offer,
)
from crm.calendar.slots import Refusal, free_slots, nearest, refusal
from crm.models import Appointment, Bay, ChatMessage, Lead, Location, Offer, Vehicle
from crm.touches import halt_touches

# A reply with one of these statuses never reached the customer, so the times in it were not shown.
UNSEEN = ("dropped", "withheld", "failed", "undelivered")


@dataclass(frozen=True)
class Booker:
    """On whose behalf a change is made: the customer's lead and session, who does it (`agent`, `owner`), the
    inbound message that asked for it, and when."""

    lead_id: int
    session_id: int
    who: str
    now: datetime
    message_id: int | None = None

    def entry(self, what: str, **details: Any) -> dict[str, Any]:
        """One line of an appointment's history."""
        return {
            "who": self.who,
            "when": self.now.isoformat(),
            "what": what,
            "message": self.message_id,
            **details,
        }


def book(s: Session, offer_id: int, booker: Booker) -> Appointment:
    """Turn an offer into an appointment on any free bay; the same offer again gives the same appointment.

    The lead becomes `booked` and its cadence ends. Raises BookingRefused (unknown, foreign, not shown or
    expired offer; same service already booked) and BookingConflict with the nearest free times.
    """
    offer, location = _offer_of(s, offer_id, booker)
    _queue_up(s, location)
    if (existing := _taken_by(s, offer)) is not None:
        return existing
    _check_offer(s, offer, booker.now)
    for other in upcoming(s, booker.lead_id, booker.now):
        if set(other.service_ids) & set(offer.service_ids):
            raise already_booked(label(other.starts_at, location.timezone))
    appointment = Appointment(
        tenant_id=offer.tenant_id,
        location_id=location.id,
        lead_id=booker.lead_id,
        vehicle_id=_vehicle_id(s, booker.lead_id),
        offer_id=offer.id,
        service_ids=list(offer.service_ids),
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        source=booker.who,
        history=[booker.entry("booked")],
    )

    def put_on(bay_id: int) -> None:
        appointment.bay_id = bay_id
        s.add(appointment)

    _take_a_bay(s, location, _stretch(offer), booker.now, put_on, ignore_appointment_id=None)
    _lead_is(s, booker.lead_id, "booked")
    halt_touches(s, booker.lead_id, "ended", "booked")
    return appointment


def move(s: Session, offer_id: int, booker: Booker) -> tuple[Appointment, datetime]:
    """Move the lead's next appointment to an offer; returns it and the start it had before.

    The row is changed in place, so the old time is kept until the new one is really taken. The same offer
    again changes nothing. Raises as `book` does, and BookingRefused when there is no appointment ahead.
    """
    offer, location = _offer_of(s, offer_id, booker)
    _queue_up(s, location)
    if (existing := _taken_by(s, offer)) is not None:
        return existing, _moved_from(existing)
    appointment = next(iter(upcoming(s, booker.lead_id, booker.now, location_id=location.id)), None)
    if appointment is None:
        raise nothing_to_change()
    _check_offer(s, offer, booker.now)
    before = appointment.starts_at
    details = {"from": before.astimezone(UTC).isoformat(), "to": offer.starts_at.astimezone(UTC).isoformat()}
    history = [*appointment.history, booker.entry("moved", **details)]

    def put_on(bay_id: int) -> None:
        appointment.bay_id = bay_id
        appointment.starts_at, appointment.ends_at = offer.starts_at, offer.ends_at
        appointment.offer_id, appointment.service_ids = offer.id, list(offer.service_ids)
        appointment.history, appointment.sync_state = history, "pending"

    _take_a_bay(s, location, _stretch(offer), booker.now, put_on, ignore_appointment_id=appointment.id)
    return appointment, before


def cancel(s: Session, booker: Booker) -> Appointment:
    """Cancel the lead's next appointment; the lead is `engaged` again when it was the last one.

    Raises BookingRefused when there is none ahead.
    """
    location_id = s.execute(select(Lead.location_id).where(Lead.id == booker.lead_id)).scalar_one()
    _queue_up(s, s.get_one(Location, location_id))
    ahead = upcoming(s, booker.lead_id, booker.now)
    if not ahead:
        raise nothing_to_change()
    appointment = ahead[0]
    appointment.status = "cancelled"
    appointment.sync_state = "pending"
    appointment.history = [*appointment.history, booker.entry("cancelled")]
    s.flush()
    if len(ahead) == 1:
        _lead_is(s, booker.lead_id, "engaged")
    return appointment


def upcoming(s: Session, lead_id: int, now: datetime, *, location_id: int | None = None) -> list[Appointment]:
    """The lead's booked or confirmed appointments that have not started, soonest first, freshly read."""
    statement = (
        select(Appointment)
        .where(Appointment.lead_id == lead_id, Appointment.status.in_(ACTIVE), Appointment.starts_at > now)
        .order_by(Appointment.starts_at, Appointment.id)
        .execution_options(populate_existing=True)
    )
    if location_id is not None:
        statement = statement.where(Appointment.location_id == location_id)
    return list(s.scalars(statement))


def _offer_of(s: Session, offer_id: int, booker: Booker) -> tuple[Offer, Location]:
    offer = s.get(Offer, offer_id)
    if offer is None or offer.session_id != booker.session_id or offer.lead_id != booker.lead_id:
        raise unknown_offer()
    return offer, s.get_one(Location, offer.location_id)


def _taken_by(s: Session, offer: Offer) -> Appointment | None:
    statement = select(Appointment).where(Appointment.offer_id == offer.id, Appointment.status != "cancelled")
    return s.scalars(statement.execution_options(populate_existing=True)).first()


def _queue_up(s: Session, location: Location) -> None:
    lock = select(Bay.id).where(Bay.location_id == location.id).order_by(Bay.id)
    s.execute(lock.with_for_update(key_share=True)).all()


def _check_offer(s: Session, offer: Offer, now: datetime) -> None:
    shown = s.get(ChatMessage, offer.message_id) if offer.message_id else None
    if shown is None or shown.status in UNSEEN:
        raise offer_not_shown()
    if offer.starts_at <= now:
        raise BookingRefused("past", "That time has already passed. Find times again and offer fresh ones.")
    if offer.expires_at <= now:
        raise offer_expired()


def _take_a_bay(
    s: Session,
    location: Location,
    wanted: Stretch,
    now: datetime,
    put_on: Callable[[int], None],
    *,
    ignore_appointment_id: int | None,
) -> None:
    """Try every free bay inside a savepoint of its own. Raises BookingConflict when none can be had."""
    book_now = load_day_book(s, location, now, ignore_appointment_id=ignore_appointment_id)
    why = refusal(book_now, wanted, now)
    if why is not None:
        raise _conflict(book_now, wanted, now, why)
    for bay_id in book_now.free_bays(wanted):
        try:
            with s.begin_nested():
                put_on(bay_id)
                s.flush()
        except DBAPIError as error:
            if not isinstance(error.orig, errors.ExclusionViolation | errors.DeadlockDetected):
                raise
        else:
            return
    # What a writer outside the lock has just taken is visible only to a fresh look.
    book_now = load_day_book(s, location, now, ignore_appointment_id=ignore_appointment_id)
    raise _conflict(book_now, wanted, now, "taken")


def _conflict(book_now: DayBook, wanted: Stretch, now: datetime, why: Refusal) -> BookingConflict:
    minutes = int((wanted.ends_at - wanted.starts_at).total_seconds() // 60)
    return BookingConflict(why, nearest(free_slots(book_now, minutes, now), wanted.starts_at))


def _stretch(offer: Offer) -> Stretch:
    return Stretch(offer.starts_at.astimezone(UTC), offer.ends_at.astimezone(UTC))


def _moved_from(appointment: Appointment) -> datetime:
    """Where the last move came from; an appointment booked from the very offer was never anywhere else."""
    moves = [entry for entry in appointment.history if entry["what"] == "moved"]
    return datetime.fromisoformat(moves[-1]["from"]) if moves else appointment.starts_at


def _vehicle_id(s: Session, lead_id: int) -> int | None:
    return s.scalars(select(Vehicle.id).where(Vehicle.lead_id == lead_id).order_by(Vehicle.id.desc())).first()


def _lead_is(s: Session, lead_id: int, status: str) -> None:
    # An opt-out outlives a booking, and a conversation a person has taken is the person's to hand back.
    keep = ("opted_out",) if status == "booked" else ("opted_out", "human", "won", "lost")
    s.execute(update(Lead).where(Lead.id == lead_id, Lead.status.not_in(keep)).values(status=status))
