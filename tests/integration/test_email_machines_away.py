"""Somebody is away: their touches wait, all by the same days, and nothing moves twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from channels.email.automatic_effects import take
from channels.email.mail import Automatic
from crm.db import Database
from crm.models import ChatSession, TouchPoint
from crm.touches import FOLLOW_UP, postpone
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.machine_help import (
    CHICAGO,
    TRAVELS,
    Line,
    automatic,
    away,
    cadence,
    line,
    spacing,
    touches,
)
from tests.integration.talking import change, plan_touch, rows

__all__ = ["line"]


def test_an_absence_moves_every_touch_by_the_same_days(line: Line, db: Database, clock: FixedClock) -> None:
    before = cadence(db, line.north, clock.now())
    line.hear(away("I'm out until Monday, call my cell 312-555-0142", clock.now()))
    after = touches(db, line.north)
    days = (after[0].due_at.astimezone(CHICAGO).date() - before[0].due_at.astimezone(CHICAGO).date()).days
    assert after[0].due_at.astimezone(CHICAGO).date() == date(2026, 12, 1)
    assert days == 8
    assert spacing(after) == spacing(before)
    assert [touch.step for touch in after] == [touch.step for touch in before]
    for touch in after:
        assert touch.local_time == f"{touch.due_at.astimezone(CHICAGO):%Y-%m-%d %H:%M} America/Chicago"
        assert touch.reason == "the customer is away until Mon, Nov 30"
    (message,) = automatic(db, line.north)
    with db.tenant(line.north.tenant_id) as session:
        (shown,) = read_transcript(session, line.north.lead_id)
    assert (shown.kind, "call my cell 312-555-0142" in shown.body) == ("automatic", True)
    assert (message.raw or {})["until"] == "2026-11-30"
    line.hear(
        away("I'm out until Monday, call my cell 312-555-0142", clock.now(), message_id="<again@example.com>")
    )
    assert [touch.due_at for touch in touches(db, line.north)] == [touch.due_at for touch in after]


def test_without_a_date_touches_wait_the_tenants_days(line: Line, db: Database, clock: FixedClock) -> None:
    change(db, line.north, "update tenants set settings = '{\"away_days\": 3}'")
    cadence(db, line.north, clock.now())
    line.hear(away(TRAVELS, clock.now()))
    first = touches(db, line.north)[0]
    assert first.due_at.astimezone(CHICAGO).date() == date(2026, 11, 26)
    assert first.reason == "the customer is away and did not say until when"


def test_taken_twice_it_moves_once(line: Line, db: Database, clock: FixedClock) -> None:
    cadence(db, line.north, clock.now())
    line.hear(away(TRAVELS, clock.now()))
    moved = [touch.due_at for touch in touches(db, line.north)]
    (message,) = automatic(db, line.north)
    with db.tenant(line.north.tenant_id) as session:
        chat = session.get_one(ChatSession, line.north.session_id)
        found = Automatic("out_of_office", "subject")
        take(session, chat, message.id, found, clock.now() + timedelta(days=1))
    assert [touch.due_at for touch in touches(db, line.north)] == moved


def test_what_is_not_the_cadences_stays(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    asked_for, paused = plan_touch(db, shop, clock.now()), plan_touch(db, shop, clock.now())
    change(db, shop, "update touch_points set plan = :plan where id = :id", plan=FOLLOW_UP, id=asked_for)
    change(db, shop, "update touch_points set status = 'paused' where id = :id", id=paused)
    before = {touch.id: touch.due_at for touch in rows(db, shop, TouchPoint)}
    with db.tenant(shop.tenant_id) as session:
        moved = postpone(
            session, shop.lead_id, after=date(2026, 12, 24), timezone="America/Chicago", reason="away"
        )
    assert moved == 0
    assert {touch.id: touch.due_at for touch in rows(db, shop, TouchPoint)} == before


def test_a_claimed_touch_moves_and_over_summer_time_the_hour_stays(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    touch_id = plan_touch(db, shop, clock.now())
    due = datetime(2027, 3, 10, 16, tzinfo=UTC)  # Ten in the morning; summer time begins on the 14th.
    change(
        db, shop,
        "update touch_points set due_at = :due, status = 'claimed', claimed_until = :due, claim_token = gen_random_uuid()"
        " where id = :id", due=due, id=touch_id,
    )  # fmt: skip
    with db.tenant(shop.tenant_id) as session:
        assert (
            postpone(
                session, shop.lead_id, after=date(2027, 3, 20), timezone="America/Chicago", reason="away"
            )
            == 11
        )
    (touch,) = rows(db, shop, TouchPoint)
    assert (touch.status, touch.claim_token, touch.claimed_until) == ("planned", None, None)
    assert touch.local_time == "2027-03-21 10:00 America/Chicago"
    assert touch.due_at == datetime(2027, 3, 21, 15, tzinfo=UTC)
