"""Waves: old leads written to again, so many a day. The rows, who may start one, and what it came to.

A wave goes through the leads once, the newest first. `scheduler.waves` takes them; here it is started, paused and ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, TouchPoint, Wave

Status = Literal["new", "engaged", "quoted", "won", "lost"]
# Who has an appointment, a person, a stop or no address is never written to by a wave.
STATUSES: tuple[Status, ...] = ("new", "engaged", "quoted", "won", "lost")
USUAL: tuple[Status, ...] = ("new", "engaged", "quoted", "lost")
OPEN = ("planned", "claimed", "paused")
MOST_PER_DAY = 5000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class WaveRefused(Exception):
    """A wave cannot be started or changed. The message is fit to be shown to an owner."""


class WaveFilter(BaseModel):
    """Which leads a wave is for. `older_than_days`: nothing was heard from them for so long; `sources` None: of any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    older_than_days: int = Field(default=90, ge=30, le=3650)
    statuses: tuple[Status, ...] = Field(default=USUAL, min_length=1)
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True)
class WaveResults:
    """What a wave came to so far: people taken, written to, who answered, booked and said stop since, and touches that
    are still to come."""

    taken: int
    reached: int
    answered: int
    booked: int
    opted_out: int
    to_come: int


def start_wave(
    session: Session,
    tenant_id: int,
    name: str,
    *,
    plan: str,
    wanted: WaveFilter,
    per_day: int,
    location_id: int | None,
    author: str,
    now: datetime,
) -> Wave:
    """Start one; the first lead is taken as soon as the sending hours allow. The caller has checked that there is such a
    plan. Raises WaveRefused."""
    if not _NAME.fullmatch(name):
        raise WaveRefused(
            f"{name!r} is no name of a wave: use lower-case letters, digits, '.', '_' and '-', at most 40"
        )
    if not 1 <= per_day <= MOST_PER_DAY:
        raise WaveRefused(f"a wave takes 1 to {MOST_PER_DAY} leads a day, not {per_day}")
    # Two starts of one name wait here for each other, and the index has the last word.
    if session.scalar(select(Wave.id).where(Wave.tenant_id == tenant_id, Wave.name == name)):
        raise WaveRefused(f"there was a wave {name} before; give this one another name")
    wave = Wave(
        tenant_id=tenant_id,
        location_id=location_id,
        name=name,
        plan=plan,
        filter=wanted.model_dump(mode="json"),
        per_day=per_day,
        author=author,
        begun_at=now,
        next_at=now,
    )
    session.add(wave)
    session.flush()
    return wave


def filter_of(wave: Wave) -> WaveFilter:
    """The wave's filter. Raises pydantic.ValidationError for stored nonsense."""
    return WaveFilter.model_validate(wave.filter)


def find_wave(session: Session, tenant_id: int, name: str, *, lock: bool = False) -> Wave:
    """The wave of this name. Raises WaveRefused naming those there are."""
    statement = select(Wave).where(Wave.tenant_id == tenant_id, Wave.name == name)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        names = session.scalars(select(Wave.name).where(Wave.tenant_id == tenant_id).order_by(Wave.id)).all()
        raise WaveRefused(f"there is no wave {name}; there is {', '.join(names) or 'none yet'}")
    return found


def pause_wave(wave: Wave, who: str) -> None:
    """Take no further lead. Whoever was taken already gets the rest of the plan. The caller holds the row. Raises
    WaveRefused."""
    if wave.status != "running":
        raise WaveRefused(f"{wave.name} is not running, it is {wave.status}")
    wave.status, wave.reason = "paused", f"paused by {who}"
    wave.claim_token = wave.claimed_until = None


def resume_wave(wave: Wave, now: datetime) -> None:
    """Go on with a paused wave. The caller holds the row. Raises WaveRefused; a stopped wave is over for good."""
    if wave.status != "paused":
        raise WaveRefused(f"{wave.name} is not paused, it is {wave.status}")
    wave.status, wave.reason, wave.next_at = "running", None, now


def stop_wave(session: Session, wave: Wave, reason: str, now: datetime) -> int:
    """End a wave for good, with all that it has planned and what waits in the outbox, in the caller's transaction, which
    holds the row; returns how many touches ended. Raises WaveRefused when it is over."""
    if wave.status not in ("running", "paused"):
        raise WaveRefused(f"{wave.name} is over: it is {wave.status}")
    wave.status, wave.reason = "stopped", reason
    wave.claim_token = wave.claimed_until = None
    mine = TouchPoint.wave_id == wave.id
    # Everybody locks the conversation before its touches; in one order, so that nobody waits in a circle.
    whose = select(TouchPoint.session_id).where(mine, TouchPoint.status.in_((*OPEN, "written")))
    session.execute(
        select(ChatSession.id).where(ChatSession.id.in_(whose)).order_by(ChatSession.id).with_for_update()
    )
    why = f"the wave {wave.name} was stopped"
    ended = session.execute(
        update(TouchPoint)
        .where(mine, TouchPoint.status.in_(OPEN))
        .values(status="ended", reason=why, claim_token=None, claimed_until=None, resume_at=None)
        .execution_options(synchronize_session=False)
    )
    written = select(TouchPoint.message_id).where(mine, TouchPoint.status == "written")
    session.execute(
        update(ChatMessage)
        .where(
            ChatMessage.id.in_(written), ChatMessage.status == "pending", ChatMessage.claim_token.is_(None)
        )
        .values(status="dropped", error=why, final_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]


_RESULTS = text("""
with mine as (
    select t.lead_id, min(m.sent_at) filter (where m.status in ('sent', 'delivered')) as at,
           count(*) filter (where t.status in ('planned', 'claimed')) as to_come
      from touch_points t left join chat_messages m on m.id = t.message_id
     where t.wave_id = :wave group by t.lead_id
), stops as (
    select coalesce(e.lead_id, m.lead_id) as lead_id, e.effective_at as at
      from consent_events e
      left join chat_messages m on m.id = e.message_id and m.kind not in ('automatic', 'notice')
     where e.tenant_id = :tenant and e.action = 'revoke' and e.actor in ('customer', 'carrier')
       and e.effective_at >= :begun
), bookings as (
    select a.lead_id, coalesce(cast(a.history -> 0 ->> 'when' as timestamptz), a.created_at) as at
      from appointments a where a.lead_id in (select lead_id from mine)
)
select count(*) as taken, count(mine.at) as reached,
       count(*) filter (where s.last_inbound_at > mine.at) as answered,
       count(*) filter (where mine.lead_id in (
           select b.lead_id from bookings b join mine o on o.lead_id = b.lead_id where b.at > o.at)) as booked,
       count(*) filter (where mine.lead_id in (
           select x.lead_id from stops x join mine o on o.lead_id = x.lead_id where x.at > o.at)) as opted_out,
       coalesce(sum(mine.to_come), 0) as to_come
  from mine left join chat_sessions s on s.lead_id = mine.lead_id
""")


def results_of(session: Session, wave: Wave) -> WaveResults:
    """What came of a wave, in one query. A stop by word is an answer too: only reports on steps tell them apart."""
    given: dict[str, Any] = {"wave": wave.id, "tenant": wave.tenant_id, "begun": wave.begun_at}
    row = session.execute(_RESULTS, given).one()
    return WaveResults(*(int(value) for value in row))
