"""`leads calendar`, `slots`, `book`, `move`, `cancel` and `mark`: the owner's hands on the calendar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from cli.main import main
from crm.calendar.overview import load_overview
from crm.db import Database
from crm.models import Appointment, Bay, Lead, Location, Service
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.calendar_commands_help import local, refused, running

TINT = "tint-full-sedan-carbon"
NORTH = ("--tenant", "north")
OVERRIDE = ("--by", "Sam", "--why", "regular customer")


@pytest.fixture
def cli(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command; both shops are there."""
    yield from running(test_database, clock, monkeypatch)


def book(cli: Any, at: str, *arguments: str, slug: str = "north") -> int:
    """Books the customer of the world and returns the appointment's number."""
    result = cli("book", CUSTOMER_PHONE, TINT, "--at", at, "--tenant", slug, *arguments)
    assert result.exit_code == 0, result.output
    return int(result.stdout.split("#")[1].split(":")[0])


def appointment(db: Database, shop: Shop, number: int) -> Appointment:
    with db.tenant(shop.tenant_id) as s:
        return s.get_one(Appointment, number)


def lead_status(db: Database, shop: Shop) -> str:
    with db.tenant(shop.tenant_id) as s:
        return s.get_one(Lead, shop.lead_id).status


def limit(db: Database, shop: Shop, **values: Any) -> None:
    with db.tenant(shop.tenant_id) as s:
        for name, value in values.items():
            setattr(s.get_one(Location, shop.location_id), name, value)


def test_a_booking_is_made_drawn_moved_and_cancelled(cli: Any, db: Database, world: World) -> None:
    made = cli("book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 09:00", *NORTH)
    assert made.exit_code == 0, made.output
    number = int(made.stdout.split("#")[1].split(":")[0])
    assert made.stdout.splitlines() == [
        f"Booked #{number}: Tue, Nov 24 at 9:00 AM, done Tue 11:30, Bay 1, Dana.",
        "The customer gets a confirmation by mail.",
    ]
    assert lead_status(db, world.north) == "booked"
    drawn = cli("calendar", "--day", "tomorrow", *NORTH).stdout
    assert "Bay 1  [a Dana ======]......" in drawn
    assert f"a  #{number} 9:00-11:30  Bay 1  Dana  Full car tint, sedan, carbon film" in drawn
    assert f"9:00 #{number} Dana" in cli("calendar", *NORTH).stdout

    moved = cli("move", str(number), "--to", "2026-11-25 13:00", *NORTH)
    assert moved.stdout.startswith(f"Moved #{number}: Wed, Nov 25 at 1:00 PM, done Wed 15:30")
    assert moved.stdout.endswith("The customer gets a confirmation by mail.\n")
    assert appointment(db, world.north, number).starts_at == local(25, 13)

    for _ in range(2):
        gone = cli("cancel", str(number), "--why", "car sold", *NORTH)
        assert gone.stdout.startswith(f"Cancelled #{number}:"), gone.output
        assert gone.stdout.endswith("The customer has not been told; write or call.\n")
    row = appointment(db, world.north, number)
    assert row.status == "cancelled"
    assert [(one["who"], one["what"]) for one in row.history] == [
        ("owner", "booked"), ("owner", "moved"), ("owner", "cancelled"),
    ]  # fmt: skip
    assert row.history[-1]["why"] == "car sold"
    assert "Dana" not in cli("calendar", "--day", "2026-11-25", *NORTH).stdout
    assert lead_status(db, world.north) == "engaged"


def test_what_slots_finds_can_be_booked(cli: Any) -> None:
    wish = ("--from", "2026-11-28", "--to", "2026-11-28", "--after", "9am", "--before", "11:00")
    found = json.loads(cli("slots", TINT, "tint-sunstrip", *wish, "--json", *NORTH).stdout)
    assert found
    assert all(slot["starts_at"].startswith("2026-11-28T1") for slot in found)
    lines = cli("slots", TINT, *wish, "--limit", "2", *NORTH)
    assert lines.stdout.splitlines()[0].split() == ["AT", "DROP", "OFF", "DONE", "BAYS"]
    at = lines.stdout.splitlines()[1][:16]
    assert at.startswith("2026-11-28 ")
    assert "Bay 1, Bay 2" in lines.stdout
    assert "2 h 30 min of work; times are America/Chicago" in lines.stderr
    assert book(cli, at)


def test_a_car_that_is_dropped_off_is_shown_with_its_window(cli: Any, db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Service, world.north.service_ids["ppf-front"]).visit = "drop_off"
    slot = json.loads(cli("slots", "ppf-front", "--limit", "1", "--json", *NORTH).stdout)[0]
    assert slot["arrives_from"] < slot["arrives_until"] <= slot["starts_at"]
    line = cli("slots", "ppf-front", "--limit", "1", *NORTH).stdout.splitlines()[1]
    assert "09:00-10:00" in line
    made = cli("book", CUSTOMER_PHONE, "ppf-front", "--at", line[:16], *NORTH)
    assert made.exit_code == 0, made.output
    assert "drop off" in made.stdout
    day = cli("calendar", "--day", line[:10], *NORTH).stdout
    assert "drop off 9:00-10:00" in day


