"""Where a person may be: what a number, a postal code and a state say, and that the tables agree with each other."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from channels.hours import closes_at, load_hours, next_allowed
from channels.places import candidate_zones, load_places, state_code, whereabouts, zip_states, zip_zones
from crm.calendar.hours import Stretch

CHICAGO, NEW_YORK, DENVER = "America/Chicago", "America/New_York", "America/Denver"
LOS_ANGELES, PHOENIX, HONOLULU = "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu"


@pytest.mark.parametrize(
    ("code", "states", "zones"),
    [
        ("60614", {"IL"}, {CHICAGO}),
        ("60614-1234", {"IL"}, {CHICAGO}),
        (" 606141234 ", {"IL"}, {CHICAGO}),
        ("79901", {"TX"}, {CHICAGO, DENVER}),
        ("88595", {"TX"}, {DENVER}),
        ("32401", {"FL"}, {CHICAGO, NEW_YORK}),
        ("32501", {"FL"}, {CHICAGO}),
        ("33101", {"FL"}, {NEW_YORK}),
        ("46402", {"IN"}, {CHICAGO}),
        ("47901", {"IN"}, {CHICAGO, NEW_YORK}),
        ("37402", {"TN"}, {CHICAGO, NEW_YORK}),
        ("86040", {"AZ"}, {DENVER, PHOENIX}),
        ("85001", {"AZ"}, {PHOENIX}),
        ("89883", {"NV"}, {DENVER, LOS_ANGELES}),
        ("06390", {"CT", "NY"}, {NEW_YORK}),
        ("96813", {"HI"}, {HONOLULU}),
        ("96799", {"AS"}, {"Pacific/Pago_Pago"}),
        ("96910", {"GU"}, {"Pacific/Guam"}),
        ("99546", {"AK"}, {"America/Adak", "America/Anchorage"}),
        ("00901", {"PR"}, {"America/Puerto_Rico"}),
        ("09012", set(), set()),
        ("00000", set(), set()),
        ("6061", set(), set()),
        ("M5V 2T6", set(), set()),
        ("", set(), set()),
        (None, set(), set()),
    ],
)
def test_what_a_postal_code_says(code: str | None, states: set[str], zones: set[str]) -> None:
    assert (set(zip_states(code)), set(zip_zones(code))) == (states, zones)


@pytest.mark.parametrize(
    ("text", "code"),
    [("IL", "IL"), ("il", "IL"), (" Illinois ", "IL"), ("D.C.", "DC"), ("new  york", "NY"), ("Ontario", None), ("", None),
     (None, None), ("XX", None)],
)  # fmt: skip
def test_a_state_as_people_write_it(text: str | None, code: str | None) -> None:
    assert state_code(text) == code


def test_every_area_code_with_a_state_has_zones() -> None:
    for area in load_places().state_of_area:
        assert candidate_zones(f"+1{area}5550100", CHICAGO) != load_hours().unknown_zones | {CHICAGO}, area


def test_every_state_with_hours_of_its_own_has_area_codes_and_postal_codes() -> None:
    places = load_places()
    in_zips = frozenset().union(*places.zip_states.values())
    assert places.states == in_zips
    assert frozenset(load_hours().states) <= places.states
    assert len(places.states & set(places.state_names.values())) == 52, "the states, D.C. and Puerto Rico"


def test_every_prefix_has_a_state_and_a_zone() -> None:
    places = load_places()
    assert set(places.zip_states) == set(places.zip_zones)
    for zone in frozenset().union(*places.zip_zones.values()):
        ZoneInfo(zone)


def test_an_area_code_lies_in_a_zone_of_its_state() -> None:
    """Two tables from two sources: no area code is kept in a clock that its state does not have."""
    places, moments = load_places(), [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 7)]

    def clocks(zones: frozenset[str]) -> set[tuple[object, ...]]:
        return {tuple(moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments) for zone in zones}

    for area, state in places.state_of_area.items():
        known = clocks(whereabouts(None, CHICAGO, state=state).zones)
        found = clocks(frozenset(TIMEZONE_DATA.get(f"1{area}", (CHICAGO,))[:1]))
        assert found <= known, (area, state)


def test_orlandos_overlay_is_eastern_too() -> None:
    assert NEW_YORK in candidate_zones("+16895550100", CHICAGO)


@pytest.mark.parametrize(
    ("phone", "given", "zones", "states"),
    [
        ("+13125550199", {}, {CHICAGO}, {"IL"}),
        ("+13125550199", {"shop_state": "MO"}, {CHICAGO}, {"IL", "MO"}),
        ("+12125550199", {"shop_state": "IL", "postal_code": "94110"}, {CHICAGO, NEW_YORK, LOS_ANGELES}, {"NY", "IL", "CA"}),
        ("+13125550199", {"state": "texas"}, {CHICAGO, DENVER}, {"IL", "TX"}),
        ("+13125550199", {"state": "TX", "postal_code": "78701"}, {CHICAGO}, {"IL", "TX"}),
        ("+14165550100", {"shop_state": "IL"}, {CHICAGO, "America/Toronto"}, {"IL"}),
        (None, {"shop_state": "IL"}, {CHICAGO}, {"IL"}),
    ],
)  # fmt: skip
def test_everything_that_is_known_counts(
    phone: str | None, given: dict[str, str], zones: set[str], states: set[str]
) -> None:
    found = whereabouts(phone, CHICAGO, **given)
    assert (set(found.zones), set(found.states)) == (zones, states)


def test_a_number_that_says_nothing_may_be_in_every_state() -> None:
    found = whereabouts("+18005550100", CHICAGO)
    assert found.states == frozenset(load_hours().states)
    assert found.zones == load_hours().unknown_zones


def test_the_shop_has_to_be_open_as_well() -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(CHICAGO)).astimezone(UTC)

    shop = [
        Stretch(at("2026-11-23T08:00"), at("2026-11-23T12:00")),
        Stretch(at("2026-11-23T13:00"), at("2026-11-23T17:00")),
        Stretch(at("2026-11-25T09:00"), at("2026-11-25T12:00")),
    ]

    def held(text: str) -> datetime | None:
        return next_allowed(at(text), [CHICAGO], "IL", "touch", shop_open=shop)

    assert held("2026-11-23T11:00") is None
    assert held("2026-11-23T12:30") == at("2026-11-23T13:00")
    assert held("2026-11-23T17:30") == at("2026-11-25T10:00"), "open from nine, lawful from ten"
    start = at("2026-11-25T13:00")
    assert held("2026-11-25T13:00") is not None
    assert next_allowed(start, [CHICAGO], "IL", "touch", shop_open=[]) is not None, (
        "never open: looked at again"
    )
    assert closes_at(at("2026-11-23T11:00"), [CHICAGO], "IL", "touch", shop_open=shop) == at(
        "2026-11-23T12:00"
    )
    assert closes_at(at("2026-11-23T11:00"), [CHICAGO], "RI", "touch") == at("2026-11-23T18:00")
    assert closes_at(at("2026-11-23T09:00"), [], "IL", "touch") is None
    assert closes_at(at("2026-11-23T03:00"), [CHICAGO], "IL", "reply") is None
