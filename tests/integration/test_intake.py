"""From what Shopmonkey tells to a lead with its request, its cadence and its first text."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from crm.connectors.intake import take_in
from crm.connectors.records import LeadContext
from crm.consents import is_opted_out, record_consent
from crm.leads import LeadData, VehicleData
from crm.models import ConsentEvent, Lead, LeadRequest, SendDecision, TouchPoint, Vehicle
from ops.clock import FixedClock
from scheduler import dispatch, touch_text
from tests.conftest import TestDatabase, World
from tests.integration.intake_help import CIVIC, EMAIL, PHONE, Desk, desk_of


@pytest.fixture
def desk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner_engine: Engine
) -> Iterator[Desk]:
    """North, connected."""
    with desk_of(test_database, redis_url, clock, world, owner_engine) as made:
        yield made


def test_one_webhook_ends_in_the_carriers_hands(desk: Desk) -> None:
    order = desk.order(complaint="Full tint?")
    event_id = desk.store(desk.body(order))
    assert desk.process(event_id) == "processed"
    lead = desk.lead()
    assert (lead.email, lead.source, lead.external_id, lead.status) == (EMAIL, "shopmonkey", order, "new")
    assert lead.location_id == desk.world.north.location_id
    (text,) = desk.texts.sent
    assert text.to_address == PHONE
    assert "Civic" in text.body
    (request,) = desk.requests(lead.id)
    assert (request.source, request.external_id, request.wish) == ("shopmonkey", order, "Ceramic window tint")
    (car,) = desk.rows(Vehicle, lead_id=lead.id)
    assert request.vehicle_id == car.id
    (grant,) = desk.rows(ConsentEvent)
    assert (grant.actor, grant.source, grant.address, grant.lead_id) == ("crm", "shopmonkey", PHONE, lead.id)
    touches = desk.touches(lead.id)
    assert [row.status for row in touches] == ["written", *["planned"] * 12]
    # The gate was asked, and its answer is kept.
    assert [row.decision for row in desk.rows(SendDecision)] == ["allow"]
    assert desk.event(event_id).note == f"lead {lead.id}"
    assert desk.process(event_id) == "not due"
    assert desk.woken() == []


def test_found_by_looking_the_first_text_is_left_to_its_own_job(desk: Desk) -> None:
    taken = desk.look(desk.order())
    assert (taken.created, taken.request_new, taken.reason) == (True, True, None)
    assert desk.texts.sent == []
    assert [job for job, _, _ in desk.woken()] == ["deliver"]


def test_however_often_and_by_whomever_it_is_told_it_is_one(desk: Desk) -> None:
    order = desk.order()
    events = [desk.store(desk.body(order)) for _ in range(3)]
    desk.shopmonkey.change("order", order, complaint="And the windshield")
    events += [desk.store(desk.body(order, "UPDATE")) for _ in range(3)]

    def one(number: int) -> Any:
        return desk.process(events[number]) if number < 6 else desk.look(order, "UPDATE")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [5, 0, 6, 1, 3, 7, 2, 4]))
    lead = desk.lead()
    assert len(desk.requests(lead.id)) == 1
    assert len(desk.touches(lead.id)) == 13
    assert len(desk.rows(ConsentEvent)) == 1
    desk.clock.advance(timedelta(minutes=5))
    for job, tenant_id, row_id in desk.woken():
        assert job in ("deliver", "touch", "webhook")
        if job == "deliver":
            desk.runtime.outbox.deliver(tenant_id, int(row_id))
    assert len(desk.texts.sent) == 1


def test_a_version_that_is_known_is_not_asked_for_again(desk: Desk) -> None:
    order = desk.order()
    desk.tell(order)
    desk.shopmonkey.requests.clear()
    assert desk.tell(order) == "processed"
    assert desk.look(order).reason == "this version of it is known already"
    assert desk.shopmonkey.requests == []
    desk.shopmonkey.change("order", order, complaint="Other")
    assert desk.tell(order, "UPDATE") == "processed"


def test_an_old_version_that_comes_late_changes_nothing(desk: Desk) -> None:
    order = desk.order()
    old = desk.store(desk.body(order))
    desk.shopmonkey.change("order", order, complaint="Newer")
    assert desk.tell(order, "UPDATE") == "processed"
    assert desk.process(old) == "processed"
    lead = desk.lead()
    assert len(desk.requests(lead.id)) == 1
    assert len(desk.texts.sent) == 1


@pytest.mark.parametrize(
    ("known", "told", "same"),
    [
        ({"phone": PHONE}, {"phone": PHONE, "email": EMAIL}, True),
        ({"email": EMAIL}, {"phone": PHONE, "email": EMAIL}, True),
        ({"phone": "+13125550177"}, {"phone": PHONE, "email": EMAIL}, False),
    ],
)
def test_the_same_phone_then_the_same_email_is_the_same_person(
    desk: Desk, known: dict[str, str], told: dict[str, str], same: bool
) -> None:
    desk.tell(desk.order(known.get("phone"), known.get("email")))
    desk.clock.advance(timedelta(days=3))
    desk.tell(desk.order(told.get("phone"), told.get("email")))
    leads = desk.rows(Lead, source="shopmonkey")
    assert len(leads) == (1 if same else 2)
    assert len(desk.rows(LeadRequest)) == 2


def test_the_same_customer_of_theirs_is_the_same_person(desk: Desk) -> None:
    first = desk.order(PHONE, None)
    desk.tell(first)
    customer_id = str(desk.shopmonkey.tables["order"][first]["customerId"])
    other = desk.order("+13125550188", None)
    desk.shopmonkey.change("order", other, customerId=customer_id)
    (phone,) = desk.shopmonkey.tables["customer"][customer_id]["phoneNumbers"]
    phone["number"] = "+13125550177"
    desk.tell(other)
    lead = desk.lead()
    assert len(desk.requests(lead.id)) == 2
    # What they are called elsewhere is told to the owner, and no number is taken over.
    assert ("other address", None, f"phone of {other}") in desk.history(lead.id)


def test_a_phone_and_an_email_of_two_people_are_never_mixed(desk: Desk) -> None:
    desk.tell(desk.order(PHONE, None))
    desk.tell(desk.order(None, EMAIL))
    by_phone, by_email = desk.lead(PHONE), desk.lead(email=EMAIL)
    both = desk.order(PHONE, EMAIL)
    desk.tell(both)
    desk.shopmonkey.change("order", both, complaint="Again")
    desk.tell(both, "UPDATE")
    assert [row.lead_id for row in desk.rows(LeadRequest, external_id=both)] == [by_phone.id]
    assert desk.lead(PHONE).email is None
    assert desk.lead(email=EMAIL).id == by_email.id
    notes = [each for each in desk.history(by_phone.id) if each[0] == "same person?"]
    assert notes == [("same person?", None, str(by_email.id))]


def test_a_request_stays_with_its_lead_when_the_phone_is_corrected(desk: Desk) -> None:
    order = desk.order(PHONE, None)
    desk.tell(order)
    lead = desk.lead()
    desk.set(Lead, lead.id, phone_bad_since=desk.clock.now())
    customer = desk.shopmonkey.tables["order"][order]["customerId"]
    (row,) = desk.shopmonkey.tables["customer"][str(customer)]["phoneNumbers"]
    row["number"] = "+13125550166"
    desk.shopmonkey.change("order", order, complaint="Phone corrected")
    desk.tell(order, "UPDATE")
    again = desk.lead("+13125550166")
    assert (again.id, again.phone_bad_since) == (lead.id, None)
    assert len(desk.rows(Lead, source="shopmonkey")) == 1


def test_a_request_stays_with_its_lead_when_it_names_another_customer(desk: Desk) -> None:
    desk.tell(desk.order())
    lead = desk.lead()
    desk.clock.advance(timedelta(days=1))
    second = desk.order(services=["Other"])
    desk.tell(second)
    stranger = desk.order("+13125550122", "nobody@example.com")
    desk.shopmonkey.change(
        "order", second, customerId=desk.shopmonkey.tables["order"][stranger]["customerId"]
    )
    desk.tell(second, "UPDATE")
    assert [row.lead_id for row in desk.requests(lead.id)] == [lead.id, lead.id]
    assert len(desk.rows(Lead, source="shopmonkey")) == 1


def test_who_loses_the_race_for_a_request_leaves_nothing_behind(desk: Desk) -> None:
    """Two workers fetched the order before and after its phone was corrected, and neither saw the other's row."""
    first = LeadData(source="shopmonkey", phone="+13125550123", external_id="order-1")
    second = replace(first, phone="+13125550124", vehicle=VehicleData(make="Ford"))
    leads = []
    for data in (first, replace(first, external_id="order-2"), replace(second, external_id="order-2")):
        with desk.runtime.db.tenant(desk.tenant_id) as session:
            found = LeadContext("", data)
            taken = take_in(session, desk.tenant_id, desk.world.north.location_id, found, desk.clock.now())
            leads.append((taken.lead.id, taken.created, taken.request_new))
    number = leads[0][0]
    assert leads == [(number, True, True), (number, False, True), (number, False, False)]
    assert [row.id for row in desk.rows(Lead, source="shopmonkey")] == [number]
    assert [row.lead_id for row in desk.rows(Vehicle)] == [number]


