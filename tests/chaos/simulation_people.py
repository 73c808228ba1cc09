"""Whom the simulation is about: people with numbers in every zone, what they ask where, and what they do afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import phonenumbers

from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_law import AREAS, ZIPS, Place


@dataclass(frozen=True)
class ShopPlan:
    """One shop of the simulation. `covers`: the tenant's `stop_covers`."""

    tenant: str
    slug: str
    zone: str
    state: str
    phone: str
    area: str
    covers: str


SHOPS = (
    ShopPlan("north", "chicago", "America/Chicago", "IL", "+13125550101", "312", "all"),
    ShopPlan("north", "denver", "America/Denver", "CO", "+13035550102", "303", "all"),
    ShopPlan("south", "newyork", "America/New_York", "NY", "+12125550103", "212", "same"),
    ShopPlan("south", "losangeles", "America/Los_Angeles", "CA", "+12135550104", "213", "same"),
)
CONSENT = {"form": 0.75, "none": 0.15, "text": 0.10}
DEEDS = {
    "ask": 40, "stop word": 14, "stop phrase": 14, "stop mail": 7, "start": 12, "help": 4, "wrong number": 2,
    "like": 3, "picture": 2, "booking": 5, "again": 5, "takeover": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Deed:
    """Something a customer does, at a moment."""

    at: datetime
    what: str
    number: int


@dataclass(frozen=True)
class Enquiry:
    """One lead: a person who asks at a shop. `consent` form: ticked a box; none: nothing known; text: wrote first."""

    number: int
    at: datetime
    shop: ShopPlan
    consent: str
    phone: str
    email: str | None
    zip_code: str | None
    deeds: tuple[Deed, ...] = field(default=())

    def places(self) -> list[Place]:
        """Where the person may be, the shop included."""
        own = [AREAS[self.phone[2:5]], Place(self.shop.state, (self.shop.zone,))]
        return own + ([ZIPS[self.zip_code]] if self.zip_code else [])


def people(dice: Dice, leads: int, since: datetime, spread: timedelta, lasting: timedelta) -> list[Enquiry]:
    """So many enquiries. Some people ask at several shops: of the same business (sometimes with a second number and
    the same mail) or of the other one, which must never notice."""
    made: list[Enquiry] = []
    person = 0
    while len(made) < leads:
        person += 1
        made += _of_person(dice, person, len(made), since, spread, lasting)
    return made[:leads]


def _of_person(
    dice: Dice, person: int, first: int, since: datetime, spread: timedelta, lasting: timedelta
) -> list[Enquiry]:
    shops = [SHOPS[int(dice.roll("shop", person) * len(SHOPS))]]
    if dice.happens(0.25, "two shops", person):
        others = [shop for shop in SHOPS if shop not in shops]
        shops.append(others[int(dice.roll("other shop", person) * len(others))])
    phone = _phone(dice, person, shops[0], 0)
    email = f"person{person}@example.com" if dice.happens(0.8, "email", person) else None
    zip_code = None
    if dice.happens(0.3, "zip", person):
        zip_code = list(ZIPS)[int(dice.roll("which zip", person) * len(ZIPS))]
    made = []
    for place, shop in enumerate(shops):
        second = place and email and dice.happens(0.4, "second number", person)
        own = _phone(dice, person, shop, 1) if second else phone
        at = since + spread * dice.roll("enquiry", person, place)
        number = first + place
        consent = dice.one_of(CONSENT, "consent", person, place)
        made.append(
            Enquiry(number, at, shop, consent, own, email, zip_code, _deeds(dice, number, at, lasting))
        )
    return made


def _deeds(dice: Dice, number: int, at: datetime, lasting: timedelta) -> tuple[Deed, ...]:
    count = dice.one_of({0: 20, 1: 45, 2: 22, 3: 13}, "deeds", number)
    made = []
    for place in range(count):
        # Most do something soon or never; some come back weeks later.
        share = dice.roll("when", number, place) ** 4
        made.append(Deed(at + lasting * share, dice.one_of(DEEDS, "deed", number, place), place))
    return tuple(sorted(made, key=lambda deed: deed.at))


def _phone(dice: Dice, person: int, shop: ShopPlan, which: int) -> str:
    for attempt in range(1000):
        near = dice.happens(0.55, "near", person, which)
        area = shop.area if near else list(AREAS)[int(dice.roll("area", person, which) * len(AREAS))]
        exchange = 220 + int(dice.roll("exchange", person, which, attempt) * 770)
        # The person's number in the last digits: nobody shares a phone by accident.
        line = (person * 2 + which) % 10_000
        phone = f"+1{area}{exchange}{line:04d}"
        if phonenumbers.is_valid_number(phonenumbers.parse(phone)):
            return phone
    raise AssertionError("no valid number found")
