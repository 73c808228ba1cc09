"""Whole conversations in which a customer ends their enquiry: what they read, and what is left of it when a worker dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.models.base import ModelReply, ModelRequest, ToolResults
from agent.models.playbook import PlaybookModel
from channels.claims import claim
from crm.db import Database
from crm.lead_states import history
from crm.models import ToolCallRow, TouchPoint, Turn
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, World
from tests.integration.answering import Shop as Answering
from tests.integration.answering import answering
from tests.integration.cadence_rows import start
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.gate_help import OLD, ask
from tests.integration.talking import MINUTE, answer, change, hear, lead_of, put, rows, scripted
from tests.integration.talking import call as ask_for
from tests.integration.talking import say as say_reply

WORDS = "found someone else, thanks"


def states(db: Database, shop: Shop) -> list[tuple[str | None, str | None]]:
    """Every change of the lead's state, as (from, to)."""
    with db.tenant(shop.tenant_id) as s:
        return [(one.before, one.after) for one in history(s, shop.lead_id) if one.what == "state"]


def all_touches(db: Database, shop: Shop) -> set[tuple[str, str | None]]:
    return {(one.status, one.reason) for one in rows(db, shop, TouchPoint)}


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Answering]:
    with answering(test_database, redis_url, clock) as made:
        yield made


class Gone(BaseException):
    """The worker's process is killed."""


class Dying(PlaybookModel):
    """The playbook in a process that is killed once, right after the enquiry was closed."""

    died = False

    def answer(self, request: ModelRequest) -> ModelReply:
        """As the playbook does."""
        if not self.died and isinstance(request.items[-1], ToolResults):
            self.died = True
            raise Gone
        return super().answer(request)


class Talk:
    """One customer and the playbook, over the whole way."""

    def __init__(self, shop: Answering, world: World, db: Database, clock: FixedClock) -> None:
        self.shop, self.world, self.db, self.clock = shop, world, db, clock
        self.runtime = shop.with_model(PlaybookModel())

    def say(self, text: str) -> str:
        """The answer to one text, which must have passed the check at once."""
        self.clock.advance(MINUTE)
        before = len(self.shop.texts())
        hear(self.runtime, self.world.north, text)
        assert answer(self.runtime, self.world.north) == "done"
        turn = rows(self.db, self.world.north, Turn)[-1]
        assert (turn.trace or {}).get("findings") == []
        (reply,) = self.shop.texts()[before:]
        return reply

    def tools(self) -> list[str]:
        """The names of the writes and reads so far."""
        return [one.tool for one in rows(self.db, self.world.north, ToolCallRow)]


@pytest.fixture
def talk(shop: Answering, world: World, db: Database, clock: FixedClock) -> Talk:
    return Talk(shop, world, db, clock)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("found someone else, thanks", "Thanks for letting us know. We won't follow up on this any more"),
        ("ya encontré otro, gracias", "Gracias por avisarnos. Ya no le daremos seguimiento a esto"),
        ("no longer interested", "We won't follow up on this any more"),
    ],
)
def test_the_playbook_closes_and_says_so(talk: Talk, text: str, reply: str) -> None:
    start(talk.db, talk.world.north, talk.clock.now())
    told = talk.say(text)
    assert reply in told
    assert "?" not in told
    assert "close_enquiry" in talk.tools()
    assert {status for status, _ in all_touches(talk.db, talk.world.north)} == {"ended"}
    assert lead_of(talk.db, talk.world.north).status == "lost"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "found someone else, but what do you charge for a windshield ceramic tint on my 2021 honda civic?",
            "$",
        ),
        ("I went with another shop. what are your hours?", "9:00"),
    ],
)
def test_the_playbook_answers_what_is_asked_beside_it(talk: Talk, text: str, part: str) -> None:
    start(talk.db, talk.world.north, talk.clock.now())
    told = talk.say(text)
    assert part in told
    assert "follow up" not in told
    assert "close_enquiry" not in talk.tools()
    assert {status for status, _ in all_touches(talk.db, talk.world.north)} == {"paused"}


