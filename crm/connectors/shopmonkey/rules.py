"""Which orders are leads: every test is the tenant's to choose (shopmonkey facts 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crm.connectors.shopmonkey.moments import moment

__all__ = ["LeadRules", "moment", "refuse"]


class LeadRules(BaseModel):
    """Stored as jsonb in `tenant_crm_configs.lead_rules`; unknown keys are refused.

    Empty lists allow everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    statuses: tuple[str, ...] = ("Estimate",)
    allow_authorized: bool = False
    allow_invoiced: bool = False
    allow_paid: bool = False
    allow_booked: bool = False
    max_messages: int = Field(default=0, ge=0)
    # An edit of an old estimate arrives as an UPDATE like any other: nobody wants a text about last year's.
    max_age_hours: int = Field(default=168, ge=1)
    name_prefixes: tuple[str, ...] = ()
    workflow_status_ids: tuple[str, ...] = ()
    attribution_sources: tuple[str, ...] = ()


def refuse(order: Mapping[str, Any], rules: LeadRules, now: datetime) -> str | None:
    """Why this order is no lead, or None when it is one.

    Absent flags count as false, unknown values never raise.
    """
    checks = [
        (any(order.get(flag) is True for flag in ("archived", "deleted", "imported")), "archived or deleted"),
        (bool(rules.statuses) and order.get("status") not in rules.statuses, f"status {order.get('status')}"),
        (order.get("authorized") is True and not rules.allow_authorized, "already authorized"),
        (order.get("invoiced") is True and not rules.allow_invoiced, "already invoiced"),
        (order.get("paid") is True and not rules.allow_paid, "already paid"),
        (bool(order.get("appointmentDates")) and not rules.allow_booked, "already booked"),
        (
            _count(order.get("messageCount")) > rules.max_messages,
            "the shop writes with this customer",
        ),
        (_too_old(order.get("createdDate"), rules, now), "older than the rules allow"),
        (_differs(order, "workflowStatusId", rules.workflow_status_ids), "in another workflow column"),
        (_differs(order, "attributionSource", rules.attribution_sources), "from another source"),
        (not _named(order.get("name"), rules.name_prefixes), "named differently"),
    ]
    return next((reason for failed, reason in checks if failed), None)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _too_old(created: object, rules: LeadRules, now: datetime) -> bool:
    parsed = moment(created)
    return parsed is not None and now - parsed > timedelta(hours=rules.max_age_hours)


def _differs(order: Mapping[str, Any], key: str, wanted: tuple[str, ...]) -> bool:
    return bool(wanted) and order.get(key) not in wanted


def _named(name: object, prefixes: tuple[str, ...]) -> bool:
    return not prefixes or (
        isinstance(name, str) and name.lower().startswith(tuple(p.lower() for p in prefixes))
    )
