"""`leads tenant`, `location` and `staff`: businesses made, listed, paused, applied from a file and written to one."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select

from crm.db import Database
from crm.models import Bay, Lead, Location, LocationHours, Staff
from crm.notices import notify_staff
from crm.sessions import open_session
from ops.clock import FixedClock
from ops.secrets import SecretsError
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.tenant_file_help import EXAMPLE
from tests.integration.test_tenant_file import book
from tests.runtimes import KEY

Run = Callable[..., Result]


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    monkeypatch.setattr("cli.tenant.clock_of", lambda settings: clock)
    monkeypatch.setattr("cli.tenant_apply.clock_of", lambda settings: clock)
    yield from running(test_database, clock, monkeypatch)


def shown(run: Run, *arguments: str) -> str:
    """What a command prints that works."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_business_is_added_listed_paused_and_resumed(run: Run, world: World) -> None:
    assert "West Tint (west) is there" in shown(run, "tenant", "add", "west", "West  Tint")
    assert "there is a business west already" in refused(run, "tenant", "add", "west", "Other")
    assert "small letters" in refused(run, "tenant", "add", "West End", "x")
    assert "nothing goes to its customers" in shown(run, "tenant", "pause", "north")
    assert "was paused already" in shown(run, "tenant", "pause", "north")
    lines = json.loads(shown(run, "tenant", "list", "--json"))
    assert {one["slug"]: (one["status"], one["locations"], one["leads"]) for one in lines} == {
        "north": ("paused", 1, 1), "south": ("active", 1, 1), "west": ("active", 0, 0),
    }  # fmt: skip
    assert "no active tenant 'north'" in refused(run, "list", "--tenant", "north")
    assert "its customers are answered again" in shown(run, "tenant", "resume", "north")
    assert "Dana" in shown(run, "list", "--tenant", "north")
    assert "there is no business 'nobody'; there is north, south, west" in refused(
        run, "tenant", "pause", "nobody"
    )
    table = shown(run, "tenant", "list")
    assert table.splitlines()[0].split() == ["SLUG", "NAME", "STATUS", "LOCATIONS", "LEADS", "CRM"]


def test_a_file_is_shown_applied_and_shown_again(run: Run, db: Database) -> None:
    planned = run("tenant", "apply", str(EXAMPLE))
    assert planned.exit_code == 0, planned.output
    assert "harborview (new)" in planned.stdout
    assert "+ location harbor: Harborview Tint, Harbor Street, +13125550151" in planned.stdout
    assert "nothing was changed; --yes applies it" in planned.stderr
    assert json.loads(shown(run, "tenant", "list", "--json")) == []
    applied = shown(run, "tenant", "apply", str(EXAMPLE), "--yes", "--by", "Robin")
    assert applied.splitlines()[-1] == "applied"
    again = shown(run, "tenant", "apply", str(EXAMPLE), "--yes")
    assert again == "nothing to do: 25 things are as the file says\n"
    data = json.loads(shown(run, "tenant", "apply", str(EXAMPLE), "--json"))
    assert data == {"applied": False, "tenants": [
        {"slug": "harborview", "new": False, "unchanged": 25, "pruned": False, "differences": [], "outside_hours": []}
    ]}  # fmt: skip


def test_what_changes_alike_at_many_locations_is_one_line(run: Run, tmp_path: Path) -> None:
    shown(run, "tenant", "apply", str(EXAMPLE), "--yes")
    path = tmp_path / "changed.yaml"
    body = EXAMPLE.read_text().replace("price: 319", "price: 329").replace("minutes: 60}", "minutes: 75}")
    path.write_text(body.replace("jobs_per_day: 12", "jobs_per_day: 8"))
    lines = [line.strip() for line in shown(run, "tenant", "apply", str(path)).splitlines()]
    assert "~ service tint-sedan-carbon at 2 locations (harbor, westside)" in lines
    assert "price: $319 -> $329" in lines
    assert "~ location at 2 locations (harbor, westside)" in lines
    assert "limits.jobs_per_day: 12 -> 8" in lines
    each = shown(run, "tenant", "apply", str(path), "--all")
    assert "~ harbor, service tint-sedan-carbon" in each
    assert "~ westside, service tint-sedan-carbon" in each


