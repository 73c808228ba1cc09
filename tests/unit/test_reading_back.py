"""Who is right when our calendar and the outside one differ. Nothing is stored here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.calendar.reading_back import Difference, Ours, compare
from crm.connectors.records import ExternalAppointment

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT = NOW + timedelta(days=1)
START, END = NOW - timedelta(days=1), NOW + timedelta(days=60)
OURS = Ours(
    7, (1,), "lo-1-7-abc", AT, AT + 2 * HOUR, "booked", "e1", "5", (AT, AT + 2 * HOUR), NOW - HOUR
)  # fmt: skip
ENTRY = ExternalAppointment(
    "e1", "l1", AT, AT + 2 * HOUR, "Dana", our_id="lo-1-7-abc", version="5", updated_at=NOW - 2 * HOUR
)


def differences(ours: Ours, *entries: ExternalAppointment) -> tuple[Difference, ...]:
    return compare([ours], entries, START, END, NOW).differences


def kinds(ours: Ours, *entries: ExternalAppointment) -> list[str]:
    return [one.kind for one in differences(ours, *entries)]


def moved(hours: float = 3, **more: Any) -> ExternalAppointment:
    by = timedelta(hours=hours)
    given = {"version": "6", "updated_at": NOW, "starts_at": AT + by, "ends_at": AT + 2 * HOUR + by, **more}
    return replace(ENTRY, **given)


def test_what_stands_as_we_left_it_is_no_difference() -> None:
    assert kinds(OURS, ENTRY) == []
    assert compare([OURS], [ENTRY], START, END, NOW).outside == ()


def test_an_echo_of_our_own_push_only_brings_its_version() -> None:
    pushed = replace(OURS, external_id=None, external_version=None, held=None)
    (found,) = differences(pushed, ENTRY)
    assert (found.kind, found.entry) == ("known", ENTRY)
    assert kinds(replace(OURS, external_version="4"), ENTRY) == ["known"]


def test_the_shop_decides() -> None:
    (found,) = differences(OURS, moved())
    assert (found.kind, found.entry) == ("moved", moved())
    longer = replace(ENTRY, version="6", ends_at=AT + 3 * HOUR)
    assert kinds(OURS, longer) == ["moved"]
    assert kinds(OURS, replace(ENTRY, cancelled=True, version="6")) == ["cancelled"]


def test_without_versions_the_times_that_were_held_tell() -> None:
    bare = replace(OURS, external_version=None)
    assert kinds(bare, moved(version=None)) == ["moved"]
    elsewhere = replace(bare, starts_at=AT + 5 * HOUR, ends_at=AT + 7 * HOUR)
    assert kinds(elsewhere, replace(ENTRY, version=None)) == []


def test_our_change_that_waits_is_pushed_when_it_is_the_later_one() -> None:
    mine = replace(OURS, starts_at=AT + 5 * HOUR, ends_at=AT + 7 * HOUR, owed=True)
    assert kinds(mine, ENTRY) == []
    assert kinds(mine, moved(updated_at=NOW - 2 * HOUR)) == []
    assert kinds(mine, moved(updated_at=None)) == []
    assert kinds(mine, moved(updated_at=NOW)) == ["moved"]
    assert kinds(mine, replace(ENTRY, cancelled=True, version="6", updated_at=NOW - 2 * HOUR)) == []
    assert kinds(mine, replace(ENTRY, cancelled=True, version="6", updated_at=NOW)) == ["cancelled"]


def test_an_edited_note_moves_nothing_back() -> None:
    mine = replace(OURS, starts_at=AT + 5 * HOUR, ends_at=AT + 7 * HOUR, owed=True)
    noted = replace(ENTRY, version="6", updated_at=NOW, note="bring snacks")
    assert kinds(mine, noted) == []
    assert kinds(replace(mine, owed=False), noted) == []


@pytest.mark.parametrize(
    ("seen", "shown"),
    [("10", "9"), ("2026-11-23T15:00:00.5+00:00", "2026-11-23T15:00:00+00:00"), ("2026-11-23T15:00:00Z", "2026-11-23T14:00:00Z")],
)  # fmt: skip
def test_a_list_that_lags_behind_is_not_believed(seen: str, shown: str) -> None:
    ours = replace(OURS, external_version=seen, held=None)
    assert kinds(ours, moved(version=shown)) == []
    assert kinds(ours, replace(ENTRY, cancelled=True, version=shown)) == []
    assert kinds(ours, moved(version="one that cannot be compared")) == ["moved"]


def test_nothing_is_judged_while_a_push_is_under_way() -> None:
    for entry in (moved(), replace(ENTRY, cancelled=True)):
        result = compare([replace(OURS, in_flight=True)], [entry], START, END, NOW)
        assert (result.differences, result.outside) == ((), ())
    assert kinds(replace(OURS, in_flight=True)) == []


def test_only_what_was_pushed_is_ahead_and_should_be_listed_can_be_missing() -> None:
    assert kinds(OURS) == ["missing"]
    assert kinds(replace(OURS, external_id=None)) == []
    assert kinds(replace(OURS, owed=True)) == []
    assert kinds(replace(OURS, starts_at=NOW - HOUR, ends_at=NOW + HOUR)) == []
    assert kinds(replace(OURS, starts_at=END + HOUR, ends_at=END + 2 * HOUR)) == []
    for status in ("cancelled", "completed", "no_show"):
        assert kinds(replace(OURS, status=status)) == []


def test_a_copy_is_somebody_elses_time_while_ours_stands() -> None:
    copy = replace(moved(), external_id="e2")
    result = compare([OURS], [copy, ENTRY], START, END, NOW)
    assert result.differences == ()
    assert result.outside == (copy,)


def test_a_copy_whose_original_is_cancelled_is_a_move() -> None:
    copy, gone = replace(moved(), external_id="e2"), replace(ENTRY, cancelled=True, version="6")
    for entries in ([copy, gone], [gone, copy], [copy]):
        result = compare([OURS], entries, START, END, NOW)
        assert [(one.kind, one.entry) for one in result.differences] == [("moved", copy)]
        assert result.outside == ()


def test_what_is_cancelled_here_and_stands_there_takes_its_time() -> None:
    ours = replace(OURS, status="cancelled", held=None)
    result = compare([ours], [ENTRY], START, END, NOW)
    assert [one.kind for one in result.differences] == ["restored"]
    assert result.outside == (ENTRY,)
    owed = compare([replace(ours, owed=True)], [ENTRY], START, END, NOW)
    assert (owed.differences, owed.outside) == ((), ()), "our cancellation is on its way"
    assert kinds(ours, replace(ENTRY, cancelled=True)) == []
    assert kinds(replace(OURS, status="completed"), moved()) == []


def test_ids_of_other_installations_and_strangers_are_outside() -> None:
    strange = replace(ENTRY, external_id="e9", our_id="lo-1-7-zzz")
    plain = replace(ENTRY, external_id="e8", our_id=None)
    done = replace(plain, external_id="e7", cancelled=True)
    result = compare([OURS], [ENTRY, strange, plain, done], START, END, NOW)
    assert {one.external_id for one in result.outside} == {"e9", "e8"}
