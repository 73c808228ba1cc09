"""Lists are complete, or say that they are not, whatever the API ignores and whoever changes rows meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.connectors.base import Change, ConnectorError, FilterIgnored
from crm.connectors.shopmonkey.answers import Answer
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.lists import Listing, Lists
from crm.connectors.shopmonkey.moments import iso, moment
from tests.contract.connector_contract import NOW
from tests.contract.shopmonkey_site import OddShopmonkey, connected
from tests.standins.http import Request

SINCE = NOW - timedelta(hours=1)


@pytest.fixture
def shopmonkey() -> Iterator[OddShopmonkey]:
    with OddShopmonkey() as standin:
        yield standin


@pytest.fixture
def connector(shopmonkey: OddShopmonkey) -> Iterator[ShopmonkeyConnector]:
    with connected(shopmonkey) as made:
        yield made


def add_orders(
    shopmonkey: OddShopmonkey, count: int, *, minutes_ago: float = 30, apart_s: float = 1, **more: Any
) -> list[str]:
    """Orders one after the other, the first `minutes_ago`."""
    first = NOW - timedelta(minutes=minutes_ago)
    return [
        str(
            shopmonkey.add_order(None, None, createdDate=iso(first + timedelta(seconds=apart_s * n)), **more)[
                "id"
            ]
        )
        for n in range(count)
    ]


def listed(connector: ShopmonkeyConnector, shopmonkey: OddShopmonkey) -> list[str]:
    pages = connector.changes_since(shopmonkey.location_id, SINCE, NOW)
    return [change.record_id for page in pages for change in page]


@pytest.mark.parametrize("apart_s", [1, 0.001, 0], ids=["seconds", "milliseconds", "one moment"])
def test_many_pages_hold_each_row_once(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, apart_s: float
) -> None:
    add_orders(shopmonkey, 120, minutes_ago=200)
    wanted = add_orders(shopmonkey, 350, apart_s=apart_s)
    assert sorted(listed(connector, shopmonkey)) == sorted(wanted)


def test_new_rows_and_changed_old_ones_are_told_once(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    old, silent = add_orders(shopmonkey, 2, minutes_ago=5000)
    (fresh,) = add_orders(shopmonkey, 1)
    for row_id in (old, fresh):
        shopmonkey.change("order", row_id, name="Tint")
    shopmonkey.change("order", silent, name="Tint")
    shopmonkey.tables["order"][silent]["updatedDate"] = iso(SINCE - timedelta(seconds=1))
    (page_made, page_changed) = list(connector.changes_since(shopmonkey.location_id, SINCE, NOW))
    (made,), (changed,) = page_made, page_changed
    assert (made.record_id, changed.record_id) == (fresh, old)
    assert (made.operation, made.at) == ("UPDATE", NOW)
    told = connector.read_webhook(
        json.dumps(
            {"table": "order", "operation": "UPDATE", "data": shopmonkey.tables["order"][fresh]}, default=str
        ).encode()
    )
    assert told == Change(made.table, made.operation, made.record_id, made.version)


@pytest.mark.parametrize(
    "deaf_to",
    [{"where"}, {"createdDate"}, {"updatedDate"}, {"locationId"}, {"createdDate", "updatedDate"}],
    ids=lambda names: "+".join(sorted(names)),
)
def test_an_ignored_filter_loses_nothing(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector, deaf_to: set[str]
) -> None:
    elsewhere = shopmonkey.add_location("South")
    add_orders(shopmonkey, 250, minutes_ago=6000)
    add_orders(shopmonkey, 40, locationId=elsewhere)
    wanted = add_orders(shopmonkey, 130)
    changed = add_orders(shopmonkey, 1, minutes_ago=3000)
    shopmonkey.change("order", changed[0], name="Tint")
    shopmonkey.deaf_to = deaf_to
    assert sorted(listed(connector, shopmonkey)) == sorted([*wanted, *changed])


def test_ignored_order_is_noticed_not_guessed_around(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    add_orders(shopmonkey, 250)
    shopmonkey.deaf_to = {"orderby"}
    with pytest.raises(FilterIgnored) as caught:
        listed(connector, shopmonkey)
    assert caught.value.kind == "transient"


def test_a_list_that_fits_on_a_page_needs_neither_filter_nor_order(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    add_orders(shopmonkey, 20, minutes_ago=600)
    wanted = add_orders(shopmonkey, 60)
    shopmonkey.deaf_to = {"where", "orderby"}
    assert sorted(listed(connector, shopmonkey)) == sorted(wanted)
    assert len(shopmonkey.asked("order")) == 2


def test_rows_deleted_or_changed_between_two_pages_cost_no_other_row(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    wanted = add_orders(shopmonkey, 300)
    gone, moved = wanted[:50], wanted[50:70]

    def meanwhile(request: Request) -> None:
        if request.path.endswith("/order") and len(shopmonkey.asked("/order")) == 2:
            for row_id in gone:
                shopmonkey.tables["order"].pop(row_id)
            for row_id in moved:
                shopmonkey.change("order", row_id, name="Tint")

    shopmonkey.meanwhile = meanwhile
    assert set(wanted[100:]) | set(moved) <= set(listed(connector, shopmonkey))


def test_rows_deleted_during_a_walk_cost_no_other_row(
    shopmonkey: OddShopmonkey, connector: ShopmonkeyConnector
) -> None:
    add_orders(shopmonkey, 150, minutes_ago=300)
    wanted = add_orders(shopmonkey, 300)
    shopmonkey.deaf_to = {"where"}

    def meanwhile(request: Request) -> None:
        if "desc" in request.arg("orderby") and request.arg("skip") not in ("", "0"):
            shopmonkey.meanwhile = lambda request: None
            for row_id in wanted[-60:]:
                shopmonkey.tables["order"].pop(row_id)

    shopmonkey.meanwhile = meanwhile
    assert set(wanted[:-60]) <= set(listed(connector, shopmonkey))


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "createdDate": iso(NOW + timedelta(seconds=n))} for n in numbers]


def scripted(*pages: Answer) -> Lists:
    """Lists that answer these pages, the last one for ever."""
    left = list(pages)
    return Lists(lambda path, params: left.pop(0) if len(left) > 1 else left[0])


def test_pages_that_repeat_themselves_end_in_an_error() -> None:
    same = Answer(rows(*range(100)), {"hasMore": True})
    with pytest.raises(FilterIgnored):
        list(scripted(same).read(Listing("order", "createdDate")))


def test_a_total_that_counts_too_many_is_no_endless_list() -> None:
    page = Answer(rows(*range(40)), {"total": 60, "hasMore": False})
    last = Answer(rows(39), {"total": 21, "hasMore": False})
    assert sum(len(page) for page in scripted(page, last).read(Listing("order", "createdDate"))) == 40


def test_a_total_as_without_any_filter_means_that_it_was_ignored() -> None:
    page = Answer(rows(*range(100)), {"total": 250, "hasMore": True})
    with pytest.raises(FilterIgnored):
        list(scripted(page).read(Listing("order", "createdDate", since=NOW)))


@pytest.mark.parametrize("data", [None, {}, "rows", {"items": []}])
def test_what_is_no_list_is_an_error(data: object) -> None:
    with pytest.raises(ConnectorError):
        list(scripted(Answer(data)).read(Listing("order", "createdDate")))


def test_rows_without_an_id_or_a_moment_are_left_out() -> None:
    odd: list[Any] = [
        "junk",
        None,
        {},
        {"id": 5},
        {"id": "a", "createdDate": None},
        {"id": "b", "createdDate": "soon"},
    ]
    page = Answer([*odd, *rows(1)], {"total": "many", "hasMore": None})
    assert [
        row["id"] for page in scripted(page).read(Listing("order", "createdDate", since=NOW)) for row in page
    ] == ["r1"]


@pytest.mark.parametrize(
    "text", ["2024-07-09T18:28:03Z", "2024-07-09T18:28:03.6Z", "2024-07-09T13:28:03.69708-05:00"]
)
def test_moments_have_any_precision(text: str) -> None:
    parsed = moment(text)
    assert parsed is not None
    assert parsed.replace(microsecond=0).isoformat() == "2024-07-09T18:28:03+00:00"
    assert moment(iso(parsed)) == parsed


@pytest.mark.parametrize(
    "value", [None, 5, "", "soon", "2024-07-09", "2024-07-09T18:28:03", "0001-01-01T00:00:00+23:00"]
)
def test_what_is_no_moment_is_none(value: object) -> None:
    assert moment(value) is None
