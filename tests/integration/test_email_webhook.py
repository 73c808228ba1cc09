"""Inbound email from SendGrid's post to the message the inbox gets, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import Engine, create_engine, select

from channels.email.inbound import Ignored, build_inbound
from channels.inbound import Inbound
from crm.db import Database
from crm.models import ChatMessage, ChatSession, WebhookEvent
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.settings import Settings
from tests.conftest import World
from tests.integration.inbound_help import Site, events, mail, post, serving
from tests.standins.sendgrid import Attachment, SendGridStandIn, compose


@pytest.fixture
def site(db: Database, queue: WakeQueue, clock: FixedClock) -> Iterator[Site]:
    with serving(db, queue, clock) as running:
        yield running


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn() as standin:
        yield standin


def inbound(site: Site, world: World) -> Inbound | Ignored:
    """What the one stored event of north becomes."""
    with site.deps.db.tenant(world.north.tenant_id) as s:
        event = s.scalars(select(WebhookEvent)).one()
    return build_inbound(site.deps.db, event)


def test_stored_once_and_woken_once(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    raw = mail(message_id="<a@x.example>")
    assert [post(sendgrid, site, raw), post(sendgrid, site, raw)] == [200, 200]
    (row,) = events(owner_engine)
    assert row[1:3] == (world.north.tenant_id, "received")
    assert site.deps.queue.take_due(clock.now()) == [("webhook", world.north.tenant_id, str(row[0]))]


def test_one_mail_to_two_of_our_shops_is_two_events(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    raw = mail(message_id="<a@x.example>")
    post(sendgrid, site, raw, "shop@north.example")
    post(sendgrid, site, raw, "shop@south.example")
    assert {row[1] for row in events(owner_engine)} == {world.north.tenant_id, world.south.tenant_id}


def test_a_web_form_with_a_fixed_message_id_loses_nothing(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    post(sendgrid, site, mail("first", message_id="<form@x.example>"))
    post(sendgrid, site, mail("second", message_id="<form@x.example>"))
    assert len(events(owner_engine)) == 2


def test_a_post_to_two_shops_at_once_reaches_both(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    raw = mail(message_id="<a@x.example>")
    both = ["nobody@north.example", "shop@north.example", "Shop+x@South.example"]
    assert [post(sendgrid, site, raw, both), post(sendgrid, site, raw, both)] == [200, 200]
    assert {row[1:3] for row in events(owner_engine)} == {
        (world.north.tenant_id, "received"),
        (world.south.tenant_id, "received"),
    }
    assert len(events(owner_engine)) == 2


def test_without_a_message_id_a_repeated_post_is_one_and_a_second_mail_two(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    raw = mail("ok", message_id="")
    assert [post(sendgrid, site, raw), post(sendgrid, site, raw)] == [200, 200]
    assert len(events(owner_engine)) == 1
    later = raw.replace(b"\r\nDate: ", b"\r\nX-Later: 1\r\nDate: ")
    assert later != raw
    assert post(sendgrid, site, later) == 200
    assert len(events(owner_engine)) == 2


def test_one_mail_posted_many_times_at_once_is_stored_once(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    raw = mail(message_id="<a@x.example>")
    answers: list[int] = []
    start = threading.Barrier(8)

    def go() -> None:
        start.wait(10)
        answers.append(post(sendgrid, site, raw))

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [200] * 8
    assert len(events(owner_engine)) == 1


def test_unknown_mailbox_is_kept_in_quarantine(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    assert post(sendgrid, site, mail(), "nobody@elsewhere.example") == 200
    (row,) = events(owner_engine)
    assert row[1:3] == (None, "quarantined")
    assert site.deps.queue.take_due(clock.now()) == []


def test_who_does_not_know_the_token_is_refused(site: Site, world: World, owner_engine: Engine) -> None:
    assert (
        requests.post(f"{site.base}/hooks/sendgrid/inbound/wrong", data=b"x", timeout=10).status_code == 403
    )
    assert events(owner_engine) == []


def test_without_a_configured_token_mail_waits_at_sendgrid(
    site: Site, sendgrid: SendGridStandIn, world: World
) -> None:
    site.deps.settings = Settings(_env_file=None)
    assert post(sendgrid, site, mail()) == 503


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"\x00\xff", "text/plain"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"--", "multipart/form-data"),
    ],
)
def test_what_cannot_be_read_is_stored_all_the_same(
    site: Site, world: World, owner_engine: Engine, body: bytes, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert requests.post(site.url, data=body, headers=headers, timeout=10).status_code == 200
    assert events(owner_engine)[0][4] == len(body)


def test_large_fields_and_files_pass(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    answer = sendgrid.post_inbound(
        site.url,
        fields={"text": "x" * 600_000, "from": "dana@example.com", "headers": "Message-ID: <a@x.example>"},
        envelope_to="shop@north.example",
        envelope_from="dana@example.com",
        attachments=[Attachment("car.jpg", b"\xff\xd8\xff\xe0" * 500_000)],
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert events(owner_engine)[0][4] > 2_600_000
    message = inbound(site, world)
    assert isinstance(message, Inbound)
    assert [(part.filename, part.content_type, part.size) for part in message.media] == [
        ("car.jpg", "image/jpeg", 2_000_000)
    ]


def test_a_database_that_is_away_lets_sendgrid_come_again(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    working = site.deps.db
    site.deps.db = Database(create_engine("postgresql+psycopg2://x:y@127.0.0.1:1/none"))

    def mend(attempt: int) -> None:
        site.deps.db = working

    delivery = sendgrid.deliver_inbound(
        site.url, raw=mail(), envelope_to="shop@north.example", envelope_from="dana@example.com", between=mend
    )
    assert (delivery.outcome, delivery.statuses) == ("delivered", [503, 200])
    assert len(events(owner_engine)) == 1


def test_the_token_in_the_address_names_the_conversation(
    site: Site, sendgrid: SendGridStandIn, world: World
) -> None:
    with site.deps.db.tenant(world.north.tenant_id) as s:
        token = s.get_one(ChatSession, world.north.session_id).reply_token
    raw = compose(
        "Spouse <other@example.com>", "x@y.example", "Re: Tint", "Tuesday works", message_id="<a@x.example>"
    )
    post(sendgrid, site, raw, f"Shop+{token.upper()}@North.example")
    message = inbound(site, world)
    assert isinstance(message, Inbound)
    assert message.session_id == world.north.session_id
    assert (message.tenant_id, message.location_id) == (world.north.tenant_id, world.north.location_id)
    assert (message.from_address, message.to_address) == ("other@example.com", "shop@north.example")
    assert (message.body, message.rfc_message_id, message.sender_name) == (
        "Tuesday works",
        "<a@x.example>",
        "Spouse",
    )


def test_a_token_of_another_tenant_opens_nothing(site: Site, sendgrid: SendGridStandIn, world: World) -> None:
    with site.deps.db.tenant(world.south.tenant_id) as s:
        token = s.get_one(ChatSession, world.south.session_id).reply_token
    post(sendgrid, site, mail(), f"shop+{token}@north.example")
    message = inbound(site, world)
    assert isinstance(message, Inbound)
    # The sender is known in the north, too; what the southern secret names is never opened.
    assert message.session_id in (None, world.north.session_id)
    assert message.tenant_id == world.north.tenant_id


def test_the_thread_names_the_conversation(site: Site, sendgrid: SendGridStandIn, world: World) -> None:
    with site.deps.db.tenant(world.north.tenant_id) as s:
        s.add(
            ChatMessage(
                tenant_id=world.north.tenant_id, session_id=world.north.session_id, lead_id=world.north.lead_id,
                direction="out", channel="email", kind="reply", status="sent", body="Which day?",
                from_address="shop@north.example", to_address="dana@example.com", rfc_message_id="<one@north.example>",
            )
        )  # fmt: skip
    raw = compose(
        "other@example.com",
        "shop@north.example",
        "Re: Tint",
        "Tuesday",
        references="<one@north.example> <q@x.example>",
    )
    post(sendgrid, site, raw)
    message = inbound(site, world)
    assert isinstance(message, Inbound)
    assert message.session_id == world.north.session_id
    assert message.rfc_references == "<one@north.example> <q@x.example>"


def test_one_mail_to_two_addresses_of_a_shop_is_one_message(
    site: Site, sendgrid: SendGridStandIn, world: World
) -> None:
    raw = mail(message_id="<a@x.example>")
    post(sendgrid, site, raw, "shop@north.example")
    post(sendgrid, site, raw, "shop+abc@north.example")
    with site.deps.db.tenant(world.north.tenant_id) as s:
        stored = s.scalars(select(WebhookEvent)).all()
    keys = {
        found.carrier_id
        for event in stored
        if isinstance(found := build_inbound(site.deps.db, event), Inbound)
    }
    assert (len(stored), len(keys)) == (2, 1)


@pytest.mark.parametrize(
    ("sender", "headers", "automatic"),
    [("dana@example.com", {"Auto-Submitted": "auto-replied"}, True), ("dana@example.com", {}, False)],
)
def test_automatic_mail_of_a_known_person_is_marked(
    site: Site, sendgrid: SendGridStandIn, world: World, sender: str, headers: dict[str, str], automatic: bool
) -> None:
    post(sendgrid, site, compose(sender, "shop@north.example", "Hi", "Away until Monday", headers=headers))
    message = inbound(site, world)
    assert isinstance(message, Inbound)
    assert message.automatic is automatic


@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("news@example.com", {"List-Unsubscribe": "<mailto:x@y.example>"}),
        ("mailer-daemon@example.com", {}),
        ("shop@south.example", {}),
        ("shop+abc@north.example", {}),
    ],
    ids=["newsletter", "bounce", "another shop of ours", "ourselves"],
)
def test_machines_and_our_own_mailboxes_make_no_lead(
    site: Site, sendgrid: SendGridStandIn, world: World, sender: str, headers: dict[str, str]
) -> None:
    post(sendgrid, site, compose(sender, "shop@north.example", "Hi", "Words", headers=headers))
    assert isinstance(inbound(site, world), Ignored)
