"""`leads kept`: what was kept aside is listed, shown, taken up once, and not answered as fresh when it is old."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, select, text

from app import create_app
from channels.sms.quarantine import keep
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Location, WebhookEvent
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.settings import Settings
from scheduler.hooks import process_webhook
from scheduler.jobs import JOBS, tick
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.inbound_help import TOKEN, Site, events, mail, post, serving, settings
from tests.integration.sms_help import ACCOUNT, form
from tests.integration.sms_help import post as post_text
from tests.runtimes import runtime_for
from tests.standins.sendgrid import SendGridStandIn, compose

Run = Callable[..., Result]
ELSEWHERE = "leads@new.example"


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr("cli.kept.clock_of", lambda settings: clock)
    monkeypatch.setenv("SENDGRID_INBOUND_TOKEN", TOKEN)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    yield from running(test_database, clock, monkeypatch)


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, twilio_account_sid=ACCOUNT) as made:
        yield made


@pytest.fixture
def site(db: Database, queue: WakeQueue, clock: FixedClock) -> Iterator[Site]:
    with serving(db, queue, clock) as made:
        yield made


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn() as standin:
        yield standin


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    """What `leads kept --json` says."""
    result = run("kept", "--json", *options)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.output)
    return found


def move_mailbox(owner_engine: Engine, world: World, mailbox: str = ELSEWHERE) -> None:
    with owner_engine.begin() as connection:
        connection.execute(
            text("update locations set mailbox = :mailbox where id = :id"),
            {"mailbox": mailbox, "id": world.north.location_id},
        )


def work_off(runtime: Runtime, world: World) -> list[str]:
    """Let the worker process what is owed of the north's webhooks."""
    with runtime.db.tenant(world.north.tenant_id) as session:
        ids = session.scalars(select(WebhookEvent.id).where(WebhookEvent.status == "received")).all()
    return [process_webhook(runtime, world.north.tenant_id, str(one)) for one in ids]


def messages(runtime: Runtime, world: World) -> list[ChatMessage]:
    with runtime.db.tenant(world.north.tenant_id) as session:
        statement = select(ChatMessage).where(ChatMessage.direction == "in").order_by(ChatMessage.id)
        return list(session.scalars(statement))


def test_a_mail_to_a_new_mailbox_is_taken_up_once(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine
) -> None:
    assert run("kept").output == "Nothing is kept.\n"
    post(sendgrid, site, compose("New <new@example.org>", ELSEWHERE, "Tint", "How much?\x1b[31m"), ELSEWHERE)
    (row,) = listed(run)
    assert (row["tenant"], row["status"], row["why"]) == (
        None,
        "quarantined",
        "no location owns the mailbox this was sent to",
    )
    shown = run("kept", "show", row["id"][:8])
    assert "New <new@example.org>" in shown.output
    assert "How much?" in shown.output
    assert "\x1b" not in shown.output
    assert ELSEWHERE in refused(run, "kept", "replay", row["id"])
    move_mailbox(owner_engine, world)
    done = run("kept", "replay", row["id"][:8])
    assert done.exit_code == 0, done.output
    assert "goes to north" in done.output
    assert "nothing kept" in refused(run, "kept", "replay", row["id"])
    assert listed(run) == []
    assert [one[1:3] for one in events(owner_engine)] == [(world.north.tenant_id, "received")]
    assert work_off(runtime, world) == ["processed"]
    (message,) = messages(runtime, world)
    assert (message.body[:9], message.from_address) == ("How much?", "new@example.org")
    with runtime.db.tenant(world.north.tenant_id) as session:
        assert session.get_one(ChatSession, message.session_id).answer_due_at is not None


