"""Mail that belongs to no conversation, or that nothing proves: kept for a person to look at, within bounds.

Beyond the bounds nothing older is thrown out, because it may be the real mail: what comes is answered 503, so that it
waits at SendGrid for up to 72 hours (messaging facts 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from crm.webhooks import ASIDE, amount_aside, forget_aside, store_event

SOURCE = "sendgrid_inbound"
# Grounds, as they stand beside the event.
NOBODYS = "nobody's mailbox"
UNREADABLE = "no form"
WRONG_SIGNATURE = "wrong signature"
NO_SIGNATURE = "no signature"
WRONG_PASSWORD = "wrong password"
UNPROVEN = (WRONG_SIGNATURE, NO_SIGNATURE, WRONG_PASSWORD)
NOTES = {
    NOBODYS: "no location owns the mailbox this was sent to",
    UNREADABLE: "it is no form as SendGrid posts it",
    WRONG_SIGNATURE: "its signature fits none of the keys of this webhook: a key may be out of date",
    NO_SIGNATURE: "it came without a signature although keys are configured: SendGrid's policy may be switched off",
    WRONG_PASSWORD: "it came without the user and password that SENDGRID_INBOUND_BASIC_AUTH asks for",
}
DAY = timedelta(days=1)
# Nothing proves these, so a stranger who knows the secret address could fill the disk with them.
MOST_UNPROVEN = 200
MOST_UNPROVEN_BYTES = 100 * 1024 * 1024
UNPROVEN_KEPT = timedelta(days=30)
# A subdomain gets all mail sent to any name in it, rubbish too.
MOST_NOBODYS = 2000
MOST_NOBODYS_BYTES = 500 * 1024 * 1024


@dataclass(frozen=True)
class Post:
    """One post of SendGrid's as it came. `digest`: what makes it the same mail again."""

    raw: bytes
    content_type: str
    headers: dict[str, str]
    digest: str
    now: datetime


def keep_aside(s: Session, post: Post, tenant_id: int | None, ground: str) -> bool:
    """Keep a mail aside in the scope of `tenant_id`; False when the bounds are reached. The same mail on the same
    ground is kept once."""
    unproven = ground in UNPROVEN
    grounds = UNPROVEN if unproven else (NOBODYS, UNREADABLE)
    if unproven:
        forget_aside(s, SOURCE, UNPROVEN, post.now - UNPROVEN_KEPT)
    count, size = amount_aside(s, SOURCE, grounds, post.now - DAY)
    most, most_bytes = (
        (MOST_UNPROVEN, MOST_UNPROVEN_BYTES) if unproven else (MOST_NOBODYS, MOST_NOBODYS_BYTES)
    )
    if count >= most or size + len(post.raw) > most_bytes:
        return False
    store_event(
        s,
        tenant_id=tenant_id,
        source=SOURCE,
        # Apart from mail that was believed: a repetition that is signed rightly must not count as known.
        dedupe_key=f"{tenant_id or 0}:{'unproven' if unproven else 'aside'}:{post.digest}",
        headers={**post.headers, ASIDE: ground},
        content_type=post.content_type,
        body=post.raw,
        now=post.now,
        status="quarantined",
        note=NOTES[ground],
    )
    return True
