"""Whom the simulated month is about: businesses in every zone, and people who ask there, some hundred at one moment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import phonenumbers

from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_law import AREAS, ZIPS, Place

# (zone, state, area code): a shop's own.
PLACES = (
    ("America/New_York", "NY", "212"), ("America/Chicago", "IL", "312"), ("America/Denver", "CO", "303"),
    ("America/Los_Angeles", "CA", "213"), ("America/Phoenix", "AZ", "602"), ("America/Anchorage", "AK", "907"),
    ("Pacific/Honolulu", "HI", "808"), ("America/Chicago", "TX", "713"),
)  # fmt: skip
LEADS_OF_A_SHOP, MOST_AT_ONCE = 400, 100
# (texts allowed, has a mail address, has a phone), as often as the weight.
KINDS: dict[tuple[bool, bool, bool], float] = {
    (True, True, True): 72, (False, True, True): 11, (True, False, True): 10, (False, True, False): 5, (False, False, True): 2,
}  # fmt: skip
WISHES: dict[str | None, float] = {None: 40, "Window tint": 35, "Ceramic tint for my Honda Civic sedan": 25}


class Shop(NamedTuple):
    """One shop. `covers`: its tenant's `stop_covers`."""

    number: int
    tenant: int
    zone: str
    state: str
    area: str
    phone: str
    mailbox: str
    covers: str


@dataclass(frozen=True, slots=True)
class Person:
    """One lead-to-be. `consent`: a box was ticked that allows texts."""

    number: int
    shop: Shop
    at: datetime
    phone: str | None
    email: str | None
    zip_code: str | None
    consent: bool
    wish: str | None

    def places(self) -> list[Place]:
        """Where the person may be, the shop included."""
        found = [Place(self.shop.state, (self.shop.zone,))]
        if self.phone:
            found.append(AREAS[self.phone[2:5]])
        return found + ([ZIPS[self.zip_code]] if self.zip_code else [])


def shops(leads: int) -> list[Shop]:
    """A shop for every 400 leads, with fewer at least six, with very few two; two shops make a business."""
    return [_shop(number) for number in range(max(2, min(6, leads // 8), leads // LEADS_OF_A_SHOP))]


def people(dice: Dice, leads: int, since: datetime, spread: timedelta) -> list[Person]:
    """So many persons; those of one shop come in bursts, each burst at one moment, as an import of a list does."""
    places = shops(leads)
    bursts = max(3, -(-leads // len(places) // MOST_AT_ONCE) * 3)
    made = []
    for number in range(leads):
        shop = places[number % len(places)]
        burst = int(dice.roll("burst", number) ** 2 * bursts)
        at = since + spread * dice.roll("when", shop.number, burst)
        texts, mails, calls = dice.one_of(KINDS, "kind", number)
        made.append(
            Person(
                number=number,
                shop=shop,
                at=at.replace(microsecond=0),
                phone=_phone(dice, number, shop) if calls else None,
                email=f"person{number}@example.com" if mails else None,
                zip_code=_zip(dice, number),
                consent=texts,
                wish=dice.one_of(WISHES, "wish", number),
            )
        )
    return made


def bursts(persons: list[Person]) -> list[list[Person]]:
    """Who comes together: at one shop, at one moment."""
    found: defaultdict[tuple[int, datetime], list[Person]] = defaultdict(list)
    for one in persons:
        found[one.shop.number, one.at].append(one)
    return list(found.values())


def _shop(number: int) -> Shop:
    zone, state, area = PLACES[number % len(PLACES)]
    phone = f"+1{area}555{number:04d}"
    # Both shops of a business have the same rule.
    covers = "all" if number // 2 % 2 else "same"
    return Shop(number, number // 2, zone, state, area, phone, f"shop{number}@month.example", covers)


def _zip(dice: Dice, number: int) -> str | None:
    if not dice.happens(0.15, "zip", number):
        return None
    return list(ZIPS)[int(dice.roll("which zip", number) * len(ZIPS))]


def _phone(dice: Dice, number: int, shop: Shop) -> str:
    """A valid number that nobody else has: the person's own number is in its exchange and its last digits."""
    for attempt in range(1000):
        near = attempt < 50 and dice.happens(0.8, "near", number)
        area = shop.area if near else list(AREAS)[int(dice.roll("area", number, attempt // 50) * len(AREAS))]
        exchange = 220 + number // 10_000 * 50 + attempt % 50
        phone = f"+1{area}{exchange}{number % 10_000:04d}"
        if exchange != 555 and phonenumbers.is_valid_number(phonenumbers.parse(phone)):
            return phone
    raise AssertionError("no valid number found")
