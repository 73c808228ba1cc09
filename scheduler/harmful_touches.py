"""The periodic look at what touches do: a step after which too many people say stop is stopped, and the shop is told.

The clock wakes a job for each business, so that nobody's data keeps another's from being looked at. A step is stopped by
a row of `template_blocks`, which the dispatcher reads; `leads templates unblock` lifts it, and counting begins anew.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.job_runs import settle_touches
from crm.models import (
    ChatMessage,
    ChatSession,
    ConsentEvent,
    Lead,
    Location,
    TemplateBlock,
    Tenant,
    TouchPoint,
)
from crm.notices import notify_staff
from crm.routing import active_tenants
from crm.step_harm import StepWatch, counts_of, harmful
from crm.template_blocks import block_step
from crm.tenants import settings_of
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "harmful_touches"
# Nothing becomes harmful without a stop; an hourly look that missed a day still sees it.
RECENT = timedelta(days=4)


def wake_watches(runtime: Runtime) -> int:
    """Have every business looked at. Returns how many were woken."""
    with runtime.db.system() as session:
        tenants = active_tenants(session)
    for tenant in tenants:
        runtime.queue.wake(JOB, tenant.id, "0", runtime.clock.now())
    return len(tenants)


def stop_harmful_touches(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """The job: stop the steps of one business that do harm, and forget the failures of touches that went well in the end.
    Safe to repeat, and for two at once."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        stopped, notices = stop_steps(session, tenant_id, now)
        settle_touches(session, now)
    for message in notices:
        runtime.queue.wake("deliver", tenant_id, message.id, now)
    return ", ".join(one.template for one in stopped) or "no step does harm"


def stop_steps(
    session: Session, tenant_id: int, now: datetime
) -> tuple[list[TemplateBlock], list[ChatMessage]]:
    """Block what does harm and write the notices, in the caller's transaction; returns both. What was blocked before is
    not blocked or told again."""
    settings = settings_of(session.get_one(Tenant, tenant_id))
    if not settings.stop_harmful_touches or not _anybody_stopped(session, tenant_id, now):
        return [], []
    stopped: list[TemplateBlock] = []
    notices: list[ChatMessage] = []
    for watch in harmful(counts_of(session, tenant_id, now), settings):
        row, told = _stop(session, watch, now)
        stopped += row
        notices += told
    return stopped, notices


def _anybody_stopped(session: Session, tenant_id: int, now: datetime) -> bool:
    events = select(ConsentEvent.id).where(
        ConsentEvent.tenant_id == tenant_id,
        ConsentEvent.action == "revoke",
        ConsentEvent.actor.in_(("customer", "carrier")),
        ConsentEvent.effective_at > now - RECENT,
    )
    return session.scalar(events.limit(1)) is not None


def _stop(session: Session, watch: StepWatch, now: datetime) -> tuple[list[TemplateBlock], list[ChatMessage]]:
    one = watch.count
    # The last conversation that the step ended, where the harm can be read.
    touch = session.get_one(TouchPoint, one.last_touch)
    message = session.get_one(ChatMessage, touch.message_id)
    row = block_step(session, message, one.plan, one.step, one.channel, watch.sentence(), now)
    if row is None:
        return [], []
    log.warning(
        "touch_stopped", tenant_id=message.tenant_id, plan=one.plan, step=one.step, channel=one.channel,
        sent=one.sent, stops=one.stops,
    )  # fmt: skip
    chat = session.get_one(ChatSession, touch.session_id)
    told = notify_staff(
        session,
        session=chat,
        lead=session.get_one(Lead, touch.lead_id),
        location=session.get_one(Location, chat.location_id),
        text=f"A touch is not sent any more: {watch.sentence()}. See: leads cadence report --plan {one.plan}."
        f" To send it again: leads templates unblock {row.template} --who NAME",
        dedupe_key=f"touch_stopped:{row.id}",
        now=now,
        kind="system",
    )
    return [row], told
