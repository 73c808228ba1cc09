"""Texts that no webhook brought are found in Twilio's list and come the same way as all the others, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import create_app
from crm.carrier_accounts import set_account
from crm.db import Database
from crm.models import (
    CarrierCheck,
    ChatMessage,
    ChatSession,
    Lead,
    MessageMedia,
    WebhookEvent,
)
from crm.routing import open_carrier_checks, owed
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler.jobs import JOBS
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.sms_help import ACCOUNT, form, post
from tests.runtimes import KEY, TOKEN, runtime_for
from tests.standins.twilio import TwilioStandIn
from tests.standins.twilio_messages import TwilioMessage

STRANGER = "+13125550177"
ROUND = timedelta(minutes=6)


@pytest.fixture
def twilio(clock: FixedClock) -> Iterator[TwilioStandIn]:
    with TwilioStandIn(ACCOUNT, TOKEN, clock=clock.now) as running:
        yield running


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, twilio: TwilioStandIn, world: World
) -> Iterator[Runtime]:
    given = {"twilio_account_sid": ACCOUNT, "twilio_api_base": twilio.url}
    with runtime_for(test_database, redis_url, clock, **given) as made:
        with made.db.system() as session:
            assert open_carrier_checks(session, clock.now(), everywhere=True) == 4
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def look(runtime: Runtime, world: World) -> str:
    """Run the location's look for lost texts."""
    with runtime.db.tenant(world.north.tenant_id) as session:
        check_id = session.scalars(select(CarrierCheck.id).where(CarrierCheck.kind == "inbound")).one()
    return JOBS["carrier_check"](runtime, world.north.tenant_id, str(check_id))


def arrive(web: FlaskClient, world: World, message: TwilioMessage) -> None:
    """The webhook of a message comes after all."""
    fields = form(world, message.body, message.sid, From=message.from_ or "")
    assert post(web, fields).status_code == 200


def bodies(db: Database, world: World) -> list[str]:
    inbound = select(ChatMessage.body).where(ChatMessage.direction == "in").order_by(ChatMessage.id)
    with db.tenant(world.north.tenant_id) as session:
        return list(session.scalars(inbound))


def lose(twilio: TwilioStandIn, world: World, body: str, sender: str = CUSTOMER_PHONE) -> TwilioMessage:
    return twilio.lose_inbound(sender, world.north.phone, body)


