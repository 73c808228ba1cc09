"""What is not sent any more until a person says so: templates that a carrier filtered, number ranges it holds for fraud,
steps of a plan after which too many people said stop.

Also remembers, under `alert:` names, what the shop was told about its account, so that it is told once a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import ChatMessage, TemplateBlock, TouchPoint

ALERT = "alert:"
RANGE = "numbers:"
STEP = "step:"
# The digits that a fraudulent range shares: country, area code and exchange of a North American number.
RANGE_LENGTH = len("+1312555")
TELL_AGAIN = timedelta(hours=24)
# These are filled in from a text of ours too; a reply is the model's own words and has no template.
WITH_TEMPLATE = ("confirmation", "reminder")


def template_of(session: Session, message: ChatMessage) -> str | None:
    """The template a message was written from; None for what has none."""
    if message.touch_point_id is not None:
        return session.scalar(select(TouchPoint.template).where(TouchPoint.id == message.touch_point_id))
    return message.kind if message.kind in WITH_TEMPLATE else None


def range_of(phone: str) -> str:
    """The name under which the numbers around this one are blocked."""
    return f"{RANGE}{phone[:RANGE_LENGTH]}"


def step_name(plan: str, step: int, channel: str) -> str:
    """The name under which a step of a plan is blocked on a channel."""
    return f"{STEP}{plan}:{step}:{channel}"


def step_block(session: Session, plan: str, step: int, channel: str) -> TemplateBlock | None:
    """The block of this step that stands, or None; in the tenant's scope."""
    return session.scalars(
        select(TemplateBlock).where(
            TemplateBlock.channel == channel,
            TemplateBlock.template == step_name(plan, step, channel),
            TemplateBlock.lifted_at.is_(None),
        )
    ).first()


def block_step(
    session: Session, message: ChatMessage, plan: str, step: int, channel: str, reason: str, now: datetime
) -> TemplateBlock | None:
    """Block a step for the message's business, because of that message; None when it is blocked already."""
    made = block(session, message, step_name(plan, step, channel), reason, now, channel=channel)
    return step_block(session, plan, step, channel) if made else None


def block(
    session: Session,
    message: ChatMessage,
    name: str,
    reason: str,
    now: datetime,
    *,
    channel: str | None = None,
) -> bool:
    """Block a template or a range of numbers on the message's channel, or another one; False when it is blocked
    already."""
    row = insert(TemplateBlock).values(
        tenant_id=message.tenant_id,
        channel=channel or message.channel,
        template=name,
        message_id=message.id,
        reason=reason,
        since=now,
    )
    made = session.execute(row.on_conflict_do_nothing().returning(TemplateBlock.id))
    return made.scalar_one_or_none() is not None


def first_alert_today(
    session: Session, message: ChatMessage, subject: str, reason: str, now: datetime
) -> bool:
    """Whether nobody was told about `subject` in the last 24 hours; from now on somebody was."""
    if block(session, message, f"{ALERT}{subject}", reason, now):
        return True
    again = (
        update(TemplateBlock)
        .where(
            TemplateBlock.channel == message.channel,
            TemplateBlock.template == f"{ALERT}{subject}",
            TemplateBlock.lifted_at.is_(None),
            TemplateBlock.since <= now - TELL_AGAIN,
        )
        .values(since=now)
    )
    return session.execute(again.returning(TemplateBlock.id)).first() is not None


def standing_blocks(session: Session) -> list[TemplateBlock]:
    """The blocks of the tenant, oldest first, without the alerts."""
    return list(
        session.scalars(
            select(TemplateBlock)
            .where(TemplateBlock.lifted_at.is_(None), TemplateBlock.template.not_like(f"{ALERT}%"))
            .order_by(TemplateBlock.since, TemplateBlock.id)
        )
    )


def lift(session: Session, name: str, who: str, now: datetime) -> int:
    """Lift the blocks of this name, on all channels; returns how many there were."""
    found = [row for row in standing_blocks(session) if row.template == name]
    for row in found:
        row.lifted_at, row.lifted_by = now, who
    return len(found)
