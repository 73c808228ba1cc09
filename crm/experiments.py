"""Experiments: which arm a conversation is in, and how the arms compare."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from crm.models import ChatSession


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
    experiment runs."""
    return None