def test_the_playbook_asks_about_an_appointment_first(talk: Talk, clock: FixedClock) -> None:
    ctx = add_turn(talk.db, clock, dana(talk.world.north), "tuesday at 9 please")
    offer_id = add_offer(talk.db, dana(talk.world.north), local(24, 9))
    assert not call(ctx, "book", offer_id=offer_id)[1].is_error
    change(
        talk.db, talk.world.north, "update chat_sessions set answered_up_to = :id where id = :session",
        id=ctx.trigger_message_id,
    )  # fmt: skip
    assert "cancel your appointment on Tue, Nov 24 at 9:00 AM?" in talk.say(WORDS)
    assert "is cancelled" in talk.say("yes please")
    assert "close_enquiry" not in talk.tools()


def test_a_lost_lead_who_writes_again_is_answered_and_can_book(talk: Talk) -> None:
    talk.say(WORDS)
    assert lead_of(talk.db, talk.world.north).status == "lost"
    assert "$" in talk.say("hi, they fell through. how much is carbon tint on my 2021 honda civic sedan?")
    assert lead_of(talk.db, talk.world.north).status == "quoted"
    talk.say("do you have wednesday at 1 pm?")
    assert "You are booked" in talk.say("Wed at 1 pm works, book it please")
    assert lead_of(talk.db, talk.world.north).status == "booked"


def test_a_killed_workers_closing_is_told_once_and_stays(talk: Talk, clock: FixedClock) -> None:
    start(talk.db, talk.world.north, clock.now())
    hear(talk.runtime, talk.world.north, WORDS)
    with pytest.raises(Gone):
        answer(talk.shop.with_model(Dying()), talk.world.north)
    assert lead_of(talk.db, talk.world.north).status == "lost"
    clock.advance(5 * MINUTE)
    assert answer(talk.runtime, talk.world.north) == "done"
    (told,) = talk.shop.texts()
    assert told.count("We won't follow up on this any more") == 1
    assert lead_of(talk.db, talk.world.north).status == "lost"
    assert states(talk.db, talk.world.north) == [("new", "lost")]


def test_a_killed_workers_closing_is_told_where_no_model_finds_words(talk: Talk, clock: FixedClock) -> None:
    hear(talk.runtime, talk.world.north, WORDS)
    with pytest.raises(Gone):
        answer(talk.shop.with_model(Dying()), talk.world.north)
    clock.advance(5 * MINUTE)
    wordless = scripted(
        say_reply("You are booked for Tuesday at 9."), say_reply("You are booked for Tuesday at 9.")
    )
    assert answer(talk.shop.with_model(wordless), talk.world.north) == "done"
    assert "We won't follow up on this any more" in talk.shop.texts()[0]


def test_a_closing_is_told_where_the_models_own_words_may_not_leave(talk: Talk) -> None:
    untrue = say_reply("You are booked for Tuesday at 9.")
    model = scripted(ask_for("close_enquiry", reason="found another shop"), untrue, untrue)
    hear(talk.runtime, talk.world.north, WORDS)
    assert answer(talk.shop.with_model(model), talk.world.north) == "done"
    assert talk.shop.texts() == [
        "Thanks for letting us know. We won't follow up on this any more; write any time if you need us."
    ]
    assert lead_of(talk.db, talk.world.north).status == "lost", "and no person is asked to look"


def test_a_touch_that_a_sender_holds_stops_at_the_gate_after_the_reply_too(
    talk: Talk, clock: FixedClock
) -> None:
    change(talk.db, talk.world.north, "update leads set created_at = :at", at=clock.now() - OLD)
    first, *_ = start(talk.db, talk.world.north, clock.now())
    message_id = put(talk.db, talk.world.north, clock.now(), kind="touch", touch_point_id=first)
    with talk.db.tenant(talk.world.north.tenant_id) as s:
        assert claim(s, message_id, ("pending",), clock.now()) is not None
    talk.say(WORDS)
    decision = ask(talk.db, talk.world.north, message_id, clock.now())
    assert decision.verdict == "drop"
    assert "the lead is lost" in decision.reasons
