"""Somebody Shopmonkey does not know books: left out of the entry, found, or made there, as the shop wants it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.connectors.customers import Person
from crm.connectors.errors import Uncertain
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.customers import customer_for
from crm.db import Database
from crm.models import Lead
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.contract.shopmonkey_site import quick_client
from tests.integration.calendar_help import Customer, customers
from tests.integration.push_help import Site, connected_site

ANN = Person("Ann", "Lee", "+13125560001", "ann@example.com", None)


@pytest.fixture
def site(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    db: Database,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    if not hasattr(ShopmonkeyConnector, "customer_for"):
        monkeypatch.setattr(
            ShopmonkeyConnector,
            "customer_for",
            lambda self, person, *, create: customer_for(self._client, person, create=create),
            raising=False,
        )
    with connected_site(test_database, redis_url, clock, db, world) as made:
        yield made


def stranger(site: Site) -> Customer:
    """A customer of ours that Shopmonkey did not bring."""
    return customers(site.db, site.shop, 1, 1)[0]


def test_by_default_the_entry_goes_without_a_customer_and_names_the_phone(site: Site) -> None:
    assert site.push(site.book(who=stranger(site))) == "created"
    (entry,) = site.entries()
    assert entry["customerId"] is None
    assert entry["note"].splitlines()[0] == "C1 +13125560001"
    assert entry["name"].startswith("C1 / ")
    assert len(site.shopmonkey.rows("customer")) == 1


@pytest.mark.parametrize(("rule", "count"), [("find", 1), ("create", 2)])
def test_a_customer_is_looked_for_or_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, rule: str, count: int
) -> None:
    site.settings(monkeypatch, push={"unknown_customer": rule})
    who = stranger(site)
    assert site.push(site.book(who=who)) == "created"
    assert len(site.shopmonkey.rows("customer")) == count
    made = [row for row in site.shopmonkey.rows("customer") if row["firstName"] == "C1"]
    assert [site.entries()[0]["customerId"]] == ([made[0]["id"]] if made else [None])
    with site.db.tenant(site.shop.tenant_id) as s:
        assert s.get_one(Lead, who.lead_id).external_customer_id == (made[0]["id"] if made else None)


def test_one_who_is_there_is_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.settings(monkeypatch, push={"unknown_customer": "create"})
    known = site.shopmonkey.add_customer("Carl", "One", "+13125560001")
    assert site.push(site.book(who=stranger(site))) == "created"
    assert site.entries()[0]["customerId"] == known


def test_an_id_of_another_system_books_nobody_in(site: Site) -> None:
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Lead, site.shop.lead_id).source = "csv"
    assert site.push(site.book()) == "created"
    assert site.entries()[0]["customerId"] is None


def test_addresses_decide_and_two_of_them_mean_nobody(site: Site) -> None:
    shop, client = site.shopmonkey, quick_client(site.shopmonkey)
    assert customer_for(client, ANN, create=False) is None
    by_mail = shop.add_customer("Ann", None, None, "Ann@Example.com")
    shop.change("customer", by_mail, emails=[{"email": "ann@example.com", "primary": True}])
    assert customer_for(client, ANN, create=True) == by_mail
    by_phone = shop.add_customer("A.", "Lee", "+13125560001")
    assert customer_for(client, ANN, create=True) == by_phone, "the phone says more than a shared mailbox"
    shop.add_customer("Husband", "Lee", "+13125560001")
    assert customer_for(client, ANN, create=True) is None
    assert len(shop.rows("customer")) == 4


def test_made_once_though_the_answer_was_lost(site: Site) -> None:
    client = quick_client(site.shopmonkey)
    site.shopmonkey.at = "/v3/customer"
    site.shopmonkey.refuse(502, "went away", takes_it=True)
    first = customer_for(client, ANN, create=True)
    assert first is not None
    assert customer_for(client, ANN, create=True) == first
    assert len([row for row in site.shopmonkey.rows("customer") if row["firstName"] == "Ann"]) == 1


def test_a_number_that_shopmonkey_does_not_take_books_without_a_customer(site: Site) -> None:
    site.shopmonkey.validate_numbers = True
    odd = Person("Ann", None, "+13125550001", None, None)
    assert customer_for(quick_client(site.shopmonkey), odd, create=True) is None


def test_what_is_unclear_is_no_customer_yet(site: Site) -> None:
    site.shopmonkey.at = "/v3/customer"
    site.shopmonkey.refuse(502, "went away")
    with pytest.raises(Uncertain):
        customer_for(quick_client(site.shopmonkey), ANN, create=True)
