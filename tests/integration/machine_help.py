"""A shop behind the line to SendGrid that hears the labelled mails of machines, and its touches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.models.scripted import ScriptedModel
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, TouchPoint, WebhookEvent
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.touches import start_cadence
from tests.conftest import CUSTOMER_EMAIL, Shop, TestDatabase, World
from tests.integration.mail_help import Post, open_post, rows_received
from tests.integration.talking import rows, say, scripted
from tests.machine_mail.scoring import TUNED, Case, load
from tests.runtimes import INBOUND_TOKEN
from tests.standins.sendgrid_inbound import compose

CHICAGO = ZoneInfo("America/Chicago")
CASES = {case.name: case for case in load(TUNED)}
# Signs that lie in the sender's address are gone when the mail is the customer's.
OF_ITS_SENDER = {"no_reply_sender", "our_own_answer_comes_back"}
TRAVELS = "I am travelling"


@dataclass
class Line:
    """A shop behind the line to SendGrid, and the model that answers for it."""

    post: Post
    model: ScriptedModel

    @property
    def north(self) -> Shop:
        return self.post.world.north

    def hear(self, raw: bytes, envelope_from: str = CUSTOMER_EMAIL) -> list[str]:
        """SendGrid posts a mail and a worker takes it; what came of it."""
        answer = self.post.sendgrid.post_inbound(
            f"{self.post.base}/hooks/sendgrid/inbound/{INBOUND_TOKEN}", raw=raw,
            envelope_to=self.north.mailbox, envelope_from=envelope_from,
        )  # fmt: skip
        assert answer.status_code == 200
        due = rows_received(self.post.db, self.north)
        return [jobs.webhook(self.post.runtime, self.north.tenant_id, row_id) for row_id in due]

    def hear_case(self, case: Case, *, as_customer: bool = True) -> list[str]:
        """The same with a labelled mail, as if the customer's mailbox had sent it."""
        if not as_customer:
            return self.hear(case.raw, case.envelope_from)
        raw = re.sub(rb"(?m)^From: [^\r\n]*", f"From: Dana <{CUSTOMER_EMAIL}>".encode(), case.raw, count=1)
        return self.hear(raw, case.envelope_from and CUSTOMER_EMAIL)

    def turn(self) -> str:
        """The quiet time passes and the worker looks whether there is anything to answer."""
        self.post.clock.advance(timedelta(seconds=20))
        return jobs.answer(self.post.runtime, self.north.tenant_id, str(self.north.session_id))

    def notes(self) -> list[str | None]:
        """What the events say became of them."""
        return [event.note for event in rows(self.post.db, self.north, WebhookEvent)]


@pytest.fixture
def line(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Line]:
    model = scripted(*[say("Which car is it?")] * 10)
    with open_post(test_database, redis_url, clock, db, world, models=[model]) as post:
        yield Line(post, model)


def automatic(db: Database, shop: Shop) -> list[ChatMessage]:
    return rows(db, shop, ChatMessage, ChatMessage.kind == "automatic")


def cadence(db: Database, shop: Shop, now: datetime) -> list[TouchPoint]:
    with db.tenant(shop.tenant_id) as session:
        chat = session.get_one(ChatSession, shop.session_id)
        start_cadence(session, session.get_one(Lead, shop.lead_id), chat, now=now)
    return touches(db, shop)


def touches(db: Database, shop: Shop) -> list[TouchPoint]:
    found = rows(db, shop, TouchPoint, TouchPoint.status == "planned")
    return sorted(found, key=lambda touch: touch.due_at)


def spacing(found: list[TouchPoint]) -> list[timedelta]:
    local = [touch.due_at.astimezone(CHICAGO).replace(tzinfo=None) for touch in found]
    return [later - earlier for earlier, later in pairwise(local)]


def away(text: str, now: datetime, **more: Any) -> bytes:
    raw = compose(
        f"Dana <{CUSTOMER_EMAIL}>", "shop@north.example", "Automatic reply: Tint", text,
        headers={"X-Auto-Response-Suppress": "All"}, **more,
    )  # fmt: skip
    return re.sub(rb"(?m)^Date: [^\r\n]*", f"Date: {now:%a, %d %b %Y %H:%M:%S +0000}".encode(), raw, count=1)


def bounce_of(message_id: str, status: str = "5.1.1", said: str = "550 5.1.1 user unknown") -> bytes:
    raw = CASES["postfix_unknown"].raw.replace(
        b"<0c1f6a53-7a0e-4b5f-93a5-1c37a6a2f7d1@north.example>", message_id.encode()
    )
    return raw.replace(b"Status: 5.1.1", f"Status: {status}".encode()).replace(
        b"550 5.1.1 <dana@example.com>: Recipient address\r\n    rejected: User unknown", said.encode()
    )
