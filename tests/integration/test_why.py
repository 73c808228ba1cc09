"""`leads why`: every reason behind a message, in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatMessage, ChatSession, ModelAttempt, PolicyVersion, SendDecision, ToolCallRow, Turn
from crm.why import reason_text
from ops.clock import FixedClock
from scheduler import jobs
from tests.conftest import CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.experiment_rows import begin
from tests.integration.talking import change, hear, plan_touch, put
from tests.runtimes import FakeSender, runtime_for

Run = Callable[..., str]


@pytest.fixture
def raw(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command against the test's database, at the test's time."""
    yield from running(test_database, clock, monkeypatch)


@pytest.fixture
def why(raw: Any) -> Run:
    """What `leads why` prints for the shop in the north."""

    def run(*arguments: str, tenant: str = "north") -> str:
        result = raw("why", *arguments, "--tenant", tenant)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    return run


def converse(db: Database, shop: Shop, clock: FixedClock) -> tuple[int, int]:
    """A question and its answer, with everything a turn leaves behind; returns both messages' ids."""
    experiment_id = begin(db, shop, clock.now())
    with db.tenant(shop.tenant_id) as s:
        own = {"tenant_id": shop.tenant_id, "session_id": shop.session_id}
        asked = ChatMessage(
            **own, lead_id=shop.lead_id, direction="in", kind="inbound", status="received", channel="sms",
            body="how much? \x1b[2J", from_address=CUSTOMER_PHONE, to_address=shop.phone, received_at=clock.now(),
        )  # fmt: skip
        s.add_all(
            [
                asked,
                PolicyVersion(tenant_id=shop.tenant_id, version=3, body="# P", note="kinder", author="sam"),
            ]
        )
        s.flush()
        died = Turn(
            **own, trigger_message_id=asked.id, status="abandoned", started_at=clock.now(),
            error="the worker stopped in the middle of this turn",
        )  # fmt: skip
        s.add(died)
        s.flush()
        turn = Turn(
            **own, trigger_message_id=asked.id, status="done", provider="openai", model="luna", rounds=2,
            cost_microusd=1200, started_at=clock.now(), finished_at=clock.now() + timedelta(seconds=2),
            policy_version=3, experiment_id=experiment_id, arm="control",
            trace={
                "findings": ["The amount $1 is in no tool result of this turn."], "hand_off": None,
                "limits": "rounds", "choice": ["arm control of the experiment"],
                "facts": [{"kind": "price", "text": "$449", "source": "find_services"}],
            },
        )  # fmt: skip
        s.add(turn)
        s.flush()
        s.add(
            ToolCallRow(
                **own, turn_id=turn.id, trigger_message_id=asked.id, tool="find_services", is_write=False,
                arguments={"query": "tint"}, arguments_hash="x", result='{"services": [1]}', is_error=False,
                started_at=clock.now(), duration_ms=7,
            )
        )  # fmt: skip
        for provider, model, error in (("claude", "haiku", "overloaded"), ("openai", "luna", None)):
            s.add(
                ModelAttempt(
                    **own, lead_id=shop.lead_id, location_id=shop.location_id, turn_id=turn.id, provider=provider,
                    model=model, requested_model=model, ok=error is None, error=error, ms=900,
                    cost_microusd=None if error else 1200, created_at=clock.now(),
                )
            )  # fmt: skip
            s.flush()
        reply = ChatMessage(
            **own, lead_id=shop.lead_id, direction="out", kind="reply", status="delivered", channel="sms",
            body="It is $449.", from_address=shop.phone, to_address=CUSTOMER_PHONE, turn_id=turn.id,
            answers_up_to=asked.id, carrier="twilio", carrier_id="SM9", sent_at=clock.now(), final_at=clock.now(),
        )  # fmt: skip
        s.add(reply)
        s.flush()
        hold = {"decision": "hold", "reasons": ["the business is paused"]}
        for row in (hold, hold, {"decision": "allow", "reasons": [{"sentence": "every check passed"}]}):
            s.add(SendDecision(tenant_id=shop.tenant_id, message_id=reply.id, decided_at=clock.now(), **row))
            s.flush()
        return asked.id, reply.id


def test_a_reply_tells_everything_behind_it(why: Run, db: Database, world: World, clock: FixedClock) -> None:
    asked, reply = converse(db, world.north, clock)
    shown = why(f"#{reply}")
    for sentence in (
        f"Message {reply} (reply) by sms, 2026-11-23 09:00:00 CST: delivered",
        f"It answers what the customer wrote up to message {asked}.",
        "It was given to twilio at 2026-11-23 09:00 CST as SM9 and delivered at 2026-11-23 09:00 CST.",
        "hold, it has to wait (2 times, last at 2026-11-23 09:00:00 CST): the business is paused",
        "allow, it may go: every check passed",
        "(abandoned) at 2026-11-23 09:00:00 CST: nobody/-",
        "It ended like this: the worker stopped in the middle of this turn",
        "openai/luna, 2 rounds, $0.0012, 2.0 s",
        "Policy: version 3, by sam: kinder",
        "Experiment one, arm control: claude/haiku; FAILED OVER, so it counts for no cost or time",
        "Models chosen by: arm control of the experiment",
        "Limit reached: rounds",
        "A draft was refused: The amount $1 is in no tool result of this turn.",
        'Fact "$449" (price) comes from find_services',
        "Asked claude/haiku: FAILED: overloaded, unknown, 900 ms",
        "Asked openai/luna: answered, $0.0012, 900 ms",
        'Tool find_services {"query": "tint"} -> {"services": [1]}',
    ):
        assert sentence in shown
    whole = json.loads(why(str(reply), "--json"))
    assert whole["turns"][1]["facts"] == [{"kind": "price", "text": "$449", "source": "find_services"}]
    assert [one["decision"] for one in whole["gate"]] == ["hold", "allow"]


