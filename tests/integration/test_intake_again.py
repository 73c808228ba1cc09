"""Somebody known asks for something new, and requests that end where they were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from crm.models import Appointment, ChatMessage, ChatSession, Lead, LeadRequest, TouchPoint
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.intake_help import Desk, desk_of

LATER = timedelta(days=40)


@pytest.fixture
def desk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner_engine: Engine
) -> Iterator[Desk]:
    """North, connected."""
    with desk_of(test_database, redis_url, clock, world, owner_engine) as made:
        yield made


def known(desk: Desk, status: str = "lost", **chat: Any) -> Lead:
    """Somebody whose first cadence is long over, forty days ago."""
    desk.tell(desk.order())
    lead = desk.lead()
    for row in desk.touches(lead.id):
        desk.set(TouchPoint, row.id, status="written" if row.step == 1 else "ended")
    for message in desk.rows(ChatMessage, lead_id=lead.id):
        desk.set(ChatMessage, message.id, sent_at=desk.clock.now() - timedelta(days=2))
    desk.set(Lead, lead.id, status=status)
    desk.set(ChatSession, desk.chat(lead.id).id, **chat)
    desk.clock.advance(LATER)
    desk.texts.sent.clear()
    return desk.lead()


def runs(desk: Desk, lead: Lead) -> list[int]:
    return sorted({row.cadence_run for row in desk.touches(lead.id)})


@pytest.mark.parametrize("status", ["won", "lost", "unreachable"])
@pytest.mark.parametrize("wrote", [False, True])
def test_a_new_request_opens_the_lead_again_and_begins_anew(desk: Desk, status: str, wrote: bool) -> None:
    long_ago = desk.clock.now() - timedelta(days=1)
    lead = known(desk, status, **({"last_inbound_id": 1, "last_inbound_at": long_ago} if wrote else {}))
    desk.tell(desk.order(services=["Paint protection film"]))
    after = desk.lead()
    assert after.status == ("engaged" if wrote else "new")
    assert after.wish == "Paint protection film"
    assert runs(desk, lead) == [1, 2]
    second = [row for row in desk.touches(lead.id) if row.cadence_run == 2]
    # They asked just now, so the first touches go although they once wrote.
    assert [row.status for row in second] == ["written", *["planned"] * 12]
    (text,) = desk.texts.sent
    assert "paint protection film" in text.body.lower()
    assert ("state", status, after.status) in desk.history(lead.id)


def test_the_text_is_about_the_car_of_the_new_request(desk: Desk) -> None:
    lead = known(desk)
    desk.tell(desk.order(vehicle={"year": 2024, "make": "Ford", "model": "Bronco", "type": "SUV"}))
    assert "Bronco" in desk.texts.sent[-1].body
    assert len(desk.requests(lead.id)) == 2


def test_an_older_order_that_is_told_late_does_not_change_the_wish(desk: Desk) -> None:
    old = desk.order(services=["Old wish"])
    desk.clock.advance(timedelta(hours=1))
    desk.tell(desk.order(services=["New wish"]))
    desk.tell(old)
    assert desk.lead().wish == "New wish"
    assert runs(desk, desk.lead()) == [1]


@pytest.mark.parametrize(("choice", "status", "begun"), [("reopen", "new", False), ("ignore", "lost", False)])
def test_the_business_chooses(desk: Desk, choice: str, status: str, begun: bool) -> None:
    lead = known(desk)
    desk.tenant_settings(new_request=choice)
    desk.tell(desk.order())
    assert desk.lead().status == status
    assert (runs(desk, lead) == [1, 2]) is begun
    assert len(desk.requests(lead.id)) == 2, "it is kept all the same"


def test_beside_a_run_that_goes_on_none_is_begun(desk: Desk) -> None:
    desk.tell(desk.order())
    desk.clock.advance(timedelta(hours=1))
    desk.tell(desk.order(services=["Another thing"]))
    lead = desk.lead()
    assert runs(desk, lead) == [1]
    assert len(desk.requests(lead.id)) == 2


def test_in_the_middle_of_a_talk_none_is_begun(desk: Desk) -> None:
    lead = known(desk, "engaged")
    desk.set(ChatSession, desk.chat(lead.id).id, last_inbound_id=1, last_inbound_at=desk.clock.now())
    desk.tell(desk.order())
    assert runs(desk, lead) == [1]
    assert desk.texts.sent == []


def test_what_was_paused_belongs_to_the_old_request(desk: Desk) -> None:
    lead = known(desk, "engaged", last_inbound_id=1, last_inbound_at=desk.clock.now())
    paused = desk.touches(lead.id)[5]
    desk.set(TouchPoint, paused.id, status="paused", reason="the customer replied")
    desk.tell(desk.order())
    again = desk.rows(TouchPoint, id=paused.id)[0]
    assert (again.status, again.reason) == ("ended", "they asked for something new")
    assert runs(desk, lead) == [1, 2]


def test_over_a_person_who_has_the_conversation_none_is_begun(desk: Desk) -> None:
    lead = known(desk, "human", state="human")
    order = desk.order()
    desk.tell(order)
    desk.shopmonkey.change("order", order, complaint="Again")
    desk.tell(order, "UPDATE")
    assert (desk.lead().status, runs(desk, lead), desk.texts.sent) == ("human", [1], [])
    (notice,) = desk.notices()
    assert "you have the conversation" in notice


def test_before_an_appointment_none_is_begun(desk: Desk) -> None:
    lead = known(desk, "booked")
    book(desk, lead, desk.clock.now() + timedelta(days=2))
    desk.tell(desk.order())
    assert (desk.lead().status, runs(desk, lead)) == ("booked", [1])


def test_who_said_stop_is_not_written_to_and_the_shop_hears_of_it(desk: Desk) -> None:
    lead = known(desk, "opted_out")
    desk.tell(desk.order())
    assert (desk.lead().status, runs(desk, lead), desk.texts.sent) == ("opted_out", [1], [])
    assert len(desk.notices()) == 1


def book(desk: Desk, lead: Lead, at: Any, source: str = "agent") -> None:
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=desk.tenant_id, location_id=lead.location_id, lead_id=lead.id,
                bay_id=desk.world.north.bay_ids[0], status="booked", source=source, starts_at=at,
                ends_at=at + timedelta(hours=2), service_ids=[],
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status", "closed"),
    [
        ({"invoiced": True}, "won", True),
        ({"status": "Invoice", "archived": True}, "won", True),
        ({"deleted": True}, "lost", True),
        ({"archived": True}, "lost", True),
        ({"authorized": True}, "booked", False),
        ({"status": "RepairOrder"}, "booked", False),
        ({"appointmentDates": ["2026-11-25T15:00:00Z"]}, "booked", False),
        ({"status": "Invoice", "deleted": True}, "lost", True),
    ],
)
def test_what_ends_there_ends_here(desk: Desk, change: dict[str, Any], status: str, closed: bool) -> None:
    order = desk.order()
    desk.tell(order)
    lead = desk.lead()
    desk.shopmonkey.change("order", order, **change)
    for _ in range(2):
        assert desk.tell(order, "UPDATE") == "processed"
    assert desk.lead().status == status
    (request,) = desk.requests(lead.id)
    assert (request.closed_at is not None) is closed
    assert {row.status for row in desk.touches(lead.id)} == {"written", "ended"}
    assert [each for each in desk.history(lead.id) if each[0] == "state"] == [("state", "new", status)]


def test_an_order_that_is_gone_was_dropped(desk: Desk) -> None:
    order = desk.order()
    desk.tell(order)
    # The last row, in the version that is known.
    body = desk.body(order).replace(b'"INSERT"', b'"DELETE"')
    del desk.shopmonkey.tables["order"][order]
    assert desk.process(desk.store(body)) == "processed"
    lead = desk.lead()
    assert lead.status == "lost"
    assert desk.requests(lead.id)[0].closed_at == desk.clock.now()


def test_an_unknown_order_that_ended_is_nobodys(desk: Desk) -> None:
    event_id = desk.store(desk.body(desk.order(invoiced=True)))
    assert desk.process(event_id) == "ignored"
    assert desk.rows(LeadRequest) == []


def test_another_open_request_keeps_the_lead(desk: Desk) -> None:
    first, second = desk.order(), desk.order(services=["Other"])
    desk.tell(first)
    desk.tell(second)
    lead = desk.lead()
    desk.shopmonkey.change("order", first, deleted=True)
    desk.tell(first, "UPDATE")
    assert desk.lead().status == "new"
    assert "planned" in {row.status for row in desk.touches(lead.id)}
    desk.shopmonkey.change("order", second, invoiced=True)
    desk.tell(second, "UPDATE")
    assert desk.lead().status == "won"


def test_a_person_who_has_the_conversation_may_win_it(desk: Desk) -> None:
    order = desk.order()
    desk.tell(order)
    lead = desk.lead()
    desk.set(Lead, lead.id, status="human")
    desk.shopmonkey.change("order", order, invoiced=True)
    desk.tell(order, "UPDATE")
    assert desk.lead().status == "won"


def test_our_own_booking_shows_there_and_is_no_news(desk: Desk) -> None:
    """We booked and the shop cancelled it with us; the order there still shows the date."""
    order = desk.order()
    desk.tell(order)
    lead = desk.lead()
    book(desk, lead, desk.clock.now() + timedelta(days=2))
    desk.set(Lead, lead.id, status="engaged")
    desk.shopmonkey.change("order", order, appointmentDates=["2026-11-25T15:00:00Z"])
    desk.tell(order, "UPDATE")
    assert desk.lead().status == "engaged"


YEAR = timedelta(days=300)


def visit_of_ours(desk: Desk, lead: Lead, starts: timedelta, booked: timedelta, **entry: Any) -> None:
    """A visit that the agent booked, some time from now or ago."""
    book(desk, lead, desk.clock.now() + starts)
    (made,) = desk.rows(Appointment, lead_id=lead.id)
    history = [{"who": "agent", "when": (desk.clock.now() + booked).isoformat(), "what": "booked"}]
    if entry:
        history.append(
            {"who": "agent", "when": (desk.clock.now() + entry["at"]).isoformat(), "what": entry["what"]}
        )
    desk.set(Appointment, made.id, history=history, status=entry["what"] if entry else "booked")


@pytest.mark.parametrize(
    ("visit", "status", "goes_on"),
    [
        pytest.param((-YEAR, -YEAR, {"what": "completed", "at": -YEAR}), "booked", False, id="of last year"),
        pytest.param(
            (timedelta(days=9), -YEAR, {"what": "cancelled", "at": -YEAR}), "booked", False,
            id="ahead, but given up before they asked again",
        ),
        pytest.param(
            (timedelta(days=9), -YEAR, {"what": "cancelled", "at": timedelta(hours=1)}), "new", True,
            id="cancelled since they asked",
        ),
        pytest.param((timedelta(days=9), -YEAR, {}), "new", True, id="still ahead"),
        pytest.param(
            (timedelta(hours=1), timedelta(hours=1), {"what": "completed", "at": timedelta(hours=1)}), "new", True,
            id="made since",
        ),
    ],
)  # fmt: skip
def test_a_returning_customer_who_agrees_there_is_left_alone(
    desk: Desk, visit: tuple[timedelta, timedelta, dict[str, Any]], status: str, goes_on: bool
) -> None:
    """Only a visit that may be why the order shows one keeps the cadence going."""
    order = desk.order()
    desk.tell(order)
    lead = desk.lead()
    starts, booked, entry = visit
    visit_of_ours(desk, lead, starts, booked, **entry)
    desk.set(Lead, lead.id, status="new")
    desk.clock.advance(timedelta(hours=2))
    desk.shopmonkey.change("order", order, status="RepairOrder", appointmentDates=["2026-11-25T15:00:00Z"])
    desk.tell(order, "UPDATE")
    assert desk.lead().status == status
    assert any(touch.status == "planned" for touch in desk.touches(lead.id)) is goes_on


def test_a_closed_request_that_is_an_estimate_again_is_open_again(desk: Desk) -> None:
    order = desk.order()
    desk.tell(order)
    desk.shopmonkey.change("order", order, archived=True)
    desk.tell(order, "UPDATE")
    desk.shopmonkey.change("order", order, archived=False)
    desk.tell(order, "UPDATE")
    lead = desk.lead()
    assert desk.requests(lead.id)[0].closed_at is None
    assert runs(desk, lead) == [1], "it is no new request"
