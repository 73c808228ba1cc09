"""What the month's judge looks at: our rows and the carriers' log, read once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tests.chaos.month_carrier import Handed
from tests.chaos.month_customers import Truth
from tests.chaos.month_people import Person
from tests.chaos.month_world import MonthWorld

_TOUCHES = """
select t.id, t.lead_id, t.cadence_run, t.step, t.channel, t.status, t.reason, t.due_at, t.message_id, t.resume_at,
       t.created_at from touch_points t where t.kind = 'touch' order by t.lead_id, t.step
"""
_MESSAGES = """
select m.id, m.outbox_id, m.lead_id, m.touch_point_id, m.channel, m.status, m.error, m.error_code, m.carrier_id, m.created_at,
       m.send_after, (select max(cast(cast(d.xmin as text) as bigint)) from send_decisions d
                       where d.message_id = m.id and d.decision = 'allow') as allowed
  from chat_messages m where m.direction = 'out' and m.kind = 'touch'
"""
_INBOUND = """
select m.lead_id, cast(cast(m.xmin as text) as bigint) as number, m.received_at, m.channel
  from chat_messages m where m.direction = 'in' and m.kind = 'inbound' order by m.id
"""


class Touch(NamedTuple):
    """A row of touch_points."""

    id: int
    lead_id: int
    run: int
    step: int
    channel: str
    status: str
    reason: str | None
    due_at: datetime
    message_id: int | None
    resume_at: datetime | None
    created_at: datetime


class Message(NamedTuple):
    """A row of the outbox; `allowed`: the number of the transaction in which the gate let it go for the last time."""

    id: int
    outbox_id: object
    lead_id: int
    touch_id: int | None
    channel: str
    status: str
    error: str | None
    error_code: str | None
    carrier_id: str | None
    created_at: datetime
    send_after: datetime | None
    allowed: int | None


@dataclass
class Verdict:
    """What was found, and how much of what there was."""

    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Evidence:
    """One world's, with the verdict that is being reached."""

    def __init__(self, world: MonthWorld, truth: Truth, persons: list[Person]) -> None:
        self.world, self.truth, self.persons = world, truth, persons
        self.verdict = Verdict()
        self.who = {ids.lead_id: world.persons[number] for number, ids in world.ids.items()}
        self.touches = [Touch(*row) for row in world.read(_TOUCHES)]
        self.by_id = {touch.id: touch for touch in self.touches}
        self.messages = {row[1]: Message(*row) for row in world.read(_MESSAGES)}
        self.replies: defaultdict[int, list[tuple[int, datetime, str]]] = defaultdict(list)
        for lead_id, number, at, channel in world.read(_INBOUND):
            self.replies[lead_id].append((number, at, channel))
        self.handed = [one for one in world.log.handed if one.kind == "touch"]
        self.of_lead: defaultdict[int, list[tuple[Handed, Touch]]] = defaultdict(list)
        self.now = world.clock.now()
        self.closed = self._closed_by_carrier()

    def found(self, what: str) -> None:
        """One finding more."""
        self.verdict.findings.append(what)

    def _closed_by_carrier(self) -> dict[tuple[str, str], tuple[datetime, str]]:
        """Addresses that a carrier closed, by our own ledger, and those known not to work."""
        closed = {
            (channel, address): (at, f"the carrier closed it ({source})")
            for channel, address, at, source in self.world.read(
                "select channel, address, min(effective_at), min(source) from consent_events"
                " where action = 'revoke' and actor = 'carrier' group by channel, address"
            )
        }
        for phone, email, no_phone, no_email in self.world.read(
            "select phone, email, phone_bad_since, email_bad_since from leads"
            " where phone_bad_since is not null or email_bad_since is not null"
        ):
            for channel, address, at in (("sms", phone, no_phone), ("email", email, no_email)):
                if at is not None:
                    closed.setdefault((channel, address), (at, "it is known not to work"))
        return closed
