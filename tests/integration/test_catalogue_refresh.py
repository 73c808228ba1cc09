"""From Shopmonkey's catalogue to ours and to what the agent may quote, over real sockets and a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from crm.catalogue_cache import read_catalogue
from crm.connectors.base import ConnectorError
from crm.db import Database
from crm.models import Service, TenantCrmConfig
from ops.clock import FixedClock
from scheduler.crm_catalogue import LOOK_AGAIN
from tests.conftest import TestDatabase, World
from tests.integration.catalogue_help import FULL, RULES, Connected, add_location, connected
from tests.standins.http import Request


@pytest.fixture
def place(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Connected]:
    """North, connected."""
    with connected(test_database, redis_url, clock, world.north) as made:
        yield made


def by_name(place: Connected) -> dict[tuple[str, str | None], int | None]:
    return {(one.name, one.body_style): one.price_cents for one in place.services().values()}


def test_a_catalogue_becomes_ours(place: Connected, world: World) -> None:
    place.standin.add_canned_service("Ceramic - Sedan full", 45000, hours=2.5)
    place.standin.add_canned_service("Carbon - SUV/Truck full", 37000)
    place.standin.add_canned_service("Ceramic - Tesla Model 3 full", 52000)
    place.standin.add_canned_service("Diagnosis", 0, hours=1)
    place.standin.add_canned_service("Hidden", 9900, bookable=False)
    looked = place.look()
    assert by_name(place) == {
        ("Ceramic window tint", "sedan"): 45000,
        ("Carbon window tint", "suv"): 37000,
        ("Carbon window tint", "truck"): 37000,
        ("Diagnosis", None): None,
    }
    minutes = {one.name: one.duration_minutes for one in place.services().values()}
    assert minutes == {"Ceramic window tint": 150, "Carbon window tint": 60, "Diagnosis": 60}
    (summary,) = (looked.notes or {})["locations"].values()
    assert summary["unpriced"] == ["diagnosis"]
    assert [one["name"] for one in summary["unread"]] == ["Ceramic - Tesla Model 3 full"]
    assert (summary["not_ours"], summary["services"]) == (1, 4)
    assert (looked.watermark, looked.again_after, looked.error) == (place.clock.now(), None, None)
    assert "4 services at 1 locations, 4 added, 1 unpriced" in looked.text
    with place.db.tenant(place.tenant_id) as s:
        codes = {one.code for one in read_catalogue(s, place.location_id)}
    assert {"ceramic-window-tint-sedan", "diagnosis"} < codes
    assert set(world.north.service_ids) < codes, "the shop's own services are still there"


def test_reading_it_again_changes_nothing(place: Connected) -> None:
    place.standin.add_canned_service("Ceramic - Sedan full", 45000, hours=2.5)
    place.look()
    before = {key: one.id for key, one in place.services().items()}
    place.clock.advance(timedelta(days=1))
    looked = place.look()
    assert {key: one.id for key, one in place.services().items()} == before
    assert [what for what, _ in place.changes()] == ["added"]
    assert "nothing changed" in looked.text


def test_changes_are_taken_over_with_their_history(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000, hours=2.5)
    place.look()
    code = place.services()[item].code
    place.standin.edit_price(item, 47500)
    place.standin.change(
        "canned_service", item, name="Carbon - Sedan full", labors=[{"name": "x", "hours": 3}]
    )
    place.look()
    service = place.services()[item]
    assert (service.name, service.price_cents, service.duration_minutes) == ("Carbon window tint", 47500, 180)
    assert service.code == code, "bays and commands know it by its code"
    assert place.changes()[-1] == (
        "changed",
        {
            "name": ["Ceramic window tint", "Carbon window tint"],
            "price_cents": [45000, 47500],
            "duration_minutes": [150, 180],
        },
    )


def test_a_price_that_is_taken_away_is_not_quoted_any_more(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.look()
    place.standin.edit_price(item, 0)
    place.look()
    assert place.services()[item].price_cents is None
    assert place.changes()[-1] == ("changed", {"price_cents": [45000, None]})


def test_what_is_gone_is_switched_off_and_kept(place: Connected) -> None:
    """A list can be short without saying so: only a second one, later, is believed."""
    kept, gone = (
        place.standin.add_canned_service(f"{film} - Sedan full", 100) for film in ("Carbon", "Ceramic")
    )
    place.look()
    place.standin.remove("canned_service", gone)
    first = place.look()
    assert place.services()[gone].active
    assert first.again_after == LOOK_AGAIN
    place.clock.advance(LOOK_AGAIN)
    second = place.look(first.notes)
    services = place.services()
    assert (services[kept].active, services[gone].active) == (True, False)
    assert second.again_after is None
    assert place.changes()[-1] == ("gone", {"active": [True, False]})


def test_an_entry_that_was_only_missing_once_stays(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 100)
    place.look()
    row = place.standin.tables["canned_service"].pop(item)
    place.look()
    place.standin.tables["canned_service"][item] = row
    place.clock.advance(LOOK_AGAIN)
    place.look()
    place.standin.tables["canned_service"].pop(item)
    place.look()
    assert place.services()[item].active, "missing since the last look, not since the first"
    assert [what for what, _ in place.changes()] == ["added"]


def test_what_comes_back_is_sold_again(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 100)
    place.look()
    place.standin.change("canned_service", item, bookable=False)
    place.look()
    assert not place.services()[item].active, "what is there and not bookable needs no second look"
    place.standin.change("canned_service", item, bookable=True, totalCents=200)
    place.look()
    assert (place.services()[item].active, place.services()[item].price_cents) == (True, 200)
    assert [what for what, _ in place.changes()] == ["added", "gone", "back"]


def test_a_list_that_breaks_off_changes_nothing(place: Connected) -> None:
    made = [place.standin.add_canned_service(f"Ceramic {n} - Sedan full", 100 + n) for n in range(120)]
    place.look()
    place.standin.edit_price(made[0], 99900)

    def break_off(request: Request) -> None:
        place.standin.fail_always(500, path="canned_service")

    place.standin.meanwhile = break_off
    with pytest.raises(ConnectorError):
        place.look()
    services = place.services()
    assert all(one.active for one in services.values())
    assert services[made[0]].price_cents == 100
    assert len(place.standin.asked("canned_service")) >= 4, "the first page came, the second one did not"
    place.standin.meanwhile = lambda request: None
    place.standin.clear_faults()
    place.look()
    assert place.services()[made[0]].price_cents == 99900


def test_filters_and_orders_that_are_ignored_lose_nothing(place: Connected) -> None:
    for n in range(230):
        place.standin.add_canned_service(f"Ceramic {n} - Sedan full", 100 + n)
        place.clock.advance(timedelta(seconds=1))
    other = place.standin.add_location("Elsewhere")
    place.standin.add_canned_service("Carbon - Sedan full", 5, locationId=other)
    place.standin.deaf_to = {"where"}
    place.look()
    assert len([one for one in place.services().values() if one.active]) == 230


def test_an_empty_list_is_not_believed_for_a_day(place: Connected) -> None:
    for n in range(6):
        place.standin.add_canned_service(f"Ceramic {n} - Sedan full", 100 + n)
    place.look()
    rows = dict(place.standin.tables["canned_service"])
    place.standin.tables["canned_service"].clear()
    looked = place.look()
    assert "without most of its services" in (looked.error or "")
    place.clock.advance(timedelta(hours=23))
    place.look()
    assert all(one.active for one in place.services().values())
    place.standin.tables["canned_service"].update(rows)
    place.look()
    place.standin.tables["canned_service"].clear()
    place.look()
    place.clock.advance(timedelta(hours=24))
    place.look()
    assert not any(one.active for one in place.services().values())


def test_services_made_by_hand_are_never_touched(place: Connected, world: World) -> None:
    place.standin.add_canned_service("Full car tint, sedan, ceramic film", 1)
    with place.db.tenant(place.tenant_id) as s:
        before = {one.id: (one.name, one.price_cents, one.active) for one in s.scalars(select(Service))}
    place.look()
    with place.db.tenant(place.tenant_id) as s:
        after = {one.id: (one.name, one.price_cents, one.active) for one in s.scalars(select(Service))}
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 1


def test_a_persons_change_stays_until_the_crm_changes_that_field(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000, hours=2)
    place.look()
    number = place.services()[item].id
    place.by_hand(number, price_cents=44000, name="Ceramic tint, our best", active=False)
    looked = place.look()
    service = place.services()[item]
    assert (service.price_cents, service.name, service.active) == (44000, "Ceramic tint, our best", False)
    (summary,) = (looked.notes or {})["locations"].values()
    assert summary["by_hand"] == [service.code]
    place.standin.edit_price(item, 46000)
    place.look()
    service = place.services()[item]
    assert (service.price_cents, service.name, service.active) == (46000, "Ceramic tint, our best", False)
    place.by_hand(number, price_cents=45500)
    place.look()
    assert place.services()[item].price_cents == 45500, "a person's change after the CRM's stays too"


def test_by_rule_a_persons_change_stays_or_yields(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.look()
    number = place.services()[item].id
    place.by_hand(number, price_cents=44000)
    place.settings(**RULES, by_hand="keeps")
    place.standin.edit_price(item, 46000)
    place.look()
    assert place.services()[item].price_cents == 44000
    place.settings(**RULES, by_hand="yields")
    place.look()
    assert place.services()[item].price_cents == 46000


def test_prices_of_our_own_stay_ours(place: Connected) -> None:
    place.settings(services=[FULL], prices="ours")
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.look()
    assert place.services()[item].price_cents is None
    place.by_hand(place.services()[item].id, price_cents=50000)
    place.standin.edit_price(item, 47000)
    place.look()
    assert place.services()[item].price_cents == 50000


def test_other_rules_are_other_services(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.look()
    place.settings(services=[{"match": "*", "name": "Our {film} film"}])
    place.look()
    assert place.services()[item].name == "Our ceramic film"
    place.settings(exclude_names=["ceramic *"])
    place.look()
    assert not place.services()[item].active


def test_an_item_that_is_split_into_shapes(place: Connected) -> None:
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.look()
    place.standin.change("canned_service", item, name="Ceramic - Sedan/Coupe full")
    place.look()
    active = {key: one.active for key, one in place.services().items()}
    assert active == {item: False, f"{item}#sedan": True, f"{item}#coupe": True}


def test_two_locations_have_their_own_prices(place: Connected) -> None:
    second, external = add_location(place, "west", "+13125550188")
    place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.standin.add_canned_service("Ceramic - Sedan full", 39900, locationId=external)
    place.look()
    (here,), (there,) = place.services().values(), place.services(second).values()
    assert (here.price_cents, there.price_cents) == (45000, 39900)
    with place.db.tenant(place.tenant_id) as s:
        assert [one.price_cents for one in read_catalogue(s, second)] == [39900]


def test_one_location_that_cannot_be_read_does_not_hold_up_the_others(place: Connected) -> None:
    second, external = add_location(place, "west", "+13125550188")
    item = place.standin.add_canned_service("Ceramic - Sedan full", 45000, locationId=external)
    place.standin.fail_next(1, 500, path="canned_service")
    looked = place.look()
    assert item in place.services(second)
    assert "north" in (looked.error or "")
    assert (looked.watermark, looked.again_after) == (None, timedelta(minutes=10))


def test_many_locations_take_several_looks(place: Connected) -> None:
    """A job may not take longer than its time, so a look goes on where the last one stopped."""
    for n in range(3):
        add_location(place, f"west-{n}", f"+1312555018{n}")
    place.standin.meanwhile = lambda request: place.clock.advance(timedelta(seconds=30))
    looks = [place.look()]
    while (looks[-1].notes or {})["done"]:
        assert looks[-1].watermark is None
        looks.append(place.look(looks[-1].notes))
    assert len(looks) == 2
    assert len((looks[-1].notes or {})["locations"]) == 4
    asked = [request.arg("where") for request in place.standin.asked("canned_service")]
    assert len(asked) == len(set(asked)) == 4


def test_a_key_that_is_asked_too_much_goes_on_where_it_stopped(place: Connected) -> None:
    for n in range(3):
        add_location(place, f"west-{n}", f"+1312555018{n}")
    seen: list[Request] = []

    def limit(request: Request) -> None:
        seen.append(request)
        if len(seen) == 2:
            place.standin.fail_always("retry_after", seconds=3600, path="canned_service")

    place.standin.meanwhile = limit
    looked = place.look()
    assert (looked.again_after, len((looked.notes or {})["done"])) == (timedelta(minutes=10), 2)
    assert "west-1" in (looked.error or "")
    place.standin.clear_faults()
    place.clock.advance(timedelta(minutes=10))
    # The rest that was asked for stands there, on Redis' own clock.
    place.runtime.redis.flushdb()
    place.standin.requests.clear()
    looked = place.look(looked.notes)
    assert (looked.error, (looked.notes or {})["done"]) == (None, [])
    assert len(place.standin.asked("canned_service")) == 2


def test_two_tenants_have_nothing_to_do_with_each_other(
    place: Connected, test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    mine = place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    with connected(test_database, redis_url, clock, world.south) as other:
        theirs = other.standin.add_canned_service("Ceramic - Sedan full", 39900)
        other.look()
        place.look()
        assert (set(place.services()), set(other.services())) == ({mine}, {theirs})
        with place.db.tenant(place.tenant_id) as s:
            assert read_catalogue(s, world.south.location_id) == []


def test_a_connection_without_a_catalogue_says_so(
    place: Connected, owner_engine: Engine, db: Database
) -> None:
    with place.db.tenant(place.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, place.config_id)
        config.connector, config.settings = "web_form", {}
    with pytest.raises(ConnectorError, match="list services"):
        place.look()


def test_rules_that_make_no_sense_change_nothing(place: Connected) -> None:
    place.standin.add_canned_service("Ceramic - Sedan full", 45000)
    place.settings(services=[{"regex": "(a+)+$"}])
    with pytest.raises(ConnectorError, match="regex") as caught:
        place.look()
    assert caught.value.kind == "misconfigured"
    assert place.services() == {}
