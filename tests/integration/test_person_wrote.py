"""Somebody at the shop writes to the customer in Shopmonkey: the agent is quiet, the shop is told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete

from crm.connectors.base import Change
from crm.connectors.shopmonkey.mapping import read_change
from crm.customer_ids import customer_id_of
from crm.db import Database
from crm.lead_requests import take_request
from crm.lead_states import history
from crm.models import Lead, LeadRequest, TenantCrmConfig
from crm.sessions import hand_back
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.crm_person import person_wrote_told
from tests.conftest import TestDatabase, World
from tests.integration.back_help import Back, reading_back
from tests.integration.cadence_rows import start
from tests.integration.talking import chat_of, hear, lead_of, outgoing, rows
from tests.standins.shopmonkey_schema import Row


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        with db.tenant(world.north.tenant_id) as s:
            take_request(
                s, s.get_one(Lead, world.north.lead_id), source="shopmonkey", external_id=made.site.order_id,
                wish=None, vehicle_id=None, facts={}, made_at=clock.now(),
            )  # fmt: skip
        yield made


def told(back: Back, table: str, record_id: str, operation: str = "INSERT") -> str:
    """What came of a webhook."""
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, back.site.config_id)
    change = Change(table, operation, record_id, None)  # type: ignore[arg-type]
    return person_wrote_told(back.site.runtime, back.site.shop.tenant_id, config, change)


def wrote(back: Back, text: str = "Hi, Sam here") -> Row:
    return back.site.shopmonkey.shop_writes(back.site.customer_id, text)


def owner_hands_back(back: Back) -> None:
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        assert hand_back(s, back.site.shop.session_id, who="Sam", now=back.site.clock.now())


@pytest.mark.parametrize("how", ["message", "Message", "order"])
def test_the_agent_leaves_the_conversation_to_them(back: Back, how: str) -> None:
    site = back.site
    touches = start(site.db, site.shop, site.clock.now())
    hear(site.runtime, site.shop, "How much is it?")
    message = wrote(back)
    outcome = told(back, how, site.order_id if how == "order" else message["id"])
    assert outcome == f"a person wrote: paused lead {site.shop.lead_id}"
    chat, lead = chat_of(site.db, site.shop), lead_of(site.db, site.shop)
    assert (chat.state, chat.state_reason) == ("human", "a person of the shop wrote in Shopmonkey")
    assert (chat.answer_due_at, lead.status, len(touches)) == (None, "human", 13)
    (notice,) = outgoing(site.db, site.shop, "notice")
    assert "Somebody wrote to Dana Reyes in Shopmonkey" in notice.body
    with site.db.tenant(site.shop.tenant_id) as s:
        lines = [(one.what, one.who, one.after) for one in history(s, site.shop.lead_id)]
    assert ("a person wrote", "Shopmonkey") in [one[:2] for one in lines]
    assert ("state", "Shopmonkey", "human") in lines
    site.clock.advance(timedelta(minutes=1))
    jobs.answer(site.runtime, site.shop.tenant_id, str(site.shop.session_id))
    assert outgoing(site.db, site.shop, "reply") == []


def test_drafts_that_wait_are_dropped(back: Back) -> None:
    number = back.booked()
    site = back.site
    site.shopmonkey.cancel_appointment(back.entry(number)["id"])
    back.look()
    back.tell(number)
    (draft,) = back.news()
    assert draft.status == "pending"
    told(back, "message", wrote(back)["id"])
    assert [one.status for one in back.news()] == ["dropped"]
    (untold,) = [one for one in back.notices() if "was to hear" in one]
    assert "was not sent: a person of the shop wrote in Shopmonkey. Please tell them." in untold


def test_it_is_told_once_however_often_it_is_heard_of(back: Back) -> None:
    message = wrote(back)
    assert told(back, "message", message["id"]).startswith("a person wrote")
    assert told(back, "message", message["id"]).startswith("a person has the conversation already")
    told(back, "order", back.site.order_id, "UPDATE")
    told(back, "message", wrote(back, "one more thing")["id"])
    assert len(back.notices()) == 1


def test_what_was_seen_before_a_hand_back_pauses_nothing_again(back: Back) -> None:
    message = wrote(back)
    told(back, "message", message["id"])
    told(back, "order", back.site.order_id, "UPDATE")
    owner_hands_back(back)
    assert told(back, "message", message["id"], "UPDATE") == "no new message"
    assert told(back, "order", back.site.order_id, "UPDATE") == "no person of the shop wrote anything new"
    assert chat_of(back.site.db, back.site.shop).state == "agent"
    wrote(back, "me again")
    assert told(back, "order", back.site.order_id, "UPDATE").startswith("a person wrote")
    assert len(back.notices()) == 2


def test_customers_and_machines_are_no_persons(back: Back) -> None:
    site = back.site
    question = site.shopmonkey.customer_writes(site.customer_id, "Do you take cards?")
    reminder = site.shopmonkey.record_message(site.customer_id, "See you tomorrow", "System")
    for message in (question, reminder):
        assert told(back, "message", message["id"]) == "no person of the shop wrote it"
    assert told(back, "order", site.order_id, "UPDATE") == "no person of the shop wrote anything new"
    assert chat_of(site.db, site.shop).state == "agent"


def test_our_own_note_on_the_request_is_no_message(back: Back) -> None:
    back.booked()
    order = back.site.shopmonkey.tables["order"][back.site.order_id]
    assert order["metadata"]
    assert told(back, "order", back.site.order_id, "UPDATE") == "no person of the shop wrote anything new"
    assert chat_of(back.site.db, back.site.shop).state == "agent"


def test_strangers_and_what_is_gone_pause_nobody(back: Back) -> None:
    stranger = back.site.shopmonkey.add_customer("Kim", "Lee", "+15125550111")
    message = back.site.shopmonkey.shop_writes(stranger, "Hello Kim")
    assert told(back, "message", message["id"]).endswith("it is nobody's")
    assert told(back, "message", "gone") == "no person of the shop wrote it"
    assert told(back, "order", "unknown") == "the request is not known here"
    assert chat_of(back.site.db, back.site.shop).state == "agent"


@pytest.mark.parametrize("source", ["text", "csv"])
def test_a_texter_whom_our_booking_linked_is_known(back: Back, source: str) -> None:
    """They wrote to us first, or stood in a file without an id; the id came with the entry of their visit."""
    site = back.site
    with site.db.tenant(site.shop.tenant_id) as s:
        s.execute(delete(LeadRequest).where(LeadRequest.lead_id == site.shop.lead_id))
        lead = s.get_one(Lead, site.shop.lead_id)
        lead.source, lead.external_customer_id = source, None
    site.settings(push={"unknown_customer": "find"})
    back.booked()
    lead = lead_of(site.db, site.shop)
    assert lead.external_customer_id == site.customer_id
    assert customer_id_of(lead, "shopmonkey") == site.customer_id
    assert told(back, "message", wrote(back)["id"]) == f"a person wrote: paused lead {site.shop.lead_id}"


def test_an_id_that_a_file_gave_is_another_systems(back: Back) -> None:
    site = back.site
    with site.db.tenant(site.shop.tenant_id) as s:
        s.execute(delete(LeadRequest).where(LeadRequest.lead_id == site.shop.lead_id))
        lead = s.get_one(Lead, site.shop.lead_id)
        lead.source, lead.external_customer_id = "csv", site.customer_id
    assert told(back, "message", wrote(back)["id"]).endswith("it is nobody's")
    assert chat_of(site.db, site.shop).state == "agent"


def test_a_campaign_to_strangers_asks_nothing(back: Back) -> None:
    stranger = back.site.shopmonkey.add_customer("Kim", "Lee", "+15125550111")
    message = back.site.shopmonkey.shop_writes(stranger, "20 % off this week")
    back.site.shopmonkey.requests.clear()
    assert delivered(back, message) == "the customer is nobody's here"
    assert back.site.shopmonkey.requests == []
    assert delivered(back, wrote(back)).startswith("a person wrote")


def delivered(back: Back, message: Row) -> str:
    """What came of the webhook as it is delivered."""
    body = back.site.shopmonkey.event_body("message", "INSERT", message["id"])
    change = read_change(body)
    assert change is not None
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, back.site.config_id)
    return person_wrote_told(back.site.runtime, back.site.shop.tenant_id, config, change)


def test_another_business_with_the_same_customer_id_is_left_alone(back: Back, world: World) -> None:
    with back.site.db.tenant(world.south.tenant_id) as s:
        lead = s.get_one(Lead, world.south.lead_id)
        lead.source, lead.external_customer_id = "shopmonkey", back.site.customer_id
    told(back, "message", wrote(back)["id"])
    assert chat_of(back.site.db, world.south).state == "agent"
    assert rows(back.site.db, world.south, Lead)[0].status == "new"


def test_the_settings_may_want_no_pause(back: Back) -> None:
    back.site.settings(pause_when_person_wrote=False)
    assert told(back, "message", wrote(back)["id"]) == "the settings want no pause"
    assert chat_of(back.site.db, back.site.shop).state == "agent"
