"""Touches as rows: started once, written once, and never after a reply, a booking or a stop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from channels.templates import TemplateFailed
from crm.consent_policy import EVERYBODY
from crm.consents import record_consent
from crm.db import Database
from crm.models import (
    Appointment,
    TouchPoint,
)
from crm.touches import halt_touches
from ops.clock import FixedClock
from scheduler import touch_text
from scheduler.dispatch import write_touch
from tests.conftest import World
from tests.integration.cadence_rows import change, consent, messages, start, touch


def test_a_cadence_starts_once(db: Database, world: World, clock: FixedClock) -> None:
    first = start(db, world.north, clock.now())
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: start(db, world.north, clock.now(), grant=False), range(4)))
    assert again == [first] * 4
    assert len(first) == 13
    assert touch(db, world.north, first[0]).due_at == clock.now()
    assert {touch(db, world.north, each).status for each in first} == {"planned"}
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalars(select(TouchPoint)).all() == [], "the stranger sees nothing"


def test_a_new_run_follows_a_finished_one(db: Database, world: World, clock: FixedClock) -> None:
    start(db, world.north, clock.now())
    with db.tenant(world.north.tenant_id) as session:
        halt_touches(session, world.north.lead_id, "ended", "over")
    second = start(db, world.north, clock.now())
    assert touch(db, world.north, second[0]).cadence_run == 2


def test_texts_need_a_grant_unless_the_shop_says_otherwise(
    db: Database, world: World, clock: FixedClock
) -> None:
    without = touch(db, world.north, start(db, world.north, clock.now(), grant=False)[0])
    assert (without.channel, without.reason) == ("email", "no consent to texts: by email instead")
    change(db, world.south, 'update tenants set settings = \'{"text_consent": "assumed"}\'')
    groundless = touch(db, world.south, start(db, world.south, clock.now(), grant=False)[0])
    assert groundless.channel == "email", "an assumption without a stated ground is none"
    with db.tenant(world.south.tenant_id) as session:
        halt_touches(session, world.south.lead_id, "ended", "over")
        record_consent(
            session, tenant_id=world.south.tenant_id, channel="sms", address=EVERYBODY, action="grant", actor="shop",
            source="stated by Sam", evidence="The form has a box for texts.", effective_at=clock.now(),
        )  # fmt: skip
    assumed = touch(db, world.south, start(db, world.south, clock.now(), grant=False)[0])
    assert (assumed.channel, assumed.reason) == ("sms", None)


def test_who_wrote_first_is_not_greeted(db: Database, world: World, clock: FixedClock) -> None:
    change(db, world.north, "update leads set source = 'text'")
    change(
        db, world.north, "update chat_sessions set last_inbound_id = 1, last_inbound_at = :at", at=clock.now()
    )
    ids = start(db, world.north, clock.now(), grant=False)
    assert [touch(db, world.north, each).status for each in ids] == ["skipped"] * 3 + ["planned"] * 10
    assert touch(db, world.north, ids[3]).channel == "sms", "a text of their own is the consent"


def test_two_workers_write_one_message(db: Database, world: World, clock: FixedClock) -> None:
    first = start(db, world.north, clock.now())[0]
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_touch(db, world.north.tenant_id, first, clock), range(8)))
    found = messages(db, world.north)
    assert [each for each in written if each is not None] == [message.id for message in found]
    assert len(found) == 1
    message, row = found[0], touch(db, world.north, first)
    assert (message.kind, message.status, message.channel) == ("touch", "pending", "sms")
    assert message.dedupe_key == f"touch:{first}"
    assert message.outbox_id is not None
    assert message.send_after == clock.now()
    assert message.expires_at == clock.now() + timedelta(days=1), "a first touch is held by nobody at nine"
    assert (row.status, row.message_id, row.claim_token) == ("written", message.id, None)
    assert "North Tint" in message.body
    assert write_touch(db, world.north.tenant_id, first, clock) is None


def test_a_stranger_and_an_early_worker_write_nothing(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    assert write_touch(db, world.south.tenant_id, ids[0], clock) is None
    assert write_touch(db, world.north.tenant_id, ids[3], clock) is None
    assert messages(db, world.north) == []
    assert touch(db, world.north, ids[3]).status == "planned"


def test_a_dead_workers_claim_runs_out(db: Database, world: World, clock: FixedClock) -> None:
    first = start(db, world.north, clock.now())[0]
    change(
        db, world.north, "update touch_points set status = 'claimed', claimed_until = :until where id = :id",
        until=clock.now() + timedelta(seconds=60), id=first,
    )  # fmt: skip
    assert write_touch(db, world.north.tenant_id, first, clock) is None
    clock.advance(timedelta(seconds=61))
    assert write_touch(db, world.north.tenant_id, first, clock) is not None


@pytest.mark.parametrize(
    ("statement", "status", "reason"),
    [
        ("update chat_sessions set last_inbound_id = 1, last_inbound_at = :now where id = :session", "paused",
         "the customer replied"),
        ("update chat_sessions set state = 'human' where id = :session", "paused",
         "a person has taken over the conversation"),
        ("update leads set status = 'opted_out' where id = :lead", "ended", "the customer said stop"),
        ("update leads set status = 'booked' where id = :lead", "ended", "the customer booked"),
        ("update leads set status = 'lost' where id = :lead", "ended", "the lead is lost"),
    ],
)  # fmt: skip
def test_what_stops_the_whole_cadence(
    db: Database, world: World, clock: FixedClock, statement: str, status: str, reason: str
) -> None:
    ids = start(db, world.north, clock.now())
    clock.advance(timedelta(seconds=5))
    change(db, world.north, statement, now=clock.now())
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is None
    rows = [touch(db, world.north, each) for each in ids]
    assert {(row.status, row.reason) for row in rows} == {(status, reason)}
    assert messages(db, world.north) == []


@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_stop_on_either_channel_ends_it(
    db: Database, world: World, clock: FixedClock, channel: str
) -> None:
    ids = start(db, world.north, clock.now())
    consent(db, world.north, "revoke", clock.now(), channel)
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is None
    assert {touch(db, world.north, each).status for each in ids} == {"ended"}
    south = start(db, world.south, clock.now())
    assert write_touch(db, world.south.tenant_id, south[0], clock) is not None, (
        "the other business is not meant"
    )


def test_an_appointment_ends_it(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=world.north.tenant_id,
                location_id=world.north.location_id,
                bay_id=world.north.bay_ids[0],
                lead_id=world.north.lead_id,
                service_ids=[],
                starts_at=clock.now() + timedelta(days=1),
                ends_at=clock.now() + timedelta(days=1, hours=2),
                source="shop",
            )
        )
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is None
    assert touch(db, world.north, ids[12]).status == "ended"


@pytest.mark.parametrize(
    ("step", "late", "written"), [(1, 23, True), (1, 25, False), (4, 5, True), (4, 7, False)]
)
def test_late_work_is_skipped_and_says_so(
    db: Database, world: World, clock: FixedClock, step: int, late: int, written: bool
) -> None:
    ids = start(db, world.north, clock.now())
    change(db, world.north, "update touch_points set status = 'skipped' where step <> :step", step=step)
    clock.moment = touch(db, world.north, ids[step - 1]).due_at + timedelta(hours=late)
    assert (write_touch(db, world.north.tenant_id, ids[step - 1], clock) is not None) == written
    row = touch(db, world.north, ids[step - 1])
    assert row.status == ("written" if written else "skipped")
    if not written:
        assert row.reason == f"too late: {late} h after its time"


@pytest.mark.parametrize("order", [1, -1])
def test_downtime_on_the_first_day_is_no_burst(
    db: Database, world: World, clock: FixedClock, order: int
) -> None:
    ids = start(db, world.north, clock.now())
    clock.advance(timedelta(hours=5, minutes=30))
    due = [each for each in ids if touch(db, world.north, each).due_at <= clock.now()]
    assert len(due) == 3
    written = [write_touch(db, world.north.tenant_id, each, clock) for each in due[::order]]
    assert sum(each is not None for each in written) == 1
    rows = [touch(db, world.north, each) for each in ids]
    assert [row.status for row in rows] == ["written"] + ["planned"] * 12
    assert all(row.due_at > clock.now() for row in rows[1:]), (
        "the rest keeps its distance to the introduction"
    )


def test_downtime_later_leaves_the_newest(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    change(db, world.north, "update touch_points set status = 'skipped' where step < 4")
    change(db, world.north, "update touch_points set due_at = :at where step in (4, 5, 6)", at=clock.now())
    written = [write_touch(db, world.north.tenant_id, each, clock) for each in ids[3:5]]
    assert written == [None, None]
    assert touch(db, world.north, ids[3]).reason == "step 6 is due as well: one message is enough"
    clock.advance(timedelta(hours=2))
    assert write_touch(db, world.north.tenant_id, ids[5], clock) is not None


def test_an_address_that_is_gone_moves_the_touch(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    change(db, world.north, "update leads set phone_bad_since = :now where id = :lead", now=clock.now())
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is not None
    message = messages(db, world.north)[0]
    assert (message.channel, message.to_address) == ("email", "dana@example.com")
    assert 'reply "unsubscribe"' in message.body
    assert "Chicago, IL 60614" in message.body
    change(db, world.north, "update chat_messages set status = 'sent', sent_at = :now", now=clock.now())
    clock.moment = touch(db, world.north, ids[1]).due_at
    assert write_touch(db, world.north.tenant_id, ids[1], clock) is None
    assert touch(db, world.north, ids[1]).reason == "too soon after the email before it"


def test_a_template_that_fails_is_skipped_and_another_error_is_parked(
    db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = start(db, world.north, clock.now())

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    def failing(*_: object, **__: object) -> None:
        raise TemplateFailed("the template cannot be filled in")

    monkeypatch.setattr(touch_text, "render", broken)
    with pytest.raises(RuntimeError):
        write_touch(db, world.north.tenant_id, ids[0], clock)
    assert touch(db, world.north, ids[0]).claimed_until == clock.now() + timedelta(hours=1)
    clock.advance(timedelta(hours=1, seconds=1))
    monkeypatch.setattr(touch_text, "render", failing)
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is None
    assert touch(db, world.north, ids[0]).reason == "the template cannot be filled in"
    (told,) = messages(db, world.north)
    assert (told.kind, told.touch_point_id) == ("notice", None)
    assert told.body.startswith("Step 1 of the plan default cannot be written and is left out: the template")
    change(db, world.north, "update touch_points set status = 'planned', claim_token = null where step = 1")
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is None
    assert len(messages(db, world.north)) == 1, "once for each version of a step"
