"""Forgetting a person: names, addresses, words, pictures and raw mails go; what the law needs stays.

What stays, and why. A stop holds for ever and has to hold when the same number is imported again, so the address of a
standing stop stays in the ledger as it is. A keyed hash would tell nobody with the key less (there are only ten thousand
million numbers to try), would have to be made at every look of the gate, and with a lost key every stop would be lost:
that is the one mistake this house may never make. All other events of the ledger, the messages, decisions and turns stay
as bare rows (when, which way, what became of it) without words and without addresses: they prove that and when something
was sent, for the four years in which it can be claimed (28 U.S.C. 1658), and count in reports. Ids of carriers stay on
them, or the search for lost texts would bring the words back. Whoever writes again is a new lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm import forgetting_rows as rows
from crm.consents import Channel, normal_address, standing
from crm.lead_merging import family_of
from crm.lead_states import note
from crm.mailroom import SOURCE as MAILROOM
from crm.models import Appointment, ChatMessage, ChatSession, Lead, LeadRequest, Location
from crm.phones import e164

WHAT = "forgotten"


class ForgetRefused(ValueError):
    """Why this cannot be forgotten now. Fit to be shown to an owner."""


@dataclass(frozen=True)
class Person:
    """All that is one person: the leads with their conversations, their addresses, and what else names them: `ids` of
    other systems. `shared`: addresses that leads which stay have too, so the ledger keeps them."""

    tenant_id: int
    lead_ids: tuple[int, ...]
    session_ids: tuple[int, ...]
    addresses: tuple[tuple[Channel, str], ...]
    ids: tuple[str, ...] = ()
    message_keys: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The addresses alone."""
        return tuple(address for _, address in self.addresses)


@dataclass(frozen=True)
class Visit:
    """An appointment that is still ahead."""

    id: int
    starts_at: datetime
    location: str
    timezone: str


@dataclass(frozen=True)
class Plan:
    """What would go, how many rows of each kind; `stops` are the addresses that stay in the ledger because a stop
    stands on them."""

    lead_ids: tuple[int, ...]
    addresses: tuple[str, ...]
    visits: tuple[Visit, ...]
    stops: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    erased_already: bool = False


def find_person(s: Session, lead_id: int, *, everywhere: bool = True) -> Person:
    """The person behind a lead: its family of merged leads and, `everywhere`, every lead of the business with one of
    their addresses, and so on. Raises ForgetRefused."""
    lead = s.get(Lead, lead_id)
    if lead is None:
        raise ForgetRefused(f"there is no lead {lead_id}")
    if lead.source == MAILROOM:
        raise ForgetRefused(f"lead {lead_id} is no person: it is where mail of no customer is kept")
    found = _family(s, [_root(s, lead).id])
    while everywhere:
        more = _family(s, _same_address(s, found))
        if set(more) <= set(found):
            break
        found = sorted({*found, *more})
    leads = list(s.scalars(select(Lead).where(Lead.id.in_(found)).order_by(Lead.id)))
    addresses = _addresses(leads)
    sessions = list(s.scalars(select(ChatSession.id).where(ChatSession.lead_id.in_(found))))
    return Person(
        tenant_id=lead.tenant_id,
        lead_ids=tuple(found),
        session_ids=tuple(sorted(sessions)),
        addresses=addresses,
        ids=_outside_ids(s, leads),
        message_keys=_carrier_ids(s, sessions),
        event_ids=_event_ids(s, sessions),
        shared=_shared(s, found, addresses),
    )


def plan(s: Session, person: Person, now: datetime) -> Plan:
    """What forgetting would do; nothing is changed."""
    leads = list(s.scalars(select(Lead).where(Lead.id.in_(person.lead_ids))))
    return Plan(
        lead_ids=person.lead_ids,
        addresses=person.texts,
        visits=tuple(_visits(s, person, now)),
        stops=standing_stops(s, person),
        counts=rows.counts(s, person.lead_ids, person.session_ids),
        erased_already=all(one.erased_at is not None for one in leads),
    )


def forget(s: Session, person: Person, *, who: str, now: datetime) -> dict[str, int]:
    """Erase everything of the person but the raw webhooks (crm.forgetting_raw does them, before and after), in the
    caller's transaction; returns how many rows of each kind. Safe to repeat.

    Raises ForgetRefused while an answer is being written or a message sent: its words would come back.
    """
    chats = list(s.scalars(_locked(ChatSession, person.session_ids)))
    leads = list(s.scalars(_locked(Lead, person.lead_ids)))
    _refuse_under_way(s, chats, now)
    kept = standing_stops(s, person)
    words = [*(form for one in person.texts for form in phone_forms(one)), *_names(leads)]
    alone = [one for one in person.texts if one not in person.shared]
    gone = {
        **rows.erase_conversations(s, chats, now),
        **rows.erase_around(s, person.lead_ids, words, now),
        "consents": rows.erase_ledger(s, person.lead_ids, alone, kept),
    }
    for lead in leads:
        if lead.erased_at is None:
            note(s, lead, WHAT, before=None, after=None, who=who, why=None, now=now)
        rows.erase_lead(lead, words, now)
    s.flush()
    return {**gone, "leads": len(leads)}


