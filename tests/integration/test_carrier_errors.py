"""Every error code of Twilio, through the stand-in over real sockets: as a refusal of our request and as a callback.

Each time: what becomes of the row, the sentence the owner reads, what happens to the person, the template and the
cadence, who is told, and that the other shop of the same customer knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.sms.errors import error_rules
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.carrier_cases import REFUSALS, UNDELIVERED, Effect, Refusal, Undelivered
from tests.integration.carrier_help import Effects, Line, open_line
from tests.integration.talking import MINUTE, decisions

NOON = 180 * MINUTE
KINDS = ("confirmation", "touch")
# Effects after which nothing more may go to this person, or in these words.
SILENCING = ("stop", "suppress", "bad", "block", "range")


@pytest.fixture
def line(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Line]:
    clock.advance(NOON)
    with open_line(test_database, redis_url, clock, db, world) as opened:
        yield opened


def name(case: object) -> str:
    return str(getattr(case, "code", case))


def expected(before: Effects, effect: Effect, kind: str, line: Line) -> Effects:
    """What the effect makes of the state before it."""
    if effect in ("stop", "suppress"):
        return replace(before, stops=[("carrier", "sms")], touches=["ended"] * len(before.touches))
    if effect == "bad":
        return replace(before, phone_bad_since=line.clock.now())
    if effect == "block":
        return replace(before, blocks=["times" if kind == "touch" else kind])
    return replace(before, blocks=["numbers:+1312555"]) if effect == "range" else before


def sentence(effect: Effect, failed: str | None) -> str | None:
    """How the one notice to the shop begins; None: nobody is told. `failed`: the text about a single message."""
    return {
        "stop": "Dana gets no more texts" if failed else None,
        "suppress": "Dana gets no more texts",
        "block": 'The text "',
        "range": "No texts go to numbers like",
        "alert": "Texts are not going out",
    }.get(effect, failed)


def check_notices(line: Line, begins: str | None, reason: str) -> None:
    told = line.notices()
    if begins is None:
        assert told == []
    else:
        (text,) = told
        assert text.startswith(begins)
        assert reason in text


def check_silence(line: Line, effect: Effect) -> None:
    """The next text is withheld with a reason where the error silences, and goes out where it does not."""
    following = line.write("confirmation")
    if effect not in SILENCING:
        assert line.deliver(following) == "sent"
        return
    assert line.deliver(following) == "withheld"
    ((verdict, reasons),) = decisions(line.db, line.world.north, following)
    assert verdict == "withhold"
    assert reasons
    assert all(reasons)
    assert line.row(following).error


def test_every_code_of_the_file_is_driven_here() -> None:
    assert {case.code for case in (*REFUSALS, *UNDELIVERED)} == set(error_rules())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", REFUSALS, ids=name)
def test_a_refusal(line: Line, case: Refusal, kind: str) -> None:
    message_id = line.write(kind)
    before, stranger = line.effects(line.world.north), line.effects(line.world.south)
    line.twilio.fail_next(1, case.http, code=case.code)
    assert line.deliver(message_id) == case.becomes
    row = line.row(message_id)
    assert case.reason in (row.error or "")
    assert row.error_code == str(case.code)
    assert (row.final_at is not None) is (case.becomes == "failed")
    assert row.carrier_id is None
    assert line.twilio.messages == []
    assert line.effects(line.world.north) == expected(before, case.effect, kind, line)
    assert line.effects(line.world.south) == stranger
    failed = case.becomes == "failed" and kind != "touch"
    check_notices(
        line, sentence(case.effect, "A message to Dana could not be sent" if failed else None), case.reason
    )
    if case.becomes == "failed" and kind != "touch":
        check_silence(line, case.effect)


def put_off_twice(line: Line, case: Refusal, kind: str) -> None:
    """Two refusals in a row, then Twilio takes it: it has left exactly once."""
    message_id = line.write(kind)
    line.twilio.fail_next(2, case.http, code=case.code)
    assert line.deliver(message_id) == "pending", case
    due = line.row(message_id).send_after
    assert due is not None
    assert due > line.clock.now()
    assert line.deliver(message_id) == "not claimed", "not before its time"
    # The second refusal is met on the way.
    assert line.wait_for(message_id) == "sent"
    row = line.row(message_id)
    assert (row.carrier_id, row.error, row.error_code) == (line.twilio.messages[-1].sid, None, None)


def test_what_was_put_off_leaves_once_when_the_trouble_is_over(line: Line) -> None:
    put_off = [case for case in REFUSALS if case.becomes == "pending"]
    for number, case in enumerate(put_off, start=1):
        put_off_twice(line, case, "confirmation")
        assert len(line.twilio.messages) == number
    assert len(put_off) == 9


@pytest.mark.parametrize("case", [case for case in REFUSALS if case.code in (20003, 20429, 21611)], ids=name)
def test_so_does_a_touch(line: Line, case: Refusal) -> None:
    put_off_twice(line, case, "touch")
    assert len(line.twilio.messages) == 1


@pytest.mark.parametrize("case", [case for case in REFUSALS if case.becomes == "unknown"], ids=name)
@pytest.mark.parametrize("kind", KINDS)
def test_what_may_have_left_is_looked_for_before_anything_is_repeated(
    line: Line, case: Refusal, kind: str
) -> None:
    message_id, tenant_id = line.write(kind), line.world.north.tenant_id
    line.twilio.fail_next(1, case.http, code=case.code)
    assert line.deliver(message_id) == "unknown"
    for looks_left in (2, 1, 0):
        due = line.row(message_id).send_after
        assert due is not None
        line.clock.advance(due - line.clock.now())
        status = line.runtime.outbox.reconcile(tenant_id, message_id)
        assert line.twilio.messages == []
        if looks_left:
            assert status == "unknown"
    if kind == "touch":
        assert status == "failed"
        assert "not known" in (line.row(message_id).error or "")
        return
    assert status == "pending"
    assert line.deliver(message_id) == "sent"
    assert len(line.twilio.messages) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", UNDELIVERED, ids=name)
def test_a_callback(line: Line, case: Undelivered, kind: str) -> None:
    message_id = line.write(kind)
    assert line.deliver(message_id) == "sent"
    before, stranger = line.effects(line.world.north), line.effects(line.world.south)
    assert line.report(line.twilio.messages[0], case.code) == [204, 204, 204]
    row = line.row(message_id)
    retried = case.times > 0 and (kind != "touch" or case.touch_too)
    assert row.status == ("pending" if retried else "undelivered")
    assert (row.final_at is None) is retried
    assert case.reason in (row.error or "")
    assert row.error_code == str(case.code)
    if retried:
        assert row.send_after == line.clock.now() + timedelta(minutes=case.wait)
    assert line.effects(line.world.north) == expected(before, case.effect, kind, line)
    assert line.effects(line.world.south) == stranger
    alone = None if retried or kind == "touch" else "A message to Dana did not arrive: the carrier says:"
    check_notices(line, sentence(case.effect, alone), case.reason)
    if not retried and kind != "touch":
        check_silence(line, case.effect)


@pytest.mark.parametrize("case", [case for case in UNDELIVERED if case.times], ids=name)
def test_tries_after_a_callback_come_to_an_end(line: Line, case: Undelivered) -> None:
    message_id = line.write("confirmation")
    assert line.deliver(message_id) == "sent"
    for tries in range(1, case.times + 2):
        assert len(line.twilio.messages) == tries
        assert line.report(line.twilio.messages[-1], case.code) == [204, 204, 204]
        if tries <= case.times:
            assert line.wait_for(message_id) == "sent"
    row = line.row(message_id)
    assert row.status == "undelivered"
    assert case.reason in (row.error or "")
    told = line.notices()
    assert len(told) == 1
    assert case.reason in told[0]
    first, *later = line.twilio.messages
    assert len({first.sid, *(message.sid for message in later)}) == case.times + 1
    # A word about the first try that comes late changes nothing any more.
    assert line.report(first, case.code) == [204, 204, 204]
    assert (line.row(message_id).status, line.notices()) == ("undelivered", told)


def test_the_answer_to_a_stop_is_never_repeated(line: Line) -> None:
    for case in (case for case in UNDELIVERED if case.times):
        message_id = line.write("consent")
        assert line.deliver(message_id) == "sent"
        assert line.report(line.twilio.messages[-1], case.code) == [204, 204, 204]
        row = line.row(message_id)
        assert row.status == "undelivered"
        assert case.reason in (row.error or "")
        line.clock.advance(timedelta(hours=1))
        assert line.deliver(message_id) == "not claimed"


@pytest.mark.parametrize("code", [21999, 39999])
def test_a_code_that_nobody_wrote_down_has_a_rule(line: Line, code: int) -> None:
    refused = line.write("confirmation")
    untouched = line.effects(line.world.north)
    line.twilio.fail_next(1, 400, code=code)
    assert line.deliver(refused) == "failed"
    assert line.row(refused).error == f"error {code}"
    sent = line.write("confirmation")
    assert line.deliver(sent) == "sent"
    assert line.report(line.twilio.messages[0], code, "failed") == [204, 204, 204]
    row = line.row(sent)
    assert (row.status, row.error) == ("failed", f"the carrier says: error {code}")
    assert line.effects(line.world.north) == untouched
    assert [text.split(":")[0] for text in line.notices()] == [
        "A message to Dana could not be sent", "A message to Dana did not arrive",
    ]  # fmt: skip


def test_any_code_may_come_in_a_callback(line: Line) -> None:
    """Twilio tells some refusals in callbacks when a Messaging Service is used (messaging facts 2.4, 21610)."""
    codes = sorted(error_rules())
    # All are under way before the first error, for some errors let nothing more go.
    on_the_way = [line.write("reminder") for _ in codes]
    assert {line.deliver(message_id) for message_id in on_the_way} == {"sent"}
    for code, message_id, sent in zip(codes, on_the_way, list(line.twilio.messages), strict=True):
        assert line.report(sent, code, "failed") == [204, 204, 204]
        row = line.row(message_id)
        assert row.status in ("failed", "pending"), code
        assert row.error_code == str(code)
        assert row.error is not None
        assert row.error.startswith("the carrier says: ")
