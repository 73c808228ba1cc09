"""What a shop has sent today, for its own limit."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.hours import local_to_utc
from crm.models import ChatMessage


def day_starts(timezone: str, now: datetime, ahead: int = 0) -> datetime:
    """The UTC moment of midnight in the shop's zone, today's or `ahead` days later."""
    zone = ZoneInfo(timezone)
    return local_to_utc(now.astimezone(zone).date() + timedelta(days=ahead), time(0), zone)


def segments_today(session: Session, timezone: str, now: datetime) -> int:
    """Parts of texts the whole business has sent or is sending since the shop's midnight; an uncounted text is one."""
    counted = session.scalar(
        select(func.coalesce(func.sum(func.coalesce(ChatMessage.segments, 1)), 0)).where(
            ChatMessage.direction == "out",
            ChatMessage.channel == "sms",
            ChatMessage.sent_at >= day_starts(timezone, now),
        )
    )
    return int(counted or 0)
