"""Where a person may be: every zone and every state that their number, their postal code, their state and the shop
speak for. None of them is proof (a mobile moves, a number is ported), so all of them count (messaging facts 3.3, 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import phonenumbers
import yaml
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from channels.windows import load_hours

PLACES_FILE = Path(__file__).with_name("places.yaml")
_POSTAL_CODE = re.compile(r"\s*(\d{5})(?:[-\s]?\d{4})?\s*")
_LONGEST_PREFIX = 5


@dataclass(frozen=True)
class Whereabouts:
    """The zones and states somebody may be in: a message is lawful only when all of them allow it."""

    zones: frozenset[str]
    states: frozenset[str]


@dataclass(frozen=True)
class Places:
    """The whole of `places.yaml`, turned round: what a code says."""

    state_of_area: dict[str, str]
    zip_states: dict[str, frozenset[str]]
    zip_zones: dict[str, frozenset[str]]
    state_names: dict[str, str]

    @property
    def states(self) -> frozenset[str]:
        """The two-letter codes of all states and territories."""
        return frozenset(self.state_of_area.values())


@cache
def load_places() -> Places:
    """The tables from the file beside this module."""
    data: dict[str, Any] = yaml.safe_load(PLACES_FILE.read_text(encoding="utf-8"))
    areas = {area: state for state, codes in data["area_codes"].items() for area in codes.split()}
    return Places(areas, _by_prefix(data["zip_states"]), _by_prefix(data["zip_zones"]), data["state_names"])


def whereabouts(
    phone: str | None,
    shop_zone: str,
    *,
    shop_state: str | None = None,
    postal_code: str | None = None,
    state: str | None = None,
) -> Whereabouts:
    """Everywhere the owner of `phone` (E.164) may be. `postal_code` and `state` as the person or a CRM wrote them; what
    cannot be read adds nothing. A state alone adds all its zones; with a postal code that is needless."""
    said, coded = state_code(state), zip_states(postal_code)
    zones = candidate_zones(phone, shop_zone) | zip_zones(postal_code)
    if said is not None and not coded:
        zones |= _zones_of_state(said)
    states = _states_of_number(phone) | coded
    states |= {code for code in (said, state_code(shop_state)) if code is not None}
    return Whereabouts(zones, states)


def candidate_zones(phone: str | None, shop_zone: str) -> frozenset[str]:
    """Every zone the owner of `phone` (E.164) may be in, the shop's own included.

    For a North American number it is every zone of its whole area code, because the data by exchange is
    wrong in split area codes and empty for newer exchanges; a number that says nothing counts as anywhere
    in the country (messaging facts 5).
    """
    shop = frozenset({shop_zone})
    return shop if not phone else shop | (_zones_of_number(phone) or load_hours().unknown_zones)


def zip_states(postal_code: str | None) -> frozenset[str]:
    """The states of a US postal code (a few prefixes lie in two); none for anything else."""
    return _of_zip(load_places().zip_states, postal_code)


def zip_zones(postal_code: str | None) -> frozenset[str]:
    """The zones a US postal code may lie in; none for anything else, military ones included."""
    return _of_zip(load_places().zip_zones, postal_code)


def state_code(text: str | None) -> str | None:
    """`IL` for "IL", "il" or "Illinois"; None for what is no state."""
    places, plain = load_places(), " ".join((text or "").replace(".", "").split())
    return plain.upper() if plain.upper() in places.states else places.state_names.get(plain.lower())


def _states_of_number(phone: str | None) -> frozenset[str]:
    """The state of an area code; all states with a rule for a number that may be anywhere; none for one abroad."""
    if not phone:
        return frozenset()
    state = load_places().state_of_area.get(phone[2:5]) if phone.startswith("+1") else None
    if state is not None:
        return frozenset({state})
    return frozenset() if _zones_of_number(phone) else frozenset(load_hours().states)


@cache
def _zones_of_state(state: str) -> frozenset[str]:
    places = load_places()
    return frozenset(
        zone
        for prefix, states in places.zip_states.items()
        if state in states
        for zone in places.zip_zones.get(prefix, ())
    )


def _zones_of_number(phone: str) -> frozenset[str]:
    if not phone.startswith("+1"):
        return _foreign_zones(phone)
    area = phone[2:5]
    return _area_zones(area) | _area_zones(load_hours().overlays.get(area, area))


@cache
def _area_zones(area: str) -> frozenset[str]:
    prefix = "1" + area
    found = (zones for number, zones in TIMEZONE_DATA.items() if number.startswith(prefix))
    names = frozenset(zone for zones in found for zone in zones)
    # Toll-free and personal codes list the whole plan, from Adak to St. John's: no knowledge at all.
    return names if len(names) < len(TIMEZONE_DATA["1"]) else frozenset()


def _foreign_zones(phone: str) -> frozenset[str]:
    try:
        zones = time_zones_for_number(phonenumbers.parse(phone, "US"))
    except phonenumbers.NumberParseException:
        return frozenset()
    return frozenset(zones) - {UNKNOWN_TIMEZONE}


def _of_zip(table: dict[str, frozenset[str]], postal_code: str | None) -> frozenset[str]:
    match = _POSTAL_CODE.fullmatch(postal_code or "")
    if match is None:
        return frozenset()
    for length in range(_LONGEST_PREFIX, 2, -1):
        if (found := table.get(match[1][:length])) is not None:
            return found
    return frozenset()


def _by_prefix(table: dict[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, ranges in table.items():
        for prefix in _prefixes(ranges):
            found.setdefault(prefix, set()).add(name)
    return {prefix: frozenset(names) for prefix, names in found.items()}


def _prefixes(ranges: str) -> Iterator[str]:
    for one in ranges.split():
        first, _, last = one.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield f"{number:0{len(first)}d}"
