"""What the unanswered text means in its conversation: intents, time, car, wish and who writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agent.language import language_of
from agent.playbook import phrases
from agent.playbook.clauses import corrects
from agent.playbook.intents import Intent, is_question, read_intents
from agent.playbook.people import read_email, read_name
from agent.playbook.picks import Pick, read_pick
from agent.playbook.text import folded, plain
from agent.playbook.transcript import Situation
from agent.playbook.vehicles import Vehicle, read_vehicle, read_vehicles, read_year
from agent.playbook.when import Doubt, When, read_when
from agent.playbook.wishes import Mention, Wish, collect, read_mention
from agent.tools.closing_words import Why, read_closing
from crm.vehicles import guess_body_style

LANGUAGES = ("en", "es")
"""What the playbook has words for."""
_BOOKED = re.compile(r"\b(?:appointments?|bookings?|booked|resched\w*|citas?|reagend\w*)\b")


@dataclass(frozen=True)
class Reading:
    """Everything the rules ask about a text. `when` is what this text says, `when_open` also what was said before and
    not answered with times yet; `vehicle` is the newest knowledge, `new_vehicle` what this text adds, `more_vehicles`
    the other cars it speaks of. `corrects` says that the text takes back something. `closes` is why it ends the enquiry.
    `language` is "en" or "es"."""

    intents: frozenset[Intent]
    when: When
    when_open: When
    pick: Pick
    vehicle: Vehicle
    new_vehicle: Vehicle | None
    mention: Mention
    wishes: tuple[Wish, ...]
    name: tuple[str, str | None] | None
    email: str | None
    moving: bool
    asks: bool
    language: str = "en"
    corrects: bool = False
    closes: Why = "other"
    more_vehicles: tuple[Vehicle, ...] = ()

    @property
    def doubt(self) -> Doubt | None:
        """Why a day that was named cannot be told; `when_open.days.meant` are the days it may be."""
        return self.when_open.doubt

    def has(self, *wanted: Intent) -> bool:
        """Whether the text has one of these intents."""
        return not self.intents.isdisjoint(wanted)


def read(s: Situation) -> Reading:
    """Read the unanswered text of a situation. Never raises."""
    asked_vehicle = bool(phrases.ASKED_VEHICLE.search(s.asked))
    vehicles = read_vehicles(s.said, asked=asked_vehicle)
    new_vehicle = _vehicle_in(s.said, asked=asked_vehicle)
    when = read_when(s.said, s.facts.now)
    intents = _in_place(s, read_intents(s.said))
    closing = read_closing((s.said,))
    if closing.reading == "yes":
        intents |= {Intent.CLOSES}
    pick = read_pick(s.said, when, s.facts.offers, s.facts.now.date())
    older = (s.facts.wish, *s.earlier) if s.facts.wish else s.earlier
    return Reading(
        intents=intents,
        when=when,
        when_open=when.over(_open_when(s)),
        pick=pick,
        vehicle=_known_vehicle(s, new_vehicle),
        new_vehicle=new_vehicle,
        mention=read_mention(s.said),
        wishes=collect((*older, s.said)),
        name=read_name(s.said),
        email=read_email(s.said),
        moving=_moving(s, intents),
        asks=is_question(s.said),
        language=_language(s, intents),
        corrects=corrects(folded(s.said)),
        closes=closing.why,
        more_vehicles=vehicles[1:],
    )


def _in_place(s: Situation, intents: frozenset[Intent]) -> frozenset[Intent]:
    """The intents in this conversation: "change that to 4" moves nothing while times are on the table and none is
    booked; it asks for another of them."""
    if (
        Intent.MOVE in intents
        and s.facts.offers
        and not s.facts.appointments
        and not _BOOKED.search(plain(s.said))
    ):
        return intents - {Intent.MOVE} | {Intent.BOOK}
    return intents


def _language(s: Situation, intents: frozenset[Intent]) -> str:
    """The language to answer in: that of this text where it can be told, else that of the conversation."""
    if Intent.SPANISH in intents:
        return "es"
    said = language_of(s.said)
    known = said if said in LANGUAGES else s.facts.language
    return known if known in LANGUAGES else LANGUAGES[0]


def _vehicle_in(text: str, *, asked: bool) -> Vehicle | None:
    found = read_vehicle(text, asked=asked)
    if found is None and asked and (year := read_year(text)):
        return Vehicle(year)
    return found


def _known_vehicle(s: Situation, new: Vehicle | None) -> Vehicle:
    known = s.facts.vehicle
    if not known:
        for text in s.earlier:
            if older := read_vehicle(text):
                known = older.over(known)
    if new is not None:
        known = new.over(known)
    if known.body_style is None and known.model:
        return Vehicle(known.year, known.make, known.model, guess_body_style(known.make, known.model))
    return known


def _open_when(s: Situation) -> When:
    """What earlier texts ask for and no times were shown for yet, the newer words over the older ones."""
    when = When()
    for text in s.since_offer:
        when = read_when(text, s.facts.now).over(when)
    return when


def _moving(s: Situation, intents: frozenset[Intent]) -> bool:
    """Whether a picked time replaces an appointment: the customer asks for it, we just offered it, or the shown times
    are for the very services that are already booked."""
    if not s.facts.appointments:
        return False
    if Intent.MOVE in intents or phrases.MOVING.search(s.asked):
        return True
    booked = [slot.services for slot in s.facts.appointments]
    return bool(s.facts.offers) and s.facts.offers[0].services in booked


def learned(s: Situation, r: Reading) -> dict[str, Any]:
    """Arguments for `update_lead`: what this text says about the customer that was not known."""
    found: dict[str, Any] = {}
    if r.name and r.name[0].casefold() != s.facts.first_name.casefold():
        found["first_name"] = r.name[0]
        if r.name[1]:
            found["last_name"] = r.name[1]
    if r.email:
        found["email"] = r.email
    if r.new_vehicle:
        found |= _vehicle_arguments(r.new_vehicle, s.facts.vehicle)
    return found


def _vehicle_arguments(new: Vehicle, known: Vehicle) -> dict[str, Any]:
    style = new.body_style if new.style_said else None
    pairs = (
        ("vehicle_year", new.year, known.year),
        ("vehicle_make", new.make, known.make),
        ("vehicle_model", new.model, known.model),
        ("body_style", style, known.body_style),
    )
    return {
        key: value
        for key, value, before in pairs
        if value and str(value).casefold() != str(before).casefold()
    }
