"""A visit's messages over the real path: planned when it is made, written with the time it has then, ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from crm.db import Database
from crm.lead_splitting import Part, split_lead
from crm.models import Appointment, ChatMessage, TouchPoint
from crm.models.cadence import CadencePlan
from crm.touches import halt_touches
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.plan import body_of, load_plan
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.back_help import moved, reading_back
from tests.integration.cadence_rows import start
from tests.integration.calendar_help import local
from tests.integration.people_help import another_lead, merge
from tests.integration.talking import change, hear, rows
from tests.integration.visit_help import Visits, visiting

# Two weeks ahead of the clock's Monday, on a Thursday.
THURSDAY = local(3, 14, month=12)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def visits(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Visits]:
    with visiting(test_database, redis_url, clock, world) as made:
        yield made


def test_the_whole_life_of_a_visit(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    assert [(one.kind, one.status, one.template) for one in visits.plans(number)] == [
        ("confirmation", "written", "confirmation"),
        ("reminder", "planned", "reminder_48h"),
        ("reminder", "planned", "reminder_3h"),
    ]
    (said,) = visits.texts()
    assert "your appointment at North Tint is booked: Thu, Dec 3 at 2:00 PM." in said
    visits.at(local(1, 13, 59, month=12))
    assert len(visits.texts()) == 1
    visits.at(local(1, 14, month=12))
    assert (
        "a reminder from North Tint of your appointment: Thu, Dec 3 at 2:00 PM. Reply C" in visits.texts()[1]
    )
    visits.at(local(3, 11, month=12))
    assert "North Tint expects you: Thu, Dec 3 at 2:00 PM." in visits.texts()[2]
    visits.at(THURSDAY)
    assert len(visits.texts()) == 3
    assert all(one.outlives_replies for one in visits.plans(number))
    assert visits.visit(number).remind_due_at is None


def test_a_shop_without_a_booking_owes_nothing(visits: Visits) -> None:
    assert visits.plan() == []
    number = visits.books(THURSDAY)
    assert jobs.JOBS["remind"](visits.runtime, visits.shop.tenant_id, str(number)) == "not due"


def test_paying_the_debt_is_no_change_of_the_appointment(visits: Visits) -> None:
    number = visits.books(THURSDAY, work=False)
    before = visits.visit(number).version
    visits.work()
    assert visits.visit(number).version == before, "who compares the calendar sees another row otherwise"


def test_many_workers_plan_and_write_once(visits: Visits, world: World) -> None:
    number = visits.books(THURSDAY, work=False)
    tenant = visits.shop.tenant_id
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: jobs.JOBS["remind"](visits.runtime, tenant, str(number)), range(6)))
    assert sorted(done) == ["not due"] * 5 + ["planned"]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: jobs.dispatch_due(visits.runtime, 0, "0"), range(6)))
    assert len(visits.told()) == 1
    assert rows(visits.db, world.south, TouchPoint) == []


def test_a_move_ends_what_was_planned_and_plans_anew(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits.moves(number, local(4, 9, month=12))
    old = visits.plans(number, "ended")
    assert [one.reason for one in old] == ["the appointment was moved"] * 2
    assert visits.plans(number, "planned") == [], (
        "nothing is planned for the old time, from the very commit on"
    )
    visits.work()
    assert "is booked: Fri, Dec 4 at 9:00 AM" in visits.texts()[-1]
    due = [one.local_time for one in visits.plans(number, "planned")]
    assert due == ["2026-12-02 09:00 America/Chicago", "2026-12-03 20:15 America/Chicago"]
    visits.at(local(2, 9, month=12))
    assert "Fri, Dec 4 at 9:00 AM" in visits.texts()[-1]
    assert not [one for one in visits.texts()[1:] if "Dec 3" in one]


def test_what_waits_in_the_outbox_when_the_visit_moves_never_leaves(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits.clock.moment = local(1, 14, month=12)
    jobs.dispatch_due(visits.runtime, 0, "0")
    waiting = visits.last("reminder")
    visits.moves(number, local(4, 9, month=12))
    visits.send()
    dropped = rows(visits.db, visits.shop, ChatMessage, ChatMessage.id == waiting.id)[0]
    assert (dropped.status, dropped.error) == ("dropped", "the appointment was moved")


def test_the_gate_holds_the_words_against_the_calendar(visits: Visits) -> None:
    """Somebody who knows nothing of our hooks moves the row behind the written reminder."""
    number = visits.books(THURSDAY)
    visits.clock.moment = local(1, 14, month=12)
    jobs.dispatch_due(visits.runtime, 0, "0")
    change(
        visits.db, visits.shop, "update appointments set starts_at = starts_at - interval '1 hour' where id = :id",
        id=number,
    )  # fmt: skip
    visits.send()
    (one,) = rows(visits.db, visits.shop, ChatMessage, ChatMessage.kind == "reminder")
    assert (one.status, one.error) == ("dropped", "the appointment was moved after this was written")
    assert len(visits.texts()) == 1


@pytest.mark.parametrize("state", ["cancelled", "no_show"])
def test_the_gate_lets_nothing_go_about_a_visit_that_is_no_more(visits: Visits, state: str) -> None:
    number = visits.books(THURSDAY)
    visits.clock.moment = local(1, 14, month=12)
    jobs.dispatch_due(visits.runtime, 0, "0")
    change(visits.db, visits.shop, "update appointments set status = :s where id = :id", s=state, id=number)
    visits.send()
    (one,) = rows(visits.db, visits.shop, ChatMessage, ChatMessage.kind == "reminder")
    assert (one.status, one.error) == ("dropped", "the appointment it is about is no more")


def test_a_cancellation_ends_them(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits.marks(number, "cancelled")
    assert [one.reason for one in visits.plans(number, "ended")] == ["the appointment was cancelled"] * 2
    visits.at(local(1, 14, month=12))
    assert len(visits.texts()) == 1
    assert visits.visit(number).remind_due_at is None


def test_a_claimed_reminder_of_a_cancelled_visit_is_not_written(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    change(visits.db, visits.shop, "update appointments set status = 'cancelled' where id = :id", id=number)
    visits.at(local(1, 14, month=12))
    assert len(visits.told()) == 1
    ended = visits.plans(number, "ended")
    assert [(one.template, one.reason) for one in ended] == [
        ("reminder_48h", "the appointment was cancelled")
    ]


def test_a_reply_does_not_stop_them_and_a_stop_does(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    hear(visits.runtime, visits.shop, "thanks!")
    assert len(visits.plans(number, "planned")) == 2
    with visits.db.tenant(visits.shop.tenant_id) as session:
        halt_touches(session, visits.shop.lead_id, "ended", "the customer booked")
    assert len(visits.plans(number, "planned")) == 2, "what ends a cadence is no end of a visit"
    hear(visits.runtime, visits.shop, "STOP")
    visits.at(local(1, 14, month=12))
    visits.at(local(3, 11, month=12))
    assert len(visits.told()) == 1
    assert {(one.status, one.reason) for one in visits.plans(number)[1:]} == {
        ("ended", "the customer said stop")
    }


def test_no_offers_please_still_means_reminders(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    hear(visits.runtime, visits.shop, "please stop sending me promotions")
    change(visits.db, visits.shop, "update chat_sessions set answer_due_at = null where id = :session")
    visits.at(local(1, 14, month=12))
    assert "a reminder from North Tint" in visits.texts()[-1]
    assert visits.plans(number)[1].status == "written"


def test_an_unanswered_message_comes_first_but_not_for_ever(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits.clock.moment = local(1, 13, 59, month=12)
    hear(visits.runtime, visits.shop, "can we make it friday?")
    visits.at(local(1, 14, month=12))
    assert len(visits.told()) == 1
    assert visits.plans(number)[1].local_time == "2026-12-01 14:15 America/Chicago"
    visits.at(local(1, 15, month=12))
    assert len(visits.told()) == 2, "the answer does not come, and the visit does"


def test_what_was_said_in_the_talk_is_not_said_again_there(visits: Visits) -> None:
    number = visits.booked_in_talk(THURSDAY)
    visits.clock.advance(5 * MINUTE)
    visits.work()
    assert visits.texts() == []
    (mail,) = visits.email.sent
    assert "is booked: Thu, Dec 3 at 2:00 PM." in mail.body
    assert [one.name for one in mail.attachments] == ["appointment.ics"]
    assert b"DTSTART:20261203T200000Z" in mail.attachments[0].content
    assert visits.plans(number)[0].channel == "email"


@pytest.mark.parametrize("obstacle", ["no address", "by mail", "stopped by mail", "no mailbox"])
def test_without_another_way_the_talk_was_the_confirmation(visits: Visits, obstacle: str) -> None:
    statements = {
        "no address": "update leads set email = null where id = :lead",
        "stopped by mail": "update leads set email_bad_since = now() where id = :lead",
        "no mailbox": "update locations set mailbox = null where id = :location",
        "by mail": "select :lead",
    }
    change(visits.db, visits.shop, statements[obstacle])
    number = visits.booked_in_talk(THURSDAY, channel="email" if obstacle == "by mail" else "sms")
    visits.clock.advance(5 * MINUTE)
    visits.work()
    assert (visits.texts(), visits.email.sent) == ([], [])
    first = visits.plans(number)[0]
    assert first.status == "skipped"
    assert first.reason in (
        "the customer was told in the conversation", "it was told by text, and there is no other way"
    )  # fmt: skip


def test_a_late_confirmation_is_none(visits: Visits) -> None:
    number = visits.books(THURSDAY, work=False)
    visits.clock.advance(timedelta(hours=13))
    visits.work()
    assert visits.told() == []
    assert visits.plans(number)[0].reason == "the appointment was made long ago"
    assert len(visits.plans(number, "planned")) == 2


def test_after_an_outage_one_message_is_enough(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    change(
        visits.db, visits.shop, "update touch_points set due_at = :at where kind = 'reminder'",
        at=local(3, 11, month=12),
    )  # fmt: skip
    visits.at(local(3, 11, 30, month=12))
    assert len(visits.texts()) == 2
    assert "expects you" in visits.texts()[-1]
    assert "one message is enough" in (visits.plans(number)[1].reason or "")


def test_too_late_is_skipped_and_says_so(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits.at(local(2, 14, 1, month=12))
    assert len(visits.texts()) == 1
    assert visits.plans(number)[1].reason == "too late: 24 h after its time"


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        ("confirm_visits", ["reminder_48h", "reminder_3h"]),
        ("remind_48h", ["confirmation", "reminder_3h"]),
        ("remind_3h", ["confirmation", "reminder_48h"]),
    ],
)
def test_each_can_be_switched_off(visits: Visits, setting: str, left: list[str]) -> None:
    visits_settings(visits, f'{{"{setting}": false}}')
    number = visits.books(THURSDAY)
    visits.at(local(1, 14, month=12))
    visits.at(local(3, 11, month=12))
    assert [one.template for one in visits.plans(number, "written")] == left
    (off,) = visits.plans(number, "skipped")
    assert off.reason == "the shop's settings want no such message"


def test_a_switch_counts_also_for_what_is_planned(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    visits_settings(visits, '{"remind_48h": false}')
    visits.at(local(1, 14, month=12))
    assert visits.plans(number)[1].reason == "the shop's settings want no such message"


def test_a_crm_that_reminds_by_itself(visits: Visits) -> None:
    visits_settings(visits, '{"crm_reminds": true}')
    number = visits.books(THURSDAY)
    assert len(visits.texts()) == 1, "it does not stand in the CRM, so the CRM knows nothing of it"
    change(visits.db, visits.shop, "update appointments set external_id = 'x-1' where id = :id", id=number)
    visits.at(local(1, 14, month=12))
    assert len(visits.texts()) == 1
    assert "CRM" in (visits.plans(number)[1].reason or "")


def visits_settings(visits: Visits, values: str) -> None:
    change(
        visits.db,
        visits.shop,
        "update tenants set settings = settings || cast(:values as jsonb)",
        values=values,
    )


def test_by_mail_where_nobody_agreed_to_texts(visits: Visits) -> None:
    change(visits.db, visits.shop, "update leads set phone = '+13125550188' where id = :lead")
    number = visits.books(THURSDAY)
    visits.at(local(1, 14, month=12))
    assert (visits.texts(), len(visits.email.sent)) == ([], 2)
    assert 'Reply with the word "confirm"' in visits.email.sent[-1].body
    assert visits.email.sent[-1].attachments == (), "only a booking or a change comes with a file"
    assert visits.plans(number)[1].channel == "email"


def test_in_the_customers_language(visits: Visits) -> None:
    change(visits.db, visits.shop, "update leads set language = 'es' where id = :lead")
    visits.books(THURSDAY)
    visits.at(local(1, 14, month=12))
    visits.at(local(3, 11, month=12))
    first, second, third = visits.texts()
    assert "queda reservada: jue, 3 dic a las 2:00 PM" in first
    assert "le recuerda su cita: jue, 3 dic a las 2:00 PM. Responda C para confirmar." in second
    assert "le espera: jue, 3 dic a las 2:00 PM" in third


def test_a_person_who_has_the_conversation_reminds_by_themselves(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    change(visits.db, visits.shop, "update chat_sessions set state = 'human' where id = :session")
    visits.at(local(1, 14, month=12))
    visits.at(local(3, 11, month=12))
    assert len(visits.told()) == 1
    assert {one.status for one in visits.plans(number)[1:]} == {"skipped"}
    (notice,) = [one for one in visits.notices() if "does not remind them" in one]
    assert "Thu, Dec 3 at 2:00 PM" in notice


def test_it_goes_along_with_a_merged_lead(visits: Visits, clock: FixedClock) -> None:
    """The visit of the lead that is merged keeps its reminders, and the surviving lead's own cadence is not touched."""
    shop = visits.shop
    number = visits.books(THURSDAY)
    other = another_lead(visits.db, shop)
    assert len(start(visits.db, other, clock.now())) == 13
    merged = merge(visits.db, other, shop, clock.now())
    assert merged.moved["appointments"] == 1
    open_ones = visits.plans(number, "planned")
    assert [one.lead_id for one in open_ones] == [other.lead_id] * 2
    assert {one.session_id for one in open_ones} == {merged.session_id}
    change(visits.db, shop, "update chat_sessions set answer_due_at = null")
    visits.at(local(1, 14, month=12))
    assert [one.status for one in visits.plans(number)] == ["written", "written", "planned"]
    last = visits.last("reminder")
    assert (last.lead_id, last.session_id) == (other.lead_id, merged.session_id)


