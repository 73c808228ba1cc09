"""What leaves by mail: one thread, the shop's postal address, notices whose answers find their conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from channels.email.links import links_of
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import change, start, touch
from tests.integration.sent_mail_help import Post, open_post
from tests.integration.talking import hear, message_of, put


@pytest.fixture
def post(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Post]:
    with open_post(test_database, redis_url, clock, db, world) as made:
        yield made


def deliver(post: Post, **given: Any) -> ChatMessage:
    """One mail to the northern shop's customer, sent; its row."""
    shop = post.world.north
    message_id = put(post.db, shop, post.clock.now(), channel="email", **given)
    assert post.runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
    return message_of(post.db, shop, message_id)


def test_one_conversation_is_one_thread(post: Post, world: World) -> None:
    first = deliver(post, subject="Your request at North Tint")
    assert post.sendgrid.mails[0].subject == "Your request at North Tint"
    assert "References" not in post.sendgrid.mails[0].headers
    heard = hear(
        post.runtime, world.north, "a Civic", channel="email", subject="[EXTERNAL] Re: Your request at North Tint",
        rfc_message_id="<theirs@x.example>", rfc_references=f"<older@x.example> {first.rfc_message_id}",
        session_id=world.north.session_id,
    )  # fmt: skip
    deliver(post, answers_up_to=heard.message_id)
    answer = post.sendgrid.mails[1]
    assert answer.subject == "Re: Your request at North Tint"
    assert answer.headers["In-Reply-To"] == "<theirs@x.example>"
    assert answer.headers["References"].split() == [
        "<older@x.example>", first.rfc_message_id, "<theirs@x.example>",
    ]  # fmt: skip
    third = deliver(post, answers_up_to=heard.message_id)
    assert post.sendgrid.mails[2].headers["In-Reply-To"] == answer.headers["Message-ID"]
    heard = hear(
        post.runtime, world.north, "and tint?", channel="email", subject="Something else",
        rfc_message_id="<new@x.example>", session_id=world.north.session_id,
    )  # fmt: skip
    deliver(post, answers_up_to=heard.message_id)
    assert post.sendgrid.mails[3].subject == "Re: Something else"
    assert post.sendgrid.mails[3].headers["References"] == "<new@x.example>"
    assert third.subject == "Re: Your request at North Tint"


def test_a_mail_that_never_left_has_no_place_in_the_thread(post: Post, world: World) -> None:
    first = deliver(post)
    lost = put(post.db, world.north, post.clock.now(), channel="email")
    change(post.db, world.north, "update chat_messages set status = 'withheld' where id = :id", id=lost)
    after = deliver(post)
    assert after.rfc_references == first.rfc_message_id


def test_a_notice_can_be_answered(post: Post, world: World) -> None:
    change(post.db, world.north, "update staff set phone = null, email = 'sam@north.example'")
    with post.db.tenant(world.north.tenant_id) as session:
        chat = session.get_one(ChatSession, world.north.session_id)
        (notice,) = notify_staff(
            session, session=chat, lead=session.get_one(Lead, chat.lead_id),
            location=session.get_one(Location, chat.location_id), text="Dana asks for Sam.", dedupe_key="x",
            now=post.clock.now(),
        )  # fmt: skip
        token = chat.reply_token
    assert post.runtime.outbox.deliver(world.north.tenant_id, notice.id) == "sent"
    (mail,) = post.sendgrid.mails
    assert mail.body["reply_to"]["email"] in (
        f"shop+{token}@north.example", f"shop+staff-{token}@north.example",
    )  # fmt: skip
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["X-Auto-Response-Suppress"] == "All"
    assert "List-Unsubscribe" not in mail.headers
    row = message_of(post.db, world.north, notice.id)
    assert mail.headers["Message-ID"] == row.rfc_message_id == f"<{row.outbox_id}@north.example>"
    assert deliver(post).rfc_references is None, "a notice is none of the customer's thread"


def test_no_commercial_mail_without_a_postal_address(post: Post, world: World, clock: FixedClock) -> None:
    change(post.db, world.north, "update locations set address = '  '")
    ids = start(post.db, world.north, clock.now(), grant=False)
    row = touch(post.db, world.north, ids[0])
    assert (row.status, row.channel) == ("skipped", "sms")
    assert "the shop has no postal address" in str(row.reason)
    change(post.db, world.north, "update locations set address = '1 Lake Street'")
    change(post.db, world.north, "update touch_points set status = 'planned'")
    change(post.db, world.north, "update locations set city = '', postal_code = ''")
    links = links_of(post.runtime.settings)
    assert write_touch(post.db, world.north.tenant_id, ids[0], clock, links) is None
    assert "the shop has no postal address" in str(touch(post.db, world.north, ids[0]).reason)
    with post.db.tenant(world.north.tenant_id) as session:
        assert session.scalars(select(ChatMessage)).all() == []


def test_without_a_link_the_words_say_how_to_stop(post: Post, world: World, clock: FixedClock) -> None:
    ids = start(post.db, world.north, clock.now(), grant=False)
    message_id = write_touch(post.db, world.north.tenant_id, ids[0], clock)
    assert message_id is not None
    assert post.runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (mail,) = post.sendgrid.mails
    assert mail.text.endswith('To stop these emails, reply "unsubscribe".\n')
    assert mail.headers["List-Unsubscribe"].startswith("<mailto:shop+")
    assert "List-Unsubscribe-Post" not in mail.headers
