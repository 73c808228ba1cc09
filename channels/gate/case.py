"""One message and everything that decides about it, read in one call; a message to an address that is not the lead's
own asks the ledger once more, a limit of text parts a day once, and what belongs to a visit the calendar. The
checks themselves ask the database nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Literal

from sqlalchemy.orm import Session

from channels.gate.decision import GateRules
from channels.gate.facts import Facts, earlier_of, events_of, read_facts
from channels.gate.opening import Hours, open_stretches_ahead
from channels.gate.person import Earlier
from channels.gate.spent import segments_today
from channels.places import Whereabouts, whereabouts
from crm.calendar.hours import Stretch
from crm.calendar.told import VisitFacts, visit_facts
from crm.consent_policy import Permission, PersonConsent, consent_from, consent_of, may_text
from crm.consents import Scope, opt_out_of
from crm.models import ChatMessage, ConsentEvent, Lead
from crm.tenants import TenantSettings


@dataclass(frozen=True)
class TouchFacts:
    """What only a touch has to be asked. `shop_open` None: the shop's own hours do not matter to it."""

    may_text: Permission
    has_appointment: bool
    earlier: tuple[Earlier, ...]
    shop_open: tuple[Stretch, ...] | None
    segments_today: int
    max_segments_per_day: int | None


@dataclass(frozen=True)
class Case:
    """One message and what is known about it now. `touch` None: it is no touch."""

    message: ChatMessage
    facts: Facts
    stop: ConsentEvent | None
    touch: TouchFacts | None
    visit: VisitFacts | None
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
    def tells_of_change(self) -> bool:
        """The reply that tells of an appointment made, moved or cancelled: no later answer would say it again."""
        return bool((self.message.raw or {}).get("tells_of_change"))

    @property
    def hours_kind(self) -> str:
        """The first touch answers an enquiry the person just made, so it may go from eight to eight; later ones may
        not."""
        return "first_touch" if self.touch is not None and self.facts.step == 1 else self.message.kind

    @cached_property
    def where(self) -> Whereabouts:
        """Everywhere the person may be, the shop included."""
        facts = self.facts
        return whereabouts(
            self.message.to_address,
            facts.timezone,
            shop_state=facts.shop_state,
            postal_code=facts.postal_code,
            state=facts.lead_state,
        )


def load_case(session: Session, message: ChatMessage, now: datetime, rules: GateRules) -> Case:
    """Read the case. Locks the session row, so that a stop, a person or a newer message either is seen here or comes
    after the message."""
    facts = read_facts(session, message, now)
    consent = _consent_of(session, message, facts)
    stop = _stop_of(session, message, facts, consent)
    touch = _touch_facts(session, message, facts, consent, now) if message.kind == "touch" else None
    return Case(message, facts, stop, touch, visit_facts(session, message), now, rules)


def _consent_of(session: Session, message: ChatMessage, facts: Facts) -> PersonConsent:
    covers = _covers(facts.settings)
    if facts.email is not None and not facts.email.isascii():
        # The database makes small letters of plain ones only; the ledger has them all small.
        return consent_of(session, session.get_one(Lead, message.lead_id, populate_existing=True), covers)
    return consent_from(events_of(facts), covers)


def _touch_facts(
    session: Session, message: ChatMessage, facts: Facts, consent: PersonConsent, now: datetime
) -> TouchFacts:
    settings = _settings(facts.settings)
    by_text = message.channel == "sms"
    # The first touch answers somebody who has just asked: only later ones wait for the shop to open.
    in_shop_hours = by_text and settings.touches_in_shop_hours and (facts.step is None or facts.step > 1)
    hours = Hours(facts.timezone, facts.holidays, facts.weekly, facts.special, facts.closures)
    most = settings.max_segments_per_day if by_text else None
    return TouchFacts(
        may_text=may_text(consent, facts, settings),
        has_appointment=bool(facts.has_appointment),
        earlier=earlier_of(facts),
        shop_open=open_stretches_ahead(hours, now) if in_shop_hours else None,
        segments_today=0 if most is None else segments_today(session, facts.timezone, now),
        max_segments_per_day=most,
    )


def _stop_of(
    session: Session, message: ChatMessage, facts: Facts, consent: PersonConsent
) -> ConsentEvent | None:
    """The revocation that forbids this message: the person's, on either channel as the shop has it, or one of the very
    address it goes to, which for a notice is somebody of the shop, and may be one the lead no longer has."""
    scope: Scope = "marketing" if message.kind == "touch" else "all"
    stop = consent.stop(message.channel, scope) if message.kind != "notice" else None
    own = facts.phone if message.channel == "sms" else facts.email
    if stop is None and (message.kind == "notice" or message.to_address != own):
        stop = opt_out_of(session, message.tenant_id, message.channel, message.to_address, scope)
    return stop


# Remembered by what stands in the column, so that a changed setting is another key.
@lru_cache(maxsize=1024)
def _settings(text: str) -> TenantSettings:
    return TenantSettings.model_validate(json.loads(text))


@lru_cache(maxsize=1024)
def _covers(text: str) -> Literal["all", "same"]:
    """What a stop covers, also where the rest of the settings is nonsense: a reply does not need the rest."""
    return "same" if json.loads(text).get("stop_covers") == "same" else "all"