def test_a_limit_is_lifted_only_in_somebodys_name_and_shown_ever_after(
    cli: Any, db: Database, world: World
) -> None:
    limit(db, world.north, max_jobs_per_day=1)
    book(cli, "2026-11-24 09:00")
    arguments = ("book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 13:00", *NORTH)
    why_not = refused(cli, *arguments)
    assert "that day has all the jobs it takes; free near it: 2026-11-" in why_not
    assert "--override max_jobs_per_day --by NAME --why TEXT takes it all the same" in why_not
    lift = ("--override", "max_jobs_per_day")
    assert "needs --by NAME and --why TEXT" in refused(cli, *arguments, *lift)
    assert "needs --by NAME and --why TEXT" in refused(cli, *arguments, *lift, "--by", "Sam", "--why", " ")
    number = book(cli, "2026-11-24 13:00", *lift, *OVERRIDE)
    row = appointment(db, world.north, number)
    assert row.override is not None
    assert (row.override["by"], row.override["why"]) == ("Sam", "regular customer")
    assert any("Sam" in json.dumps(entry) for entry in row.history)
    line = f"! #{number} lifted max_jobs_per_day: Sam, regular customer"
    assert line in cli("show", CUSTOMER_PHONE, *NORTH).stdout
    assert line in cli("calendar", "--day", "2026-11-24", *NORTH).stdout
    assert line in cli("calendar", *NORTH).stdout


def test_no_word_of_a_person_puts_two_cars_on_one_bay(cli: Any, db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Bay, world.north.bay_ids[1]).active = False
    book(cli, "2026-11-24 09:00")
    lift = [word for name in ("hours", "grid", "notice", "max_jobs_per_day") for word in ("--override", name)]
    sentence = refused(
        cli, "book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 10:00", *lift, *OVERRIDE, *NORTH
    )
    assert "every bay that could do it is taken; free near it: 2026-11-2" in sentence
    assert "takes it all the same" not in sentence


def test_the_same_booking_twice_is_a_slip_unless_it_is_meant(cli: Any) -> None:
    number = book(cli, "2026-11-24 09:00")
    again = ("book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 09:00", *NORTH)
    assert f"that is booked already as #{number}; --again" in refused(cli, *again)
    assert book(cli, "2026-11-24 09:00", "--again") != number


def test_a_move_that_cannot_be_had_keeps_the_old_time(cli: Any, db: Database, world: World) -> None:
    number = book(cli, "2026-11-24 09:00")
    sentence = refused(cli, "move", str(number), "--to", "2026-11-29 10:00", *NORTH)
    assert "the shop or its bays are not open for all of the work" in sentence
    assert appointment(db, world.north, number).starts_at == local(24, 9)
    lift = ("--override", "hours", *OVERRIDE)
    moved = cli("move", str(number), "--to", "2026-11-29 10:00", *lift, *NORTH)
    assert f"! #{number} lifted hours: Sam, regular customer" in moved.stdout
    assert f"! #{number} lifted hours" in cli("calendar", "--day", "2026-11-29", *NORTH).stdout


