"""What decides about one message, read by one call of a function in the database (migrations/sql/0009_gate.sql).

The function locks the conversation, and for a touch every address of the person, before it reads. Values come back
plain: as objects of the ORM they took most of the time that a decision costs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from channels.gate.person import Earlier
from crm.models import ChatMessage, ConsentEvent
from crm.template_blocks import WITH_TEMPLATE, range_of

# A notice goes to the shop's own people, and the answer to a stop is owed whatever the carrier filters.
BLOCKABLE = frozenset({"touch", "reply", "confirmation", "reminder"})

_READ = """
select * from send_facts(%(tenant)s, %(chat)s, %(lead)s, %(message)s, %(point)s, %(kind)s, %(channel)s, %(to)s,
    %(blocks)s, %(now)s, %(since)s)
"""


class Facts(NamedTuple):
    """One row of `send_facts`, in its order. `lead_state` is the state the person said, `lead_status` where the lead
    stands; `point_*`, `run`, `step` and `plan` are the touch point's, None without one; what only a touch has is None for
    everything else. `chat_state` of a touch is "human" where a person has one of the conversations that the business
    has with them; `chosen_so`: a wave chose the lead in the state that it still is in.

    JSON that only pure functions read stays text, so that they can remember what it came to.
    """

    location_id: int
    chat_state: str
    last_inbound_id: int | None
    last_inbound_at: datetime | None
    phone: str | None
    email: str | None
    phone_bad_since: datetime | None
    email_bad_since: datetime | None
    postal_code: str | None
    lead_state: str | None
    source: str
    timezone: str
    shop_state: str
    holidays: str
    tenant_status: str
    settings: str
    point_lead: int | None
    run: int | None
    step: int | None
    consent: list[list[Any]] | None
    block: str | None
    block_reason: str | None
    has_appointment: bool | None
    earlier: list[list[Any]] | None
    weekly: str | None
    special: str | None
    closures: str | None
    lead_status: str
    plan: str | None
    chosen_so: bool | None


def read_facts(session: Session, message: ChatMessage, now: datetime) -> Facts:
    """Lock and read. Raises sqlalchemy.exc.NoResultFound for a message of another tenant."""
    # What the caller changed counts too; a statement past the ORM does not see it otherwise.
    session.flush()
    found = session.connection().exec_driver_sql(
        _READ,
        {
            "tenant": message.tenant_id,
            "chat": message.session_id,
            "lead": message.lead_id,
            "message": message.id,
            "point": message.touch_point_id,
            "kind": message.kind,
            "channel": message.channel,
            "to": message.to_address,
            "blocks": _names(message),
            "now": now,
            # Yesterday is today somewhere; whoever reads the hours knows the shop's own day.
            "since": (now - timedelta(days=1)).date(),
        },
    )
    return Facts(*found.one())


def events_of(facts: Facts) -> list[ConsentEvent]:
    """The ledger's events about the lead's addresses, in their order; they belong to no session."""
    return [
        ConsentEvent(
            id=number,
            channel=channel,
            address=address,
            action=action,
            actor=actor,
            source=source,
            scope=scope,
            effective_at=datetime.fromisoformat(at),
        )
        for number, channel, address, action, actor, source, scope, at in facts.consent or ()
    ]


def earlier_of(facts: Facts) -> tuple[Earlier, ...]:
    """The touches that reached this person in the last 24 hours or are on their way, over all their numbers and all
    shops of the business, oldest first."""
    return tuple(
        Earlier(channel, None if at is None else datetime.fromisoformat(at), lead_id, run, step)
        for channel, at, lead_id, run, step in facts.earlier or ()
    )


def _names(message: ChatMessage) -> list[str] | None:
    """Under which names this message may be blocked, besides its touch's template; None: under none."""
    if message.kind not in BLOCKABLE:
        return None
    own = message.touch_point_id is None and message.kind in WITH_TEMPLATE
    names = [message.kind] if own else []
    return [*names, range_of(message.to_address)] if message.channel == "sms" else names
