"""A text comes in, an appointment is made: the real processes, with each model and with one that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.acceptance.customer import Texter
from tests.acceptance.processes import System, running
from tests.acceptance.records import Records
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.booking_script import BookingScript
from tests.standins.llm_view import Step, View
from tests.standins.openai import OpenAIStandIn
from tests.standins.twilio import TwilioStandIn

pytestmark = pytest.mark.processes

LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
FIRST_WORDS = "Hi, how much is ceramic tint for my 2019 Honda Civic sedan? Any time this week?"
CERAMIC_SEDAN = "tint-full-sedan-ceramic"


@dataclass
class Dying:
    """A brain that takes its vendor down after so many answers."""

    vendor: AnthropicStandIn
    status: int
    left: int
    script: BookingScript = field(default_factory=BookingScript)

    def __call__(self, view: View) -> Step:
        self.left -= 1
        if self.left == 0:
            self.vendor.fail_always(self.status)
        return self.script(view)


@dataclass
class Vendors:
    """The stand-ins outside."""

    twilio: TwilioStandIn
    anthropic: AnthropicStandIn
    openai: OpenAIStandIn

    def env(self, provider: str, fallback: str) -> dict[str, str]:
        """How an installation is told of them."""
        return {
            "TWILIO_ACCOUNT_SID": self.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio.auth_token,
            "TWILIO_API_BASE": self.twilio.url,
            "ANTHROPIC_API_KEY": self.anthropic.api_key,
            "ANTHROPIC_BASE_URL": self.anthropic.url,
            "OPENAI_API_KEY": self.openai.api_key,
            "OPENAI_BASE_URL": f"{self.openai.url}/v1",
            "OPENAI_API": "responses",
            "AI_PROVIDER": provider,
            "AI_FALLBACK_PROVIDER": fallback,
        }


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    """Twilio with status callbacks, and both models playing the same booking conversation."""
    with ExitStack() as stack:
        yield Vendors(
            stack.enter_context(TwilioStandIn(auto_callbacks=True)),
            stack.enter_context(AnthropicStandIn(script=BookingScript())),
            stack.enter_context(OpenAIStandIn(script=BookingScript())),
        )


@dataclass(frozen=True)
class Case:
    """What is configured, when Claude dies and of what, and which provider had the last word in each turn."""

    provider: str
    turns: tuple[str, str]
    fallback: str = ""
    dies_after: int = 0
    of: int = 529
    quiet_s: float = 0.3


CASES = [
    # The window of the first one is the real one.
    pytest.param(Case("playbook", ("playbook", "playbook"), quiet_s=3.0), id="playbook"),
    pytest.param(Case("claude", ("claude", "claude")), id="claude"),
    pytest.param(Case("openai", ("openai", "openai")), id="openai"),
    # Claude has called find_services; OpenAI has to go on from its result.
    pytest.param(
        Case("claude", ("openai", "openai"), "openai", dies_after=1, of=500),
        id="claude-dies-in-the-first-turn",
    ),
    pytest.param(
        Case("claude", ("claude", "openai"), "openai", dies_after=3), id="claude-dies-between-turns"
    ),
    # Claude has booked; OpenAI has to confirm and must not book again.
    pytest.param(
        Case("claude", ("claude", "openai"), "openai", dies_after=4), id="claude-dies-after-booking"
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_text_becomes_an_appointment(
    case: Case,
    vendors: Vendors,
    world: World,
    test_database: TestDatabase,
    owner_engine: Engine,
    redis_url: str,
    tmp_path: Path,
) -> None:
    records = Records(owner_engine)
    records.set_quiet_window(case.quiet_s)
    if case.dies_after:
        vendors.anthropic.brain = Dying(vendors.anthropic, case.of, case.dies_after)
    env = vendors.env(case.provider, case.fallback)
    with running(System(tmp_path / "system", test_database, redis_url, env)) as system:
        dana = Texter(system, vendors.twilio, world.north.phone)
        offered = dana.say(FIRST_WORDS)
        # The carrier delivers the same text once more.
        dana.send(FIRST_WORDS, sid=dana.sids[0])
        label = LABEL.findall(offered)[0]
        confirmed = dana.say(f"{label} works for me, please book it")
        records.wait_until_nothing_is_owed(system.now)
        transcript = system.leads("transcript", CUSTOMER_PHONE, env={"TENANT_ID": "north"})
        told = system.leads_json("transcript", CUSTOMER_PHONE, tenant="north")
        system.stop()
        assert system.errors() == []

    assert "$449" in offered
    assert label in confirmed
    assert [one.body for one in vendors.twilio.messages] == [offered, confirmed]
    assert {one.to for one in vendors.twilio.messages} == {CUSTOMER_PHONE}
    _assert_booked_once(records, world, label)
    _assert_transcript(
        told, transcript, case, [FIRST_WORDS, offered, f"{label} works for me, please book it", confirmed]
    )
    for table in ("chat_messages", "turns", "tool_calls", "offers", "appointments"):
        assert records.count(table, world.south.tenant_id) == 0, table


def _assert_booked_once(records: Records, world: World, label: str) -> None:
    (appointment,) = records.rows("appointments", world.north.tenant_id)
    assert appointment["status"] == "booked"
    assert appointment["service_ids"] == [world.north.service_ids[CERAMIC_SEDAN]]
    assert records.local_label(appointment) == label
    (booking,) = [row for row in records.rows("tool_calls", world.north.tenant_id) if row["tool"] == "book"]
    assert not booking["is_error"]


def _assert_transcript(told: list[dict[str, Any]], printed: str, case: Case, bodies: list[str]) -> None:
    assert [(one["direction"], one["status"]) for one in told] == [
        ("in", "received"),
        ("out", "delivered"),
    ] * 2
    assert [one["body"] for one in told] == bodies
    turns = [turn for one in told for turn in one["turns"]]
    assert [(turn["status"], turn["provider"]) for turn in turns] == [("done", each) for each in case.turns]
    for line in bodies:
        assert line in printed
    for provider in (case.provider, case.fallback):
        assert f"{provider}/" in printed
    if case.dies_after:
        attempts = [attempt for turn in turns for attempt in turn["attempts"]]
        assert {one["provider"] for one in attempts if one["error"]} == {"claude"}
        assert {one["provider"] for one in attempts if not one["error"]} == {"claude", "openai"}
