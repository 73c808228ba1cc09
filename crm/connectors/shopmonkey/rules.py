"""Which orders are leads: every test is the tenant's to choose (shopmonkey facts 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crm.connectors.records import Ended
from crm.connectors.shopmonkey.moments import moment

__all__ = ["LeadRules", "ended", "moment", "refuse", "talking"]


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
            talking(order, rules),
            "the shop writes with this customer",
        ),
        (_too_old(order.get("createdDate"), rules, now), "older than the rules allow"),
        (_differs(order, "workflowStatusId", rules.workflow_status_ids), "in another workflow column"),
        (_differs(order, "attributionSource", rules.attribution_sources), "from another source"),
        (not _named(order.get("name"), rules.name_prefixes), "named differently"),
    ]
    return next((reason for failed, reason in checks if failed), None)


def ended(order: Mapping[str, Any]) -> Ended | None:
    """What became of an order that is no lead (any more), or None when that cannot be said. An invoice that was archived
    was won; a repair order is an estimate the customer agreed to (shopmonkey facts 7)."""
    status = order.get("status")
    if order.get("deleted") is True:
        return "closed"
    if order.get("invoiced") is True or order.get("paid") is True or status == "Invoice":
        return "won"
    if order.get("archived") is True:
        return "closed"
    agreed = order.get("authorized") is True or status == "RepairOrder" or bool(order.get("appointmentDates"))
    return "booked" if agreed else None


def talking(order: Mapping[str, Any], rules: LeadRules) -> bool:
    """Whether more messages were written there than the rules allow."""
    return _count(order.get("messageCount")) > rules.max_messages


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
