"""Which models answer this conversation, in order: the tenant's wish, its experiment, its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from agent.models.base import Model
from crm.experiments import arm_of
from crm.models import ChatSession
from crm.tenants import TenantSettings


@dataclass(frozen=True)
class Chosen:
    """The models of one turn in the order they are asked, and why these."""

    models: tuple[Model, ...]
    policy_version: int | None = None
    experiment_id: int | None = None
    arm: str | None = None


def choose(
    s: Session, chat: ChatSession, models: Sequence[Model], settings: TenantSettings, now: datetime
) -> Chosen:
    """Choose for one turn, in the transaction that claims it."""
    arm = arm_of(s, chat, now)
    version = arm.policy_version if arm and arm.policy_version else settings.policy_version
    return Chosen(tuple(models), version, arm.experiment_id if arm else None, arm.name if arm else None)