def test_the_sweeper_finds_what_was_taken_up(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    post(sendgrid, site, mail(), ELSEWHERE)
    move_mailbox(owner_engine, world)
    run("kept", "replay", listed(run)[0]["id"])
    monkeypatch.setattr("scheduler.jobs.get_runtime", lambda: runtime)
    tick()
    due = [job for job in runtime.queue.take_due(runtime.clock.now()) if job[0] == "webhook"]
    assert [JOBS["webhook"](runtime, tenant, row) for _, tenant, row in due] == ["processed"]


@pytest.mark.parametrize(("hours", "answered"), [(11, True), (13, False)])
def test_what_is_old_is_not_answered_as_new(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine,
    clock: FixedClock, hours: int, answered: bool,
) -> None:  # fmt: skip
    came = clock.now()
    post(sendgrid, site, compose("new@example.org", ELSEWHERE, "Tint", "Tomorrow at nine?"), ELSEWHERE)
    clock.advance(timedelta(hours=hours))
    move_mailbox(owner_engine, world)
    run("kept", "replay", listed(run)[0]["id"])
    assert work_off(runtime, world) == ["processed"]
    (message,) = messages(runtime, world)
    assert (message.received_at, message.kind) == (came, "inbound")
    with runtime.db.tenant(world.north.tenant_id) as session:
        due = session.get_one(ChatSession, message.session_id).answer_due_at
        notices = session.scalars(select(ChatMessage.body).where(ChatMessage.kind == "notice")).all()
    assert (due is not None) is answered
    assert bool(notices) is not answered


def test_a_mail_with_a_wrong_signature_waits_for_the_key_or_for_a_person(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with SendGridStandIn() as other:
        stale = other.public_key
    site.deps.settings = settings(sendgrid_inbound_keys=[stale])
    monkeypatch.setenv("SENDGRID_INBOUND_KEYS", stale)
    post(sendgrid, site, mail("first"))
    post(sendgrid, site, mail("second"), sign="wrong")
    first, second = sorted(listed(run), key=lambda row: "first" not in run("kept", "show", row["id"]).output)
    assert "mend the key" in refused(run, "kept", "replay", first["id"])
    monkeypatch.setenv("SENDGRID_INBOUND_KEYS", sendgrid.public_key)
    assert run("kept", "replay", first["id"]).exit_code == 0
    assert "--trust" in refused(run, "kept", "replay", second["id"])
    assert run("kept", "replay", second["id"], "--trust").exit_code == 0
    assert work_off(runtime, world) == ["processed"] * 2
    assert sorted(message.body for message in messages(runtime, world)) == ["first", "second"]


def test_what_came_by_one_businesss_path_never_goes_to_another(
    run: Run, db: Database, world: World, clock: FixedClock
) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n{"to": ["shop@south.example"]}\r\n--x--\r\n'
    row = {
        "id": uuid.uuid4(), "tenant_id": world.north.tenant_id, "source": "sendgrid_inbound", "dedupe_key": "k", "headers": {},
        "content_type": "multipart/form-data; boundary=x", "body": body, "status": "quarantined", "received_at": clock.now(),
    }  # fmt: skip
    with db.tenant(world.north.tenant_id) as session:
        session.add(WebhookEvent(**row))
    assert "no location owns shop@south.example" in refused(run, "kept", "replay", str(row["id"]))
    assert [one["tenant"] for one in listed(run, "--tenant", "south")] == []
    strange = (
        f"MessageSid=SM7&AccountSid={ACCOUNT}&From=%2B13125550188&To=%2B{world.south.phone[1:]}".encode()
    )
    keep(
        db, sid="SM7", body=strange, why="no", now=clock.now() + timedelta(1), tenant_id=world.north.tenant_id
    )
    assert "belongs to another one" in refused(run, "kept", "replay", listed(run)[0]["id"])
    assert run("kept", "drop", listed(run)[0]["id"], "--yes").exit_code == 0
    assert [one["tenant"] for one in listed(run, "--tenant", "north")] == ["north"]


def test_a_text_to_a_new_number_is_taken_up(
    run: Run, runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    web = create_app(runtime).test_client()
    assert (
        post_text(web, form(world, "Do you tint trucks? STOPPING by", To="+13125550555")).status_code == 200
    )
    (row,) = listed(run)
    assert row["source"] == "twilio_sms"
    assert "Do you tint trucks?" in run("kept", "show", row["id"]).output
    assert "+13125550555" in refused(run, "kept", "replay", row["id"])
    with owner_engine.begin() as connection:
        connection.execute(
            text("update locations set phone = '+13125550555' where id = :id"),
            {"id": world.north.location_id},
        )
    clock.advance(timedelta(minutes=30))
    assert run("kept", "replay", row["id"]).exit_code == 0
    assert work_off(runtime, world) == ["processed"]
    (message,) = messages(runtime, world)
    assert (message.body, message.from_address) == ("Do you tint trucks? STOPPING by", CUSTOMER_PHONE)
    assert message.received_at == clock.now() - timedelta(minutes=30)


def test_a_text_of_a_short_code_or_a_strange_account_stays_aside(
    run: Run, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    web = create_app(runtime).test_client()
    assert post_text(web, form(world, "Your code is 1", From="22000")).status_code == 200
    (row,) = listed(run)
    assert run("kept", "replay", row["id"]).exit_code == 0
    assert work_off(runtime, world) == ["quarantined"]
    assert listed(run)[0]["id"] == row["id"]
    body = (
        b"MessageSid=SM9&AccountSid=AC9&From=%2B13125550188&To="
        + world.north.phone.replace("+", "%2B").encode()
    )
    keep(runtime.db, sid="SM9", body=body, why="signed by another", now=clock.now(), tenant_id=None)
    strange = next(one for one in listed(run) if one["why"] == "signed by another")
    assert "--trust" in refused(run, "kept", "replay", strange["id"])


def test_what_broke_while_it_was_processed_is_listed_and_tried_again(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine
) -> None:
    post(sendgrid, site, mail("Tuesday"))
    with owner_engine.begin() as connection:
        connection.execute(text("update webhook_events set status = 'failed', tries = 10, note = 'OSError'"))
    (row,) = listed(run)
    assert (row["status"], row["why"], row["tenant"]) == ("failed", "OSError", "north")
    assert run("kept", "replay", row["id"]).exit_code == 0
    assert work_off(runtime, world) == ["processed"]
    assert [message.body for message in messages(runtime, world)] == ["Tuesday"]


def test_dropping_and_saving(
    run: Run, site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, tmp_path: Path
) -> None:
    post(sendgrid, site, mail(), ELSEWHERE)
    (row,) = listed(run)
    target = tmp_path / "post.bin"
    assert run("kept", "show", row["id"], "--save", str(target)).exit_code == 0
    assert target.stat().st_size == events(owner_engine)[0][4]
    assert run("kept", "drop", row["id"]).exit_code != 0
    assert len(listed(run)) == 1
    assert run("kept", "drop", row["id"], "--yes").exit_code == 0
    assert events(owner_engine) == []
    assert "nothing kept" in refused(run, "kept", "drop", row["id"], "--yes")
    assert "is no id" in refused(run, "kept", "show", "x'; drop")
    assert "is no id" in refused(run, "kept", "show", "ab")


def test_processed_events_are_out_of_reach(
    run: Run, site: Site, sendgrid: SendGridStandIn, runtime: Runtime, world: World, owner_engine: Engine
) -> None:
    post(sendgrid, site, mail())
    event_id = str(events(owner_engine)[0][0])
    assert "nothing kept" in refused(run, "kept", "show", event_id)
    work_off(runtime, world)
    assert "nothing kept" in refused(run, "kept", "replay", event_id)
    with runtime.db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).mailbox == "shop@north.example"
    assert isinstance(runtime.settings, Settings)
