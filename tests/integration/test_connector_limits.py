"""What one key may ask: shared by processes through a real Valkey, kept by each process without it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from crm.connectors.base import Change
from crm.connectors.errors import ConnectorError
from crm.connectors.limits import PREFIX, KeyLimits, LimitStore, fingerprint, store_of
from crm.connectors.settings import RateSettings
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.rules import LeadRules
from tests.contract.connector_contract import NOW
from tests.contract.shopmonkey_site import OddShopmonkey

# So slow that no turn comes back while a test looks.
SLOW = RateSettings(per_second=0.01, burst=5, in_flight=64)
Stores = Callable[[], LimitStore]


@pytest.fixture(params=["shared", "alone", "Redis is away"])
def stores(request: pytest.FixtureRequest, redis_client: redis.Redis) -> Iterator[Stores]:
    """What gives the store of another process, or of this one where there is nothing to share."""
    if request.param == "shared":
        yield lambda: LimitStore(redis_client)
        return
    away = None
    if request.param == "Redis is away":
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        away = redis.Redis(port=port, socket_connect_timeout=1)
    store = LimitStore(away)
    yield lambda: store
    if away is not None:
        assert store.lost == 1, "a Redis that is away is asked once and then left alone"
        away.close()


def test_a_burst_goes_at_once_and_then_all_wait_in_line(stores: Stores) -> None:
    assert [stores().book("k", SLOW, 1, 0, 1000) for _ in range(5)] == [(True, 0.0)] * 5
    waits = [stores().book("k", SLOW, 1, 0, 1000) for _ in range(3)]
    assert [granted for granted, _ in waits] == [True] * 3
    assert [round(wait, -1) for _, wait in waits] == [100, 200, 300]
    assert stores().book("another key", SLOW, 1, 0, 0) == (True, 0.0)


def test_whoever_is_told_to_come_back_has_taken_nothing(stores: Stores) -> None:
    assert stores().book("k", SLOW, 4, 0, 5) == (True, 0.0)
    for _ in range(20):
        granted, wait = stores().book("k", SLOW, 4, 0, 5)
        assert not granted
        assert 250 < wait <= 300
    assert stores().book("k", SLOW, 1, 0, 5) == (True, 0.0)


def test_what_is_not_used_is_given_back(stores: Stores) -> None:
    limits = KeyLimits(stores(), "k", SLOW, patience_s=0)
    for _ in range(2):
        with limits.prepay(4), limits.slot():
            pass
    for _ in range(3):
        limits._book(1)
    with pytest.raises(ConnectorError):
        limits._book(1)


def test_a_turn_comes_back_with_time(stores: Stores) -> None:
    fast = RateSettings(per_second=1000, burst=1)
    until = time.monotonic() + 10
    for _ in range(20):
        while not stores().book("k", fast, 1, 0, 0)[0]:
            assert time.monotonic() < until


def test_places_are_given_back(stores: Stores) -> None:
    narrow = RateSettings(in_flight=4)
    assert [stores().enter("k", narrow, f"p{n}")[0] for n in range(4)] == [True] * 4
    assert stores().enter("k", narrow, "p5") == (False, 0.0)
    stores().leave("k", "p2")
    stores().leave("k", "p2")
    assert [stores().enter("k", narrow, f"p{n}")[0] for n in (5, 6)] == [True, False]


def test_a_place_whose_holder_died_is_free_again(redis_client: redis.Redis) -> None:
    narrow = RateSettings(in_flight=1)
    assert LimitStore(redis_client).enter("k", narrow, "dead")[0]
    assert not LimitStore(redis_client).enter("k", narrow, "next")[0]
    redis_client.zadd(f"{PREFIX}{{k}}:places", {"dead": 1})
    assert LimitStore(redis_client).enter("k", narrow, "next")[0]


def test_everyone_rests_when_the_vendor_asks_for_it(stores: Stores) -> None:
    stores().rest("k", 30)
    stores().rest("k", 5)
    for granted, wait in (stores().book("k", SLOW, 1, 0, 5), stores().enter("k", SLOW, "p1")):
        assert not granted
        assert 20 < wait <= 30
    assert stores().book("another key", SLOW, 1, 0, 0) == (True, 0.0)


def test_background_work_leaves_room_for_a_lead(stores: Stores) -> None:
    background = KeyLimits(stores(), "k", SLOW, background=True, patience_s=0)
    urgent = KeyLimits(stores(), "k", SLOW, patience_s=0)
    with background.slot():
        pass
    with pytest.raises(ConnectorError):
        background._book(1)
    with urgent.prepay(4):
        for _ in range(4):
            with urgent.slot():
                pass
    with pytest.raises(ConnectorError) as caught:
        urgent._book(1)
    assert caught.value.kind == "transient"
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 50


def test_background_work_is_not_put_off_for_ever() -> None:
    store, now, waits = LimitStore(), [0.0], list[float]()
    assert store.book("k", SLOW, 3, 0, 0)[0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    patient = KeyLimits(
        store, "k", SLOW, background=True, patience_s=1e6, sleep=sleep, monotonic=lambda: now[0]
    )
    with patient.slot():
        assert sum(waits) < 25


def test_one_store_for_each_redis(redis_client: redis.Redis) -> None:
    assert store_of(redis_client) is store_of(redis_client)
    assert store_of(None) is store_of(None)
    assert store_of(None) is not store_of(redis_client)


def test_the_key_itself_is_not_in_redis(redis_client: redis.Redis) -> None:
    key = fingerprint("https://api.example", "secret-key")
    LimitStore(redis_client).book(key, SLOW, 1, 0, 0)
    assert fingerprint("https://other.example", "secret-key") != key
    assert not [name for name in redis_client.scan_iter() if b"secret-key" in name]


# With the client


def client_of(
    shopmonkey: OddShopmonkey, store: LimitStore, rate: RateSettings, patience_s: float = 30
) -> ShopmonkeyClient:
    """A client as the registry makes it, with the patience of a test."""
    limits = KeyLimits(store, fingerprint(shopmonkey.url, shopmonkey.api_key), rate, patience_s=patience_s)
    return ShopmonkeyClient(shopmonkey.api_key, shopmonkey.url, timeout_s=10, patience_s=0.1, limits=limits)


def test_no_more_requests_are_in_flight_than_agreed(redis_client: redis.Redis) -> None:
    rate = RateSettings(per_second=1000, burst=100, in_flight=4)
    with OddShopmonkey() as shopmonkey, ThreadPoolExecutor(12) as pool:
        shopmonkey.fail_always("slow", seconds=0.1)
        clients = [client_of(shopmonkey, LimitStore(redis_client), rate) for _ in range(12)]
        asked = [pool.submit(client.locations) for client in clients]
        assert [len(each.result()) for each in asked] == [1] * 12
        assert shopmonkey.max_in_flight == 4


def test_retry_after_holds_for_all_who_use_the_key(redis_client: redis.Redis) -> None:
    with OddShopmonkey() as shopmonkey:
        shopmonkey.fail_next(1, "retry_after", seconds=60)
        first, second = (client_of(shopmonkey, LimitStore(redis_client), RateSettings()) for _ in range(2))
        with pytest.raises(ConnectorError) as caught:
            first.locations()
        assert caught.value.retry_after_s == 60
        with pytest.raises(ConnectorError) as caught:
            second.locations()
        assert caught.value.retry_after_s is not None
        assert 30 < caught.value.retry_after_s <= 60
        assert len(shopmonkey.requests) == 1


def test_many_leads_at_once_are_fetched_whole_or_told_when_to_come_back(redis_client: redis.Redis) -> None:
    with OddShopmonkey() as shopmonkey, ThreadPoolExecutor(6) as pool:
        order_ids = [shopmonkey.add_lead(vehicle={"make": "Honda"}).order_id for _ in range(6)]
        connectors = [
            ShopmonkeyConnector(
                client_of(shopmonkey, LimitStore(redis_client), SLOW, patience_s=0), LeadRules()
            )
            for _ in order_ids
        ]

        def fetch(n: int) -> str:
            change, here = Change("order", "INSERT", order_ids[n], None), frozenset({shopmonkey.location_id})
            try:
                return type(connectors[n].fetch_lead(change, here, NOW)).__name__
            except ConnectorError as error:
                return f"come back: {error.retry_after_s is not None}"

        assert sorted(pool.map(fetch, range(6))) == ["LeadContext", *["come back: True"] * 5]
        assert len(shopmonkey.requests) == 4
