"""What we write into Shopmonkey: once, silently, and found again when nobody knows whether it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crm.connectors.base import ConnectorError, Uncertain
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.rules import LeadRules
from crm.connectors.shopmonkey.settings import ShopmonkeySettings
from crm.connectors.shopmonkey.writes import SILENT, Writes
from tests.contract.connector_contract import END, START, draft
from tests.contract.shopmonkey_site import OddShopmonkey, connected, quick_client

URL = "https://shop.example/hooks/shopmonkey/token"


@pytest.fixture
def shopmonkey() -> Iterator[OddShopmonkey]:
    with OddShopmonkey() as standin:
        yield standin


@pytest.fixture
def connector(shopmonkey: OddShopmonkey) -> Iterator[ShopmonkeyConnector]:
    with connected(shopmonkey) as made:
        made._writes = Writes(made._client, made._settings, sleep=lambda s: None)
        yield made


def posts(shopmonkey: OddShopmonkey, path: str = "/v3/appointment") -> list[Any]:
    return [each.json for each in shopmonkey.requests if (each.method, each.path) == ("POST", path)]


def test_an_appointment_is_silent_and_carries_our_id(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    lead = shopmonkey.add_lead(vehicle={"make": "Honda"})
    wanted = replace(
        draft(shopmonkey.location_id), customer_external_id=lead.customer_id,
        vehicle_external_id=lead.vehicle_id, order_external_id=lead.order_id,
    )  # fmt: skip
    made = connector.create_appointment(wanted)
    (body,) = posts(shopmonkey)
    assert {name: body[name] for name in SILENT} == SILENT
    assert (body["customerId"], body["orderId"]) == (lead.customer_id, lead.order_id)
    assert body["note"] == "Ceramic\nLead Orchestrator booking: lo-1"
    assert "technicianIds" not in body
    assert None not in body.values()
    row = shopmonkey.tables["appointment"][made.external_id]
    assert (row["customerId"], row["locationId"]) == (lead.customer_id, shopmonkey.location_id)


@pytest.mark.parametrize("fault", ["accept_then_drop", "accept_then_hang", "broken_json"])
def test_what_was_stored_without_an_answer_is_found_again(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, fault: str
) -> None:
    # The look before the write is a POST of that path too, so it gets a harmless fault of its own.
    shopmonkey.fail_next(1, "slow", seconds=0, method="POST", path="/v3/appointment")
    shopmonkey.fail_next(1, fault, method="POST", path="/v3/appointment")
    made = connector.create_appointment(draft(shopmonkey.location_id))
    assert [row["id"] for row in shopmonkey.rows("appointment")] == [made.external_id]
    assert len(posts(shopmonkey)) == 1


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 408, "drop_connection", "html_200"])
def test_what_may_have_happened_is_uncertain_and_never_repeated_blindly(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, fault: Any
) -> None:
    shopmonkey.fail_next(1, "slow", seconds=0, method="POST", path="/v3/appointment")
    shopmonkey.fail_next(1, fault, method="POST", path="/v3/appointment")
    with pytest.raises(Uncertain) as caught:
        connector.create_appointment(draft(shopmonkey.location_id))
    assert caught.value.kind == "transient"
    assert len(posts(shopmonkey)) == 1
    connector.create_appointment(draft(shopmonkey.location_id))
    assert len(shopmonkey.rows("appointment")) == 1


def test_slow_down_is_no_uncertainty(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    shopmonkey.fail_next(1, "slow", seconds=0, method="POST", path="/v3/appointment")
    shopmonkey.fail_next(2, "retry_after", seconds=0, method="POST", path="/v3/appointment")
    connector.create_appointment(draft(shopmonkey.location_id))
    assert len(shopmonkey.rows("appointment")) == 1


def test_a_refused_connection_never_left(connector: ShopmonkeyConnector, shopmonkey: OddShopmonkey) -> None:
    shopmonkey.stop()
    with pytest.raises(ConnectorError) as caught:
        connector.create_appointment(draft(shopmonkey.location_id))
    assert not isinstance(caught.value, Uncertain)
    with pytest.raises(ConnectorError) as caught:
        quick_client(shopmonkey).create("appointment", {})
    assert not isinstance(caught.value, Uncertain)


def test_it_is_looked_for_by_list_where_search_is_gone(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    shopmonkey.fail_always(404, path="appointment/search")
    made = [connector.create_appointment(draft(shopmonkey.location_id)) for _ in range(2)]
    assert made[0].external_id == made[1].external_id


def test_other_peoples_entries_are_never_taken_for_ours(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    connector.create_appointment(draft(shopmonkey.location_id, "lo-1"))
    connector.create_appointment(draft(shopmonkey.location_id, "lo-12"))
    shopmonkey.add_appointment(START.isoformat(), END.isoformat(), note="lo-1 is what the customer said")
    found = connector.find_appointment("lo-1", None, START)
    assert found is not None
    assert (found.our_id, len(shopmonkey.rows("appointment"))) == ("lo-1", 3)


def test_a_move_changes_times_alone(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    made = connector.create_appointment(draft(shopmonkey.location_id))
    shopmonkey.change("appointment", made.external_id, name="By Sam", note="Sam: bring the keys")
    later = draft(shopmonkey.location_id, start=START + timedelta(days=1))
    shopmonkey.fail_next(1, 503, method="PUT")
    moved = connector.move_appointment(made.external_id, later)
    row = shopmonkey.tables["appointment"][made.external_id]
    assert (moved.starts_at, row["name"], row["note"]) == (later.starts_at, "By Sam", "Sam: bring the keys")
    assert connector.find_appointment("lo-1", None, later.starts_at) == moved, (
        "metadata survives an edited note"
    )


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_cancellation_finds_a_way(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, status: int
) -> None:
    made = connector.create_appointment(draft(shopmonkey.location_id))
    shopmonkey.fail_always(status, method="PATCH")
    connector.cancel_appointment(made.external_id, "no time")
    assert shopmonkey.rows("appointment") == []
    connector.cancel_appointment(made.external_id, "no time")


def test_a_cancellation_leaves_the_note(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    made = connector.create_appointment(draft(shopmonkey.location_id))
    connector.cancel_appointment(made.external_id, "no time")
    assert shopmonkey.tables["appointment"][made.external_id]["cancellationNote"] == "no time"
    (found,) = connector.appointments(shopmonkey.location_id, START, END)
    assert found.cancelled


def test_a_key_without_the_right_is_told_as_that(shopmonkey: OddShopmonkey) -> None:
    with connected(shopmonkey, key=shopmonkey.read_only_key) as reading:
        with pytest.raises(ConnectorError) as caught:
            reading.create_appointment(draft(shopmonkey.location_id))
        assert caught.value.kind == "misconfigured"
        assert reading.check().works


@pytest.mark.parametrize("bad", [{"our_id": "lo 1"}, {"our_id": ""}, {"ends_at": START}])
def test_a_bad_draft_is_refused_here(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, bad: dict[str, Any]
) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector.create_appointment(replace(draft(shopmonkey.location_id), **bad))
    assert (caught.value.kind, shopmonkey.requests) == ("permanent", [])


# Webhooks


@pytest.mark.parametrize(
    ("vocabulary", "taken"), [("events", "OrderInsert"), ("tables", "Order"), ("both", "OrderInsert")]
)
def test_a_webhook_is_registered_with_the_words_that_are_taken(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, vocabulary: str, taken: str
) -> None:
    shopmonkey.triggers = vocabulary
    state = connector.register_webhook(URL, "our-secret")
    assert (state.url, state.healthy) == (URL, True)
    assert taken in state.triggers
    assert shopmonkey.tables["webhook"][state.external_id]["secret"] == "our-secret"
    assert connector.register_webhook(URL, "our-secret").external_id == state.external_id
    assert len(shopmonkey.rows("webhook")) == 1


def test_an_uncertain_registration_is_found_again(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    shopmonkey.fail_next(1, "accept_then_drop", method="POST", path="webhook")
    state = connector.register_webhook(URL, "our-secret")
    assert [row["id"] for row in shopmonkey.rows("webhook")] == [state.external_id]


def test_a_webhook_in_error_is_repaired_and_a_lost_one_is_told(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    made = connector.register_webhook(URL, "our-secret")
    shopmonkey.change("webhook", made.external_id, enabled=False, error=True, errorMessage="500 from you")
    state = connector.webhook_state(made.external_id)
    assert state is not None
    assert (state.healthy, state.error) == (False, "500 from you")
    assert connector.repair_webhook(made.external_id).enabled
    connector.remove_webhook(made.external_id)
    connector.remove_webhook(made.external_id)
    assert connector.webhook_state(made.external_id) is None
    with pytest.raises(ConnectorError) as caught:
        connector.repair_webhook(made.external_id)
    assert caught.value.status == 404


def test_a_webhook_needs_https(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector.register_webhook("http://127.0.0.1:8080/hooks", "s")
    assert (caught.value.kind, shopmonkey.requests) == ("misconfigured", [])


# Conversations


def test_who_wrote_to_the_customer(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    lead = shopmonkey.add_lead()
    assert not connector.person_wrote(lead.order_id)
    shopmonkey.customer_writes(lead.customer_id, "hello?")
    assert not connector.person_wrote(lead.order_id)
    shopmonkey.shop_writes(lead.customer_id, "Hi, Sam here")
    assert connector.person_wrote(lead.order_id)


def test_what_was_written_before_there_was_this_order_does_not_count(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    """A returning customer: last year a person wrote, today only they did."""
    lead = shopmonkey.add_lead()
    made = shopmonkey.tables["order"][lead.order_id]["createdDate"]
    old = shopmonkey.shop_writes(lead.customer_id, "Your car is ready")
    shopmonkey.tables["message"][old["id"]]["createdDate"] = "2025-01-05T10:00:00Z"
    shopmonkey.customer_writes(lead.customer_id, "Do you do windows too?")
    shopmonkey.tables["order"][lead.order_id]["messageCount"] = 1
    assert connector.persons_messages(lead.order_id) == 0
    same = shopmonkey.shop_writes(lead.customer_id, "Sure")
    shopmonkey.tables["message"][same["id"]]["createdDate"] = made
    assert connector.persons_messages(lead.order_id) == 1, "at the very moment of the order counts"
    shopmonkey.tables["message"][old["id"]]["createdDate"] = None
    assert connector.persons_messages(lead.order_id) == 2, "in doubt it counts"


def test_in_doubt_a_person_wrote(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    lead = shopmonkey.add_lead(messageCount=2)
    shopmonkey.customer_writes(lead.customer_id, "hello?")
    shopmonkey.fail_always(404, path="/message")
    assert connector.person_wrote(lead.order_id)
    shopmonkey.clear_faults()
    assert connector.person_wrote(lead.order_id), "two of three messages cannot be seen"


@pytest.mark.parametrize("place", ["metadata", "customer_note"])
def test_a_note_about_the_conversation_replaces_only_our_own(shopmonkey: OddShopmonkey, place: Any) -> None:
    lead = shopmonkey.add_lead()
    shopmonkey.change("order", lead.order_id, metadata={"theirs": 1})
    shopmonkey.change("customer", lead.customer_id, note="VIP")
    client = quick_client(shopmonkey)
    connector = ShopmonkeyConnector(client, LeadRules(), ShopmonkeySettings(mark=place))
    assert connector.mark_conversation(lead.order_id, "engaged")
    assert connector.mark_conversation(lead.order_id, "booked\nfor Friday")
    order, customer = (
        shopmonkey.tables["order"][lead.order_id],
        shopmonkey.tables["customer"][lead.customer_id],
    )
    if place == "metadata":
        assert order["metadata"] == {"theirs": 1, "leadOrchestrator": "booked for Friday"}
        assert customer["note"] == "VIP"
    else:
        assert customer["note"] == "VIP\n[Lead Orchestrator] booked for Friday"
    connector.close()
