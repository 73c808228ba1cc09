"""Forgetting a person in all of its steps, each of which may be done again: raw posts, their rows, Redis.

The raw posts are searched by the person's addresses, so they go before the addresses do; and once more afterwards for
what came in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.booking import Booker, cancel
from crm.consent_stops import Stop, stop_person
from crm.db import Database
from crm.forgetting_raw import Raw, sweep
from crm.lead_forgetting import ForgetRefused, Person, Plan, find_person, forget, plan
from crm.models import ChatSession, Lead
from ops.clock import Clock
from scheduler.forgotten_traces import clear_traces, traces_of


@dataclass(frozen=True)
class Wish:
    """How somebody is to be forgotten. `visits`: what becomes of appointments ahead; None: there must be none. `stop`:
    their wish to be written to never again goes on record first. `everywhere`: all leads with one of the addresses."""

    who: str
    visits: str | None = None
    stop: bool = False
    everywhere: bool = True


@dataclass(frozen=True)
class Forgotten:
    """What went, how many rows of each kind. `redis` None: it was away, and what it holds ends within a week."""

    plan: Plan
    gone: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    redis: int | None = None


def preview(
    db: Database, tenant_id: int, lead_id: int, clock: Clock, *, everywhere: bool
) -> tuple[Plan, Raw]:
    """What would go; nothing is changed. Raises ForgetRefused."""
    with db.tenant(tenant_id) as s:
        person = find_person(s, lead_id, everywhere=everywhere)
        found = plan(s, person, clock.now())
    return found, sweep(db, person, erase=False)


def forget_person(
    db: Database, client: redis.Redis | None, tenant_id: int, lead_id: int, clock: Clock, wish: Wish
) -> Forgotten:
    """Do it. Safe to repeat. Raises ForgetRefused: unknown, appointments ahead about which nothing was said, or an
    answer or a message on its way."""
    with db.tenant(tenant_id) as s:
        person = find_person(s, lead_id, everywhere=wish.everywhere)
        found = plan(s, person, clock.now())
        traces = traces_of(s, person)
    if found.visits and wish.visits is None:
        raise ForgetRefused("there are appointments ahead: say whether they are cancelled or kept")
    raw = [sweep(db, person, erase=True)]
    with db.tenant(tenant_id) as s:
        if wish.stop:
            _stop(s, person, wish, clock)
        if wish.visits == "cancel":
            for visit in found.visits:
                cancel(s, Booker(None, None, "owner", clock.now(), why="the person was forgotten"), visit.id)
        s.flush()
        gone = forget(s, person, who=wish.who, now=clock.now())
    raw.append(sweep(db, person, erase=True))
    gone["raw webhooks"] = sum(one.webhooks for one in raw)
    gone["mail events"] = gone.get("mail events", 0) + sum(one.mail_events for one in raw)
    gone["error texts"] = sum(one.errors for one in raw)
    return Forgotten(found, gone, raw[-1].waiting, _clear(client, traces))


def _stop(s: Session, person: Person, wish: Wish, clock: Clock) -> None:
    """For each of their leads, the conversation before the lead, as everybody locks them."""
    for lead_id in person.lead_ids:
        s.execute(select(ChatSession.id).where(ChatSession.lead_id == lead_id).with_for_update())
        lead = s.get_one(Lead, lead_id, with_for_update=True, populate_existing=True)
        if lead.phone or lead.email:
            told = Stop(
                channels=frozenset({"sms", "email"}), scope="all", actor="customer", source=f"told {wish.who}",
                evidence="asked to be forgotten", at=clock.now(),
            )  # fmt: skip
            stop_person(s, lead, told)


def _clear(client: redis.Redis | None, traces: set[str]) -> int | None:
    if client is None:
        return None
    try:
        return clear_traces(client, traces)
    except redis.RedisError:
        return None
