"""The daily look at SendGrid's lists, over a real socket: paged, resumed, for the right business, and without repeats."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from channels.email import suppressions
from crm.db import Database
from crm.models import JobExecution, SuppressionCheck, TouchPoint
from crm.routing import open_suppression_checks, owed
from ops.clock import FixedClock
from ops.queue import WakeQueue
from scheduler import jobs
from scheduler.suppressions import AFTER_ERROR, AFTER_LASTING_ERROR, EVERY, FIRST, NOBODY, SOON
from tests.conftest import CUSTOMER_EMAIL, TestDatabase, World
from tests.integration.mail_help import API_KEY, SUBUSER, Post, open_post
from tests.integration.talking import change, hear, lead_of, plan_touch, rows


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def owed_looks(post: Post, *, everywhere: bool = True) -> list[tuple[int | None, str]]:
    """Open the looks as the clock does, and what the sweeper would wake."""
    with post.db.system() as session:
        open_suppression_checks(session, post.clock.now(), everywhere=everywhere)
        found = owed(session, post.clock.now())
    return [(row.tenant_id, row.row_id) for row in found if row.job == "suppression_check"]


def look(post: Post) -> list[str]:
    """Do every look that is due, until none is."""
    said: list[str] = []
    for _ in range(12):
        due = owed_looks(post)
        if not due:
            return said
        said += [jobs.JOBS["suppression_check"](post.runtime, tenant or 0, row_id) for tenant, row_id in due]
        post.clock.advance(SOON)
    raise AssertionError("a look never ends")


def check_of(owner_engine: Engine, tenant_id: int | None = None) -> Any:
    with owner_engine.begin() as connection:
        statement = "select * from suppression_checks where tenant_id is not distinct from :tenant"
        return connection.execute(text(statement), {"tenant": tenant_id}).one()


def listed(post: Post, path: str = "/v3/suppression/") -> list[str]:
    return [request.path for request in post.sendgrid.requests if path in request.path]


def test_what_is_on_the_shared_lists_concerns_everybody_without_an_account_of_their_own(
    post: Post, world: World, owner_engine: Engine
) -> None:
    for shop in (world.north, world.south):
        plan_touch(post.db, shop, post.clock.now())
    post.own_account(world.south)
    post.sendgrid.suppress("spam_reports", CUSTOMER_EMAIL)
    post.sendgrid.suppress("bounces", CUSTOMER_EMAIL.upper(), reason="550 gone")
    post.sendgrid.suppress("bounces", "stranger@example.com")
    look(post)
    assert post.revoked(world.north) == [
        ("email", "carrier", "SendGrid: list of spam_reports, this channel only")
    ]
    assert lead_of(post.db, world.north).email_bad_since is not None
    assert [touch.status for touch in rows(post.db, world.north, TouchPoint)] == ["ended"]
    assert (post.revoked(world.south), lead_of(post.db, world.south).email_bad_since) == ([], None)
    assert [touch.status for touch in rows(post.db, world.south, TouchPoint)] == ["planned"]
    row = check_of(owner_engine)
    assert (row.error, row.claim_token) == (None, None)
    assert row.next_at >= post.clock.now() + EVERY - 12 * SOON


def test_a_subusers_lists_concern_its_business_alone(post: Post, world: World) -> None:
    post.own_account(world.north)
    post.sendgrid.suppress("unsubscribes", CUSTOMER_EMAIL, SUBUSER)
    look(post)
    assert post.revoked(world.north) == [("email", "carrier", "SendGrid: list of unsubscribes")]
    assert post.revoked(world.south) == []
    assert lead_of(post.db, world.north).status == "opted_out"
    asked = {str(request.headers.get("On-Behalf-Of", "")) for request in post.sendgrid.requests}
    assert asked == {"", SUBUSER}


def test_day_after_day_nothing_is_written_twice(post: Post, world: World) -> None:
    for kind in suppressions.KINDS:
        post.sendgrid.suppress(kind, CUSTOMER_EMAIL)
    look(post)
    before = (post.revoked(world.north), post.notices(world.north), lead_of(post.db, world.north))
    assert len(before[0]) == 1
    for _ in range(3):
        post.clock.advance(EVERY)
        assert look(post) == ["0 new"]
    after = (post.revoked(world.north), post.notices(world.north), lead_of(post.db, world.north))
    assert before[:2] == after[:2]
    assert before[2].email_bad_since == after[2].email_bad_since


def test_a_bounce_whose_event_never_came_settles_its_mail(post: Post, world: World) -> None:
    message_id, _ = post.send(world.north)
    post.clock.advance(timedelta(minutes=5))
    post.sendgrid.suppress("bounces", CUSTOMER_EMAIL, reason="550 5.1.1 no such user", status="5.1.1")
    look(post)
    row = post.row(world.north, message_id)
    assert (row.status, row.error_code) == ("undelivered", "5.1.1")
    assert len(post.notices(world.north)) == 1
    assert lead_of(post.db, world.south).email_bad_since is not None, (
        "the account gives nothing to it any more"
    )


def test_a_block_is_no_more_than_a_strike(post: Post, world: World) -> None:
    delivered, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail))
    message_id, _ = post.send(world.north, body="Another")
    post.sendgrid.suppress("blocks", CUSTOMER_EMAIL, reason="421 busy")
    look(post)
    assert post.row(world.north, message_id).status == "undelivered"
    assert post.row(world.north, delivered).status == "delivered"
    assert lead_of(post.db, world.north).email_bad_since is None
    assert post.revoked(world.north) == []


def test_every_page_is_read(
    post: Post, world: World, owner_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "PAGE", 3)
    for number in range(10):
        post.sendgrid.suppress("bounces", f"a{number}@example.com")
        post.clock.advance(timedelta(seconds=1))
    change(post.db, world.north, "update leads set email = 'a0@example.com' where id = :lead")
    change(post.db, world.south, "update leads set email = 'a9@example.com' where id = :lead")
    look(post)
    assert lead_of(post.db, world.north).email_bad_since is not None
    assert lead_of(post.db, world.south).email_bad_since is not None
    offsets = [
        request.arg("offset") for request in post.sendgrid.requests if request.path.endswith("/bounces")
    ]
    assert offsets[-5:] == ["0", "3", "6", "9", "10"]


def test_the_first_look_goes_through_all_years_and_later_ones_through_the_last_day(
    post: Post, world: World
) -> None:
    post.sendgrid.suppress("bounces", CUSTOMER_EMAIL, created=int((FIRST + timedelta(days=400)).timestamp()))
    look(post)
    assert lead_of(post.db, world.north).email_bad_since is not None
    post.clock.advance(EVERY)
    before = len(post.sendgrid.requests)
    look(post)
    again = post.sendgrid.requests[before:]
    assert len(again) == len(suppressions.KINDS)
    reach = post.clock.now().timestamp() - int(again[0].arg("start_time"))
    assert timedelta(days=2) <= timedelta(seconds=reach) < timedelta(days=2, hours=1)


def test_a_look_that_broke_goes_on_from_where_it_was(post: Post, world: World, owner_engine: Engine) -> None:
    ((_, row_id),) = owed_looks(post)
    run = jobs.JOBS["suppression_check"]
    run(post.runtime, 0, row_id)
    reached = check_of(owner_engine).checked_until
    assert FIRST < reached < post.clock.now()
    post.clock.advance(SOON)
    post.sendgrid.fail_next(1, 500, path="/spam_reports")
    said = run(post.runtime, 0, row_id)
    row = check_of(owner_engine)
    assert (said, row.error) == ("SendGrid answered 500", "SendGrid answered 500")
    assert (row.checked_until, row.next_at) == (reached, post.clock.now() + AFTER_ERROR)
    post.clock.advance(AFTER_ERROR)
    before = len(post.sendgrid.requests)
    run(post.runtime, 0, row_id)
    begun = int(post.sendgrid.requests[before].arg("start_time"))
    assert begun == int((reached - timedelta(days=1)).timestamp())
    assert check_of(owner_engine).error is None


@pytest.mark.parametrize(
    ("fault", "wait", "said"),
    [
        ({"kind": "retry_after", "seconds": 1800}, timedelta(seconds=1800), "SendGrid asks to slow down"),
        ({"kind": 429}, AFTER_ERROR, "SendGrid asks to slow down"),
        ({"kind": 401}, AFTER_ERROR, "Suppressions permission (401)"),
        ({"kind": 400}, AFTER_LASTING_ERROR, "SendGrid answered 400"),
        ({"kind": "drop_connection"}, AFTER_ERROR, "could not be asked"),
        ({"kind": "html_200"}, AFTER_ERROR, "not SendGrid's"),
        ({"kind": "broken_json"}, AFTER_ERROR, "not SendGrid's"),
    ],
)
def test_what_sendgrid_did_not_answer_is_asked_again_and_shown(
    post: Post, owner_engine: Engine, fault: dict[str, Any], wait: timedelta, said: str
) -> None:
    ((_, row_id),) = owed_looks(post)
    kind = fault.pop("kind")
    post.sendgrid.fail_next(1, kind, **fault)
    assert said in jobs.JOBS["suppression_check"](post.runtime, 0, row_id)
    row = check_of(owner_engine)
    assert said in row.error
    assert (row.next_at, row.claim_token) == (post.clock.now() + wait, None)
    assert owed_looks(post) == []


def test_two_workers_at_one_look(post: Post, world: World) -> None:
    post.sendgrid.suppress("unsubscribes", CUSTOMER_EMAIL)
    ((_, row_id),) = owed_looks(post)
    gate, said = threading.Barrier(4), []

    def worker() -> None:
        gate.wait(10)
        said.append(jobs.JOBS["suppression_check"](post.runtime, 0, row_id))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said)[1:] == ["not due"] * 3


def test_who_came_back_is_not_stopped_by_an_old_entry(post: Post, world: World) -> None:
    post.sendgrid.suppress("spam_reports", CUSTOMER_EMAIL)
    post.clock.advance(timedelta(hours=1))
    hear(post.runtime, world.north, "START", "email")
    look(post)
    assert post.revoked(world.north) == []
    assert len(post.revoked(world.south)) == 1


def test_without_a_key_nobody_is_asked(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    db: Database,
    world: World,
    owner_engine: Engine,
) -> None:
    with open_post(test_database, redis_url, clock, db, world, sendgrid_api_key=None) as post:
        assert owed_looks(post, everywhere=False) == []
        post.own_account(world.north)
        ((tenant_id, row_id),) = owed_looks(post, everywhere=False)
        assert tenant_id == world.north.tenant_id
        assert jobs.JOBS["suppression_check"](post.runtime, tenant_id, row_id) == NOBODY
        assert check_of(owner_engine, world.north.tenant_id).error == NOBODY
        assert post.sendgrid.requests == []


def test_the_clock_opens_looks_and_a_failure_is_kept_where_the_owner_looks(
    post: Post, world: World, queue: WakeQueue, monkeypatch: pytest.MonkeyPatch, owner_engine: Engine
) -> None:
    monkeypatch.setattr(jobs, "get_runtime", lambda: post.runtime)
    jobs.tick()
    (woken,) = [job for job in queue.take_due(post.clock.now()) if job[0] == "suppression_check"]
    assert woken[1] == 0

    def breaks(*_: object) -> str:
        raise ValueError("a bug")

    monkeypatch.setitem(jobs.JOBS, "suppression_check", breaks)
    with pytest.raises(ValueError, match="a bug"):
        jobs.run(*woken)
    with post.db.system() as session:
        kept = session.query(JobExecution).filter(JobExecution.job == "suppression_check").one()
    assert (kept.tenant_id, kept.outcome) == (None, "failed")


def test_nobody_sees_anothers_look(post: Post, world: World) -> None:
    post.own_account(world.north)
    assert len(owed_looks(post)) == 2
    assert len(rows(post.db, world.north, SuppressionCheck)) == 1
    assert rows(post.db, world.south, SuppressionCheck) == []
    assert API_KEY not in str(rows(post.db, world.north, SuppressionCheck)[0].__dict__)
