"""Which plans use a template, so that it is checked for what it will be used for."""

from __future__ import annotations

from collections import defaultdict

from pydantic import ValidationError
from sqlalchemy.orm import Session

from channels.templates.checking import Use
from crm.cadence_plans import own_names
from scheduler.plan import UnknownPlan, plan_for, shipped_names

Uses = dict[str, tuple[Use, ...]]


def template_uses(session: Session, tenant_id: int) -> Uses:
    """By template: the steps of all plans the business can follow. A touch whose channel is not open goes by the other
    one, so a use counts for both."""
    found: defaultdict[str, list[Use]] = defaultdict(list)
    for name in sorted({*shipped_names(), *own_names(session, tenant_id)}):
        try:
            plan = plan_for(session, tenant_id, name)
        except (UnknownPlan, ValidationError):
            # A plan that makes no sense any more is `leads plans check`'s to tell.
            continue
        visit = plan.kind == "appointment"
        for step in plan.steps:
            found[step.template].append(Use(plan.name, step.step, not visit, step.offers, visit))
    return {template: tuple(uses) for template, uses in found.items()}
