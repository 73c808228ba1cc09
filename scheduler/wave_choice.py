"""Whom a wave writes to: every lead is looked at with everything that speaks against it, and the first reason counts.

Read page by page and set by set, so that a dry run over a business's leads and the wave itself decide the same way. The
wave asks again about each lead once it holds the lead's rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from crm.consent_policy import EVERYBODY, PersonConsent, consent_from, may_email, may_text, settings_for
from crm.models import ConsentEvent, Lead, Location, Wave
from crm.tenants import TenantSettings
from crm.touches import HELD
from crm.waves import WaveFilter
from scheduler.wording import has_postal_address

PAGE = 300
IN_IT = "is in this wave already"


@dataclass(frozen=True)
class Wanted:
    """Whom a wave is for and by which policy it chooses. `wave_id` None: it has not been started."""

    tenant_id: int
    filter: WaveFilter
    location_id: int | None
    wave_id: int | None
    settings: TenantSettings


@dataclass(frozen=True)
class Judged:
    """One lead, and why it is not written to; None: it is. `same`: other leads of the same person."""

    lead_id: int
    reason: str | None
    same: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Facts:
    """What stands in other tables about one lead. `heard_at`: their last word or request."""

    lead_id: int
    human: bool
    heard_at: datetime | None
    unanswered: bool
    under_way: bool
    appointment: bool
    wave_at: datetime | None
    in_this: bool


# One look for a page of leads; each part goes by the lead's index.
_FACTS = text("""
select p.id as lead_id, coalesce(s.state = 'human', false) as human,
       greatest(s.last_inbound_at, (select max(r.made_at) from lead_requests r where r.lead_id = p.id)) as heard_at,
       s.answer_due_at is not null as unanswered,
       exists (select from touch_points t where t.lead_id = p.id and (t.status in ('planned', 'claimed')
           or (t.status = 'paused' and (t.resume_at is not null or t.reason like :held)))) as under_way,
       exists (select from appointments a where a.lead_id = p.id and a.status in ('booked', 'confirmed')
           and a.ends_at > :now) as appointment,
       (select max(t.created_at) from touch_points t where t.lead_id = p.id and t.wave_id is not null) as wave_at,
       exists (select from touch_points t where t.lead_id = p.id and t.wave_id = :wave) as in_this
  from unnest(cast(:ids as bigint[])) as p (id)
  left join chat_sessions s on s.lead_id = p.id
""")
# The same person at any shop of the business, by phone or email.
_SAME = text("""
select a.id as one, b.id as other from leads a join leads b on b.phone = a.phone and b.location_id = any(:shops)
 where a.id = any(:ids) and b.id <> a.id
union
select a.id, b.id from leads a join leads b on b.email = a.email and b.location_id = any(:shops)
 where a.id = any(:ids) and b.id <> a.id
