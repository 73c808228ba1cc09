"""What an owner reads on the command line: the right tenant's rows, in the shop's time, with nothing a stranger
wrote being obeyed by a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.chat import as_line
from cli.main import leads, main
from cli.output import clean, money
from crm.db import Database
from crm.models import ChatMessage, ChatSession, SendDecision, ToolCallRow, TouchPoint, Turn, Vehicle
from crm.transcripts import MessageLine
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World

EVIL = "hi \x1b[2J\x1b]0;owned\x07 [red]bold[/red] \u202etxet\u202c 👩‍🔧"


@pytest.fixture
def cli(test_database: TestDatabase, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a command against the test's database."""
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.delenv("TENANT_ID", raising=False)

    def run(*arguments: str) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(leads, list(arguments))

    yield run
    get_settings.cache_clear()


def message(shop: Shop, clock: FixedClock, **values: Any) -> ChatMessage:
    given = {
        "tenant_id": shop.tenant_id, "session_id": shop.session_id, "lead_id": shop.lead_id, "channel": "sms",
        "from_address": CUSTOMER_PHONE, "to_address": shop.phone, "created_at": clock.now(), **values,
    }  # fmt: skip
    return ChatMessage(**given)


def converse(db: Database, clock: FixedClock, shop: Shop) -> None:
    """A question, its answer with a turn and a tool behind it, and a touch the gate withheld."""
    with db.tenant(shop.tenant_id) as session:
        asked = message(
            shop, clock, direction="in", kind="inbound", status="received", body=EVIL, carrier_id="SM1"
        )
        session.add(asked)
        session.flush()
        turn = Turn(
            tenant_id=shop.tenant_id, session_id=shop.session_id, trigger_message_id=asked.id, status="done",
            provider="claude", model="claude-haiku-5-5", rounds=2, input_tokens=812, cached_tokens=None,
            output_tokens=40, cost_microusd=312, started_at=clock.now(),
            finished_at=clock.now() + timedelta(seconds=1.5),
        )  # fmt: skip
        session.add(turn)
        session.flush()
        session.add(
            ToolCallRow(
                tenant_id=shop.tenant_id, turn_id=turn.id, session_id=shop.session_id, trigger_message_id=asked.id,
                tool="find_services", is_write=False, arguments={"query": "tint"}, arguments_hash="x",
                result='{"services": []}', is_error=False, started_at=clock.now(), duration_ms=7,
            )
        )  # fmt: skip
        reply = message(
            shop,
            clock,
            direction="out",
            kind="reply",
            status="sent",
            body="It is $449.",
            turn_id=turn.id,
            dedupe_key="r",
        )
        touch = message(
            shop, clock, direction="out", kind="touch", status="withheld", body="Still?", dedupe_key="t"
        )
        session.add_all([reply, touch])
        session.flush()
        for row, decision, reason in ((reply, "allow", "fine"), (touch, "withhold", "this person said stop")):
            session.add(
                SendDecision(
                    tenant_id=shop.tenant_id, message_id=row.id, decision=decision, reasons=[reason],
                    decided_at=clock.now(),
                )
            )  # fmt: skip


