"""What an event does besides moving its mail: the address, the ledger, the cadence, the shop, the other business."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from channels.email.event_effects import AGAIN_AFTER
from crm.db import Database
from crm.models import TouchPoint
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, TestDatabase, World
from tests.integration.mail_help import Post, open_post
from tests.integration.talking import change, flush, lead_of, outgoing, plan_touch, put, rows

BLOCKED = {"type": "blocked", "status": "5.7.1", "reason": "550 5.7.1 try later"}
EXPIRED = {"type": "expired", "status": "4.4.7", "reason": "unable to get mx info"}


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def touches(post: Post) -> list[tuple[str, str | None]]:
    return [(touch.status, touch.reason) for touch in rows(post.db, post.world.north, TouchPoint)]


def test_a_hard_bounce_ends_mail_to_the_address_and_nothing_else(post: Post, world: World) -> None:
    plan_touch(post.db, world.north, post.clock.now())
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["bounce"]))
    lead = lead_of(post.db, world.north)
    assert (lead.email_bad_since, lead.phone_bad_since, lead.status) == (post.clock.now(), None, "new")
    assert post.revoked(world.north) == [], "no ledger entry: nobody said anything"
    assert touches(post) == [("planned", None)], "the cadence goes on by text"
    assert lead_of(post.db, world.south).email_bad_since is None, "the other business learns by itself"
    later = post.write(world.north)
    assert post.runtime.outbox.deliver(world.north.tenant_id, later) == "withheld"
    by_text = put(post.db, world.north, post.clock.now())
    assert post.runtime.outbox.deliver(world.north.tenant_id, by_text) == "sent"


def test_the_shop_hears_of_replies_once_and_of_touches_not_at_all(post: Post, world: World) -> None:
    for kind, told in (("touch", 0), ("confirmation", 1), ("reply", 2)):
        change(post.db, world.north, "update leads set email_bad_since = null where id = :lead")
        post.clock.advance(timedelta(days=1))
        _, mail = post.send(world.north, kind)
        events = post.sendgrid.events_for(mail, ["bounce"])
        post.sendgrid.lists().remove("bounces", CUSTOMER_EMAIL)
        post.hear(events)
        assert len(post.notices(world.north)) == told
    assert post.notices(world.south) == []


def test_a_notice_that_bounced_is_not_told_by_another_notice(post: Post, world: World) -> None:
    change(post.db, world.north, "update staff set phone = null, email = 'sam@north.example'")
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["bounce"]))
    flush(post.runtime, world.north)
    to_staff = post.sendgrid.mails[-1]
    assert to_staff.to == ["sam@north.example"]
    post.hear(post.sendgrid.events_for(to_staff, ["bounce"]))
    assert [row.status for row in outgoing(post.db, world.north, "notice")] == ["undelivered"]


def test_a_mail_that_was_only_blocked_goes_once_more(post: Post, world: World) -> None:
    message_id, first = post.send(world.north)
    post.hear(post.sendgrid.events_for(first, ["processed", "bounce"], **BLOCKED))
    row = post.row(world.north, message_id)
    assert (row.status, row.send_after) == ("pending", post.clock.now() + AGAIN_AFTER)
    assert post.notices(world.north) == []
    post.hear(post.sendgrid.events_for(first, ["deferred"], attempt="1"))
    assert post.row(world.north, message_id).status == "pending", "late news of the first try stop no second"
    post.clock.advance(AGAIN_AFTER)
    assert post.runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    second = post.sendgrid.mails[-1]
    post.hear(post.sendgrid.events_for(first, ["deferred"], attempt="2"))
    assert post.row(world.north, message_id).carrier_status == "accepted", "the first try is over"
    post.hear(post.sendgrid.events_for(second, ["bounce"], **BLOCKED))
    row = post.row(world.north, message_id)
    assert (row.status, row.carrier_id) == ("undelivered", second.x_message_id)
    assert len(post.notices(world.north)) == 1
    assert lead_of(post.db, world.north).email_bad_since is None


def test_a_first_try_that_arrived_after_all_ends_the_second(post: Post, world: World) -> None:
    message_id, first = post.send(world.north)
    post.hear(post.sendgrid.events_for(first, ["bounce"], **BLOCKED))
    post.hear(post.sendgrid.events_for(first, ["delivered"]))
    post.clock.advance(AGAIN_AFTER)
    assert post.row(world.north, message_id).status == "delivered"
    assert post.runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"


def test_a_blocked_touch_is_not_repeated(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north, "touch")
    post.hear(post.sendgrid.events_for(mail, ["bounce"], **BLOCKED))
    assert post.row(world.north, message_id).status == "undelivered"


def test_three_in_a_row_and_the_address_is_bad(post: Post, world: World) -> None:
    for number in range(3):
        assert lead_of(post.db, world.north).email_bad_since is None
        message_id, mail = post.send(world.north, body=f"Mail {number}")
        events = post.sendgrid.events_for(mail, ["deferred", "bounce"], **EXPIRED)
        post.hear([*events, *events])
        assert post.row(world.north, message_id).status == "undelivered"
        post.clock.advance(timedelta(hours=1))
    assert lead_of(post.db, world.north).email_bad_since is not None
    assert sum("3 mails in a row" in told for told in post.notices(world.north)) == 1


@pytest.mark.parametrize("how", ["delivered", "silence"])
def test_one_that_arrived_between_them_starts_the_count_again(post: Post, world: World, how: str) -> None:
    for number, kind in enumerate(("bounce", "bounce", how, "bounce", "bounce")):
        _, mail = post.send(world.north, body=f"Mail {number}")
        if kind != "silence":
            post.hear(post.sendgrid.events_for(mail, [kind], **(EXPIRED if kind == "bounce" else {})))
        post.clock.advance(timedelta(hours=25))
    assert lead_of(post.db, world.north).email_bad_since is None


def test_an_address_that_works_again_is_no_bad_one(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    change(
        post.db, world.north, "update leads set email_bad_since = :then where id = :lead",
        then=post.clock.now() - timedelta(hours=1),
    )  # fmt: skip
    post.hear(post.sendgrid.events_for(mail))
    assert lead_of(post.db, world.north).email_bad_since is None


@pytest.mark.parametrize(
    ("listed", "bad", "closed"),
    [
        ("bounces", True, False),
        ("invalid_emails", True, False),
        ("unsubscribes", False, True),
        ("spam_reports", False, True),
    ],
)
def test_what_sendgrid_drops_becomes_true_here(
    post: Post, world: World, listed: str, bad: bool, closed: bool
) -> None:
    plan_touch(post.db, world.north, post.clock.now())
    post.sendgrid.suppress(listed, CUSTOMER_EMAIL)
    message_id, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail))
    row = post.row(world.north, message_id)
    assert (row.status, row.carrier_status, row.error_code) == ("undelivered", "dropped", "dropped")
    assert (lead_of(post.db, world.north).email_bad_since is not None) is bad
    expected = [("email", "carrier", "SendGrid: dropped, this channel only")] if closed else []
    assert post.revoked(world.north) == expected
    assert touches(post)[0][0] == ("ended" if listed == "spam_reports" else "planned")
    assert any("did not arrive" in told for told in post.notices(world.north))
    assert post.revoked(world.south) == []


def test_a_drop_for_other_reasons_blames_nobody(post: Post, world: World) -> None:
    message_id, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["dropped"], reason="Recipient List over Package Quota"))
    row = post.row(world.north, message_id)
    assert (row.status, row.error) == ("undelivered", "the plan at SendGrid is used up (dropped)")
    assert lead_of(post.db, world.north).email_bad_since is None
    assert post.revoked(world.north) == []
