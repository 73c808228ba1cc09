"""The Shopmonkey stand-in's limits, people and smaller oddities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_probe import Hands, call, listed

TEN, ELEVEN = "2026-11-24T10:00:00-06:00", "2026-11-24T11:00:00-06:00"
DAY = {"dateMin": "2026-11-24T00:00:00Z", "dateMax": "2026-11-25T00:00:00Z"}


@pytest.fixture
def hands() -> Hands:
    return Hands(datetime(2026, 11, 23, 15, tzinfo=UTC))


@pytest.fixture
def shop(hands: Hands) -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn("key", clock=hands) as standin:
        yield standin


def order(shop: ShopmonkeyStandIn, order_id: str) -> dict[str, Any]:
    row: dict[str, Any] = call(shop, "GET", f"order/{order_id}").json()["data"]
    return row


def test_the_minute_rolls_for_each_key(shop: ShopmonkeyStandIn, hands: Hands) -> None:
    shop.rate_limit = 2
    first = call(shop, "GET", "order")
    assert (first.headers["X-RateLimit-Limit-Minute"], first.headers["X-RateLimit-Remaining-Minute"]) == (
        "2",
        "1",
    )
    hands.pass_s(20)
    assert call(shop, "GET", "order").status_code == 200
    refused = call(shop, "GET", "order")
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["success"]) == (
        429,
        "40",
        False,
    )
    shop.keys.add("second")
    assert call(shop, "GET", "order", key="second").status_code == 200
    hands.pass_s(40)
    assert [call(shop, "GET", "order").status_code for _ in range(2)] == [200, 429]


def test_a_seed_repeats_ids_and_the_order_of_lists() -> None:
    told = []
    for _ in range(2):
        with ShopmonkeyStandIn("key", seed=7) as shop:
            for _ in range(10):
                shop.add_lead()
            told.append([row["id"] for row in listed(shop, "order")["data"]])
    assert told[0] == told[1]
    assert {len(one) for one in told[0]} == {24, 36}, "UUIDs and 24-hex ids are mixed"


def test_what_is_read_is_poorer_in_lists(shop: ShopmonkeyStandIn) -> None:
    made = shop.add_canned_service("Full Ceramic Tint", 45000, hours=2.5)
    row = listed(shop, "canned_service", where={"bookable": True})["data"][0]
    assert (row["labors"][0]["hours"], "parts" in row) == (2.5, False)
    assert call(shop, "GET", f"canned_service/{made}").json()["data"]["parts"] == []
    shop.edit_price(made, 52000)
    changed = call(shop, "GET", f"canned_service/{made}").json()["data"]
    assert changed["totalCents"] == 52000
    assert changed["updatedDate"]


def test_email_search_takes_one_shape_only(shop: ShopmonkeyStandIn) -> None:
    lead = shop.add_lead(email="dana@example.com")
    strings, objects = {"emails": ["dana@example.com"]}, {"emails": [{"email": "dana@example.com"}]}
    assert call(shop, "POST", "customer/email/search", json=strings).status_code == 400
    found = call(shop, "POST", "customer/email/search", json=objects).json()["data"]
    assert [row["id"] for row in found] == [lead.customer_id]
    shop.email_search = "strings"
    assert call(shop, "POST", "customer/email/search", json=objects).status_code == 400
    assert call(shop, "POST", "customer/email/search", json=strings).json()["meta"]["total"] == 1


def test_a_location_in_the_query_is_ignored_unless_switched_on(shop: ShopmonkeyStandIn) -> None:
    shop.add_lead()
    shop.add_lead(locationId=shop.add_location("Other"))
    assert listed(shop, "order", locationId=shop.location_id)["meta"]["total"] == 2
    assert listed(shop, "order", where={"locationId": shop.location_id})["meta"]["total"] == 1
    shop.location_filter = True
    assert listed(shop, "order", locationId=shop.location_id)["meta"]["total"] == 1


def test_messages_grow_the_count_of_the_customers_orders(shop: ShopmonkeyStandIn) -> None:
    lead, other = shop.add_lead(), shop.add_lead("Sam")
    assert order(shop, lead.order_id)["messageCount"] == 0
    shop.shop_writes(lead.customer_id, "We have a cancellation at three.")
    shop.customer_writes(lead.customer_id, "Great!")
    seen = order(shop, lead.order_id)
    assert (seen["messageCount"], seen["shopUnreadMessageCount"]) == (2, 1)
    assert seen["messagedDate"] == seen["updatedDate"]
    assert order(shop, other.order_id)["messageCount"] == 0
    rows = listed(shop, "message", where={"customerId": lead.customer_id})["data"]
    assert {row["authorType"] for row in rows} == {"User", "Customer"}
    assert len({row["conversationId"] for row in rows}) == 1
    body = {"text": "Hello", "sendSms": True, "customerId": lead.customer_id}
    sent = call(shop, "POST", "message", json=body).json()["data"]
    assert (sent["authorType"], order(shop, lead.order_id)["messageCount"]) == ("User", 3)
    assert call(shop, "POST", "message", json={"text": "To whom?"}).status_code == 400
    conversation = call(shop, "GET", f"conversation/{sent['conversationId']}").json()["data"]
    assert conversation["customerId"] == lead.customer_id


def test_the_shop_moves_cancels_and_deletes_in_its_calendar(shop: ShopmonkeyStandIn) -> None:
    lead = shop.add_lead()
    body = {
        "name": "Dana",
        "color": "blue",
        "startDate": TEN,
        "endDate": ELEVEN,
        "orderId": lead.order_id,
    }
    slot = call(shop, "POST", "appointment", json=body).json()["data"]
    assert slot["startDate"] == "2026-11-24T16:00:00Z", "moments come back in UTC"
    assert order(shop, lead.order_id)["appointmentDates"] == ["2026-11-24T16:00:00Z"]
    shop.move_appointment(slot["id"], "2026-11-24T13:00:00-06:00")
    moved = call(shop, "GET", f"appointment/{slot['id']}").json()["data"]
    assert (moved["startDate"], moved["endDate"]) == ("2026-11-24T19:00:00Z", "2026-11-24T20:00:00Z")
    assert moved["meta"]["version"] > slot["meta"]["version"]
    changed = call(shop, "PUT", f"appointment/{slot['id']}", json={"startDate": TEN}).json()["data"]
    assert changed["startDate"] == "2026-11-24T16:00:00Z"
    shop.cancel_appointment(slot["id"])
    assert order(shop, lead.order_id)["appointmentDates"] == []
    assert listed(shop, "appointment")["data"][0]["cancellationNote"] == "Cancelled by phone"
    shop.cancelled_listed = False
    assert listed(shop, "appointment")["data"] == []
    shop.delete_appointment(slot["id"])
    assert call(shop, "GET", f"appointment/{slot['id']}").status_code == 404


def test_lunch_shows_only_in_the_web_calendar(shop: ShopmonkeyStandIn) -> None:
    tess, kim = shop.add_user("Tess"), shop.add_user("Kim")
    lunch = shop.add_lunch("2026-11-23T12:00:00-06:00", 30, days=3, technicians=[tess])
    plain = shop.add_appointment(TEN, ELEVEN, technicianIds=[kim])
    assert [row["id"] for row in listed(shop, "appointment")["data"]] == [plain]
    path = "appointment/search_replacement"
    assert call(shop, "POST", path, json={**DAY, "includeUnassigned": True}).json()["data"] == []
    both = call(shop, "POST", path, json={**DAY, "technicians": [tess, kim]}).json()
    assert [row["id"] for row in both["data"]] == [plain, lunch[1]]
    assert both["data"][1]["rruleset"].endswith("COUNT=3")
    assert both["meta"]["total"] > 2
    shop.calendar_overcounts = False
    assert call(shop, "POST", path, json={**DAY, "technicians": [tess, kim]}).json()["meta"]["total"] == 2
    assert call(shop, "POST", path, json={"technicians": [tess]}).status_code == 400


def test_bodies_and_orders_are_checked(shop: ShopmonkeyStandIn) -> None:
    typed = {"Content-Type": "application/json"}
    slot = shop.add_appointment(TEN, ELEVEN)
    for method, path in (("DELETE", f"appointment/{slot}"), ("PATCH", f"appointment/{slot}/cancel")):
        assert call(shop, method, path, headers=typed).status_code == 400
    assert call(shop, "DELETE", f"appointment/{slot}", json={}).status_code == 200
    assert call(shop, "GET", 'order?orderby={"createdDate":"up"}').status_code == 400
    assert call(shop, "GET", "order?where=createdDate").status_code == 400
    late = {"createdDate": {"gte": (shop.clock() + timedelta(hours=1)).isoformat()}}
    shop.add_lead()
    assert listed(shop, "order", where=late)["meta"]["total"] == 0
