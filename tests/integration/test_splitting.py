"""One lead was two persons: what is named becomes a lead of its own, with what is owed to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from crm.consents import is_opted_out, record_consent
from crm.db import Database
from crm.lead_splitting import Part, Split, SplitRefused, questions, split_lead
from crm.models import Appointment, ChatMessage, ChatSession, Lead, LeadChange, Turn, Vehicle
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import answering
from tests.integration.calendar_help import local
from tests.integration.people_help import OTHER_PHONE, another_lead, chat, hear_other, lead, merge
from tests.integration.talking import answer, bare, hear, outgoing, rows, say, scripted


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Desk]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def split(db: Database, shop: Shop, clock: FixedClock, **part: Any) -> Split:
    with db.tenant(shop.tenant_id) as session:
        return split_lead(session, shop.lead_id, Part(**part), who="Sam", why="his wife", now=clock.now())


def of_lead(db: Database, shop: Shop, lead_id: int) -> list[str]:
    found = rows(db, shop, ChatMessage, ChatMessage.lead_id == lead_id, ChatMessage.kind != "notice")
    return [bare(row.body) for row in found]


def test_an_address_takes_its_messages_and_their_answers(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    runtime = desk.with_model(scripted(say("Hello Dana."), say("Hello by mail.")))
    hear(runtime, shop, "by text")
    answer(runtime, shop)
    hear(runtime, shop, "by mail", "email")
    answer(runtime, shop)
    done = split(db, shop, clock, addresses=(CUSTOMER_EMAIL,), name="Alex")
    new = lead(db, shop, done.lead_id)
    assert (new.email, new.phone, new.first_name, new.status) == (CUSTOMER_EMAIL, None, "Alex", "engaged")
    assert (lead(db, shop, shop.lead_id).email, lead(db, shop, shop.lead_id).phone) == (None, CUSTOMER_PHONE)
    assert of_lead(db, shop, shop.lead_id) == ["by text", "Hello Dana."]
    assert "by mail" in of_lead(db, shop, done.lead_id)
    assert done.messages == 2
    sessions = {row.session_id for row in rows(db, shop, Turn)}
    assert len(sessions) == 2
    what = {(row.lead_id, row.what) for row in rows(db, shop, LeadChange)}
    assert {(shop.lead_id, "split"), (done.lead_id, "split off")} <= what


def test_what_is_unanswered_is_answered_where_it_is_now(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    hear(desk.with_model(scripted()), shop, "text for you")
    hear(desk.with_model(scripted()), shop, "mail for you", "email")
    done = split(db, shop, clock, addresses=(CUSTOMER_EMAIL,))
    assert done.answer_due_at is not None
    assert chat(db, shop, shop.session_id).answer_due_at is not None
    mine = desk.with_model(scripted(say("To the text.")))
    assert answer(mine, shop) == "done"
    with db.tenant(shop.tenant_id) as session:
        new = session.query(ChatSession.id).filter_by(lead_id=done.lead_id).scalar()
    theirs = desk.with_model(scripted(say("To the mail.")))
    assert answer(theirs, replace(shop, lead_id=done.lead_id, session_id=new)) == "done"
    sent = {(row.channel, row.lead_id) for row in outgoing(db, shop, "reply")}
    assert sent == {("sms", shop.lead_id), ("email", done.lead_id)}


def test_a_merge_can_be_taken_back(desk: Desk, db: Database, world: World, clock: FixedClock) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted())
    hear_other(runtime, other, "I am somebody else")
    merge(db, shop, other, clock.now())
    done = split(db, shop, clock, addresses=(OTHER_PHONE,))
    assert lead(db, shop, done.lead_id).phone == OTHER_PHONE
    assert lead(db, shop, other.lead_id).phone is None
    assert of_lead(db, shop, done.lead_id) == ["I am somebody else"]
    receipt = hear_other(runtime, other, "still me")
    assert chat(db, shop, receipt.session_id).lead_id == done.lead_id


def test_one_message_goes_with_its_answer(desk: Desk, db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    runtime = desk.with_model(scripted(say("One."), say("Two.")))
    first = hear(runtime, shop, "first").message_id
    answer(runtime, shop)
    hear(runtime, shop, "second")
    answer(runtime, shop)
    done = split(db, shop, clock, messages=(first,))
    assert of_lead(db, shop, done.lead_id) == ["first", "One."]
    assert of_lead(db, shop, shop.lead_id) == ["second", "Two."]
    assert chat(db, shop, shop.session_id).answer_due_at is None


def test_cars_and_visits_are_asked_for_and_go_when_named(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        car = Vehicle(tenant_id=shop.tenant_id, lead_id=shop.lead_id, year=2020, make="Honda", model="Fit")
        stays = Vehicle(tenant_id=shop.tenant_id, lead_id=shop.lead_id, make="Ford")
        session.add_all([car, stays])
        session.flush()
        visit = Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=shop.lead_id,
            vehicle_id=car.id, service_ids=[], starts_at=local(25, 9), ends_at=local(25, 12), source="agent",
        )  # fmt: skip
        session.add(visit)
        session.flush()
        ids = car.id, stays.id, visit.id
        asked = questions(session, shop.lead_id)
    assert [(one.kind, one.id) for one in asked] == [
        ("vehicles", ids[0]), ("vehicles", ids[1]), ("appointments", ids[2]),
    ]  # fmt: skip
    assert asked[0].text == "2020 Honda Fit"
    done = split(db, shop, clock, vehicles=(ids[0],))
    owners = {row.id: row.lead_id for row in rows(db, shop, Vehicle)}
    assert owners == {ids[0]: done.lead_id, ids[1]: shop.lead_id}
    visit_now = rows(db, shop, Appointment)[0]
    assert (visit_now.lead_id, visit_now.vehicle_id) == (shop.lead_id, None)


def test_stops_stay_with_their_address(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session, tenant_id=shop.tenant_id, channel="email", address=CUSTOMER_EMAIL, action="revoke",
            actor="customer", source="x", evidence="stop", effective_at=clock.now(),
        )  # fmt: skip
    split(db, shop, clock, addresses=(CUSTOMER_EMAIL,))
    with db.tenant(shop.tenant_id) as session:
        assert is_opted_out(session, shop.tenant_id, "email", CUSTOMER_EMAIL)


@pytest.mark.parametrize(
    ("part", "why"),
    [({}, "say what goes"), ({"addresses": ("nonsense",)}, "no phone number"), ({"vehicles": (99,)}, "no such car"),
     ({"addresses": ("+13125550177",)}, "no address of lead"), ({"messages": (99,)}, "no message 99"),
     ({"addresses": (OTHER_PHONE,)}, "another lead")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    db: Database, world: World, clock: FixedClock, part: dict[str, Any], why: str
) -> None:
    another_lead(db, world.north)
    with pytest.raises(SplitRefused, match=why):
        split(db, world.north, clock, **part)
    assert len(rows(db, world.north, Lead)) == 2
