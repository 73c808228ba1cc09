"""Importers at once: each service once, and never an older price over a newer one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from crm.catalogue_import import Whose, import_catalogue
from crm.catalogue_mapping import read_items
from crm.catalogue_rules import CatalogueRules
from crm.connectors.records import CatalogueItem
from crm.models import Appointment, Service, ServiceChange
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import local
from tests.integration.catalogue_help import RULES, Connected, connected
from tests.standins.http import Request


@pytest.fixture
def place(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Connected]:
    """North, connected."""
    with connected(test_database, redis_url, clock, world.north) as made:
        yield made


def take(place: Connected, items: list[CatalogueItem], minutes: int) -> bool:
    """Take a list over that began to be read so many minutes from now; False when it was too old."""
    whose = Whose(place.tenant_id, place.config_id, place.location_id)
    reading = read_items(items, CatalogueRules.model_validate(RULES))
    read_at = place.clock.now() + timedelta(minutes=minutes)
    with place.db.tenant(place.tenant_id) as s:
        report = import_catalogue(
            s, whose, reading, by_hand="until_changed", read_at=read_at, now=place.clock.now()
        )
    return not report.outdated


def priced(cents: int) -> list[CatalogueItem]:
    return [CatalogueItem("c1", "Ceramic - Sedan full", cents, 120)]


def test_two_workers_at_once_make_each_service_once(place: Connected) -> None:
    """Both hold a whole list before either of them writes."""
    for n in range(20):
        place.standin.add_canned_service(f"Ceramic {n} - Sedan full", 100 + n)
    both = threading.Barrier(2, timeout=30)

    def wait(request: Request) -> None:
        if "canned_service" in request.path:
            both.wait()

    place.standin.meanwhile = wait
    with ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(place.look) for _ in range(2)]
        texts = sorted(one.result(timeout=60).text for one in looks)
    assert len(place.services()) == 20
    assert [what for what, _ in place.changes()] == ["added"] * 20
    assert "20 added" in texts[0]
    assert "nothing changed" in texts[1]
    with place.db.tenant(place.tenant_id) as s:
        (codes,) = s.execute(
            select(func.count(func.distinct(Service.code))).where(Service.external_id.is_not(None))
        ).one()
    assert codes == 20


def test_a_list_that_was_read_earlier_is_not_taken_after_a_later_one(place: Connected) -> None:
    """A worker that stood still with its list in hand would bring an old price back."""
    assert take(place, priced(45000), 0)
    assert take(place, priced(47000), 2)
    assert not take(place, priced(45000), 1)
    assert place.services()["c1"].price_cents == 47000
    assert take(place, priced(48000), 2), "read at the same moment is not earlier"
    assert place.services()["c1"].price_cents == 48000


def test_also_what_was_in_no_list_was_looked_for(place: Connected) -> None:
    take(place, priced(45000), 0)
    take(place, [], 2)
    assert not take(place, priced(44000), 1)


def test_codes_are_taken_once(place: Connected) -> None:
    items = [CatalogueItem(f"c{n}", f"Tint!{'!' * n}", 100 + n, 60) for n in range(3)]
    take(place, [*items, CatalogueItem("x", "???", 5, 60)], 0)
    assert sorted(one.code for one in place.services().values()) == ["service", "tint", "tint-2", "tint-3"]


def test_an_old_appointment_keeps_its_service(place: Connected, world: World) -> None:
    take(place, priced(45000), 0)
    number = place.services()["c1"].id
    with place.db.tenant(place.tenant_id) as s:
        s.add(
            Appointment(
                tenant_id=place.tenant_id,
                location_id=place.location_id,
                bay_id=world.north.bay_ids[0],
                lead_id=world.north.lead_id,
                service_ids=[number],
                starts_at=local(24, 10),
                ends_at=local(24, 12),
                source="agent",
            )
        )
    place.clock.advance(timedelta(days=2))
    take(place, [CatalogueItem("c1", "Ceramic - Sedan full", 1, 1, bookable=False)], 0)
    with place.db.tenant(place.tenant_id) as s:
        service = s.get_one(Service, number)
        assert (service.active, service.name) == (False, "Ceramic window tint")
        change = s.scalars(select(ServiceChange).order_by(ServiceChange.id.desc())).first()
    assert change is not None
    assert (change.what, change.why, change.who) == ("gone", "it cannot be booked there", "catalogue")


def test_a_person_who_says_so_is_believed_at_once(place: Connected) -> None:
    take(place, priced(45000), 0)
    whose = Whose(place.tenant_id, place.config_id, place.location_id, "owner")
    nothing = read_items([], CatalogueRules())
    now = place.clock.now()
    with place.db.tenant(place.tenant_id) as s:
        import_catalogue(s, whose, nothing, by_hand="keeps", read_at=now, now=now, believe=True)
    assert not place.services()["c1"].active
