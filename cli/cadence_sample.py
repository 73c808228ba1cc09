"""A plan for a made-up lead: the planner and the templates as they are, and a customer nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.gate.opening import opening_hours
from channels.templates import (
    OwnTemplates,
    ServiceLine,
    Shop,
    TemplateFailed,
    Variables,
    own_templates,
    render,
)
from cli.errors import CliError
from crm.consent_policy import settings_for
from crm.models import Location
from scheduler.cadence import LeadFacts, PlannedTouch, plan_touches
from scheduler.plan import Plan, plan_for
from scheduler.touches import holidays_ahead

CAR, REQUEST, NAME = "2021 Honda Civic", "window tint all around", "Dana"
TIMES = ("Thu Dec 3 at 9:00 AM", "Thu Dec 3 at 1:30 PM")
SERVICE = ServiceLine("Full tint, carbon", "$289", "3 hours", "Sides and rear.", "Windshield.")


@dataclass(frozen=True)
class Sampled:
    """One touch of the plan; `body` None: it would be skipped, and `reason` says why."""

    step: int
    channel: str
    template: str
    about: str
    due_at: datetime
    local_time: str
    status: str
    reason: str | None
    subject: str | None
    body: str | None


@dataclass(frozen=True)
class Previewed:
    """All touches of one plan for the made-up lead. `start` is UTC."""

    plan: str
    plan_version: int | None
    timezone: str
    start: datetime
    touches: tuple[Sampled, ...]


def preview(
    session: Session,
    tenant_id: int,
    name: str | None,
    *,
    zone: str | None,
    start: Callable[[str], datetime],
    language: str,
    source: str | None,
    without: str | None,
    seed: int,
) -> Previewed:
    """Plan and word all touches; `start` gives the moment for the zone that was chosen. Raises UnknownPlan, CliError."""
    location = session.scalars(select(Location).order_by(Location.id)).first()
    if location is None and zone is None:
        raise CliError("there is no location yet: say where with --zone")
    where = zone or (location.timezone if location is not None else "UTC")
    settings = settings_for(session, tenant_id)
    plan = plan_for(session, tenant_id, name or settings.plan_by_source.get(source or "", settings.cadence))
    began = start(where)
    hours = None
    if location is not None and settings.touches_in_shop_hours:
        hours = opening_hours(session, location, began)
    facts = LeadFacts(
        timezone=where,
        has_phone=without != "phone",
        has_email=without != "email",
        may_text=True,
        may_email=True,
        seed=seed,
        hours=None if hours is None else replace(hours, timezone=ZoneInfo(where)),
        holidays=holidays_ahead({"country": "US"} if location is None else location.holidays, began),
    )
    variables = _sample(location, settings.assistant_name, language)
    own = own_templates(session, tenant_id)
    touches = []
    for one in plan_touches(plan, facts, began):
        touches.append(_worded(plan, one, variables, own))
        if one.channel == "sms" and one.status == "planned":
            variables = replace(variables, first_text=False)
    return Previewed(plan.name, plan.version, where, began, tuple(touches))


def _worded(plan: Plan, touch: PlannedTouch, variables: Variables, own: OwnTemplates) -> Sampled:
    step = plan.get(touch.step)
    offers = step is not None and step.offers
    reason, subject, body = touch.reason, None, None
    if touch.status == "planned":
        try:
            filled = replace(variables, times=TIMES if offers else ())
            words = render(touch.template, touch.channel, filled, own=own)
            subject, body = words.subject, words.body
        except TemplateFailed as error:
            reason = str(error)
    return Sampled(
        step=touch.step,
        channel=touch.channel,
        template=touch.template,
        about="" if step is None else step.about,
        due_at=touch.due_at,
        local_time=touch.local_time,
        status=touch.status,
        reason=reason,
        subject=subject,
        body=body,
    )


def _sample(location: Location | None, assistant: str, language: str) -> Variables:
    shop = Shop("Sample Tint", "1 Main Street, Springfield, IL 62701", "(312) 555-0100", "Mon-Fri 9:00-18:00")
    if location is not None:
        shop = replace(shop, name=location.name)
    return Variables(
        shop=shop,
        assistant=assistant,
        first_name=NAME,
        car=CAR,
        request=REQUEST,
        services=(SERVICE,),
        facts={},
        about=REQUEST,
        language=language,
    )
