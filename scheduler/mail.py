"""A stored mail becomes what it is: a customer's message, a report about one of ours, an answer of the shop's people.

Every step is one transaction that may be done again: after a crash between two of them the whole mail is taken once
more, finds what is there already, and does what is missing.
"""

from __future__ import annotations

from sqlalchemy import select

from channels.email.automatic_effects import take
from channels.email.bounces import find_bounced, is_proved
from channels.email.event_effects import undelivered
from channels.email.inbound import as_inbound, open_mail
from channels.email.letters import Ignored, Letter, Opened, Report, StaffMail
from channels.email.parse import parse_email, parse_email_plainly
from channels.email.staff import take_staff_mail
from channels.inbound import Receipt
from channels.inbox import receive
from crm.leads import NoIdentity
from crm.models import ChatMessage, ChatSession, WebhookEvent
from scheduler.runtime import Runtime

# What broke a worker twice is read in the plainest way there is.
PLAIN_FROM_TRY = 3

Outcome = tuple[str, str | None]


def handle_mail(runtime: Runtime, event: WebhookEvent) -> Outcome:
    """Take one stored mail. Returns the event's status and a note; raises what is worth another try."""
    parse = parse_email if event.tries < PLAIN_FROM_TRY else parse_email_plainly
    outcomes = [_take(runtime, one) for one in open_mail(runtime.db, event, parse)]
    notes = "; ".join(note for _, note in outcomes if note)
    return ("processed" if any(status == "processed" for status, _ in outcomes) else "ignored"), notes or None


def _take(runtime: Runtime, opened: Opened) -> Outcome:
    if isinstance(opened, Ignored):
        return "ignored", opened.reason
    if isinstance(opened, Report):
        return _report(runtime, opened.letter)
    if isinstance(opened, StaffMail):
        return _staff(runtime, opened)
    return _message(runtime, opened)


def _message(runtime: Runtime, letter: Letter) -> Outcome:
    inbound = as_inbound(letter)
    try:
        receipt = receive(runtime.db, runtime.queue, inbound, we_confirm_stops=True)
    except NoIdentity as error:
        return "ignored", str(error)
    if letter.mail.automatic is not None:
        _effects(runtime, letter, receipt)
    return "processed", "known already" if receipt.duplicate else f"message {receipt.message_id}"


def _effects(runtime: Runtime, letter: Letter, receipt: Receipt) -> None:
    """What an automatic mail asks for, also when the mail itself was stored by a try that ended there."""
    automatic = letter.mail.automatic
    if automatic is None:
        return
    now = runtime.clock.now()
    with runtime.db.tenant(letter.tenant_id) as session:
        stored = session.execute(
            select(ChatMessage.id, ChatMessage.session_id).where(
                ChatMessage.tenant_id == letter.tenant_id,
                ChatMessage.channel == "email",
                ChatMessage.carrier_id == letter.carrier_id,
            )
        ).one()
        chat = session.get_one(ChatSession, stored.session_id, with_for_update=True)
        take(session, chat, stored.id, automatic, now)
    runtime.queue.wake("flush", letter.tenant_id, receipt.session_id, now)


def _report(runtime: Runtime, letter: Letter) -> Outcome:
    """A delivery report moves the mail of ours it speaks of; it is no message of anybody."""
    automatic = letter.mail.automatic
    bounce = automatic.bounce if automatic else None
    if automatic is None or bounce is None:
        return "ignored", "a report without a report in it"
    now = runtime.clock.now()
    with runtime.db.tenant(letter.tenant_id) as session:
        message = find_bounced(session, bounce, now=now)
        if message is None:
            return "ignored", f"a report about no mail of ours that is known ({automatic.reason})"
        message_id, session_id = message.id, message.session_id
        if automatic.kind == "bounce":
            reason = bounce.diagnostic or automatic.reason
            # Anybody can write a report; only one that knows the mail's own ids may end an address.
            hard = bounce.hard and is_proved(message, bounce)
            undelivered(session, message, hard=hard, reason=reason, code=bounce.status, now=now)
    runtime.queue.wake("flush", letter.tenant_id, session_id, now)
    return "processed", f"{automatic.kind} of message {message_id}"


def _staff(runtime: Runtime, mail: StaffMail) -> Outcome:
    now = runtime.clock.now()
    with runtime.db.tenant(mail.letter.tenant_id) as session:
        session_id, happened = take_staff_mail(session, mail, now)
    runtime.queue.wake("flush", mail.letter.tenant_id, session_id, now)
    return "processed", happened