def test_looks_are_opened_once_for_every_number_and_found_by_the_sweeper(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    with db.system() as session:
        assert open_carrier_checks(session, clock.now(), everywhere=True) == 0
    clock.advance(ROUND)
    with db.system() as session:
        jobs = [(one.job, one.tenant_id) for one in owed(session, clock.now()) if one.job == "carrier_check"]
    assert sorted(jobs) == sorted(("carrier_check", shop.tenant_id) for shop in (world.north, world.south))


def test_only_numbers_of_some_account_are_looked_for(
    test_database: TestDatabase, world: World, db: Database, clock: FixedClock
) -> None:
    with db.system() as session:
        assert open_carrier_checks(session, clock.now(), everywhere=False) == 0
    with db.tenant(world.north.tenant_id) as session:
        set_account(session, world.north.tenant_id, SecretBox(KEY), "AC" + "b" * 32, "own")
    with db.system() as session:
        assert open_carrier_checks(session, clock.now(), everywhere=False) == 2
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalars(select(CarrierCheck)).all() == []


def test_a_lost_text_is_stored_and_owed_an_answer(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lost = lose(twilio, world, "Can I come today?")
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    assert bodies(db, world) == ["Can I come today?"]
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert (message.carrier_id, message.received_at, message.created_at) == (
            lost.sid, lost.created, clock.now(),
        )  # fmt: skip
        assert message.raw is not None
        assert (message.raw["MessageSid"], message.raw["From"]) == (lost.sid, CUSTOMER_PHONE)
        chat = session.get_one(ChatSession, world.north.session_id)
        assert chat.answer_due_at == clock.now() + timedelta(seconds=3)
        assert chat.last_inbound_id == message.id
    assert look(runtime, world) == "not due"
    clock.advance(ROUND)
    assert look(runtime, world) == "0 recovered"
    assert len(bodies(db, world)) == 1


def test_the_webhook_before_between_and_after_makes_no_second_message(
    runtime: Runtime, web: FlaskClient, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    early, never = lose(twilio, world, "early"), lose(twilio, world, "late")
    arrive(web, world, early)
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    arrive(web, world, never)
    arrive(web, world, early)
    assert bodies(db, world) == ["early", "late"]


def test_what_may_still_be_coming_is_left_alone(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    clock.advance(ROUND)
    lose(twilio, world, "just now")
    assert look(runtime, world) == "0 recovered"
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"


def test_many_lost_texts_come_in_their_order_over_pages(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    for number in range(230):
        lose(twilio, world, f"text {number}", STRANGER if number % 2 else CUSTOMER_PHONE)
        clock.advance(timedelta(seconds=1))
    clock.advance(ROUND)
    assert look(runtime, world) == "230 recovered"
    assert bodies(db, world) == [f"text {number}" for number in range(230)]
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(Lead).where(Lead.phone == STRANGER)) == 1


def test_an_outage_of_ours_is_made_good_from_where_it_began(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    clock.advance(ROUND)
    assert look(runtime, world) == "0 recovered"
    lose(twilio, world, "in the outage")
    clock.advance(timedelta(hours=7))
    assert look(runtime, world) == "1 recovered"


def test_an_outage_of_twilio_is_said_and_nothing_is_skipped(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lose(twilio, world, "hello")
    twilio.fail_always("status", status=503, path="Messages.json")
    clock.advance(timedelta(hours=3))
    assert "recovered" not in look(runtime, world)
    with db.tenant(world.north.tenant_id) as session:
        check = session.scalars(select(CarrierCheck).where(CarrierCheck.kind == "inbound")).one()
        assert check.error
        assert check.claimed_until is None
    twilio.clear_faults()
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalars(select(CarrierCheck.error).where(CarrierCheck.kind == "inbound")).one() is None


def test_a_lost_picture_comes_with_its_files(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    files = [("image/jpeg", b"one"), ("image/png", b"two")]
    twilio.lose_inbound(CUSTOMER_PHONE, world.north.phone, "my car", media=files)
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    with db.tenant(world.north.tenant_id) as session:
        rows = session.scalars(select(MessageMedia).order_by(MessageMedia.place)).all()
        assert [row.content_type for row in rows] == ["image/jpeg", "image/png"]
    for row in rows:
        assert JOBS["media"](runtime, world.north.tenant_id, str(row.id)) == "stored"
    with db.tenant(world.north.tenant_id) as session:
        bodies = session.scalars(select(MessageMedia.body).order_by(MessageMedia.place)).all()
        assert [bytes(body or b"") for body in bodies] == [b"one", b"two"]


def test_what_can_be_no_lead_is_kept_aside_once_and_keeps_nothing_else_back(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lose(twilio, world, "Your code is 1", "72345")
    lose(twilio, world, "Hello")
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    clock.advance(ROUND)
    assert look(runtime, world) == "0 recovered"
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalars(select(WebhookEvent.status)).all() == ["quarantined"]
    assert bodies(db, world) == ["Hello"]


def test_our_own_texts_and_other_numbers_are_none_of_it(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    now = clock.now()
    twilio.messages.append(TwilioMessage(world.north.phone, world.south.phone, "out", "SM" + "7" * 32, now))
    twilio.lose_inbound(CUSTOMER_PHONE, world.south.phone, "to the other shop")
    clock.advance(ROUND)
    assert look(runtime, world) == "0 recovered"


def test_a_business_is_asked_about_in_its_own_account(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    own = "AC" + "b" * 32
    twilio.subaccounts[own] = "own-token"
    with db.tenant(world.north.tenant_id) as session:
        set_account(session, world.north.tenant_id, SecretBox(KEY), own, "own-token")
    lose(twilio, world, "in the main account")
    twilio.lose_inbound(CUSTOMER_PHONE, world.north.phone, "in the own account", account=own)
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    assert bodies(db, world) == ["in the own account"]


def test_two_workers_look_once(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, redis_client: redis.Redis
) -> None:
    clock.advance(ROUND)
    with db.tenant(world.north.tenant_id) as session:
        check = session.scalars(select(CarrierCheck).where(CarrierCheck.kind == "inbound")).one()
        check.claimed_until = clock.now() + timedelta(minutes=1)
    assert look(runtime, world) == "not due"
    clock.advance(timedelta(minutes=2))
    assert look(runtime, world) == "0 recovered"
