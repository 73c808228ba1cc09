"""What `leads hours` prints."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import click
from sqlalchemy.orm import Session

from cli.output import heading, one_line, print_json, print_table
from cli.when import local_today
from crm.calendar.hours_card import BayCard, HoursCard, load_hours_card
from crm.calendar.labels import clock_label, day_label, duration_label, hours_text
from crm.models import Location

SHOWN_HOLIDAYS = 4
NO_LIMIT = "no limit"
WHENEVER = "whenever open"
ALL_DAY = "12:00 AM-11:59 PM"


def show_hours(s: Session, location: Location, now: datetime, *, as_json: bool) -> None:
    """Print when a location works and what limits it has, from today on."""
    today = local_today(now, location.timezone)
    card = load_hours_card(s, location, today, today + timedelta(days=366))
    if as_json:
        print_json(_as_data(card))
        return
    heading(f"{one_line(location.name)} ({location.slug}), {location.timezone}")
    for name, value in [*_days(card), *_limits(location)]:
        click.echo(f"{name + ':':18}{value}")
    click.echo()
    print_table(("BAY", "WORKS", "SKILLS"), [_bay(bay) for bay in card.bays])


def _days(card: HoursCard) -> list[tuple[str, str]]:
    special = [
        f"{day_label(day)} {' and '.join(_stretch(*one) for one in stretches)}"
        for day, stretches in card.special.items()
    ]
    closed = [
        f"{_span(first, last)}{f' ({one_line(reason)})' if reason else ''}"
        for first, last, reason in card.closures
    ]
    holidays = [f"{day_label(day)} {one_line(name)}" for day, name in card.holidays.items()]
    more = f" and {len(holidays) - SHOWN_HOLIDAYS} more" if len(holidays) > SHOWN_HOLIDAYS else ""
    where = one_line(card.observes) or "none observed"
    return [
        ("weekly", hours_text(card.weekly)),
        ("exceptions", "; ".join(special) or "none"),
        ("closed", "; ".join(closed) or "no days ahead"),
        (
            "public holidays",
            where + (f": {'; '.join(holidays[:SHOWN_HOLIDAYS])}{more}" if holidays else ""),
        ),
        *([("works on", ", ".join(one_line(name) for name in card.open_on))] if card.open_on else []),
    ]


def _limits(location: Location) -> list[tuple[str, str]]:
    labour = location.max_labour_minutes_per_day
    drop_off = "in the first hour of the day"
    if location.drop_off_from and location.drop_off_until:
        drop_off = _stretch(location.drop_off_from, location.drop_off_until)
    before, after = location.buffer_before_minutes, location.buffer_after_minutes
    cutoff = location.same_day_cutoff
    return [
        ("jobs a day", str(location.max_jobs_per_day or NO_LIMIT)),
        ("labour a day", duration_label(labour) if labour else NO_LIMIT),
        ("buffers", f"{before} min before, {after} min after a job"),
        ("drop-off", drop_off),
        ("same day until", clock_label(cutoff) if cutoff else NO_LIMIT),
        ("notice", duration_label(location.notice_minutes) or "none"),
        ("horizon", f"{location.horizon_days} days"),
        ("starts every", duration_label(location.slot_minutes)),
    ]


def _bay(bay: BayCard) -> list[str]:
    # A bay that differs on some days has rows for the others too, which say no more than this.
    works = hours_text(bay.hours).replace(ALL_DAY, WHENEVER) if bay.hours else WHENEVER
    return [bay.name, works if bay.active else "not in use", ", ".join(bay.skills) or "everything"]


def _stretch(opens: time, closes: time) -> str:
    return f"{clock_label(opens)}-{clock_label(closes)}"


def _span(first: date, last: date) -> str:
    return day_label(first) if first == last else f"{day_label(first)} to {day_label(last)}"


def _as_data(card: HoursCard) -> dict[str, object]:
    location = card.location
    limits = (
        "slug", "timezone", "max_jobs_per_day", "max_labour_minutes_per_day", "buffer_before_minutes",
        "buffer_after_minutes", "drop_off_from", "drop_off_until", "same_day_cutoff", "notice_minutes",
        "horizon_days", "slot_minutes", "holidays",
    )  # fmt: skip
    return {
        **{name: getattr(location, name) for name in limits},
        "weekly": [_row(row.weekday, row.opens, row.closes) for row in card.weekly],
        "exceptions": {str(day): [list(map(str, one)) for one in ones] for day, ones in card.special.items()},
        "closed": [[str(first), str(last), reason] for first, last, reason in card.closures],
        "public_holidays": {str(day): name for day, name in card.holidays.items()},
        "bays": [
            {
                "id": bay.id,
                "name": bay.name,
                "active": bay.active,
                "skills": bay.skills,
                "hours": [_row(row.weekday, row.opens, row.closes) for row in bay.hours],
            }
            for bay in card.bays
        ],
    }


def _row(weekday: int, opens: time, closes: time) -> dict[str, object]:
    return {"weekday": weekday, "opens": opens.isoformat("minutes"), "closes": closes.isoformat("minutes")}