def test_who_is_booked_outside_and_what_would_go_are_shown(
    run: Run, db: Database, clock: FixedClock, world: World, tmp_path: Path
) -> None:
    late = book(db, world.north, clock, 24, 15)
    path = tmp_path / "north.yaml"
    path.write_text(
        "slug: north\nlocations: [{slug: north, hours: {mon-fri: 9:00-16:00}, services: {tint-removal: {}}}]"
    )
    said = shown(run, "tenant", "apply", str(path))
    assert "hours.monday: 9:00-18:00 -> 9:00-16:00" in said
    assert f"north, appointment {late}, 2026-11-24 15:00:00 CST, Dana" in said
    assert "? north, service tint-sunroof: cannot be booked any more (only with --prune)" in said
    pruned = shown(run, "tenant", "apply", str(path), "--prune", "--yes")
    assert "- north, service tint-sunroof: cannot be booked any more" in pruned
    assert shown(run, "tenant", "apply", str(path), "--prune").startswith("nothing to do")


def test_a_file_with_mistakes_changes_nothing_and_every_mistake_is_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("slug: bad\nlocations:\n  - {slug: one, hours: {monday: late}, phone: '1'}\n")
    result = run("tenant", "apply", str(path), "--yes")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith("bad.yaml: line 3: locations[0].phone: '1' is no phone number")
    assert lines[1].startswith("bad.yaml: line 3: locations[0].hours.monday: 'late'")
    assert lines[2] == "leads: 2 problems; nothing was changed"
    path.write_text("slug: bad\nname: Bad\npolicy: {text: 'See {{ company }} and call find_price.'}\n")
    assert "policy" in run("tenant", "apply", str(path), "--yes").stderr
    assert json.loads(shown(run, "tenant", "list", "--json")) == []


