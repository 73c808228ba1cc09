"""A lead that was taken in, and the first text to it: written in the same transaction, or left to its own job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from channels.email.links import links_of
from crm.models import ChatSession, Lead, Vehicle
from scheduler.beginning import Begun
from scheduler.dispatch import write_now
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

TRIES = 3
# A deadlock, a lost race, a conversation that was merged meanwhile.
_AGAIN = frozenset({"40P01", "40001", "55000"})


@dataclass(frozen=True)
class Taken:
    """What became of a change. `created`: the person is new; `request_new`: what they asked for is. `reason` says why
    it led to no lead, fit to be shown to an owner."""

    lead_id: int | None = None
    session_id: int | None = None
    created: bool = False
    request_new: bool = False
    reason: str | None = None
    # The message that is to leave now, and the touch that is to be written, after the commit.
    message_id: int | None = None
    touch_id: int | None = None


@dataclass(frozen=True)
class Whose:
    """To whom a first touch is written, about which car."""

    lead: Lead
    chat: ChatSession
    vehicle: Vehicle | None = None


class _NotWritten(Exception):
    """The first touch cannot be written."""


def stored(once: Callable[[bool], Taken]) -> Taken:
    """What `once` comes to, which is told whether to write the first touch. Where that fails the lead is stored all the
    same, and the touch's own job says what is wrong with it. What two transactions may do to each other without either
    being wrong is done again.
    """
    write = True
    for left in reversed(range(TRIES)):
        try:
            return once(write)
        except _NotWritten as failed:
            log.warning("first_touch_left_to_its_job", error=str(failed))
            write = False
        except (DBAPIError, StaleDataError) as error:
            if left == 0 or not _worth_trying(error):
                raise
    return once(write)


def _worth_trying(error: SQLAlchemyError) -> bool:
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "pgcode", None) in _AGAIN
    return True


def written(
    runtime: Runtime,
    session: Session,
    taken: Taken,
    whose: Whose,
    begun: Begun,
    now: datetime,
    write: bool,
) -> Taken:
    """`taken` with the message of the first touch, or with the touch that is to be written later."""
    first, known = begun.first, begun.known
    if first is None or known is None:
        return taken
    if not write:
        return replace(taken, touch_id=first.id)
    links = links_of(runtime.settings)
    try:
        message_id = write_now(
            session,
            first,
            whose.chat,
            whose.lead,
            now,
            links,
            known,
            fresh=begun.fresh,
            vehicle=whose.vehicle,
        )
    except (DBAPIError, StaleDataError):
        raise
    except Exception as error:
        raise _NotWritten(f"{type(error).__name__}: {error}") from error
    return replace(taken, message_id=message_id)
