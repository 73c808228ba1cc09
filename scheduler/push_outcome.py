"""What became of a push, written down in one transaction; and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from crm.connectors.errors import ConnectorError, Uncertain
from crm.customer_ids import facts_with_giver
from crm.models import Appointment, CrmCheck, Lead
from crm.text import storable_or_none
from scheduler.push_clash import Clash
from scheduler.push_deeds import Done, Gone
from scheduler.push_notices import lock_chat, resolve, tell_late, tell_refused, tell_waiting
from scheduler.push_work import Push, changed_since, still_ours, write

log = structlog.get_logger(__name__)

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=10)
# What waits for the owner is looked at all the same: not every repair comes through our commands.
OWNER_WAIT = timedelta(hours=1)
# A time that is taken there may become free.
CLASH_WAIT = timedelta(minutes=30)
# With the waits above about an hour; or when the customer comes this soon.
LATE_TRIES, SOON = 8, timedelta(hours=3)
# A visit that is over for so long need not be entered any more.
GIVEN_UP_AFTER = timedelta(days=1)
ERROR_LIMIT = 500


@dataclass(frozen=True)
class Settled:
    """What is to be done after the commit: whether to push again at once, and messages to deliver."""

    word: str
    again: bool = False
    messages: tuple[int, ...] = ()


def settle(s: Session, push: Push, outcome: Done | Gone | Clash | ConnectorError, now: datetime) -> Settled:
    """Write the outcome down if the claim still holds. What changed meanwhile is owed again, and nobody is told of
    what does not hold any more."""
    chat = lock_chat(s, push.appointment_id) if isinstance(outcome, Clash) else None
    row = still_ours(s, push)
    if row is None:
        return Settled("another worker took over")
    changed = changed_since(row, push)
    told: list[int] = []
    if isinstance(outcome, Done):
        word, values = _done(s, row, push, outcome, now)
    elif isinstance(outcome, Gone):
        word, values = _gone(s, row, push, outcome, now)
    elif isinstance(outcome, Clash):
        word, values = _clash(row, push, now)
        told = resolve(s, row, chat, push, outcome, now) if push.state != "clash" and not changed else []
    else:
        word, values = _failed(row, push, outcome, now)
        told = [] if changed else _tell(s, row, push, word, outcome, now)
    if changed:
        word, values = f"{word}, and changed meanwhile", {**values, **_owed_again(now)}
    write(s, row.id, sync_claimed_until=None, **values)
    return Settled(word, changed, tuple(told))


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed: twice as long each time, ten minutes at most."""
    doubled: timedelta = FIRST_WAIT * (1 << min(max(tries, 1) - 1, 12))
    return min(doubled, LONGEST_WAIT)


def _owed_again(now: datetime) -> dict[str, Any]:
    return {"sync_due_at": now, "sync_tries": 0, "sync_error": None, "sync_state": "pending"}


def _done(s: Session, row: Appointment, push: Push, done: Done, now: datetime) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {
        "sync_state": "pushed",
        "sync_due_at": None,
        "sync_tries": 0,
        "sync_error": None,
        "sync_asked_at": None,
    }
    if (entry := done.entry) is not None:
        values |= {"external_id": entry.external_id, "external_version": entry.version}
    if done.deed in ("cancelled", "nothing"):
        values |= {"external_starts_at": None, "external_ends_at": None}
    elif entry is not None:
        values |= {"external_starts_at": entry.starts_at, "external_ends_at": entry.ends_at}
        if (entry.starts_at, entry.ends_at) != push.times:
            _read_back(s, push, now)
    if done.customer_id is not None and row.lead_id is not None:
        _link(s, row.lead_id, done.customer_id, push.config.connector)
    if (error := done.note_error) is not None:
        values |= {"sync_error": _words(error)}
        if error.kind != "permanent":
            values |= {
                "sync_state": "noting",
                "sync_tries": row.sync_tries,
                "sync_due_at": now + _wait(row, error),
            }
    return done.deed, values


def _gone(s: Session, row: Appointment, push: Push, gone: Gone, now: datetime) -> tuple[str, dict[str, Any]]:
    """Not made again. The next look at the calendar finds it missing, and the shop's word is carried out."""
    _read_back(s, push, now)
    values: dict[str, Any] = {
        "sync_state": "gone",
        "sync_due_at": None,
        "sync_error": None,
        "sync_asked_at": None,
    }
    if gone.entry is not None:
        values |= {"external_id": gone.entry.external_id, "external_version": gone.entry.version}
    return "gone", values


def _clash(row: Appointment, push: Push, now: datetime) -> tuple[str, dict[str, Any]]:
    again = now + CLASH_WAIT
    due = again if again < row.starts_at else None
    # Nothing was written, so what it shows is still known.
    starts_at, ends_at = push.held or (None, None)
    return "clash", {
        "sync_state": "clash",
        "sync_due_at": due,
        "sync_error": "that time is taken there",
        "sync_asked_at": push.asked_at,
        "external_starts_at": starts_at,
        "external_ends_at": ends_at,
    }


def _failed(row: Appointment, push: Push, error: ConnectorError, now: datetime) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"sync_error": _words(error)}
    if not isinstance(error, Uncertain):
        values["sync_asked_at"] = push.asked_at
    if error.kind == "misconfigured":
        return "waiting", {**values, "sync_state": "waiting", "sync_due_at": now + OWNER_WAIT}
    if error.kind == "permanent" or now > row.ends_at + GIVEN_UP_AFTER:
        return "failed", {**values, "sync_state": "failed", "sync_due_at": None}
    return "later", {**values, "sync_state": "pending", "sync_due_at": now + _wait(row, error)}


def _tell(
    s: Session, row: Appointment, push: Push, word: str, error: ConnectorError, now: datetime
) -> list[int]:
    if word == "failed":
        log.error("appointment_push_failed", appointment_id=row.id, status=error.status, error=str(error))
        return tell_refused(s, row, push, _words(error), now)
    if word == "waiting":
        return tell_waiting(s, row, push, error, now)
    if row.sync_tries >= LATE_TRIES or now < row.starts_at < now + SOON:
        return tell_late(s, row, push, _words(error), now)
    return []


def _wait(row: Appointment, error: ConnectorError) -> timedelta:
    return max(wait_after(row.sync_tries), timedelta(seconds=error.retry_after_s or 0))


def _words(error: ConnectorError) -> str:
    return storable_or_none(str(error), ERROR_LIMIT) or type(error).__name__


def _read_back(s: Session, push: Push, now: datetime) -> None:
    """Have the calendar there read now: it shows something that we did not do."""
    s.execute(
        update(CrmCheck)
        .where(
            CrmCheck.config_id == push.config.id,
            CrmCheck.location_id == push.location_id,
            CrmCheck.kind == "appointments",
            CrmCheck.next_at > now,
        )
        .values(next_at=now)
        .execution_options(synchronize_session=False)
    )


def _link(s: Session, lead_id: int, customer_id: str, connector: str) -> None:
    """The CRM knows this person now. Another id that came meanwhile stays."""
    s.execute(
        update(Lead)
        .where(Lead.id == lead_id, Lead.external_customer_id.is_(None))
        .values(external_customer_id=customer_id, facts=facts_with_giver(connector))
        .execution_options(synchronize_session=False)
    )
