"""One message and everything that decides about it, read in a fixed number of queries: five for an answer, at most
fifteen for a touch by text. The checks themselves ask the database nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.gate.decision import GateRules
from channels.gate.opening import open_ahead
from channels.gate.person import Earlier, earlier_touches
from channels.gate.spent import segments_today
from channels.places import Whereabouts, whereabouts
from crm.calendar.hours import Stretch
from crm.consent_policy import Permission, PersonConsent, consent_of, may_text
from crm.consents import Scope, opt_out_of
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    ConsentEvent,
    Lead,
    Location,
    TemplateBlock,
    Tenant,
    TouchPoint,
)
from crm.template_blocks import standing_block
from crm.tenants import TenantSettings, settings_of

# A notice goes to the shop's own people, and the answer to a stop is owed whatever the carrier filters.
BLOCKABLE = frozenset({"touch", "reply", "confirmation", "reminder"})


@dataclass(frozen=True)
class TouchFacts:
    """What only a touch has to be asked. `shop_open` None: the shop's own hours do not matter to it."""

    point: TouchPoint | None
    may_text: Permission
    has_appointment: bool
    earlier: tuple[Earlier, ...]
    shop_open: tuple[Stretch, ...] | None
    segments_today: int


@dataclass(frozen=True)
class Case:
    """One message and what is known about it now. `touch` None: it is no touch."""

    message: ChatMessage
    chat: ChatSession
    lead: Lead
    location: Location
    tenant: Tenant
    stop: ConsentEvent | None
    block: TemplateBlock | None
    touch: TouchFacts | None
    now: datetime
    rules: GateRules

    @property
    def to_customer(self) -> bool:
        """Notices go to staff; everything else to the lead."""
        return self.message.kind != "notice"

    @property
    def announces(self) -> bool:
        """The reply that announces a hand-off was written in the same turn and still goes: nobody else would say it."""
        return bool((self.message.raw or {}).get("announces_hand_off"))

    @property
    def hours_kind(self) -> str:
        """The first touch answers an enquiry the person just made, so it may go from eight to eight; later ones may
        not."""
        point = self.touch.point if self.touch is not None else None
        return "first_touch" if point is not None and point.step == 1 else self.message.kind

    @cached_property
    def where(self) -> Whereabouts:
        """Everywhere the person may be, the shop included."""
        lead, place = self.lead, self.location
        return whereabouts(
            self.message.to_address,
            place.timezone,
            shop_state=place.state,
            postal_code=lead.postal_code,
            state=lead.state,
        )

    @cached_property
    def settings(self) -> TenantSettings:
        """What the tenant chose."""
        return settings_of(self.tenant)


def load_case(session: Session, message: ChatMessage, now: datetime, rules: GateRules) -> Case:
    """Read the case. Locks the session row, so that a stop, a person or a newer message either is seen here or comes
    after the message."""
    chat = session.get_one(ChatSession, message.session_id, with_for_update=True, populate_existing=True)
    lead, location, tenant, point = session.execute(
        select(Lead, Location, Tenant, TouchPoint)
        .select_from(ChatMessage)
        .join(Lead, Lead.id == ChatMessage.lead_id)
        .join(Location, Location.id == chat.location_id)
        .join(Tenant, Tenant.id == ChatMessage.tenant_id)
        .outerjoin(TouchPoint, TouchPoint.id == ChatMessage.touch_point_id)
        .where(ChatMessage.id == message.id)
        .execution_options(populate_existing=True)
    ).one()
    consent = consent_of(session, lead, "same" if tenant.settings.get("stop_covers") == "same" else "all")
    stop = _stop_of(session, message, lead, consent)
    block = standing_block(session, message) if message.kind in BLOCKABLE else None
    touch = None
    if message.kind == "touch":
        touch = _touch_facts(session, message, lead, location, settings_of(tenant), consent, point, now)
    return Case(message, chat, lead, location, tenant, stop, block, touch, now, rules)


def _touch_facts(
    session: Session,
    message: ChatMessage,
    lead: Lead,
    location: Location,
    settings: TenantSettings,
    consent: PersonConsent,
    point: TouchPoint | None,
    now: datetime,
) -> TouchFacts:
    by_text = message.channel == "sms"
    # The first touch answers somebody who has just asked: only later ones wait for the shop to open.
    in_shop_hours = by_text and settings.touches_in_shop_hours and (point is None or point.step > 1)
    return TouchFacts(
        point=point,
        may_text=may_text(consent, lead, settings),
        has_appointment=_has_appointment(session, lead, now),
        earlier=earlier_touches(session, message, lead, now),
        shop_open=open_ahead(session, location, now) if in_shop_hours else None,
        segments_today=(
            segments_today(session, location, now)
            if by_text and settings.max_segments_per_day is not None
            else 0
        ),
    )


def _stop_of(
    session: Session, message: ChatMessage, lead: Lead, consent: PersonConsent
) -> ConsentEvent | None:
    """The revocation that forbids this message: the person's, on either channel as the shop has it, or one of the very
    address it goes to, which for a notice is somebody of the shop, and may be one the lead no longer has."""
    scope: Scope = "marketing" if message.kind == "touch" else "all"
    stop = consent.stop(message.channel, scope) if message.kind != "notice" else None
    own = lead.phone if message.channel == "sms" else lead.email
    if stop is None and (message.kind == "notice" or message.to_address != own):
        stop = opt_out_of(session, message.tenant_id, message.channel, message.to_address, scope)
    return stop


def _has_appointment(session: Session, lead: Lead, now: datetime) -> bool:
    booked = session.scalar(
        select(Appointment.id)
        .where(
            Appointment.lead_id == lead.id,
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.ends_at > now,
        )
        .limit(1)
    )
    return booked is not None
