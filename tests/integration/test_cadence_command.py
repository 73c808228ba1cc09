"""`leads cadence` and `leads back`, as an owner uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from channels.gate import GateRules
from cli.main import leads
from crm.db import Database
from crm.models import ChatMessage, Lead, Offer, TouchPoint
from crm.reading import LeadNotFound
from ops.clock import FixedClock
from ops.settings import get_settings
from scheduler.dispatch import write_touch
from scheduler.dry_run import dry_run
from scheduler.plan import Plan
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.cadence_rows import wish
from tests.integration.resume_help import begun, run_of, states, talked, told, touch
from tests.integration.talking import agree, change, hear, rows, scripted


@pytest.fixture
def cli(
    test_database: TestDatabase,
    redis_url: str,
    world: World,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """Runs a command against the test's database, as north, at the test's time."""
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TENANT_ID", "north")
    monkeypatch.setattr("cli.context.clock_of", lambda _: clock)

    def run(*arguments: str, **given: Any) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(leads, list(arguments), **given)

    yield run
    get_settings.cache_clear()


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result) -> str:
    assert result.exit_code != 0, result.output
    return result.output


def test_show_tells_of_every_touch_and_its_message(
    cli: Any, shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    assert "Nothing was planned" in good(cli("cadence", "show", CUSTOMER_PHONE))
    ids = begun(db, world.north, clock)
    talked(shop, world)
    sent = rows(db, world.north, ChatMessage)[0].status
    out = good(cli("cadence", "show", CUSTOMER_PHONE))
    assert "Run 1: plan default" in out
    assert "1.1   2026-11-23 09:00:00 CST  sms      hello" in out
    assert f"#{touch(db, world.north, ids[0]).message_id} {sent}" in out
    assert out.count("the customer replied; looked at again 2026-11-26") == 10
    run = json.loads(good(cli("cadence", "show", str(world.north.lead_id), "--json")))["runs"][0]
    assert [one["status"] for one in run["touches"]] == states(db, world.north)
    assert isinstance(cli("cadence", "show", "999").exception, LeadNotFound)


def test_pause_takes_back_what_is_claimed_and_what_waits(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    ids = begun(db, world.north, clock, steps=1)
    change(db, world.north, "update chat_messages set status = 'pending'")
    change(db, world.north, "update touch_points set status = 'claimed', claim_token = gen_random_uuid(),"
           " claimed_until = :until where step = 2", until=clock.now() + timedelta(minutes=1))  # fmt: skip
    out = good(cli("cadence", "pause", CUSTOMER_PHONE, "--who", "Sam", "--why", "they called"))
    assert "12 touches are paused, and 1 that waited in the outbox dropped" in out
    assert states(db, world.north) == ["written"] + ["paused"] * 12
    assert {row.claim_token for row in run_of(db, world.north)} == {None}
    assert [m.status for m in rows(db, world.north, ChatMessage)] == ["dropped"]
    assert told(db, world.north) == [("12 touches paused", "Sam", "they called")]
    assert write_touch(db, world.north.tenant_id, ids[1], clock) is None


def test_what_a_person_paused_only_a_person_resumes(
    cli: Any, shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    good(cli("cadence", "pause", CUSTOMER_PHONE, "--who", "Sam"))
    talked(shop, world)
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert "leads back" in refused(cli("cadence", "resume", CUSTOMER_PHONE))
    good(cli("back", CUSTOMER_PHONE, "--who", "Sam"))
    assert "nobody had taken" in good(cli("back", CUSTOMER_PHONE))
    assert {row.resume_at for row in run_of(db, world.north)[3:]} == {None}
    out = json.loads(good(cli("cadence", "resume", CUSTOMER_PHONE, "--who", "Sam", "--json")))
    assert out["outcome"].startswith("taken up: 10 touches")
    assert states(db, world.north) == ["written"] * 3 + ["planned"] * 10
    assert "nothing of lead" in refused(cli("cadence", "resume", CUSTOMER_PHONE))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("update leads set status = 'lost' where id = :lead", "the lead is lost"),
        ("update leads set status = 'opted_out' where id = :lead", "the customer said stop"),
        ("update chat_sessions set answer_due_at = now() where id = :session", "being answered"),
    ],
)
def test_resume_is_refused(
    cli: Any, shop: Shop, db: Database, world: World, clock: FixedClock, statement: str, words: str
) -> None:
    begun(db, world.north, clock)
    talked(shop, world)
    change(db, world.north, statement)
    assert words in refused(cli("cadence", "resume", CUSTOMER_PHONE))
    assert states(db, world.north)[3:] == ["paused"] * 10


def test_skip_and_edit_one_step(cli: Any, db: Database, world: World, clock: FixedClock) -> None:
    ids = begun(db, world.north, clock)
    good(cli("cadence", "skip", CUSTOMER_PHONE, "4", "--who", "Sam", "--why", "known already"))
    row = touch(db, world.north, ids[3])
    assert (row.status, row.reason) == ("skipped", "skipped by Sam: known already")
    assert "skipped already" in refused(cli("cadence", "skip", CUSTOMER_PHONE, "4"))
    assert "written already as message #1, which is sent" in refused(
        cli("cadence", "skip", CUSTOMER_PHONE, "1")
    )
    assert "it has: 1, 2, 3" in refused(cli("cadence", "skip", CUSTOMER_PHONE, "40"))
    assert "there are the runs: 1" in refused(cli("cadence", "skip", CUSTOMER_PHONE, "4", "--run", "7"))
    out = good(cli("cadence", "edit", CUSTOMER_PHONE, "6", "--at", "2026-12-01 14:30", "--who", "Sam"))
    assert "step 1.6 goes 2026-12-01 14:30:00 CST" in out
    moved = touch(db, world.north, ids[5])
    assert moved.local_time == "2026-12-01 14:30 America/Chicago"
    assert moved.due_at == datetime(2026, 12, 1, 14, 30, tzinfo=ZoneInfo("America/Chicago"))
    night = json.loads(
        good(cli("cadence", "edit", CUSTOMER_PHONE, "8", "--at", "2026-12-06 03:00", "--json"))
    )
    assert night["hold_until"] is not None
    assert "over" in refused(cli("cadence", "edit", CUSTOMER_PHONE, "6", "--at", "2026-11-01 10:00"))
    assert "no date" in refused(cli("cadence", "edit", CUSTOMER_PHONE, "6", "--at", "soon 10:00"))
    good(cli("cadence", "pause", CUSTOMER_PHONE))
    assert "is paused" in refused(cli("cadence", "edit", CUSTOMER_PHONE, "6", "--at", "2026-12-02 10:00"))
    assert told(db, world.north)[0][0] == "step 1.4 skipped"


def test_a_dispatcher_and_a_skip_at_once_agree(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    ids = begun(db, world.north, clock)
    clock.moment = touch(db, world.north, ids[3]).due_at
    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(write_touch, db, world.north.tenant_id, ids[3], clock)
        skipped = pool.submit(cli, "cadence", "skip", CUSTOMER_PHONE, "4")
    sent = [m for m in rows(db, world.north, ChatMessage) if m.touch_point_id == ids[3]]
    if skipped.result().exit_code == 0:
        assert touch(db, world.north, ids[3]).status == "skipped"
        assert {m.status for m in sent} <= {"dropped"}, "written before, it is dropped"
    else:
        assert [m.id for m in sent] == [written.result()]


def test_plan_says_what_would_be_sent_and_keeps_nothing(
    cli: Any, db: Database, world: World, clock: FixedClock
) -> None:
    agree(db, world.north, clock.now())
    wish(db, world.north, "full ceramic tint")
    # Saturday night before Thanksgiving week is over: the first one waits for the morning.
    clock.moment = datetime(2026, 11, 28, 22, 30, tzinfo=ZoneInfo("America/Chicago"))
    out = good(cli("cadence", "plan", CUSTOMER_PHONE))
    assert "Sat 2026-11-28 22:30 CST  sms  hello" in out
    assert "the gate holds it until" in out
    assert out.count("    about: ") == 13
    assert "North Tint" in out
    assert "STOP" in out
    found = json.loads(good(cli("cadence", "plan", CUSTOMER_PHONE, "--json")))
    assert [one["step"] for one in found["touches"]] == list(range(1, 14))
    assert found["touches"][0]["gate"] == "hold"
    later = [one for one in found["touches"][2:] if one["gate"] is not None]
    assert {one["gate"] for one in later} == {"allow"}
    assert all(one["body"] for one in later)
    for kept in (TouchPoint, ChatMessage, Offer):
        assert rows(db, world.north, kept) == []


def test_plan_counts_a_touch_as_gone_when_the_next_is_judged(
    db: Database, world: World, clock: FixedClock
) -> None:
    agree(db, world.north, clock.now())
    steps = [
        {"step": n, "after": f"{30 * n - 30}m", "channel": "sms", "template": "hello", "about": "again"}
        for n in range(1, 5)
    ]
    dense = Plan.model_validate({"name": "dense", "apart": "0m", "jitter": "0m", "steps": steps})
    with db.tenant(world.north.tenant_id) as session:
        lead = session.get_one(Lead, world.north.lead_id)
        done = dry_run(session, lead, dense, clock.now(), GateRules(), None)
        session.rollback()
    assert [one.gate for one in done.touches] == ["allow"] * 3 + ["withhold"], "it would wait past its grace"
    assert "within 24 hours" in "; ".join(done.touches[3].gate_reasons)


def test_plan_says_what_stands_against_it(
    cli: Any, shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock, steps=1)
    runtime = shop.with_model(scripted())
    assert "Run 1 goes on" in good(cli("cadence", "plan", CUSTOMER_PHONE))
    hear(runtime, world.north, "STOP")
    found = json.loads(good(cli("cadence", "plan", CUSTOMER_PHONE, "--json")))
    assert found["obstacle"] == "it would be ended at once: the customer said stop"
    assert {one["gate"] for one in found["touches"]} <= {None, "withhold"}
    assert "no cadence plan" in refused(cli("cadence", "plan", CUSTOMER_PHONE, "--plan", "nothing"))


def test_preview_prints_local_times_over_weekend_and_change_of_clocks(cli: Any, world: World) -> None:
    given = ("--zone", "America/New_York", "--start", "2026-10-31 21:30", "--seed", "7")
    out = good(cli("cadence", "preview", "default", *given))
    assert "a lead that comes in Sat 2026-10-31 21:30 EDT" in out
    assert out.count("    about: ") == 13
    assert "2021 Honda Civic" in out
    found = json.loads(good(cli("cadence", "preview", "default", *given, "--json")))
    for one in found["touches"][1:]:
        local = datetime.fromisoformat(one["due_at"]).astimezone(ZoneInfo("America/New_York"))
        assert 8 <= local.hour < 20, one["local_time"]
        assert one["local_time"].endswith("America/New_York")
    assert (
        found["touches"]
        == json.loads(good(cli("cadence", "preview", "default", *given, "--json")))["touches"]
    )
    spanish = good(cli("cadence", "preview", "default", *given, "--language", "es"))
    assert "Hola Dana" in spanish
    mail_only = json.loads(good(cli("cadence", "preview", "default", "--without", "phone", "--json")))
    assert {one["channel"] for one in mail_only["touches"] if one["status"] == "planned"} == {"email"}


def test_preview_errors_say_what_to_write(cli: Any, world: World) -> None:
    assert "leads plans list" in refused(cli("cadence", "preview"))
    assert "America/Chicago" in refused(cli("cadence", "preview", "default", "--zone", "Nowhere/Land"))
    gone = refused(
        cli("cadence", "preview", "default", "--zone", "America/New_York", "--start", "2027-03-14 02:30")
    )
    assert "does not exist" in gone
    assert "no cadence plan" in refused(cli("cadence", "preview", "nothing"))
    assert good(cli("cadence", "preview", "--source", "csv")).count("    about: ") == 13
