"""Shops whose mail goes through the SendGrid stand-in over real sockets, and whose events come back over them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from app import create_app
from crm.db import Database
from crm.mail_accounts import hook_token, set_account
from crm.models import ChatMessage, ConsentEvent, MailEvent, WebhookEvent
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, Shop, TestDatabase, World
from tests.integration.talking import message_of, outgoing, put, rows
from tests.runtimes import KEY, FakeSender, runtime_for
from tests.standins.sendgrid import Mail, SendGridStandIn

API_KEY = "SG.key"
SUBUSER = "north-tint"


@dataclass
class Post:
    """The line between the shops and SendGrid. `base` is where our web process listens."""

    runtime: Runtime
    db: Database
    world: World
    clock: FixedClock
    sendgrid: SendGridStandIn
    base: str

    @property
    def url(self) -> str:
        """Where events of the installation's account come to."""
        return f"{self.base}/hooks/sendgrid/events"

    def own_account(self, shop: Shop) -> str:
        """Give a shop a subuser of its own; returns where its events come to."""
        with self.db.tenant(shop.tenant_id) as session:
            set_account(session, shop.tenant_id, SecretBox(KEY), subuser=SUBUSER)
            return f"{self.url}/{hook_token(session)}"

    def write(self, shop: Shop, kind: str = "reply", **more: Any) -> int:
        """One mail to the customer, due now."""
        return put(self.db, shop, self.clock.now(), kind=kind, channel="email", subject="Your tint", **more)

    def send(self, shop: Shop, kind: str = "reply", **more: Any) -> tuple[int, Mail]:
        """Write one and let the outbox send it; the row's id and what SendGrid has of it."""
        message_id = self.write(shop, kind, **more)
        assert self.runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
        return message_id, self.sendgrid.mails[-1]

    def tell(self, events: Sequence[dict[str, Any]], url: str | None = None) -> list[int | None]:
        """SendGrid posts the events once; returns our answers."""
        (delivery,) = self.sendgrid.deliver_events(url or self.url, events, attempts=1)
        return delivery.statuses

    def work(self, shop: Shop) -> list[str]:
        """A worker takes every stored batch of a shop that is due; what came of each."""
        due = rows_received(self.db, shop)
        return [jobs.webhook(self.runtime, shop.tenant_id, row_id) for row_id in due]

    def hear(self, events: Sequence[dict[str, Any]], url: str | None = None) -> None:
        """Both: the post, and the work on it for both shops."""
        assert self.tell(events, url) == [200]
        for shop in (self.world.north, self.world.south):
            self.work(shop)

    def row(self, shop: Shop, message_id: int) -> ChatMessage:
        """The message as it is now."""
        return message_of(self.db, shop, message_id)

    def events(self, shop: Shop) -> list[MailEvent]:
        """The stored events of a shop."""
        return rows(self.db, shop, MailEvent)

    def notices(self, shop: Shop) -> list[str]:
        """What the shop's people were told."""
        return [notice.body for notice in outgoing(self.db, shop, "notice")]

    def revoked(self, shop: Shop, address: str = CUSTOMER_EMAIL) -> list[tuple[str, str, str]]:
        """(channel, actor, source) of every revocation for an address."""
        found = rows(self.db, shop, ConsentEvent, ConsentEvent.action == "revoke")
        return [(one.channel, one.actor, one.source) for one in found if one.address == address]


def rows_received(db: Database, shop: Shop) -> list[str]:
    """The stored webhooks of a shop that nobody has taken yet."""
    with db.tenant(shop.tenant_id) as session:
        found = session.query(WebhookEvent.id).where(WebhookEvent.status == "received")
        return [str(row.id) for row in found.order_by(WebhookEvent.received_at)]


def stored_posts(owner_engine: Engine) -> list[Any]:
    """Every stored webhook of everybody: tenant, status, note, body."""
    statement = (
        "select tenant_id, status, note, convert_from(body, 'utf8') from webhook_events order by tenant_id"
    )
    with owner_engine.begin() as connection:
        return list(connection.execute(text(statement)))


@contextmanager
def open_post(
    database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World, **given: Any
) -> Iterator[Post]:
    """The stand-in, the web application on a port of its own, and an outbox that sends with the official SDK."""
    # At noon nothing is held back for the hour.
    clock.advance(timedelta(hours=3))
    with SendGridStandIn(API_KEY, subusers=(SUBUSER,), clock=clock.now) as sendgrid:
        settings = {
            "sendgrid_api_key": API_KEY,
            "sendgrid_api_base": sendgrid.url,
            "sendgrid_event_keys": [sendgrid.public_key],
            **given,
        }
        with runtime_for(database, redis_url, clock, sms=FakeSender(), **settings) as runtime:
            server = make_server("127.0.0.1", 0, create_app(runtime), threaded=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                base = f"http://127.0.0.1:{server.server_port}"
                yield Post(runtime, db, world, clock, sendgrid, base)
            finally:
                server.shutdown()
                thread.join(10)
                server.server_close()
