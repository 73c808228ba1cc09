"""Telling SendGrid about stops of mail, over a real socket: only where the account is the business's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from channels.email.mirroring import owe_stops
from crm.consent_stops import Stop, stop_person
from crm.consents import owe_to_carrier, record_consent, standing
from crm.db import Database
from crm.mail_accounts import remove_account
from crm.models import ConsentEvent, ConsentPush, Lead
from crm.routing import open_suppression_checks, owed
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.consent_push import NO_MAIL_ACCOUNT, SHARED, SUPERSEDED, wait_after
from tests.conftest import CUSTOMER_EMAIL, Shop, TestDatabase, World
from tests.integration.mail_help import SUBUSER, Post, open_post
from tests.integration.talking import change, flush, hear, outgoing, rows

LATER = timedelta(minutes=11)


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def pushes(post: Post, shop: Shop) -> list[ConsentPush]:
    """What is owed to SendGrid or was told."""
    mail = {event.id for event in rows(post.db, shop, ConsentEvent, ConsentEvent.channel == "email")}
    return [row for row in rows(post.db, shop, ConsentPush) if row.consent_event_id in mail]


def push(post: Post, shop: Shop) -> tuple[str, ConsentPush]:
    """Run the job of the newest push."""
    row = pushes(post, shop)[-1]
    said = jobs.JOBS["consent_push"](post.runtime, shop.tenant_id, str(row.id))
    return said, pushes(post, shop)[-1]


def on_list(post: Post, subuser: str | None = SUBUSER) -> bool:
    return post.sendgrid.lists(subuser).reason_to_drop(CUSTOMER_EMAIL) is not None


def test_a_stop_is_confirmed_and_then_told_to_the_shops_own_subuser(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "please stop emailing me", "email")
    assert push(post, world.north)[0] == "not due"
    flush(post.runtime, world.north)
    assert [row.status for row in outgoing(post.db, world.north, "consent")] == ["sent"]
    post.clock.advance(LATER)
    said, row = push(post, world.north)
    assert (said, row.error) == ("done", None)
    assert on_list(post)
    assert not on_list(post, None), "the account the others share knows nothing of it"
    assert push(post, world.north)[0] == "not due", "once"


def test_a_stop_by_text_that_covers_everything_is_told_too(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "STOP")
    post.clock.advance(LATER)
    assert push(post, world.north)[0] == "done"
    assert on_list(post)


def test_on_a_shared_account_nothing_is_owed(post: Post, world: World) -> None:
    hear(post.runtime, world.north, "unsubscribe me", "email")
    assert pushes(post, world.north) == []
    assert post.revoked(world.north) != []


def test_an_account_given_up_meanwhile_is_not_told(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    with post.db.tenant(world.north.tenant_id) as session:
        remove_account(session)
    post.clock.advance(LATER)
    said, row = push(post, world.north)
    assert (said, row.error) == ("done", SHARED)
    assert not on_list(post, None)


def test_the_customers_start_takes_it_back(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    post.clock.advance(LATER)
    push(post, world.north)
    post.sendgrid.suppress("spam_reports", CUSTOMER_EMAIL, SUBUSER)
    hear(post.runtime, world.north, "START", "email")
    assert push(post, world.north)[0] == "done"
    assert not on_list(post)
    assert push(post, world.north)[0] == "not due"


def test_a_start_meanwhile_leaves_nothing_to_tell(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    hear(post.runtime, world.north, "START", "email")
    post.clock.advance(LATER)
    first = pushes(post, world.north)[0]
    assert jobs.JOBS["consent_push"](post.runtime, world.north.tenant_id, str(first.id)) == "done"
    assert pushes(post, world.north)[0].error == SUPERSEDED
    assert push(post, world.north)[0] == "done", "to take back what is not there is fine"
    assert not on_list(post)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(500, "owed"), (429, "owed"), (401, "owed"), ("drop_connection", "owed"), (400, "failed")],
)
def test_what_sendgrid_did_not_take_is_tried_again_or_shown(
    post: Post, world: World, fault: int | str, status: str
) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    post.clock.advance(LATER)
    post.sendgrid.fail_next(1, fault, path="/asm/")
    said, row = push(post, world.north)
    assert (said, row.status) == (status, status)
    assert row.error
    if status == "owed":
        assert row.next_try_at == post.clock.now() + wait_after(1)
        post.clock.advance(wait_after(1))
        assert push(post, world.north)[0] == "done"
        assert on_list(post)


def test_patience_that_is_asked_for_is_given(post: Post, world: World) -> None:
    post.own_account(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    post.clock.advance(LATER)
    post.sendgrid.fail_next(1, "retry_after", seconds=900)
    _, row = push(post, world.north)
    assert row.next_try_at == post.clock.now() + timedelta(seconds=900)


def test_without_any_key_there_is_nobody_to_tell(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> None:
    with open_post(test_database, redis_url, clock, db, world, sendgrid_api_key=None) as post:
        post.own_account(world.north)
        hear(post.runtime, world.north, "unsubscribe me", "email")
        post.clock.advance(LATER)
        said, row = push(post, world.north)
        assert (said, row.error) == ("done", NO_MAIL_ACCOUNT)


def test_what_sendgrid_said_itself_is_not_told_back(post: Post, world: World) -> None:
    url = post.own_account(world.north)
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["unsubscribe"]), url)
    assert post.revoked(world.north) != []
    assert pushes(post, world.north) == []


def test_stops_from_before_the_account_are_told_by_the_daily_look(post: Post, world: World) -> None:
    hear(post.runtime, world.north, "unsubscribe me", "email")
    post.own_account(world.north)
    now = post.clock.now()
    with post.db.tenant(world.north.tenant_id) as session:
        assert [owe_stops(session, world.north.tenant_id, now) for _ in range(2)] == [1, 0]
    assert push(post, world.north)[0] == "done"
    assert on_list(post)


def test_our_own_entry_does_not_come_back_as_the_carriers_word(post: Post, world: World) -> None:
    """Else the shop could never take its own stop back."""
    post.own_account(world.north)
    now = post.clock.now()
    with post.db.tenant(world.north.tenant_id) as session:
        lead = session.get_one(Lead, world.north.lead_id)
        told = Stop(frozenset({"email"}), "all", "shop", "entered by Sam", "asked at the desk", now)
        stop_person(session, lead, told)
    post.clock.advance(LATER)
    assert push(post, world.north)[0] == "done"
    for _ in range(6):
        for row in rows_of_looks(post):
            jobs.JOBS["suppression_check"](post.runtime, *row)
        post.clock.advance(timedelta(minutes=1))
    assert [actor for _, actor, _ in post.revoked(world.north)] == ["shop"]
    with post.db.tenant(world.north.tenant_id) as session:
        event = record_consent(
            session, tenant_id=world.north.tenant_id, channel="email", address=CUSTOMER_EMAIL, action="grant",
            actor="shop", source="entered by Sam", evidence="a mistake", effective_at=post.clock.now(),
        )  # fmt: skip
        owe_to_carrier(session, event, post.clock.now())
        assert standing(session, world.north.tenant_id, "email", CUSTOMER_EMAIL).stop is None
    assert push(post, world.north)[0] == "done"
    assert not on_list(post)


def rows_of_looks(post: Post) -> list[tuple[int, str]]:
    with post.db.system() as session:
        open_suppression_checks(session, post.clock.now(), everywhere=True)
        found = owed(session, post.clock.now())
    return [(row.tenant_id or 0, row.row_id) for row in found if row.job == "suppression_check"]


@pytest.mark.parametrize("address", ["da/na@example.com", "dana+x%41@example.com", "d&a?n=a#@example.com"])
def test_any_address_can_be_taken_back(post: Post, world: World, address: str) -> None:
    post.own_account(world.north)
    change(post.db, world.north, "update leads set email = :address where id = :lead", address=address)
    hear(post.runtime, world.north, "unsubscribe me", "email", from_address=address)
    post.clock.advance(LATER)
    push(post, world.north)
    assert post.sendgrid.lists(SUBUSER).reason_to_drop(address) is not None
    hear(post.runtime, world.north, "START", "email", from_address=address)
    assert push(post, world.north)[0] == "done"
    assert post.sendgrid.lists(SUBUSER).reason_to_drop(address) is None
