"""Closing an enquiry: what ends with it, whose words it takes, where it is refused, and what must not leave afterwards."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import pytest

from agent.after_write import closing_told
from agent.check import Evidence, check_reply
from agent.models.base import ToolResult
from agent.tools.base import ToolContext
from channels.claims import claim
from crm.db import Database
from crm.follow_ups import plan_follow_up
from crm.lead_requests import take_request
from crm.lead_states import history
from crm.models import ChatMessage, ChatSession, Lead, LeadChange, LeadRequest, TouchPoint
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.dispatch_touch import decide
from tests.conftest import Shop, World
from tests.integration.cadence_rows import start, touch
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.gate_help import NIGHT, OLD, ask
from tests.integration.talking import change, lead_of, message_of, put, rows
from tests.integration.tool_help import hear as say
from tests.integration.tool_help import rows as calls_of

WORDS = "found someone else, thanks"


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer, a lead of some days, who ends their enquiry."""
    change(db, world.north, "update leads set created_at = :at", at=clock.now() - OLD)
    return add_turn(db, clock, dana(world.north), WORDS)


def close(ctx: ToolContext, reason: str = "found another shop") -> tuple[dict[str, Any], bool]:
    """(what the tool says, whether it refused)."""
    answer, result = call(ctx, "close_enquiry", reason=reason)
    return answer, result.is_error


def states(db: Database, shop: Shop) -> list[tuple[str | None, str | None]]:
    """Every change of the lead's state, as (from, to)."""
    with db.tenant(shop.tenant_id) as s:
        return [(one.before, one.after) for one in history(s, shop.lead_id) if one.what == "state"]


def all_touches(db: Database, shop: Shop) -> set[tuple[str, str | None]]:
    return {(one.status, one.reason) for one in rows(db, shop, TouchPoint)}