def test_a_secret_is_taken_from_the_shell_and_never_shown(
    run: Run, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "north.yaml"
    path.write_text("slug: north\ncrm: {api_key: env:NORTH_KEY}\n")
    assert (
        "line 2: crm.api_key: the variable NORTH_KEY is not set" in run("tenant", "apply", str(path)).stderr
    )
    monkeypatch.setenv("NORTH_KEY", "hush-hush")
    for more in ((), ("--json",), ("--yes",), ("--all", "--yes")):
        result = run("tenant", "apply", str(path), *more)
        assert result.exit_code == 0
        assert "hush-hush" not in result.output
    monkeypatch.delenv("ENCRYPTION_KEY")
    monkeypatch.setenv("NORTH_KEY", "another")
    assert isinstance(run("tenant", "apply", str(path), "--yes").exception, SecretsError)


def test_an_exported_business_is_a_file_that_changes_nothing(run: Run, world: World, tmp_path: Path) -> None:
    path = tmp_path / "north.yaml"
    assert "written" in run("tenant", "export", "north", "--output", str(path)).stderr
    assert path.read_text() == shown(run, "tenant", "export", "north")
    assert shown(run, "tenant", "apply", str(path), "--yes").startswith("nothing to do")
    assert "no business 'east'" in refused(run, "tenant", "export", "east")
    assert stat.S_ISREG(path.stat().st_mode)


def test_a_location_is_added_and_listed(run: Run, db: Database, world: World) -> None:
    said = shown(
        run, "location", "add", "west", "West Side", "--tenant", "north", "--timezone", "America/Denver", "--phone",
        "+13035550142", "--city", "Denver", "--state", "CO", "--bay", "A", "--bay", "B", "--hours", "mon-fri=9:00-17:00",
    )  # fmt: skip
    assert said == "West Side (west) is there\n"
    with db.tenant(world.north.tenant_id) as session:
        west = session.scalars(select(Location).where(Location.slug == "west")).one()
        assert (west.timezone, west.phone, west.city, west.state) == (
            "America/Denver",
            "+13035550142",
            "Denver",
            "CO",
        )
        bays = select(Bay.name).where(Bay.location_id == west.id).order_by(Bay.id)
        assert session.scalars(bays).all() == ["A", "B"]
        days = select(LocationHours.weekday).where(LocationHours.location_id == west.id)
        assert sorted(session.scalars(days)) == [0, 1, 2, 3, 4]
    lines = json.loads(shown(run, "location", "list", "--tenant", "north", "--json"))
    assert [(one["slug"], one["bays"], one["services"], one["leads"]) for one in lines] == [
        ("north", 2, len(world.north.service_ids), 1), ("west", 2, 0, 0),
    ]  # fmt: skip
    assert "west" not in shown(run, "location", "list", "--tenant", "south")
    bare = shown(run, "location", "add", "bare", "Bare", "--tenant", "north", "--timezone", "America/Chicago")
    assert "it is closed until it has hours" in bare


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("west", "W", "--timezone", "Mars"), "--timezone: 'Mars' is no time zone"),
        (("west", "W", "--timezone", "America/Chicago", "--phone", "5"), "--phone: '5' is no phone number"),
        (("west", "W", "--timezone", "America/Chicago", "--phone", "+13125550102"), "has that number or mailbox"),
        (("north", "W", "--timezone", "America/Chicago"), "has a location north already"),
        (("west", "W", "--timezone", "America/Chicago", "--hours", "always"), "'always' are no hours"),
        (("west", "W", "--timezone", "America/Chicago", "--hours", "mon=9"), "--hours: '9' is no stretch"),
    ],
)  # fmt: skip
def test_what_is_no_location_is_refused(run: Run, world: World, more: tuple[str, ...], said: str) -> None:
    assert said in refused(run, "location", "add", *more, "--tenant", "north")


def test_a_person_added_hears_of_hand_offs_and_one_removed_does_not(
    run: Run, db: Database, clock: FixedClock, world: World
) -> None:
    north = ("--tenant", "north")
    assert "for all locations" in shown(
        run, "staff", "add", "Robin Lake", "--phone", "(312) 555-0142", *north
    )
    assert "for north" in shown(
        run, "staff", "add", "Kim", "--email", "Kim@North.example", "--location", "north", *north
    )
    shown(run, "staff", "add", "Quiet", "--email", "q@north.example", "--quiet", *north)
    assert "is there already" in refused(run, "staff", "add", "Robin Lake", "--phone", "+13125550143", *north)
    assert "no valid phone number" in refused(run, "staff", "add", "X", "--phone", "1", *north)
    assert "where to reach them" in refused(run, "staff", "add", "X", *north)

    def told(key: str) -> set[str]:
        with db.tenant(world.north.tenant_id) as session:
            lead = session.get_one(Lead, world.north.lead_id)
            location = session.get_one(Location, world.north.location_id)
            rows = notify_staff(
                session, session=open_session(session, lead), lead=lead, location=location, text="x", dedupe_key=key,
                now=clock.now(),
            )  # fmt: skip
            return {row.to_address for row in rows}

    assert told("a") == {f"{world.north.phone[:-3]}777", "+13125550142", "kim@north.example"}
    assert shown(run, "staff", "remove", "312-555-0142", *north) == "Robin Lake is removed\n"
    shown(run, "staff", "remove", "kim", *north)
    assert "nobody is left" in shown(run, "staff", "remove", str(world.north.staff_id), *north)
    assert told("b") == set()
    assert "there is no 'Kim'; there is Quiet" in refused(run, "staff", "remove", "Kim", *north)
    names = [one["name"] for one in json.loads(shown(run, "staff", "list", "--json", *north))]
    assert names == ["Quiet"]
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalars(select(Staff.removed_at)).all() == [None]
