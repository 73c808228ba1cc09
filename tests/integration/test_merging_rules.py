"""Of two leads that become one: which stop, which state, which cadence and which promised date counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm.consents import record_consent, standing
from crm.db import Database
from crm.follow_ups import plan_follow_up
from crm.models import ChatMessage, Lead, TouchPoint
from ops.clock import FixedClock
from scheduler.touches import start_cadence
from tests.conftest import CUSTOMER_PHONE, Shop, World
from tests.integration.people_help import (
    OTHER_PHONE,
    another_lead,
    chat,
    lead,
    merge,
)
from tests.integration.talking import agree, change, put, rows


@pytest.mark.parametrize("stopped", ["mine", "theirs"])
@pytest.mark.parametrize("scope", ["all", "marketing"])
def test_a_stop_of_either_closes_both(
    db: Database, world: World, clock: FixedClock, stopped: str, scope: Any
) -> None:
    shop = world.north
    other = another_lead(db, shop)
    address, free = (CUSTOMER_PHONE, OTHER_PHONE) if stopped == "mine" else (OTHER_PHONE, CUSTOMER_PHONE)
    with db.tenant(shop.tenant_id) as session:
        for channel, name, action in (("sms", free, "grant"), ("sms", address, "revoke")):
            record_consent(
                session, tenant_id=shop.tenant_id, channel=channel, address=name,  # type: ignore[arg-type]
                action=action, actor="customer", source="wrote by sms", evidence="STOP",  # type: ignore[arg-type]
                effective_at=clock.now(), scope=scope,
            )  # fmt: skip
    merge(db, shop, other, clock.now())
    with db.tenant(shop.tenant_id) as session:
        for name in (CUSTOMER_PHONE, OTHER_PHONE):
            found = standing(session, shop.tenant_id, "sms", name).revocation("marketing")
            assert found is not None, name
            assert (found.scope, found.actor, found.evidence) == (scope, "customer", "STOP")
            assert (standing(session, shop.tenant_id, "sms", name).stop is not None) == (scope == "all")


def test_a_stop_of_the_person_makes_the_lead_opted_out(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    one = another_lead(db, shop)
    two = another_lead(db, shop, phone="+13125550156")
    change(db, two, "update leads set status = 'opted_out' where id = :lead")
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session, tenant_id=shop.tenant_id, channel="sms", address="+13125550156", action="revoke",
            actor="carrier", source="21610", evidence="", effective_at=clock.now(),
        )  # fmt: skip
    merge(db, one, two, clock.now())
    assert lead(db, shop, one.lead_id).status == "opted_out"


@pytest.mark.parametrize(
    ("mine", "theirs", "after"),
    [("new", "engaged", "engaged"), ("lost", "new", "new"), ("booked", "human", "human"), ("won", "quoted", "won"),
     ("engaged", "booked", "booked"), ("unreachable", "lost", "unreachable"), ("engaged", "opted_out", "engaged")],
)  # fmt: skip
def test_the_state_that_counts_more_stays(
    db: Database, world: World, clock: FixedClock, mine: str, theirs: str, after: str
) -> None:
    shop = world.north
    other = another_lead(db, shop)
    change(db, shop, "update leads set status = :to where id = :lead", to=mine)
    change(db, other, "update leads set status = :to where id = :lead", to=theirs)
    merge(db, shop, other, clock.now())
    assert lead(db, shop, shop.lead_id).status == after


def begin(db: Database, shop: Shop, clock: FixedClock) -> None:
    agree(db, shop, clock.now(), address=lead(db, shop, shop.lead_id).phone or "")
    with db.tenant(shop.tenant_id) as session:
        person = session.get_one(Lead, shop.lead_id)
        start_cadence(session, person, chat(db, shop, shop.session_id), now=clock.now())


def test_one_cadence_goes_on(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    begin(db, shop, clock)
    begin(db, other, clock)
    merged = merge(db, shop, other, clock.now())
    touches = rows(db, shop, TouchPoint)
    assert {touch.lead_id for touch in touches} == {shop.lead_id}
    assert {touch.session_id for touch in touches} == {shop.session_id}
    by_run = {run: {t.status for t in touches if t.cadence_run == run} for run in (1, 2)}
    assert "planned" in by_run[1]
    assert by_run[2] <= {"ended", "skipped"}
    ended = [touch for touch in touches if touch.status == "ended"]
    assert ended
    assert all("one person" in (touch.reason or "") for touch in ended)
    assert any("cadence" in note for note in merged.notes)


def test_the_only_cadence_is_taken_over(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    other = another_lead(db, shop)
    begin(db, other, clock)
    merge(db, shop, other, clock.now())
    assert "planned" in {touch.status for touch in rows(db, shop, TouchPoint)}


def test_a_named_date_ends_every_cadence_and_the_last_one_counts(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    other = another_lead(db, shop)
    for one, day in ((shop, 1), (other, 2)):
        with db.tenant(shop.tenant_id) as session:
            plan_follow_up(
                session, session.get_one(Lead, one.lead_id), chat(db, one, one.session_id),
                day=(clock.now() + timedelta(days=day)).date(), note=f"note {day}", channel="sms",
                timezone="America/Chicago", now=clock.now() + timedelta(minutes=day),
            )  # fmt: skip
    begin(db, shop, clock)
    merge(db, shop, other, clock.now())
    still = [touch for touch in rows(db, shop, TouchPoint) if touch.status == "planned"]
    assert [touch.note for touch in still] == ["note 2"]


def test_what_the_ended_cadence_has_in_the_outbox_does_not_go(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    other = another_lead(db, shop)
    begin(db, shop, clock)
    begin(db, other, clock)
    kept = {}
    for one in (shop, other):
        touch = rows(db, one, TouchPoint, TouchPoint.lead_id == one.lead_id)[0]
        kept[one.lead_id] = put(db, one, clock.now(), kind="touch", touch_point_id=touch.id)
        change(
            db, one, "update touch_points set status = 'written', message_id = :message where id = :touch",
            message=kept[one.lead_id], touch=touch.id,
        )  # fmt: skip
    merge(db, shop, other, clock.now())
    status = {row.id: row.status for row in rows(db, shop, ChatMessage)}
    assert (status[kept[shop.lead_id]], status[kept[other.lead_id]]) == ("pending", "dropped")
