"""kill -9 of the worker at each step of its work: the customer gets one answer, and nothing is done twice."""

from __future__ import annotations

import re

import pytest

from crm.connectors.shopmonkey.config import create_crm_config
from crm.models import Location
from ops.secrets import SecretBox
from tests.acceptance.customer import Texter
from tests.acceptance.processes import eventually
from tests.chaos.installation import Installation
from tests.standins.llm_view import View

pytestmark = pytest.mark.processes

FIRST_WORDS = "Hi, how much is ceramic tint for my 2019 Honda Civic sedan? Any time this week?"
HOOK_SECRET = "webhook secret"
LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
# A little more than the turn's lease, the outbox's claim and a webhook's claim.
LEASE_S, SENDING_S, WEBHOOK_S = 61, 31, 121
# Longer than all looks at the carrier together.
ALL_LOOKS_MIN = 14


def _restart(place: Installation) -> None:
    place.kill_worker()
    place.system.start("worker")


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
        _restart(place)
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
        _restart(place)
    place.pass_time(seconds=LEASE_S)
    eventually(lambda: len(dana.received()) > 1, 30, "the confirmation")
    place.live_through(ALL_LOOKS_MIN)
    assert dana.received()[1:] == [f"You're booked for {label}. See you then!"]
    assert [row["id"] for row in place.rows("appointments", dana.phone)] == [made["id"]]
    assert place.turns(dana.phone) == ["done", "abandoned", "done"]
    assert place.system.errors() == []


def test_before_the_booking_is_committed(place: Installation) -> None:
    dana = place.customer()
    label = LABEL.findall(dana.say(FIRST_WORDS))[0]
    with place.locked("lock table appointments in exclusive mode") as lock:
        dana.send(f"{label} works for me, please book it")
        lock.wait_for_another()
        _restart(place)
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
            _restart(place)
    assert dana.received() == []
    place.pass_time(seconds=LEASE_S)
    _one_answer(place, dana)
    assert place.turns(dana.phone) == ["abandoned", "done"]


def test_before_the_text_is_claimed(place: Installation) -> None:
    dana = place.customer()
    with place.locked("lock table send_decisions in exclusive mode") as lock:
        dana.send(FIRST_WORDS)
        lock.wait_for_another()
        _restart(place)
    # Nobody holds it, so it goes without any wait.
    _one_answer(place, dana)
    assert place.turns(dana.phone) == ["done"]


def test_between_the_claim_and_the_carrier(place: Installation) -> None:
    dana = place.customer()
    place.twilio.fail_next(1, "hang", method="POST")
    posted = _posts(place)
    dana.send(FIRST_WORDS)
    eventually(lambda: _posts(place) > posted, 30, "the worker asks the carrier to send")
    _restart(place)
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
    _restart(place)
    place.twilio.list_lag = 0
    assert place.rows("chat_messages", dana.phone)[-1]["status"] == "sending"
    place.pass_time(seconds=SENDING_S)
    _one_answer(place, dana)


def test_when_the_carrier_has_the_text_and_says_so(place: Installation) -> None:
    dana = place.customer()
    place.twilio.fail_next(1, "accept_then_hang", method="POST")
    dana.send(FIRST_WORDS)
    eventually(dana.received, 30, "the carrier has the text")
    _restart(place)
    listed = len(place.twilio.requests)
    place.twilio.run_callbacks(statuses=["sent"], only=place.twilio.messages[-1:])
    _one_answer(place, dana)
    assert len(place.twilio.requests) == listed, "the carrier need not be asked"


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


@pytest.fixture(scope="module")
def hook(place: Installation) -> str:
    """The shop is connected to Shopmonkey; the address of its webhook."""
    with place.db.tenant(place.shop.tenant_id) as session:
        config = create_crm_config(
            session,
            place.shop.tenant_id,
            place.shopmonkey.api_key,
            place.shopmonkey.url,
            SecretBox(place.system.encryption_key),
            webhook_secret=HOOK_SECRET,
        )
        location = session.get_one(Location, place.shop.location_id)
        location.crm_location_id = place.shopmonkey.location_id
        return f"{place.system.url}/hooks/shopmonkey/{config.hook_token}"


def _order(place: Installation, hook: str) -> str:
    """Somebody new asks for a quote at the shop's site; their phone."""
    phone = place.new_phone()
    made = place.shopmonkey.add_lead("Pat", "Poe", phone, None, opt_in=True, complaint="Full tint?")
    answer = place.shopmonkey.deliver_webhook(hook, "order", "INSERT", made.order_id, secret=HOOK_SECRET)
    assert answer.status_code == 200
    return phone


def _one_cadence(place: Installation, phone: str) -> None:
    pat = Texter(place.system, place.twilio, place.shop.phone, phone)
    eventually(pat.received, 30, "the first text")
    place.live_through(ALL_LOOKS_MIN)
    assert len(pat.received()) == 1
    touches = place.rows("touch_points", phone)
    assert [(row["cadence_run"], row["step"]) for row in touches] == [(1, step) for step in range(1, 14)]
    assert [row["status"] for row in touches].count("written") == 1
    assert len(place.rows("chat_sessions", phone)) == 1
    assert place.records.all("select id from webhook_events where status <> 'processed'") == []
    assert place.system.errors() == []


def test_while_the_crm_is_asked(place: Installation, hook: str) -> None:
    with place.crm.hold() as held:
        phone = _order(place, hook)
        held.wait()
        _restart(place)
    assert place.records.all("select id from leads where phone = :phone", phone=phone) == []
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_between_the_lead_and_its_cadence(place: Installation, hook: str) -> None:
    with place.locked("lock table touch_points in access exclusive mode") as lock:
        phone = _order(place, hook)
        lock.wait_for_another()
        eventually(lambda: place.records.all("select id from leads where phone = :phone", phone=phone))
        _restart(place)
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_before_the_webhook_is_settled(place: Installation, hook: str) -> None:
    with place.crm.hold() as held:
        phone = _order(place, hook)
        held.wait()
        newest = "select id from webhook_events where status = 'received' for update"
        with place.locked(newest) as lock:
            held.let_go()
            lock.wait_for_another()
            _restart(place)
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_when_the_carrier_has_the_first_text(place: Installation, hook: str) -> None:
    place.twilio.fail_next(1, "accept_then_hang", method="POST")
    phone = _order(place, hook)
    pat = Texter(place.system, place.twilio, place.shop.phone, phone)
    eventually(pat.received, 30, "the carrier has the text")
    _restart(place)
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def _posts(place: Installation) -> int:
    return sum(1 for request in place.twilio.requests if request.method == "POST")
