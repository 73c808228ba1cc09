"""The calendar file, read back by the library that calendars are made with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from icalendar import Calendar, Event

from crm.calendar.ics import invitation
from crm.models import Appointment, Lead, Location, Service

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
TINT = Service(id=1, code="t", name="Full tint; carbon, sedan", category="tint", duration_minutes=150)


def shop(**changes: Any) -> Location:
    """A shop with a mailbox."""
    own = {
        "name": 'North "Tint"',
        "timezone": "America/Chicago",
        "mailbox": "shop@north.example",
        "phone": "+13125550101",
        "address": "1 Main St",
        "city": "Chicago",
        "state": "IL",
        "postal_code": "60614",
    }
    return Location(**{**own, **changes})


def booked(**changes: Any) -> Appointment:
    """Tuesday at nine for two and a half hours."""
    own = {
        "id": 5,
        "tenant_id": 3,
        "starts_at": datetime(2026, 11, 24, 15, tzinfo=UTC),
        "ends_at": datetime(2026, 11, 24, 17, 30, tzinfo=UTC),
        "status": "booked",
        "sequence": 0,
    }
    return Appointment(**{**own, **changes})


def read(appointment: Appointment, location: Location | None = None, **lead: Any) -> tuple[Calendar, Event]:
    """The file as a calendar reads it."""
    who = Lead(**{"first_name": "Dana", "last_name": "Reed\r\nX", "email": "dana@example.com", **lead})
    raw = invitation(appointment, location or shop(), who, [TINT], NOW)
    assert b"\r\n" in raw
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    calendar = Calendar.from_ical(raw)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def test_a_booking() -> None:
    calendar, event = read(booked())
    assert (calendar["method"], calendar["version"]) == ("REQUEST", "2.0")
    assert (event["uid"], event["sequence"], event["status"]) == (
        "appointment-3-5@north.example",
        0,
        "CONFIRMED",
    )
    assert (event.start, event.end, event["dtstamp"].dt) == (booked().starts_at, booked().ends_at, NOW)
    assert event["summary"] == "Full tint; carbon, sedan at North 'Tint'"
    assert event["location"] == "North 'Tint', 1 Main St, Chicago, IL 60614"
    assert event["organizer"] == "mailto:shop@north.example"
    assert event["attendee"] == "mailto:dana@example.com"
    assert event["attendee"].params["CN"] == "Dana Reed  X"
    assert "Tue, Nov 24 at 9:00 AM" in event["description"]


def test_a_change_and_a_cancellation_replace_the_same_event() -> None:
    _, moved = read(booked(sequence=1, starts_at=datetime(2026, 11, 25, 15, tzinfo=UTC)))
    calendar, gone = read(booked(sequence=2, status="cancelled"))
    assert [moved["uid"], moved["sequence"]] == ["appointment-3-5@north.example", 1]
    assert [gone["uid"], gone["sequence"], gone["status"]] == [moved["uid"], 2, "CANCELLED"]
    assert calendar["method"] == "CANCEL"


def test_a_car_that_is_left_is_the_window_for_dropping_it_off() -> None:
    begin, end = datetime(2026, 11, 24, 15, tzinfo=UTC), datetime(2026, 11, 24, 16, tzinfo=UTC)
    work = datetime(2026, 11, 25, 21, tzinfo=UTC)
    _, event = read(booked(arrives_from=begin, arrives_until=end, starts_at=end, ends_at=work))
    assert (event.start, event.end) == (begin, end)
    assert event["summary"].startswith("Drop off: ")
    assert "Done on Wed, Nov 25" in event["description"]


def test_without_an_address_on_both_sides_it_is_only_published() -> None:
    calendar, event = read(booked(), email=None)
    assert calendar["method"] == "PUBLISH"
    assert "attendee" not in event
    calendar, event = read(booked(), shop(mailbox=None))
    assert calendar["method"] == "PUBLISH"
    assert event["uid"] == "appointment-3-5@appointments.invalid"


def test_the_same_facts_are_the_same_bytes() -> None:
    files = {invitation(booked(), shop(), Lead(email="d@example.com"), [TINT], NOW) for _ in range(3)}
    assert len(files) == 1