def test_what_became_of_it_is_marked_and_a_missed_visit_leaves_the_picture(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    number = book(cli, "2026-11-24 09:00")
    assert cli("mark", str(number), "confirmed", *NORTH).exit_code == 0
    assert "confirmed" in cli("calendar", "--day", "2026-11-24", *NORTH).stdout
    assert "has not started" in refused(cli, "mark", str(number), "completed", *NORTH)
    clock.moment = local(24, 12)
    assert cli("mark", str(number), "completed", *NORTH).exit_code == 0
    assert lead_status(db, world.north) == "won"
    assert f"#{number}" in cli("calendar", "--day", "2026-11-24", *NORTH).stdout
    assert cli("mark", str(number), "no-show", *NORTH).exit_code == 0
    assert f"#{number}" not in cli("calendar", "--day", "2026-11-24", *NORTH).stdout


def test_a_stranger_sees_and_changes_nothing(cli: Any, db: Database, world: World) -> None:
    number = book(cli, "2026-11-24 09:00")
    south = ("--tenant", "south")
    assert f"#{number}" not in cli("calendar", "--day", "2026-11-24", *south).stdout
    assert json.loads(cli("calendar", "--json", *south).stdout)["bookings"] == []
    for arguments in (
        ("cancel", str(number)),
        ("mark", str(number), "confirmed"),
        ("move", str(number), "--to", "2026-11-25 09:00"),
    ):
        assert f"there is no appointment {number}" in refused(cli, *arguments, *south)
    service = str(world.north.service_ids[TINT])
    assert "south sells no service" in refused(cli, "slots", service, *south)
    stranger = cli("book", str(world.north.lead_id), TINT, "--at", "2026-11-24 09:00", *south)
    assert stranger.exit_code != 0
    assert str(stranger.exception) == f"there is no lead {world.north.lead_id}"
    row = appointment(db, world.north, number)
    assert (row.status, row.starts_at, len(row.history)) == ("booked", local(24, 9), 1)


def test_a_name_with_escape_sequences_is_drawn_and_not_obeyed(cli: Any, db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Lead, world.north.lead_id).first_name = "Eve\x1b[2J\u202e"
        s.get_one(Bay, world.north.bay_ids[0]).name = "Bay\x1b[1m 1"
    book(cli, "2026-11-24 09:00")
    text = "".join(cli("calendar", *more, *NORTH).stdout for more in ([], ["--day", "2026-11-24"]))
    text += cli("hours", *NORTH).stdout
    assert "Eve�[2J�" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_a_bay_out_of_use_is_drawn_while_somebody_is_booked_on_it(
    cli: Any, db: Database, world: World
) -> None:
    book(cli, "2026-11-24 09:00")
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Bay, world.north.bay_ids[0]).active = False
    drawn = cli("calendar", "--day", "2026-11-24", *NORTH).stdout
    assert "Bay 1  [a Dana ======]//////" in drawn
    assert "Bay 1" not in cli("calendar", "--day", "2026-11-25", *NORTH).stdout


def test_the_picture_costs_the_same_however_much_is_in_it(db: Database, cli: Any, world: World) -> None:
    counted: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: counted.append(given[2]))

    def queries(days: int) -> int:
        counted.clear()
        with db.tenant(world.north.tenant_id) as s:
            location = s.get_one(Location, world.north.location_id)
            view = load_overview(s, location, date(2026, 11, 23), date(2026, 11, 23) + timedelta(days=days))
        assert view.bookings
        return len(counted)

    book(cli, "2026-11-24 09:00")
    first = queries(2)
    for at in ("2026-11-24 13:00", "2026-11-25 09:00", "2026-12-01 09:00"):
        book(cli, at)
    assert queries(60) == first


def test_the_calendar_as_data(cli: Any) -> None:
    number = book(cli, "2026-11-24 09:00")
    shown = json.loads(cli("calendar", "--week", "2026-11-23", "--json", *NORTH).stdout)
    assert (shown["location"], shown["first"], shown["last"]) == ("north", "2026-11-23", "2026-11-29")
    assert [bay["name"] for bay in shown["bays"]] == ["Bay 1", "Bay 2"]
    assert [(one["id"], one["who"], one["status"]) for one in shown["bookings"]] == [
        (number, "Dana", "booked")
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["slots", "tint-full-sedan"], "north sells no service 'tint-full-sedan'; near it: tint-full-sedan-"),
        (["slots", "\x1b[2J"], "north sells no service '�[2J'"),
        (["slots", TINT, "--from", "2026-11-01"], "--from 2026-11-01 is over"),
        (["slots", TINT, "--from", "2026-12-02", "--to", "2026-12-01"], "--to 2026-12-01 is before --from"),
        (["slots", TINT, "--after", "15:00", "--before", "9:00"], "--before is not after --after"),
        (["slots", TINT, "--location", "moon"], "there is no location 'moon'; there is north"),
        (["book", CUSTOMER_PHONE, "nonsense", "--at", "2026-11-24 09:00"], "sells no service 'nonsense'"),
        (["book", CUSTOMER_PHONE, TINT, "--at", "soon"], "'soon' needs a date and a time: write it like"),
        (["book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 9"], "'9' is no time of day"),
        (["book", CUSTOMER_PHONE, TINT, "--at", "2027-03-14 02:30"], "does not exist in America/Chicago"),
        (
            ["book", CUSTOMER_PHONE, TINT, "--at", "2026-11-20 09:00"],
            "that time cannot be had: it has passed",
        ),
        (["book", CUSTOMER_PHONE, TINT, "--at", "2027-11-22 09:00"], "it is beyond the horizon"),
        (["book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 09:10"], "does not start work at that time"),
        (["book", CUSTOMER_PHONE, TINT, "--at", "2026-11-24 09:00", "--by", "Sam"], "--by goes with"),
        (["book", "nobody", TINT, "--at", "2026-11-24 09:00"], "'nobody' is no lead number, phone or email"),
        (["move", "999999", "--to", "2026-11-24 09:00"], "there is no appointment 999999"),
        (["cancel", "9" * 30], "there is no appointment 9999"),
        (["calendar", "--day", "someday"], "'someday' is no date: write it like 2026-11-23"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    cli: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["leads", *arguments, *NORTH])
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert sentence in said.err
    assert (said.err.count("\n"), said.out) == (1, "")
