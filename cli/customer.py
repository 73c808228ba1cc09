"""A customer for `leads chat`: what Twilio and SendGrid would post when this person writes, signed the same way."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

import requests
from sqlalchemy import ColumnElement, select
from twilio.request_validator import RequestValidator

from cli.context import Office
from cli.errors import CliError
from crm.models import ChatSession, Lead, Location
from crm.transcripts import MessageLine, read_transcript
from ops.embedded import read_generated
from ops.settings import secret

TIMEOUT_S = 30
SMS_PATH, EMAIL_PATH = "/hooks/twilio/sms", "/hooks/sendgrid/inbound/"


@dataclass(frozen=True)
class Situation:
    """The conversation now: the shop's messages not shown yet, whether an answer is owed, and who holds the
    conversation ("agent" or "human")."""

    messages: list[MessageLine]
    owed: bool
    state: str
    reason: str | None


@dataclass
class Customer:
    """One person writing to one location from one address. What has an id up to `since`, or is in `shown`, is old."""

    office: Office
    location: Location
    channel: str
    address: str
    name: str = ""
    since: int = 0
    shown: set[int] = field(default_factory=set)
    _last: MessageLine | None = field(default=None, repr=False)

    def catch_up(self) -> None:
        """Forget what was said before: only what comes from now on is an answer."""
        for message in self._read(0):
            self.since = max(self.since, message.id)
            self._remember(message)

    def write(self, text: str) -> None:
        """Send one message over the real path. Raises CliError when the web process refuses it."""
        if self.channel == "sms":
            self._post_text(text)
        else:
            self._post_email(text)

    def look(self) -> Situation:
        """What the shop has written that was not shown yet, and who holds the conversation."""
        messages = [one for one in self._read(self.since) if one.direction == "out" and one.kind != "notice"]
        messages = [one for one in messages if one.id not in self.shown]
        for message in messages:
            self._remember(message)
        with self.office.db.tenant(self.office.tenant.id) as session:
            chat = session.scalars(select(ChatSession).join(Lead).where(*self._mine())).first()
            if chat is None:
                return Situation(messages, owed=True, state="agent", reason=None)
            return Situation(messages, chat.answer_due_at is not None, chat.state, chat.state_reason)

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        column = Lead.phone if self.channel == "sms" else Lead.email
        return (Lead.location_id == self.location.id, column == self.address)

    def _read(self, after_id: int) -> list[MessageLine]:
        with self.office.db.tenant(self.office.tenant.id) as session:
            lead_id = session.scalar(select(Lead.id).where(*self._mine()))
            return read_transcript(session, lead_id, after_id=after_id) if lead_id else []

    def _remember(self, message: MessageLine) -> None:
        if message.direction == "out" and message.channel == "email" and message.rfc_message_id:
            self._last = message

    def _post_text(self, text: str) -> None:
        settings = self.office.settings
        token = secret(settings.twilio_auth_token)
        if not token:
            raise CliError(
                "TWILIO_AUTH_TOKEN is not set, so a text cannot be signed; `make run` generates one"
            )
        form = {
            "MessageSid": f"SM{secrets.token_hex(16)}",
            "AccountSid": settings.twilio_account_sid or f"AC{'0' * 32}",
            "From": self.address,
            "To": self.location.phone or "",
            "Body": text,
            "NumMedia": "0",
            "NumSegments": "1",
        }
        signature = RequestValidator(token).compute_signature(f"{settings.public_base_url}{SMS_PATH}", form)
        answer = requests.post(
            self._web() + SMS_PATH, data=form, headers={"X-Twilio-Signature": signature}, timeout=TIMEOUT_S
        )
        _check(answer, "TWILIO_AUTH_TOKEN or PUBLIC_BASE_URL")

    def _post_email(self, text: str) -> None:
        token = secret(self.office.settings.sendgrid_inbound_token)
        if not token:
            raise CliError("SENDGRID_INBOUND_TOKEN is not set; `make run` generates one")
        mail, to = self._mail(text), self._reply_address()
        fields = {
            "email": mail.as_string(),
            "envelope": json.dumps({"to": [to], "from": self.address}),
            "subject": str(mail["Subject"]),
            "from": str(mail["From"]),
            "to": str(mail["To"]),
            "SPF": "pass",
            "dkim": f"{{@{self.address.partition('@')[2]} : pass}}",
            "sender_ip": "127.0.0.1",
            "charsets": json.dumps({"subject": "UTF-8", "from": "UTF-8", "to": "UTF-8"}),
        }
        files = {name: (None, value.encode()) for name, value in fields.items()}
        answer = requests.post(self._web() + EMAIL_PATH + token, files=files, timeout=TIMEOUT_S)
        _check(answer, "SENDGRID_INBOUND_TOKEN")

    def _mail(self, text: str) -> EmailMessage:
        mail, domain = EmailMessage(), self.address.partition("@")[2]
        subject = self._last.subject if self._last and self._last.subject else "A question"
        mail["From"] = formataddr((self.name, self.address))
        mail["To"] = self._reply_address()
        mail["Date"] = format_datetime(self.office.clock.now())
        mail["Message-ID"] = f"<{secrets.token_hex(12)}@{domain}>"
        if self._last and self._last.rfc_message_id:
            mail["In-Reply-To"] = mail["References"] = self._last.rfc_message_id
            subject = subject if subject.lower().startswith("re:") else f"Re: {subject}"
        mail["Subject"] = subject
        mail.set_content(text)
        return mail

    def _reply_address(self) -> str:
        """The mailbox; once the shop has written, the address its mail asks to be answered at."""
        mailbox = self.location.mailbox or ""
        if self._last is None:
            return mailbox
        with self.office.db.tenant(self.office.tenant.id) as session:
            token = session.scalar(select(ChatSession.reply_token).join(Lead).where(*self._mine()))
        local, _, domain = mailbox.partition("@")
        return f"{local}+{token}@{domain}" if token else mailbox

    def _web(self) -> str:
        settings = self.office.settings
        host = "127.0.0.1" if settings.web_host in ("0.0.0.0", "::", "") else settings.web_host
        port = settings.web_port or int(read_generated(settings.data_dir).get("WEB_PORT", "0"))
        return f"http://{host}:{port}"


def _check(answer: requests.Response, names: str) -> None:
    if answer.status_code == 403:
        raise CliError(f"the web process refused the signature: {names} changed since it was started")
    if answer.status_code >= 300:
        raise CliError(f"the web process answered {answer.status_code}; its log says why (logs/web.log)")
