"""What the API does not take, in one shape: keys, limits, bodies, fields. Nothing of it is stored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine, text

from channels.api.bodies import MAX_BYTES
from channels.api.webhook import PATH
from crm.api_keys import list_keys, revoke_key
from crm.connectors.limits import store_of
from crm.db import Database
from ops.clock import FixedClock
from ops.queue import WakeQueue
from tests.conftest import World
from tests.integration.api_help import PHONE, Api, refusal, serving, wrong


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made
        assert (
            made.rows("select 1 from lead_requests r join leads l on l.id = r.lead_id where l.source = 'x'")
            == []
        )


def nothing_stored(api: Api) -> bool:
    """True when no post left anything behind."""
    return api.one("select (select count(*) from lead_requests) + (select count(*) from webhook_events)") == 0


KEYS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Basic dXNlcjpwYXNz",
    "Bearer leads_key_wrong",
    "Bearer " + "x" * 5000,
    "leads_key_x",
]


def test_without_a_valid_key_there_is_nothing(api: Api, world: World) -> None:
    for given in KEYS:
        headers = {} if given is None else {"Authorization": given}
        response = api.client().post(PATH, json={"phone": PHONE}, headers=headers)
        assert refusal(response, 401)["type"] == "urn:leads:problem:key"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert nothing_stored(api)


def test_a_revoked_key_is_worth_nothing_at_once(
    api: Api, world: World, db: Database, clock: FixedClock
) -> None:
    assert api.tell(world.north, {"phone": PHONE}).status_code == 201
    with db.tenant(world.north.tenant_id) as session:
        (row,) = list_keys(session)
        assert revoke_key(session, row, clock.now())
        assert not revoke_key(session, row, clock.now())
    refusal(api.tell(world.north, {"phone": PHONE, "wish": "more"}), 401)
    assert api.tell(world.south, {"phone": PHONE}).status_code == 201


def test_only_the_hash_of_a_key_is_stored(api: Api, world: World) -> None:
    key = api.server_key(world.north)
    (row,) = api.rows("select * from api_keys")
    assert key not in str(row)
    assert key.startswith(row.prefix)
    assert len(row.prefix) < len(key) / 2


def test_a_paused_business_takes_nothing(api: Api, world: World, owner_engine: Engine) -> None:
    api.server_key(world.north)
    with owner_engine.begin() as connection:
        connection.execute(
            text("update tenants set status = 'paused' where id = :i"), {"i": world.north.tenant_id}
        )
    assert refusal(api.tell(world.north, {"phone": PHONE}), 403)["type"] == "urn:leads:problem:paused"
    assert nothing_stored(api)


def test_when_a_key_was_used_is_written_once_a_minute(api: Api, world: World, clock: FixedClock) -> None:
    used = "select last_used_at from api_keys"
    began = clock.now()
    api.server_key(world.north)
    assert api.one(used) is None
    for seconds, expected in ((0, 0), (59, 0), (2, 61)):
        clock.advance(timedelta(seconds=seconds))
        api.tell(world.north, {"phone": "nonsense"})
        assert api.one(used) == began + timedelta(seconds=expected)


def test_more_than_a_minutes_worth_is_too_many_for_that_key_alone(api: Api, world: World) -> None:
    key, other = (api.key(world.north, name, per_minute=3) for name in ("busy", "quiet"))
    statuses = [
        api.tell(world.north, {"phone": PHONE, "wish": str(n)}, key=key).status_code for n in range(5)
    ]
    assert statuses == [201, 201, 201, 429, 429]
    response = api.tell(world.north, {"phone": PHONE, "wish": "9"}, key=key)
    assert refusal(response, 429)["type"] == "urn:leads:problem:too-many"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert api.tell(world.north, {"phone": PHONE}, key=other).status_code == 201


def test_without_redis_each_process_keeps_the_limit_itself(api: Api, world: World) -> None:
    api.deps.redis = redis.Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2)
    key = api.key(world.north, per_minute=2)
    statuses = [
        api.tell(world.north, {"phone": PHONE, "wish": str(n)}, key=key).status_code for n in range(3)
    ]
    assert statuses == [201, 201, 429]
    assert store_of(api.deps.redis).lost >= 1


def test_a_body_that_is_too_large(api: Api, world: World) -> None:
    response = api.tell(world.north, {"phone": PHONE, "wish": "x" * MAX_BYTES})
    assert nothing_stored(api)
    assert refusal(response, 413)["type"] == "urn:leads:problem:too-large"


def test_a_kind_of_body_that_is_not_read(api: Api, world: World) -> None:
    given = {"Authorization": f"Bearer {api.server_key(world.north)}"}
    for kind in ("text/plain", "application/xml", "", "text/html"):
        response = api.client().post(PATH, data=b'{"phone": "3125550150"}', content_type=kind, headers=given)
        refusal(response, 415)


def test_a_compressed_body_is_not_read(api: Api, world: World) -> None:
    raw = gzip.compress(json.dumps({"phone": PHONE}).encode())
    refusal(api.tell(world.north, raw, headers={"Content-Encoding": "gzip"}), 415)


def test_leads_are_posted(api: Api) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        response = api.client().open(PATH, method=method)
        refusal(response, 405)
        assert response.headers["Allow"] == "POST"


def test_a_pointer_finds_the_field(api: Api, world: World) -> None:
    body = refusal(api.tell(world.north, {"phone": PHONE, "facts": {"a/b~c": []}}), 422)
    assert [one["pointer"] for one in body["errors"]] == ["#/facts/a~1b~0c"]


def test_everything_that_is_wrong_is_said_at_once_and_within_bounds(api: Api, world: World) -> None:
    many = {f"field {number}": 1 for number in range(100)}
    body = refusal(api.tell(world.north, {**many, "phone": "1", "x" * 500: 1}), 422)
    assert len(body["errors"]) == 30
    assert max(len(one["field"]) for one in body["errors"]) <= 80
    assert len(json.dumps(body)) < 10_000


def test_the_location_is_named_when_there_is_more_than_one(api: Api, world: World, db: Database) -> None:
    from crm.sample import add_sample_location

    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        second = add_sample_location(
            session, shop.tenant_id, "west", "West", "+13125550188", "w@north.example"
        ).id
    assert "several shops" in wrong(api.tell(shop, {"phone": PHONE}))["location"]
    body = api.tell(shop, {"phone": PHONE, "location": "west"}).get_json()
    assert api.one("select location_id from leads where id = :i", i=body["lead_id"]) == second
    own = api.key(shop, "west site", location_id=second)
    body = api.tell(shop, {"phone": PHONE, "wish": "x"}, key=own).get_json()
    assert api.one("select location_id from leads where id = :i", i=body["lead_id"]) == second
    assert (
        "not the shop this key is for"
        in wrong(api.tell(shop, {"phone": PHONE, "location": "north"}, key=own))["location"]
    )
    # Another business's shop is no shop at all.
    assert (
        "no shop of this business" in wrong(api.tell(shop, {"phone": PHONE, "location": "south"}))["location"]
    )


def test_an_idempotency_key_has_a_form(api: Api, world: World) -> None:
    for given in ("", "   ", "x" * 201, "ü"):
        response = api.tell(world.north, {"phone": PHONE}, headers={"Idempotency-Key": given})
        assert "Idempotency-Key" in refusal(response, 400)["detail"]