def standing_stops(s: Session, person: Person) -> tuple[str, ...]:
    """The person's addresses on which a stop stands, be it of everything or of offers."""
    return tuple(
        normal_address(channel, address)
        for channel, address in person.addresses
        if standing(s, person.tenant_id, channel, address).marketing_stop is not None
        or standing(s, person.tenant_id, channel, address).stop is not None
    )


def _refuse_under_way(s: Session, chats: Iterable[ChatSession], now: datetime) -> None:
    ids = []
    for chat in chats:
        ids.append(chat.id)
        if chat.lease_until is not None and chat.lease_until > now:
            raise ForgetRefused(
                "an answer to this person is being written at this moment; try again in a minute"
            )
    sending = select(ChatMessage.id).where(
        ChatMessage.session_id.in_(ids), ChatMessage.status == "sending", ChatMessage.claimed_until > now
    )
    if s.scalar(sending.limit(1)) is not None:
        raise ForgetRefused("a message to this person is being sent at this moment; try again in a minute")


def _root(s: Session, lead: Lead) -> Lead:
    while lead.merged_into_id is not None:
        lead = s.get_one(Lead, lead.merged_into_id)
    return lead


def _family(s: Session, lead_ids: Iterable[int]) -> list[int]:
    roots = {_root(s, s.get_one(Lead, one)).id for one in lead_ids}
    return sorted({member for root in roots for member in family_of(s, root)})


def _same_address(s: Session, lead_ids: list[int]) -> list[int]:
    mine = select(Lead.phone, Lead.email).where(Lead.id.in_(lead_ids))
    phones, emails = set(), set()
    for phone, email in s.execute(mine):
        phones |= {phone} if phone else set()
        emails |= {email} if email else set()
    if not phones and not emails:
        return lead_ids
    shops = select(Location.id)
    same = or_(Lead.phone.in_(phones), Lead.email.in_(emails))
    return list(s.scalars(select(Lead.id).where(Lead.location_id.in_(shops), same)))


def _addresses(leads: Iterable[Lead]) -> tuple[tuple[Channel, str], ...]:
    found: dict[tuple[Channel, str], None] = {}
    for lead in leads:
        if lead.phone:
            found["sms", lead.phone] = None
        if lead.email:
            found["email", lead.email.lower()] = None
    return tuple(found)


def _shared(s: Session, lead_ids: list[int], addresses: tuple[tuple[Channel, str], ...]) -> tuple[str, ...]:
    """Addresses of leads that are not forgotten."""
    found = []
    for channel, address in addresses:
        column = Lead.phone if channel == "sms" else Lead.email
        if s.scalar(select(Lead.id).where(column == address, Lead.id.not_in(lead_ids)).limit(1)) is not None:
            found.append(address)
    return tuple(found)


def _outside_ids(s: Session, leads: list[Lead]) -> tuple[str, ...]:
    """What other systems call the person and what they asked for; too short ones would be found anywhere."""
    told = {one.external_customer_id for one in leads} | {one.external_id for one in leads}
    told |= set(
        s.scalars(select(LeadRequest.external_id).where(LeadRequest.lead_id.in_([x.id for x in leads])))
    )
    return tuple(sorted(one for one in told if one and len(one) >= 8))


def _carrier_ids(s: Session, sessions: list[int]) -> tuple[str, ...]:
    ids = s.scalars(
        select(ChatMessage.carrier_id).where(
            ChatMessage.session_id.in_(sessions), ChatMessage.carrier_id.is_not(None)
        )
    )
    return tuple(one for one in ids if one)


def _event_ids(s: Session, sessions: list[int]) -> tuple[str, ...]:
    """The stored webhooks that their mails came in."""
    raw = s.scalars(
        select(ChatMessage.raw["event_id"].astext).where(
            ChatMessage.session_id.in_(sessions), ChatMessage.raw["event_id"].astext.is_not(None)
        )
    )
    return tuple(one for one in raw if one)


def _names(leads: Iterable[Lead]) -> list[str]:
    """Names of two words: a first name alone is many people's."""
    full = (" ".join(part for part in (one.first_name, one.last_name) if part) for one in leads)
    return sorted({name for name in full if " " in name})


def _visits(s: Session, person: Person, now: datetime) -> Iterable[Visit]:
    found = s.execute(
        select(Appointment.id, Appointment.starts_at, Location.name, Location.timezone)
        .join(Location, Location.id == Appointment.location_id)
        .where(
            Appointment.lead_id.in_(person.lead_ids),
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.starts_at)
    )
    return [Visit(*row) for row in found]


def _locked(table: Any, ids: Iterable[int]) -> Any:
    rows_of = select(table).where(table.id.in_(list(ids))).order_by(table.id)
    return rows_of.with_for_update().execution_options(populate_existing=True)


def phone_forms(address: str) -> list[str]:
    """The ways in which a North American number is written in forms and CRMs; any other only as it is."""
    phone = e164(address)
    if phone is None or not phone.startswith("+1") or len(phone) != 12:
        return [address]
    a, b, c = phone[2:5], phone[5:8], phone[8:]
    return [
        phone,
        f"%2B{phone[1:]}",
        f"{a}{b}{c}",
        f"({a}) {b}-{c}",
        f"{a}-{b}-{c}",
        f"{a}.{b}.{c}",
        f"({a}){b}-{c}",
    ]
