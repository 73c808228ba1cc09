"""From a stored SendGrid post to what is to be done with it: whose mail it is, of which conversation, and whether that
is proved. Writes nothing and calls no network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import getaddresses

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.consent import read_message
from channels.email.authenticity import Proof, domain_proof
from channels.email.evidence import NOBODY_READS
from channels.email.form import BadForm
from channels.email.lateness import written_at
from channels.email.letters import CARRIER, Ignored, Letter, Opened, Report, StaffMail
from channels.email.mail import MailFile, ParsedEmail
from channels.email.parse import parse_email
from channels.email.text import split_address
from channels.email.thread import Conversation, find_conversation, staff_of
from channels.inbound import Inbound, MediaPart
from crm.db import Database
from crm.emails import normal_email
from crm.models import Lead, WebhookEvent
from crm.routing import Route, route_mailbox
from crm.webhooks import arrival_of

__all__ = ["Ignored", "Letter", "Report", "StaffMail", "as_inbound", "build_inbound", "open_mail"]

# A picture so small that the mail's own text shows is a logo or a button.
DECORATION = 8000

Parse = Callable[[bytes, str], ParsedEmail]


def open_mail(db: Database, event: WebhookEvent, parse: Parse = parse_email) -> list[Opened]:
    """What a stored post of source `sendgrid_inbound` holds, once for each location it was sent to; never empty.

    Automatic mail from a stranger is ignored, so that newsletters make no leads; from somebody known it is kept and
    marked. Raises whatever `parse` raises for bytes it cannot take apart.
    """
    try:
        mail = parse(bytes(event.body), event.content_type)
    except BadForm:
        return [Ignored("not a form as SendGrid posts it")]
    routes = _routes(db, mail)
    if not routes:
        return [Ignored("no location owns the mailbox this was sent to")]
    ours = {box: route for box, route in routes.items() if event.tenant_id in (None, route.tenant_id)}
    if not ours:
        return [Ignored("the mailbox belongs to another tenant now")]
    if mail.automatic is not None and mail.automatic.bounce is not None:
        # Of which mail is told inside, so one look is enough, and who sent it does not matter.
        box, route = next(iter(ours.items()))
        return [Report(_letter(event, mail, route, box, mail.sender or "", None, None))]
    sender = _writer(mail)
    if sender is None:
        return [Ignored("no usable sender address")]
    with db.system() as s:
        if route_mailbox(s, split_address(sender)[0]) is not None:
            return [Ignored("from a mailbox of our own")]
    return [_open(db, event, mail, sender, box, route) for box, route in ours.items()]


def build_inbound(db: Database, event: WebhookEvent, parse: Parse = parse_email) -> Inbound | Opened:
    """What a stored post becomes at the first location it was sent to."""
    first = open_mail(db, event, parse)[0]
    return as_inbound(first) if isinstance(first, Letter) else first


def as_inbound(letter: Letter) -> Inbound:
    """The mail of a customer as the inbox takes it."""
    mail, found = letter.mail, letter.conversation
    return Inbound(
        tenant_id=letter.tenant_id,
        location_id=letter.location_id,
        channel="email",
        carrier=CARRIER,
        carrier_id=letter.carrier_id,
        from_address=letter.sender,
        to_address=letter.mailbox,
        body=mail.words.text or mail.subject or "",
        body_full=mail.words.full or mail.subject or "",
        received_at=letter.received_at,
        raw=letter.raw,
        sender_name=mail.sender_name,
        subject=mail.subject,
        rfc_message_id=mail.message_id,
        rfc_references=" ".join(mail.references) or None,
        # Somebody known by the address alone is found by the inbox itself, in the call that stores the message.
        session_id=found.session_id if found and found.how != "sender" else None,
        automatic=mail.automatic is not None,
        media=tuple(_part(letter, file) for file in mail.files if not _is_decoration(file)),
        sent_at=letter.late_since,
        fresh=letter.fresh,
    )


def _writer(mail: ParsedEmail) -> str | None:
    """Who wrote. A form on a web page sends from an address that nobody reads and names the person in Reply-To. Anybody
    could have filled it in with anybody's address, so the mail stays doubtful: the shop is told, nothing is answered."""
    if mail.automatic is None or not mail.automatic.doubtful or mail.automatic.reason != NOBODY_READS:
        return mail.sender
    named = [normal_email(address) for _, address in getaddresses([mail.headers.get("reply-to", "")[:2000]])]
    return next((address for address in named if address is not None), mail.sender)


def _routes(db: Database, mail: ParsedEmail) -> dict[str, Route]:
    """The mailboxes of ours among the envelope's recipients, in their order."""
    boxes = dict.fromkeys(split_address(recipient)[0] for recipient in mail.recipients)
    with db.system() as s:
        return {box: route for box in boxes if (route := route_mailbox(s, box)) is not None}


def _open(
    db: Database, event: WebhookEvent, mail: ParsedEmail, sender: str, box: str, route: Route
) -> Opened:
    with db.tenant(route.tenant_id) as s:
        found = find_conversation(s, mail, route.row_id, box)
        staff = staff_of(s, sender)
        is_theirs = found is not None and not found.about_notice and found.lead_email == sender
        if (staff is not None or (found is not None and found.about_notice)) and not is_theirs:
            name = staff.name if staff else sender
            if mail.automatic is not None:
                return Ignored(
                    f"automatic mail of {name}, who gets the shop's alerts ({mail.automatic.reason})"
                )
            letter = _letter(event, mail, route, box, sender, found, domain_proof(mail))
            return StaffMail(letter, staff.id if staff else None, name)
        known = found is not None or _is_lead(s, route.row_id, sender)
        if mail.automatic is not None and not known and not mail.automatic.doubtful and not _says_stop(mail):
            return Ignored(f"automatic mail from nobody we know ({mail.automatic.reason})")
        by_token = found is not None and found.how == "token"
        proof: Proof | None = "token" if by_token else domain_proof(mail)
        since = None if found is None else written_at(s, mail, sender, found.session_id, event.received_at)
        return _letter(event, mail, route, box, sender, found, proof, since)


def _letter(
    event: WebhookEvent,
    mail: ParsedEmail,
    route: Route,
    box: str,
    sender: str,
    found: Conversation | None,
    proof: Proof | None,
    late_since: datetime | None = None,
) -> Letter:
    # What was kept aside and taken up later came at that moment, and was sent when it first reached us.
    came = arrival_of(event)
    return Letter(
        event.id,
        came.received_at,
        route.tenant_id,
        route.row_id,
        box,
        sender,
        mail,
        found,
        proof,
        late_since or came.sent_at,
        came.fresh,
    )


def _says_stop(mail: ParsedEmail) -> bool:
    """A mail program may write for somebody who wants no more mail, also from an address that nobody knows here."""
    word = read_message(mail.words.text, mail.subject, automatic=True, channel="email")
    return word is not None and word.meaning == "stop"


def _is_lead(s: Session, location_id: int, sender: str) -> bool:
    return s.scalar(select(Lead.id).where(Lead.location_id == location_id, Lead.email == sender)) is not None


def _is_decoration(file: MailFile) -> bool:
    return file.inline and file.content_type.startswith("image/") and file.size < DECORATION


def _part(letter: Letter, file: MailFile) -> MediaPart:
    return MediaPart(
        f"mail:{letter.event_id}",
        file.content_type,
        filename=file.name,
        content_id=file.content_id,
        content=file.content,
        size=file.size,
        refused=file.refused,
    )
