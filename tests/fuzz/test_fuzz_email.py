"""A few thousand broken posts in every run, some of them into the real tables and through the worker's reading."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from typing import Any

from sqlalchemy import Engine, text

from app import create_app
from channels.email.form import BadForm, parse_form
from channels.email.parse import dedupe_key
from ops.clock import FixedClock
from scheduler.hooks import process_webhook
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.fuzz.harness import Broken, case_of, work
from tests.runtimes import INBOUND_TOKEN, runtime_for

PATH = f"/hooks/sendgrid/inbound/{INBOUND_TOKEN}"
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
QUICK = 2000
REAL = int(os.environ.get("FUZZ_REAL", "120"))


def test_broken_posts_are_stored_and_read() -> None:
    totals, broken = work(SEED, range(QUICK))
    assert broken == []
    assert totals["posts"] == totals["answered 200"] == QUICK
    assert totals["for a mailbox"] > QUICK // 3
    assert totals["with files"] > QUICK // 10


def test_broken_posts_in_the_real_tables(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner_engine: Engine
) -> None:
    """The same posts with PostgreSQL behind the view; then the worker takes every one up."""
    with runtime_for(test_database, redis_url, clock) as runtime:
        web = create_app(runtime).test_client()
        posted: dict[str, str] = {}
        for number in range(REAL):
            case = case_of(SEED + 1, number)
            body, content_type = case.body or b"\n", case.content_type or "x/y"
            answer = web.post(PATH, data=body, headers={"Content-Type": content_type})
            assert answer.status_code == 200, f"case {number}"
            # The same words under the same Message-ID are one mail: the first post of it is the one that is kept.
            posted.setdefault(_mail_of(body, content_type), hashlib.sha256(body).hexdigest())
        stored = _events(owner_engine)
        assert {key.rpartition(":")[2]: digest for _, _, _, digest, key in stored} == posted
        outcomes = _take_all(runtime, stored)
        failed = {row[2] for row in _events(owner_engine)} - {"processed", "ignored", "quarantined"}
        assert failed == set(), outcomes
    assert outcomes["processed"] > REAL // 20
    print(f"real tables: seed {SEED + 1}, {REAL} posts, {len(stored)} stored, {dict(outcomes)}")


def _mail_of(body: bytes, content_type: str) -> str:
    try:
        return dedupe_key(body, parse_form(body, content_type))
    except BadForm:
        return dedupe_key(body, None)


def _events(owner_engine: Engine) -> list[Any]:
    with owner_engine.begin() as connection:
        rows = connection.execute(
            text(
                "select id, tenant_id, status, encode(sha256(body), 'hex'), dedupe_key from webhook_events order by id"
            )
        )
        return [tuple(row) for row in rows]


def _take_all(runtime: Runtime, stored: list[Any]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for event_id, tenant_id, status, *_ in stored:
        if status != "received":
            outcomes[status] += 1
            continue
        try:
            outcomes[process_webhook(runtime, tenant_id, str(event_id))] += 1
        except Exception as error:
            raise Broken(f"event {event_id}: {type(error).__name__}: {error}") from error
    return outcomes
