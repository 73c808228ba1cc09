"""Reading Shopmonkey's calendar and catalogue: series, gaps, odd values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.connectors.base import ConnectorError
from crm.connectors.registry import KINDS
from crm.connectors.settings import read
from crm.connectors.shopmonkey import rows
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.moments import iso
from crm.connectors.shopmonkey.settings import ShopmonkeySettings
from tests.contract.connector_contract import NOW
from tests.contract.shopmonkey_site import OddShopmonkey, connected

START, END = NOW, NOW + timedelta(days=14)


@pytest.fixture
def shopmonkey() -> Iterator[OddShopmonkey]:
    with OddShopmonkey() as standin:
        yield standin


@pytest.fixture
def connector(shopmonkey: OddShopmonkey) -> Iterator[ShopmonkeyConnector]:
    with connected(shopmonkey) as made:
        yield made


def add(shopmonkey: OddShopmonkey, hours: float, length: float = 1, **more: Any) -> str:
    first = NOW + timedelta(hours=hours)
    return shopmonkey.add_appointment(iso(first), iso(first + timedelta(hours=length)), **more)


def test_everything_that_overlaps_is_read_once(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    sam = shopmonkey.add_user("Sam")
    wanted = {add(shopmonkey, hours) for hours in range(1, 131)}
    wanted |= {add(shopmonkey, -2, 3), add(shopmonkey, -100, 200)}
    mine = add(shopmonkey, 5, technicianIds=[sam])
    before, after = add(shopmonkey, -5), add(shopmonkey, 24 * 14)
    elsewhere = add(shopmonkey, 5, locationId=shopmonkey.add_location("South"))
    lunches = shopmonkey.add_lunch(NOW + timedelta(hours=3), days=3, technicians=[sam])
    found = connector.appointments(shopmonkey.location_id, START, END)
    ids = [each.external_id.split("@")[0] for each in found]
    assert sorted(ids) == sorted({*wanted, mine, *lunches})
    assert not {before, after, elsewhere} & set(ids)
    assert found.recurring_included
    assert {each.external_id.split("@")[0] for each in found if each.recurring} == set(lunches)
    assert next(each for each in found if each.external_id == mine).technicians == (sam,)
    assert [each.starts_at for each in found] == sorted(each.starts_at for each in found)


def test_occurrences_that_share_an_id_are_several(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    lunches = shopmonkey.add_lunch(NOW + timedelta(hours=3), days=3)
    for row_id in lunches:
        shopmonkey.tables["appointment"][row_id]["id"] = lunches[0]
    found = connector.appointments(shopmonkey.location_id, START, END)
    assert len({each.external_id for each in found}) == 3
    assert [each.starts_at.day for each in found] == [23, 24, 25]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 501])
def test_without_the_undocumented_route_the_rest_is_read_and_the_gap_told(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, status: int
) -> None:
    plain = add(shopmonkey, 2)
    shopmonkey.add_lunch(NOW + timedelta(hours=3))
    shopmonkey.fail_always(status, path="search_replacement")
    found = connector.appointments(shopmonkey.location_id, START, END)
    assert [each.external_id for each in found] == [plain]
    assert not found.recurring_included


def test_an_outage_of_that_route_is_an_outage(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    for fault, options in ((503, {}), ("html", {"status": 403})):
        shopmonkey.fail_always(fault, path="search_replacement", **options)
        with pytest.raises(ConnectorError) as caught:
            connector.appointments(shopmonkey.location_id, START, END)
        assert caught.value.kind == "transient"
        shopmonkey.clear_faults()


@pytest.mark.parametrize("deaf_to", [{"endDate"}, {"where"}, {"startDate"}], ids=str)
def test_ignored_filters_lose_no_entry(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, deaf_to: set[str]
) -> None:
    for hours in range(1, 200):
        add(shopmonkey, -hours * 3)
    wanted = {add(shopmonkey, hours) for hours in range(1, 120)} | {add(shopmonkey, -50, 100)}
    shopmonkey.deaf_to = deaf_to
    found = connector.appointments(shopmonkey.location_id, START, END)
    assert {each.external_id for each in found} == wanted


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"endDate": None}, 1), ({"endDate": "2020-01-01T00:00:00Z"}, 1), ({"endDate": None, "allDay": True}, 24),
        ({"note": None, "name": None, "technicians": "Sam", "meta": 5, "metadata": "x"}, 2),
    ],
)  # fmt: skip
def test_odd_entries_still_block(changed: dict[str, Any], expected: int) -> None:
    row = {"id": "a1", "startDate": iso(NOW), "endDate": iso(NOW + timedelta(hours=2)), **changed}
    entry = rows.appointment(row)
    assert entry is not None
    assert entry.ends_at - entry.starts_at == timedelta(hours=expected)
    assert not entry.cancelled


@pytest.mark.parametrize(
    ("changed", "rule", "cancelled"),
    [({"cancellationNote": "ill"}, True, True), ({"cancellationNote": ""}, True, True),
     ({"cancellationNote": ""}, False, False), ({"cancellationNote": None}, True, False),
     ({"cancelationNote": "ill"}, True, True), ({"deleted": True}, False, True)],
)  # fmt: skip
def test_what_counts_as_cancelled(changed: dict[str, Any], rule: bool, cancelled: bool) -> None:
    entry = rows.appointment({"id": "a1", "startDate": iso(NOW), **changed}, empty_note_cancels=rule)
    assert entry is not None
    assert entry.cancelled == cancelled


def test_an_entry_that_cannot_be_placed_is_none() -> None:
    assert rows.appointment({"id": 5, "startDate": iso(NOW)}) is None
    assert rows.appointment({"id": "a1", "startDate": "2026-11-23"}) is None


# Catalogue


def test_the_catalogue_of_one_location(shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector) -> None:
    tint = shopmonkey.add_canned_service(
        "Full Sedan - Ceramic", 45000, hours=2.5, labels=[{"name": "Tint"}, {}]
    )
    hidden = shopmonkey.add_canned_service("Old", 100, bookable=False)
    shopmonkey.add_canned_service("Gone", 100, deleted=True)
    shopmonkey.add_canned_service("Theirs", 100, locationId=shopmonkey.add_location("South"))
    found = {each.external_id: each for each in connector.catalogue(shopmonkey.location_id)}
    assert set(found) == {tint, hidden}
    item = found[tint]
    assert (item.name, item.price_cents, item.minutes, item.labels) == (
        "Full Sedan - Ceramic",
        45000,
        150,
        ("Tint",),
    )
    assert (item.bookable, found[hidden].bookable, found[hidden].minutes) == (True, False, None)


@pytest.mark.parametrize(
    ("row", "before_tax", "total"),
    [
        ({"totalCents": 10825, "calculatedTaxCents": 825}, 10000, 10825),
        ({"totalCents": 10000, "calculatedTaxCents": None}, 10000, 10000),
        ({"totalCents": 0}, None, None), ({"totalCents": None}, None, None), ({}, None, None),
        ({"totalCents": None, "pricing": "FixedPrice", "fixedPriceCents": 5000}, 5000, 5000),
        ({"totalCents": -5}, None, None), ({"totalCents": "100"}, None, None), ({"totalCents": True}, None, None),
        ({"totalCents": 99.5}, None, None), ({"totalCents": 450.0}, 450, 450),
        ({"totalCents": 100, "calculatedTaxCents": 100}, None, 100),
    ],
    ids=str,
)  # fmt: skip
def test_prices(row: dict[str, Any], before_tax: int | None, total: int | None) -> None:
    for rule, expected in (("before_tax", before_tax), ("total", total)):
        item = rows.catalogue_item({"id": "c1", "name": "Tint", **row}, rule)  # type: ignore[arg-type]
        assert item is not None
        assert item.price_cents == expected


@pytest.mark.parametrize(
    ("labors", "minutes"),
    [([{"hours": 2.5}, {"hours": 1}], 210), ([], None), (None, None), ("x", None), ([{"hours": None}, 5], None),
     ([{"hours": 0}], None), ([{"hours": 1e9}], None), ([{"hours": float("nan")}], None)],
    ids=str,
)  # fmt: skip
def test_minutes(labors: object, minutes: int | None) -> None:
    item = rows.catalogue_item({"id": "c1", "name": "Tint", "labors": labors}, "total")
    assert item is not None
    assert item.minutes == minutes


# Settings


@pytest.mark.parametrize(
    "wrong",
    [{"pollSeconds": 5}, {"looks": {"overlap_minutes": 5}}, {"tell": {"moved": "everyone"}}, {"triggers": [[]]},
     {"catalogue": {"default_minutes": 0}}, {"appointment_color": "pink"}, {"rate": {"burst": 0}}, []],
    ids=str,
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(wrong: Any) -> None:
    with pytest.raises(ConnectorError) as caught:
        read(ShopmonkeySettings, wrong, "the settings")
    assert caught.value.kind == "misconfigured"
    if isinstance(wrong, dict):
        assert next(iter(wrong)) in str(caught.value)


def test_every_connector_has_settings_that_are_fine_empty() -> None:
    for kind in KINDS.values():
        assert read(kind.settings, {}, "settings") == kind.settings()
