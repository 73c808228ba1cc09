"""Starting, joining and stopping an experiment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog
from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.experiments.arms import ArmSpec, faults_of, pick, stored_arms
from crm.models import ChatSession, Experiment, ExperimentAssignment, PolicyVersion

log = structlog.get_logger(__name__)


class ExperimentRefused(Exception):
    """The experiment cannot be started, found or stopped as asked. Fit to be shown to an owner."""


@dataclass(frozen=True)
class Arm:
    """One arm of a running experiment, as the choice of a model needs it."""

    experiment_id: int
    name: str
    provider: str | None = None
    model: str | None = None
    policy_version: int | None = None


def arm_of(s: Session, chat: ChatSession, now: datetime) -> Arm | None:
    """The arm of a conversation in the tenant's running experiment, assigned now if it has none yet; None when no
    experiment runs. Call it in the transaction that claims the conversation: its row keeps two workers apart."""
    joined = (
        select(Experiment, ExperimentAssignment.arm)
        .outerjoin(
            ExperimentAssignment,
            and_(
                ExperimentAssignment.experiment_id == Experiment.id,
                ExperimentAssignment.session_id == chat.id,
            ),
        )
        .where(Experiment.tenant_id == chat.tenant_id, Experiment.status == "running")
    )
    found = s.execute(joined).first()
    if found is None:
        return None
    experiment, name = found[0], cast("str | None", found[1])
    arms = stored_arms(experiment.arms)
    if name is None:
        name = pick(experiment.name, chat.id, arms).name
        _assign(s, chat, experiment.id, name, now)
    for arm in arms:
        if arm.name == name:
            return Arm(experiment.id, arm.name, arm.provider, arm.model, arm.policy_version)
    # A customer's answer does not depend on an experiment somebody edited by hand.
    log.error("experiment_arm_unknown", experiment_id=experiment.id, arm=name)
    return None


def _assign(s: Session, chat: ChatSession, experiment_id: int, arm: str, now: datetime) -> None:
    row = insert(ExperimentAssignment).values(
        tenant_id=chat.tenant_id, experiment_id=experiment_id, session_id=chat.id, arm=arm, assigned_at=now
    )
    s.execute(row.on_conflict_do_nothing())


def start_experiment(
    s: Session,
    tenant_id: int,
    name: str,
    arms: Sequence[ArmSpec],
    *,
    providers: Collection[str],
    by: str,
    now: datetime,
) -> Experiment:
    """Start one; the first arm is the control. Every conversation that is answered from now on joins.

    `providers` are the names this installation can ask. Raises ExperimentRefused with every reason.
    """
    policies = s.scalars(select(PolicyVersion.version).where(PolicyVersion.tenant_id == tenant_id)).all()
    faults = faults_of(name, arms, providers=providers, policies=policies)
    for other in s.scalars(select(Experiment).where(Experiment.tenant_id == tenant_id)):
        if other.status == "running":
            faults.append(f"{other.name} is running; stop it first: leads experiment stop {other.name}")
        if other.name == name:
            faults.append(
                f"there was an experiment {name} before; its conversations are not mixed with new ones"
            )
    if faults:
        raise ExperimentRefused("; ".join(faults))
    values = {
        "tenant_id": tenant_id,
        "name": name,
        "arms": [arm.as_json() for arm in arms],
        "started_by": by,
        "started_at": now,
    }
    made = s.execute(
        insert(Experiment).values(**values).on_conflict_do_nothing().returning(Experiment.id)
    ).scalar_one_or_none()
    if made is None:
        raise ExperimentRefused("somebody else has just started an experiment")
    return s.get_one(Experiment, made)


def find_experiment(s: Session, tenant_id: int, name: str | None, *, lock: bool = False) -> Experiment:
    """The experiment of this name; without a name the running one, else the newest. Raises ExperimentRefused."""
    wanted = select(Experiment).where(Experiment.tenant_id == tenant_id)
    if name is not None:
        wanted = wanted.where(Experiment.name == name)
    wanted = wanted.order_by((Experiment.status == "running").desc(), Experiment.id.desc()).limit(1)
    found = s.scalars(wanted.with_for_update() if lock else wanted).first()
    if found is None:
        raise ExperimentRefused(f"there is no experiment {name}" if name else "there is no experiment yet")
    return found


def stop_experiment(s: Session, experiment: Experiment, because: str, now: datetime) -> None:
    """End it: from the next turn on every conversation gets what the tenant has configured. The caller holds the row.
    Raises ExperimentRefused when it has ended before."""
    if experiment.status != "running":
        raise ExperimentRefused(f"{experiment.name} was stopped before: {experiment.stopped_because}")
    experiment.status, experiment.stopped_at, experiment.stopped_because = "stopped", now, because
