"""One mail as SendGrid's mail/send takes it: two parts with the same words, headers of a thread, no tracking."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from sendgrid.helpers.mail import Attachment as MailAttachment
from sendgrid.helpers.mail import (
    ClickTracking,
    Content,
    CustomArg,
    Disposition,
    Email,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    OpenTracking,
    SubscriptionTracking,
    To,
    TrackingSettings,
)

from channels.carrier import Attachment, Outgoing
from channels.email.layout import html_body
from channels.email.text import domain_of, message_id, one_line, thread_ids

# Answers to a person; all other mail of ours is generated (RFC 3834, messaging facts 4.5).
ANSWERS = frozenset({"reply", "consent"})
NO_SUBJECT = "Your request"


def build_mail(message: Outgoing, sender_domain: str | None = None) -> Mail:
    """One mail to one person: plain text, the same words in HTML, thread headers, no tracking. `sender_domain`: the
    domain it comes from, where that is not the mailbox's."""
    subject = one_line(message.subject or "") or NO_SUBJECT
    mail = Mail(
        from_email=Email(from_address(message, sender_domain), one_line(message.from_name or "") or None),
        to_emails=To(one_line(message.to_address)),
        subject=subject,
    )
    mail.add_content(Content("text/plain", message.body))
    page = html_body(message.body, subject=subject, our_hosts=our_hosts(message, sender_domain))
    mail.add_content(Content("text/html", page))
    if message.reply_to:
        mail.reply_to = Email(one_line(message.reply_to))
    for attachment in message.attachments:
        mail.add_attachment(_attached(attachment))
    for name, value in headers(message).items():
        mail.add_header(Header(name, value))
    # The only trace of ours that comes back in events; opaque, because SendGrid keeps it (messaging facts 4.2).
    mail.add_custom_arg(CustomArg("outbox_id", str(message.outbox_id)))
    mail.tracking_settings = _no_tracking()
    return mail


def from_address(message: Outgoing, sender_domain: str | None = None) -> str:
    """The address in From: the mailbox, at the authenticated domain where there is another one."""
    mailbox = one_line(message.from_address)
    return f"{mailbox.rpartition('@')[0]}@{sender_domain}" if sender_domain else mailbox


def our_hosts(message: Outgoing, sender_domain: str | None = None) -> tuple[str, ...]:
    """Hosts that links in this mail may lead to: ours, and those of the shop's mail."""
    page = urlsplit(message.unsubscribe_url).hostname if message.unsubscribe_url else None
    domains = (sender_domain, domain_of(message.from_address), page)
    return tuple(dict.fromkeys(one for one in domains if one))


def headers(message: Outgoing) -> dict[str, str]:
    """The headers that are ours to set. What mail programs and other machines go by: which thread, that a machine
    wrote it, and how to end mail of the cadence (RFC 3834, RFC 8058; messaging facts 4.2, 4.4, 4.5)."""
    answer = message.kind in ANSWERS
    found = {
        "Message-ID": message.rfc_message_id or message_id(message.outbox_id, message.from_address),
        "Auto-Submitted": "auto-replied" if answer else "auto-generated",
    }
    if references := thread_ids(message.rfc_references, message.in_reply_to):
        found["References"] = " ".join(references)
        found["In-Reply-To"] = references[-1]
    if not answer:
        # No holiday replies to what nobody wrote.
        found["X-Auto-Response-Suppress"] = "All"
    if message.kind == "touch":
        found |= _ways_out(message)
    return {name: one_line(value, 12_000) for name, value in found.items()}


def _ways_out(message: Outgoing) -> dict[str, str]:
    """One click where we have a page for it, else by mail only."""
    by_mail = [f"<mailto:{message.reply_to}?subject=unsubscribe>"] if message.reply_to else []
    if message.unsubscribe_url is None:
        return {"List-Unsubscribe": by_mail[0]} if by_mail else {}
    return {
        "List-Unsubscribe": ", ".join([f"<{message.unsubscribe_url}>", *by_mail]),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _no_tracking() -> TrackingSettings:
    """Links stay as they are written, nothing is counted, and only our own way out is in the mail."""
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(False, False)
    tracking.open_tracking = OpenTracking(False)
    tracking.subscription_tracking = SubscriptionTracking(False)
    return tracking


def _attached(attachment: Attachment) -> MailAttachment:
    # The API wants Base64 and refuses parameters in the media type; a calendar's METHOD stands in the file itself.
    return MailAttachment(
        FileContent(base64.b64encode(attachment.content).decode("ascii")),
        FileName(one_line(attachment.name)),
        FileType(attachment.kind),
        Disposition("attachment"),
    )
