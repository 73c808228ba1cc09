"""Which models answer this conversation, in order: its experiment, the tenant's wish, the installation, the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from agent.budget import Step, announce, budget_of
from agent.models.base import Model
from agent.models.lifecycle import small_model
from agent.models.playbook import PlaybookModel
from agent.providers import LAST, LOCAL_PROVIDERS, Models, family, pool_of
from crm.experiments import Arm, arm_of
from crm.models import ChatSession
from crm.tenants import TenantSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Chosen:
    """The models of one turn in the order they are asked, and why these. `why` is for people: what is unusual about
    the choice, nothing where it is the installation's."""

    models: tuple[Model, ...]
    policy_version: int | None = None
    experiment_id: int | None = None
    arm: str | None = None
    why: tuple[str, ...] = ()


def choose(
    s: Session, chat: ChatSession, models: Sequence[Model], settings: TenantSettings, now: datetime
) -> Chosen:
    """Choose for one turn, in the transaction that claims it. `models` is a Pool, or a plain sequence: then only what
    is in it can be chosen. The result ends with the playbook wherever a wish or the budget had a say."""
    arm = arm_of(s, chat, now)
    why: list[str] = []
    ordered = in_order(models, settings, arm)
    if arm and (arm.provider or arm.model):
        why.append(f"arm {arm.name} of the experiment")
    elif ordered != tuple(models):
        why.append("the business's own choice of models")
    budget = budget_of(s, settings, now)
    if budget is not None and budget.step is not Step.ALL_WELL:
        announce(s, chat, budget, now)
        ordered = _affordable(ordered, pool_of(models), budget.step)
        why.append(f"the month's AI budget: {budget.step.name.lower()}")
    version = arm.policy_version if arm and arm.policy_version else settings.policy_version
    return Chosen(ordered, version, arm.experiment_id if arm else None, arm.name if arm else None, tuple(why))


def in_order(models: Sequence[Model], settings: TenantSettings, arm: Arm | None = None) -> tuple[Model, ...]:
    """The models that answer, in order, before any budget: the arm's provider, then the tenant's, then the
    installation's, and the playbook.

    A tenant that names its fallback gets that one and no other; one that names only a provider keeps the
    installation's others behind it. What cannot be had (no key, an unknown name) is passed over with a warning.
    """
    providers = _providers(models, settings, arm)
    named = {name: _model_name(name, providers, settings, arm) for name in providers}
    asked = (settings.ai_provider, settings.ai_fallback_provider, arm and arm.provider, *named.values())
    if not any(asked):
        return tuple(models)
    pool = pool_of(models)
    found = [_get(pool, name, wanted) for name, wanted in named.items()]
    return tuple(model for model in found if model is not None) or tuple(models)


def _providers(models: Sequence[Model], settings: TenantSettings, arm: Arm | None) -> list[str]:
    usual = _families(models)
    order = [settings.ai_provider or usual[0]]
    order += [settings.ai_fallback_provider] if settings.ai_fallback_provider else usual
    if arm and arm.provider:
        order.insert(0, arm.provider)
    unique = list(dict.fromkeys(family(name) for name in order))
    # The rules always answer: nothing behind them would ever be asked.
    return [*unique[: unique.index(LAST)], LAST] if LAST in unique else [*unique, LAST]


def _families(models: Sequence[Model]) -> list[str]:
    return list(dict.fromkeys(family(model.provider) for model in models))


def _model_name(provider: str, order: Sequence[str], settings: TenantSettings, arm: Arm | None) -> str | None:
    # An arm that names only a model means the provider that would answer first anyway.
    if arm and arm.model and provider == order[0]:
        return arm.model
    name: str | None = getattr(settings, f"{provider}_model", None)
    return name


def _get(pool: Models, provider: str, model: str | None) -> Model | None:
    found = pool.get(provider, model)
    if found is None and model is not None:
        found = pool.get(provider)
        log.warning("model_not_available", provider=provider, model=model, instead=found and found.model)
    return found


def _affordable(ordered: tuple[Model, ...], pool: Models, step: Step) -> tuple[Model, ...]:
    """What the budget still allows. A provider without a smaller model (a server of one's own) keeps the one it has."""
    if step is Step.ALERT:
        return ordered
    rules = tuple(model for model in ordered if model.provider in LOCAL_PROVIDERS)
    if step is Step.RULES:
        return rules or (pool.get(LAST) or PlaybookModel(),)
    return tuple(_smaller(model, pool) for model in ordered)


def _smaller(model: Model, pool: Models) -> Model:
    small = small_model(model.provider)
    return (pool.get(model.provider, small) if small else None) or model
