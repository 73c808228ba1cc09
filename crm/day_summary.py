"""What happened at one location in a stretch of time, in numbers, for the owner's morning mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from crm.mailroom import SOURCE as MAILROOM
from crm.models import Appointment, ChatMessage, ChatSession, JobExecution, Lead, Location


@dataclass(frozen=True)
class DaySummary:
    """`waiting`: conversations a person has in which the customer's word is unanswered or came in that time.
    `undelivered`: messages to customers that did not arrive; `failed_jobs`: of the whole business, unmended."""

    new_leads: int
    booked: int
    waiting: int
    undelivered: int
    failed_jobs: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not any((self.new_leads, self.booked, self.waiting, self.undelivered, self.failed_jobs))


def summary_of(session: Session, location: Location, since: datetime, until: datetime) -> DaySummary:
    """The numbers of one location from `since` until before `until`, in the tenant's scope."""
    here = Lead.location_id == location.id
    new = _count(
        session,
        select(func.count(Lead.id)).where(
            Lead.tenant_id == location.tenant_id,
            here,
            Lead.created_at >= since,
            Lead.created_at < until,
            Lead.source != MAILROOM,
            Lead.merged_into_id.is_(None),
        ),
    )
    booked = _count(
        session,
        select(func.count(Appointment.id)).where(
            Appointment.location_id == location.id,
            Appointment.lead_id.is_not(None),
            Appointment.created_at >= since,
            Appointment.created_at < until,
            Appointment.status.in_(("booked", "confirmed")),
        ),
    )
    return DaySummary(
        new, booked, _waiting(session, location, since), _undelivered(session, location, since, until),
        _failed_jobs(session, since),
    )  # fmt: skip


def _waiting(session: Session, location: Location, since: datetime) -> int:
    unanswered = ChatSession.last_inbound_id > ChatSession.answered_up_to
    return _count(
        session,
        select(func.count(ChatSession.id)).where(
            ChatSession.location_id == location.id,
            ChatSession.state == "human",
            ChatSession.merged_into_id.is_(None),
            ChatSession.erased_at.is_(None),
            or_(unanswered, ChatSession.last_inbound_at >= since),
        ),
    )


def _undelivered(session: Session, location: Location, since: datetime, until: datetime) -> int:
    """By the moment they were written: one that is settled late is told of in the morning after its own day or never,
    and what needs somebody at once was told at once."""
    return _count(
        session,
        select(func.count(ChatMessage.id))
        .join(ChatSession, ChatSession.id == ChatMessage.session_id)
        .where(
            ChatSession.location_id == location.id,
            ChatMessage.tenant_id == location.tenant_id,
            ChatMessage.direction == "out",
            ChatMessage.kind != "notice",
            ChatMessage.status.in_(("failed", "undelivered")),
            ChatMessage.created_at >= since,
            ChatMessage.created_at < until,
        ),
    )


def _failed_jobs(session: Session, since: datetime) -> int:
    return _count(
        session,
        select(func.count(JobExecution.id)).where(
            JobExecution.outcome == "failed", JobExecution.finished_at >= since
        ),
    )


def _count(session: Session, query: object) -> int:
    return int(session.scalar(query) or 0)  # type: ignore[call-overload]
