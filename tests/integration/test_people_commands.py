"""`leads merge`, `split`, `state`, `forget` and `history`, as an owner uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import leads
from crm.db import Database
from crm.models import Appointment, Lead, TouchPoint, Vehicle
from crm.touches import FOLLOW_UP
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_help import local
from tests.integration.people_help import OTHER_PHONE, another_lead, lead, merge
from tests.integration.talking import change, plan_touch, rows


@pytest.fixture
def cli(
    test_database: TestDatabase, redis_url: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command against the test's database, as north."""
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TENANT_ID", "north")

    def run(*arguments: str, **given: Any) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(leads, list(arguments), **given)

    yield run
    get_settings.cache_clear()


def test_merge_asks_first_and_tells_what_moved(cli: Any, db: Database, world: World) -> None:
    other = another_lead(db, world.north)
    with db.tenant(world.north.tenant_id) as session:
        session.add(Vehicle(tenant_id=world.north.tenant_id, lead_id=other.lead_id, make="Honda"))
    no = cli("merge", CUSTOMER_PHONE, OTHER_PHONE, input="n\n")
    assert no.exit_code == 1
    assert lead(db, world.north, other.lead_id).merged_into_id is None
    done = cli("merge", CUSTOMER_PHONE, OTHER_PHONE, "--who", "Sam", input="y\n")
    assert done.exit_code == 0, done.output
    assert f"Lead {other.lead_id} is lead {world.north.lead_id} now: 1 vehicles." in done.output
    assert OTHER_PHONE in done.output
    again = cli("merge", str(world.north.lead_id), str(other.lead_id), "--yes")
    assert "was merged" in again.output


def test_merge_as_json_and_refused(cli: Any, db: Database, world: World) -> None:
    other = another_lead(db, world.north)
    told = json.loads(cli("merge", CUSTOMER_PHONE, OTHER_PHONE, "--yes", "--json").stdout)
    assert (told["into_id"], told["other_id"], told["again"]) == (world.north.lead_id, other.lead_id, False)
    circle = cli("merge", str(other.lead_id), CUSTOMER_PHONE, "--yes")
    assert circle.exit_code == 2
    assert "was merged into lead" in circle.stderr
    unknown = cli("merge", CUSTOMER_PHONE, "9999", "--yes")
    assert "no lead 9999" in str(unknown.exception) + unknown.output


def test_another_business_cannot_be_reached(cli: Any, db: Database, world: World) -> None:
    for arguments in (
        ("merge", CUSTOMER_PHONE, str(world.south.lead_id), "--yes"),
        ("state", str(world.south.lead_id), "lost", "--why", "x"),
        ("forget", str(world.south.lead_id), "--yes"),
        ("history", str(world.south.lead_id)),
    ):
        assert cli(*arguments).exit_code != 0, arguments
    assert lead(db, world.south, world.south.lead_id).first_name == "Dana"