def test_a_transcript_tells_what_was_said_and_how_it_came_about(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    converse(db, clock, world.north)
    result = cli("transcript", CUSTOMER_PHONE, "--tenant", "north")
    assert result.exit_code == 0, result.output
    assert "2026-11-23 09:00:00 CST" in result.output
    assert "sms customer -> inbound received" in result.output
    assert "It is $449." in result.output
    assert "claude/claude-haiku-5-5, 812 in, unknown cached, 40 out, $0.0003, 1.5 s" in result.output
    assert 'find_services {"query": "tint"} -> {"services": []} (7 ms)' in result.output
    assert "touch withheld (this person said stop)" in result.output
    assert "fine" not in result.output


def test_what_a_customer_wrote_is_shown_and_not_obeyed(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    converse(db, clock, world.north)
    output = cli("transcript", CUSTOMER_PHONE, "--tenant", "north").output
    assert "hi �[2J�]0;owned� [red]bold[/red] �txet� 👩‍🔧" in output
    assert not {"\x1b", "\x07", "\u202e"} & set(output)


def test_a_tenant_sees_only_its_own(cli: Any, db: Database, clock: FixedClock, world: World) -> None:
    converse(db, clock, world.north)
    south = cli("transcript", CUSTOMER_PHONE, "--tenant", "south")
    assert south.exit_code == 0
    assert south.stdout == ""
    assert "no messages yet" in south.stderr
    listed = json.loads(cli("list", "--tenant", "south", "--json").stdout)
    assert [row["id"] for row in listed] == [world.south.lead_id]
    stranger = cli("show", str(world.north.lead_id), "--tenant", "south")
    assert stranger.exit_code != 0
    assert str(stranger.exception) == f"there is no lead {world.north.lead_id}"


@pytest.mark.parametrize("key", [CUSTOMER_PHONE, "(312) 555-0199", "DANA@example.com", "number"])
def test_a_lead_is_found_by_number_phone_or_email(cli: Any, world: World, key: str) -> None:
    key = str(world.north.lead_id) if key == "number" else key
    shown = json.loads(cli("show", key, "--tenant", "north", "--json").stdout)
    assert shown["line"]["id"] == world.north.lead_id
    assert shown["line"]["email"] == CUSTOMER_EMAIL


def test_show_tells_cadence_vehicle_consent_and_counts(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    from crm.consents import record_consent

    shop = world.north
    converse(db, clock, shop)
    with db.tenant(shop.tenant_id) as session:
        session.add(
            Vehicle(
                tenant_id=shop.tenant_id,
                lead_id=shop.lead_id,
                year=2021,
                make="Honda",
                model="Civic",
                body_style="sedan",
            )
        )
        session.add(
            TouchPoint(
                tenant_id=shop.tenant_id, lead_id=shop.lead_id, session_id=shop.session_id, plan="default",
                cadence_run=1, step=3, channel="sms", template="times", due_at=clock.now(), local_time="09:00",
                status="paused", reason="the customer replied",
            )
        )  # fmt: skip
        record_consent(
            session, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke",
            actor="customer", source="sms", evidence="STOP", effective_at=clock.now(),
        )  # fmt: skip
    output = cli("show", CUSTOMER_PHONE, "--tenant", "north").stdout
    assert "vehicle:      2021 Honda Civic (sedan)" in output
    assert 'consent:      sms stopped since 2026-11-23 09:00:00 CST: "STOP"' in output
    assert "consent:      email unknown" in output
    assert "messages:     1 received, 1 sent, 1 withheld" in output
    assert "turns:        1, cost $0.0003" in output
    assert "1.3   sms      2026-11-23 09:00:00 CST  paused  the customer replied" in output


def test_a_list_can_be_narrowed_and_says_who_waits(
    cli: Any, db: Database, clock: FixedClock, world: World
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        chat = session.get_one(ChatSession, world.north.session_id)
        chat.answer_due_at = chat.last_inbound_at = clock.now()
    line = cli("list", "--tenant", "north").stdout.splitlines()[1]
    assert line.startswith(str(world.north.lead_id))
    assert line.endswith("since 2026-11-23 09:00:00 CST")
    assert "no such leads" in cli("list", "--tenant", "north", "--status", "won").stderr
    assert "no such leads" in cli("list", "--tenant", "north", "--location", "elsewhere").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list"], "say which tenant with --tenant or TENANT_ID; there is north, south"),
        (["list", "--tenant", "east"], "there is no active tenant 'east'; there is north, south"),
        (["show", "nobody", "--tenant", "north"], "'nobody' is no lead number, phone or email address"),
        (["show", "9" * 30, "--tenant", "north"], "is no lead number, phone or email address"),
        (["chat", "--tenant", "north", "--phone", "12"], "'12' is no phone number"),
        (["chat", "--tenant", "north", "--location", "x"], "there is no location x of north; there is north"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    cli: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["leads", *arguments])
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert sentence in said
    assert said.count("\n") == 1


def test_a_database_that_is_away_is_one_sentence_too(
    cli: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@127.0.0.1:1/none")
    monkeypatch.setattr("sys.argv", ["leads", "list"])
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "the database does not answer" in said
    assert "make run" in said
    assert "hunter2" not in said


def test_chat_shows_honestly_what_was_not_sent(clock: FixedClock) -> None:
    line = MessageLine(
        1,
        clock.now(),
        "out",
        "sms",
        "reply",
        "withheld",
        "Hello\nthere",
        None,
        None,
        ["this person said stop"],
    )
    assert as_line(line) == "shop (withheld: this person said stop): Hello\n      there"


@pytest.mark.parametrize(
    ("microusd", "shown"),
    [(None, "unknown"), (0, "$0"), (12, "under $0.0001"), (312, "$0.0003"), (1_234_567, "$1.2346")],
)
def test_money_is_never_rounded_to_nothing(microusd: int | None, shown: str) -> None:
    assert money(microusd) == shown


def test_clean_keeps_lines_and_letters() -> None:
    assert clean("a\r\nb\tc é 漢字 \x9b1m \u2028") == "a\nb   c é 漢字 �1m �"
