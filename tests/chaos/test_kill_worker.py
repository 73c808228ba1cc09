"""kill -9 of the worker at each step of its work: the customer gets one answer, and nothing is done twice."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.models import Appointment
from tests.acceptance.customer import Texter
from tests.acceptance.processes import eventually
from tests.chaos.gates import CANCELLED
from tests.chaos.installation import Installation
from tests.standins.llm_view import View

pytestmark = pytest.mark.processes

FIRST_WORDS = "Hi, how much is ceramic tint for my 2019 Honda Civic sedan? Any time this week?"
LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
# A little more than the turn's lease and the outbox's claim.
LEASE_S, SENDING_S = 61, 31
# Longer than all looks at the carrier together.
ALL_LOOKS_MIN = 15


def _one_answer(place: Installation, dana: Texter) -> str:
    """The only message this customer ever gets for one of theirs, however much time passes."""
    eventually(dana.received, 30, "an answer")
    place.live_through(ALL_LOOKS_MIN)
    (answer,) = dana.received()
    rows = [row for row in place.rows("chat_messages", dana.phone) if row["direction"] == "out"]
    assert [(row["status"], row["body"]) for row in rows] == [("sent", answer)]
    assert place.system.errors() == []
    return answer


def _offered(view: View) -> bool:
    return bool(view.results("find_times"))


def _booked(view: View) -> bool:
    return bool(view.results("book"))


def _session_id(place: Installation, dana: Texter) -> int:
    (chat,) = place.rows("chat_sessions", dana.phone)
    return int(chat["id"])


def test_after_the_claim(place: Installation) -> None:
    dana = place.customer()
    with place.model.hold() as held:
        dana.send(FIRST_WORDS)
        held.wait()
        place.restart_worker()
    assert place.due() == [], "the dead worker's lease still holds"
    place.pass_time(seconds=LEASE_S)
    assert "$449" in _one_answer(place, dana)
    assert place.turns(dana.phone) == ["abandoned", "done"]


def test_after_the_booking(place: Installation) -> None:
    dana = place.customer()
    label = LABEL.findall(dana.say(FIRST_WORDS))[0]
    with place.model.hold(_booked) as held:
        dana.send(f"{label} works for me, please book it")
        held.wait()
        (made,) = place.rows("appointments", dana.phone)
        place.restart_worker()
    place.pass_time(seconds=LEASE_S)
    eventually(lambda: len(dana.received()) > 1, 30, "the confirmation")
    place.live_through(ALL_LOOKS_MIN)
    (told,) = dana.received()[1:]
    # The second turn finds it done already, so its first words are fixed ones.
    assert told.startswith(f"You are booked: {label}.")
    assert [row["id"] for row in place.rows("appointments", dana.phone)] == [made["id"]]
    assert _writes(place, dana) == ["book"]
    assert place.turns(dana.phone) == ["done", "abandoned", "done"]
    assert place.system.errors() == []


def test_after_the_booking_and_the_customer_writes_again(place: Installation) -> None:
    """What was done is told first, by a turn for the same message; the newer one is answered then, once."""
    dana = place.customer()
    label = LABEL.findall(dana.say(FIRST_WORDS))[0]
    with place.model.hold(_booked) as held:
        dana.send(f"{label} works for me, please book it")
        held.wait()
        place.restart_worker()
        dana.send("Hello?")
    place.pass_time(seconds=LEASE_S)
    eventually(lambda: len(dana.received()) > 2, 30, "the confirmation, and the answer to the newer message")
    place.live_through(ALL_LOOKS_MIN)
    told = [f"You are booked: {label}." in one for one in dana.received()]
    assert told == [False, True, False]
    assert _writes(place, dana) == ["book"]
    assert len(place.rows("appointments", dana.phone)) == 1
    assert place.system.errors() == []


def test_after_a_cancellation(place: Installation) -> None:
    """Cancelling is not harmless to repeat: the second one would take the customer's other appointment."""
    dana = place.customer()
    label = LABEL.findall(dana.say(FIRST_WORDS))[0]
    dana.say(f"{label} works for me, please book it")
    _another_appointment(place, dana)
    with place.model.hold(lambda view: view.results("cancel")) as held:
        dana.send(f"Please cancel my appointment on {label}")
        held.wait()
        place.restart_worker()
    place.pass_time(seconds=LEASE_S)
    eventually(lambda: len(dana.received()) > 2, 30, "the confirmation")
    place.live_through(ALL_LOOKS_MIN)
    assert dana.received()[2:] == [CANCELLED]
    assert [row["status"] for row in place.rows("appointments", dana.phone)] == ["cancelled", "booked"]
    assert _writes(place, dana) == ["book", "cancel"]
    assert place.system.errors() == []


def _another_appointment(place: Installation, dana: Texter) -> None:
    """The same customer has a second appointment, a week after the first."""
    with place.db.tenant(place.shop.tenant_id) as session:
        lead_id = place.lead_id(dana.phone)
        first = session.scalars(select(Appointment).where(Appointment.lead_id == lead_id)).one()
        same = ("tenant_id", "location_id", "lead_id", "bay_id", "service_ids", "source", "history")
        moved = {name: getattr(first, name) + timedelta(days=7) for name in ("starts_at", "ends_at")}
        session.add(Appointment(**{name: getattr(first, name) for name in same}, **moved))


