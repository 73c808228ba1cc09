"""A shop that answers with a chosen model: what the tests of answering share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from agent.models.base import ModelReply, ModelRequest
from crm.db import Database
from crm.models import Turn
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.talking import answer, bare, rows
from tests.runtimes import FakeSender, runtime_for


class Shop:
    """A runtime per model, one carrier for all of them."""

    def __init__(self, stack: ExitStack, database: TestDatabase, redis_url: str, clock: FixedClock) -> None:
        self._stack, self._given = stack, (database, redis_url, clock)
        self.sms, self.email = FakeSender("fake-sms"), FakeSender("fake-email")

    def with_model(self, *models: Any, **given: Any) -> Runtime:
        """A process that has these models and these settings."""
        made = runtime_for(*self._given, models=models, sms=self.sms, email=self.email, **given)
        return self._stack.enter_context(made)

    def texts(self, to: str = CUSTOMER_PHONE) -> list[str]:
        """What a phone got, the customer's unless another is named, without the courtesies of a first text."""
        return [bare(message.body) for message in self.sms.sent if message.to_address == to]


class Slow:
    """A model that waits in the middle of its answer."""

    provider = model = "playbook"

    def __init__(self, reply: ModelReply) -> None:
        self._reply = reply
        self.asked = 0
        self.reached, self.may_answer = threading.Event(), threading.Event()

    def answer(self, request: ModelRequest) -> ModelReply:
        """The one reply, when it may."""
        self.asked += 1
        self.reached.set()
        assert self.may_answer.wait(20)
        return self._reply


@contextmanager
def answering(database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Shop]:
    """A Shop of this test; its runtimes are closed at the end."""
    with ExitStack() as stack:
        yield Shop(stack, database, redis_url, clock)


@contextmanager
def turn_under_way(runtime: Runtime, world: World, model: Slow) -> Iterator[list[str]]:
    """A worker is thinking; the result is in the list after the block."""
    outcome: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(answer, runtime, world.north)
        assert model.reached.wait(20)
        try:
            yield outcome
        finally:
            model.may_answer.set()
        outcome.append(future.result(20))


def turns(db: Database, world: World) -> list[tuple[str, str | None]]:
    """How the turns so far ended, and why."""
    return [(turn.status, turn.error) for turn in rows(db, world.north, Turn)]
