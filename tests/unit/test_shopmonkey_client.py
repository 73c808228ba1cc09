"""Our client for Shopmonkey over real sockets, and its records in our words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from crm.connectors.base import Change, ConnectorError, LeadContext, NotALead
from crm.connectors.shopmonkey import signature
from crm.connectors.shopmonkey.answers import answer_of
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.http import ATTEMPTS
from crm.connectors.shopmonkey.mapping import lead_context, read_change
from crm.connectors.shopmonkey.rules import LeadRules, moment, refuse
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_webhook import sign

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)


@pytest.fixture
def shopmonkey() -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn(clock=lambda: NOW) as standin:
        yield standin


@pytest.fixture
def client(shopmonkey: ShopmonkeyStandIn) -> Iterator[ShopmonkeyClient]:
    client = ShopmonkeyClient(shopmonkey.api_key, shopmonkey.url, timeout_s=0.5, sleep=lambda s: None)
    yield client
    client.close()


def fetch(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, order_id: str, **rules: Any
) -> LeadContext | NotALead:
    connector = ShopmonkeyConnector(client, LeadRules(**rules))
    change = Change("order", "INSERT", order_id, None)
    return connector.fetch_lead(change, frozenset({shopmonkey.location_id}), NOW)


def lead_of(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, order_id: str) -> LeadContext:
    found = fetch(shopmonkey, client, order_id)
    assert isinstance(found, LeadContext)
    return found


def test_a_quote_becomes_a_lead(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    made = shopmonkey.add_lead(
        vehicle={"year": 2021, "make": "Honda", "model": "Civic", "type": "Sedan"},
        complaint="How much?",
        services=["Window Tint - Full Sedan - Ceramic"],
        opt_in=True,
    )
    found = lead_of(shopmonkey, client, made.order_id)
    assert found.location_external_id == shopmonkey.location_id
    assert (found.data.phone, found.data.email) == ("+15125550100", "dana@example.com")
    assert (found.data.first_name, found.data.external_id) == ("Dana", made.order_id)
    assert found.data.external_customer_id == made.customer_id
    assert found.data.wish == "Window Tint - Full Sedan - Ceramic"
    assert found.data.vehicle is not None
    assert (found.data.vehicle.year, found.data.vehicle.body_style) == (2021, "sedan")
    (consent,) = found.consents
    assert (consent.channel, consent.address) == ("sms", "+15125550100")
    assert made.order_id in consent.evidence
    assert '"optIn": true' in consent.evidence
    agents = {request.headers["User-Agent"] for request in shopmonkey.requests}
    assert agents == {"lead-orchestrator/1"}


def test_silence_is_no_consent(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    assert lead_of(shopmonkey, client, shopmonkey.add_lead(opt_in=None).order_id).consents == ()


def test_an_explicit_no_is_a_refusal(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    found = lead_of(shopmonkey, client, shopmonkey.add_lead(opt_in=False).order_id).consents
    assert [(one.channel, one.refused) for one in found] == [("sms", True), ("email", True)]


@pytest.mark.parametrize("value", ["true", 1, None, {}])
def test_only_a_real_true_is_consent(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, value: Any
) -> None:
    made = shopmonkey.add_lead(opt_in=True)
    shopmonkey.tables["customer"][made.customer_id]["phoneNumbers"][0]["optIn"] = value
    assert lead_of(shopmonkey, client, made.order_id).consents == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "RepairOrder"}, {"authorized": True}, {"invoiced": True}, {"paid": True}, {"messageCount": 1},
        {"appointmentDates": ["2026-11-24T15:00:00Z"]}, {"archived": True}, {"deleted": True}, {"imported": True},
        {"customerId": None}, {"locationId": "elsewhere"}, {"createdDate": "2025-11-23T15:00:00.123456Z"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_lead_is_left_alone(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, changed: dict[str, Any]
) -> None:
    made = shopmonkey.add_lead()
    shopmonkey.tables["order"][made.order_id].update(changed)
    assert isinstance(fetch(shopmonkey, client, made.order_id), NotALead)


def test_gone_records(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    assert isinstance(fetch(shopmonkey, client, "5b0a4c1e-0000"), NotALead)
    made = shopmonkey.add_lead(vehicle={"make": "Honda"})
    shopmonkey.tables["vehicle"].clear()
    assert lead_of(shopmonkey, client, made.order_id).data.vehicle is None
    nobody = shopmonkey.add_lead(phone=None, email=None)
    assert isinstance(fetch(shopmonkey, client, nobody.order_id), NotALead)


def test_rules_are_the_tenants(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    order_id = shopmonkey.add_lead(status="RepairOrder", messageCount=2).order_id
    assert isinstance(fetch(shopmonkey, client, order_id, statuses=[], max_messages=2), LeadContext)
    assert isinstance(
        fetch(shopmonkey, client, order_id, statuses=[], max_messages=2, name_prefixes=["Tint"]), NotALead
    )
    with pytest.raises(ValidationError):
        LeadRules(stauses=["Estimate"])  # type: ignore[call-arg]


def test_unknown_values_never_raise() -> None:
    odd = {
        "status": "Estimate",
        "messageCount": "many",
        "createdDate": 5,
        "appointmentDates": None,
        "authorized": "x",
    }
    assert refuse(odd, LeadRules(), NOW) is None
    assert moment("2024-07-09T18:28:03.69708Z") == datetime(2024, 7, 9, 18, 28, 3, 697080, tzinfo=UTC)
    assert moment("2024-07-09T18:28:03") is None


def test_the_orders_own_phone_then_a_mobile_then_the_primary_one() -> None:
    rows = [
        {"id": "1", "number": "+13125550101", "primary": True, "type": "Landline"},
        {"id": "2", "number": "(312) 555-0102", "type": "Mobile"},
        {"id": "3", "number": "+13125550103", "type": "Other"},
        {"id": "4", "number": "nonsense", "type": "Mobile", "primary": True},
        "junk",
    ]

    def phone(chosen: str | None, numbers: list[Any]) -> str | None:
        order = {"id": "o", "locationId": "l", "phoneNumberId": chosen}
        found = lead_context(order, {"phoneNumbers": numbers, "emails": [{"email": "a@b.example"}]}, None, [])
        assert isinstance(found, LeadContext)
        return found.data.phone

    assert phone("3", rows) == "+13125550103"
    assert phone(None, rows) == "+13125550102"
    assert phone(None, [rows[2], rows[0]]) == "+13125550101"
    assert phone(None, [rows[3]]) is None


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        (401, {}, "misconfigured"), (403, {}, "misconfigured"), ("html", {"status": 403}, "transient"),
        (400, {}, "permanent"), (404, {}, "permanent"), (408, {}, "transient"), (500, {}, "transient"),
        (502, {}, "transient"), ("html_200", {}, "transient"), ("broken_json", {}, "transient"),
        ("hang", {}, "transient"), ("drop_connection", {}, "transient"),
        (302, {"headers": {"Location": "https://elsewhere.example"}}, "misconfigured"),
    ],
)  # fmt: skip
def test_failures(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, fault: Any, options: dict[str, Any], kind: str
) -> None:
    order_id = shopmonkey.add_lead().order_id
    shopmonkey.fail_always(fault, **options)
    with pytest.raises(ConnectorError) as caught:
        client.order(order_id)
    assert caught.value.kind == kind
    assert shopmonkey.api_key not in str(caught.value)
    passing = fault in (408, 502, "html_200", "broken_json", "hang", "drop_connection")
    assert len(shopmonkey.requests) == (ATTEMPTS if passing else 1)


@pytest.mark.parametrize(
    "fault", [408, 429, 502, 503, 504, "drop_connection", "broken_json", "hang", "html_200"]
)
def test_what_passes_by_itself_is_read_again(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, fault: Any
) -> None:
    order_id = shopmonkey.add_lead().order_id
    shopmonkey.fail_next(2, fault)
    assert client.order(order_id)["id"] == order_id
    assert len(shopmonkey.requests) == 3


def test_nothing_is_repeated_past_the_deadline(shopmonkey: ShopmonkeyStandIn) -> None:
    client = ShopmonkeyClient(shopmonkey.api_key, shopmonkey.url, deadline_s=0)
    shopmonkey.fail_always(503)
    with pytest.raises(ConnectorError):
        client.locations()
    assert len(shopmonkey.requests) == 1
    client.close()


@pytest.mark.parametrize(
    "base_url", ["http://api.shopmonkey.cloud", "ftp://127.0.0.1", "nonsense", "https://[bad"]
)
def test_the_key_leaves_only_over_tls(base_url: str) -> None:
    client = ShopmonkeyClient("secret-key", base_url)
    with pytest.raises(ConnectorError) as caught:
        client.locations()
    assert caught.value.kind == "misconfigured"
    assert "secret-key" not in str(caught.value)
    client.close()


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [("7", None, 7.0), ("0.5", None, 0.5), ("-3", None, 0.0), ("nan", None, None), ("soon", None, None),
     ("Mon, 23 Nov 2026 15:00:30 GMT", "Mon, 23 Nov 2026 15:00:00 GMT", 30.0)],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_moment(value: str, date: str | None, seconds: float | None) -> None:
    headers = {"Retry-After": value} | ({"Date": date} if date else {})
    with pytest.raises(ConnectorError) as caught:
        answer_of(429, headers, b"{}")
    assert caught.value.retry_after_s == seconds


def test_slow_down_and_outage(shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient) -> None:
    shopmonkey.fail_next(1, "retry_after", seconds=9)
    with pytest.raises(ConnectorError) as caught:
        client.locations()
    assert (caught.value.kind, caught.value.retry_after_s) == ("transient", 9.0)
    assert [row["id"] for row in client.locations()] == [shopmonkey.location_id]
    shopmonkey.stop()
    with pytest.raises(ConnectorError) as caught:
        client.locations()
    assert caught.value.kind == "transient"


@pytest.mark.parametrize("order_id", ["../user", "a/b", "a?b=c", "", "x" * 65, "é"])
def test_an_id_is_never_a_path(
    shopmonkey: ShopmonkeyStandIn, client: ShopmonkeyClient, order_id: str
) -> None:
    with pytest.raises(ConnectorError) as caught:
        client.order(order_id)
    assert caught.value.kind == "permanent"
    assert shopmonkey.requests == []


def headers(secret: str, raw: bytes, at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {
        "webhook-id": "m1",
        "webhook-timestamp": stamp,
        "webhook-signature": sign(secret, "m1", stamp, raw),
    }


@pytest.mark.parametrize("secret", ["plain secret", "whsec_c2VjcmV0IGtleQ=="])
def test_signatures(secret: str) -> None:
    good = headers(secret, b"{}")
    assert signature.verify(good, b"{}", secret, NOW) == "valid"
    several = {**good, "webhook-signature": f"v1,AAAA v1a,x {good['webhook-signature']}"}
    assert signature.verify(several, b"{}", secret, NOW) == "valid"
    assert signature.verify(good, b"{} ", secret, NOW) == "invalid"
    assert signature.verify(good, b"{}", "another", NOW) == "invalid"
    assert signature.verify(good, b"{}", None, NOW) == "invalid"
    assert signature.verify(good, b"{}", "whsec_*", NOW) == "invalid"
    assert signature.verify({**good, "webhook-id": "m2"}, b"{}", secret, NOW) == "invalid"
    assert signature.verify({**good, "webhook-timestamp": "soon"}, b"{}", secret, NOW) == "invalid"
    assert signature.verify({**good, "webhook-signature": "é"}, b"{}", secret, NOW) == "invalid"
    for minutes in (-6, 6):
        old = headers(secret, b"{}", NOW + timedelta(minutes=minutes))
        assert signature.verify(old, b"{}", secret, NOW) == "invalid"
    assert signature.verify({}, b"{}", secret, NOW) == "unsigned"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[]", b"null", b'{"data": []}', b'{"table": "order", "operation": "INSERT", "data": {"id": 5}}',
     b'{"table": "order", "operation": "NOPE", "data": {"id": "5"}}',
     b'{"event": "order.insert", "payload": {"id": "5"}}',
     b"[" * 100_000],
)  # fmt: skip
def test_junk_tells_of_no_change(raw: bytes) -> None:
    assert read_change(raw) is None


def test_changes() -> None:
    body = b'{"apiVersion": 3, "operation": "DELETE", "table": "order", "data": {"id": "5"}, "new": 1}'
    assert read_change(body) == Change("order", "DELETE", "5", None)
    body = b'{"operation": "UPDATE", "table": "order", "data": {"id": "5", "meta": {"version": 7}, "updatedDate": "x"}}'
    assert read_change(body) == Change("order", "UPDATE", "5", "7")
    body = b'{"operation": "UPDATE", "table": "order", "data": {"id": "5", "updatedDate": "2026"}}'
    assert read_change(body) == Change("order", "UPDATE", "5", "2026")
