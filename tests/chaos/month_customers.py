"""What customers and persons of the shops do in the simulated month, and what is thereby true from which moment on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from channels.inbound import Inbound
from channels.inbox import receive
from crm.models import Appointment, Bay, ChatSession, Service
from crm.sessions import hand_back
from tests.chaos.month_people import Person
from tests.chaos.month_world import Ids, MonthWorld
from tests.chaos.simulation_customers import STOP_MAILS, STOP_PHRASES, STOP_WORDS
from tests.chaos.simulation_dice import Dice

# Every booking has an hour of its own there.
FAR_AHEAD = datetime(2029, 1, 1, tzinfo=UTC)
DEEDS = {"reply": 62, "reply by mail": 14, "stop": 12, "stop by mail": 4, "booking": 9, "takeover": 5}


@dataclass
class Truth:
    """What a neutral observer knows. Keys are the persons' numbers; `stops` has (person, channel), the number that the
    carriers' log counted to when the stop was committed, and the moment."""

    stops: dict[tuple[int, str], tuple[int, datetime]] = field(default_factory=dict)
    booked: dict[int, datetime] = field(default_factory=dict)
    # From when until when a person had the conversation; None: still.
    taken: dict[int, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    replied: dict[int, list[datetime]] = field(default_factory=dict)
    # Who wrote a text of their own, which allows texts, and whom a carrier told of as wanting nothing more.
    texted: set[int] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)


class MonthCustomers:
    """Everything that people do, through the real inbox."""

    def __init__(self, world: MonthWorld, dice: Dice) -> None:
        self.world, self.dice, self.truth = world, dice, Truth()
        self.by_lead: dict[int, int] = {}
        self._said = 0

    def do(self, number: int, what: str) -> str:
        """One deed of one person, now; what they cannot do they do otherwise. Returns what it was."""
        one, ids = self.world.persons[number], self.world.ids[number]
        what = _possible(one, what)
        self._said += 1
        self.world.counts[f"deed: {what}"] += 1
        match what:
            case "reply" | "reply by mail":
                self._say(
                    one, ids, "sms" if what == "reply" else "email", f"How long does it take? ({self._said})"
                )
                self.truth.replied.setdefault(number, []).append(self.world.clock.now())
                if what == "reply":
                    self.truth.texted.add(number)
            case "stop" | "stop by mail":
                self._stop(one, ids, "sms" if what == "stop" else "email")
            case "booking":
                self._book(one, ids)
            case "takeover":
                self._take_over(number, ids)
        return what

    def can(self, number: int, what: str) -> bool:
        """Whether this person has what the deed needs."""
        return _possible(self.world.persons[number], what) == what

    def give_back(self, number: int) -> None:
        """The person of the shop gives the conversation back to the agent."""
        ids, now = self.world.ids[number], self.world.clock.now()
        spans = self.truth.taken.get(number, [])
        if not spans or spans[-1][1] is not None:
            return
        with self.world.db.tenant(ids.tenant_id) as session:
            session.get_one(ChatSession, ids.session_id, with_for_update=True)
            given = hand_back(session, ids.session_id, who="Sam", now=now)
        if given:
            spans[-1] = (spans[-1][0], now)
            self.world.counts["deed: given back"] += 1

    def close(self, number: int, channel: str) -> None:
        """From now on nothing of a cadence may go to this person there."""
        key = (number, channel)
        self.truth.stops.setdefault(key, (next(self.world.log.count), self.world.clock.now()))

    def _stop(self, one: Person, ids: Ids, channel: str) -> None:
        words = (*STOP_WORDS, *STOP_PHRASES) if channel == "sms" else STOP_MAILS
        self._say(one, ids, channel, words[int(self.dice.roll("words", one.number) * len(words))])
        self.close(one.number, channel)
        if one.shop.covers == "all":
            self.close(one.number, "email" if channel == "sms" else "sms")

    def _say(self, one: Person, ids: Ids, channel: str, body: str) -> None:
        by_text = channel == "sms"
        key = f"{channel}-in-{self._said}"
        inbound = Inbound(
            tenant_id=ids.tenant_id, location_id=ids.location_id, channel=channel, carrier="twilio" if by_text else "sendgrid",
            carrier_id=key, from_address=(one.phone if by_text else one.email) or "",
            to_address=one.shop.phone if by_text else one.shop.mailbox, body=body, received_at=self.world.clock.now(),
            subject=None if by_text else "Re: your request", rfc_message_id=None if by_text else f"<{key}@example.com>",
        )  # fmt: skip
        runtime = self.world.runtime
        receive(runtime.db, runtime.queue, inbound, we_confirm_stops=not by_text)

    def _book(self, one: Person, ids: Ids) -> None:
        if one.number in self.truth.booked:
            return
        begins = FAR_AHEAD + timedelta(hours=2 * one.number)
        with self.world.db.tenant(ids.tenant_id) as session:
            session.get_one(ChatSession, ids.session_id, with_for_update=True)
            bay = session.scalars(select(Bay.id).where(Bay.location_id == ids.location_id).limit(1)).one()
            service = select(Service.id).where(Service.location_id == ids.location_id).limit(1)
            session.add(
                Appointment(
                    tenant_id=ids.tenant_id, location_id=ids.location_id, bay_id=bay, lead_id=ids.lead_id,
                    service_ids=[session.scalars(service).one()], starts_at=begins, ends_at=begins + timedelta(hours=1),
                    source="staff",
                )
            )  # fmt: skip
        self.truth.booked[one.number] = self.world.clock.now()

    def _take_over(self, number: int, ids: Ids) -> None:
        spans = self.truth.taken.setdefault(number, [])
        if spans and spans[-1][1] is None:
            return
        with self.world.db.tenant(ids.tenant_id) as session:
            chat = session.get_one(ChatSession, ids.session_id, with_for_update=True)
            chat.state, chat.state_reason = "human", "Sam answers"
        spans.append((self.world.clock.now(), None))


def _possible(one: Person, what: str) -> str:
    if what in ("reply", "stop") and one.phone is None:
        return f"{what} by mail" if one.email else "booking"
    if what.endswith("by mail") and one.email is None:
        return what.removesuffix(" by mail")
    return what
