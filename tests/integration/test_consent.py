"""Stops and STARTs from the inbox to the ledger, the cadence, the outbox and the shop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from crm.consents import is_opted_out, record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ConsentEvent, ConsentPush, Lead, Location, TouchPoint
from crm.sample import add_sample_location
from crm.sessions import open_session
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from scheduler.touches import lead_facts, said_stop
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.cadence_rows import start, touch
from tests.integration.talking import change, chat_of, flush, hear, lead_of, outgoing, put, rows
from tests.runtimes import FakeSender, runtime_for

ASKED = "can you unsubscribe me from the emails but keep texting"
OFFERS = "no more promotions, but text me about my appointment"


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, sms: FakeSender
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=sms, email=sms) as made:
        yield made


def closed(db: Database, shop: Shop, scope: Any = "all") -> set[str]:
    """The channels on which the customer gets nothing of this kind any more."""
    with db.tenant(shop.tenant_id) as session:
        pairs = (("sms", CUSTOMER_PHONE), ("email", CUSTOMER_EMAIL))
        return {name for name, one in pairs if is_opted_out(session, shop.tenant_id, name, one, scope)}


def facts(db: Database, shop: Shop) -> tuple[bool, bool, bool]:
    """(may text, may email, said stop) as the cadence sees it."""
    with db.tenant(shop.tenant_id) as session:
        lead = session.get_one(Lead, shop.lead_id)
        found = lead_facts(session, lead)
        return found.may_text, found.may_email, said_stop(session, lead)


def covers_same(db: Database, shop: Shop) -> None:
    change(db, shop, 'update tenants set settings = \'{"stop_covers": "same"}\'')


def book(db: Database, shop: Shop, clock: FixedClock, lead_id: int | None = None) -> None:
    begins = clock.now() + timedelta(days=1)
    with db.tenant(shop.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0],
                lead_id=lead_id or shop.lead_id, service_ids=[1], starts_at=begins,
                ends_at=begins + timedelta(hours=2), source="test",
            )
        )  # fmt: skip


def second_shop(db: Database, shop: Shop, clock: FixedClock) -> tuple[int, list[int]]:
    """The same person as a lead of another shop of the business, with a cadence; (lead id, touch ids)."""
    with db.tenant(shop.tenant_id) as session:
        location = add_sample_location(
            session, shop.tenant_id, slug="west", name="West", phone="+13125550144", mailbox="shop@west.example"
        )  # fmt: skip
        data = LeadData(source="web", first_name="Dana", phone=CUSTOMER_PHONE, email="dana.work@example.com")
        lead, _ = upsert_lead(session, shop.tenant_id, location.id, data)
        chat = open_session(session, lead)
        session.flush()
        west = replace(shop, location_id=location.id, lead_id=lead.id, session_id=chat.id)
    return west.lead_id, start(db, west, clock.now())


def test_a_phrase_stops_both_channels_ends_the_cadence_and_is_confirmed_once(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, sms: FakeSender
) -> None:
    ids = start(db, world.north, clock.now())
    waiting = put(db, world.north, clock.now(), "See you!", kind="reply")
    hear(runtime, world.north, "please stop texting me")
    assert closed(db, world.north) == {"sms", "email"}
    assert {touch(db, world.north, one).status for one in ids} == {"ended"}
    assert lead_of(db, world.north).status == "opted_out"
    assert chat_of(db, world.north).answer_due_at is None
    hear(runtime, world.north, "I said STOP")
    flush(runtime, world.north)
    kinds = [(one.kind, one.status) for one in outgoing(db, world.north)]
    assert kinds == [("reply", "withheld"), ("consent", "sent")]
    assert [one.body.split(":")[0] for one in sms.sent] == ["North Tint"]
    assert waiting == outgoing(db, world.north, "reply")[0].id
    assert closed(db, world.south) == set()
    assert facts(db, world.south)[1:] == (True, False)


def test_only_the_emails_stop_when_that_is_what_was_said(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    start(db, world.north, clock.now())
    hear(runtime, world.north, ASKED)
    assert closed(db, world.north) == {"email"}
    assert facts(db, world.north) == (True, False, False)
    assert lead_of(db, world.north).status != "opted_out"
    (answer,) = outgoing(db, world.north)
    assert (answer.kind, answer.channel) == ("consent", "sms")
    assert "no more emails" in answer.body
    (event,) = rows(db, world.north, ConsentEvent, ConsentEvent.action == "revoke")
    assert (event.evidence, event.source) == (ASKED, "wrote by sms, this channel only")
    assert chat_of(db, world.north).answer_due_at is None


def test_a_question_beside_a_partial_stop_is_still_answered(
    runtime: Runtime, world: World, db: Database
) -> None:
    hear(runtime, world.north, "Stop emailing me please. Can I come on Tuesday at 3 instead?")
    assert closed(db, world.north) == {"email"}
    assert chat_of(db, world.north).answer_due_at is not None


def test_no_offers_leaves_the_talk_about_the_appointment(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    ids = start(db, world.north, clock.now())
    hear(runtime, world.north, OFFERS)
    assert closed(db, world.north) == set()
    assert closed(db, world.north, "marketing") == {"sms", "email"}
    assert {touch(db, world.north, one).status for one in ids} == {"ended"}
    assert lead_of(db, world.north).status != "opted_out"
    assert facts(db, world.north) == (False, False, True)
    assert "We still write about your appointment" in outgoing(db, world.north)[0].body
    # A later stop of everything is one of everything.
    hear(runtime, world.north, "STOP")
    assert closed(db, world.north) == {"sms", "email"}


@pytest.mark.parametrize(
    ("channel", "words", "left"), [("sms", "stop", "email"), ("email", "unsubscribe", "sms")]
)
def test_where_the_shop_says_so_a_stop_covers_its_own_channel(
    runtime: Runtime, world: World, db: Database, channel: str, words: str, left: str
) -> None:
    covers_same(db, world.north)
    hear(runtime, world.north, words, channel)
    assert closed(db, world.north) == {channel}
    assert lead_of(db, world.north).status != "opted_out"
    assert facts(db, world.north)[2] is False
    hear(runtime, world.north, "stop", left)
    assert lead_of(db, world.north).status == "opted_out"
    assert facts(db, world.north) == (False, False, True)


def test_a_stop_by_mail_stops_the_texts_and_the_carrier_is_told(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    hear(runtime, world.north, "please take me off your list", "email")
    assert closed(db, world.north) == {"sms", "email"}
    (push,) = rows(db, world.north, ConsentPush)
    assert push.next_try_at == clock.now() + timedelta(minutes=10), "after our one confirmation"


@pytest.mark.parametrize(("words", "told"), [("STOP", 0), ("Stop.", 1), ("lose my number", 1)])
def test_the_carrier_is_told_of_what_it_cannot_have_noticed(
    runtime: Runtime, world: World, db: Database, words: str, told: int
) -> None:
    hear(runtime, world.north, words)
    assert len(rows(db, world.north, ConsentPush)) == told


def test_a_stop_covers_the_person_at_every_shop_of_the_business(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    lead_id, ids = second_shop(db, world.north, clock)
    hear(runtime, world.north, "STOP")
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "email", "dana.work@example.com")
        assert session.get_one(Lead, lead_id).status == "opted_out"
        statuses = session.scalars(select(TouchPoint.status).where(TouchPoint.id.in_(ids))).all()
        assert set(statuses) == {"ended"}


def test_a_stop_survives_the_import_of_the_lead_and_of_a_new_address(
    runtime: Runtime, world: World, db: Database, owner_engine: Engine
) -> None:
    hear(runtime, world.north, "no me escriban mas")
    with db.tenant(world.north.tenant_id) as session:
        location = session.get_one(Location, world.north.location_id)
        lead, new = upsert_lead(
            session, world.north.tenant_id, location.id, LeadData(source="csv", phone="(312) 555-0199")
        )
        assert not new
        # A mail address that nobody knew when the person said stop is closed too.
        lead.email, lead.status = "new@example.com", "new"
        session.flush()
        record_consent(
            session, tenant_id=lead.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="grant", actor="crm",
            source="import", evidence="opt_in: yes", effective_at=location.created_at,
        )  # fmt: skip
        assert said_stop(session, lead)
        assert lead_facts(session, lead).may_email is False


def test_start_undoes_what_the_stop_did_and_nothing_else(
    runtime: Runtime, world: World, db: Database
) -> None:
    hear(runtime, world.north, "STOP")
    hear(runtime, world.north, "START")
    assert closed(db, world.north) == set()
    assert lead_of(db, world.north).status == "engaged"
    assert facts(db, world.north) == (True, True, False)
    hear(runtime, world.north, "unsubscribe", "email")
    hear(runtime, world.north, "START")
    assert closed(db, world.north) == {"email"}, "the mail was stopped by mail, and is opened by mail"
    assert facts(db, world.north) == (True, False, False)
    assert [one.kind for one in outgoing(db, world.north)] == ["consent"] * 4


def test_yes_opens_nothing(runtime: Runtime, world: World, db: Database) -> None:
    hear(runtime, world.north, "STOP")
    hear(runtime, world.north, "YES")
    assert closed(db, world.north) == {"sms", "email"}


def test_a_wrong_number_closes_that_number_and_the_shop_is_told(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    start(db, world.north, clock.now())
    hear(runtime, world.north, "Sorry, wrong number")
    assert closed(db, world.north) == {"sms"}
    lead = lead_of(db, world.north)
    assert lead.phone_bad_since == clock.now()
    assert lead.status != "opted_out"
    assert facts(db, world.north) == (False, True, False)
    assert "Sorry about that" in outgoing(db, world.north, "consent")[0].body
    assert "is not Dana's" in outgoing(db, world.north, "notice")[0].body


def test_a_single_cancel_is_obeyed_and_polite_words_are_about_the_booking(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    book(db, world.north, clock)
    hear(runtime, world.north, "please cancel")
    assert closed(db, world.north) == set()
    assert chat_of(db, world.north).answer_due_at is not None
    hear(runtime, world.north, "CANCEL")
    assert closed(db, world.north) == {"sms", "email"}
    assert rows(db, world.north, Appointment)[0].status == "booked"
    (notice,) = outgoing(db, world.north, "notice")
    assert "Tue, Nov 24" in notice.body
    assert notice.send_after == clock.now(), "told at once"


def test_please_cancel_without_a_booking_is_a_stop(runtime: Runtime, world: World, db: Database) -> None:
    hear(runtime, world.north, "please cancel")
    assert closed(db, world.north) == {"sms", "email"}


def test_the_shop_hears_of_a_booking_at_another_of_its_shops(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    lead_id, _ = second_shop(db, world.north, clock)
    book(db, world.north, clock, lead_id)
    hear(runtime, world.north, "END")
    assert "Tue, Nov 24" in outgoing(db, world.north, "notice")[0].body


def test_not_interested_is_answered_and_pauses_the_cadence(
    runtime: Runtime, world: World, db: Database, clock: FixedClock
) -> None:
    ids = start(db, world.north, clock.now())
    hear(runtime, world.north, "Not interested, thanks")
    assert closed(db, world.north) == set()
    assert chat_of(db, world.north).answer_due_at is not None
    assert {touch(db, world.north, one).status for one in ids} == {"paused"}