def test_a_visit_that_went_to_another_lead_is_theirs(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    other = another_lead(visits.db, visits.shop)
    change(
        visits.db, visits.shop, "update appointments set lead_id = :other where id = :id", other=other.lead_id, id=number
    )  # fmt: skip
    visits.at(local(1, 14, month=12))
    assert len(visits.told()) == 1
    assert visits.plans(number)[1].reason == "the appointment is another lead's now"


def test_a_block_of_the_outside_calendar_owes_nothing(visits: Visits) -> None:
    with visits.db.tenant(visits.shop.tenant_id) as session:
        session.execute(
            text(
                "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, source)"
                " values (:t, :l, :b, '{}', :s, :e, 'crm')"
            ),
            {
                "t": visits.shop.tenant_id, "l": visits.shop.location_id, "b": visits.shop.bay_ids[0],
                "s": THURSDAY, "e": THURSDAY + timedelta(hours=1),
            },
        )  # fmt: skip
    assert visits.plan() == []
    (row,) = rows(visits.db, visits.shop, Appointment)
    assert row.remind_due_at is None


def test_before_a_change_of_the_clocks_the_hour_stays(visits: Visits) -> None:
    """Summer time ends on Nov 1 2026 and begins on Mar 14 2027: two days before is the same time of day."""
    visits.clock.moment = local(1, 9, month=3, year=2027)
    number = visits.books(local(15, 10, month=3, year=2027))
    assert [one.local_time for one in visits.plans(number)[1:]] == [
        "2027-03-13 10:00 America/Chicago",
        "2027-03-14 20:15 America/Chicago",
    ]
    visits.at(local(13, 10, month=3, year=2027))
    assert "Mon, Mar 15 at 10:00 AM" in visits.texts()[-1]


def test_a_move_in_the_crm_is_told_once_and_reminded_of_anew(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> None:
    with reading_back(test_database, redis_url, clock, db, world) as back:
        number = moved(back, local(26, 11))
        assert jobs.JOBS["remind"](back.site.runtime, world.north.tenant_id, str(number)) == "planned"
        found = rows(db, world.north, TouchPoint, TouchPoint.appointment_id == number)
        assert [(one.template, one.status, one.local_time[:16]) for one in found] == [
            ("confirmation", "skipped", "2026-11-23 09:01"),
            ("reminder_48h", "planned", "2026-11-24 11:00"),
            ("reminder_3h", "planned", "2026-11-26 08:00"),
        ]
        assert "its settings say who is told" in (found[0].reason or "")


def test_a_visit_that_is_split_off_is_planned_for_the_new_lead(visits: Visits, clock: FixedClock) -> None:
    number = visits.books(THURSDAY)
    part = Part(addresses=(CUSTOMER_PHONE,), appointments=(number,))
    with visits.db.tenant(visits.shop.tenant_id) as session:
        new = split_lead(session, visits.shop.lead_id, part, who="Sam", why="his wife", now=clock.now())
    assert {one.status for one in visits.plans(number)[1:]} == {"ended"}
    visits.work()
    fresh = visits.plans(number)[3:]
    assert {one.lead_id for one in fresh} == {new.lead_id}
    assert [one.status for one in fresh] == ["written", "planned", "planned"]
    visits.at(local(1, 14, month=12))
    assert visits.last("reminder").lead_id == new.lead_id


def test_a_forgotten_customer_is_not_written_to(visits: Visits) -> None:
    number = visits.books(THURSDAY, work=False)
    change(visits.db, visits.shop, "update leads set erased_at = now() where id = :lead")
    assert visits.plan() == ["nobody is to be written to"]
    assert visits.plans(number) == []
    assert visits.plan() == []


def test_a_visit_that_was_booked_by_hand_and_is_over_is_no_news(visits: Visits) -> None:
    number = visits.books(local(24, 9), work=False)
    visits.clock.moment = local(24, 9)
    assert visits.plan() == ["it is over"]
    assert visits.visit(number).remind_due_at is None


def test_by_the_business_own_plan(visits: Visits) -> None:
    body = body_of(load_plan("reminders"))
    body["steps"] = [{**body["steps"][1], "before": "1d"}]
    with visits.db.tenant(visits.shop.tenant_id) as session:
        session.add(
            CadencePlan(
                tenant_id=visits.shop.tenant_id, name="reminders", version=1, body=body, author="Sam", note=""
            )
        )
    number = visits.books(THURSDAY)
    (only,) = visits.plans(number)
    assert (only.plan_version, only.local_time) == (1, "2026-12-02 14:00 America/Chicago")
    visits.at(local(2, 14, month=12))
    assert "a reminder from North Tint" in visits.texts()[-1]
