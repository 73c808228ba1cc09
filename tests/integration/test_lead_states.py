"""Where a lead stands: who may move it, and what is kept of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from crm.calendar.booker import Booker, set_lead
from crm.consent_stops import Stop, stop_person
from crm.consents import record_consent
from crm.db import Database
from crm.lead_states import (
    BY_PERSON,
    RULES,
    IllegalMove,
    allowed,
    history,
    move,
    note,
    out_of_reach,
    try_move,
    within_reach,
)
from crm.models import Lead
from crm.models.people import LEAD_STATUSES
from crm.sessions import hand_back
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_PHONE, MONDAY_NINE_IN_CHICAGO, World

NOW = MONDAY_NINE_IN_CHICAGO


def put(db: Database, world: World, status: str) -> None:
    with db.tenant(world.north.tenant_id) as s:
        s.execute(
            text("update leads set status = :status where id = :id"),
            {"status": status, "id": world.north.lead_id},
        )


def status_of(db: Database, world: World) -> str:
    with db.tenant(world.north.tenant_id) as s:
        return s.get_one(Lead, world.north.lead_id).status


def told(db: Database, world: World) -> list[tuple[str, str | None, str | None, str]]:
    with db.tenant(world.north.tenant_id) as s:
        return [(row.what, row.before, row.after, row.who) for row in history(s, world.north.lead_id)]


def try_it(db: Database, world: World, to: str, *, by_person: bool = False) -> bool:
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        return move(s, lead, to, who="Sam", why="a test", now=NOW, by_person=by_person)


def test_the_tables_name_every_state_and_no_other() -> None:
    states = set(LEAD_STATUSES)
    assert set(RULES) == set(BY_PERSON) == states
    for before in states:
        after = allowed(before, by_person=True)
        assert after <= states - {before}
        # A person may do more than a machine, and nothing is in both tables.
        assert allowed(before) < after or not BY_PERSON[before]
        assert not set(RULES[before]) & BY_PERSON[before]


@pytest.mark.parametrize("before", LEAD_STATUSES)
def test_what_the_tables_allow_is_done_and_nothing_else(db: Database, world: World, before: str) -> None:
    for by_person in (False, True):
        for to in LEAD_STATUSES:
            put(db, world, before)
            kept = len(told(db, world))
            if to == before:
                assert try_it(db, world, to, by_person=by_person) is False
            elif to in allowed(before, by_person=by_person):
                assert try_it(db, world, to, by_person=by_person) is True
                assert told(db, world)[-1] == ("state", before, to, "Sam")
                assert status_of(db, world) == to
                continue
            else:
                with pytest.raises(IllegalMove, match=f"{before} cannot become {to}"):
                    try_it(db, world, to, by_person=by_person)
            assert (status_of(db, world), len(told(db, world))) == (before, kept)


def test_a_word_that_is_no_state(db: Database, world: World) -> None:
    with pytest.raises(IllegalMove, match="no state"):
        try_it(db, world, "asleep", by_person=True)


def revoke(db: Database, world: World, action: str, at: datetime) -> None:
    with db.tenant(world.north.tenant_id) as s:
        for channel, address in (("sms", CUSTOMER_PHONE), ("email", "dana@example.com")):
            record_consent(
                s, tenant_id=world.north.tenant_id, channel=channel, address=address,  # type: ignore[arg-type]
                action=action, actor="customer", source="said START by sms" if action == "grant" else "wrote by sms",  # type: ignore[arg-type]
                evidence=action, effective_at=at,
            )  # fmt: skip


def test_nobody_opens_an_opt_out_but_the_person(db: Database, world: World) -> None:
    put(db, world, "opted_out")
    revoke(db, world, "revoke", NOW)
    for by_person in (False, True):
        with pytest.raises(IllegalMove, match="START"):
            try_it(db, world, "engaged", by_person=by_person)
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        assert try_move(s, lead, "engaged", who="inbox", why="a test", now=NOW) is False
    revoke(db, world, "grant", NOW + timedelta(hours=1))
    assert try_it(db, world, "engaged")


def test_a_stop_is_kept_with_its_message(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        stop = Stop(
            channels=frozenset({"sms", "email"}), scope="all", actor="customer", source="wrote by sms", evidence="STOP",
            at=NOW, message_id=7,
        )  # fmt: skip
        stop_person(s, lead, stop)
    with db.tenant(world.north.tenant_id) as s:
        (row,) = history(s, world.north.lead_id)
        assert (row.before, row.after, row.who, row.message_id, row.at) == (
            "new",
            "opted_out",
            "customer",
            7,
            NOW,
        )


@pytest.mark.parametrize(
    ("before", "to", "after"),
    [
        ("human", "booked", "booked"),
        ("opted_out", "booked", "opted_out"),
        ("lost", "booked", "booked"),
        ("booked", "engaged", "engaged"),
        ("won", "engaged", "won"),
        ("lost", "engaged", "lost"),
        ("human", "engaged", "engaged"),
        ("human", "won", "human"),
        ("booked", "won", "won"),
    ],
)
def test_what_an_appointment_makes_of_a_lead(
    db: Database, world: World, before: str, to: str, after: str
) -> None:
    put(db, world, before)
    with db.tenant(world.north.tenant_id) as s:
        set_lead(s, world.north.lead_id, to, Booker(world.north.lead_id, None, "agent", NOW, message_id=3))
    assert status_of(db, world) == after
    expected = [] if before == after else [("state", before, after, "agent")]
    assert told(db, world) == expected


def test_two_writers_wait_for_each_other(db: Database, world: World) -> None:
    """The second one sees what the first one did, and neither is lost."""
    with db.tenant(world.north.tenant_id) as first:
        set_lead(first, world.north.lead_id, "booked", Booker(None, None, "agent", NOW))
    with db.tenant(world.north.tenant_id) as second:
        set_lead(second, world.north.lead_id, "won", Booker(None, None, "owner", NOW))
    assert [row[1:3] for row in told(db, world)] == [("new", "booked"), ("booked", "won")]


def test_the_last_address_that_goes_bad(db: Database, world: World) -> None:
    phone, email = Lead.phone == CUSTOMER_PHONE, Lead.email == "dana@example.com"
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Lead, world.north.lead_id).phone_bad_since = NOW
        s.flush()
        out_of_reach(s, phone, who="carrier", now=NOW)
    assert status_of(db, world) == "new", "the email still works"
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Lead, world.north.lead_id).email_bad_since = NOW
        s.flush()
        out_of_reach(s, email, who="carrier", now=NOW)
    assert status_of(db, world) == "unreachable"
    with db.tenant(world.north.tenant_id) as s:
        within_reach(s, world.north.lead_id, who="carrier", now=NOW)
        within_reach(s, world.north.lead_id, who="carrier", now=NOW)
    assert [row[1:3] for row in told(db, world)] == [("new", "unreachable"), ("unreachable", "engaged")]
    with db.tenant(world.south.tenant_id) as s:
        assert s.get_one(Lead, world.south.lead_id).status == "new", "another business's customer"


def test_a_booking_outlives_bad_addresses(db: Database, world: World) -> None:
    put(db, world, "booked")
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        lead.phone_bad_since = lead.email_bad_since = NOW
        s.flush()
        out_of_reach(s, Lead.id == lead.id, who="carrier", now=NOW)
    assert status_of(db, world) == "booked"


def test_handing_back_is_kept(db: Database, world: World, clock: FixedClock) -> None:
    put(db, world, "human")
    with db.tenant(world.north.tenant_id) as s:
        s.execute(
            text("update chat_sessions set state = 'human' where id = :id"), {"id": world.north.session_id}
        )
    with db.tenant(world.north.tenant_id) as s:
        assert hand_back(s, world.north.session_id, who="Sam", now=clock.now())
    assert told(db, world) == [("state", "human", "engaged", "Sam")]


def test_a_note_changes_nothing_but_the_history(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, world.north.lead_id)
        note(s, lead, "merge", before=None, after="17", who="Sam", why="the same person", now=NOW)
    assert told(db, world) == [("merge", None, "17", "Sam")]
    assert status_of(db, world) == "new"
