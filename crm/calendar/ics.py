"""An appointment as a calendar file (RFC 5545), sent as an invitation (RFC 5546)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vText

from crm.calendar.labels import day_label, visit_label
from crm.models import Appointment, Lead, Location, Service

PRODUCT = "-//Lead Orchestrator//Calendar//EN"


def invitation(
    appointment: Appointment, location: Location, lead: Lead, services: Sequence[Service], now: datetime
) -> bytes:
    """The file for a customer's calendar: a booking, its change, or its cancellation.

    The UID is the same for all of an appointment's files and SEQUENCE grows with every change, so a calendar replaces
    what it has. Times are UTC, which every calendar shows in its own zone. A car that is left is an event as long as
    the window for dropping it off. `now` is DTSTAMP.
    """
    cancelled = appointment.status == "cancelled"
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", _method(location, lead, cancelled))
    event = Event()
    event.add("uid", uid(appointment, location))
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", (appointment.arrives_from or appointment.starts_at).astimezone(UTC))
    event.add("dtend", (appointment.arrives_until or appointment.ends_at).astimezone(UTC))
    names = ", ".join(service.name for service in services) or "Appointment"
    dropped = "Drop off: " if appointment.arrives_from else ""
    event.add("summary", _plain(f"{dropped}{names} at {location.name}"))
    event.add("description", _description(appointment, location, names))
    event.add("location", _plain(_address(location)))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    _add_people(event, location, lead)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def uid(appointment: Appointment, location: Location) -> str:
    """The same for ever and unlike any other appointment's."""
    domain = (location.mailbox or "").partition("@")[2] or "appointments.invalid"
    return f"appointment-{appointment.tenant_id}-{appointment.id}@{domain}"


def _method(location: Location, lead: Lead, cancelled: bool) -> str:
    # Without both an organizer and an attendee it can only be published (RFC 5546, 3.2).
    if cancelled:
        return "CANCEL"
    return "REQUEST" if location.mailbox and lead.email else "PUBLISH"


def _add_people(event: Event, location: Location, lead: Lead) -> None:
    if location.mailbox:
        organizer = vCalAddress(f"mailto:{location.mailbox}")
        organizer.params["CN"] = vText(_plain(location.name))
        event["organizer"] = organizer
    if lead.email and location.mailbox:
        attendee = vCalAddress(f"mailto:{_plain(lead.email)}")
        name = " ".join(part for part in (lead.first_name, lead.last_name) if part)
        if name:
            attendee.params["CN"] = vText(_plain(name))
        attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
        # They have said yes in the conversation; the shop reads no answers to invitations.
        attendee.params["PARTSTAT"] = vText("ACCEPTED")
        attendee.params["RSVP"] = vText("FALSE")
        event.add("attendee", attendee)


def _description(appointment: Appointment, location: Location, names: str) -> str:
    lines = [names, visit_label(appointment, location.timezone)]
    if appointment.arrives_from:
        done = appointment.ends_at.astimezone(ZoneInfo(location.timezone)).date()
        lines.append(f"Done on {day_label(done)}")
    if phone := location.public_phone or location.phone:
        lines.append(f"Questions or changes: {phone}")
    return "\n".join(_plain(line) for line in lines)


def _address(location: Location) -> str:
    state = " ".join(part for part in (location.state, location.postal_code) if part)
    return ", ".join(part for part in (location.name, location.address, location.city, state) if part)


def _plain(text: str) -> str:
    """One line without control characters and double quotes: a parameter can hold neither (RFC 5545, 3.2)."""
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text).replace('"', "'")
