"""Lawful hours: windows per state, every zone at once, and what a phone number says about zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from channels.hours import candidate_zones, is_federal_holiday, load_hours, next_allowed, window_for

CHICAGO = "America/Chicago"
# Measured in messaging facts 5: US area codes with more than one offset.
NEW_YEAR_2025 = datetime(2025, 1, 1, tzinfo=UTC)
SPLIT = (
    "208", "219", "270", "308", "423", "541", "574", "605", "606", "620", "701", "775", "785", "812", "850", "906",
    "907", "928", "986",
)  # fmt: skip


def at(text: str, zone: str = CHICAGO) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-23T10:00", None),
        ("2026-11-23T17:59", None),
        ("2026-11-23T09:59", "2026-11-23T10:00"),
        ("2026-11-23T18:00", "2026-11-24T10:00"),
        ("2026-11-21T16:59", None),
        ("2026-11-21T17:00", "2026-11-23T10:00"),
        ("2026-11-22T12:00", "2026-11-23T10:00"),
        ("2026-11-26T12:00", "2026-11-27T10:00"),
        ("2027-07-05T12:00", "2027-07-06T10:00"),
        ("2026-10-31T18:00", "2026-11-02T10:00"),
    ],
)
def test_touches_keep_to_the_strict_window(moment: str, until: str | None) -> None:
    assert next_allowed(at(moment), [CHICAGO], "IL", "touch") == (at(until) if until else None)


@pytest.mark.parametrize("kind", ["reply", "confirmation", "notice", "consent"])
def test_answers_go_at_any_hour(kind: str) -> None:
    assert next_allowed(at("2026-12-25T03:00"), [CHICAGO, "Pacific/Honolulu"], "AL", kind) is None


def test_other_kinds() -> None:
    assert next_allowed(at("2026-12-25T07:00"), [CHICAGO], "IL", "reminder") == at("2026-12-25T08:00")
    assert next_allowed(at("2026-11-23T09:00"), [CHICAGO], "IL", "first_touch") is None
    assert next_allowed(at("2026-11-23T09:00"), [CHICAGO], "KY", "first_touch") == at("2026-11-23T10:00")
    assert next_allowed(at("2026-11-22T13:00"), [CHICAGO], "AL", "first_touch") == at("2026-11-23T08:00")
    assert next_allowed(at("2026-11-22T13:00"), [CHICAGO], "IL", "a kind nobody listed") is not None


def test_every_zone_at_once() -> None:
    both = [CHICAGO, "America/Los_Angeles"]
    assert next_allowed(at("2026-11-23T10:30"), both, "IL", "touch") == at("2026-11-23T12:00")
    apart = ["Pacific/Guam", "America/New_York"]
    start = at("2026-11-23T10:30")
    assert next_allowed(start, apart, None, "touch") == start + timedelta(days=12)


def test_the_strict_window_satisfies_every_state() -> None:
    strict = window_for([], "touch")
    for state, window in load_hours().states.items():
        assert window_for([state], "touch") == strict, state
        assert window.confidence in ("high", "medium", "low")
        assert window.source


@given(
    moment=st.integers(0, 3 * 366 * 24 * 3600).map(
        lambda seconds: NEW_YEAR_2025 + timedelta(seconds=seconds)
    ),
    zones=st.sets(
        st.sampled_from([CHICAGO, "America/New_York", "America/Phoenix", "Pacific/Honolulu"]), min_size=1
    ),
)
@settings(max_examples=100, deadline=None)
def test_the_moment_found_is_allowed_and_none_is_missed(moment: datetime, zones: set[str]) -> None:
    until = next_allowed(moment, zones, "IL", "touch")
    if until is None:
        return
    assert until > moment
    assert next_allowed(until, zones, "IL", "touch") is None
    assert next_allowed(until - timedelta(seconds=1), zones, "IL", "touch") == until


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+13125550199", {CHICAGO}),
        ("+14155550100", {CHICAGO, "America/Los_Angeles"}),
        ("+14237550100", {CHICAGO, "America/New_York"}),
        ("+12195550100", {CHICAGO, "America/New_York"}),
        (None, {CHICAGO}),
    ],
)
def test_zones_of_a_number(phone: str | None, zones: set[str]) -> None:
    assert candidate_zones(phone, CHICAGO) == zones


@pytest.mark.parametrize("phone", ["+18005550100", "+15005550100", "+19995550100", "nonsense"])
def test_a_number_that_says_nothing_may_be_anywhere(phone: str) -> None:
    assert candidate_zones(phone, CHICAGO) == load_hours().unknown_zones


@pytest.mark.parametrize("area", SPLIT)
def test_split_area_codes_keep_all_their_zones(area: str) -> None:
    zones = candidate_zones(f"+1{area}5550100", CHICAGO) - {CHICAGO}
    every = {
        zone for number, found in TIMEZONE_DATA.items() if number.startswith(f"1{area}") for zone in found
    }
    assert zones | {CHICAGO} >= every
    assert len(every) > 1


@pytest.mark.parametrize(("newer", "older"), load_hours().overlays.items())
def test_an_overlay_has_the_zones_of_the_older_code(newer: str, older: str) -> None:
    assert candidate_zones(f"+1{newer}5550100", CHICAGO) >= candidate_zones(f"+1{older}5550100", CHICAGO)


def test_federal_holidays_of_2026_and_their_observance() -> None:
    days = [date(2026, 1, 1) + timedelta(days=ahead) for ahead in range(365)]
    kept = [day.strftime("%m-%d") for day in days if is_federal_holiday(day)]
    assert kept == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "07-04", "09-07", "10-12", "11-11", "11-26",
        "12-25",
    ]  # fmt: skip
    assert is_federal_holiday(date(2027, 12, 31)), "New Year's Day 2028 is a Saturday"
