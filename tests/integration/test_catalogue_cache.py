"""The catalogue out of Redis: the same as the database, never older than what is committed, and not needed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

from crm import catalogue_cache
from crm.catalog import search_services, services_by_id
from crm.catalogue_cache import read_catalogue, use_redis
from crm.db import Database, make_engine
from crm.models import Service
from tests.conftest import Shop, TestDatabase, World

CODE = "tint-sunstrip"


@pytest.fixture
def cached(db: Database, redis_client: redis.Redis) -> Iterator[Database]:
    """The database with Redis in front of the catalogue."""
    use_redis(db.engine, redis_client)
    yield db
    use_redis(db.engine, None)


def set_price(db: Database, shop: Shop, cents: int | None) -> None:
    with db.tenant(shop.tenant_id) as s:
        s.get_one(Service, shop.service_ids[CODE]).price_cents = cents


def price(s: Session, shop: Shop) -> int | None:
    return next(one.price_cents for one in read_catalogue(s, shop.location_id) if one.code == CODE)


def read_price(db: Database, shop: Shop) -> int | None:
    with db.tenant(shop.tenant_id) as s:
        return price(s, shop)


def keys(client: redis.Redis) -> list[bytes]:
    return list(client.scan_iter("leads:catalogue:*"))


class _Queries:
    """Counts the statements that read services."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, *given: Any) -> None:
        self.count += "FROM service_catalog" in given[2]


def test_the_second_reader_is_answered_by_redis(
    cached: Database, world: World, redis_client: redis.Redis
) -> None:
    queries = _Queries(cached.engine)
    for _ in range(3):
        assert read_price(cached, world.north) == 6900
    assert queries.count == 1
    use_redis(cached.engine, redis_client)
    assert read_price(cached, world.north) == 6900
    assert queries.count == 1, "another process finds it in Redis"
    (key,) = keys(redis_client)
    assert 0 < int(redis_client.ttl(key)) <= catalogue_cache.TTL_S  # type: ignore[arg-type]


def test_what_redis_gives_is_what_the_database_gives(cached: Database, world: World) -> None:
    shop = world.north
    columns = catalogue_cache._COLUMNS
    read_price(cached, shop)
    with cached.tenant(shop.tenant_id) as s:
        statement = select(Service).where(Service.location_id == shop.location_id, Service.active)
        rows = [[getattr(one, name) for name in columns] for one in s.scalars(statement.order_by(Service.id))]
        found = read_catalogue(s, shop.location_id)
    assert [[getattr(one, name) for name in columns] for one in found] == rows
    assert set(columns) == {column.key for column in Service.__table__.columns} - {"created_at"}


@pytest.mark.parametrize("way", ["orm", "sql", "owner", "delete", "insert", "off"])
def test_no_way_of_changing_a_service_leaves_the_old_one_readable(
    way: str, cached: Database, owner_engine: Engine, world: World
) -> None:
    shop, number = world.north, world.north.service_ids[CODE]
    read_price(cached, shop)
    statements = {
        "sql": f"update service_catalog set price_cents = 1 where id = {number}",
        "owner": f"update service_catalog set price_cents = 1 where id = {number}",
        "delete": f"delete from service_catalog where id = {number}",
        "off": f"update service_catalog set active = false where id = {number}",
        "insert": "insert into service_catalog (tenant_id, location_id, code, name, category, duration_minutes)"
        f" values ({shop.tenant_id}, {shop.location_id}, 'new', 'New', 'tint', 5)",
    }
    if way == "orm":
        set_price(cached, shop, 1)
    elif way == "owner":
        with owner_engine.begin() as connection:
            connection.execute(text(statements[way]))
    else:
        with cached.tenant(shop.tenant_id) as s:
            s.execute(text(statements[way]))
    with cached.tenant(shop.tenant_id) as s:
        now = {one.code: one.price_cents for one in read_catalogue(s, shop.location_id)}
    expected = {"delete": None, "off": None, "insert": 6900}.get(way, 1)
    assert now.get(CODE) == expected
    assert ("new" in now) is (way == "insert")