""")


def wanted_of(session: Session, wave: Wave, chosen: WaveFilter) -> Wanted:
    """What a wave that was started wants."""
    return Wanted(wave.tenant_id, chosen, wave.location_id, wave.id, settings_for(session, wave.tenant_id))


def next_page(session: Session, wanted: Wanted, before: int | None, now: datetime) -> list[Judged]:
    """The next leads before this one, the newest first, each judged; empty when there are no more."""
    mine = select(Lead).where(Lead.tenant_id == wanted.tenant_id)
    if before is not None:
        mine = mine.where(Lead.id < before)
    if wanted.location_id is not None:
        mine = mine.where(Lead.location_id == wanted.location_id)
    return judge(session, wanted, list(session.scalars(mine.order_by(Lead.id.desc()).limit(PAGE))), now)


def judge(session: Session, wanted: Wanted, leads: Collection[Lead], now: datetime) -> list[Judged]:
    """Each of these leads with the first reason why a wave does not write to it."""
    if not leads:
        return []
    shops = {one.id: one for one in session.scalars(select(Location))}
    ids = [lead.id for lead in leads]
    same: dict[int, list[int]] = defaultdict(list)
    for one, other in session.execute(_SAME, {"ids": ids, "shops": list(shops)}):
        same[one].append(other)
    facts = _facts_of(session, {*ids, *(other for others in same.values() for other in others)}, wanted, now)
    consents = _consents_of(session, wanted, leads)
    found = []
    for lead in leads:
        mine, others = facts[lead.id], same[lead.id]
        reason = (
            _of_the_filter(lead, mine, wanted, now)
            or _of_the_person([mine, *(facts[other] for other in others)], wanted, now)
            or _of_the_channels(lead, shops[lead.location_id], mine, consents[lead.id], wanted, now)
        )
        found.append(Judged(lead.id, reason, tuple(others)))
    return found


def _of_the_filter(lead: Lead, facts: _Facts, wanted: Wanted, now: datetime) -> str | None:
    """Whether the wave is for this lead at all."""
    chosen = wanted.filter
    if lead.erased_at is not None:
        return "the person was forgotten"
    if lead.merged_into_id is not None:
        return "merged with another lead"
    if lead.status == "human" or facts.human:
        return "a person has the conversation"
    if lead.status not in chosen.statuses:
        return f"the lead is {lead.status}"
    if chosen.sources is not None and lead.source not in chosen.sources:
        return f"came from {lead.source}"
    if _heard(lead, facts) > now - timedelta(days=chosen.older_than_days):
        return f"heard from within {chosen.older_than_days} days"
    return None


def _of_the_person(facts: list[_Facts], wanted: Wanted, now: datetime) -> str | None:
    """What goes on with the person, by this lead (the first) or by another one at any shop of the business."""
    if any(one.human for one in facts):
        return "a person has the conversation"
    if any(one.appointment for one in facts):
        return "has an appointment"
    if any(one.in_this for one in facts):
        return IN_IT
    if any(one.under_way or one.unanswered for one in facts):
        return "a cadence or a conversation goes on"
    since = now - timedelta(days=wanted.settings.wave_apart_days)
    if any(one.wave_at is not None and one.wave_at > since for one in facts):
        return f"was in a wave within {wanted.settings.wave_apart_days} days"
    return None


def _of_the_channels(
    lead: Lead, shop: Location, facts: _Facts, consent: PersonConsent, wanted: Wanted, now: datetime
) -> str | None:
    """Whether a channel is left, and consent for it that is not too old. The cadence would use any channel that is open,
    so who can only be texted by a consent that is too old is not taken, though a mail could go."""
    addresses = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    if lead.status == "opted_out" or (
        addresses and all(consent.stop(one, "marketing") is not None for one in addresses)
    ):
        return "said stop"
    text_by = may_text(consent, lead, wanted.settings)
    mail_by = may_email(consent)
    texts = bool(lead.phone and shop.phone and lead.phone_bad_since is None and text_by.allowed)
    mails = bool(lead.email and shop.mailbox and lead.email_bad_since is None and mail_by.allowed)
    if not texts and mails and not has_postal_address(shop):
        return "the shop has no postal address, which such mail must name"
    if not texts and not mails:
        return "no address that works, or no consent for it"
    days = wanted.settings.wave_consent_days
    oldest = now - timedelta(days=days)
    grant = consent.sms.grant if texts else consent.email.grant
    fresh = max(_heard(lead, facts), grant.effective_at) if grant is not None else _heard(lead, facts)
    return None if fresh >= oldest else f"consent and last word are older than {days} days"


def _heard(lead: Lead, facts: _Facts) -> datetime:
    """When the person last said or asked something; of who is known from elsewhere, since when they are here."""
    return facts.heard_at or lead.created_at


def _facts_of(session: Session, ids: Iterable[int], wanted: Wanted, now: datetime) -> Mapping[int, _Facts]:
    given = {"ids": sorted(ids), "wave": wanted.wave_id, "now": now, "held": f"{HELD}%"}
    found = [_Facts(**row) for row in session.execute(_FACTS, given).mappings()]
    return {one.lead_id: one for one in found}


def _consents_of(session: Session, wanted: Wanted, leads: Collection[Lead]) -> dict[int, PersonConsent]:
    """What the ledger says of each lead, in one look for all of them."""
    asked = {("sms", EVERYBODY)}
    for lead in leads:
        asked |= set(_addresses(lead))
    events: dict[tuple[str, str], list[ConsentEvent]] = defaultdict(list)
    statement = select(ConsentEvent).where(
        ConsentEvent.tenant_id == wanted.tenant_id,
        tuple_(ConsentEvent.channel, ConsentEvent.address).in_(sorted(asked)),
    )
    for event in session.scalars(statement.order_by(ConsentEvent.id)):
        events[event.channel, event.address].append(event)
    found = {}
    for lead in leads:
        keys = [("sms", EVERYBODY), *_addresses(lead)]
        own = sorted((event for key in keys for event in events[key]), key=lambda event: event.id)
        found[lead.id] = consent_from(own, wanted.settings.stop_covers)
    return found


def _addresses(lead: Lead) -> list[tuple[str, str]]:
    found = [("sms", lead.phone)] if lead.phone else []
    return found + ([("email", lead.email.lower())] if lead.email else [])


def count_all(session: Session, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """How many leads a wave would write to (`match`) of how many (`looked_at`), and why not to the others (`passed`); one
    of several leads of a person is written to. Nothing is changed."""
    reasons: Counter[str] = Counter()
    chosen: set[int] = set()
    before: int | None = None
    looked_at = 0
    while page := next_page(session, wanted, before, now):
        before = page[-1].lead_id
        looked_at += len(page)
        for one in page:
            reason = one.reason or (IN_IT if chosen.intersection(one.same) else None)
            if reason is None:
                chosen.add(one.lead_id)
            else:
                reasons[reason] += 1
        session.expunge_all()
    return {"match": len(chosen), "looked_at": looked_at, "passed": dict(reasons.most_common())}
