"""Where a mail stands after SendGrid's events: repeated, out of order, early, late, and of other mails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from channels.email.event_effects import undelivered
from channels.email.taking import take_event
from crm.db import Database
from crm.models import ChatMessage
from crm.why import why_message
from ops.clock import FixedClock
from scheduler import jobs, mail_events
from tests.conftest import CUSTOMER_EMAIL, TestDatabase, World
from tests.integration.mail_help import Post, open_post, rows_received
from tests.integration.talking import lead_of
from tests.standins.sendgrid import mixed_up, told_again

DAY = timedelta(days=1)


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def test_a_mail_moves_from_sent_to_delivered(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    seen = []
    for kind in ("processed", "deferred", "delivered"):
        post.hear(post.sendgrid.events_for(mail, [kind]))
        row = post.row(world.north, message_id)
        seen.append((row.status, row.carrier_status, row.final_at is not None))
    assert seen == [
        ("sent", "processed", False), ("sent", "deferred", False), ("delivered", "delivered", True),
    ]  # fmt: skip
    assert [event.event for event in post.events(world.north)] == ["processed", "deferred", "delivered"]
    assert {event.message_id for event in post.events(world.north)} == {message_id}
    assert post.notices(world.north) == []


def test_in_any_order_the_outcome_is_the_same(post: Post, world: World) -> None:
    sent = []
    for order in itertools.permutations(range(4)):
        message_id, mail = post.send(world.north, body=f"Mail {order}")
        events = post.sendgrid.events_for(mail, ["processed", "deferred", "delivered", "open"])
        sent.append((message_id, [events[place] for place in order]))
        post.clock.advance(timedelta(minutes=10))
    for place in range(4):
        post.hear([events[place] for _, events in sent])
    for message_id, _ in sent:
        row = post.row(world.north, message_id)
        assert (row.status, row.carrier_status, row.error) == ("delivered", "delivered", None)


@pytest.mark.parametrize("kinds", [("bounce", "delivered"), ("delivered", "bounce")])
def test_that_it_bounced_beats_that_it_was_delivered(
    post: Post, world: World, kinds: tuple[str, ...]
) -> None:
    message_id, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["delivered", "bounce"])
    for kind in kinds:
        post.hear([event for event in events if event["event"] == kind])
    row = post.row(world.north, message_id)
    assert (row.status, row.carrier_status, row.error_code) == ("undelivered", "bounce", "5.1.1")


@pytest.mark.parametrize("kind", ["open", "click", "group_resubscribe", "something_new"])
def test_other_events_are_stored_and_move_nothing(post: Post, world: World, kind: str) -> None:
    message_id, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, [kind]))
    row = post.row(world.north, message_id)
    assert (row.status, row.carrier_status) == ("sent", "accepted")
    assert [event.event for event in post.events(world.north)] == [kind]
    assert post.revoked(world.north) == []
    assert lead_of(post.db, world.north).email_bad_since is None


def test_told_46_times_in_29_hours_with_other_ids_it_happened_once(
    post: Post, world: World, clock: FixedClock
) -> None:
    message_id, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["processed", "bounce"])
    for number in range(46):
        again = events if number % 3 == 0 else told_again(events)
        post.hear(mixed_up(again, number))
        clock.advance(timedelta(hours=29) / 46)
    assert len(post.events(world.north)) == 2
    assert len(post.notices(world.north)) == 1
    assert post.row(world.north, message_id).status == "undelivered"


def test_the_same_event_many_times_in_one_batch(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["bounce"])
    post.hear([*events, *events, *told_again(events, 5)])
    assert len(post.events(world.north)) == 1
    assert len(post.notices(world.north)) == 1


def test_two_different_deferrals_are_two_events(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    tries = [post.sendgrid.events_for(mail, ["deferred"], attempt=str(number))[0] for number in (1, 2, 3)]
    post.hear(tries)
    assert [event.raw["attempt"] for event in post.events(world.north)] == ["1", "2", "3"]


def test_events_faster_than_our_own_commit(post: Post, world: World) -> None:
    message_id = post.write(world.north)
    told: list[str] = []

    def tell_while_sending(*_: Any) -> None:
        post.hear(post.sendgrid.events_for(post.sendgrid.mails[-1]))
        row = post.row(world.north, message_id)
        told.extend([row.status, row.carrier_id or ""])

    sender = post.runtime.outbox.senders["email"]
    honest = sender.send

    def slow(message: Any) -> Any:
        accepted = honest(message)
        tell_while_sending()
        return accepted

    sender.send = slow  # type: ignore[method-assign]
    assert post.runtime.outbox.deliver(world.north.tenant_id, message_id) == "delivered"
    assert told == ["delivered", post.sendgrid.mails[0].x_message_id]
    row = post.row(world.north, message_id)
    assert (row.status, row.carrier_id) == ("delivered", post.sendgrid.mails[0].x_message_id)


@pytest.mark.parametrize("kind", ["processed", "delivered"])
def test_an_event_settles_a_mail_that_may_have_been_sent(post: Post, world: World, kind: str) -> None:
    message_id = post.write(world.north)
    post.sendgrid.fail_next(1, "accept_then_drop", path="/mail/send")
    assert post.runtime.outbox.deliver(world.north.tenant_id, message_id) == "unknown"
    (mail,) = post.sendgrid.mails
    post.hear(post.sendgrid.events_for(mail, [kind]))
    row = post.row(world.north, message_id)
    assert (row.status, row.error, row.carrier_id) == (
        "sent" if kind == "processed" else "delivered", None, mail.x_message_id,
    )  # fmt: skip
    assert post.runtime.outbox.reconcile(world.north.tenant_id, message_id) == "not claimed"
    assert len(post.sendgrid.mails) == 1
    assert post.notices(world.north) == []


def test_an_event_proves_a_mail_that_was_given_up_to_have_been_sent(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    with post.db.tenant(world.north.tenant_id) as session:
        row = session.get_one(ChatMessage, message_id)
        row.status, row.error, row.carrier_id, row.carrier_status = "failed", "not known", None, None
        row.final_at = post.clock.now()
    post.hear(post.sendgrid.events_for(mail, ["processed"]))
    row = post.row(world.north, message_id)
    assert (row.status, row.error, row.final_at) == ("sent", None, None)


def test_a_day_later_is_not_too_late(post: Post, world: World, clock: FixedClock) -> None:
    message_id, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["processed", "bounce"])
    clock.advance(DAY)
    post.hear(events)
    row = post.row(world.north, message_id)
    assert row.status == "undelivered"
    assert post.events(world.north)[0].occurred_at == clock.now() - DAY


def test_an_event_for_another_address_does_not_move_the_mail(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["bounce"], email="sam@example.com"))
    assert post.row(world.north, message_id).status == "sent"
    assert lead_of(post.db, world.north).email_bad_since is None
    (event,) = post.events(world.north)
    assert (event.address, event.message_id) == ("sam@example.com", message_id)


def test_the_address_may_be_written_in_other_letters(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["delivered"], email=CUSTOMER_EMAIL.upper()))
    assert post.row(world.north, message_id).status == "delivered"


def test_events_about_the_account_are_left_alone(post: Post, world: World) -> None:
    url = post.own_account(world.north)
    post.hear([{"event": "account_status_change", "type": "compliance_suspend", "timestamp": 1}], url)
    assert post.events(world.north) == []


def test_one_event_that_breaks_holds_up_no_other(
    post: Post, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id, mail = post.send(world.north)

    def breaks(session: Any, tenant_id: int, given: dict[str, Any], **more: Any) -> Any:
        if given["event"] == "processed":
            raise ValueError("a bug")
        return take_event(session, tenant_id, given, **more)

    monkeypatch.setattr(mail_events, "take_event", breaks)
    post.tell(post.sendgrid.events_for(mail))
    with pytest.raises(ValueError, match="a bug"):
        post.work(world.north)
    assert post.row(world.north, message_id).status == "delivered"
    monkeypatch.undo()
    post.clock.advance(timedelta(hours=1))
    assert post.work(world.north) == ["processed"]
    assert [event.event for event in post.events(world.north)] == ["delivered", "processed"]
    assert post.row(world.north, message_id).status == "delivered"


def test_two_workers_at_one_batch_and_the_same_events_in_another(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["processed", "deferred", "bounce", "open"])
    post.tell(events)
    post.tell(mixed_up(told_again(events), 7))
    batches = rows_received(post.db, world.north)
    assert len(batches) == 2
    gate, said = threading.Barrier(6), []

    def worker(row_id: str) -> None:
        gate.wait(10)
        said.append(jobs.webhook(post.runtime, world.north.tenant_id, row_id))

    threads = [threading.Thread(target=worker, args=(batches[number % 2],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(said) == ["not due"] * 4 + ["processed"] * 2
    assert sorted(event.event for event in post.events(world.north)) == [
        "bounce", "deferred", "open", "processed",
    ]  # fmt: skip
    assert post.row(world.north, message_id).status == "undelivered"
    assert len(post.notices(world.north)) == 1


def test_leads_why_says_what_the_strange_server_said(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    reason = "550 5.1.1 \x1b[31mno such user\r\n call 1-800-555-0100"
    post.hear(post.sendgrid.events_for(mail, ["bounce"], reason=reason))
    with post.db.tenant(world.north.tenant_id) as session:
        story = why_message(session, message_id).story
    (fate,) = [line for line in story if "did not arrive" in line]
    assert (
        "the address does not work (5.1.1); their server said: 550 5.1.1 [31mno such user call 1-800" in fate
    )
    (notice,) = post.notices(world.north)
    assert "did not arrive by email: the address does not work (5.1.1)" in notice
    assert "1-800" not in notice, "a strange server's text goes into no message of ours"


def test_a_bounce_that_came_as_mail_does_the_same(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    for _ in range(2):
        with post.db.tenant(world.north.tenant_id) as session:
            message = session.get_one(ChatMessage, message_id)
            undelivered(
                session, message, hard=True, reason="no such user", code="5.1.1", now=post.clock.now()
            )
    row = post.row(world.north, message_id)
    assert (row.status, row.error_code) == ("undelivered", "5.1.1")
    assert lead_of(post.db, world.north).email_bad_since == post.clock.now()
    assert lead_of(post.db, world.south).email_bad_since is None
    assert len(post.notices(world.north)) == 1
    post.hear(post.sendgrid.events_for(mail, ["processed", "delivered"]))
    assert post.row(world.north, message_id).status == "undelivered"


def test_of_two_bounces_the_first_ones_reason_stays(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    with post.db.tenant(world.north.tenant_id) as session:
        message = session.get_one(ChatMessage, message_id)
        undelivered(session, message, hard=False, reason="full", code="4.2.2", now=post.clock.now())
    assert lead_of(post.db, world.north).email_bad_since is None
    post.hear(post.sendgrid.events_for(mail, ["bounce"]))
    row = post.row(world.north, message_id)
    assert (row.status, row.error) == (
        "undelivered", "their mail server gave it back (4.2.2); their server said: full",
    )  # fmt: skip
    assert lead_of(post.db, world.north).email_bad_since is not None, "but the address is known to be bad now"


def test_a_bounce_says_nothing_of_what_is_no_mail_of_ours(post: Post, world: World) -> None:
    message_id = post.write(world.north)
    with post.db.tenant(world.north.tenant_id) as session:
        message = session.get_one(ChatMessage, message_id)
        message.channel = "sms"
        session.flush()
        undelivered(session, message, hard=True, reason="", code=None, now=post.clock.now())
    assert post.row(world.north, message_id).status == "pending"
