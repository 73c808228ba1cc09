"""The job `crm_check`: look through a CRM for what its webhooks did not bring, and after the webhooks themselves.

One row of `crm_checks` per kind of look: `orders` and `appointments` of each location, `catalogue` and `webhook` of each
connection. A look is claimed, asks the CRM without a transaction, and says when it is due again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import structlog

from crm.connectors.base import ConnectorError, NotSupported
from crm.connectors.registry import settings_of
from ops.secrets import SecretsError
from scheduler import crm_turns
from scheduler.crm_appointments import read_appointments
from scheduler.crm_catalogue import refresh_catalogue
from scheduler.crm_claims import Claimed, ClaimLost, Outcome, claim, postpone, settle
from scheduler.crm_looks import Look, Looked
from scheduler.crm_order_notes import begun_anew
from scheduler.crm_orders import look_at_orders
from scheduler.crm_webhooks import watch_webhook
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

LookAt = Callable[[Runtime, int, Look], Looked]
# A vendor that hangs must not get every thread: the others answer customers meanwhile.
THREADS_PER_LOOK = 4
BUSY_S = (5.0, 15.0)


def run_crm_check(runtime: Runtime, tenant_id: int, check_id: int) -> str:
    """Do one look if it is due and nobody else does it; says what came of it. Safe to repeat.

    What a CRM refuses is no failure of the job: it is written into the row, and the look comes again by `crm_turns`.
    """
    places = _places(runtime.settings.worker_threads)
    if not places.acquire(blocking=False):
        return _stand_back(runtime, tenant_id, check_id)
    try:
        claimed = claim(runtime, tenant_id, check_id)
        return "not due" if claimed is None else _look(runtime, tenant_id, claimed)
    finally:
        places.release()


@lru_cache(maxsize=4)
def _places(threads: int) -> threading.BoundedSemaphore:
    """How many looks go on at once in this process."""
    return threading.BoundedSemaphore(max(1, threads // THREADS_PER_LOOK))


def _stand_back(runtime: Runtime, tenant_id: int, check_id: int) -> str:
    """Enough looks are under way here: this one comes a little later, each at a moment of its own."""
    until = runtime.clock.now() + timedelta(seconds=random.uniform(*BUSY_S))
    if not postpone(runtime, tenant_id, check_id, until):
        return "not due"
    runtime.queue.wake("crm_check", tenant_id, check_id, until)
    return "later: other looks are under way"


def _look(runtime: Runtime, tenant_id: int, claimed: Claimed) -> str:
    look = claimed.look
    try:
        if claimed.idle is not None:
            return _idle(runtime, tenant_id, claimed, claimed.idle)
        settings, many = settings_of(claimed.config), claimed.locations
        calls = crm_turns.calls_others(claimed.kind, settings, many, first=claimed.first)
        every = crm_turns.usual(claimed.kind, settings, many, calls_others=calls)
        look = replace(look, calls_others=calls)
        looked = LOOKS[claimed.kind](runtime, tenant_id, look)
    except ClaimLost:
        log.warning("crm_look_taken_over", check_id=look.check_id, kind=claimed.kind)
        return "taken over by another worker"
    except NotSupported as cannot:
        return _idle(runtime, tenant_id, claimed, str(cannot))
    except ConnectorError as refused:
        return _failed(runtime, tenant_id, claimed, refused)
    except SecretsError as unreadable:
        return _failed(runtime, tenant_id, claimed, ConnectorError(str(unreadable), kind="misconfigured"))
    except Exception as broken:
        reason = f"{type(broken).__name__}; see the worker's log"
        _failed(runtime, tenant_id, claimed, ConnectorError(reason, kind="transient"))
        raise
    now = runtime.clock.now()
    again = looked.again_after
    next_at = now + again if again is not None else crm_turns.next_turn(now, every, look.check_id)
    outcome = Outcome(next_at, looked.error, 0, looked.watermark, looked.notes)
    return _settle(runtime, tenant_id, claimed, outcome, looked.text)


def _failed(runtime: Runtime, tenant_id: int, claimed: Claimed, error: ConnectorError) -> str:
    failures = claimed.failures + 1
    after = runtime.clock.now() + crm_turns.after_error(error, failures)
    return _settle(runtime, tenant_id, claimed, Outcome(after, str(error), failures), str(error))


def _idle(runtime: Runtime, tenant_id: int, claimed: Claimed, why: str) -> str:
    """Nothing to look at, and nothing wrong. What is ordered while a connection is switched off is the shop's own to
    answer, so the look for orders begins anew when it is switched on again."""
    now = runtime.clock.now()
    outcome = Outcome(crm_turns.next_turn(now, crm_turns.IDLE, claimed.look.check_id))
    if claimed.kind == "orders":
        outcome = replace(outcome, watermark=now, notes=begun_anew(claimed.look.notes))
    return _settle(runtime, tenant_id, claimed, outcome, f"idle: {why}")


def _settle(runtime: Runtime, tenant_id: int, claimed: Claimed, outcome: Outcome, text: str) -> str:
    check_id = claimed.look.check_id
    next_at = settle(runtime, tenant_id, claimed, outcome)
    if next_at is None:
        log.warning("crm_look_taken_over", check_id=check_id, kind=claimed.kind)
        return "taken over by another worker"
    # The clock's tick would do, in heaps: this way each look begins at its own moment.
    runtime.queue.wake("crm_check", tenant_id, check_id, next_at)
    log.info("crm_looked_at", check_id=check_id, kind=claimed.kind, failures=outcome.failures, outcome=text)
    return text


LOOKS: dict[str, LookAt] = {
    "orders": look_at_orders,
    "appointments": read_appointments,
    "catalogue": refresh_catalogue,
    "webhook": watch_webhook,
}
