"""How much one key may ask of an outside system: a rate and a number of places, shared by all processes through Redis.
Without Redis each process keeps its own, which is more than was agreed on and still no flood.

What is urgent (a lead that waits) finds room: work in the background leaves most of a burst alone.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis
import structlog

from crm.connectors.errors import ConnectorError
from crm.connectors.limits_local import LocalKey, Told
from crm.connectors.limits_script import SCRIPT
from crm.connectors.settings import RateSettings

log = structlog.get_logger(__name__)

PREFIX = "leads:crm:"
KEEP_S = 3600
# A Redis that hangs costs a second at each question, so it is left alone for a while.
REDIS_REST_S = 10.0
# A place that its holder never gave back, because its process died, is free again after this.
PLACE_LEASE_S = 75.0
# How long background work stands back before it takes its turn like everybody else.
STAND_BACK_S = 20.0
LONGEST_REST_S = 900.0
NO_PLACE_WAIT_S = 0.03


def fingerprint(base_url: str, api_key: str) -> str:
    """What stands for a key in Redis, which must not hold the key itself."""
    return hashlib.sha256(f"{base_url}\0{api_key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Slots(Protocol):
    """What a client asks before each request."""

    def prepay(self, requests: int) -> AbstractContextManager[None]:
        """A context in which so many requests need not wait for their turn any more."""
        ...

    def slot(self) -> AbstractContextManager[None]:
        """A context in which one request may be made."""
        ...

    def rest(self, seconds: float) -> None:
        """The vendor asked everyone with this key to wait so long."""
        ...


class LimitStore:
    """The limits of all keys, as one process sees them. Safe between threads."""

    def __init__(
        self, client: redis.Redis | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._script: Any = client.register_script(SCRIPT) if client is not None else None
        self._local: dict[str, LocalKey] = {}
        self._lock = threading.Lock()
        self._rest_until = 0.0
        self.lost = 0

    def book(self, key: str, rate: RateSettings, cost: float, reserve: float, patience: float) -> Told:
        """Whether `cost` requests are booked, and in how many seconds they may begin. False books nothing."""
        numbers = (1 / rate.per_second, float(rate.burst), cost, reserve, patience)
        told = self._ask("book", key, *numbers)
        if told is not None:
            return told
        with self._lock:
            return self._held(key).book(self._monotonic(), *numbers)

    def refund(self, key: str, rate: RateSettings, requests: float) -> None:
        """Booked and not used."""
        if self._ask("refund", key, requests / rate.per_second) is None:
            with self._lock:
                self._held(key).refund(requests / rate.per_second)

    def enter(self, key: str, rate: RateSettings, place: str) -> Told:
        """Whether `place` is held until `leave`; else the seconds of a rest, or 0 when all places are taken."""
        told = self._ask("enter", key, place, rate.in_flight, PLACE_LEASE_S)
        if told is not None:
            return told
        with self._lock:
            return self._held(key).enter(self._monotonic(), place, rate.in_flight, PLACE_LEASE_S)

    def leave(self, key: str, place: str) -> None:
        """The request is over."""
        with self._lock:
            known = self._held(key).places.pop(place, None) is not None
        if not known:
            self._ask("leave", key, place)

    def rest(self, key: str, seconds: float) -> None:
        """Nobody asks with this key for so long. Noted on both sides: Redis may be lost in between."""
        seconds = min(seconds, LONGEST_REST_S)
        with self._lock:
            self._held(key).rest(self._monotonic(), seconds)
        self._ask("rest", key, seconds)

    def _held(self, key: str) -> LocalKey:
        return self._local.setdefault(key, LocalKey())

    def _ask(self, what: str, key: str, *given: str | float) -> Told | None:
        if self._script is None or self._monotonic() < self._rest_until:
            return None
        keys = [f"{PREFIX}{{{key}}}", f"{PREFIX}{{{key}}}:places"]
        try:
            granted, wait = self._script(keys=keys, args=[what, KEEP_S, *given])
        except redis.RedisError as error:
            self.lost += 1
            self._rest_until = self._monotonic() + REDIS_REST_S
            log.warning("crm_limits_without_redis", error=type(error).__name__)
            return None
        return int(granted) == 1, float(wait)


_STORES: weakref.WeakKeyDictionary[redis.Redis, LimitStore] = weakref.WeakKeyDictionary()
_OWN_STORE = LimitStore()
_STORES_LOCK = threading.Lock()


def store_of(client: redis.Redis | None) -> LimitStore:
    """The one store of this process for that Redis; clients come and go, limits stay."""
    if client is None:
        return _OWN_STORE
    with _STORES_LOCK:
        return _STORES.setdefault(client, LimitStore(client))


@dataclass
class KeyLimits:
    """The limits of one key, for one piece of work; safe between its threads.

    `patience_s`: how long a request waits for its turn. Longer than that it takes none and says when to come back,
    because a thread that waits answers no customer; the caller's row is tried again later.
    """

    store: LimitStore
    key: str
    rate: RateSettings
    background: bool = False
    patience_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _prepaid: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def prepay(self, requests: int) -> Iterator[None]:
        """Book several requests at once: work that belongs together is done whole or not begun. Raises like `slot`."""
        requests = min(requests, self.rate.burst)
        self._book(requests)
        with self._lock:
            self._prepaid += requests
        try:
            yield
        finally:
            with self._lock:
                left, self._prepaid = self._prepaid, 0
            if left:
                self.store.refund(self.key, self.rate, left)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a turn and a place. Raises ConnectorError (transient, with `retry_after_s`) out of patience."""
        with self._lock:
            paid = self._prepaid > 0
            self._prepaid -= int(paid)
        if not paid:
            self._book(1)
        place = uuid.uuid4().hex
        self._enter(place)
        try:
            yield
        finally:
            self.store.leave(self.key, place)

    def rest(self, seconds: float) -> None:
        """The vendor asked to slow down."""
        self.store.rest(self.key, seconds)

    def _book(self, requests: int) -> None:
        if self.background:
            self._book_when_quiet(requests)
            return
        granted, wait = self.store.book(self.key, self.rate, requests, 0, self.patience_s)
        if not granted:
            raise _too_busy(wait)
        if wait > 0:
            self.sleep(wait)

    def _book_when_quiet(self, requests: int) -> None:
        """Background work books nothing ahead: it asks again until most of a burst is left over for others."""
        began = self.monotonic()
        while True:
            waited = self.monotonic() - began
            reserve = max(0.0, self.rate.burst - requests) * max(0.0, 1.0 - waited / STAND_BACK_S)
            granted, wait = self.store.book(self.key, self.rate, requests, reserve, 0)
            if granted:
                return
            if waited + min(wait, 1.0) > self.patience_s:
                raise _too_busy(wait)
            # Whoever waits for the same moment comes a little apart.
            self.sleep(min(wait, 1.0) + random.uniform(0, 0.02))

    def _enter(self, place: str) -> None:
        began = self.monotonic()
        while True:
            granted, rest = self.store.enter(self.key, self.rate, place)
            if granted:
                return
            # Without a place the wait is for somebody's answer, which may take a whole time-out.
            waited, wait = self.monotonic() - began, rest or NO_PLACE_WAIT_S
            if waited + wait > max(self.patience_s, 0.0):
                raise _too_busy(wait)
            self.sleep(min(wait, 1.0) + random.uniform(0, 0.02))


def _too_busy(wait: float) -> ConnectorError:
    return ConnectorError("our own limit for this API key is reached", kind="transient", retry_after_s=wait)