def test_all_that_would_still_be_written_ends(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    start(db, world.north, clock.now())
    with db.tenant(ctx.tenant_id) as s:
        lead, chat = s.get_one(Lead, ctx.lead_id), s.get_one(ChatSession, ctx.session_id)
        plan_follow_up(
            s, lead, chat, day=date(2026, 12, 7), note="tint", channel="sms", timezone="America/Chicago", now=clock.now()
        )  # fmt: skip
    start(db, world.north, clock.now())
    change(db, world.north, "update touch_points set status = 'paused' where step = 9")
    assert close(ctx) == ({"closed": True, "reason": "found another shop"}, False)
    assert {status for status, _ in all_touches(db, world.north)} == {"ended"}
    assert ("ended", "the customer closed the enquiry: found another shop") in all_touches(db, world.north)
    assert lead_of(db, world.north).status == "lost"
    (moved,) = rows(db, world.north, LeadChange, LeadChange.what == "state")
    assert (moved.before, moved.after, moved.who) == ("new", "lost", "agent")
    assert (moved.why, moved.message_id) == (
        "the customer closed the enquiry: found another shop",
        ctx.trigger_message_id,
    )


def test_our_own_requests_are_closed_and_a_crms_is_the_crms(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    with db.tenant(ctx.tenant_id) as s:
        lead = s.get_one(Lead, ctx.lead_id)
        for source in ("web_form", "api", "csv", "shopmonkey"):
            about: dict[str, Any] = {"wish": "tint", "vehicle_id": None, "facts": {}, "made_at": clock.now()}
            take_request(s, lead, source=source, external_id=f"{source}-1", **about)
    close(ctx)
    found = {one.source: one.closed_at for one in rows(db, world.north, LeadRequest)}
    assert found == {"web_form": clock.now(), "api": clock.now(), "csv": clock.now(), "shopmonkey": None}
    noted = rows(db, world.north, LeadChange, LeadChange.what == "request ended")
    assert [one.after for one in noted] == ["web_form-1", "api-1", "csv-1"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("how much is ceramic?", "not plainly said"),
        ("I no longer need the front, just the sides", "not plainly said"),
        ("found someone else, but what is a windshield?", "say more than that"),
        ("stop texting me, I found someone else", "opt_out"),
    ],
)
def test_a_model_alone_closes_nobody(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock, words: str, part: str
) -> None:
    start(db, world.north, clock.now())
    told, refused = close(say(ctx, world, words))
    assert refused
    assert part in told["error"]
    assert {status for status, _ in all_touches(db, world.north)} == {"planned"}
    assert states(db, world.north) == []


def test_older_words_close_nobody(ctx: ToolContext, db: Database, world: World) -> None:
    assert close(say(ctx, world, "where are you?"))[1], "their goodbye was answered before"
    assert lead_of(db, world.north).status == "new"


def test_a_mail_that_may_be_anybodys_closes_nobody(ctx: ToolContext, db: Database, world: World) -> None:
    change(
        db, world.north, """update chat_messages set channel = 'email', raw = '{"event_id": "e-1"}'"""
        " where direction = 'in'",
    )  # fmt: skip
    told, refused = close(ctx)
    assert refused
    assert told.get("not_proved") is True
    assert lead_of(db, world.north).status == "new"


def test_an_appointment_is_cancelled_and_not_closed(ctx: ToolContext, db: Database, world: World) -> None:
    offer_id = add_offer(db, dana(world.north), local(24, 9))
    ctx = say(ctx, world, "tuesday at 9 please")
    assert not call(ctx, "book", offer_id=offer_id)[1].is_error
    told, refused = close(say(ctx, world, WORDS))
    assert refused
    assert "Tue, Nov 24 at 9:00 AM" in told["error"]
    assert "cancel" in told["error"]
    assert lead_of(db, world.north).status == "booked"


@pytest.mark.parametrize(
    ("state", "part"),
    [("booked", "has booked"), ("opted_out", "said stop"), ("human", "A person of the shop")],
)
def test_what_somebody_else_has_said_stays(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock, state: str, part: str
) -> None:
    start(db, world.north, clock.now())
    change(db, world.north, "update leads set status = :state", state=state)
    told, refused = close(ctx)
    assert refused
    assert part in told["error"]
    assert lead_of(db, world.north).status == state
    assert {status for status, _ in all_touches(db, world.north)} == {"planned"}


def test_a_person_who_takes_over_meanwhile_decides(ctx: ToolContext, db: Database, world: World) -> None:
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert close(ctx)[1]
    assert lead_of(db, world.north).status == "new"


def test_who_was_won_stays_won_and_is_not_written_to(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    start(db, world.north, clock.now())
    change(db, world.north, "update leads set status = 'won'")
    assert not close(ctx)[1]
    assert lead_of(db, world.north).status == "won"
    assert {status for status, _ in all_touches(db, world.north)} == {"ended"}


def test_it_is_closed_once_however_often_it_is_asked_for(
    ctx: ToolContext, db: Database, world: World
) -> None:
    assert close(ctx) == close(ctx)
    assert len([one for one in calls_of(ctx) if one.tool == "close_enquiry"]) == 1
    # Another worker's model may name another reason; after "thanks" the words are still not answered.
    assert not close(ctx, "other")[1]
    assert states(db, world.north) == [("new", "lost")]


def test_a_touch_that_a_dispatcher_holds_is_not_written(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    first, *_ = start(db, world.north, clock.now())
    token = uuid.uuid4()
    change(
        db, world.north, "update touch_points set status = 'claimed', claim_token = :token where id = :id",
        token=str(token), id=first,
    )  # fmt: skip
    close(ctx)
    with db.tenant(ctx.tenant_id) as s:
        assert decide(s, first, token, clock.now(), None).message_id is None
    assert touch(db, world.north, first).status == "ended"
    assert rows(db, world.north, ChatMessage, ChatMessage.kind == "touch") == []


def test_a_touch_that_waits_for_its_hour_is_dropped(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    clock.advance(NIGHT)
    first, *_ = start(db, world.north, clock.now())
    message_id = write_touch(db, ctx.tenant_id, first, clock)
    assert message_id is not None
    close(ctx)
    found = message_of(db, world.north, message_id)
    assert (found.status, found.final_at) == ("dropped", clock.now())


def test_a_touch_that_a_sender_holds_stops_at_the_gate(
    ctx: ToolContext, db: Database, world: World, clock: FixedClock
) -> None:
    first, *_ = start(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    with db.tenant(ctx.tenant_id) as s:
        assert claim(s, message_id, ("pending",), clock.now()) is not None
    close(ctx)
    assert message_of(db, world.north, message_id).status == "sending", (
        "what a sender holds is not taken from it"
    )
    decision = ask(db, world.north, message_id, clock.now())
    assert (decision.verdict, [str(one) for one in decision.reasons]) == ("drop", ["the lead is lost"])


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_fixed_sentence_stands_the_check(language: str) -> None:
    done = ToolResult("1", "close_enquiry", '{"closed": true, "reason": "other"}')
    (told,) = closing_told([done], language, "North Tint")
    facts = {"shop": {"name": "North Tint"}, "now_local": "2026-11-23T09:00", "language": language}
    assert check_reply(told["text"], Evidence((done,), facts, WORDS, "sms", language, 1)).findings == ()
    assert (told["kind"], told["source"]) == ("deed", "close_enquiry")


def test_what_was_not_closed_is_not_told() -> None:
    text = '{"error": "Nothing was closed."}'
    assert closing_told([ToolResult("1", "close_enquiry", text, is_error=True)], "en", "North Tint") == []
    assert closing_told([ToolResult("1", "close_enquiry", "[]")], "en", "North Tint") == []
    assert closing_told([ToolResult("1", "opt_out", '{"closed": true}')], "en", "North Tint") == []
