"""A real runtime for tests: real database and queue, chosen models and senders, no processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import redis as redis_package

from agent.models.base import Model
from channels.carrier import Accepted, CarrierError, Outgoing, Sender
from channels.gate import GateRules
from channels.outbox import Outbox
from ops.clock import Clock
from ops.settings import Settings
from scheduler.runtime import Runtime, build_runtime
from tests.conftest import TestDatabase

TOKEN = "12345"
PUBLIC = "https://hooks.example.com"
INBOUND_TOKEN = "inbound-token-for-tests"
KEY = "2PJpcTlI5K0vlbM3cmyW6KrYdhVYkyGFYpmoNJYuZ6I="


class FakeSender:
    """A carrier in memory that keeps the rules: what it accepted it can be asked about, and errors come first."""

    def __init__(self, carrier: str = "fake") -> None:
        self.carrier = carrier
        self.sent: list[Outgoing] = []
        self.errors: list[CarrierError] = []
        self.accepts_before_error = False
        self.finds = True

    def send(self, message: Outgoing) -> Accepted:
        """Accept, or raise the next error; with `accepts_before_error` the message goes out all the same."""
        if self.errors:
            error = self.errors.pop(0)
            if self.accepts_before_error:
                self.sent.append(message)
            raise error
        self.sent.append(message)
        return self._accepted(message)

    def find(self, message: Outgoing) -> Accepted | None:
        """Look it up."""
        known = [sent for sent in self.sent if sent.outbox_id == message.outbox_id]
        return self._accepted(message) if known and self.finds else None

    def _accepted(self, message: Outgoing) -> Accepted:
        return Accepted(self.carrier, f"{self.carrier}-{message.outbox_id}", "queued")


def settings_for(database: TestDatabase, redis_url: str, **given: Any) -> Settings:
    """Settings of a test; nothing comes from the environment or a file."""
    values: dict[str, Any] = {
        "database_url": database.app_url,
        "redis_url": redis_url,
        "twilio_auth_token": TOKEN,
        "public_base_url": PUBLIC,
        "sendgrid_inbound_token": INBOUND_TOKEN,
        "encryption_key": KEY,
    }
    return Settings.model_validate({**values, **given})


@contextmanager
def runtime_for(
    database: TestDatabase,
    redis_url: str,
    clock: Clock,
    *,
    models: Sequence[Model] | None = None,
    sms: Sender | None = None,
    email: Sender | None = None,
    **given: Any,
) -> Iterator[Runtime]:
    """The wired parts, with some of them exchanged."""
    runtime = build_runtime(settings_for(database, redis_url, **given), threads=16)
    runtime = replace(runtime, clock=clock)
    senders = {
        **runtime.outbox.senders,
        **({"sms": sms} if sms else {}),
        **({"email": email} if email else {}),
    }
    rules = GateRules(runtime.settings.demo_mode, tuple(runtime.settings.demo_allow_list))
    runtime = replace(runtime, outbox=Outbox(runtime.db, clock, senders, rules))
    if models is not None:
        runtime = replace(runtime, models=tuple(models))
    try:
        yield runtime
    finally:
        runtime.db.engine.dispose()
        runtime.redis.close()


def due_jobs(client: redis_package.Redis, runtime: Runtime) -> list[tuple[str, int, str]]:
    """What the pump would hand to RQ now."""
    return runtime.queue.take_due(runtime.clock.now())
