"""`leads hours` and `leads close`: what an owner changes about when the shop works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.db import Database
from crm.models import Appointment, Location, LocationClosure
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import local, refused, running

NORTH = ("--tenant", "north")


@pytest.fixture
def cli(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command; both shops are there."""
    yield from running(test_database, clock, monkeypatch)


def put(db: Database, shop: Shop, day: int, hour: int = 9, **values: Any) -> int:
    """An appointment of the shop's customer, as it would stand after booking."""
    starts_at = local(day, hour)
    with db.tenant(shop.tenant_id) as s:
        row = Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=shop.lead_id,
            service_ids=[shop.service_ids["tint-full-sedan-carbon"]], starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=150), source="agent", **values,
        )  # fmt: skip
        s.add(row)
        s.flush()
        return row.id


def closures_of(db: Database, shop: Shop) -> list[tuple[str, str, str]]:
    with db.tenant(shop.tenant_id) as s:
        rows = s.scalars(select(LocationClosure).order_by(LocationClosure.starts_on)).all()
        return [(str(row.starts_on), str(row.ends_on), row.reason) for row in rows]


def hours_of(cli: Any, slug: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(cli("hours", "--tenant", slug, "--json").stdout)
    return shown


def test_hours_are_shown_with_bays_and_limits(cli: Any) -> None:
    output = cli("hours", "--tenant", "north").stdout
    assert "North Tint (north), America/Chicago" in output
    assert "weekly:           Mon-Fri 9:00 AM-6:00 PM; Sat 9:00 AM-2:00 PM; Sun closed" in output
    assert "public holidays:  none observed" in output
    assert "jobs a day:       no limit" in output
    assert "Bay 1  whenever open  everything" in output


def test_weekly_hours_get_a_lunch_break_for_one_tenant_only(cli: Any) -> None:
    before = hours_of(cli, "south")
    result = cli("hours", "set", "Mon-Wed,fri", "8:30-12:00", "1pm-5:30pm", "--tenant", "north")
    assert result.output == "north, Mon, Tue, Wed, Fri: 8:30-12:00 and 13:00-17:30.\n"
    shown = cli("hours", "--tenant", "north").stdout
    assert (
        "Mon-Wed 8:30 AM-12:00 PM and 1:00 PM-5:30 PM; Thu 9:00 AM-6:00 PM; Fri 8:30 AM-12:00 PM and" in shown
    )
    cli("hours", "set", "Sat", "closed", "--tenant", "north")
    assert "Sat-Sun closed" in cli("hours", "--tenant", "north").stdout
    assert hours_of(cli, "south") == before


def test_one_date_differs_and_becomes_usual_again(cli: Any) -> None:
    cli("hours", "set", "2026-12-24", "9:00-13:00", "--tenant", "north")
    assert hours_of(cli, "north")["exceptions"] == {"2026-12-24": [["09:00:00", "13:00:00"]]}
    assert hours_of(cli, "south")["exceptions"] == {}
    drawn = cli("calendar", "--day", "2026-12-24", "--tenant", "north").stdout.splitlines()
    assert drawn[2].split() == ["9", "10", "11", "12"]
    cli("hours", "set", "2026-12-24", "usual", "--tenant", "north")
    assert hours_of(cli, "north")["exceptions"] == {}


def test_a_bay_has_hours_and_skills_of_its_own(cli: Any) -> None:
    cli("hours", "set", "Sat", "closed", "--bay", "bay 2", "--tenant", "north")
    week = cli("calendar", "--week", "2026-11-28", "--tenant", "north").stdout.splitlines()
    assert week[2].startswith("Sat, Nov 28  Bay 1  [")
    assert week[3].strip() == "Bay 2  closed"
    monday = next(number for number, line in enumerate(week) if line.startswith("Mon"))
    assert week[monday + 1].split()[:2] == ["Bay", "2"]
    assert "closed" not in week[monday + 1]
    assert "Bay 2  Mon-Fri whenever open; Sat closed; Sun whenever open" in cli("hours", *NORTH).stdout
    never = ("hours", "set", "Sun-Fri", "closed", "--bay", "Bay 2", *NORTH)
    assert "that leaves Bay 2 no hours at all" in refused(cli, *never)
    cli("hours", "set", "Sat", "usual", "--bay", "Bay 2", "--tenant", "north")
    assert "closed" not in cli("calendar", "--week", "2026-11-28", "--tenant", "north").stdout.splitlines()[3]
    said = cli("hours", "skills", "Bay 1", "tint", "ppf-front", "--tenant", "north").output
    assert said == "Bay 1 does tint, ppf-front.\n"
    assert hours_of(cli, "north")["bays"][0]["skills"] == ["tint", "ppf-front"]
    cli("hours", "skills", "Bay 1", "everything", "--tenant", "north")
    assert hours_of(cli, "north")["bays"][0]["skills"] == []


def test_limits_are_set_and_lifted(cli: Any) -> None:
    given = ["--jobs", "8", "--labour-hours", "30.5", "--buffer-after", "15", "--same-day-until", "2pm"]
    said = cli("hours", "limits", *given, "--drop-off", "8:00-9:30", "--tenant", "north")
    assert said.exit_code == 0, said.output
    shown = cli("hours", "--tenant", "north").stdout
    for line in (
        "jobs a day:       8",
        "labour a day:     30 h 30 min",
        "buffers:          0 min before, 15 min after a job",
        "drop-off:         8:00 AM-9:30 AM",
        "same day until:   2:00 PM",
    ):
        assert line in shown
    cli("hours", "limits", "--jobs", "none", "--drop-off", "none", "--tenant", "north")
    kept = hours_of(cli, "north")
    assert (kept["max_jobs_per_day"], kept["drop_off_from"]) == (None, None)
    assert kept["max_labour_minutes_per_day"] == 1830
    assert hours_of(cli, "south")["max_labour_minutes_per_day"] is None


def test_public_holidays_are_observed_but_for_those_one_works_on(
    cli: Any, db: Database, world: World
) -> None:
    said = cli("hours", "holidays", "il", "--open-on", "columbus day", "--tenant", "north").output
    assert said == "north is closed on the public holidays of IL, but works on Columbus Day.\n"
    with db.tenant(world.north.tenant_id) as s:
        kept = s.get_one(Location, world.north.location_id).holidays
    assert kept == {"country": "US", "subdivision": "IL", "open_on": ["Columbus Day"]}
    shown = hours_of(cli, "north")["public_holidays"]
    assert shown["2026-11-26"] == "Thanksgiving Day"
    assert "2027-10-11" not in shown
    assert "closed: Thanksgiving Day" in cli("calendar", "--day", "2026-11-26", "--tenant", "north").stdout
    cli("hours", "holidays", "none", "--tenant", "north")
    assert hours_of(cli, "north")["public_holidays"] == {}


def test_a_day_is_closed_once_and_opened_again(cli: Any, db: Database, world: World) -> None:
    for _ in range(2):
        said = cli("close", "2026-12-24", "--reason", "Stock taking", "--tenant", "north").output
        assert said == "north is closed on Thu, Dec 24, 2026.\n"
    assert closures_of(db, world.north) == [("2026-12-24", "2026-12-24", "Stock taking")]
    assert closures_of(db, world.south) == []
    assert "closed: Stock taking" in cli("calendar", "--day", "2026-12-24", "--tenant", "north").stdout
    assert "closed" not in cli("calendar", "--day", "2026-12-24", "--tenant", "south").stdout.splitlines()[1]
    cli("close", "2026-12-24", "--open", "--tenant", "north")
    assert closures_of(db, world.north) == []


def test_opening_one_day_of_a_long_closure_leaves_the_rest_closed(
    cli: Any, db: Database, world: World
) -> None:
    cli("close", "2026-12-21", "--until", "2026-12-31", "--reason", "Winter", "--tenant", "north")
    cli("close", "2026-12-24", "--until", "2026-12-25", "--open", "--tenant", "north")
    assert closures_of(db, world.north) == [
        ("2026-12-21", "2026-12-23", "Winter"),
        ("2026-12-26", "2026-12-31", "Winter"),
    ]


def test_closing_a_booked_day_lists_who_is_booked_and_needs_a_yes(
    cli: Any, db: Database, world: World
) -> None:
    appointment = put(db, world.north, 24)
    put(db, world.north, 25)
    put(db, world.south, 24)
    result = cli("close", "2026-11-24", "--tenant", "north")
    assert result.exit_code == 2
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ID", str(appointment)]
    assert "2026-11-24 09:00:00 CST" in result.stdout
    assert "nothing was changed: 1 appointment is booked then; --yes" in result.stderr
    assert closures_of(db, world.north) == []
    result = cli("close", "2026-11-24", "--yes", "--tenant", "north")
    assert result.exit_code == 0
    assert "Still booked, to be moved" in result.stdout
    assert closures_of(db, world.north) == [("2026-11-24", "2026-11-24", "")]
    with db.tenant(world.north.tenant_id) as s:
        assert s.get_one(Appointment, appointment).status == "booked"


def test_who_is_in_the_shop_over_night_or_outside_the_hours_is_listed_too(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    stays = put(db, world.north, 23, 8, labour_minutes=540)
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Appointment, stays).ends_at = s.get_one(Appointment, stays).blocked_until = local(24, 12)
        s.get_one(Appointment, stays).starts_at = local(23, 9)
    clock.moment = local(23, 15)
    assert cli("close", "2026-11-24", *NORTH).stdout.split()[6] == str(stays)
    sunday = put(db, world.north, 29, override={"by": "Sam", "why": "a friend", "rules": ["closed"]})
    assert f"\n{sunday} " in cli("close", "2026-11-29", *NORTH).stdout
    assert cli("close", "2026-11-30", *NORTH).exit_code == 0


def test_shorter_hours_and_holidays_look_after_the_booked_too(cli: Any, db: Database, world: World) -> None:
    put(db, world.north, 24)
    put(db, world.north, 26)
    for arguments in (
        ["hours", "set", "Tue", "10:00-18:00"],
        ["hours", "set", "Tue", "9:00-10:00", "10:30-18:00"],
        ["hours", "set", "2026-11-24", "9:00-11:00"],
        ["hours", "set", "Tue", "12:00-18:00", "--bay", "Bay 1"],
        ["hours", "holidays", "IL"],
    ):
        before = hours_of(cli, "north")
        assert "1 appointment is booked then" in refused(cli, *arguments, "--tenant", "north")
        assert hours_of(cli, "north") == before
    assert cli("hours", "set", "Tue", "8:00-12:00", "--tenant", "north").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["close", "24.12.2026"], "'24.12.2026' is no date: write it like 2026-"),
        (["close", "2026-11-01"], "2026-11-01 is over"),
        (["close", "2026-12-24", "--until", "2026-12-20"], "2026-12-20 is before 2026-12-24"),
        (["close", "2026-12-24", "--open"], "north is not closed by hand on Thu, Dec 24, 2026"),
        (["close", "9999-12-24"], "9999-12-24 is too far from today"),
        (["close", "2026-12-24", "--location", "moon"], "there is no location 'moon'; there is north"),
        (["hours", "set", "Mon", "9:00-8:00"], "9:00-8:00 ends before it starts"),
        (["hours", "set", "Mon", "9-17"], "'9' is no time of day: write it like 9:00 or 9am"),
        (["hours", "set", "Mon", "25:00-26:00"], "'25:00' is no time of day"),
        (["hours", "set", "Mon", "noon"], "'noon' is no stretch of a day"),
        (["hours", "set", "Mon", "9:00-12:00", "11:00-18:00"], "two of these stretches overlap or touch"),
        (["hours", "set", "Moonday", "9:00-12:00"], "'Moonday' is no date"),
        (["hours", "set", "2026-12-24", "closed"], "a single day is closed with `leads close 2026-12-24`"),
        (["hours", "set", "Mon", "usual"], "weekdays are the usual hours"),
        (["hours", "set", "Mon", "closed", "--bay", "Bay 9"], "there is no bay 'Bay 9' at north; there is"),
        (["hours", "set", "2026-12-24", "9:00-10:00", "--bay", "Bay 1"], "a bay has hours for weekdays only"),
        (["hours", "set", "Mon-Sun", "closed", "--bay", "Bay 1"], "that leaves Bay 1 no hours at all"),
        (["hours", "limits"], "say which limit"),
        (["hours", "limits", "--jobs", "many"], "--jobs is a number or none, not 'many'"),
        (["hours", "limits", "--jobs", "nan"], "--jobs cannot be nan"),
        (["hours", "limits", "--jobs", "-1"], "--jobs cannot be -1"),
        (["hours", "holidays", "Atlantis"], "no public holidays are known for 'Atlantis'"),
        (
            ["hours", "holidays", "IL", "--open-on", "Payday"],
            "IL has no holiday 'Payday'; it has Casimir Pulaski Day",
        ),
        (["hours", "skills", "Bay 1", "welding"], "north has no service or category 'welding'; categories"),
        (["calendar", "--day", "--week"], "say --day or --week, not both"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(cli: Any, arguments: list[str], sentence: str) -> None:
    before = hours_of(cli, "north")
    assert sentence in refused(cli, *arguments, "--tenant", "north")
    assert hours_of(cli, "north") == before
