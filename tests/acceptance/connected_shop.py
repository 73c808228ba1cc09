"""A shop with its outside systems, as the acceptance tests of orders and mail see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.acceptance.processes import INBOUND_TOKEN, System, eventually
from tests.acceptance.records import Records
from tests.conftest import World
from tests.standins.sendgrid import Mail, SendGridStandIn, compose
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.twilio import TwilioStandIn

PHONE, EMAIL = "+13125550163", "riley@example.com"


@dataclass
class Shop:
    """North with its systems: Shopmonkey, Twilio and SendGrid."""

    system: System
    records: Records
    world: World
    shopmonkey: ShopmonkeyStandIn
    twilio: TwilioStandIn
    sendgrid: SendGridStandIn
    hook: str

    def tell(self, order_id: str, operation: str = "INSERT") -> None:
        """Deliver Shopmonkey's webhook about an order."""
        answer = self.shopmonkey.deliver_webhook(self.hook, "order", operation, order_id)
        assert answer.status_code == 200

    def lead(self, phone: str) -> dict[str, Any]:
        """The lead with this phone; AssertionError unless there is exactly one."""
        (row,) = [
            row for row in self.records.rows("leads", self.world.north.tenant_id) if row["phone"] == phone
        ]
        return row

    def touches(self, phone: str) -> list[dict[str, Any]]:
        """The lead's touch points by step."""
        return self.records.all(
            "select * from touch_points where lead_id = :id order by cadence_run, step",
            id=self.lead(phone)["id"],
        )

    def mails(self, address: str) -> list[Mail]:
        """What this address got, in order."""
        with self.sendgrid.lock:
            return [mail for mail in self.sendgrid.mails if mail.to == [address]]

    def wait_for_mail(self, address: str, number: int) -> Mail:
        """The number-th mail to this address (from 1)."""
        eventually(lambda: len(self.mails(address)) >= number, 30, f"mail {number} to {address}")
        return self.mails(address)[number - 1]

    def answer_mail(self, mail: Mail, body: str, message_id: str) -> None:
        """The customer answers a mail of ours the way a mail program does."""
        to = mail.body["reply_to"]["email"]
        earlier = " ".join([*mail.headers.get("References", "").split(), mail.headers["Message-ID"]])
        subject = mail.subject if mail.subject.startswith("Re: ") else f"Re: {mail.subject}"
        quoted = "\n".join(f"> {line}" for line in mail.text.splitlines())
        raw = compose(
            f"Riley Park <{EMAIL}>",
            to,
            subject,
            f"{body}\n\nOn Mon, Nov 23, 2026 at 10:30 AM North Tint <{mail.from_}> wrote:\n{quoted}\n",
            message_id=message_id,
            in_reply_to=mail.headers["Message-ID"],
            references=earlier,
        )
        answer = self.sendgrid.post_inbound(
            f"{self.system.url}/hooks/sendgrid/inbound/{INBOUND_TOKEN}",
            raw=raw,
            envelope_to=to,
            envelope_from=EMAIL,
        )
        assert answer.status_code == 200

    def settle(self) -> None:
        """Wait until there is nothing left to do at the present time."""
        self.records.wait_until_nothing_is_owed(self.system.now)
