"""What the ledger means for a lead: which channel is closed to it, and whether the cadence may text it at all.

A stop by one channel closes the other one too where the shop says so (`stop_covers`), also one that was not known yet
when the person said stop. Texts of the cadence need consent with evidence: words of the person's own, a form or CRM
field, or the shop's recorded statement that its forms ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from crm.consents import SAID_START, THIS_CHANNEL_ONLY, Channel, Scope, Standing, standing_of
from crm.models import ConsentEvent, Lead, Location, Tenant
from crm.tenants import TenantSettings

# The ledger's address for "everybody who comes to this shop": the shop's own statement about how it asks.
EVERYBODY = "*"
OTHER: dict[str, Channel] = {"sms": "email", "email": "sms"}


@dataclass(frozen=True)
class PersonConsent:
    """What stands for one lead on both channels, read in one query. `statement`: the shop's, where it made one."""

    sms: Standing
    email: Standing
    statement: ConsentEvent | None
    covers: Literal["all", "same"]

    def stop(self, channel: str, scope: Scope = "all") -> ConsentEvent | None:
        """The revocation that forbids messages of this kind on this channel, or None."""
        own, other = self._of(channel), self._of(OTHER[channel])
        found = own.revocation(scope)
        if found is not None or self.covers != "all":
            return found
        there = other.revocation(scope)
        return there if there is not None and _reaches_over(there, own.grant) else None

    def _of(self, channel: str) -> Standing:
        return self.sms if channel == "sms" else self.email


class Came(Protocol):
    """A lead, as far as it matters here: where it came from (`text`: the person wrote first)."""

    @property
    def source(self) -> str:
        """Its way to us."""
        ...


@dataclass(frozen=True)
class Permission:
    """Whether the cadence may use a channel, why in one plain sentence, and the event that proves it."""

    allowed: bool
    why: str
    evidence: ConsentEvent | None = None


def consent_of(session: Session, lead: Lead, covers: Literal["all", "same"]) -> PersonConsent:
    """What the ledger says about the lead's addresses now."""
    wanted = [("sms", EVERYBODY)]
    wanted += [("sms", lead.phone)] if lead.phone else []
    wanted += [("email", lead.email.lower())] if lead.email else []
    found = session.scalars(
        select(ConsentEvent)
        .where(
            ConsentEvent.tenant_id == lead.tenant_id,
            tuple_(ConsentEvent.channel, ConsentEvent.address).in_(wanted),
        )
        .order_by(ConsentEvent.id)
    ).all()
    return consent_from(found, covers)


def consent_from(found: Sequence[ConsentEvent], covers: Literal["all", "same"]) -> PersonConsent:
    """What the events of a lead's addresses and of EVERYBODY come to; in the order in which they were recorded."""
    everybody = standing_of(event for event in found if event.address == EVERYBODY)
    return PersonConsent(
        sms=standing_of(event for event in found if event.channel == "sms" and event.address != EVERYBODY),
        email=standing_of(event for event in found if event.channel == "email"),
        statement=everybody.grant,
        covers=covers,
    )


def words_of(stop: ConsentEvent) -> str:
    """What somebody wants who may not be written to, with a date to follow: a box left empty is no STOP."""
    return "this person wants no promotions, said" if stop.scope == "marketing" else "this person said stop"


def may_text(consent: PersonConsent, lead: Came, settings: TenantSettings) -> Permission:
    """Whether the cadence may text this lead. Unknown consent means email, and answers to what the person writes."""
    stop = consent.stop("sms", "marketing")
    if stop is not None:
        return Permission(False, f"{words_of(stop)} on {stop.effective_at:%Y-%m-%d}", stop)
    if consent.sms.grant is not None:
        return Permission(
            True, f"consent to texts is on record ({consent.sms.grant.source})", consent.sms.grant
        )
    if lead.source == "text":
        return Permission(True, "this person texted the shop first")
    if settings.text_consent == "assumed" and consent.statement is not None:
        return Permission(True, "the shop stated that its forms ask for consent to texts", consent.statement)
    if settings.text_consent == "assumed":
        return Permission(False, "the shop assumes consent to texts but has stated no ground for it")
    return Permission(False, "no consent to texts is on record")


def may_email(consent: PersonConsent) -> Permission:
    """Whether the cadence may write mail: unless the person said stop (CAN-SPAM asks for no consent before)."""
    stop = consent.stop("email", "marketing")
    if stop is not None:
        return Permission(False, f"{words_of(stop)} on {stop.effective_at:%Y-%m-%d}", stop)
    return Permission(True, "nobody said stop", consent.email.grant)


def settings_for(session: Session, tenant_id: int) -> TenantSettings:
    """The tenant's settings. Raises pydantic.ValidationError for stored nonsense."""
    return TenantSettings.model_validate(session.get_one(Tenant, tenant_id).settings)


def same_person(session: Session, lead: Lead) -> list[Lead]:
    """The leads of the business that have the lead's phone or email, at any of its shops, the lead itself first."""
    keys = [Lead.phone == lead.phone] if lead.phone else []
    keys += [Lead.email == lead.email] if lead.email else []
    if not keys:
        return [lead]
    # By location, because that is how the two indexes begin.
    shops = select(Location.id).where(Location.tenant_id == lead.tenant_id)
    others = session.scalars(
        select(Lead).where(Lead.location_id.in_(shops), Lead.id != lead.id, or_(*keys)).order_by(Lead.id)
    )
    return [lead, *others]


def _reaches_over(stop: ConsentEvent, own_grant: ConsentEvent | None) -> bool:
    """A stop on the other channel counts here too, unless it was meant for that channel alone, or the person has said
    START here since."""
    if stop.source.endswith(THIS_CHANNEL_ONLY):
        return False
    came_back = (
        own_grant is not None
        and own_grant.actor == "customer"
        and own_grant.source.startswith(SAID_START)
        and own_grant.id > stop.id
    )
    return not came_back
