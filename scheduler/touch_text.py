"""What a touch says: the words written ahead for it, else the business's own template, else the one that ships."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from channels.templates import Rendered, Variables, language_of, own_templates, render
from crm.models import ChatSession, Lead, Location, TouchPoint
from crm.notices import notify_staff
from scheduler.personal import text_of

log = structlog.get_logger(__name__)


def words_of(
    session: Session,
    touch: TouchPoint,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    channel: str,
    variables: Variables,
    now: datetime,
    *,
    offers: bool = False,
) -> Rendered:
    """The message of a touch by this channel. Own words that fail are passed over, and the shop is told once for each
    version. Raises TemplateFailed when not even ours can be used."""
    # Of a lead that was made a moment ago nothing can have been written ahead.
    if touch.kind == "touch" and touch.created_at < now:
        written = text_of(session, touch, channel, variables, offers=offers)
        if written is not None:
            return written
    own = own_templates(session, lead.tenant_id)
    rendered = render(touch.template, channel, variables, own=own)
    if rendered.broken is not None:
        key = (touch.template, channel, language_of(variables))
        _tell(session, key, own.versions.get(key, 0), rendered.broken, chat, lead, location, now)
    return rendered


def _tell(
    session: Session,
    key: tuple[str, str, str],
    version: int,
    why: str,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    now: datetime,
) -> None:
    name, channel, language = key
    log.warning("own_template_failed", template=name, channel=channel, language=language, version=version)
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=location,
        text=f'Your own words for the {channel} "{name}" ({language}) could not be used for lead {lead.id}, so ours were'
        f" sent: {why}. See: leads templates check {name} --channel {channel} --language {language}",
        dedupe_key=f"template:{location.id}:{name}:{channel}:{language}:{version}",
        now=now,
        kind="alert",
    )
