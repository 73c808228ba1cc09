"""A shop whose texts go through the Twilio stand-in over real sockets, and whose callbacks come back over them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from werkzeug.serving import make_server

from app import create_app
from channels.sms.sender import TwilioSender
from crm.db import Database
from crm.models import ChatMessage, TouchPoint
from crm.template_blocks import standing_blocks
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.talking import lead_of, message_of, outgoing, plan_touch, put, rows, stops
from tests.runtimes import PUBLIC, TOKEN, FakeSender, runtime_for
from tests.standins.twilio import TwilioStandIn
from tests.standins.twilio_messages import TwilioMessage


@dataclass(frozen=True)
class Effects:
    """Everything an error may do besides the message, in one value to compare."""

    stops: list[tuple[str, str]]
    phone_bad_since: datetime | None
    blocks: list[str]
    touches: list[str]


@dataclass
class Line:
    """The line between the northern shop and Twilio."""

    runtime: Runtime
    db: Database
    world: World
    clock: FixedClock
    twilio: TwilioStandIn

    def write(self, kind: str) -> int:
        """One text of this kind to the customer, due now."""
        shop, now = self.world.north, self.clock.now()
        touch = plan_touch(self.db, shop, now) if kind == "touch" else None
        return put(self.db, shop, now, kind=kind, touch_point_id=touch)

    def deliver(self, message_id: int) -> str:
        """Let the outbox send it."""
        return self.runtime.outbox.deliver(self.world.north.tenant_id, message_id)

    def row(self, message_id: int) -> ChatMessage:
        """The row as it is now."""
        return message_of(self.db, self.world.north, message_id)

    def wait_for(self, message_id: int) -> str:
        """Let the time pass until the row is due and send it; again as long as the gate holds it."""
        for _ in range(10):
            due = self.row(message_id).send_after
            assert due is not None
            self.clock.advance(max(due - self.clock.now(), timedelta(0)))
            status = self.deliver(message_id)
            if status != "pending":
                return status
        raise AssertionError("it is held again and again")

    def report(self, message: TwilioMessage, code: int, status: str = "undelivered") -> list[int | None]:
        """Twilio tells that the text was handed on and then, twice, that it did not arrive; returns our answers."""
        told = [("sent", None), (status, code), (status, code)]
        return [self.twilio.deliver_status(message, state, error).status for state, error in told]

    def notices(self) -> list[str]:
        """What the shop's people were told, without repeats for several of them."""
        return list(dict.fromkeys(notice.body for notice in outgoing(self.db, self.world.north, "notice")))

    def effects(self, shop: Shop) -> Effects:
        """What has happened to a shop's customer, templates and cadence."""
        with self.db.tenant(shop.tenant_id) as session:
            blocks = [block.template for block in standing_blocks(session)]
        touches = [touch.status for touch in rows(self.db, shop, TouchPoint)]
        bad = lead_of(self.db, shop).phone_bad_since
        return Effects(stops(self.db, shop), bad, blocks, touches)


@contextmanager
def open_line(
    database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Line]:
    """The stand-in, the web application on a port of its own, and an outbox that sends with the official SDK."""
    with TwilioStandIn(numbers={world.north.phone, world.south.phone}, clock=clock.now) as twilio:
        sender = TwilioSender(twilio.account_sid, TOKEN, api_base=twilio.url, callback_base=PUBLIC)
        with runtime_for(database, redis_url, clock, sms=sender, email=FakeSender()) as runtime:
            server = make_server("127.0.0.1", 0, create_app(runtime), threaded=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            twilio.reach[PUBLIC] = f"http://127.0.0.1:{server.server_port}"
            try:
                yield Line(runtime, db, world, clock, twilio)
            finally:
                server.shutdown()
                thread.join(10)
                server.server_close()
