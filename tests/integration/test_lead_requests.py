"""What people asked for: one row each, however often it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from crm.db import Database
from crm.lead_requests import close_request, newest_request, open_requests, request_of, take_request
from crm.leads import LeadData, VehicleData, upsert_lead, upsert_vehicle
from crm.models import Lead, LeadRequest
from tests.conftest import MONDAY_NINE_IN_CHICAGO, World

NOW = MONDAY_NINE_IN_CHICAGO


def ask(s: Session, lead: Lead, external_id: str = "order-1", **given: Any) -> tuple[LeadRequest, bool]:
    values: dict[str, Any] = {"wish": "tint", "vehicle_id": None, "facts": {"a": 1}, "made_at": NOW}
    return take_request(s, lead, source="shopmonkey", external_id=external_id, **{**values, **given})


def test_told_again_it_is_the_same_and_takes_over_what_is_new(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        car = upsert_vehicle(s, lead, VehicleData(make="Honda"))
        assert car is not None
        first, new = ask(s, lead)
        assert new
        again, new = ask(
            s, lead, wish=None, vehicle_id=car.id, facts={"b": 2}, made_at=NOW + timedelta(days=1)
        )
        assert (new, again.id) == (False, first.id)
        assert (again.wish, again.vehicle_id, again.facts) == ("tint", car.id, {"a": 1, "b": 2})
        assert again.made_at == NOW, "when they asked does not change"


def test_ten_at_once_make_one(db: Database, world: World) -> None:
    def one(_: int) -> tuple[int, bool]:
        with db.tenant(world.north.tenant_id) as s:
            request, new = ask(s, s.get_one(Lead, world.north.lead_id))
            return request.id, new

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(one, range(10)))
    assert len({number for number, _ in results}) == 1
    assert [new for _, new in results].count(True) == 1


def test_a_known_request_stays_with_its_lead(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        mine = s.get_one(Lead, world.north.lead_id)
        other, _ = upsert_lead(
            s, world.north.tenant_id, world.north.location_id, LeadData(source="test", phone="+13125550111")
        )
        car = upsert_vehicle(s, other, VehicleData(make="Ford"))
        assert car is not None
        ask(s, mine)
        told, new = ask(s, other, vehicle_id=car.id)
        assert (told.lead_id, told.vehicle_id, new) == (mine.id, None, False)


def test_each_business_has_its_own(db: Database, world: World) -> None:
    for shop in (world.north, world.south):
        with db.tenant(shop.tenant_id) as s:
            assert ask(s, s.get_one(Lead, shop.lead_id))[1]


def test_closed_told_again_and_open(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        request, _ = ask(s, lead)
        ask(s, lead, "order-2", made_at=NOW + timedelta(days=2))
        newest = newest_request(s, lead.id)
        assert newest is not None
        assert (open_requests(s, lead.id), newest.external_id) == (2, "order-2")
        assert close_request(s, request, NOW)
        assert not close_request(s, request, NOW + timedelta(hours=1))
        s.flush()
        known = request_of(s, world.north.tenant_id, "shopmonkey", "order-1")
        assert known is not None
        assert (known.closed_at, open_requests(s, lead.id)) == (NOW, 1)
        again, new = ask(s, lead)
        assert (again.closed_at, new) == (None, False)
