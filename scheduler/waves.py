"""The job of a wave: look whether it does harm, then take the leads whose moment has come.

Exactly once for each lead: the place reached in the list of leads, the count and the touches are written in one
transaction under the wave's own lock, so a crash repeats nothing and two workers wait for each other.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from crm.calendar.hours import load_hours, open_stretches
from crm.consent_policy import settings_for
from crm.lead_states import locked
from crm.models import ChatMessage, ChatSession, Location, Tenant, TouchPoint, Wave
from crm.notices import notify_staff
from crm.sessions import open_session
from crm.touches import halt_touches
from crm.waves import filter_of, results_of, stop_wave
from scheduler.plan import UnknownPlan
from scheduler.runtime import Runtime
from scheduler.touches import start_cadence
from scheduler.wave_choice import Wanted, judge, next_page, wanted_of
from scheduler.wave_pace import LOOK_AGAIN, Hours, Pace, pace

log = structlog.get_logger(__name__)

CLAIM = timedelta(seconds=60)
# One that raises is tried again later, so that it does not fail at every tick.
AFTER_ERROR = timedelta(minutes=15)
AHEAD = timedelta(days=12)
# How many pages one wake-up looks through before it lets others work.
PAGES = 20
# Everybody was looked at.
OVER = 0
PAST = "what was paused long ago: the shop writes again"


def wave(runtime: Runtime, tenant_id: int, wave_id: str) -> str:
    """Take what is due of one wave. Safe to repeat, late, and for two at once."""
    now, token = runtime.clock.now(), uuid.uuid4()
    with runtime.db.tenant(tenant_id) as session:
        if not _claim(session, int(wave_id), token, now):
            return "not due, or another worker has it"
    try:
        return _work(runtime, tenant_id, int(wave_id), token, now)
    except UnknownPlan as error:
        return _give_up(runtime, tenant_id, int(wave_id), token, str(error), now)
    except Exception:
        with runtime.db.tenant(tenant_id) as session:
            session.execute(
                update(Wave)
                .where(Wave.id == int(wave_id), Wave.claim_token == token)
                .values(claimed_until=now + AFTER_ERROR)
            )
        raise


def _give_up(
    runtime: Runtime, tenant_id: int, wave_id: int, token: uuid.UUID, why: str, now: datetime
) -> str:
    """Its plan is gone since it was started: that is for a person to mend, and nobody is left half written to."""
    with runtime.db.tenant(tenant_id) as session:
        row = _mine(session, wave_id, token)
        if row is None:
            return "not ours any more"
        stop_wave(session, row, why, now)
        tell_shop(session, row, f"The wave {row.name} has stopped: {why}", now)
    return "stopped: its plan is gone"


def _claim(session: Session, wave_id: int, token: uuid.UUID, now: datetime) -> bool:
    free = or_(Wave.claimed_until.is_(None), Wave.claimed_until < now)
    claimed = session.execute(
        update(Wave)
        .where(and_(Wave.id == wave_id, Wave.status == "running", Wave.next_at <= now, free))
        .values(claim_token=token, claimed_until=now + CLAIM)
        .returning(Wave.id)
    )
    return claimed.first() is not None


def _mine(session: Session, wave_id: int, token: uuid.UUID) -> Wave | None:
    """The wave, locked, while the claim still holds; a person may have paused or stopped it meanwhile."""
    row = session.get_one(Wave, wave_id, with_for_update=True, populate_existing=True)
    return row if row.status == "running" and row.claim_token == token else None


def _work(runtime: Runtime, tenant_id: int, wave_id: int, token: uuid.UUID, now: datetime) -> str:
    with runtime.db.tenant(tenant_id) as session:
        row = _mine(session, wave_id, token)
        if row is None:
            return "not ours any more"
        notices = _stop_if_harmful(session, row, now)
        step = Pace(0, now) if notices is not None else _pace(session, row, now)
    for message in notices or ():
        runtime.queue.wake("deliver", tenant_id, message.id, now)
    if notices is not None:
        return "stopped: too many people said stop"
    taken = pages = 0
    more = True
    while more and taken < step.take and pages < PAGES:
        with runtime.db.tenant(tenant_id) as session:
            row = _mine(session, wave_id, token)
            if row is None:
                break
            took, more = _take_next(session, row, now)
        taken, pages = taken + took, pages + 1
    with runtime.db.tenant(tenant_id) as session:
        row = _mine(session, wave_id, token)
        if row is not None:
            _let_go(session, row, now if more and taken < step.take else step.next_at, now)
    return f"{taken} taken"


def _take_next(session: Session, row: Wave, now: datetime) -> tuple[int, bool]:
    """Go down the list to the next lead that fits, at most a page far, and start its cadence. Returns how many were taken
    (0 or 1) and whether anybody is left."""
    if row.before_lead_id == OVER:
        return 0, False
    wanted = wanted_of(session, row, filter_of(row))
    page = next_page(session, wanted, row.before_lead_id, now)
    passed = dict(row.passed)
    took = 0
    for one in page:
        reason = one.reason or _take(session, row, wanted, one.lead_id, now)
        row.before_lead_id = one.lead_id
        if reason is None:
            took = 1
            break
        passed[reason] = passed.get(reason, 0) + 1
    row.passed, row.taken = passed, row.taken + took
    if not page:
        row.before_lead_id = OVER
    return took, bool(page)


def _take(session: Session, row: Wave, wanted: Wanted, lead_id: int, now: datetime) -> str | None:
    """Start the cadence of one lead, or say why not: asked again, because all may have changed since it was chosen."""
    chat_id = session.scalar(select(ChatSession.id).where(ChatSession.lead_id == lead_id))
    if chat_id is not None:
        session.get_one(ChatSession, chat_id, with_for_update=True, populate_existing=True)
    lead = locked(session, lead_id)
    if lead is None:
        return "the person was forgotten"
    (again,) = judge(session, wanted, [lead], now)
    if again.reason is not None:
        return again.reason
    chat = open_session(session, lead)
    halt_touches(session, lead.id, "ended", PAST, now=now)
    # They were chosen although they once wrote: the first touch is for them too.
    touches = start_cadence(session, lead, chat, now=now, plan=row.plan, asked_again=True)
    for touch in touches:
        touch.wave_id = row.id
    session.flush()
    log.info("wave_took", wave_id=row.id, lead_id=lead.id, touches=len(touches))
    return None


def _pace(session: Session, row: Wave, now: datetime) -> Pace:
    if session.get_one(Tenant, row.tenant_id).status != "active":
        return Pace(0, now + LOOK_AGAIN)
    if row.before_lead_id == OVER:
        return Pace(0, now + LOOK_AGAIN)
    hours = hours_of(session, row, now)
    today, _ = hours.day_of(now)
    taken, last = session.execute(
        select(func.count(TouchPoint.lead_id.distinct()), func.max(TouchPoint.created_at)).where(
            TouchPoint.wave_id == row.id, TouchPoint.created_at >= today
        )
    ).one()
    return pace(hours, now, row.per_day, taken, last)


def hours_of(session: Session, row: Wave, now: datetime) -> Hours:
    """The hours in which a wave takes leads: lawful in the zones of all its shops, and the shop's own where it is one and
    touches keep to them. The gate looks at each person's own place besides."""
    wanted = select(Location).where(Location.tenant_id == row.tenant_id).order_by(Location.id)
    if row.location_id is not None:
        wanted = wanted.where(Location.id == row.location_id)
    shops = session.scalars(wanted).all()
    zones = tuple(dict.fromkeys(shop.timezone for shop in shops)) or ("UTC",)
    if len(shops) != 1 or not settings_for(session, row.tenant_id).touches_in_shop_hours:
        return Hours(zones)
    today = (now - timedelta(days=1)).date()
    known = load_hours(session, shops[0], today)
    if not known.weekly and not known.special:
        return Hours(zones)
    return Hours(zones, tuple(open_stretches(known, today, today + AHEAD + timedelta(days=1))))


