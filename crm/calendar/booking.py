"""Book and move. The rules are asked again inside the transaction, and the database has the last word.

Writers of one location queue up on a lock, so that two bookings never deadlock on the exclusion constraint; a
writer that does not take the lock is still stopped by the constraint, and then another bay is tried. Whoever is
refused gives the lock back before looking for other times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm.calendar.booker import Booker, Override, same_work, set_lead, upcoming
from crm.calendar.daybook import ACTIVE
from crm.calendar.holds import HeldFor
from crm.calendar.job import Job
from crm.calendar.labels import visit_label
from crm.calendar.offers import check_offer, job_of, offer_of
from crm.calendar.placing import Wish, fill_in, queued, start_for, take_a_bay
from crm.calendar.refusals import (
    already_booked,
    none_like_it,
    nothing_to_change,
    several_like_it,
    wrong_state,
)
from crm.calendar.rules import Slot
from crm.calendar.states import appointment_of, cancel, complete, confirm, no_show
from crm.models import Appointment, Location, Offer, Vehicle
from crm.reminders import plan_reminders
from crm.touches import halt_touches

__all__ = [
    "Booker",
    "Override",
    "book",
    "book_directly",
    "cancel",
    "complete",
    "confirm",
    "move",
    "move_directly",
    "no_show",
    "upcoming",
]


def book(s: Session, offer_id: int, booker: Booker) -> Appointment:
    """Turn an offer into an appointment on any free bay; the same offer again gives the same appointment, and so does
    the same message after the appointment was moved or cancelled.

    The lead becomes `booked` and its cadence ends. Raises BookingRefused (unknown, foreign, not shown or
    expired offer; same service already booked) and BookingConflict with the nearest free times.
    """
    offer = offer_of(s, offer_id, booker)
    location = s.get_one(Location, offer.location_id)

    def write() -> Appointment:
        if (existing := _done_before(s, offer, booker)) is not None:
            return existing
        check_offer(s, offer, booker.now)
        for other in upcoming(s, offer.lead_id, booker.now):
            if set(other.service_ids) & set(offer.service_ids):
                raise already_booked(visit_label(other, location.timezone))
        return _add(s, location, offer.lead_id, _wish(s, offer), booker, offer=offer)

    return queued(s, location, booker.now, write)


def book_directly(
    s: Session,
    location: Location,
    lead_id: int | None,
    job: Job,
    starts_at: datetime,
    booker: Booker,
    override: Override | None = None,
) -> Appointment:
    """Book without an offer, for a person at the shop and for outside calendars; the source is `booker.who`.

    For a car that is left, a time within the day's window for dropping off means that window. What `override` lifts is
    not asked, and it is kept with the appointment. Raises BookingConflict with the nearest free times.
    """

    def write() -> Appointment:
        wish = _direct(s, location, job, starts_at, booker, override, None)
        return _add(s, location, lead_id, wish, booker, override=override)

    return queued(s, location, booker.now, write)


def move(s: Session, offer_id: int, booker: Booker) -> tuple[Appointment, datetime]:
    """Move the lead's appointment for the very services of an offer to that offer; returns it and the start it had
    before.

    The row is changed in place, so the old time is kept until the new one is really taken. The same offer again changes
    nothing. Raises as `book` does, and BookingRefused when not exactly one appointment ahead is for these services.
    """
    offer = offer_of(s, offer_id, booker)
    location = s.get_one(Location, offer.location_id)

    def write() -> tuple[Appointment, datetime]:
        if (existing := _done_before(s, offer, booker)) is not None:
            return existing, _moved_from(existing)
        ahead = upcoming(s, offer.lead_id, booker.now, location_id=location.id)
        appointment = _replaced(ahead, offer.service_ids)
        check_offer(s, offer, booker.now)
        wish = _wish(s, offer, appointment.id)
        return _change(s, location, appointment, wish, booker, offer=offer)

    return queued(s, location, booker.now, write)


def move_directly(
    s: Session, appointment_id: int, starts_at: datetime, booker: Booker, override: Override | None = None
) -> tuple[Appointment, datetime]:
    """Move an appointment without an offer; returns it and the start it had before.

    Moving to where it is changes nothing. Raises BookingRefused (unknown appointment, or one that is over) and
    BookingConflict; the old time is kept then.
    """
    location = s.get_one(Location, appointment_of(s, booker, appointment_id).location_id)

    def write() -> tuple[Appointment, datetime]:
        appointment = appointment_of(s, booker, appointment_id)
        if appointment.status not in ACTIVE:
            raise wrong_state("moved", appointment.status)
        wish = _direct(s, location, job_of(s, appointment), starts_at, booker, override, appointment.id)
        if wish.starts_at == appointment.starts_at:
            return appointment, appointment.starts_at
        return _change(s, location, appointment, wish, booker, override=override)

    return queued(s, location, booker.now, write)


def _replaced(ahead: Sequence[Appointment], service_ids: Iterable[int]) -> Appointment:
    """The appointment that a time for these services is a new time for. Raises BookingRefused: one for other work would
    lose its work, and of two for the same work nobody can tell which is meant."""
    if not ahead:
        raise nothing_to_change()
    same = same_work(ahead, service_ids)
    if len(same) != 1:
        raise several_like_it() if same else none_like_it()
    return same[0]


def _add(
    s: Session,
    location: Location,
    lead_id: int | None,
    wish: Wish,
    booker: Booker,
    *,
    offer: Offer | None = None,
    override: Override | None = None,
) -> Appointment:
    appointment = Appointment(
        tenant_id=location.tenant_id,
        location_id=location.id,
        lead_id=lead_id,
        vehicle_id=_vehicle_id(s, lead_id),
        offer_id=offer.id if offer else None,
        source=booker.who,
        override=override.record() if override else None,
        history=[booker.entry("booked", **_details(offer, override))],
    )

    def put_on(slot: Slot, bay_id: int) -> None:
        fill_in(appointment, wish.job, slot, bay_id)
        plan_reminders(s, appointment, booker.now)
        s.add(appointment)

    take_a_bay(s, location, wish, booker.now, put_on)
    if lead_id is not None:
        set_lead(s, lead_id, "booked", booker)
        halt_touches(s, lead_id, "ended", "booked")
    return appointment


def _change(
    s: Session,
    location: Location,
    appointment: Appointment,
    wish: Wish,
    booker: Booker,
    *,
    offer: Offer | None = None,
    override: Override | None = None,
) -> tuple[Appointment, datetime]:
    before = appointment.starts_at
    sequence, history = appointment.sequence + 1, list(appointment.history)

    def put_on(slot: Slot, bay_id: int) -> None:
        fill_in(appointment, wish.job, slot, bay_id)
        times = {"from": before.astimezone(UTC).isoformat(), "to": slot.starts_at.isoformat()}
        appointment.history = [*history, booker.entry("moved", **times, **_details(offer, override))]
        appointment.offer_id = offer.id if offer else None
        # What was lifted for the old time says nothing about the new one; the history keeps it.
        appointment.override = override.record() if override else None
        # Who has confirmed one time has not confirmed another.
        appointment.status, appointment.sync_state, appointment.sequence = "booked", "pending", sequence
        plan_reminders(s, appointment, booker.now)

    take_a_bay(s, location, wish, booker.now, put_on)
    return appointment, before


def _wish(s: Session, offer: Offer, ignore: int | None = None) -> Wish:
    starts_at, ends_at = offer.starts_at.astimezone(UTC), offer.ends_at.astimezone(UTC)
    return Wish(
        job_of(s, offer),
        starts_at,
        ends_at,
        window=(offer.arrives_from, offer.arrives_until),
        ignore_appointment_id=ignore,
        held_for=HeldFor(offer.session_id, offer.id),
    )


def _direct(
    s: Session,
    location: Location,
    job: Job,
    starts_at: datetime,
    booker: Booker,
    override: Override | None,
    ignore: int | None,
) -> Wish:
    if starts_at.tzinfo is None:
        raise ValueError("a start needs a time zone")
    lifted = override.rules if override else frozenset()
    start = start_for(s, location, job, starts_at.astimezone(UTC), booker.now)
    return Wish(job, start, lifted=lifted, ignore_appointment_id=ignore)


def _done_before(s: Session, offer: Offer, booker: Booker) -> Appointment | None:
    """What this offer, or this message with it, has brought about already."""
    done: ColumnElement[bool] = (Appointment.offer_id == offer.id) & (Appointment.status != "cancelled")
    if booker.message_id is not None:
        entry = {"message": booker.message_id, "offer": offer.id}
        done = or_(done, Appointment.history.contains([entry]))
    statement = select(Appointment).where(Appointment.lead_id == offer.lead_id, done)
    return s.scalars(statement.execution_options(populate_existing=True)).first()


def _details(offer: Offer | None, override: Override | None) -> dict[str, Any]:
    details: dict[str, Any] = {"offer": offer.id} if offer else {}
    return {**details, "override": override.record()} if override else details


def _moved_from(appointment: Appointment) -> datetime:
    """Where the last move came from; an appointment booked from the very offer was never anywhere else."""
    moves = [entry for entry in appointment.history if entry["what"] == "moved"]
    return datetime.fromisoformat(moves[-1]["from"]) if moves else appointment.starts_at


def _vehicle_id(s: Session, lead_id: int | None) -> int | None:
    return s.scalars(select(Vehicle.id).where(Vehicle.lead_id == lead_id).order_by(Vehicle.id.desc())).first()