def test_a_reader_that_fills_while_a_writer_commits(
    cached: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: the old services are in the reader's hand, the writer commits, then the reader fills the cache."""
    shop = world.north
    in_hand, committed = threading.Event(), threading.Event()
    put = catalogue_cache.CatalogueCache.put

    def slow_put(cache: catalogue_cache.CatalogueCache, key: str, rows: Any) -> None:
        in_hand.set()
        assert committed.wait(30)
        put(cache, key, rows)

    with monkeypatch.context() as patched, ThreadPoolExecutor(1) as pool:
        patched.setattr(catalogue_cache.CatalogueCache, "put", slow_put)
        slow = pool.submit(read_price, cached, shop)
        assert in_hand.wait(30)
        set_price(cached, shop, 7900)
        committed.set()
        assert slow.result(30) == 6900, "it read before the change was committed"
    assert read_price(cached, shop) == 7900
    assert read_price(cached, shop) == 7900


@pytest.mark.parametrize("commits", ["before the services are read", "after they were read"])
def test_a_writer_that_commits_between_two_steps_of_a_reader(
    commits: str, cached: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = world.north
    rows = catalogue_cache._rows

    def late_rows(s: Session, location_id: int) -> list[list[Any]]:
        monkeypatch.setattr(catalogue_cache, "_rows", rows)
        if commits == "before the services are read":
            set_price(cached, shop, 7900)
            return rows(s, location_id)
        found = rows(s, location_id)
        set_price(cached, shop, 7900)
        return found

    monkeypatch.setattr(catalogue_cache, "_rows", late_rows)
    first = read_price(cached, shop)
    assert first == (7900 if commits == "before the services are read" else 6900)
    assert read_price(cached, shop) == 7900
    set_price(cached, shop, 8900)
    assert read_price(cached, shop) == 8900


class _Undone(Exception):
    """The transaction is rolled back."""


def _change_read_and_undo(db: Database, shop: Shop, cents: int) -> None:
    with db.tenant(shop.tenant_id) as s:
        s.get_one(Service, shop.service_ids[CODE]).price_cents = cents
        assert price(s, shop) == cents
        raise _Undone


def test_a_change_that_is_rolled_back_was_never_there(
    cached: Database, world: World, redis_client: redis.Redis
) -> None:
    """The writer reads its own change, which fills the cache under a name that nobody will ever learn."""
    shop = world.north
    assert read_price(cached, shop) == 6900
    for cents in (7900, 8900):
        with pytest.raises(_Undone):
            _change_read_and_undo(cached, shop, cents)
        assert read_price(cached, shop) == 6900
    assert len(keys(redis_client)) == 3
    set_price(cached, shop, 9900)
    assert read_price(cached, shop) == 9900


def test_within_a_transaction_each_change_is_seen(cached: Database, world: World) -> None:
    shop = world.north
    with cached.tenant(shop.tenant_id) as s:
        for cents in (100, 200, None):
            s.get_one(Service, shop.service_ids[CODE]).price_cents = cents
            assert price(s, shop) == cents
    assert read_price(cached, shop) is None


def test_others_see_a_change_when_it_is_committed_and_not_before(cached: Database, world: World) -> None:
    shop = world.north
    with cached.tenant(shop.tenant_id) as s:
        s.get_one(Service, shop.service_ids[CODE]).price_cents = 100
        assert price(s, shop) == 100
        assert read_price(cached, shop) == 6900
    assert read_price(cached, shop) == 100


def test_a_long_transaction_sees_what_others_commit(cached: Database, world: World) -> None:
    """Entities would come out of the session's memory, with the price they had when it first saw them."""
    shop = world.north
    with cached.tenant(shop.tenant_id) as s:
        held = list(s.scalars(select(Service)))
        assert price(s, shop) == 6900
        set_price(cached, shop, 100)
        assert price(s, shop) == 100
        assert held


def test_readers_and_a_writer_for_a_while(
    cached: Database, test_database: TestDatabase, world: World, redis_client: redis.Redis
) -> None:
    """Whoever begins to read after a price was committed never gets an older one, with Redis emptied now and then."""
    shop, last, dice = world.north, 200, random.Random(7)
    committed = [100]
    set_price(cached, shop, 100)

    def read() -> list[tuple[int, int | None]]:
        seen = []
        while committed[0] < last:
            before = committed[0]
            seen.append((before, read_price(cached, shop)))
            if dice.random() < 0.2:
                use_redis(cached.engine, redis_client)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for cents in range(101, last + 1):
            set_price(cached, shop, cents)
            committed[0] = cents
            if dice.random() < 0.1:
                redis_client.flushdb()
        seen = [one for reader in readers for one in reader.result(60)]
    assert len(seen) > 20
    assert [pair for pair in seen if pair[1] is None or pair[1] < pair[0]] == []


@pytest.mark.parametrize("broken", ["refused", "hangs", "nonsense", "other columns"])
def test_without_redis_the_database_answers(
    broken: str, cached: Database, world: World, redis_client: redis.Redis
) -> None:
    shop = world.north
    read_price(cached, shop)
    if broken in ("nonsense", "other columns"):
        for key in keys(redis_client):
            redis_client.set(key, b"{not json" if broken == "nonsense" else b"[[1,2,3]]")
        use_redis(cached.engine, redis_client)
        assert read_price(cached, shop) == 6900
        assert b"tint-sunstrip" in redis_client.get(keys(redis_client)[0])  # type: ignore[operator]
        return
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    if broken == "hangs":
        gone = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_timeout=0.1, socket_connect_timeout=0.1)
        gone.get = _hang  # type: ignore[method-assign,assignment]
    use_redis(cached.engine, gone)
    assert read_price(cached, shop) == 6900
    set_price(cached, shop, 100)
    assert read_price(cached, shop) == 100


def _hang(key: str) -> None:
    raise redis.TimeoutError(key)


def test_a_redis_that_is_away_is_left_alone_for_a_while(
    cached: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    moment = [time.monotonic()]
    monkeypatch.setattr(catalogue_cache.time, "monotonic", lambda: moment[0])

    class Away:
        def get(self, key: str) -> None:
            asked.append(key)
            raise redis.ConnectionError

        set: Callable[..., None] = get

    use_redis(cached.engine, Away())  # type: ignore[arg-type]
    for cents in (100, 200, 300):
        set_price(cached, world.north, cents)
        assert read_price(cached, world.north) == cents
    assert len(asked) == 1
    moment[0] += catalogue_cache.REST_S + 1
    set_price(cached, world.north, 400)
    assert read_price(cached, world.north) == 400
    assert len(asked) == 2


def test_a_stranger_reads_nothing(cached: Database, world: World) -> None:
    read_price(cached, world.north)
    with cached.tenant(world.south.tenant_id) as s:
        assert read_catalogue(s, world.north.location_id) == []
        assert search_services(s, world.north.location_id, "", None) == []
        assert services_by_id(s, world.north.location_id, list(world.north.service_ids.values())) == []


def test_two_locations_with_the_same_services_and_other_prices(cached: Database, world: World) -> None:
    set_price(cached, world.south, 100)
    for _ in range(2):
        assert (read_price(cached, world.north), read_price(cached, world.south)) == (6900, 100)


def test_what_is_read_is_a_copy(cached: Database, world: World) -> None:
    """Nothing that is set on it may reach the cache or the database."""
    shop = world.north
    with cached.tenant(shop.tenant_id) as s:
        one = read_catalogue(s, shop.location_id)[0]
        one.price_cents = 1
        assert one not in s
    with cached.tenant(shop.tenant_id) as s:
        assert read_catalogue(s, shop.location_id)[0].price_cents != 1


def test_memory_holds_so_many_and_no_more(cached: Database, redis_client: redis.Redis) -> None:
    cache = catalogue_cache.CatalogueCache(redis_client)
    row = [None] * len(catalogue_cache._COLUMNS)
    for n in range(catalogue_cache.NEAR + 5):
        cache.put(f"leads:catalogue:{n}", [row])
        assert cache.get("leads:catalogue:0") == [row], "what is asked for stays"
    assert len(cache._near) == catalogue_cache.NEAR
    redis_client.flushdb()
    assert cache.get("leads:catalogue:1") is None
    assert cache.get(f"leads:catalogue:{catalogue_cache.NEAR}") == [row]


def test_another_process_reads_what_this_one_filled(
    cached: Database, test_database: TestDatabase, world: World, redis_client: redis.Redis
) -> None:
    read_price(cached, world.north)
    other = Database(make_engine(test_database.app_url))
    use_redis(other.engine, redis_client)
    queries = _Queries(other.engine)
    assert read_price(other, world.north) == 6900
    assert queries.count == 0
    other.engine.dispose()
