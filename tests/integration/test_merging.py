"""Two leads become one: everything is the surviving lead's afterwards, and whoever looks for the other one finds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from crm.db import Database
from crm.lead_merging import MergeRefused, family_of
from crm.lead_requests import take_request
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, Lead, LeadChange, LeadRequest, Offer, Vehicle
from crm.sample import add_sample_location
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, World
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.people_help import (
    OTHER_EMAIL,
    OTHER_PHONE,
    another_lead,
    at_once,
    lead,
    merge,
)
from tests.integration.talking import change, rows


def count(db: Database, shop: Shop, table: Any, lead_id: int) -> int:
    with db.tenant(shop.tenant_id) as session:
        found = session.scalar(select(func.count()).select_from(table).where(table.lead_id == lead_id))
        return int(found or 0)


def test_everything_of_the_other_lead_moves(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    with db.tenant(shop.tenant_id) as session:
        person = session.get_one(Lead, other.lead_id)
        car = Vehicle(tenant_id=shop.tenant_id, lead_id=other.lead_id, make="Honda", model="Civic")
        session.add(car)
        session.flush()
        take_request(
            session, person, source="shopmonkey", external_id="o-9", wish="tint", vehicle_id=car.id, facts={},
            made_at=clock.now(),
        )  # fmt: skip
        start, end = local(25, 9), local(25, 12)
        session.add(
            Appointment(
                tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0],
                lead_id=other.lead_id, vehicle_id=car.id, service_ids=[], starts_at=start, ends_at=end,
                source="agent",
            )
        )  # fmt: skip
    add_offer(db, dana(other), local(26, 9))
    merged = merge(db, shop, other, clock.now())
    assert merged.moved["requests"] == merged.moved["appointments"] == merged.moved["offers"] == 1
    for table in (Vehicle, LeadRequest, Appointment, Offer):
        assert count(db, shop, table, other.lead_id) == 0, table
        assert count(db, shop, table, shop.lead_id) == 1, table
    assert rows(db, shop, Offer)[0].session_id == shop.session_id
    gone = lead(db, shop, other.lead_id)
    assert gone.merged_into_id == shop.lead_id
    said = [(row.lead_id, row.what, row.after) for row in rows(db, shop, LeadChange)]
    assert (shop.lead_id, "merge", f"lead {other.lead_id}") in said
    assert (other.lead_id, "merged", f"lead {shop.lead_id}") in said


def test_an_address_goes_where_there_is_room(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    one = another_lead(db, shop)
    two = another_lead(db, shop, phone=None, email=OTHER_EMAIL)
    merge(db, one, two, clock.now())
    assert (lead(db, shop, one.lead_id).phone, lead(db, shop, one.lead_id).email) == (
        OTHER_PHONE,
        OTHER_EMAIL,
    )
    assert (lead(db, shop, two.lead_id).phone, lead(db, shop, two.lead_id).email) == (None, None)


def test_a_second_number_stays_as_a_signpost(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    merged = merge(db, shop, other, clock.now())
    assert lead(db, shop, shop.lead_id).phone == CUSTOMER_PHONE
    assert lead(db, shop, other.lead_id).phone == OTHER_PHONE
    assert any(OTHER_PHONE in note for note in merged.notes)
    with db.tenant(shop.tenant_id) as session:
        found, created = upsert_lead(
            session, shop.tenant_id, shop.location_id, LeadData(source="form", phone=OTHER_PHONE)
        )
    assert (found.id, created) == (shop.lead_id, False)


def test_a_number_that_works_replaces_one_that_does_not(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    other = another_lead(db, shop)
    change(db, shop, "update leads set phone_bad_since = now() where id = :lead")
    merge(db, shop, other, clock.now())
    mine, theirs = lead(db, shop, shop.lead_id), lead(db, shop, other.lead_id)
    assert (mine.phone, mine.phone_bad_since) == (OTHER_PHONE, None)
    assert theirs.phone == CUSTOMER_PHONE
    assert theirs.phone_bad_since is not None


def test_the_same_car_is_one_car(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    with db.tenant(shop.tenant_id) as session:
        mine = Vehicle(tenant_id=shop.tenant_id, lead_id=shop.lead_id, make="honda", model="Civic", year=2020)
        theirs = Vehicle(
            tenant_id=shop.tenant_id, lead_id=other.lead_id, make="Honda", color="red", external_id="v1"
        )
        second = Vehicle(tenant_id=shop.tenant_id, lead_id=other.lead_id, make="Ford", model="F-150")
        blank = Vehicle(tenant_id=shop.tenant_id, lead_id=other.lead_id)
        session.add_all([mine, theirs, second, blank])
        session.flush()
        person = session.get_one(Lead, other.lead_id)
        take_request(
            session, person, source="form", external_id="1", wish=None, vehicle_id=theirs.id, facts={}, made_at=clock.now()
        )  # fmt: skip
        ids = mine.id, second.id
    merge(db, shop, other, clock.now())
    cars = rows(db, shop, Vehicle)
    assert [car.id for car in cars] == list(ids)
    assert (cars[0].color, cars[0].external_id, cars[0].year) == ("red", "v1", 2020)
    assert rows(db, shop, LeadRequest)[0].vehicle_id == ids[0]


def test_facts_of_both_are_kept(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop, last_name="Reyes", language="es")
    facts = "update leads set facts = cast(:facts as jsonb) where id = :lead"
    change(db, shop, facts, facts='{"a": 1, "remembered": [{"text": "Likes blue", "at": "2026-01-02"}]}')
    change(
        db, other, facts, facts='{"a": 2, "b": 3, "remembered": [{"text": "Has a dog", "at": "2026-01-01"}]}'
    )
    merge(db, shop, other, clock.now())
    found = lead(db, shop, shop.lead_id)
    assert (found.last_name, found.language) == ("Reyes", "es")
    assert (found.facts["a"], found.facts["b"]) == (1, 3)
    assert [row["text"] for row in found.facts["remembered"]] == ["Has a dog", "Likes blue"]


def test_merging_again_changes_nothing(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    merge(db, shop, other, clock.now())
    before = len(rows(db, shop, LeadChange))
    assert merge(db, shop, other, clock.now()).again
    assert len(rows(db, shop, LeadChange)) == before


def test_a_circle_and_what_makes_no_sense_is_refused(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    third = another_lead(db, shop, phone="+13125550157")
    merge(db, shop, other, clock.now())
    for into, from_, why in (
        (other, shop, "merged into lead"),
        (third, other, "merged into lead"),
        (other, third, "merged into lead"),
        (shop, shop, "itself"),
    ):
        with pytest.raises(MergeRefused, match=why):
            merge(db, into, from_, clock.now())
    with pytest.raises(MergeRefused, match="no lead"):
        merge(db, shop, world.south, clock.now())
    merge(db, third, shop, clock.now())
    with db.tenant(shop.tenant_id) as session:
        assert family_of(session, third.lead_id) == [third.lead_id, shop.lead_id, other.lead_id]
        phone = LeadData(source="form", phone=OTHER_PHONE)
        found, _ = upsert_lead(session, shop.tenant_id, shop.location_id, phone)
    assert found.id == third.lead_id, "the chain is followed to its end"


def test_leads_of_two_locations_stay_two(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        place = add_sample_location(
            session, shop.tenant_id, slug="two", name="Two", phone="+13125550103", mailbox="two@north.example"
        )
        away, _ = upsert_lead(
            session, shop.tenant_id, place.id, LeadData(source="sample", phone=CUSTOMER_PHONE)
        )
        away_id = away.id
    with pytest.raises(MergeRefused, match="different locations"):
        merge(db, shop, replace(shop, lead_id=away_id), clock.now())


def test_two_merges_at_once_make_one_lead(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    for _ in range(3):
        done = at_once(
            lambda: merge(db, shop, other, clock.now()),
            lambda: merge(db, other, shop, clock.now()),
            lambda: merge(db, shop, other, clock.now()),
        )
        refused = [one for one in done if isinstance(one, Exception)]
        assert all(isinstance(one, MergeRefused) for one in refused), refused
        merged = [row.merged_into_id for row in rows(db, shop, Lead)]
        assert sorted(one is None for one in merged) == [False, True]


def test_nothing_new_comes_to_a_merged_lead(db: Database, world: World, clock: FixedClock) -> None:
    """Whoever looked it up before the merge and writes after it is refused, and looks again."""
    shop = world.north
    other = another_lead(db, shop)
    merge(db, shop, other, clock.now())
    statements = (
        "insert into vehicles (tenant_id, lead_id) values (:tenant, :lead)",
        "insert into lead_requests (tenant_id, lead_id, source, external_id, made_at)"
        " values (:tenant, :lead, 'form', 'x', now())",
        "insert into touch_points (tenant_id, lead_id, session_id, plan, cadence_run, step, channel, template, due_at,"
        " local_time) values (:tenant, :lead, :session, 'default', 9, 1, 'sms', 'x', now(), '')",
    )
    values = {"tenant": shop.tenant_id, "lead": other.lead_id, "session": other.session_id}
    for statement in statements:
        with pytest.raises(DBAPIError, match="merged or forgotten"), db.tenant(shop.tenant_id) as session:
            session.execute(text(statement), values)


def test_the_source_finds_the_survivor_by_its_own_id(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop, source="shopmonkey", external_id="order-7")
    merge(db, shop, other, clock.now())
    with db.tenant(shop.tenant_id) as session:
        again = LeadData(source="shopmonkey", external_id="order-7", phone=OTHER_PHONE)
        found, created = upsert_lead(session, shop.tenant_id, shop.location_id, again)
    assert (found.id, created) == (shop.lead_id, False)
    assert lead(db, shop, shop.lead_id).email == CUSTOMER_EMAIL
