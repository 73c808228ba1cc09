"""Touches in the model's words, where a business wants that (`personal_touches`): written ahead of their time and once each.

A touch never waits for a model: the clock looks for what is due within the next half hour, a job each writes the words,
the check that reads every answer reads them too, and what passes lies in `touch_texts` until the touch is written. Whatever
is missing then, refused, late or about facts that have changed since, the template is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from agent.choosing import choose
from agent.models.base import Model, StopReason
from agent.providers import LOCAL_PROVIDERS
from agent.routing import NoModelAvailable, Router
from agent.touch_words import TouchFacts, read_words, refusals, touch_request
from agent.usage import Attempt
from channels.templates import Rendered, TemplateFailed, Variables, language_of, own_templates, render
from channels.templates.framed import framed
from crm.consent_policy import settings_for
from crm.models import ChatSession, Lead, Location, TouchPoint, TouchText
from crm.routing import active_tenants
from crm.spend import record_attempts
from crm.touches import FOLLOW_UP
from scheduler import wording
from scheduler.plan import UnknownPlan, plan_for
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "personal"
LOOK = "0"
AHEAD = timedelta(minutes=30)
# What is due sooner goes out as the template says it.
TOO_LATE = timedelta(seconds=45)
# Nobody waits for it, but the worker's thread does.
DEADLINE_S = 20.0
MOST = 500
WRITING = "it is being written"


@dataclass(frozen=True)
class _Asked:
    """One touch whose words are wanted, its facts and the models to ask. `variables` as the template gets them."""

    touch_id: int
    session_id: int
    facts: TouchFacts
    variables: Variables
    now_local: datetime
    models: tuple[Model, ...]


def wake_personal(runtime: Runtime) -> int:
    """The clock's job every few minutes: have every business looked at that may want it. Returns how many were woken."""
    with runtime.db.system() as session:
        tenants = active_tenants(session)
    for tenant in tenants:
        runtime.queue.wake(JOB, tenant.id, LOOK, runtime.clock.now())
    return len(tenants)