def test_who_was_forgotten_is_not_made_anew(desk: Desk) -> None:
    order = desk.order()
    desk.tell(order)
    lead = desk.lead()
    desk.set(
        Lead, lead.id, phone=None, email=None, external_id=None, external_customer_id=None,
        erased_at=desk.clock.now(),
    )  # fmt: skip
    desk.shopmonkey.change("order", order, complaint="Told again")
    event_id = desk.store(desk.body(order, "UPDATE"))
    assert desk.process(event_id) == "ignored"
    assert "erased" in str(desk.event(event_id).note)
    assert len(desk.rows(Lead, source="shopmonkey")) == 1
    desk.clock.advance(timedelta(days=1))
    desk.tell(desk.order())
    assert desk.lead().id != lead.id, "they asked again themselves"


def test_an_opt_out_survives_every_import(desk: Desk) -> None:
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        record_consent(
            session, tenant_id=desk.tenant_id, channel="sms", address=PHONE, action="revoke", actor="customer",
            source="wrote by sms", evidence="STOP", effective_at=desk.clock.now(),
        )  # fmt: skip
    order = desk.order()
    for number in range(3):
        desk.shopmonkey.change("order", order, complaint=f"Told {number}")
        desk.tell(order, "UPDATE")
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        assert is_opted_out(session, desk.tenant_id, "sms", PHONE)
    assert len(desk.rows(ConsentEvent)) == 1
    assert desk.touches(desk.lead().id) == []
    assert desk.texts.sent == []
    (notice,) = desk.notices()
    assert "said stop" in notice


