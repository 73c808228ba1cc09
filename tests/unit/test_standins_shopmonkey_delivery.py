"""Registered webhooks of the Shopmonkey stand-in: what is told by itself, tried again, lost, doubled and late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_probe import Hands, Receiver, call
from tests.standins.shopmonkey_webhook import sign

PUBLIC = "https://hooks.example.com"


@pytest.fixture
def hands() -> Hands:
    return Hands(datetime(2026, 11, 23, 15, tzinfo=UTC))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taker = Receiver()
    yield taker
    taker.server.close()


@pytest.fixture
def shop(hands: Hands, receiver: Receiver) -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn("key", announces=True, clock=hands) as standin:
        standin.reach[PUBLIC] = receiver.url
        yield standin


def register(shop: ShopmonkeyStandIn, *triggers: str, **more: Any) -> dict[str, Any]:
    body = {"name": "leads", "url": f"{PUBLIC}/x", "enabled": True, "triggers": list(triggers), **more}
    answer = call(shop, "POST", "webhook", json=body).json()
    assert answer["success"], answer
    made: dict[str, Any] = answer["data"]
    return made


def state(shop: ShopmonkeyStandIn, hook: dict[str, Any]) -> tuple[bool, bool]:
    row = call(shop, "GET", f"webhook/{hook['id']}").json()["data"]
    return row["enabled"], row["error"]


def test_changes_are_told_signed_with_the_hooks_secret(shop: ShopmonkeyStandIn, receiver: Receiver) -> None:
    hook = register(shop, "OrderInsert", "AppointmentUpdate")
    lead = shop.add_lead()
    slot = shop.add_appointment("2026-11-24T10:00:00-06:00", "2026-11-24T11:00:00-06:00")
    shop.move_appointment(slot, "2026-11-25T10:00:00-06:00")
    assert shop.deliver_due() == 2
    assert receiver.events() == [("order", "INSERT", lead.order_id), ("appointment", "UPDATE", slot)]
    headers, body = receiver.got[1]
    assert headers["webhook-signature"] == sign(
        hook["secret"], headers["webhook-id"], headers["webhook-timestamp"], body
    )
    event = json.loads(body)
    assert event["diff"] == ["startDate", "endDate", "updatedDate"]
    assert event["data"]["startDate"] == "2026-11-25T16:00:00Z"
    assert event["data"]["endDate"] == "2026-11-25T17:00:00Z"


def test_whole_tables_and_single_locations(shop: ShopmonkeyStandIn, receiver: Receiver) -> None:
    register(shop, "Order", locationId=shop.location_id)
    elsewhere = shop.add_location("Other")
    lead = shop.add_lead()
    shop.add_lead(locationId=elsewhere)
    shop.change("order", lead.order_id, complaint="Soon?")
    shop.remove("order", lead.order_id)
    shop.deliver_due()
    assert [operation for _, operation, _ in receiver.events()] == ["INSERT", "UPDATE", "DELETE"]
    assert json.loads(receiver.got[2][1])["data"] == {"id": lead.order_id}


def test_fates_drop_double_and_reorder(shop: ShopmonkeyStandIn, hands: Hands, receiver: Receiver) -> None:
    register(shop, "OrderInsert")
    fates = iter([(), (0, 2), (5,), (1,)])
    shop.fate = lambda _: next(fates)
    _, doubled, late, early = (shop.add_lead().order_id for _ in range(4))
    assert (shop.deliver_due(), shop.next_delivery()) == (1, datetime(2026, 11, 23, 15, 0, 1, tzinfo=UTC))
    hands.pass_s(10)
    shop.deliver_due()
    assert [row_id for _, _, row_id in receiver.events()] == [doubled, early, doubled, late]
    heads = [headers for headers, _ in receiver.got]
    assert heads[0]["x-request-id"] == heads[2]["x-request-id"]
    assert heads[0]["webhook-id"] != heads[2]["webhook-id"]


def test_what_fails_comes_again_as_it_was(shop: ShopmonkeyStandIn, hands: Hands, receiver: Receiver) -> None:
    hook = register(shop, "OrderInsert")
    receiver.answers = [500, 404]
    lead = shop.add_lead()
    shop.deliver_due()
    shop.change("order", lead.order_id, complaint="changed meanwhile")
    for _ in range(2):
        hands.pass_s(40)
        shop.deliver_due()
    heads = [headers for headers, _ in receiver.got]
    assert [head["x-attempt"] for head in heads] == ["1", "2", "3"]
    assert len({head["webhook-id"] for head in heads}) == 3
    assert len({body for _, body in receiver.got}) == 1
    assert state(shop, hook) == (True, False)


def test_a_hook_that_fails_for_good_is_switched_off_until_a_put(
    shop: ShopmonkeyStandIn, hands: Hands, receiver: Receiver
) -> None:
    hook = register(shop, "OrderInsert")
    receiver.answers = [500] * 18
    for lost in (1, 2, 3):
        shop.add_lead()
        for _ in range(6):
            shop.deliver_due()
            hands.pass_s(3600)
        assert state(shop, hook) == (lost < 3, True)
    shop.add_lead()
    assert (shop.deliver_due(), shop.next_delivery()) == (0, None)
    assert call(shop, "PUT", f"webhook/{hook['id']}", json={"enabled": True}).status_code == 200
    assert state(shop, hook) == (True, False)
    known = len(receiver.got)
    shop.add_lead()
    shop.deliver_due()
    assert len(receiver.got) == known + 1, "what was lost meanwhile stays lost"


def test_registration_is_checked(shop: ShopmonkeyStandIn) -> None:
    hook = register(shop, "OrderInsert", "Order")
    assert len(hook["secret"]) == 32
    assert "secret" not in call(shop, "GET", f"webhook/{hook['id']}").json()["data"]
    shop.secret_shown = "always"
    assert call(shop, "GET", "webhook").json()["data"][0]["secret"] == hook["secret"]
    other = register(shop, "Message", name="other")
    for change in ({"name": "leads"}, {"url": "http://x"}, {"triggers": ["Weather"]}):
        assert call(shop, "PUT", f"webhook/{other['id']}", json=change).status_code == 400
    shop.triggers = "events"
    body = {"name": "third", "url": f"{PUBLIC}/x", "triggers": ["Order"]}
    assert call(shop, "POST", "webhook", json=body).status_code == 400
    assert call(shop, "DELETE", f"webhook/{hook['id']}").status_code == 200
    assert call(shop, "GET", f"webhook/{hook['id']}").status_code == 404


def test_bodies_have_switches(hands: Hands, receiver: Receiver) -> None:
    with ShopmonkeyStandIn(
        "key", clock=hands, api_version_number=True, extra_event_keys=False, delete_carries="row"
    ) as shop:
        row = shop.tables["order"][shop.add_lead().order_id]
        event = json.loads(shop.event_body("order", "DELETE", row))
    assert event.keys() == {"apiVersion", "operation", "table", "data"}
    assert (event["apiVersion"], event["data"]["number"]) == (3, row["number"])