def test_split_lists_what_nobody_can_decide(cli: Any, db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as session:
        car = Vehicle(tenant_id=world.north.tenant_id, lead_id=world.north.lead_id, make="Honda", model="Fit")
        session.add(car)
        session.flush()
        car_id = car.id
    asked = cli("split", CUSTOMER_PHONE, "--address", CUSTOMER_EMAIL)
    assert asked.exit_code == 2
    assert f"--vehicle {car_id} (Honda Fit)" in asked.stderr
    assert len(rows(db, world.north, Lead)) == 1
    done = cli(
        "split", CUSTOMER_PHONE, "--address", CUSTOMER_EMAIL, "--vehicle", str(car_id), "--name", "Alex"
    )
    assert done.exit_code == 0, done.output
    new = rows(db, world.north, Lead)[-1]
    assert (new.email, new.first_name) == (CUSTOMER_EMAIL, "Alex")
    assert rows(db, world.north, Vehicle)[0].lead_id == new.id
    assert cli("split", CUSTOMER_PHONE).exit_code == 2
    stays = cli("split", CUSTOMER_PHONE, "--address", CUSTOMER_PHONE, "--rest-stays", "--json")
    assert json.loads(stays.stdout)["lead_id"] == rows(db, world.north, Lead)[-1].id


def test_state_keeps_the_reason_and_ends_the_follow_ups(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    plan_touch(db, world.north, clock.now())
    done = cli("state", CUSTOMER_PHONE, "lost", "--why", "bought elsewhere", "--who", "Sam")
    assert done.output.strip() == f"Lead {world.north.lead_id}: new -> lost."
    assert [row.status for row in rows(db, world.north, TouchPoint)] == ["ended"]
    story = cli("history", CUSTOMER_PHONE)
    assert "new -> lost" in story.output
    assert "bought elsewhere" in story.output
    assert "Sam" in story.output
    assert "already" in cli("state", CUSTOMER_PHONE, "lost", "--why", "x").output
    assert cli("state", CUSTOMER_PHONE, "won").exit_code == 2, "a reason is needed"
    told = json.loads(cli("state", CUSTOMER_PHONE, "won", "--why", "came back", "--json").stdout)
    assert (told["before"], told["after"], told["changed"]) == ("lost", "won", True)


def test_state_opens_no_opt_out(cli: Any, db: Database, world: World) -> None:
    cli("consent", "stop", CUSTOMER_PHONE, "--who", "Sam", "--evidence", "on the phone", "--customer-asked")
    change(db, world.north, "update leads set status = 'opted_out' where id = :lead")
    refused = cli("state", CUSTOMER_PHONE, "new", "--why", "please")
    assert refused.exit_code == 2
    assert lead(db, world.north, world.north.lead_id).status == "opted_out"


def test_state_of_a_merged_lead_is_the_survivors(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    other = another_lead(db, world.north)
    merge(db, world.north, other, clock.now())
    assert cli("state", OTHER_PHONE, "engaged", "--why", "called").exit_code == 0
    assert lead(db, world.north, world.north.lead_id).status == "engaged"


def test_history_tells_of_the_whole_family(cli: Any, db: Database, world: World, clock: FixedClock) -> None:
    other = another_lead(db, world.north)
    cli("state", OTHER_PHONE, "quoted", "--why", "called")
    merge(db, world.north, other, clock.now())
    told = json.loads(cli("history", str(world.north.lead_id), "--json").stdout)
    said = [(event["lead_id"], event["what"]) for event in told]
    assert (other.lead_id, "new -> quoted") in said
    assert (world.north.lead_id, f"lead {other.lead_id} was merged into this lead") in said
    assert [event["at"] for event in told] == sorted(event["at"] for event in told)


def test_forget_shows_first_and_does_it_with_yes(cli: Any, db: Database, world: World) -> None:
    shown = cli("forget", CUSTOMER_PHONE)
    assert shown.exit_code == 0
    assert CUSTOMER_EMAIL in shown.stdout
    assert "Nothing was changed" in shown.stderr
    assert lead(db, world.north, world.north.lead_id).first_name == "Dana"
    done = cli("forget", CUSTOMER_PHONE, "--yes", "--stop")
    assert done.exit_code == 0, done.output
    gone = lead(db, world.north, world.north.lead_id)
    assert (gone.first_name, gone.phone, gone.email) == (None, None, None)
    assert gone.erased_at is not None
    assert lead(db, world.south, world.south.lead_id).first_name == "Dana"
    told = json.loads(cli("forget", str(world.north.lead_id), "--json").stdout)
    assert told["would_forget"]["erased_already"] is True
    assert cli("state", str(world.north.lead_id), "lost", "--why", "x").exit_code == 2


def test_forget_names_visits_ahead_before_anything_goes(cli: Any, db: Database, world: World) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0],
                lead_id=shop.lead_id, service_ids=[], starts_at=local(25, 9, year=2036),
                ends_at=local(25, 12, year=2036), source="agent",
            )
        )  # fmt: skip
    asked = cli("forget", CUSTOMER_PHONE, "--yes")
    assert asked.exit_code == 2
    assert "2036-11-25 09:00" in asked.stdout
    assert lead(db, shop, shop.lead_id).first_name == "Dana"
    done = cli("forget", CUSTOMER_PHONE, "--yes", "--cancel-appointments", "--json")
    assert json.loads(done.stdout)["forgotten"]["leads"] == 1
    assert rows(db, shop, Appointment)[0].status == "cancelled"


def test_a_date_that_the_customer_named_shows_in_the_history(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    plan_touch(db, world.north, clock.now())
    change(db, world.north, "update touch_points set plan = :plan where lead_id = :lead", plan=FOLLOW_UP)
    assert "follow-ups planned (follow_up)" in cli("history", CUSTOMER_PHONE).output
