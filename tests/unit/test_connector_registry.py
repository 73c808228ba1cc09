"""From a stored connection to a connector, and every way in which that is somebody's mistake."""

from __future__ import annotations

from typing import Any

import pytest

from crm.connectors.base import Change, ConnectorError, LeadContext
from crm.connectors.registry import NAMES, connector_of, settings_of
from crm.connectors.stored import TABLE
from crm.models import TenantCrmConfig
from ops.secrets import SecretBox, new_key
from tests.contract.connector_contract import NOW
from tests.contract.shopmonkey_site import OddShopmonkey

BOX = SecretBox(new_key())


def config(**given: Any) -> TenantCrmConfig:
    values = {
        "connector": "shopmonkey", "base_url": "http://127.0.0.1:1/", "api_key_encrypted": BOX.encrypt("key"),
        "settings": {}, "lead_rules": {},
    }  # fmt: skip
    return TenantCrmConfig(tenant_id=1, hook_token="t", **{**values, **given})


@pytest.mark.parametrize("background", [False, True])
def test_a_stored_connection_works(background: bool) -> None:
    with OddShopmonkey() as shopmonkey:
        stored = config(base_url=shopmonkey.url + "/", api_key_encrypted=BOX.encrypt(shopmonkey.api_key))
        connector = connector_of(stored, BOX, background=background)
        state = connector.check()
        assert [each.external_id for each in state.locations] == [shopmonkey.location_id]
        connector.close()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"connector": "salesforce"}, "no connector 'salesforce'"),
        ({"settings": {"pollSeconds": 30}}, "pollSeconds"),
        ({"lead_rules": {"stauses": []}}, "stauses"),
        ({"api_key_encrypted": b"junk"}, "ENCRYPTION_KEY"),
    ],
    ids=str,
)
def test_mistakes_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector_of(config(**given), BOX)
    assert caught.value.kind == "misconfigured"
    assert says in str(caught.value)


def test_settings_are_typed_for_every_connector() -> None:
    for name in NAMES:
        assert settings_of(config(connector=name)).looks.orders_seconds == 30
    changed = config(settings={"looks": {"orders_seconds": 60}, "rate": {"per_second": 5}})
    assert settings_of(changed).looks.orders_seconds == 60
    assert settings_of(config(settings=None)).tell.moved == "customer"


def test_a_form_with_a_connection_of_its_own() -> None:
    made = connector_of(
        config(connector="web_form", settings={"default_location": "north"}),
        BOX,
        stored={"7": {"email": "dana@example.com"}}.get,
    )
    found = made.fetch_lead(Change(TABLE, "INSERT", "7", None), frozenset({"north"}), NOW)
    assert isinstance(found, LeadContext)


def test_what_belongs_to_a_lead_is_asked_for_at_once() -> None:
    with OddShopmonkey() as shopmonkey:
        order_id = shopmonkey.add_lead(vehicle={"make": "Honda"}).order_id
        stored = config(base_url=shopmonkey.url, api_key_encrypted=BOX.encrypt(shopmonkey.api_key))
        connector = connector_of(stored, BOX)
        shopmonkey.fail_always("slow", seconds=0.3)
        change = Change("order", "INSERT", order_id, None)
        assert isinstance(connector.fetch_lead(change, frozenset({shopmonkey.location_id}), NOW), LeadContext)
        assert (len(shopmonkey.requests), shopmonkey.max_in_flight) == (4, 3)
        connector.close()
