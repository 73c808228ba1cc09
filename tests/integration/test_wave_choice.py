"""Whom a wave writes to: every reason against it, and the newest consent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.consents import record_consent
from crm.db import Database
from crm.models import Appointment, ChatSession, Lead, LeadRequest, Location, TouchPoint
from crm.tenants import TenantSettings
from crm.waves import WaveFilter
from ops.clock import FixedClock
from scheduler.wave_choice import Wanted, count_all, judge
from tests.conftest import Shop, World
from tests.integration.results_help import past_touch, stop, word
from tests.integration.wave_help import begin, old_lead

DAY = timedelta(days=1)
Change = Callable[[Session, Shop, Lead, ChatSession, datetime], None]


def wanted(shop: Shop, settings: TenantSettings | None = None, **chosen: Any) -> Wanted:
    return Wanted(shop.tenant_id, WaveFilter(**chosen), None, None, settings or TenantSettings())


def appointment(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    s.add(
        Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=lead.id,
            service_ids=[], starts_at=now + DAY, ends_at=now + 2 * DAY, source="shop",
        )
    )  # fmt: skip


def a_status(status: str) -> Change:
    def change(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
        lead.status = status

    return change


def a_touch(status: str, reason: str | None = None, resume: bool = False) -> Change:
    def change(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
        touch = past_touch(s, chat, now - 150 * DAY, status=status, reason=reason)
        touch.resume_at = now + DAY if resume else None

    return change


def human(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    chat.state = "human"


def forgotten(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    lead.erased_at = now


def merged(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    lead.merged_into_id = shop.lead_id


def wrote(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    message = word(s, chat, now - 80 * DAY)
    chat.last_inbound_id, chat.last_inbound_at = message.id, now - 80 * DAY


def said_stop(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    stop(s, chat, now - 150 * DAY)
    record_consent(
        s, tenant_id=shop.tenant_id, channel="email", address=str(lead.email), action="revoke", actor="customer",
        source="wrote by sms", evidence="STOP", effective_at=now - 150 * DAY, lead_id=lead.id,
    )  # fmt: skip


def bad_addresses(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    lead.phone_bad_since = lead.email_bad_since = now


def nothing(s: Session, shop: Shop, lead: Lead, chat: ChatSession, now: datetime) -> None:
    """As it is."""


CASES: list[tuple[str, Change, str | None]] = [
    ("as it is", nothing, None),
    ("never closed", a_status("new"), None),
    ("booked", a_status("booked"), "the lead is booked"),
    ("won is not the usual", a_status("won"), "the lead is won"),
    ("a person by state", a_status("human"), "a person has the conversation"),
    ("a person", human, "a person has the conversation"),
    ("forgotten", forgotten, "the person was forgotten"),
    ("merged", merged, "merged with another lead"),
    ("wrote lately", wrote, "heard from within 90 days"),
    ("appointment", appointment, "has an appointment"),
    ("planned", a_touch("planned"), "a cadence or a conversation goes on"),
    ("claimed", a_touch("claimed"), "a cadence or a conversation goes on"),
    ("waits for silence", a_touch("paused", "the customer replied", True), "a cadence or a conversation goes on"),
    ("paused by name", a_touch("paused", "paused by Sam"), "a cadence or a conversation goes on"),
    ("paused long ago by a reply", a_touch("paused", "the customer replied"), None),
    ("over", a_touch("written"), None),
    ("stop", said_stop, "said stop"),
    ("bad addresses", bad_addresses, "no address that works, or no consent for it"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), [pytest.param(c, r, id=n) for n, c, r in CASES])
def test_each_reason(
    db: Database, world: World, clock: FixedClock, change: Change, reason: str | None
) -> None:
    shop, now = world.north, clock.now()
    with db.tenant(shop.tenant_id) as s:
        lead, chat = old_lead(s, shop, now)
        change(s, shop, lead, chat, now)
        s.flush()
        (found,) = judge(s, wanted(shop), [lead], now)
        assert found.reason == reason


@pytest.mark.parametrize(
    ("asked", "granted", "email", "reason"),
    [
        (200, 200, True, None),
        (539, None, True, None),
        (541, None, True, "consent and last word are older than 540 days"),
        (541, 539, True, None),
        (600, 541, True, "consent and last word are older than 540 days"),
        (600, 541, False, "consent and last word are older than 540 days"),
        (541, 100, False, None),
        (200, None, False, "no address that works, or no consent for it"),
    ],
)
def test_consent_that_is_too_old(
    db: Database,
    world: World,
    clock: FixedClock,
    asked: int,
    granted: int | None,
    email: bool,
    reason: str | None,
) -> None:
    shop, now = world.north, clock.now()
    with db.tenant(shop.tenant_id) as s:
        lead, _ = old_lead(
            s, shop, now, asked=asked * DAY, granted=None if granted is None else granted * DAY
        )
        if not email:
            lead.email = None
        s.flush()
        (found,) = judge(s, wanted(shop), [lead], now)
        assert found.reason == reason
        (younger,) = judge(s, wanted(shop, TenantSettings(wave_consent_days=100)), [lead], now)
        assert younger.reason is not None or (granted or 999) <= 100


def test_mail_needs_a_postal_address(db: Database, world: World, clock: FixedClock) -> None:
    shop, now = world.north, clock.now()
    with db.tenant(shop.tenant_id) as s:
        lead, _ = old_lead(s, shop, now, granted=None)
        s.get_one(Location, shop.location_id).address = ""
        s.flush()
        (found,) = judge(s, wanted(shop), [lead], now)
    assert found.reason == "the shop has no postal address, which such mail must name"


def test_the_filter(db: Database, world: World, clock: FixedClock) -> None:
    shop, now = world.north, clock.now()
    with db.tenant(shop.tenant_id) as s:
        lead, _ = old_lead(s, shop, now, status="won", asked=100 * DAY)

        def say(**chosen: Any) -> str | None:
            return judge(s, wanted(shop, **chosen), [lead], now)[0].reason

        assert say(statuses=("won",)) is None
        assert say(statuses=("won",), sources=("test",)) is None
        assert say(statuses=("won",), sources=("csv",)) == "came from test"
        assert say(statuses=("won",), older_than_days=99) is None
        assert say(statuses=("won",), older_than_days=101) == "heard from within 101 days"


def test_nobody_gets_two_waves_in_a_row(db: Database, world: World, clock: FixedClock) -> None:
    shop, now = world.north, clock.now()
    one = begin(db, shop, now - 200 * DAY)
    with db.tenant(shop.tenant_id) as s:
        lead, chat = old_lead(s, shop, now, asked=400 * DAY)
        touch = past_touch(s, chat, now - 100 * DAY)
        touch.wave_id = one
        s.flush()
        assert judge(s, wanted(shop), [lead], now)[0].reason == "was in a wave within 180 days"
        assert judge(s, wanted(shop, TenantSettings(wave_apart_days=99)), [lead], now)[0].reason is None
        touch.created_at = now - 181 * DAY
        s.flush()
        assert judge(s, wanted(shop), [lead], now)[0].reason is None
        mine = Wanted(shop.tenant_id, WaveFilter(), None, one, TenantSettings())
        assert judge(s, mine, [lead], now)[0].reason == "is in this wave already"


def test_all_are_counted_once_over_pages(
    db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.wave_choice.PAGE", 3)
    shop, now = world.north, clock.now()
    with db.tenant(world.south.tenant_id) as s:
        old_lead(s, world.south, now)
    with db.tenant(shop.tenant_id) as s:
        for number in range(8):
            lead, chat = old_lead(s, shop, now, status="booked" if number % 4 == 0 else "lost")
            if number == 5:
                human(s, shop, lead, chat, now)
    with db.tenant(shop.tenant_id) as s:
        counts = count_all(s, wanted(shop), now)
        assert counts == {
            "match": 5, "looked_at": 9,
            "passed": {"the lead is booked": 2, "heard from within 90 days": 1, "a person has the conversation": 1},
        }  # fmt: skip
        assert s.execute(text("select count(*) from touch_points")).scalar_one() == 0
        assert s.execute(text("select count(*) from waves")).scalar_one() == 0


def test_requests_of_a_lead_count_by_the_newest(db: Database, world: World, clock: FixedClock) -> None:
    shop, now = world.north, clock.now()
    with db.tenant(shop.tenant_id) as s:
        lead, _ = old_lead(s, shop, now)
        s.add(
            LeadRequest(
                tenant_id=shop.tenant_id,
                lead_id=lead.id,
                source="test",
                external_id="new",
                made_at=now - 5 * DAY,
            )
        )
        s.flush()
        assert judge(s, wanted(shop), [lead], now)[0].reason == "heard from within 90 days"
        assert s.query(TouchPoint).count() == 0
