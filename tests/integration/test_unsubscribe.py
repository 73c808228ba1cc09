"""The link that ends our mail: only a POST does something, it does it once, and it does it for good."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask

from channels.email.links import outbox_id_in
from channels.email.unsubscribe import make_blueprint
from crm.consents import record_consent
from crm.db import Database, make_engine
from crm.models import Lead
from ops.clock import FixedClock
from ops.secrets import new_key
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.cadence_rows import change
from tests.integration.sent_mail_help import Post, link_of, open_post
from tests.integration.talking import put
from tests.runtimes import KEY, runtime_for


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def test_a_touch_carries_the_link_in_its_header_and_to_the_letter_in_its_words(
    post: Post, world: World
) -> None:
    mail = post.touch(world.north)
    (row,) = post.outgoing(world.north, "touch")
    link = link_of(mail)
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.text == row.body
    assert f"open this page:\n{link}\n" in mail.text
    assert f'<a href="{link}">{link}</a>' in mail.html
    assert "2200 N Lake Shore Service Rd" in mail.text
    assert "received a request from you" in mail.text
    assert str(row.outbox_id) not in link
    assert outbox_id_in(link.rpartition("/")[2]) == row.outbox_id
    assert mail.headers["Message-ID"] == row.rfc_message_id == f"<{row.outbox_id}@north.example>"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_changes_nothing(post: Post, world: World, method: str) -> None:
    link = link_of(post.touch(world.north))
    answer = requests.request(method, post.local(link), timeout=20, allow_redirects=False)
    assert answer.status_code == 200
    assert post.revokes(world.north) == []
    assert post.touches(world.north) == {"planned", "written", "skipped"}


def test_the_page_names_the_shop_and_has_one_button(post: Post, world: World) -> None:
    link = link_of(post.touch(world.north))
    answer = requests.get(post.local(link), timeout=20)
    assert "North Tint" in answer.text
    assert answer.text.count("<button") == 1
    assert "Our text messages stop too." in answer.text
    assert not any(
        word in answer.text for word in ("<script", "http", "src=", CUSTOMER_EMAIL, CUSTOMER_PHONE)
    )
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    change(post.db, world.north, "update leads set language = 'es'")
    assert "¿No quiere recibir más correos de North Tint?" in requests.get(post.local(link), timeout=20).text


CLICKS: list[Any] = [
    pytest.param({"data": {"List-Unsubscribe": "One-Click"}}, id="urlencoded"),
    pytest.param({"files": {"List-Unsubscribe": (None, "One-Click")}}, id="multipart"),
    pytest.param({"data": b""}, id="empty"),
    pytest.param({"data": b"\xff\x00{", "headers": {"Content-Type": "application/json"}}, id="junk"),
    pytest.param({"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, id="broken"),
    pytest.param({"data": {"a": "x" * 100_000}}, id="long"),
    pytest.param({"files": {"a": ("a.bin", b"x" * 100_000)}}, id="long file"),
]


@pytest.mark.parametrize("body", CLICKS)
def test_one_click_ends_it_whatever_the_body_says(post: Post, world: World, body: dict[str, Any]) -> None:
    link = link_of(post.touch(world.north))
    answer = post.post(link, **body)
    assert answer.status_code == 200
    assert "no more emails and no more text messages" in answer.text
    assert f"START to {world.north.mailbox}" in answer.text
    found = {(event.channel, event.address, event.actor, event.source) for event in post.revokes(world.north)}
    assert found == {
        ("email", CUSTOMER_EMAIL, "customer", "one-click unsubscribe"),
        ("sms", CUSTOMER_PHONE, "customer", "one-click unsubscribe"),
    }
    assert post.revokes(world.north)[0].evidence.startswith("List-Unsubscribe=One-Click, in the mail ")
    assert post.touches(world.north) <= {"written", "skipped", "ended"}
    assert post.outgoing(world.north, "consent") == [], "nobody confirms it"
    assert post.revokes(world.south) == [], "the other shop knows the same customer and hears nothing"
    with post.db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Lead, world.north.lead_id).status == "opted_out"


def test_again_and_by_the_button_it_is_written_once(post: Post, world: World) -> None:
    link = link_of(post.touch(world.north))
    assert post.post(link, data={"by": "page"}).status_code == 200
    before = [event.id for event in post.revokes(world.north)]
    assert post.revokes(world.north)[0].evidence.startswith("the button of the unsubscribe page")
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: post.post(link).status_code, range(8)))
    assert again == [200] * 8
    assert [event.id for event in post.revokes(world.north)] == before
    page = requests.get(post.local(link), timeout=20)
    assert ("<button" in page.text, "You are unsubscribed" in page.text) == (False, True)


def test_many_clicks_at_once_are_one(post: Post, world: World) -> None:
    link = link_of(post.touch(world.north))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: post.post(link).status_code, range(8))) == [200] * 8
    assert len(post.revokes(world.north)) == 2


def test_a_shop_may_keep_the_texts_going(post: Post, world: World) -> None:
    change(post.db, world.north, 'update tenants set settings = \'{"stop_covers": "same"}\'')
    link = link_of(post.touch(world.north))
    assert "text messages" not in requests.get(post.local(link), timeout=20).text
    answer = post.post(link)
    assert "sends you no more emails." in answer.text
    assert [event.channel for event in post.revokes(world.north)] == ["email"]
    assert "planned" in post.touches(world.north), "the cadence goes on by text where it may"


def test_what_waits_is_withheld_and_the_gate_says_so_too(post: Post, world: World, clock: FixedClock) -> None:
    link = link_of(post.touch(world.north))
    waiting = put(post.db, world.north, clock.now(), channel="email", kind="reply")
    post.post(link)
    assert post.runtime.outbox.deliver(world.north.tenant_id, waiting) == "not claimed"
    later = put(post.db, world.north, clock.now(), channel="email", kind="reply")
    assert post.runtime.outbox.deliver(world.north.tenant_id, later) == "withheld"
    assert len(post.sendgrid.mails) == 1


def test_nobody_makes_a_link(post: Post, world: World) -> None:
    good = link_of(post.touch(world.north))
    south = link_of(post.touch(world.south))
    base, _, token = good.rpartition("/")
    other = south.rpartition("/")[2]
    for bad in (token[:-2] + "AA", token[:22] + other[22:], "x", "A" * 43, token.lower(), f"{token}A", "%00"):
        looked = requests.get(post.local(f"{base}/{bad}"), timeout=20, allow_redirects=False)
        clicked = post.post(f"{base}/{bad}")
        assert (looked.status_code, clicked.status_code) == (404, 200), bad
        assert clicked.text == looked.text
        assert "North" not in clicked.text
    assert post.revokes(world.north) == post.revokes(world.south) == []
    post.post(south)
    assert (len(post.revokes(world.north)), len(post.revokes(world.south))) == (0, 2)


@pytest.mark.parametrize("keys", ["new, old", "new"])
def test_a_link_outlives_the_key(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World, keys: str
) -> None:
    with open_post(test_database, redis_url, clock, db, world) as before:
        link = link_of(before.touch(world.north))
    now = keys.replace("new", new_key()).replace("old", KEY)
    with open_post(test_database, redis_url, clock, db, world, encryption_key=now) as after:
        token = link.rpartition("/")[2]
        assert after.post(link.replace(token, token[:-2] + "AA")).status_code == 200
        assert after.revokes(world.north) == []
        assert "You are unsubscribed" in after.post(link).text
        assert len(after.revokes(world.north)) == 2


def test_it_never_expires_and_start_is_not_the_end_of_it(post: Post, world: World, clock: FixedClock) -> None:
    link = link_of(post.touch(world.north))
    post.post(link)
    with post.db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="email", address=CUSTOMER_EMAIL, action="grant",
            actor="customer", source="said START by email", evidence="start", effective_at=clock.now(),
        )  # fmt: skip
    assert "<button" in requests.get(post.local(link), timeout=20).text
    clock.advance(timedelta(days=400))
    assert "You are unsubscribed" in post.post(link).text
    assert [event.channel for event in post.revokes(world.north)].count("email") == 2


def test_what_the_shop_noted_becomes_the_persons_own_word(
    post: Post, world: World, clock: FixedClock
) -> None:
    link = link_of(post.touch(world.north))
    with post.db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="email", address=CUSTOMER_EMAIL, action="revoke",
            actor="shop", source="noted by Sam", evidence="on the phone", effective_at=clock.now(),
        )  # fmt: skip
    post.post(link)
    assert [event.actor for event in post.revokes(world.north)] == ["shop", "customer", "customer"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update chat_sessions set state = 'human'", "Please do not write either."),
        ("update chat_sessions set answer_due_at = now()", "They also wrote and are not answered"),
        ("select 1", None),
    ],
)
def test_the_shop_hears_of_it_when_it_matters(
    post: Post, world: World, statement: str, said: str | None
) -> None:
    link = link_of(post.touch(world.north))
    change(post.db, world.north, statement)
    post.post(link)
    post.post(link)
    notices = [row.body for row in post.outgoing(world.north, "notice")]
    assert len(notices) == (1 if said else 0)
    assert said is None or said in notices[0]


def test_without_the_database_nothing_was_done_and_it_says_so(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    with runtime_for(test_database, redis_url, clock) as runtime:
        object.__setattr__(runtime, "db", Database(make_engine("postgresql://a:b@127.0.0.1:1/nothing")))
        app = Flask("pages")
        app.register_blueprint(make_blueprint(runtime))
        web = app.test_client()
        for answer in (web.get("/u/" + "A" * 43), web.post("/u/" + "A" * 43)):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "120")
            assert "nothing was changed" in answer.text
        assert web.post("/u/no-token").status_code == 200, "what is no token needs no database"
