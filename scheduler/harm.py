"""The periodic look at running experiments: one that does harm is stopped and the shop is told."""

from __future__ import annotations

from datetime import datetime

import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.experiments.arms import stored_arms
from crm.experiments.harm import HARMS, Watch, watch
from crm.experiments.outcomes import Conversation, conversations_of
from crm.experiments.running import stop_experiment
from crm.models import ChatSession, Experiment, Lead, Location
from crm.notices import notify_staff
from crm.routing import active_tenants
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)


def stop_harm(runtime: Runtime) -> int:
    """Look at every tenant's running experiment; returns how many were stopped. Running twice at once is harmless.

    An error with one tenant's data keeps no other tenant from being looked at; it is raised at the end.
    """
    now = runtime.clock.now()
    with runtime.db.system() as session:
        tenants = active_tenants(session)
    stopped = 0
    failed: Exception | None = None
    for tenant in tenants:
        try:
            with runtime.db.tenant(tenant.id) as session:
                stopped += stop_if_harmful(session, tenant.id, now)
        except JobTimeoutException:
            raise
        except Exception as error:
            log.exception("experiment_not_watched", tenant_id=tenant.id)
            failed = error
    if failed is not None:
        raise failed
    return stopped


def stop_if_harmful(s: Session, tenant_id: int, now: datetime) -> bool:
    """Stop the tenant's running experiment if an arm does harm, and tell its people, in the caller's transaction."""
    running = select(Experiment).where(Experiment.tenant_id == tenant_id, Experiment.status == "running")
    experiment = s.scalars(running.with_for_update()).first()
    if experiment is None:
        return False
    arms = stored_arms(experiment.arms)
    talks = conversations_of(s, experiment, now)
    harmful = [one for one in watch(arms, talks) if one.stops]
    if not harmful:
        return False
    worst = max(harmful, key=lambda one: one.evidence)
    stop_experiment(s, experiment, worst.sentence(), now)
    log.warning(
        "experiment_stopped", tenant_id=tenant_id, experiment=experiment.name, arm=worst.arm, harm=worst.harm
    )
    _tell(s, experiment, worst, talks, now)
    return True


def _tell(s: Session, experiment: Experiment, worst: Watch, talks: list[Conversation], now: datetime) -> None:
    """A notice hangs on a conversation: the last one of the arm, where the harm can be read if it was done there."""
    happened = next(harm.happened for harm in HARMS if harm.name == worst.harm)
    mine = sorted(
        (one for one in talks if one.arm == worst.arm), key=lambda one: (happened(one), one.session_id)
    )
    chat = s.get_one(ChatSession, mine[-1].session_id)
    notify_staff(
        s,
        session=chat,
        lead=s.get_one(Lead, chat.lead_id),
        location=s.get_one(Location, chat.location_id),
        text=f"Experiment {experiment.name} was stopped: {worst.sentence()}."
        f" See: leads experiment report {experiment.name}",
        dedupe_key=f"experiment_stopped:{experiment.id}",
        now=now,
        kind="system",
    )
