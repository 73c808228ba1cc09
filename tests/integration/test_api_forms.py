"""A plain HTML form posts: what arrives, where the visitor goes, and what a page's key may not do."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import Engine

from crm.db import Database
from ops.clock import FixedClock
from ops.queue import WakeQueue
from tests.conftest import CUSTOMER_PHONE, World
from tests.integration.api_help import AGREED, PHONE, Api, refusal, serving, wrong


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made


@pytest.fixture
def key(api: Api, world: World) -> str:
    return api.key(world.north, "page", kind="form", redirect_hosts=["www.shop.example"])


def form(key: str, **fields: str) -> dict[str, str]:
    """What a browser sends: every field, filled in or not."""
    return {"form_key": key, "leave_this_empty": "", "phone": "312-555-0150", "email": "", **fields}


def test_a_form_becomes_a_lead(api: Api, world: World, key: str) -> None:
    fields = form(
        key, name="Pat Ortiz", wish="Strip\r\nand hood", language="es", **{
            "vehicle.year": "2019", "vehicle[make]": "Ford", "vehicle.body_style": "Truck", "facts.how.found": "drove by",
            "facts[windows]": "5", "utm[source]": "google", "consent.sms.given": "on", "consent.sms.text": AGREED,
        },
    )  # fmt: skip
    response = api.submit(fields)
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert "Gracias" in response.text
    (lead,) = api.rows("select * from leads where phone = :p", p=PHONE)
    assert (lead.source, lead.first_name, lead.wish, lead.language) == (
        "web_form",
        "Pat",
        "Strip\nand hood",
        "es",
    )
    (car,) = api.rows("select * from vehicles where lead_id = :i", i=lead.id)
    assert (car.year, car.make, car.body_style) == (2019, "Ford", "truck")
    facts = api.one("select facts from lead_requests where lead_id = :i", i=lead.id)
    assert facts == {"facts": {"how.found": "drove by", "windows": "5"}, "utm": {"source": "google"}}
    evidence = json.loads(api.one("select evidence from consent_events where address = :p", p=PHONE))
    assert (evidence["text"], evidence["seen"]["public_form"]) == (AGREED, True)
    assert evidence["at"] == api.deps.clock.now().isoformat()
    assert api.one("select count(*) from webhook_events where source = 'api'") == 1


def test_a_visitor_learns_nothing_about_anybody(api: Api, world: World, key: str) -> None:
    known, new = (api.submit(form(key, phone=phone)) for phone in (CUSTOMER_PHONE, PHONE))
    assert (known.status_code, known.text) == (new.status_code, new.text)
    as_json = api.submit(form(key, wish="x"), accept="application/json")
    assert as_json.get_json() == {"received": True}
    assert as_json.headers["Access-Control-Allow-Origin"] == "*"


def test_pressing_the_button_twice_is_one_request(api: Api, world: World, key: str) -> None:
    assert [api.submit(form(key)).status_code for _ in range(2)] == [200, 200]
    assert api.one("select count(*) from lead_requests") == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", None), ("no", None), ("off", None), ("sí", True), ("ON", True), ("1", True)],
)
def test_a_box_counts_only_when_it_is_ticked(
    api: Api, world: World, key: str, given: str, expected: bool | None
) -> None:
    api.submit(form(key, **{"consent.sms.given": given, "consent.sms.text": AGREED} if given else {}))
    assert bool(
        api.rows("select 1 from consent_events where address = :p and action = 'grant'", p=PHONE)
    ) is bool(expected)
    said_no = api.rows("select 1 from consent_events where address = :p and action = 'revoke'", p=PHONE)
    assert bool(said_no) is (given in ("no", "off")), (
        "a box that was left empty is no yes, and no silence either"
    )
    assert api.one("select count(*) from leads where phone = :p", p=PHONE) == 1


def test_a_box_that_says_neither_yes_nor_no_is_refused(api: Api, world: World, key: str) -> None:
    response = api.submit(form(key, **{"consent.sms.given": "maybe"}), accept="application/json")
    assert wrong(response) == {"consent.sms.given": "has to be true or false"}


def test_a_box_with_a_hidden_no_before_it(api: Api, world: World, key: str) -> None:
    body = (
        f"form_key={key}&phone=3125550150&consent.sms.given=no&consent.sms.given=yes&consent.sms.text=agreed"
    )
    assert api.submit(body, content_type="application/x-www-form-urlencoded").status_code == 200
    assert api.one("select count(*) from consent_events where address = :p", p=PHONE) == 1


GOOD = "https://www.shop.example/thanks?a=1"


def test_a_visitor_is_sent_on_only_to_the_owners_hosts(api: Api, world: World, key: str) -> None:
    there = api.submit(form(key, redirect=GOOD))
    assert (there.status_code, there.headers["Location"]) == (303, GOOD)
    # Wherever the visitor goes, the request is stored.
    elsewhere = api.submit(form(key, redirect="https://evil.example/", wish="x"))
    assert (elsewhere.status_code, elsewhere.headers.get("Location")) == (200, None)
    assert api.one("select count(*) from lead_requests") == 2


def test_a_trap_that_was_filled_in_is_thanked_and_kept_aside(api: Api, world: World, key: str) -> None:
    fields = form(key, leave_this_empty="http://spam.example", redirect=GOOD)
    assert api.submit(fields).status_code == 303
    assert api.submit({**fields, "redirect": ""}).text == api.submit(form(key)).text
    assert api.one("select count(*) from lead_requests") == 1
    (kept,) = api.rows("select * from webhook_events where source = 'form_trap'")
    assert (kept.status, kept.tenant_id) == ("ignored", world.north.tenant_id)
    assert json.loads(bytes(kept.body)) == {"phone": "312-555-0150"}


def test_a_pages_key_and_a_servers_key_do_not_change_places(api: Api, world: World, key: str) -> None:
    secret = api.server_key(world.north)
    response = api.submit(form(secret), accept="application/json")
    assert "secret" in refusal(response, 401)["detail"]
    assert "form" in refusal(api.tell(world.north, {"phone": PHONE}, key=key), 401)["detail"]
    refusal(api.submit(form("leads_form_wrong"), accept="application/json"), 401)
    refusal(api.submit({"phone": PHONE}, accept="application/json"), 401)
    assert api.one("select count(*) from lead_requests") == 0


def test_a_server_may_post_a_form_and_is_answered_like_a_server(api: Api, world: World) -> None:
    given = {"Authorization": f"Bearer {api.server_key(world.north)}"}
    response = api.submit({"phone": PHONE, "facts.a": "b"}, headers=given)
    assert response.status_code == 201
    assert response.get_json()["created"] is True


def test_fields_that_are_wrong_are_shown_to_a_person(api: Api, world: World, key: str) -> None:
    response = api.submit(
        form(key, phone="<b>1", **{"<script>": "x"}), headers={"Accept-Language": "es-MX,es"}
    )
    assert response.status_code == 422
    assert "revise estos campos" in response.text
    assert "<script>" not in response.text
    assert "&lt;script&gt; is no field of ours" in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_visitor_who_comes_too_often_is_asked_to_come_again(api: Api, world: World) -> None:
    key = api.key(world.north, "busy", kind="form", per_minute=1)
    assert api.submit(form(key)).status_code == 200
    response = api.submit(form(key, wish="x"))
    assert (response.status_code, "try again" in response.text) == (429, True)


def test_a_form_with_parts(api: Api, world: World, key: str) -> None:
    sent = {**form(key, name="Pat"), "photo": (io.BytesIO(b""), "")}
    assert api.submit(sent, content_type="multipart/form-data").status_code == 200
    with_file = {**form(key), "photo": (io.BytesIO(b"x"), "car.jpg")}
    response = api.submit(with_file, content_type="multipart/form-data", accept="application/json")
    assert wrong(response) == {"photo": "is a file, and files are not taken"}
    large = {**form(key), "wish": "x" * 70_000}
    refusal(api.submit(large, content_type="multipart/form-data", accept="application/json"), 413)


def test_a_page_in_an_old_encoding(api: Api, world: World, key: str) -> None:
    body = f"form_key={key}&phone=3125550150&name=Jos%E9+Mu%F1oz".encode() + b"&wish=\xbfCu\xe1nto?"
    assert api.submit(body, content_type="application/x-www-form-urlencoded").status_code == 200
    (lead,) = api.rows("select * from leads where phone = :p", p=PHONE)
    assert (lead.first_name, lead.last_name, lead.wish) == ("José", "Muñoz", "¿Cuánto?")


NAMES: list[tuple[dict[str, str], str]] = [
    ({"vehicle": "x", "vehicle.make": "Ford"}, "vehicle.make"),
    ({"phone.a": "x"}, "phone.a"),
    ({"vehicle.year": "twenty"}, "vehicle.year"),
    ({"utm.source.x": "y"}, "utm.source"),
    ({"submit": "Send"}, "submit"),
]


def test_names_of_a_form_that_mean_nothing(api: Api, world: World, key: str) -> None:
    for fields, field in NAMES:
        assert field in wrong(api.submit(form(key, **fields), accept="application/json"))


def test_a_name_that_comes_twice_and_too_many_names(api: Api, world: World, key: str) -> None:
    kind = "application/x-www-form-urlencoded"
    twice = api.submit(
        f"form_key={key}&phone=3125550150&phone=3125550151", content_type=kind, accept="application/json"
    )
    assert wrong(twice) == {"phone": "comes twice"}
    many = "&".join(f"facts.{number}=x" for number in range(300))
    refusal(api.submit(f"form_key={key}&{many}", content_type=kind, accept="application/json"), 400)
