"""A customer with a mailbox: mails the shop through the SendGrid stand-in and reads what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.acceptance.processes import INBOUND_TOKEN, System, eventually
from tests.conftest import CUSTOMER_EMAIL
from tests.standins.sendgrid import Mail, SendGridStandIn, compose

ANSWER_SECONDS = 40.0


@dataclass
class Mailer:
    """Mails one mailbox of ours from one address, the way a mail program does: answers quote what they answer, and go
    to where the last mail wants its answers."""

    system: System
    sendgrid: SendGridStandIn
    mailbox: str
    address: str = CUSTOMER_EMAIL
    name: str = "Dana"
    ids: list[str] = field(default_factory=list)

    def received(self) -> list[Mail]:
        """What this address got from this mailbox, in order."""
        with self.sendgrid.lock:
            return [
                mail
                for mail in self.sendgrid.mails
                if mail.to == [self.address] and mail.from_ == self.mailbox
            ]

    def say(self, text: str, subject: str = "Tint for my car") -> Mail:
        """Write a mail, as an answer to the last one if there is one, and return the next that arrives."""
        known = len(self.received())
        self.send(text, subject)
        return eventually(lambda: self.received()[known:], ANSWER_SECONDS, f"an answer to {text!r}")[0]

    def send(self, text: str, subject: str) -> None:
        """Write a mail; the webhook must take it with 200."""
        last = self.received()[-1] if self.received() else None
        self.ids.append(f"<{len(self.ids) + 1}.{self.mailbox.replace('@', '.')}@mail.example.com>")
        to = last.body["reply_to"]["email"] if last else self.mailbox
        quoted = "".join(f"> {line}\n" for line in last.text.splitlines()) if last else ""
        body = f"{text}\n\nOn Mon, Nov 23, 2026 at 9:00 AM {self.mailbox} wrote:\n{quoted}" if last else text
        raw = compose(
            f"{self.name} <{self.address}>",
            to,
            last.subject if last else subject,
            body,
            message_id=self.ids[-1],
            in_reply_to=last.headers["Message-ID"] if last else None,
            references=" ".join([*last.headers.get("References", "").split(), last.headers["Message-ID"]])
            if last
            else None,
        )
        answer = self.sendgrid.post_inbound(
            f"{self.system.url}/hooks/sendgrid/inbound/{INBOUND_TOKEN}",
            raw=raw,
            envelope_to=to,
            envelope_from=self.address,
        )
        assert answer.status_code == 200, (answer.status_code, answer.text)
