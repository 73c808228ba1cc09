"""The Shopmonkey stand-in over a socket, point by point of the checklist in Shopmonkey facts 15."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_probe import call, listed


@pytest.fixture
def shop() -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn("key") as standin:
        yield standin


def test_keys(shop: ShopmonkeyStandIn) -> None:
    assert call(shop, "GET", "order", key="bad").status_code == 401
    assert call(shop, "GET", "order", key=shop.read_only_key).status_code == 200
    refused = call(shop, "POST", "customer", key=shop.read_only_key, json={"firstName": "A"})
    assert (refused.status_code, refused.json()["success"]) == (403, False)


def test_lists_are_clamped_paged_and_sorted_only_by_a_json_orderby(shop: ShopmonkeyStandIn) -> None:
    for number in range(120):
        shop.add_customer(f"N{number:03}", "X")
    first = listed(shop, "customer", limit=500, orderby={"firstName": "asc"}, page=3, offset=50)
    assert first["meta"] == {"total": 120, "hasMore": True}
    assert [row["firstName"] for row in first["data"]] == [f"N{n:03}" for n in range(100)]
    rest = listed(shop, "customer", limit=100, skip=100, orderby={"firstName": "asc"})
    assert (len(rest["data"]), rest["meta"]["hasMore"]) == (20, False)
    assert call(shop, "GET", "customer?orderby=firstName").status_code == 400
    assert call(shop, "GET", "customer?limit=many").json()["message"] == "body/limit must be number"
    unsorted = [row["firstName"] for row in listed(shop, "customer", orderBy={"firstName": "asc"})["data"]]
    assert unsorted != sorted(unsorted)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"number": "1001"}, 1),
        ({"number": {"in": ["1001", "1003"]}}, 2),
        ({"OR": [{"number": "1001"}, {"name": {"contains": "tint", "mode": "insensitive"}}]}, 2),
        ({"NOT": {"number": "1001"}}, 2),
        ({"createdDate": {"gte": "2020-01-01T00:00:00Z"}}, 3),
        ({"createdDate": {"lt": "2020-01-01T00:00:00Z"}}, 0),
        ({"createdDate": {"$lt": "2020-01-01T00:00:00Z"}}, 3),
        ({"number": {"eq": "1001"}}, 3),
        ({"and": [{"number": "1001"}]}, 3),
        ({"noSuchField": 1}, 3),
        ({"deleted": True}, 3),
        ({"authorized": "true"}, 3),
        ({"authorized": True}, 0),
    ],
)
def test_filters_work_or_are_ignored_silently(
    shop: ShopmonkeyStandIn, where: dict[str, Any], found: int
) -> None:
    for name in ("a", "b", "Full TINT"):
        shop.add_order(None, None, name=name)
    answer = listed(shop, "order", where=where)
    assert (len(answer["data"]), answer["meta"]["total"]) == (found, found)


def test_a_number_for_a_string_is_400(shop: ShopmonkeyStandIn) -> None:
    answer = call(shop, "GET", 'order?where={"number":1001}')
    assert answer.status_code == 400
    assert answer.json()["message"] == "Invalid filter value for field 'number': expected a string"


def test_a_lead_and_its_parts(shop: ShopmonkeyStandIn) -> None:
    canned = shop.add_canned_service("Full Ceramic Tint", 45000, hours=2.5)
    car = {"year": 2021, "make": "Honda", "model": "Civic", "submodel": "EX"}
    lead = shop.add_lead(vehicle=car, complaint="How much?", services=["Full Ceramic Tint"], opt_in=True)
    order = call(shop, "GET", f"order/{lead.order_id}").json()["data"]
    assert (order["status"], order["updatedDate"], order["generatedVehicleName"]) == (
        "Estimate",
        None,
        "2021 Honda Civic EX",
    )
    assert "services" not in order
    service = call(shop, "GET", f"order/{lead.order_id}/service").json()["data"][0]
    assert (service["totalCents"], service["sourceServiceId"]) == (45000, canned)
    customer = call(shop, "GET", f"customer/{lead.customer_id}").json()["data"]
    assert customer["phone"] is None
    assert customer["phoneNumbers"][0]["optIn"] is True
    silent = shop.add_lead("Sam", None, None, "sam@example.com", opt_in=None)
    contacts = call(shop, "GET", f"customer/{silent.customer_id}").json()["data"]
    assert contacts["phoneNumbers"] == []
    assert "subscribed" not in contacts["emails"][0]
    assert call(shop, "GET", f"customer/{lead.customer_id}/order").json()["meta"]["total"] == 1
    assert call(shop, "GET", f"customer/{lead.customer_id}/vehicle").json()["data"][0]["make"] == "Honda"
    assert len(shop.add_row("customer", legacy=True)["id"]) == 24


def test_customer_searches(shop: ShopmonkeyStandIn) -> None:
    lead = shop.add_lead(phone="+15125550100")
    by_phone = {"phoneNumbers": [{"number": "+15125550100"}]}
    assert (
        call(shop, "POST", "customer/phone_number/search", json=by_phone).json()["data"][0]["id"]
        == lead.customer_id
    )
    missing = call(shop, "POST", "customer/email/search", json={"query": "x"})
    assert missing.json()["message"] == "body must have required property 'emails'"
    named = {"where": {"normalizedName": {"contains": "reyes"}}}
    assert call(shop, "POST", "customer/search", json=named).json()["meta"]["total"] == 1


SLOT = {
    "name": "Dana",
    "color": "blue",
    "startDate": "2026-03-05T13:00:00.000-06:00",
    "endDate": "2026-03-05T15:30:00.000-06:00",
}


def test_appointments_drop_unknown_keys_and_overlap(shop: ShopmonkeyStandIn) -> None:
    user = shop.add_user("Tess")
    body = {**SLOT, "title": "x", "technicianId": "t", "technicianIds": [user], "note": "booking-1"}
    made = call(shop, "POST", "appointment", json=body)
    assert made.status_code == 200
    row = made.json()["data"]
    assert not {"title", "technicianId", "technicianIds"} & row.keys()
    assert call(shop, "POST", "appointment", json=SLOT).status_code == 200
    shop.add_appointment("2026-03-05T12:00:00-06:00", "2026-03-05T13:00:00-06:00", recurring=True)
    day = {"startDate": {"gte": "2026-03-05T06:00:00Z", "lt": "2026-03-06T06:00:00Z"}}
    rows = listed(shop, "appointment", where=day, orderby={"startDate": "asc"})["data"]
    assert len(rows) == 2
    assert {len(each["technicians"]) for each in rows} == {0, 1}
    found = call(shop, "POST", "appointment/search", json={"where": day}).json()
    assert found["meta"]["total"] == 2
    for missing in ("name", "color"):
        less = {name: value for name, value in SLOT.items() if name != missing}
        refused = call(shop, "POST", "appointment", json=less)
        assert refused.json()["message"] == f"body must have required property '{missing}'"
    naive = {**SLOT, "startDate": "2026-03-05T13:00:00"}
    assert call(shop, "POST", "appointment", json=naive).status_code == 400


def test_the_calendar_shows_recurring_rows_and_repeats_its_tail(shop: ShopmonkeyStandIn) -> None:
    for hour in range(5):
        shop.add_appointment(f"2026-03-05T1{hour}:00:00Z", f"2026-03-05T1{hour}:30:00Z", recurring=hour == 2)
    base = {"dateMin": "2026-03-05T00:00:00Z", "dateMax": "2026-03-05T23:59:59Z", "includeUnassigned": True}
    seen: list[str] = []
    for skip in (0, 3, 6):
        page = call(
            shop, "POST", "appointment/search_replacement", json={**base, "limit": 3, "skip": skip}
        ).json()
        seen += [row["id"] for row in page["data"]]
        assert page["meta"]["total"] > 5
    assert len(set(seen)) == 5
    assert len(seen) > 5


def test_change_cancel_and_delete(shop: ShopmonkeyStandIn) -> None:
    row_id = call(shop, "POST", "appointment", json=SLOT).json()["data"]["id"]
    changed = call(shop, "PUT", f"appointment/{row_id}", json={"note": "new", "notes": "dropped"}).json()[
        "data"
    ]
    assert (changed["note"], changed["name"]) == ("new", "Dana")
    assert changed["updatedDate"]
    cancelled = call(shop, "PATCH", f"appointment/{row_id}/cancel", json={"cancellationNote": "sick"}).json()[
        "data"
    ]
    assert cancelled["cancellationNote"] == "sick"
    typed = {"Content-Type": "application/json"}
    assert call(shop, "DELETE", f"appointment/{row_id}", headers=typed).status_code == 400
    assert call(shop, "DELETE", f"appointment/{row_id}").status_code == 200
    assert call(shop, "GET", f"appointment/{row_id}").status_code == 404


def test_other_creates(shop: ShopmonkeyStandIn) -> None:
    phones = [{"number": "+15125550101", "primary": True}]
    customer = {"firstName": "A", "customerType": "Customer", "phoneNumbers": phones, "phone": "+1"}
    owner = call(shop, "POST", "customer", json=customer).json()["data"]
    assert (owner["phone"], owner["phoneNumbers"][0]["number"]) == (None, "+15125550101")
    assert call(shop, "POST", "customer", json={"firstName": "A", "emails": []}).status_code == 400
    bad = {"firstName": "A", "phoneNumbers": [{"number": "555"}]}
    assert call(shop, "POST", "customer", json=bad).json()["message"] == "Phone number not valid"
    car = {"customerId": owner["id"], "year": 2021, "make": "Honda", "model": "Civic"}
    assert call(shop, "POST", "vehicle", json=car).status_code == 400
    made = call(shop, "POST", "vehicle", json={**car, "size": "LightDuty"}).json()["data"]
    assert made["owners"] == [owner["id"]]
    order = call(shop, "POST", "order", json={"customerId": owner["id"], "status": "Estimate"}).json()["data"]
    assert isinstance(order["number"], str)
    lines = [{"cannedServiceId": "c", "name": "Tint"}]
    added = call(shop, "POST", f"order/{order['id']}/service", json=lines).json()["data"]["services"]
    assert added[0]["totalCents"] == 0


def test_faults_and_limits(shop: ShopmonkeyStandIn) -> None:
    shop.fail_next(1, "retry_after", seconds=1)
    limited = call(shop, "GET", "order")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    assert limited.headers["X-RateLimit-Remaining-Minute"] == "0"
    shop.fail_next(1, "html", status=403)
    blocked = call(shop, "GET", "order")
    assert (blocked.status_code, blocked.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    shop.fail_next(1, 502)
    assert call(shop, "GET", "order").status_code == 502
    shop.fail_next(1, "accept_then_drop", method="POST", path="/appointment")
    assert call(shop, "GET", "appointment").json()["data"] == []
    with pytest.raises(requests.ConnectionError):
        call(shop, "POST", "appointment", json=SLOT)
    assert call(shop, "GET", "appointment").json()["meta"]["total"] == 1
    shop.rate_limit = 3
    assert call(shop, "GET", "order").status_code == 429


def test_new_orders_are_late_in_lists_only() -> None:
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    with ShopmonkeyStandIn("key", order_lag_lists=1, order_delay_s=600, clock=lambda: now[0]) as shop:
        lead = shop.add_lead()
        assert call(shop, "GET", f"order/{lead.order_id}").status_code == 200
        counts = [listed(shop, "order")["meta"]["total"] for _ in range(2)]
        now[0] += timedelta(minutes=11)
        assert [*counts, listed(shop, "order")["meta"]["total"]] == [0, 0, 1]