def test_a_question_tells_what_became_of_it(why: Run, db: Database, world: World, clock: FixedClock) -> None:
    asked, reply = converse(db, world.north, clock)
    shown = why(str(asked))
    assert f"It was answered by message {reply}, which is delivered." in shown
    assert "how much? �[2J" in shown
    assert 'Fact "$449"' in shown


def test_of_a_burst_every_message_shows_the_turn_that_answered_it(
    why: Run, db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        first = ChatMessage(
            tenant_id=shop.tenant_id, session_id=shop.session_id, lead_id=shop.lead_id, direction="in",
            kind="inbound", status="received", channel="sms", body="hi", from_address=CUSTOMER_PHONE,
            to_address=shop.phone, received_at=clock.now(),
        )  # fmt: skip
        s.add(first)
        s.flush()
    _, reply = converse(db, shop, clock)
    shown = why(str(first.id))
    assert f"It was answered by message {reply}, which is delivered." in shown
    assert 'Fact "$449" (price) comes from find_services' in shown


def test_the_gates_refusal_is_told_with_every_reason(
    why: Run, db: Database, world: World, clock: FixedClock, test_database: TestDatabase, redis_url: str
) -> None:
    shop = world.north
    touch = put(db, shop, clock.now(), "Still interested?", kind="touch")
    with db.tenant(shop.tenant_id) as s:
        s.get_one(ChatSession, shop.session_id).state = "human"
        record_consent(
            s, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke", actor="customer",
            source="sms", evidence="STOP", lead_id=shop.lead_id, effective_at=clock.now(),
        )  # fmt: skip
    assert "The gate has not been asked yet" in why(str(touch))
    with runtime_for(test_database, redis_url, clock, sms=FakeSender()) as runtime:
        assert jobs.deliver(runtime, shop.tenant_id, str(touch)) == "withheld"
    shown = why(str(touch))
    assert "It was withheld and never left." in shown
    assert "withhold, it never goes: this person said stop on 2026-11-23 15:00 UTC; " in shown
    assert "a person has taken over the conversation" in shown


def test_a_lead_tells_how_things_stand(why: Run, db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    converse(db, shop, clock)
    plan_touch(db, shop, clock.now())
    shown = why(CUSTOMER_PHONE)
    assert "The agent answers." in shown
    assert "Nobody has said yes or no to texts: the consent ledger is silent." in shown
    assert "by sms at 2026-11-24 09:00 CST." in shown
    assert "It is $449." in shown
    change(
        db,
        shop,
        "update touch_points set status = 'paused', reason = 'the customer replied' where lead_id = :lead",
    )
    change(
        db, shop, "update chat_sessions set state = 'human', state_reason = 'complaint' where id = :session"
    )
    change(db, shop, "update leads set phone_bad_since = now(), email = null where id = :lead")
    with db.tenant(shop.tenant_id) as s:
        record_consent(
            s, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke", actor="customer",
            source="sms", evidence="stop \x1b[31mnow", lead_id=shop.lead_id, effective_at=clock.now(),
        )  # fmt: skip
    shown = why("--lead", str(shop.lead_id), "--last", "0")
    assert (
        'Texts were stopped on 2026-11-23 09:00 CST, in these words: "stop �[31mnow". None is sent.' in shown
    )
    assert "A person has the conversation: complaint. The agent is silent." in shown
    assert "The address for texts has not worked since" in shown
    assert "There is no address for emails." in shown
    assert "No touch is planned; 1 are paused: the customer replied." in shown
    assert "It is $449." not in shown
    assert json.loads(why(CUSTOMER_PHONE, "--json"))["standing"]


@pytest.mark.parametrize("ended", ["owed", "human", "stopped"])
def test_a_message_without_an_answer_says_why(
    why: Run,
    db: Database,
    world: World,
    clock: FixedClock,
    test_database: TestDatabase,
    redis_url: str,
    ended: str,
) -> None:
    shop = world.north
    with runtime_for(test_database, redis_url, clock, sms=FakeSender()) as runtime:
        if ended == "human":
            change(
                db,
                shop,
                "update chat_sessions set state = 'human', state_reason = 'complaint' where id = :session",
            )
        message_id = hear(runtime, shop, "STOP" if ended == "stopped" else "hello").message_id
    shown = why(str(message_id))
    assert {
        "owed": "An answer is owed and due at 2026-11-23 09:00 CST.",
        "human": "The agent did not answer it: a person has the conversation (complaint).",
        "stopped": "It was taken as an opt-out; it gets at most the one confirmation.",
    }[ended] in shown


def test_what_cannot_be_found_is_one_sentence(
    raw: Any, db: Database, world: World, clock: FixedClock
) -> None:
    _, reply = converse(db, world.north, clock)
    # A stranger's message does not exist, and its number may be a lead of one's own.
    said = refused(raw, "why", "99999", "--tenant", "north")
    assert said == "leads: there is no message 99999\n"
    assert f"there is no message {reply}" in refused(raw, "why", str(reply), "--tenant", "south")
    lead = str(world.south.lead_id)
    change(db, world.south, "delete from chat_messages where id = :id", id=int(lead))
    said = refused(raw, "why", lead, "--tenant", "south")
    assert said.endswith(f"; for lead {lead} write: leads why --lead {lead}\n")


def test_a_reason_may_be_an_object() -> None:
    assert reason_text("plain") == "plain"
    assert reason_text({"code": "quiet_hours", "sentence": "it is night there"}) == "it is night there"
    assert reason_text({"code": "x", "zone": "y"}) == "code x, zone y"