def write_ahead(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """The job: with LOOK, wake one for every touch that is due soon and has no words yet; else write those of this touch.
    Safe to repeat and for two at once: the words of a touch are asked for once. Returns what happened, in a word."""
    if row_id == LOOK:
        return f"{_look(runtime, tenant_id)} touches are due soon"
    touch_id = int(row_id)
    with runtime.db.tenant(tenant_id) as session:
        asked = _claim(runtime, session, tenant_id, touch_id)
    if asked is None:
        return "not wanted"
    subject, words, reasons, attempts = _written(runtime, asked)
    with runtime.db.tenant(tenant_id) as session:
        chat = session.get_one(ChatSession, asked.session_id)
        rows = [attempt.as_json() for attempt in attempts]
        record_attempts(session, chat, rows, runtime.clock.now(), turn_id=None, purpose="touch")
        mine = update(TouchText).where(TouchText.touch_point_id == touch_id)
        passed = not reasons
        session.execute(
            mine.values(subject=subject if passed else None, body=words if passed else None, reasons=reasons)
        )
    log.info("touch_worded", touch_point_id=touch_id, passed=passed, reasons=len(reasons))
    return "written" if passed else "the template is used"


def text_of(
    session: Session,
    touch: TouchPoint,
    channel: str,
    variables: Variables,
    *,
    offers: bool,
) -> Rendered | None:
    """The words that were written ahead for this touch with what code puts around them, or None: use the template.

    None when nothing was written, the check refused it, the setting is off, or any fact, the channel or the template is not
    what it was. Never raises for a stored text.
    """
    if not settings_for(session, touch.tenant_id).personal_touches:
        return None
    stored = session.scalars(select(TouchText).where(TouchText.touch_point_id == touch.id)).first()
    if stored is None or stored.body is None:
        return None
    try:
        facts = _facts(session, touch, channel, variables, offers=offers)
        if _hash(facts) != stored.facts_hash:
            log.info("touch_words_outdated", touch_point_id=touch.id)
            return None
        return framed(channel, variables, stored.body, stored.subject, offers=offers)
    except TemplateFailed as error:
        log.info("touch_words_unfit", touch_point_id=touch.id, error=str(error))
        return None


def _look(runtime: Runtime, tenant_id: int) -> int:
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        if not settings_for(session, tenant_id).personal_touches:
            return 0
        found = session.scalars(
            select(TouchPoint.id)
            .outerjoin(TouchText, TouchText.touch_point_id == TouchPoint.id)
            .where(
                TouchPoint.tenant_id == tenant_id,
                TouchPoint.status == "planned",
                TouchPoint.due_at > now + TOO_LATE,
                TouchPoint.due_at <= now + AHEAD,
                TouchPoint.kind == "touch",
                TouchText.id.is_(None),
            )
            .order_by(TouchPoint.due_at)
            .limit(MOST)
        ).all()
    for touch_id in found:
        runtime.queue.wake(JOB, tenant_id, str(touch_id), now)
    return len(found)


def _claim(runtime: Runtime, session: Session, tenant_id: int, touch_id: int) -> _Asked | None:
    """The touch, if its words are ours to write: the row of `touch_texts` is made first, so that nobody pays twice."""
    settings, now = settings_for(session, tenant_id), runtime.clock.now()
    touch = session.get(TouchPoint, touch_id)
    if touch is None or not settings.personal_touches or touch.status != "planned" or touch.kind != "touch":
        return None
    if touch.due_at <= now:
        return None
    chat = session.get_one(ChatSession, touch.session_id)
    try:
        offers = _offers(session, touch)
        asked = _asked(session, touch, now, offers=offers)
    except (TemplateFailed, UnknownPlan):
        return None
    models = choose(session, chat, runtime.models, settings, now).models
    row = (
        insert(TouchText)
        .values(
            tenant_id=tenant_id,
            touch_point_id=touch_id,
            facts_hash=_hash(asked.facts),
            reasons=[WRITING],
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(TouchText.id)
    )
    if session.execute(row).scalar_one_or_none() is None:
        return None
    # The rules know no more than the template.
    return replace(asked, models=tuple(one for one in models if one.provider not in LOCAL_PROVIDERS))


def _asked(session: Session, touch: TouchPoint, now: datetime, *, offers: bool) -> _Asked:
    """As the dispatcher will read it (scheduler/dispatch_message.py)."""
    lead = session.get_one(Lead, touch.lead_id)
    location = session.get_one(Location, lead.location_id)
    vehicle = wording.vehicle_of(session, lead)
    services = [] if touch.plan == FOLLOW_UP else wording.fitting_services(session, lead, vehicle)
    variables = wording.variables_for(session, lead, location, services, [], vehicle, about=touch.note)
    facts = _facts(session, touch, touch.channel, variables, offers=offers)
    return _Asked(
        touch.id, touch.session_id, facts, variables, now.astimezone(ZoneInfo(location.timezone)), ()
    )


def _offers(session: Session, touch: TouchPoint) -> bool:
    step = plan_for(session, touch.tenant_id, touch.plan, touch.plan_version).get(touch.step)
    return step is not None and step.offers


def _facts(
    session: Session,
    touch: TouchPoint,
    channel: str,
    variables: Variables,
    *,
    offers: bool,
) -> TouchFacts:
    """Everything the words depend on; not on what code puts around them. Raises TemplateFailed."""
    # Times, the introduction and the link are of the moment of sending.
    still = replace(variables, times=(), first_text=False, unsubscribe=None)
    says = render(touch.template, channel, still, own=own_templates(session, touch.tenant_id))
    shop = variables.shop
    return TouchFacts(
        channel=channel,
        language=language_of(variables),
        says="\n".join(filter(None, (says.subject, says.body))),
        services=tuple(asdict(one) for one in variables.services),
        shop={
            "name": shop.name,
            "phone": shop.phone,
            "address": shop.address,
            "facts": dict(variables.facts),
            "assistant_name": variables.assistant,
        },
        lead={"car": variables.car, "request": variables.request, "about": variables.about},
        offers=offers,
    )


def _hash(facts: TouchFacts) -> str:
    told = json.dumps(facts.as_json(), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def _written(runtime: Runtime, asked: _Asked) -> tuple[str | None, str | None, list[str], list[Attempt]]:
    """(subject, words, why they may not be sent, the attempts), outside of every transaction."""
    if not asked.models:
        return (
            None,
            None,
            ["No model is to be had: none is configured, or the month's budget is used up."],
            [],
        )
    router = Router(asked.models, breaker=runtime.breaker)
    try:
        reply, attempts = router.answer(touch_request(asked.facts), DEADLINE_S)
    except NoModelAvailable as error:
        return None, None, ["No model could answer."], error.attempts
    if reply.stop is not StopReason.END:
        return None, None, [f"The model's answer ended with {reply.stop.name.lower()}."], attempts
    subject, words = read_words(reply.step.text, asked.facts.channel)
    reasons = refusals(subject, words, asked.facts, asked.now_local)
    try:
        framed(asked.facts.channel, asked.variables, words, subject, offers=asked.facts.offers)
    except TemplateFailed as error:
        reasons.append(str(error))
    return subject, words, reasons, attempts
