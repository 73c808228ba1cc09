"""`leads catalogue`: what an owner sees of it, reads anew, and has to price."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from cli.main import leads
from crm.models import CrmCheck
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import TestDatabase, World
from tests.integration.catalogue_help import Connected, add_location, connected
from tests.runtimes import KEY

Run = Callable[..., Result]


@pytest.fixture
def place(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Connected]:
    """North, connected, with a look at its catalogue that the worker keeps."""
    with connected(test_database, redis_url, clock, world.north) as made:
        with made.db.tenant(made.tenant_id) as s:
            s.add(
                CrmCheck(
                    tenant_id=made.tenant_id,
                    config_id=made.config_id,
                    kind="catalogue",
                    next_at=clock.now(),
                )
            )
        yield made


@pytest.fixture
def cli(
    place: Connected, test_database: TestDatabase, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Runs a command for north."""
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("TENANT_ID", "north")

    def run(*arguments: str, code: int = 0) -> Result:
        get_settings.cache_clear()
        result = CliRunner().invoke(leads, ["catalogue", *arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    yield run
    get_settings.cache_clear()


def test_a_refresh_says_what_it_did_and_the_list_shows_it(place: Connected, cli: Run) -> None:
    place.standin.add_canned_service("Ceramic - Sedan full", 45000, hours=2.5)
    place.standin.add_canned_service("Diagnosis \x1b[2J", 0)
    place.standin.add_canned_service("Ceramic - F-150 full", 52000)
    told = cli("refresh").output
    assert "shopmonkey: 2 services at 1 locations, 2 added, 1 unpriced" in told
    assert "north added: ceramic-window-tint-sedan" in told
    assert "1 items were not read" in told
    shown = cli("show").output
    assert "Ceramic window tint" in shown
    assert "$450" in shown
    assert "shopmonkey, 20" in shown
    assert "by hand" in shown
    assert "\x1b" not in shown


def test_what_nobody_may_quote(place: Connected, cli: Run) -> None:
    place.standin.add_canned_service("Diagnosis", 0)
    place.standin.add_canned_service("Ceramic - F-150 full", 52000)
    place.standin.add_canned_service("Wash", 100)
    place.standin.add_canned_service("Wash", 200)
    cli("refresh")
    told = cli("unpriced").output
    assert "diagnosis" in told
    assert "Ceramic - F-150 full" in told
    assert "names a car" in told
    assert "nobody is told a price" in told
    data = json.loads(cli("unpriced", "--json").output)
    assert {one["code"] for one in data["without_price"]} == {"ppf-full", "diagnosis", "wash", "wash-2"}
    assert [one["name"] for one in data["unread"]] == ["Ceramic - F-150 full"]
    assert len(data["doubts"]) == 1


def test_prices_of_the_locations_and_their_changes(place: Connected, cli: Run) -> None:
    _, external = add_location(place, "west", "+13125550188")
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.standin.add_canned_service("Ceramic - Sedan full", 39900, locationId=external)
    cli("refresh")
    place.standin.edit_price(item, 47000)
    (round_,) = json.loads(cli("refresh", "--location", "north", "--json").output)
    assert [(one["location"], one["changed"]) for one in round_["locations"]] == [
        ("north", ["ceramic-window-tint-sedan"])
    ]
    sold = json.loads(cli("show", "--location", "west", "--json").output)
    assert [(one["location"], one["price_cents"], one["connector"]) for one in sold] == [
        ("west", 39900, "shopmonkey")
    ]
    changes = cli("show", "--changes").output
    assert "price $450 -> $470" in changes
    assert "owner" in changes
    newest = json.loads(cli("show", "--changes", "--json").output)[0]
    assert newest["fields"] == {"price_cents": [45000, 47000]}


def test_a_person_may_say_that_most_of_it_is_gone(place: Connected, cli: Run) -> None:
    for n in range(5):
        place.standin.add_canned_service(f"Ceramic {n} - Sedan full", 100 + n)
    cli("refresh")
    place.standin.tables["canned_service"].clear()
    assert "--believe" in cli("refresh").output
    assert all(one.active for one in place.services().values())
    cli("refresh", "--believe")
    assert not any(one.active for one in place.services().values())
    assert "ceramic-window-tint-sedan" not in cli("show").output
    assert "(not sold)" in cli("show", "--all").output


def test_what_cannot_be_read_is_said(place: Connected, cli: Run) -> None:
    place.standin.fail_always(500, path="canned_service")
    assert "north: " in cli("refresh", code=1).output
    place.standin.keys.clear()
    place.standin.clear_faults()
    told = cli("refresh", code=1).output
    assert "key" in told


def test_without_a_connection_there_is_nothing_to_refresh(
    place: Connected, cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_ID", "south")
    assert "no connection of this business has a catalogue" in cli("refresh", code=2).output
    assert "everything" not in cli("unpriced").output
    assert "north" not in cli("show").output
