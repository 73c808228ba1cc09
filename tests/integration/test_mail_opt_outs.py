"""Unsubscribes and spam reports that SendGrid tells of: the ledger, the cadence, the shop, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from crm.db import Database
from crm.models import Appointment, TouchPoint
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.mail_help import SUBUSER, Post, open_post
from tests.integration.talking import change, flush, hear, lead_of, outgoing, plan_touch, put, rows
from tests.standins.sendgrid import told_again


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def touches(post: Post) -> list[tuple[str, str | None]]:
    return [(touch.status, touch.reason) for touch in rows(post.db, post.world.north, TouchPoint)]


def covers(owner_engine: Engine, world: World, what: str) -> None:
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "update tenants set settings = jsonb_build_object('stop_covers', cast(:what as text)) where id = :id"
            ),
            {"what": what, "id": world.north.tenant_id},
        )


@pytest.mark.parametrize("kind", ["unsubscribe", "group_unsubscribe", "spamreport"])
def test_an_opt_out_closes_everything_the_business_says_it_closes(
    post: Post, world: World, kind: str
) -> None:
    plan_touch(post.db, world.north, post.clock.now())
    message_id, mail = post.send(world.north, "touch")
    waiting = post.write(world.north)
    events = post.sendgrid.events_for(mail, ["delivered", kind])
    post.hear([*events, *events])
    assert post.revoked(world.north) == [("email", "carrier", f"SendGrid: {kind}")]
    assert touches(post)[0][0] == "ended"
    assert lead_of(post.db, world.north).status == "opted_out"
    assert post.row(world.north, waiting).status == "withheld"
    assert post.row(world.north, message_id).status == "delivered", "an opt-out is no failure"
    assert outgoing(post.db, world.north, "consent") == [], "nobody confirms it"
    assert len(post.notices(world.north)) == (1 if kind == "spamreport" else 0)
    assert (post.revoked(world.south), lead_of(post.db, world.south).status) == ([], "new")


@pytest.mark.parametrize(("kind", "ended"), [("unsubscribe", False), ("spamreport", True)])
def test_where_a_stop_covers_one_channel_texts_stay_open_but_spam_ends_the_cadence(
    post: Post, world: World, owner_engine: Engine, kind: str, ended: bool
) -> None:
    covers(owner_engine, world, "same")
    plan_touch(post.db, world.north, post.clock.now())
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, [kind]))
    assert touches(post)[0][0] == ("ended" if ended else "planned")
    by_mail, by_text = post.write(world.north), put(post.db, world.north, post.clock.now())
    assert post.runtime.outbox.deliver(world.north.tenant_id, by_mail) == "withheld"
    assert post.runtime.outbox.deliver(world.north.tenant_id, by_text) == "sent"


def test_an_opt_out_before_the_delivery_of_the_same_mail_stands(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["processed", "delivered", "unsubscribe"])
    post.hear(list(reversed(events)))
    post.hear(post.sendgrid.events_for(mail, ["group_resubscribe"]))
    assert len(post.revoked(world.north)) == 1
    later = post.write(world.north)
    assert post.runtime.outbox.deliver(world.north.tenant_id, later) == "withheld"


def test_only_the_customers_own_start_opens_it_again(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["unsubscribe"]))
    hear(post.runtime, world.north, "START", "email")
    later = post.write(world.north, "confirmation")
    assert post.runtime.outbox.deliver(world.north.tenant_id, later) == "sent"


def test_an_old_report_told_again_does_not_stop_who_came_back(post: Post, world: World) -> None:
    """Events are repeated for more than a day (messaging facts 6.31)."""
    _, mail = post.send(world.north)
    events = post.sendgrid.events_for(mail, ["spamreport"])
    post.hear(events)
    hear(post.runtime, world.north, "START", "email")
    post.clock.advance(timedelta(hours=20))
    post.hear([*events, *told_again(events)])
    assert len(post.revoked(world.north)) == 1
    later = post.write(world.north, "confirmation")
    assert post.runtime.outbox.deliver(world.north.tenant_id, later) == "sent"


def test_on_an_account_of_its_own_a_dropped_mail_is_a_stop_like_any_other(post: Post, world: World) -> None:
    url = post.own_account(world.north)
    post.sendgrid.suppress("unsubscribes", CUSTOMER_EMAIL, SUBUSER)
    _, mail = post.send(world.north)
    assert mail.subuser == SUBUSER
    post.hear(post.sendgrid.events_for(mail), url)
    assert post.revoked(world.north) == [("email", "carrier", "SendGrid: dropped")]
    assert lead_of(post.db, world.north).status == "opted_out"


def test_a_stop_that_stands_is_not_written_twice(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    hear(post.runtime, world.north, "unsubscribe me", "email")
    before = post.revoked(world.north)
    post.hear(post.sendgrid.events_for(mail, ["unsubscribe"]))
    assert post.revoked(world.north) == before


def test_an_opt_out_of_an_address_the_person_no_longer_has_is_theirs_all_the_same(
    post: Post, world: World
) -> None:
    _, mail = post.send(world.north)
    change(post.db, world.north, "update leads set email = 'new@example.com' where id = :lead")
    post.hear(post.sendgrid.events_for(mail, ["spamreport"]))
    assert len(post.revoked(world.north)) == len(post.revoked(world.north, "new@example.com")) == 1


def test_an_opt_out_by_one_of_the_shops_own_people_is_not_the_customers(post: Post, world: World) -> None:
    change(post.db, world.north, "update staff set phone = null, email = 'sam@north.example'")
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["bounce"]))
    flush(post.runtime, world.north)
    post.hear(post.sendgrid.events_for(post.sendgrid.mails[-1], ["spamreport"]))
    assert post.revoked(world.north) == []
    assert post.revoked(world.north, CUSTOMER_PHONE) == []
    assert len(post.revoked(world.north, "sam@north.example")) == 1


def test_an_opt_out_by_somebody_it_was_forwarded_to_is_for_their_address(post: Post, world: World) -> None:
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["unsubscribe"], email="friend@example.com"))
    assert post.revoked(world.north) == []
    assert len(post.revoked(world.north, "friend@example.com")) == 1


def test_who_is_booked_and_unsubscribes_is_known_to_the_shop(post: Post, world: World) -> None:
    starts = post.clock.now() + timedelta(days=2)
    with post.db.tenant(world.north.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=world.north.tenant_id,
                location_id=world.north.location_id,
                lead_id=world.north.lead_id,
                bay_id=world.north.bay_ids[0],
                service_ids=[next(iter(world.north.service_ids.values()))],
                starts_at=starts,
                ends_at=starts + timedelta(hours=1),
                status="booked",
                source="agent",
            )
        )
    _, mail = post.send(world.north)
    post.hear(post.sendgrid.events_for(mail, ["unsubscribe"]))
    (told,) = post.notices(world.north)
    assert "unsubscribed from our mail" in told
    assert "They have an appointment" in told


def test_on_an_account_of_its_own_other_programs_mail_counts_too(post: Post, world: World) -> None:
    url = post.own_account(world.north)
    foreign = {
        "email": CUSTOMER_EMAIL,
        "timestamp": 1_790_000_000,
        "sg_message_id": "x.filter",
        "sg_event_id": "a",
    }
    post.hear([{**foreign, "event": "bounce", "type": "bounce"}], url)
    assert lead_of(post.db, world.north).email_bad_since is not None
    post.hear([{**foreign, "event": "spamreport", "sg_event_id": "b"}], url)
    assert post.revoked(world.north) == [("email", "carrier", "SendGrid: spamreport")]
    assert lead_of(post.db, world.south).email_bad_since is None
