"""The catalogue as the agent reads it: out of memory or Redis, with the database behind it, and never an old state of it.

Each state of a location's services has a stamp, a random name that a trigger of the database gives it in the very
transaction that changes a service (migrations/sql/0007_catalogue.sql). A reader asks the database for the stamp, and this
process' memory and then Redis for what has that name. Why no old price can come out of that:

- A change and its stamp are committed together, whoever makes it: there is no moment, and no crash, between them.
- Who fills the cache reads the stamp first and the services after it. A writer that commits in between makes newer
  services go under the older stamp; nobody asks for that one any more. Older services cannot go under a newer stamp.
- A transaction that reads its own changes fills the cache under a stamp that becomes visible only if exactly that
  state is committed. After a rollback nobody ever learns it: a counter would be given out again, a random name not.

So memory and Redis are asked for nothing but bytes: without Redis, with a flushed one or with one that was cut off for a
while, the database answers. The TTL only clears away states that nobody asks for. What it saves is measured by
`python -m tests.bench.catalogue`.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import redis
import structlog
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from crm.models import Service

log = structlog.get_logger(__name__)

TTL_S = 24 * 3600
# Catalogues in a process' memory; one is about ten kilobytes.
NEAR = 256
# A Redis that hangs costs its time-out at each question, so it is left alone for a while.
REST_S = 10.0

_COLUMNS = tuple(column.key for column in Service.__mapper__.column_attrs if column.key != "created_at")
# Another version of this program may know other columns, so it reads and writes under other names.
_LAYOUT = f"{zlib.crc32(','.join(_COLUMNS).encode()):08x}"
_STAMP = "select stamp::text from catalogue_stamps where location_id = %s"
_MANAGER = Service.__mapper__.class_manager


class CatalogueCache:
    """One Redis as a place for catalogues, with the last ones of this process in front of it, as JSON. Safe between
    threads; never raises because of Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._near: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._rest_until = 0.0

    def get(self, key: str) -> list[list[Any]] | None:
        """The rows under `key`, new objects each time; None when there are none, or none that can be read."""
        with self._lock:
            near = self._near.get(key)
            if near is not None:
                self._near.move_to_end(key)
        raw = near if near is not None else self._far(key)
        rows = _rows_in(raw)
        if raw is not None and near is None and rows is not None:
            self._keep(key, raw)
        return rows

    def put(self, key: str, rows: Sequence[Sequence[Any]]) -> None:
        """Keep rows here, and in Redis for a day."""
        raw = json.dumps([list(row) for row in rows], separators=(",", ":")).encode()
        self._keep(key, raw)
        if time.monotonic() < self._rest_until:
            return
        try:
            self._client.set(key, raw, ex=TTL_S)
        except redis.RedisError as error:
            self._rest(error)

    def _far(self, key: str) -> bytes | None:
        if time.monotonic() < self._rest_until:
            return None
        try:
            found = self._client.get(key)
        except redis.RedisError as error:
            self._rest(error)
            return None
        return found if isinstance(found, bytes) else None

    def _keep(self, key: str, raw: bytes) -> None:
        with self._lock:
            self._near[key] = raw
            while len(self._near) > NEAR:
                self._near.popitem(last=False)

    def _rest(self, error: redis.RedisError) -> None:
        self._rest_until = time.monotonic() + REST_S
        log.warning("catalogue_without_redis", error=type(error).__name__)


_CACHES: weakref.WeakKeyDictionary[Engine, CatalogueCache] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def use_redis(engine: Engine, client: redis.Redis | None) -> None:
    """Sessions of this engine read catalogues through this Redis from now on; None: from the database alone."""
    with _LOCK:
        if client is None:
            _CACHES.pop(engine, None)
        else:
            _CACHES[engine] = CatalogueCache(client)


def read_catalogue(s: Session, location_id: int) -> list[Service]:
    """The active services of a location by id, as committed now (or as this transaction has them).

    They are copies for reading: in no session, so nothing that is set on them is stored.
    """
    # What this transaction changed and has not written yet counts too, and moves the stamp.
    s.flush()
    cache = _cache_of(s)
    stamp = _stamp(s, location_id) if cache is not None else None
    if cache is None or stamp is None:
        return _services(_rows(s, location_id))
    key = f"leads:catalogue:{_LAYOUT}:{location_id}:{stamp}"
    found = cache.get(key)
    if found is None:
        found = _rows(s, location_id)
        cache.put(key, found)
    return _services(found)


def _cache_of(s: Session) -> CatalogueCache | None:
    return _CACHES.get(s.get_bind().engine)


def _rows(s: Session, location_id: int) -> list[list[Any]]:
    """By columns: entities would come out of the session's memory, as they were when it first saw them."""
    columns = [getattr(Service, name) for name in _COLUMNS]
    statement = select(*columns).where(Service.location_id == location_id, Service.active)
    return [list(row) for row in s.execute(statement.order_by(Service.id))]


def _stamp(s: Session, location_id: int) -> str | None:
    # Below the ORM, because what it adds to one small statement is more than the cache saves.
    found = s.connection().exec_driver_sql(_STAMP, (location_id,)).scalar()
    return None if found is None else str(found)


def _services(rows: Sequence[Sequence[Any]]) -> list[Service]:
    """Made as a query makes them: the constructor takes ten times as long."""
    services = []
    for row in rows:
        service = _MANAGER.new_instance()
        service.__dict__.update(zip(_COLUMNS, row, strict=True))
        services.append(service)
    return services


def _rows_in(raw: bytes | None) -> list[list[Any]] | None:
    try:
        rows = json.loads(raw) if raw is not None else None
    except ValueError:
        return None
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == len(_COLUMNS) for r in rows):
        return None
    return rows
