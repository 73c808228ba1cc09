"""The webhooks of the Shopmonkey stand-in: signatures, bodies, repetition (Shopmonkey facts 15)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_probe import Receiver, call
from tests.standins.shopmonkey_webhook import sign


@pytest.fixture
def shop() -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn("key") as standin:
        yield standin


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taker = Receiver()
    yield taker
    taker.server.close()


def test_webhook_signatures(shop: ShopmonkeyStandIn, receiver: Receiver) -> None:
    lead = shop.add_lead()
    key = base64.b64encode(b"0123456789").decode()
    good = []
    for scheme, secret, check in (
        ("standard", "plain", "plain"),
        ("whsec", f"whsec_{key}", f"whsec_{key}"),
        ("wrong", "plain", "plain"),
    ):
        shop.deliver_webhook(receiver.url, "order", "INSERT", lead.order_id, scheme=scheme, secret=secret)
        headers, body = receiver.got[-1]
        expected = sign(check, headers["webhook-id"], headers["webhook-timestamp"], body)
        good.append(headers["webhook-signature"] == expected)
    assert good == [True, True, False]
    shop.deliver_webhook(receiver.url, "order", "INSERT", lead.order_id, scheme="none")
    assert "webhook-signature" not in receiver.got[-1][0]


def test_webhook_bodies_and_repetition(shop: ShopmonkeyStandIn, receiver: Receiver) -> None:
    lead = shop.add_lead()
    shop.deliver_webhook(receiver.url, "order", "UPDATE", lead.order_id, diff=["status"], duplicate=2)
    heads = [headers for headers, _ in receiver.got]
    assert [head["x-attempt"] for head in heads] == ["1", "2", "3"]
    assert len({head["webhook-id"] for head in heads}) == 3
    assert len({head["x-request-id"] for head in heads}) == 1
    event = json.loads(receiver.got[0][1])
    assert (event["table"], event["operation"], event["diff"]) == ("order", "UPDATE", ["status"])
    assert not any(name.startswith("_") for name in event["data"])
    shop.deliver_webhook(receiver.url, "order", "DELETE", lead.order_id)
    assert json.loads(receiver.got[-1][1])["data"] == {"id": lead.order_id}
    shop.deliver_webhook(receiver.url, "order", "INSERT", lead.order_id, version="2")
    assert receiver.got[-1][0]["webhook-version"] == "2"
    assert "operation" not in json.loads(receiver.got[-1][1])


def test_registered_webhooks_get_what_they_ask_for(shop: ShopmonkeyStandIn, receiver: Receiver) -> None:
    shop.reach["https://hooks.example.com"] = receiver.url
    hook = {
        "name": "leads",
        "url": "https://hooks.example.com/x",
        "triggers": ["OrderInsert"],
        "secret": "abc",
    }
    made = call(shop, "POST", "webhook", json=hook).json()["data"]
    assert made["secret"] == "abc"
    assert call(shop, "POST", "webhook", json=hook).status_code == 400
    assert call(shop, "POST", "webhook", json={**hook, "name": "b", "url": "http://x"}).status_code == 400
    shop.triggers = "tables"
    assert call(shop, "POST", "webhook", json={**hook, "name": "c"}).status_code == 400
    lead = shop.add_lead()
    assert [answer.status_code for answer in shop.emit("order", "INSERT", lead.order_id)] == [200]
    assert shop.emit("order", "UPDATE", lead.order_id) == []
    call(shop, "PUT", f"webhook/{made['id']}", json={"enabled": False})
    assert shop.emit("order", "INSERT", lead.order_id) == []
