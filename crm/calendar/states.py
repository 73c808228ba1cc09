"""What may become of an appointment. Saying the same thing twice changes nothing and is no error."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.booker import Booker, queue_up, set_lead, upcoming
from crm.calendar.daybook import ACTIVE
from crm.calendar.refusals import not_started, nothing_to_change, unknown_appointment, wrong_state
from crm.calendar.sync import mark
from crm.models import Appointment, Lead
from crm.reminders import plan_reminders

# From each state to the states that may follow. An owner may correct what is over, a cancellation is final: the bay
# may long be someone else's.
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "booked": frozenset({"confirmed", "cancelled", "completed", "no_show"}),
    "confirmed": frozenset({"cancelled", "completed", "no_show"}),
    "completed": frozenset({"no_show"}),
    "no_show": frozenset({"completed"}),
    "cancelled": frozenset(),
}


def confirm(s: Session, booker: Booker, appointment_id: int | None = None) -> Appointment:
    """The customer says they will come; without an id it is their next appointment.

    Raises BookingRefused when there is none, or it is over.
    """
    return _change(s, booker, appointment_id, "confirmed")


def cancel(s: Session, booker: Booker, appointment_id: int | None = None) -> Appointment:
    """Cancel an appointment, the lead's next one without an id; the lead is `engaged` again when it was the last.

    The same message cancels once. Raises BookingRefused when there is none, or it is over.
    """
    return _change(s, booker, appointment_id, "cancelled")


def complete(s: Session, booker: Booker, appointment_id: int) -> Appointment:
    """The work is done, and the lead is won. Raises BookingRefused before the start and after a cancellation."""
    return _change(s, booker, appointment_id, "completed")


def no_show(s: Session, booker: Booker, appointment_id: int) -> Appointment:
    """The customer did not come. Raises BookingRefused before the start and after a cancellation."""
    return _change(s, booker, appointment_id, "no_show")


def appointment_of(s: Session, booker: Booker, appointment_id: int) -> Appointment:
    """The appointment with this id, freshly read; only the customer's own when the booker acts for one.

    Raises BookingRefused.
    """
    statement = select(Appointment).where(Appointment.id == appointment_id)
    found = s.scalars(statement.execution_options(populate_existing=True)).first()
    if found is None or booker.lead_id not in (None, found.lead_id):
        raise unknown_appointment()
    return found


def _change(s: Session, booker: Booker, appointment_id: int | None, status: str) -> Appointment:
    queue_up(s, _location_id(s, booker, appointment_id))
    if (done := _done_before(s, booker, appointment_id, status)) is not None:
        return done
    appointment = _meant(s, booker, appointment_id)
    if appointment.status == status:
        return appointment
    if status not in TRANSITIONS[appointment.status]:
        raise wrong_state(status.replace("_", " "), appointment.status)
    if status in ("completed", "no_show") and appointment.starts_at > booker.now:
        raise not_started()
    appointment.status = status
    appointment.sequence += int(status == "cancelled")
    appointment.history = [*appointment.history, booker.entry(status)]
    if status in ("cancelled", "no_show"):
        mark(s, appointment, booker.now)
    plan_reminders(s, appointment, booker.now)
    s.flush()
    _tell_lead(s, appointment, booker)
    return appointment


def _location_id(s: Session, booker: Booker, appointment_id: int | None) -> int:
    if appointment_id is not None:
        return appointment_of(s, booker, appointment_id).location_id
    if booker.lead_id is None:
        raise nothing_to_change()
    return s.execute(select(Lead.location_id).where(Lead.id == booker.lead_id)).scalar_one()


def _done_before(s: Session, booker: Booker, appointment_id: int | None, status: str) -> Appointment | None:
    """What this very message has already brought about; without an id its second run must not take the next one."""
    if appointment_id is not None or booker.message_id is None:
        return None
    entry = {"what": status, "message": booker.message_id}
    statement = select(Appointment).where(
        Appointment.lead_id == booker.lead_id, Appointment.history.contains([entry])
    )
    return s.scalars(statement.execution_options(populate_existing=True)).first()


def _meant(s: Session, booker: Booker, appointment_id: int | None) -> Appointment:
    if appointment_id is not None:
        return appointment_of(s, booker, appointment_id)
    ahead = upcoming(s, booker.lead_id, booker.now) if booker.lead_id is not None else []
    if not ahead:
        raise nothing_to_change()
    return ahead[0]


def _tell_lead(s: Session, appointment: Appointment, booker: Booker) -> None:
    if appointment.lead_id is None:
        return
    if appointment.status == "completed":
        set_lead(s, appointment.lead_id, "won", booker)
    elif appointment.status not in ACTIVE and not upcoming(s, appointment.lead_id, booker.now):
        set_lead(s, appointment.lead_id, "engaged", booker)
