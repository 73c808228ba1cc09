"""A customer with a phone: texts the shop through the Twilio stand-in and reads what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.acceptance.processes import System, eventually
from tests.conftest import CUSTOMER_PHONE
from tests.standins.twilio import TwilioStandIn

ANSWER_SECONDS = 30.0


@dataclass
class Texter:
    """Texts one number of ours from one phone. `sids` are the texts sent so far, in order."""

    system: System
    twilio: TwilioStandIn
    shop: str
    phone: str = CUSTOMER_PHONE
    sids: list[str] = field(default_factory=list)

    def received(self) -> list[str]:
        """What this phone got from this number, in order."""
        with self.twilio.lock:
            return [
                one.body for one in self.twilio.messages if (one.to, one.from_) == (self.phone, self.shop)
            ]

    def send(self, text: str, *, sid: str | None = None) -> None:
        """Send a text; the webhook must take it with 200 and an empty TwiML answer."""
        answer = self.twilio.inbound(
            f"{self.system.url}/hooks/twilio/sms", self.phone, self.shop, text, sid=sid
        )
        assert answer.status_code == 200, (answer.status_code, answer.text)
        assert "<Message" not in answer.text
        self.sids.append(self.twilio.inbound_messages[-1].sid)

    def say(self, text: str) -> str:
        """Send a text and return the next message that arrives."""
        known = len(self.received())
        self.send(text)
        return eventually(lambda: self.received()[known:], ANSWER_SECONDS, f"an answer to {text!r}")[0]
