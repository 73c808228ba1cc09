"""The hours in which a text of a cadence may reach somebody, written down a second time for the simulation's judge.

Nothing here comes from the code under test: the places are a list of our own, the states' hours were copied by hand
from messaging facts 3.3, and the holidays are those of the library `holidays`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

EAST, CENTRAL, MOUNTAIN, PACIFIC = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
)  # fmt: skip
ANYWHERE = (EAST, CENTRAL, MOUNTAIN, PACIFIC, "America/Anchorage", "Pacific/Honolulu")

Span = tuple[int, int] | None


@dataclass(frozen=True)
class Place:
    """What a number or a postal code says about where somebody is."""

    state: str
    zones: tuple[str, ...]


# Area codes of one clock, then those that two clocks share, then their overlays, then numbers that say nothing.
AREAS: dict[str, Place] = {
    "212": Place("NY", (EAST,)), "617": Place("MA", (EAST,)), "401": Place("RI", (EAST,)),
    "203": Place("CT", (EAST,)), "201": Place("NJ", (EAST,)), "215": Place("PA", (EAST,)),
    "410": Place("MD", (EAST,)), "305": Place("FL", (EAST,)), "404": Place("GA", (EAST,)),
    "313": Place("MI", (EAST,)), "317": Place("IN", (EAST,)), "502": Place("KY", (EAST,)),
    "312": Place("IL", (CENTRAL,)), "713": Place("TX", (CENTRAL,)), "205": Place("AL", (CENTRAL,)),
    "504": Place("LA", (CENTRAL,)), "601": Place("MS", (CENTRAL,)), "405": Place("OK", (CENTRAL,)),
    "612": Place("MN", (CENTRAL,)), "414": Place("WI", (CENTRAL,)),
    "303": Place("CO", (MOUNTAIN,)), "505": Place("NM", (MOUNTAIN,)), "801": Place("UT", (MOUNTAIN,)),
    "602": Place("AZ", ("America/Phoenix",)), "213": Place("CA", (PACIFIC,)), "206": Place("WA", (PACIFIC,)),
    "702": Place("NV", (PACIFIC,)), "503": Place("OR", (PACIFIC,)),
    "808": Place("HI", ("Pacific/Honolulu",)), "787": Place("PR", ("America/Puerto_Rico",)),
    "671": Place("GU", ("Pacific/Guam",)), "684": Place("AS", ("Pacific/Pago_Pago",)),
    "340": Place("VI", ("America/St_Thomas",)), "670": Place("MP", ("Pacific/Saipan",)),
    "208": Place("ID", (MOUNTAIN, PACIFIC)), "219": Place("IN", (EAST, CENTRAL)), "270": Place("KY", (EAST, CENTRAL)),
    "308": Place("NE", (CENTRAL, MOUNTAIN)), "423": Place("TN", (EAST, CENTRAL)), "541": Place("OR", (PACIFIC, MOUNTAIN)),
    "574": Place("IN", (EAST, CENTRAL)), "605": Place("SD", (CENTRAL, MOUNTAIN)), "606": Place("KY", (EAST, CENTRAL)),
    "620": Place("KS", (CENTRAL, MOUNTAIN)), "701": Place("ND", (CENTRAL, MOUNTAIN)), "775": Place("NV", (PACIFIC, MOUNTAIN)),
    "785": Place("KS", (CENTRAL, MOUNTAIN)), "812": Place("IN", (EAST, CENTRAL)), "850": Place("FL", (EAST, CENTRAL)),
    "906": Place("MI", (EAST, CENTRAL)), "907": Place("AK", ("America/Anchorage", "America/Adak")),
    "928": Place("AZ", ("America/Phoenix", MOUNTAIN)), "986": Place("ID", (MOUNTAIN, PACIFIC)),
    "364": Place("KY", (EAST, CENTRAL)), "930": Place("IN", (EAST, CENTRAL)), "448": Place("FL", (EAST, CENTRAL)),
    "458": Place("OR", (PACIFIC, MOUNTAIN)),
    "800": Place("?", ANYWHERE), "888": Place("?", ANYWHERE),
}  # fmt: skip
ZIPS: dict[str, Place] = {
    "10001": Place("NY", (EAST,)), "60614": Place("IL", (CENTRAL,)), "80202": Place("CO", (MOUNTAIN,)),
    "85001": Place("AZ", ("America/Phoenix",)), "90012": Place("CA", (PACIFIC,)), "99501": Place("AK", ("America/Anchorage",)),
    "96813": Place("HI", ("Pacific/Honolulu",)), "46402": Place("IN", (CENTRAL,)), "42101": Place("KY", (CENTRAL,)),
    "32501": Place("FL", (CENTRAL,)), "37402": Place("TN", (EAST,)), "02903": Place("RI", (EAST,)),
    "75201": Place("TX", (CENTRAL,)), "35203": Place("AL", (CENTRAL,)), "70112": Place("LA", (CENTRAL,)),
    "39201": Place("MS", (CENTRAL,)), "19103": Place("PA", (EAST,)), "98101": Place("WA", (PACIFIC,)),
}  # fmt: skip


@dataclass(frozen=True)
class Week:
    """Hours (from, until) of a week; None: none that day."""

    weekdays: Span
    saturday: Span
    sunday: Span
    holidays: bool = True


FEDERAL = Week((8, 21), (8, 21), (8, 21))
EIGHT_TO_EIGHT = Week((8, 20), (8, 20), (8, 20))
NINE_TO_NINE = Week((9, 21), (9, 21), (9, 21))
NINE_TO_EIGHT = Week((9, 20), (9, 20), (9, 20))
STATES: dict[str, Week] = {
    **dict.fromkeys(("FL", "OK", "WA", "MD", "NJ", "MA"), EIGHT_TO_EIGHT),
    **dict.fromkeys(("MS", "LA"), Week((8, 20), (8, 20), None)),
    "AL": Week((8, 20), (8, 20), None, holidays=False),
    "TX": Week((9, 21), (9, 21), (12, 21)),
    "KY": Week((10, 21), (10, 21), (10, 21)),
    **dict.fromkeys(("CT", "NV"), NINE_TO_EIGHT),
    **dict.fromkeys(("MI", "MN", "NM", "CA"), NINE_TO_NINE),
    "RI": Week((9, 18), (10, 17), (10, 17)),
    "PA": Week((8, 21), (8, 21), None),
}
# What is promised of everything after the answer to an enquiry: it satisfies every state at once (facts 3.3).
FOLLOW_UP = Week((10, 18), (10, 17), None, holidays=False)


def offence(at: datetime, until: datetime, places: list[Place], *, first: bool) -> str | None:
    """What a text of a cadence that may arrive from `at` to `until` (UTC) breaks; None when it is lawful everywhere."""
    zones = sorted({zone for place in places for zone in place.zones})
    states = {place.state for place in places}
    weeks = {"federal": FEDERAL}
    weeks.update(
        STATES if "?" in states else {name: STATES[name] for name in sorted(states) if name in STATES}
    )
    if not first:
        weeks["follow-up"] = FOLLOW_UP
    for zone in zones:
        for name, week in weeks.items():
            for moment in (at, until - timedelta(seconds=1)):
                if not allows(week, moment.astimezone(ZoneInfo(zone))):
                    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} in {zone} breaks the {name} hours"
    return None


def allows(week: Week, local: datetime) -> bool:
    if not week.holidays and local.date() in _holidays(local.year):
        return False
    span = {5: week.saturday, 6: week.sunday}.get(local.weekday(), week.weekdays)
    return span is not None and span[0] <= local.hour < span[1]


@cache
def _holidays(year: int) -> holidays.HolidayBase:
    return holidays.country_holidays("US", years=[year, year + 1])
