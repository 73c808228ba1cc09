"""Whether the whole loop turns: the clock fires, a worker takes it, the wake-up goes round through Redis and the pump, and
a worker writes to the database. A process that merely answers proves none of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from crm.job_runs import last_success, note_periodic
from scheduler.runtime import Runtime

JOB = "canary"
# It sets out every minute; two that are missing may be a deployment, more are a standstill.
LATE = timedelta(minutes=4)


@dataclass(frozen=True)
class Loop:
    """`turning` None: no canary has ever come back, as in an installation that has just been started."""

    turning: bool | None
    last: datetime | None


def set_out(runtime: Runtime) -> None:
    """The periodic job: a wake-up that carries the moment it set out, in milliseconds."""
    now = runtime.clock.now()
    runtime.queue.wake(JOB, 0, str(int(now.timestamp() * 1000)), now)


def arrived(runtime: Runtime, _tenant_id: int, row_id: str) -> str:
    """The other end: the way round is noted in the row that `leads jobs` and /healthz read."""
    now = runtime.clock.now()
    began = datetime.fromtimestamp(int(row_id) / 1000, UTC)
    took = max(0, int((now - began).total_seconds() * 1000))
    with runtime.db.system() as session:
        note_periodic(session, JOB, began, now, counts={"milliseconds": took})
    return f"round in {took} ms"


def loop_of(session: Session, now: datetime) -> Loop:
    """How the loop stands at `now`, in the system's scope."""
    last = last_success(session, JOB)
    return Loop(None if last is None else now - last <= LATE, last)
