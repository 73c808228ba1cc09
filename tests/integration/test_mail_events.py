"""SendGrid's Event Webhook over real sockets: verified, split by business, stored once, answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from channels.email.events import CHUNK, MAX_BYTES, NOBODYS, UNREADABLE
from channels.email.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER
from crm.db import Database
from crm.mail_accounts import add_hook_key
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.mail_help import Post, open_post, rows_received, stored_posts
from tests.integration.outbox_help import due
from tests.standins.sendgrid_signing import EventSigner


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def test_a_batch_is_split_by_business_and_each_part_is_stored_once(
    post: Post, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    _, to_north = post.send(world.north)
    _, to_south = post.send(world.south)
    foreign = {"email": "x@y.example", "event": "delivered", "timestamp": 1, "outbox_id": "42"}
    batch = [*post.sendgrid.events_for(to_north), foreign, *post.sendgrid.events_for(to_south)]
    assert [post.tell(batch), post.tell(batch)] == [[200], [200]]
    stored = stored_posts(owner_engine)
    assert [(row[0], row[1]) for row in stored] == [
        (world.north.tenant_id, "received"), (world.south.tenant_id, "received"), (None, "ignored"),
    ]  # fmt: skip
    assert stored[2][2] == NOBODYS
    (ours,) = {event["outbox_id"] for event in json.loads(stored[0][3])}
    assert ours == to_north.custom_args["outbox_id"]
    woken = {(job, tenant) for job, tenant, _ in post.runtime.queue.take_due(clock.now())}
    assert woken == {("webhook", world.north.tenant_id), ("webhook", world.south.tenant_id)}


def test_a_large_batch_is_several_rows(post: Post, world: World, db: Database) -> None:
    _, mail = post.send(world.north)
    batch = [event for _ in range(CHUNK + 1) for event in post.sendgrid.events_for(mail, ["open"])]
    assert [post.tell(batch), post.tell(batch)] == [[200], [200]]
    assert len(rows_received(db, world.north)) == 2


@pytest.mark.parametrize("sign", ["wrong", "none"])
def test_an_unsigned_batch_is_refused_and_comes_again(
    post: Post, world: World, owner_engine: Engine, sign: str
) -> None:
    _, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail)
    (delivery,) = post.sendgrid.deliver_events(post.url, events, sign=sign)
    assert (delivery.outcome, delivery.statuses) == ("gave_up", [403] * 4)
    assert stored_posts(owner_engine) == []


def test_the_signature_is_over_the_bytes_and_not_over_the_json(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    body = json.dumps(post.sendgrid.events_for(mail)).encode() + b"\r\n"
    signed = post.sendgrid.signer.headers(body, "good", post.clock.now())
    for sent, expected in ((body, 200), (body.strip(), 403), (body.replace(b", ", b","), 403)):
        assert post.sendgrid.post_event_bytes(post.url, sent, headers=signed).status_code == expected
    one = {**signed, TIMESTAMP_HEADER: "1"}
    assert post.sendgrid.post_event_bytes(post.url, body, headers=one).status_code == 403
    one = {**signed, SIGNATURE_HEADER: "AAAA"}
    assert post.sendgrid.post_event_bytes(post.url, body, headers=one).status_code == 403


@pytest.mark.parametrize(
    ("keys", "status"), [([], 503), (["not a key"], 503), ([EventSigner().public_key], 403)]
)
def test_keys_that_are_missing_broken_or_out_of_date(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    db: Database,
    world: World,
    owner_engine: Engine,
    keys: list[str],
    status: int,
) -> None:
    given: dict[str, Any] = {"sendgrid_event_keys": keys}
    with open_post(test_database, redis_url, clock, db, world, **given) as post:
        _, mail = post.send(world.north)
        assert post.tell(post.sendgrid.events_for(mail)) == [status]
    assert stored_posts(owner_engine) == []


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"[1]\r\n", b'{"a":', b"[" * 100_000, b'[{"email": "\xff"}]']
)
def test_what_is_signed_but_no_array_of_events_is_kept_for_a_person(
    post: Post, owner_engine: Engine, body: bytes
) -> None:
    for _ in range(2):
        assert post.sendgrid.post_event_bytes(post.url, body).status_code == 200
    (row,) = post_rows(owner_engine)
    assert row == (None, "quarantined", UNREADABLE)


def post_rows(owner_engine: Engine) -> list[tuple[Any, ...]]:
    with owner_engine.begin() as connection:
        return [
            tuple(row)
            for row in connection.execute(text("select tenant_id, status, note from webhook_events"))
        ]


def test_a_body_that_cannot_be_sendgrids_is_not_read(post: Post, owner_engine: Engine) -> None:
    assert post.sendgrid.post_event_bytes(post.url, b" " * (MAX_BYTES + 1)).status_code == 413
    assert post_rows(owner_engine) == []


def test_without_a_database_the_batch_comes_again_and_nothing_is_stored_twice(
    post: Post, world: World, owner_engine: Engine, db: Database
) -> None:
    _, mail = post.send(world.north)
    alive = post.runtime.db.engine
    events = post.sendgrid.events_for(mail)
    dead = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    post.runtime.db.engine = dead

    def mend(attempt: int) -> None:
        if attempt == 2:
            post.runtime.db.engine = alive

    (delivery,) = post.sendgrid.deliver_events(post.url, events, between=mend)
    assert (delivery.outcome, delivery.statuses) == ("delivered", [503, 503, 200])
    assert len(rows_received(db, world.north)) == 1


def test_a_business_with_an_account_of_its_own_has_a_path_and_keys_of_its_own(
    post: Post, world: World, owner_engine: Engine, db: Database
) -> None:
    url = post.own_account(world.north)
    _, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail)
    assert post.tell(events, url) == [200], "with a subuser the installation's keys count"
    with db.tenant(world.north.tenant_id) as session:
        add_hook_key(session, "event", EventSigner().public_key)
    assert post.tell(events, url) == [403], "with a key of its own only that one counts"
    assert post.tell(events, f"{post.url}/no-such-token") == [403]
    assert [row[0] for row in stored_posts(owner_engine)] == [world.north.tenant_id]


def test_by_its_own_path_a_business_can_say_nothing_of_anothers_mail(post: Post, world: World) -> None:
    url = post.own_account(world.north)
    message_id, mail = post.send(world.south)
    post.hear(post.sendgrid.events_for(mail, ["processed", "bounce"]), url)
    row = post.row(world.south, message_id)
    assert (row.status, row.carrier_status) == ("sent", "accepted")
    assert post.events(world.south) == []
    assert [event.message_id for event in post.events(world.north)] == [None, None]


def test_the_sweeper_finds_a_batch_nobody_woke(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    post.tell(post.sendgrid.events_for(mail))
    assert [job for job, _ in due(post.runtime)] == ["webhook"]
    post.work(world.north)
    assert due(post.runtime) == []