def test_an_order_of_somebody_elses_location_is_none_of_ours(desk: Desk) -> None:
    elsewhere = desk.shopmonkey.add_location("Other")
    event_id = desk.store(desk.body(desk.order(locationId=elsewhere)))
    assert desk.process(event_id) == "ignored"
    assert "location" in str(desk.event(event_id).note)
    assert desk.rows(Lead, source="shopmonkey") == []


def test_the_payload_is_not_believed(desk: Desk) -> None:
    order = desk.order(status="Invoice")
    body = desk.body(order).replace(b'"Invoice"', b'"Estimate"')
    assert desk.process(desk.store(body)) == "ignored"
    known = desk.order("+13125550155", None)
    desk.tell(known)
    # Nor that it is deleted.
    desk.shopmonkey.change("order", known, complaint="Still there")
    assert desk.tell(known, "DELETE") == "processed"
    (request,) = desk.rows(LeadRequest)
    assert request.closed_at is None


def test_a_first_text_that_cannot_be_written_costs_no_lead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the template is broken")

    monkeypatch.setattr(touch_text, "render", broken)
    assert desk.tell(desk.order()) == "processed"
    lead = desk.lead()
    first = desk.touches(lead.id)[0]
    assert first.status == "planned"
    assert ("touch", desk.tenant_id, str(first.id)) in desk.woken()
    monkeypatch.undo()
    assert dispatch.write_touch(desk.runtime.db, desk.tenant_id, first.id, desk.clock) is not None


def test_no_transaction_is_open_while_shopmonkey_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm.connectors.shopmonkey.client import ShopmonkeyClient

    held: list[int] = []
    real = ShopmonkeyClient.order

    def watching(self: ShopmonkeyClient, order_id: str) -> Any:
        held.append(desk.runtime.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return real(self, order_id)

    monkeypatch.setattr(ShopmonkeyClient, "order", watching)
    order = desk.order()
    desk.tell(order)
    desk.shopmonkey.change("order", order, complaint="More")
    desk.look(order, "UPDATE")
    assert held == [0, 0]


def test_the_other_tenants_customer_is_nobody_here(desk: Desk) -> None:
    """South has the same customer; north's order makes north's own lead."""
    desk.tell(desk.order(vehicle=CIVIC))
    with desk.runtime.db.tenant(desk.world.south.tenant_id) as session:
        assert session.query(TouchPoint).count() == 0
        assert session.query(LeadRequest).count() == 0
