"""Entries of an outside calendar laid on bays. Nothing is stored here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.calendar.blocks import Block, Place, Wanted, local_days, pack, wanted
from crm.calendar.hours import Stretch
from crm.connectors.records import ExternalAppointment
from crm.connectors.settings import OutsideRule

CHICAGO = ZoneInfo("America/Chicago")
NINE = datetime(2026, 11, 24, 15, tzinfo=UTC)
PLACES = [Place(1, "Left"), Place(2, "Right")]


def at(start: float, end: float) -> Stretch:
    return Stretch(NINE + timedelta(hours=start), NINE + timedelta(hours=end))


def entry(start: datetime = NINE, hours: float = 1, **more: Any) -> ExternalAppointment:
    return ExternalAppointment("e1", "l1", start, start + timedelta(hours=hours), "Busy", **more)


def asked(one: ExternalAppointment, **rule: Any) -> Wanted:
    found = wanted(one, OutsideRule(**rule), PLACES, CHICAGO, 5)
    assert found is not None
    return found


def takes_nothing(one: ExternalAppointment, **rule: Any) -> bool:
    return wanted(one, OutsideRule(**rule), PLACES, CHICAGO, 5) is None


def laid(blocks: list[Block]) -> list[tuple[str, int, Stretch]]:
    return [(one.external_id, one.bay_id, one.span) for one in blocks]


def test_a_technician_has_a_bay_or_takes_any() -> None:
    bays = {"sam": "right", "kim": "Left", "ann": ""}
    found = asked(entry(technicians=("sam",)), technician_bays=bays)
    assert (found.named, found.more) == ((2,), 0)
    found = asked(entry(technicians=("sam", "kim", "lee")), technician_bays=bays)
    assert (found.named, found.more) == ((2, 1), 1)
    found = asked(entry(technicians=("lee", "ray")))
    assert (found.named, found.more) == ((), 2), "two people at lunch"
    found = asked(entry(technicians=("lee", "ray"), customer_external_id="c1"))
    assert (found.more, found.is_job) == (1, True), "one car"
    assert takes_nothing(entry(technicians=("ann",)), technician_bays=bays)
    found = asked(entry(technicians=("ann",), order_external_id="o1"), technician_bays=bays)
    assert found.more == 1, "the car stands somewhere all the same"


def test_entries_without_people_or_times_go_by_the_settings() -> None:
    found = asked(entry())
    assert (found.more, found.every) == (1, False)
    assert takes_nothing(entry(), without_technician="no_bay")
    found = asked(entry(), without_technician="every_bay")
    assert found.every
    found = asked(entry(technicians=("lee",), all_day=True), all_day="every_bay")
    assert found.every
    assert takes_nothing(entry(all_day=True), all_day="no_bay")


def test_an_entry_of_no_location_has_a_key_of_ours() -> None:
    one = ExternalAppointment("e1", None, NINE, NINE + timedelta(hours=1), "Meeting")
    assert asked(one).key == "e1~5"


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        # Midnight of the shop, of UTC, and something in between; the clocks go back on November 1 and forward on March 8.
        ("2026-11-24T06:00Z", "2026-11-25T06:00Z", "2026-11-24T06:00Z", "2026-11-25T06:00Z"),
        ("2026-11-24T00:00Z", "2026-11-25T00:00Z", "2026-11-24T06:00Z", "2026-11-25T06:00Z"),
        ("2026-11-24T00:00Z", "2026-11-24T23:59:59Z", "2026-11-24T06:00Z", "2026-11-25T06:00Z"),
        ("2026-11-24T15:00Z", "2026-11-26T15:00Z", "2026-11-24T06:00Z", "2026-11-27T06:00Z"),
        ("2026-11-01T05:00Z", "2026-11-02T06:00Z", "2026-11-01T05:00Z", "2026-11-02T06:00Z"),
        ("2026-03-08T00:00Z", "2026-03-09T00:00Z", "2026-03-08T06:00Z", "2026-03-09T05:00Z"),
    ],
)  # fmt: skip
def test_all_day_means_the_shops_own_days(start: str, end: str, first: str, last: str) -> None:
    moments = [datetime.fromisoformat(one) for one in (start, end, first, last)]
    one = ExternalAppointment("e1", "l1", moments[0], moments[1], "Closed", all_day=True)
    assert local_days(one, CHICAGO) == Stretch(moments[2], moments[3])


def test_the_first_bay_that_is_free_for_all_of_it() -> None:
    plan = [Wanted("a", at(0, 2), more=1), Wanted("b", at(1, 3), more=1), Wanted("c", at(2, 4), more=1)]
    assert laid(pack(plan, [1, 2], {}, {})) == [("a", 1, at(0, 2)), ("b", 2, at(1, 3)), ("c", 1, at(2, 4))]


def test_what_stands_stays_where_it_is() -> None:
    assert laid(pack([Wanted("a", at(0, 2), more=1)], [1, 2], {}, {"a": 2})) == [("a", 2, at(0, 2))]
    taken = {2: [at(1, 3)]}
    assert laid(pack([Wanted("a", at(0, 2), more=1)], [1, 2], taken, {"a": 2})) == [("a", 1, at(0, 2))]
    assert laid(pack([Wanted("a", at(0, 2), more=1)], [1], {}, {"a": 9})) == [("a", 1, at(0, 2))]


def test_where_no_bay_is_free_for_all_of_it_pieces_block_what_is_left() -> None:
    taken = {1: [at(0, 1)], 2: [at(1, 2)]}
    found = pack([Wanted("a", at(0, 3), more=1, is_job=True, recurring=True)], [1, 2], taken, {})
    assert laid(found) == [("a", 2, at(0, 1)), ("a#2", 1, at(1, 3))]
    assert [one.is_job for one in found] == [True, False], "a piece of a car is no second car"
    assert all(one.recurring for one in found)
    both = {1: [at(0, 2)], 2: [at(1, 3)]}
    assert laid(pack([Wanted("a", at(0, 4), more=1)], [1, 2], both, {})) == [
        ("a", 2, at(0, 1)),
        ("a#2", 1, at(2, 4)),
    ]


def test_a_named_bay_comes_before_others_and_every_bay_means_every_one() -> None:
    plan = [Wanted("z", at(0, 1), named=(1,)), Wanted("a", at(0, 1), more=1)]
    assert laid(pack(plan, [1, 2], {}, {})) == [("z", 1, at(0, 1)), ("a", 2, at(0, 1))]
    closed = pack([Wanted("x", at(0, 2), every=True)], [1, 2], {2: [at(1, 5)]}, {})
    assert laid(closed) == [("x", 1, at(0, 2)), ("x#2", 2, at(0, 1))]
    assert pack([Wanted("a", at(0, 1), more=1)], [], {}, {}) == []


SPANS = st.builds(
    lambda first, length: at(first / 4, (first + length) / 4), st.integers(0, 40), st.integers(1, 16)
)


@given(spans=st.lists(SPANS, max_size=8), ours=st.lists(st.tuples(st.integers(1, 3), SPANS), max_size=5))
def test_no_bay_is_taken_twice_and_nothing_stays_open(
    spans: list[Stretch], ours: list[tuple[int, Stretch]]
) -> None:
    """At each moment as many bays are taken as there are entries and bookings, up to all of them."""
    taken: dict[int, list[Stretch]] = {}
    for bay, span in ours:
        taken.setdefault(bay, []).append(span)
    plan = [Wanted(f"e{number}", span, more=1) for number, span in enumerate(spans)]
    blocks = pack(plan, [1, 2, 3], taken, {})
    for step in range(4 * 15):
        moment = NINE + timedelta(minutes=15 * step, seconds=1)

        def covers(span: Stretch, moment: datetime = moment) -> bool:
            return span.starts_at <= moment < span.ends_at

        booked = {bay for bay, spans_of in taken.items() if any(covers(span) for span in spans_of)}
        blocked = [one.bay_id for one in blocks if covers(one.span)]
        assert len(blocked) == len(set(blocked))
        assert not booked & set(blocked)
        assert len(blocked) == min(3 - len(booked), sum(covers(span) for span in spans))