def _let_go(session: Session, row: Wave, next_at: datetime, now: datetime) -> None:
    """Leave the wave to the next wake-up; over when everybody was looked at and no touch is to come."""
    row.claim_token = row.claimed_until = None
    row.next_at = next_at
    if row.before_lead_id == OVER and results_of(session, row).to_come == 0:
        row.status = "done"
        log.info("wave_done", wave_id=row.id, taken=row.taken)
    elif row.before_lead_id == OVER:
        row.next_at = now + LOOK_AGAIN


def _stop_if_harmful(session: Session, row: Wave, now: datetime) -> list[ChatMessage] | None:
    """Stop the wave if too many of those it wrote to said stop, and tell the shop; None: it goes on."""
    settings, so_far = settings_for(session, row.tenant_id), results_of(session, row)
    few = so_far.opted_out < settings.wave_stop_least
    if few or 100 * so_far.opted_out < settings.wave_stop_percent * so_far.reached:
        return None
    why = f"{so_far.opted_out} of {so_far.reached} people said stop, the limit is {settings.wave_stop_percent:g} %"
    stop_wave(session, row, why, now)
    log.warning("wave_stopped", tenant_id=row.tenant_id, wave_id=row.id, opted_out=so_far.opted_out)
    return tell_shop(session, row, f"The wave {row.name} has stopped itself: {why}.", now)


def tell_shop(session: Session, row: Wave, text: str, now: datetime) -> list[ChatMessage]:
    """Tell the people of the shop, once; a notice hangs on a conversation: the last one of the wave."""
    mine = select(TouchPoint).where(TouchPoint.wave_id == row.id).order_by(TouchPoint.id.desc()).limit(1)
    touch = session.scalars(mine).first()
    if touch is None:
        return []
    chat = session.get_one(ChatSession, touch.session_id)
    lead = locked(session, touch.lead_id)
    if lead is None:
        return []
    return notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=f"{text} See: leads waves show {row.name}",
        dedupe_key=f"wave_stopped:{row.id}",
        now=now,
        kind="system",
    )