def _writes(place: Installation, dana: Texter) -> list[str]:
    """What was done for this customer, oldest first."""
    statement = "select tool from tool_calls where session_id = :id and is_write and not is_error order by id"
    return [row["tool"] for row in place.records.all(statement, id=_session_id(place, dana))]


def test_before_the_booking_is_committed(place: Installation) -> None:
    dana = place.customer()
    label = LABEL.findall(dana.say(FIRST_WORDS))[0]
    with place.locked("lock table appointments in exclusive mode") as lock:
        dana.send(f"{label} works for me, please book it")
        lock.wait_for_another()
        place.restart_worker()
    assert place.rows("appointments", dana.phone) == []
    place.pass_time(seconds=LEASE_S)
    eventually(lambda: len(dana.received()) > 1, 30, "the confirmation")
    place.live_through(ALL_LOOKS_MIN)
    assert dana.received()[1:] == [f"You're booked for {label}. See you then!"]
    assert len(place.rows("appointments", dana.phone)) == 1
    assert place.system.errors() == []


def test_before_the_reply_is_committed(place: Installation) -> None:
    dana = place.customer()
    with place.model.hold(_offered) as held:
        dana.send(FIRST_WORDS)
        held.wait()
        row = "select id from chat_sessions where id = :id for update"
        with place.locked(row, id=_session_id(place, dana)) as lock:
            held.let_go()
            lock.wait_for_another()
            place.restart_worker()
    assert dana.received() == []
    place.pass_time(seconds=LEASE_S)
    _one_answer(place, dana)
    assert place.turns(dana.phone) == ["abandoned", "done"]


def test_before_the_text_is_claimed(place: Installation) -> None:
    dana = place.customer()
    with place.locked("lock table send_decisions in exclusive mode") as lock:
        dana.send(FIRST_WORDS)
        lock.wait_for_another()
        place.restart_worker()
    # Nobody holds it, so it goes without any wait.
    _one_answer(place, dana)
    assert place.turns(dana.phone) == ["done"]


def test_between_the_claim_and_the_carrier(place: Installation) -> None:
    dana = place.customer()
    place.twilio.fail_next(1, "hang", method="POST")
    posted = _posts(place)
    dana.send(FIRST_WORDS)
    eventually(lambda: _posts(place) > posted, 30, "the worker asks the carrier to send")
    place.restart_worker()
    assert place.due() == [], "the dead worker's claim still holds"
    place.live_through(ALL_LOOKS_MIN)
    _one_answer(place, dana)
    assert _posts(place) == posted + 2


@pytest.mark.parametrize("lag", [pytest.param(0, id="listed-at-once"), pytest.param(2, id="listed-late")])
def test_when_the_carrier_has_the_text(place: Installation, lag: int) -> None:
    dana = place.customer()
    place.twilio.list_lag = lag
    place.twilio.fail_next(1, "accept_then_hang", method="POST")
    dana.send(FIRST_WORDS)
    eventually(dana.received, 30, "the carrier has the text")
    place.restart_worker()
    place.twilio.list_lag = 0
    assert place.rows("chat_messages", dana.phone)[-1]["status"] == "sending"
    place.pass_time(seconds=SENDING_S)
    _one_answer(place, dana)


def test_when_the_carrier_has_the_text_and_says_so(place: Installation) -> None:
    dana = place.customer()
    place.twilio.fail_next(1, "accept_then_hang", method="POST")
    dana.send(FIRST_WORDS)
    eventually(dana.received, 30, "the carrier has the text")
    place.restart_worker()
    asked = _looks_for(place, dana.phone)
    place.twilio.run_callbacks(statuses=["sent"], only=place.twilio.messages[-1:])
    _one_answer(place, dana)
    assert _looks_for(place, dana.phone) == asked, "the carrier need not be asked"


def test_a_worker_that_was_only_slow(place: Installation) -> None:
    """Its lease ran out while the model thought, another thread took over: the late answer is not a second one."""
    dana = place.customer()
    with place.model.hold() as held:
        dana.send(FIRST_WORDS)
        held.wait()
        place.pass_time(seconds=LEASE_S)
        eventually(dana.received, 30, "an answer")
    eventually(lambda: "another worker took over" in place.turn_errors(dana.phone), 30, "the first turn ends")
    _one_answer(place, dana)
    assert place.turns(dana.phone) == ["abandoned", "done"]


def test_a_carrier_that_was_only_slow(place: Installation) -> None:
    """The claim ran out while the carrier took the text: looking for it in vain does not send it again."""
    dana = place.customer()
    posted = _posts(place)
    place.twilio.fail_next(1, "hold", method="POST")
    dana.send(FIRST_WORDS)
    eventually(lambda: _posts(place) > posted, 30, "the worker asks the carrier to send")
    place.pass_time(seconds=SENDING_S)
    eventually(
        lambda: (place.rows("chat_messages", dana.phone)[-1]["raw"] or {}).get("looks"), 30, "a look in vain"
    )
    place.twilio.release()
    _one_answer(place, dana)
    assert _posts(place) == posted + 1


def _posts(place: Installation) -> int:
    return sum(1 for request in place.twilio.requests if request.method == "POST")


def _looks_for(place: Installation, phone: str) -> int:
    """How often the carrier was asked what it has for a phone; the regular checks ask for our own numbers."""
    return sum(phone in request.query.get("To", []) for request in place.twilio.requests)
