"""One person is one lead per location, whoever tells of them, how often and how many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine, func, select, text

from crm.db import Database
from crm.leads import LeadData, NoIdentity, VehicleData, upsert_lead
from crm.models import ChatSession, Lead, Vehicle
from crm.sessions import open_session
from tests.conftest import World

T = TypeVar("T")
NEW_PHONE = "+13125550150"


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in threads that all wait for each other at the start."""
    gate = threading.Barrier(count)

    def run(number: int) -> T:
        gate.wait(timeout=10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_many_workers_make_one_lead_with_one_session(db: Database, world: World) -> None:
    shop = world.north

    def take_in(number: int) -> tuple[int, int, bool]:
        data = LeadData(source="web", phone=NEW_PHONE, email="new@example.com", external_id="order-1")
        with db.tenant(shop.tenant_id) as s:
            lead, created = upsert_lead(s, shop.tenant_id, shop.location_id, data)
            return lead.id, open_session(s, lead).id, created

    results = at_once(8, take_in)
    assert len({result[:2] for result in results}) == 1
    assert [created for *_, created in results].count(True) == 1
    with db.tenant(shop.tenant_id) as s:
        assert s.scalar(select(func.count()).where(Lead.phone == NEW_PHONE)) == 1
        assert s.scalar(select(func.count()).where(ChatSession.lead_id == results[0][0])) == 1


def test_workers_that_know_different_halves_of_one_person_end_at_one_lead(db: Database, world: World) -> None:
    shop = world.north
    halves = [
        LeadData(source="text", phone=NEW_PHONE),
        LeadData(source="shopmonkey", phone="(312) 555-0150", email="New@Example.com", external_id="order-2"),
    ]

    def take_in(number: int) -> int:
        with db.tenant(shop.tenant_id) as s:
            return upsert_lead(s, shop.tenant_id, shop.location_id, halves[number])[0].id

    assert len(set(at_once(2, take_in))) == 1
    with db.tenant(shop.tenant_id) as s:
        assert s.scalars(select(Lead.email).where(Lead.phone == NEW_PHONE)).one() == "new@example.com"


def test_only_empty_fields_are_filled(db: Database, world: World) -> None:
    shop = world.north
    data = LeadData(
        source="shopmonkey", phone="+13125550199", first_name="Daniela", last_name="Reyes", external_id="o-1",
        external_customer_id="c-1", wish="Full tint",
    )  # fmt: skip
    with db.tenant(shop.tenant_id) as s:
        lead, created = upsert_lead(s, shop.tenant_id, shop.location_id, data)
        assert (lead.id, created) == (shop.lead_id, False)
        assert (lead.first_name, lead.last_name, lead.wish) == ("Dana", "Reyes", "Full tint")
        # The lead came from elsewhere: an order's id beside that source would mean nothing.
        assert (lead.source, lead.external_id, lead.external_customer_id) == ("sample", None, "c-1")


def test_the_same_customer_of_another_tenant_is_another_lead(db: Database, world: World) -> None:
    data = LeadData(source="web", phone="+13125550199", last_name="Reyes")
    with db.tenant(world.south.tenant_id) as s:
        lead, created = upsert_lead(s, world.south.tenant_id, world.south.location_id, data)
        assert (lead.id, created) == (world.south.lead_id, False)
    with db.tenant(world.north.tenant_id) as s:
        assert s.get_one(Lead, world.north.lead_id).last_name is None


def test_an_email_that_is_another_leads_stays_there(db: Database, world: World) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        first, _ = upsert_lead(s, shop.tenant_id, shop.location_id, LeadData(source="text", phone=NEW_PHONE))
        data = LeadData(source="text", phone=NEW_PHONE, email="dana@example.com", last_name="Poe")
        again, created = upsert_lead(s, shop.tenant_id, shop.location_id, data)
        assert (again.id, created) == (first.id, False)
        assert (again.email, again.last_name) == (None, "Poe")


def test_email_then_external_id_find_a_lead_without_phone(db: Database, world: World) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        first, _ = upsert_lead(
            s,
            shop.tenant_id,
            shop.location_id,
            LeadData(source="web", email="Pat <Pat@Example.com>", external_id="9"),
        )
        by_email, _ = upsert_lead(
            s, shop.tenant_id, shop.location_id, LeadData(source="email", email="pat@example.com")
        )
        by_id, _ = upsert_lead(
            s, shop.tenant_id, shop.location_id, LeadData(source="web", phone=NEW_PHONE, external_id="9")
        )
        assert first.id == by_email.id == by_id.id
        assert by_id.phone == NEW_PHONE


@pytest.mark.parametrize("phone", [None, "", "555-2671", "12345", "not a phone"])
def test_nobody_is_no_lead(db: Database, world: World, phone: str | None) -> None:
    with db.tenant(world.north.tenant_id) as s, pytest.raises(NoIdentity):
        upsert_lead(
            s,
            world.north.tenant_id,
            world.north.location_id,
            LeadData(source="text", phone=phone, email="x@"),
        )


def test_vehicles(db: Database, world: World) -> None:
    shop = world.north

    def tell(vehicle: VehicleData) -> list[tuple[int | None, str | None, str | None, str | None]]:
        with db.tenant(shop.tenant_id) as s:
            upsert_lead(
                s,
                shop.tenant_id,
                shop.location_id,
                LeadData(source="x", phone="+13125550199", vehicle=vehicle),
            )
            rows = s.scalars(
                select(Vehicle).where(Vehicle.lead_id == shop.lead_id).order_by(Vehicle.id)
            ).all()
            return [(v.year, v.model, v.body_style, v.external_id) for v in rows]

    assert tell(VehicleData()) == []
    assert tell(VehicleData(model="Civic")) == [(None, "Civic", None, None)]
    assert tell(VehicleData(year=2021, model="CIVIC", body_style="sedan")) == [(2021, "Civic", "sedan", None)]
    assert tell(VehicleData(year=2021, model="Civic", external_id="v1")) == [(2021, "Civic", "sedan", "v1")]
    assert len(tell(VehicleData(year=2019, model="F-150", external_id="v2"))) == 2
    assert len(tell(VehicleData(model="Civic", external_id="v1"))) == 2


def test_strange_text_is_stored(db: Database, world: World, owner_engine: Engine) -> None:
    shop = world.north
    data = LeadData(source="web", phone=NEW_PHONE, first_name="Pat\x00 \ud800", wish="x" * 9000)
    with db.tenant(shop.tenant_id) as s:
        upsert_lead(s, shop.tenant_id, shop.location_id, data)
    with owner_engine.begin() as connection:
        row = connection.execute(
            text("select first_name, length(wish) from leads where phone = :p"), {"p": NEW_PHONE}
        )
        assert row.one() == ("Pat", 4000)


def test_reply_tokens_are_their_own_and_survive_a_change_of_case(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        token = s.get_one(ChatSession, world.north.session_id).reply_token
    assert token == token.lower()
    assert token.isalnum()
    assert len(token) >= 16
