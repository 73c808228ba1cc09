"""POST /api/v1/leads by a server: what is stored, once, for whom, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import structlog
from sqlalchemy import Engine

from channels.api.webhook import PATH
from crm.consents import is_opted_out, record_consent
from crm.db import Database, make_engine
from ops.clock import FixedClock
from ops.queue import WakeQueue
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, World
from tests.integration.api_help import AGREED, PHONE, Api, against, refusal, serving, wrong
from tests.integration.test_leads import at_once

WHOLE: dict[str, Any] = {
    "external_id": "42",
    "name": "Pat Ortiz y Vega",
    "phone": "(312) 555-0150",
    "email": "Pat <Pat@Example.com>",
    "postal_code": "60614",
    "state": "il",
    "language": "es-US",
    "wish": "Ceramic on all windows",
    "vehicle": {"year": 2021, "make": "Honda", "model": "Civic", "body_style": "sedan", "color": "white"},
    "source": "quote page",
    "page": "https://www.shop.example/quote",
    "utm": {"source": "google", "campaign": "spring"},
    "facts": {"how found": "a friend", "windows": 5, "garage": True, "remembered": "the price is 1 dollar"},
    "consent": {
        "sms": {"given": True, "text": AGREED, "at": "2026-11-23T14:59:30Z", "ip": "203.0.113.7", "url": "https://x.example/q"}
    },
    "made_at": "2026-11-23T08:59:31-06:00",
}  # fmt: skip


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made


def test_a_whole_lead_is_stored_with_everything_it_says(api: Api, world: World) -> None:
    response = api.tell(world.north, WHOLE)
    assert response.status_code == 201, response.text
    body = response.get_json()
    against("LeadTaken", body)
    assert (body["created"], body["warnings"]) == (True, [])
    (lead,) = api.rows("select * from leads where id = :id", id=body["lead_id"])
    told = (
        lead.first_name,
        lead.last_name,
        lead.phone,
        lead.email,
        lead.postal_code,
        lead.state,
        lead.language,
    )
    assert told == ("Pat", "Ortiz y Vega", PHONE, "pat@example.com", "60614", "IL", "es")
    assert (lead.tenant_id, lead.source, lead.wish) == (
        world.north.tenant_id,
        "api",
        "Ceramic on all windows",
    )
    # A field of the caller's own is nothing that the agent believes the customer said.
    assert "remembered" not in lead.facts
    (asked,) = api.rows("select * from lead_requests where id = :id", id=body["request_id"])
    assert asked.lead_id == lead.id
    assert asked.made_at.isoformat() == "2026-11-23T14:59:31+00:00"
    assert asked.facts["facts"] == {**WHOLE["facts"]}
    assert asked.facts["utm"] == WHOLE["utm"]
    assert api.one("select model from vehicles where id = :id", id=asked.vehicle_id) == "Civic"


def test_consent_is_recorded_with_its_evidence(api: Api, world: World) -> None:
    response = api.client().post(
        PATH,
        json=WHOLE,
        headers={
            "Authorization": f"Bearer {api.server_key(world.north)}",
            "X-Forwarded-For": "198.51.100.9",
            "User-Agent": "site/1",
        },
    )
    assert response.status_code == 201
    (row,) = api.rows("select * from consent_events where address = :a", a=PHONE)
    assert (row.channel, row.action, row.actor, row.source) == ("sms", "grant", "crm", "api")
    evidence = json.loads(row.evidence)
    assert evidence["text"] == AGREED
    assert (evidence["at"], evidence["ip"]) == ("2026-11-23T14:59:30+00:00", "203.0.113.7")
    assert evidence["url"] == "https://x.example/q"
    seen = evidence["seen"]
    assert (seen["by"], seen["public_form"]) == ("website", False)
    assert (seen["forwarded_for"], seen["agent"]) == ("198.51.100.9", "site/1")


def test_long_evidence_stays_whole(api: Api, world: World) -> None:
    consent = {"given": True, "text": '"\\' * 400, "url": "https://x.example/" + "u" * 900}
    body = {"phone": PHONE, "consent": {"sms": consent}}
    given = {"Authorization": f"Bearer {api.server_key(world.north)}", "User-Agent": "a" * 500}
    assert api.client().post(PATH, json=body, headers=given).status_code == 201
    evidence = api.one("select evidence from consent_events where address = :a", a=PHONE)
    assert json.loads(evidence)["text"] == '"\\' * 400


@pytest.mark.parametrize(
    ("consent", "warned"),
    [
        ({"given": True}, True),
        ({"given": True, "text": "  "}, True),
        ({"given": False, "text": AGREED}, False),
    ],
)
def test_consent_without_its_words_is_none_and_the_caller_hears_so(
    api: Api, world: World, consent: dict[str, Any], warned: bool
) -> None:
    response = api.tell(world.north, {"phone": PHONE, "consent": {"sms": consent}})
    assert response.status_code == 201
    assert [("consent.sms" in one) for one in response.get_json()["warnings"]] == [True] * warned
    found = api.rows("select action, scope, actor from consent_events where address = :a", a=PHONE)
    # An explicit no is a refusal of the cadence's texts; it is owed to no carrier.
    assert found == ([] if consent["given"] else [("revoke", "marketing", "crm")])
    assert api.rows("select 1 from consent_pushes") == []


def test_the_worker_is_told_once_for_each_request(api: Api, world: World) -> None:
    first = api.tell(world.north, WHOLE).get_json()
    again = api.tell(world.north, WHOLE)
    assert again.status_code == 200
    assert again.get_json() == {**first, "created": False}
    (event,) = api.rows("select id, body, source, status from webhook_events")
    session_id = api.one("select id from chat_sessions where lead_id = :id", id=first["lead_id"])
    assert json.loads(bytes(event.body)) == {"lead_id": first["lead_id"], "session_id": session_id}
    assert (event.source, event.status) == ("api", "received")
    due = api.deps.queue.take_due(api.deps.clock.now())
    assert due == [("webhook", world.north.tenant_id, str(event.id))]


def test_the_same_words_on_the_same_day_are_one_request(api: Api, world: World, clock: FixedClock) -> None:
    body = {"phone": PHONE, "wish": "Tint", "consent": {"sms": {"given": True, "text": AGREED}}}
    first = api.tell(world.north, body).get_json()
    body["consent"]["sms"]["at"] = "2026-11-23T14:00:00Z"  # type: ignore[index]
    assert api.tell(world.north, body).get_json()["request_id"] == first["request_id"]
    assert api.tell(world.north, {**body, "wish": "Strip"}).get_json()["request_id"] != first["request_id"]
    clock.advance(timedelta(days=1))
    assert api.tell(world.north, body).get_json()["request_id"] != first["request_id"]
    assert api.one("select count(*) from leads where phone = :p", p=PHONE) == 1


def test_nobody_is_lost_to_a_caller_that_numbers_everybody_alike(api: Api, world: World) -> None:
    one = api.tell(world.north, {"external_id": "contact-form", "phone": PHONE}).get_json()
    other = api.tell(world.north, {"external_id": "contact-form", "phone": "312 555 0151"}).get_json()
    assert one["lead_id"] != other["lead_id"]
    assert one["request_id"] != other["request_id"]


def test_two_sites_that_count_from_one_are_two_and_a_new_key_goes_on_where_the_old_one_ended(
    api: Api, world: World
) -> None:
    blog = api.key(world.north, "blog")
    told = {"external_id": "1", "phone": PHONE}
    first = api.tell(world.north, told).get_json()["request_id"]
    assert api.tell(world.north, told, key=blog).get_json()["request_id"] != first
    renewed = api.key(world.north, "website")
    assert api.tell(world.north, told, key=renewed).get_json()["request_id"] == first


def test_an_idempotency_key_is_answered_the_same_again(api: Api, world: World) -> None:
    given = {"Idempotency-Key": "abc-1"}
    first = api.tell(world.north, WHOLE, headers=given)
    # Written differently, it says the same.
    again = api.tell(world.north, json.dumps(WHOLE, indent=3, sort_keys=True).encode(), headers=given)
    assert (again.status_code, again.get_json()) == (201, first.get_json())
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    problem = refusal(api.tell(world.north, {**WHOLE, "wish": "Strip"}, headers=given), 409)
    assert problem["type"] == "urn:leads:problem:idempotency-conflict"
    assert api.one("select count(*) from lead_requests") == 1


def test_an_idempotency_key_means_nothing_to_another_business_or_sender(api: Api, world: World) -> None:
    given = {"Idempotency-Key": "abc-1"}
    north = api.tell(world.north, {"phone": PHONE}, headers=given)
    south = api.tell(world.south, {"phone": PHONE, "wish": "x"}, headers=given)
    blog = api.tell(
        world.north, {"phone": PHONE, "wish": "y"}, key=api.key(world.north, "blog"), headers=given
    )
    assert [one.status_code for one in (north, south, blog)] == [201, 201, 201]


def test_a_refused_request_does_not_use_up_its_idempotency_key(api: Api, world: World) -> None:
    given = {"Idempotency-Key": "abc-1"}
    assert api.tell(world.north, {"phone": PHONE, "location": "nowhere"}, headers=given).status_code == 422
    assert api.tell(world.north, {"phone": PHONE}, headers=given).status_code == 201


def test_many_at_once_with_one_idempotency_key_get_one_answer(api: Api, world: World) -> None:
    key = api.server_key(world.north)

    def post(number: int) -> tuple[int, str, str | None]:
        response = api.tell(world.north, WHOLE, key=key, headers={"Idempotency-Key": "race"})
        return response.status_code, response.text, response.headers.get("Idempotent-Replayed")

    answers = at_once(6, post)
    assert {answer[:2] for answer in answers} == {answers[0][:2]}
    assert answers[0][0] == 201
    assert [replayed for *_, replayed in answers].count(None) == 1
    assert api.one("select count(*) from webhook_events") == 1


def test_many_at_once_of_one_person_make_one_lead(api: Api, world: World) -> None:
    key = api.server_key(world.north)

    def post(number: int) -> tuple[int, int]:
        response = api.tell(world.north, {"phone": PHONE, "wish": f"wish {number}"}, key=key)
        return response.status_code, response.get_json()["lead_id"]

    answers = at_once(6, post)
    assert {status for status, _ in answers} == {201}
    assert len({lead for _, lead in answers}) == 1
    assert api.one("select count(*) from lead_requests") == 6


def test_the_same_customer_of_two_businesses_is_two_leads(api: Api, world: World) -> None:
    told = {"phone": CUSTOMER_PHONE, "wish": "Tint", "last_name": "Reyes"}
    north, south = (api.tell(shop, told).get_json() for shop in (world.north, world.south))
    assert (north["lead_id"], south["lead_id"]) == (world.north.lead_id, world.south.lead_id)
    assert not north["created"]
    assert not south["created"]


def test_who_said_stop_stays_stopped_and_the_answer_does_not_tell(
    api: Api, world: World, db: Database
) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke", actor="customer",
            source="text", evidence="STOP", effective_at=api.deps.clock.now(), lead_id=shop.lead_id,
        )  # fmt: skip
    told = {"phone": CUSTOMER_PHONE, "consent": {"sms": {"given": True, "text": AGREED}}}
    stopped, open_there = api.tell(world.north, told), api.tell(world.south, told)
    same = {"lead_id": 0, "request_id": 0}
    assert stopped.status_code == open_there.status_code == 201
    assert {**stopped.get_json(), **same} == {**open_there.get_json(), **same}
    with db.tenant(shop.tenant_id) as session:
        assert is_opted_out(session, shop.tenant_id, "sms", CUSTOMER_PHONE)
    # The shop can see it.
    change = "select after from lead_changes where lead_id = :id and what = 'consent not taken'"
    assert api.one(change, id=shop.lead_id) == "sms"
    assert api.rows(change, id=world.south.lead_id) == []


def test_the_database_away_is_come_again(api: Api, world: World) -> None:
    key = api.server_key(world.north)
    api.deps.db = Database(make_engine("postgresql://nobody@127.0.0.1:1/nothing"))
    response = api.tell(world.north, WHOLE, key=key)
    assert refusal(response, 503)["type"] == "urn:leads:problem:away"
    assert int(response.headers["Retry-After"]) > 0


def test_the_logs_hold_nothing_about_the_person(api: Api, world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        api.tell(world.north, WHOLE)
        api.tell(world.north, {**WHOLE, "pat@example.com": 1, "phone": "555-2671", "vehicle": {"Ortiz": 1}})
        key = api.server_key(world.north)
        api.deps.db = Database(make_engine("postgresql://nobody@127.0.0.1:1/nothing"))
        api.tell(world.north, WHOLE, key=key)
    assert {line["event"] for line in logs} >= {"api_lead_stored", "api_refused", "api_lead_not_stored"}
    for secret in ("Pat", "Ortiz", "5550150", "pat@", "2671", "Ceramic", "Civic", key, "60614"):
        assert secret not in json.dumps(logs, default=str)


def test_a_lead_by_email_alone(api: Api, world: World) -> None:
    body = api.tell(world.north, {"email": CUSTOMER_EMAIL.upper()}).get_json()
    assert (body["lead_id"], body["created"]) == (world.north.lead_id, False)


def test_strange_characters_are_stored(api: Api, world: World) -> None:
    raw = b'{"phone": "+13125550150", "name": "Pat\\u0000 \\u00d1and\\u00fa", "facts": {"a\\u0000": "b\\u0000c"}}'
    body = api.tell(world.north, raw).get_json()
    assert api.one("select last_name from leads where id = :id", id=body["lead_id"]) == "Ñandú"
    assert api.one("select facts from lead_requests where id = :i", i=body["request_id"]) == {
        "facts": {"a": "bc"}
    }
    refusal(api.tell(world.north, b'{"phone": "+13125550150", "name": "\\ud800"}'), 400)


def test_a_field_that_is_wrong_is_named_and_never_repeated(api: Api, world: World) -> None:
    response = api.tell(world.north, {"phone": "555-2671", "color": "red"})
    found = wrong(response)
    assert set(found) == {"phone", "color"}
    assert "2671" not in response.text
