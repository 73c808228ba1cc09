"""A shop whose mail goes through the SendGrid stand-in, and whose pages answer on a port of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import select
from werkzeug.serving import make_server

from app import create_app
from channels.email.links import links_of
from crm.db import Database
from crm.models import ChatMessage, ConsentEvent, TouchPoint
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import start
from tests.runtimes import PUBLIC, FakeSender, runtime_for
from tests.standins.sendgrid import Mail, SendGridStandIn


@dataclass
class Post:
    """The way from the cadence to SendGrid, and back by the link in the mail."""

    runtime: Runtime
    db: Database
    world: World
    clock: FixedClock
    sendgrid: SendGridStandIn
    url: str

    def touch(self, shop: Shop) -> Mail:
        """The first touch of the shop's lead, who has not agreed to texts: written and sent by mail."""
        first = start(self.db, shop, self.clock.now(), grant=False)[0]
        links = links_of(self.runtime.settings)
        message_id = write_touch(self.db, shop.tenant_id, first, self.clock, links)
        assert message_id is not None
        assert self.runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
        return self.sendgrid.mails[-1]

    def local(self, link: str) -> str:
        """A public link as it is reached here."""
        assert link.startswith(f"{PUBLIC}/u/"), link
        return link.replace(PUBLIC, self.url)

    def post(self, link: str, **given: Any) -> requests.Response:
        """What a mail program does at one click."""
        body = given or {"data": {"List-Unsubscribe": "One-Click"}}
        return requests.post(self.local(link), timeout=20, allow_redirects=False, **body)

    def revokes(self, shop: Shop) -> list[ConsentEvent]:
        """The shop's ledger of stops."""
        with self.db.tenant(shop.tenant_id) as session:
            statement = select(ConsentEvent).where(ConsentEvent.action == "revoke").order_by(ConsentEvent.id)
            return list(session.scalars(statement))

    def touches(self, shop: Shop) -> set[str]:
        """In which states the cadence's touches are."""
        with self.db.tenant(shop.tenant_id) as session:
            return set(session.scalars(select(TouchPoint.status)))

    def outgoing(self, shop: Shop, kind: str) -> list[ChatMessage]:
        """What was written to somebody, of one kind."""
        with self.db.tenant(shop.tenant_id) as session:
            statement = select(ChatMessage).where(ChatMessage.direction == "out", ChatMessage.kind == kind)
            return list(session.scalars(statement.order_by(ChatMessage.id)))


def link_of(mail: Mail) -> str:
    """The link a mail program finds."""
    return mail.headers["List-Unsubscribe"].split(">")[0].removeprefix("<")


@contextmanager
def open_post(
    database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World, **given: Any
) -> Iterator[Post]:
    """The stand-in, the application on a port of its own, and an outbox that sends with the official SDK."""
    with SendGridStandIn(clock=clock.now) as sendgrid:
        settings = {"sendgrid_api_key": sendgrid.api_key, "sendgrid_api_base": sendgrid.url, **given}
        with runtime_for(database, redis_url, clock, sms=FakeSender(), **settings) as runtime:
            server = make_server("127.0.0.1", 0, create_app(runtime), threaded=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                url = f"http://127.0.0.1:{server.server_port}"
                yield Post(runtime, db, world, clock, sendgrid, url)
            finally:
                server.shutdown()
                thread.join(10)
                server.server_close()
