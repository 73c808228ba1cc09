"""Our appointments beside the outside calendar: what the shop changed there, and what is not ours. Pure.

Who is right when the two differ:

- the outside entry is as we left it (same version, or the same times): ours was changed since, and the push settles it;
- it is older than what we know of it: the list lags behind, nothing is believed;
- it was changed, and nothing of ours waits to be pushed: the shop decides;
- it was changed, and a change of ours waits: the later of the two. Their clock is compared with ours, so two changes
  within the same seconds may be decided either way, but both sides end up the same.

An entry that is not there is only suspected to be gone: the caller looks for it by its ids before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from crm.calendar.daybook import ACTIVE
from crm.connectors.records import ExternalAppointment

# What a system that rounds to seconds may lose.
SAME = timedelta(seconds=1)

# What has to be as it was when the list was asked for, or the list says nothing about the row.
Stamp = tuple[Any, ...]


@dataclass(frozen=True)
class Ours:
    """One appointment of ours as the outside calendar would show it. `stamp` is the state of its row, `changed_at` when
    it was last changed here, `held` the times the outside calendar showed when we last knew. `owed`: a change of ours
    still has to be pushed; `in_flight`: that happens now."""

    appointment_id: int
    stamp: Stamp
    our_id: str
    starts_at: datetime
    ends_at: datetime
    status: str
    external_id: str | None = None
    external_version: str | None = None
    held: tuple[datetime, datetime] | None = None
    changed_at: datetime | None = None
    owed: bool = False
    in_flight: bool = False
    customer_external_id: str | None = None


@dataclass(frozen=True)
class Difference:
    """What is to be done about one of ours.

    moved: it has other times there; cancelled: it is marked so there; missing: no entry was listed; known: only its
    id or version are news; restored: it stands there although it is cancelled here.
    """

    kind: Literal["moved", "cancelled", "missing", "known", "restored"]
    ours: Ours
    entry: ExternalAppointment | None = None


@dataclass(frozen=True)
class Comparison:
    """`differences` of ours, and the standing entries that are `outside` ones: they take bays."""

    differences: tuple[Difference, ...]
    outside: tuple[ExternalAppointment, ...]


def compare(
    ours: Iterable[Ours],
    entries: Sequence[ExternalAppointment],
    start: datetime,
    end: datetime,
    now: datetime,
) -> Comparison:
    """Hold our appointments of a location against all entries that overlap [start, end) there."""
    by_id = {entry.external_id: entry for entry in entries}
    by_our_id: dict[str, list[ExternalAppointment]] = {}
    for each in entries:
        if each.our_id is not None:
            by_our_id.setdefault(each.our_id, []).append(each)
    differences: list[Difference] = []
    taken: set[str] = set()
    for one in ours:
        entry = entry_of(one, by_id, by_our_id.get(one.our_id, ()))
        listed = one.starts_at < end and one.ends_at > start
        found = judge(one, entry, now, listed=listed)
        if found is not None:
            differences.append(found)
        if entry is not None and (found is None or found.kind != "restored"):
            taken.add(entry.external_id)
    outside = (each for each in entries if not each.cancelled and each.external_id not in taken)
    return Comparison(tuple(differences), tuple(outside))


def entry_of(
    one: Ours, by_id: Mapping[str, ExternalAppointment], with_our_id: Sequence[ExternalAppointment]
) -> ExternalAppointment | None:
    """Which entry is this appointment's: the one it was pushed as, as long as that stands, else one that carries our id
    and stands. People copy entries, notes and all: while ours stands its copies are somebody else's time."""
    own = by_id.get(one.external_id) if one.external_id is not None else None
    if own is not None and not own.cancelled:
        return own
    standing = [entry for entry in with_our_id if not entry.cancelled]
    chosen = standing or ([own] if own is not None else list(with_our_id))
    return min(chosen, key=lambda entry: (entry.starts_at, entry.external_id), default=None)


def judge(
    one: Ours, entry: ExternalAppointment | None, now: datetime, *, listed: bool = True
) -> Difference | None:
    """What is to be done about one appointment whose entry is this; None for nothing. `listed`: a list of its time
    would show an entry that stands."""
    if one.in_flight:
        # Whatever the list says, it may be from before or after the push that is under way.
        return None
    if entry is None:
        return Difference("missing", one) if listed and _may_be_missing(one, now) else None
    if one.status not in ACTIVE:
        # What is over stays in both calendars as it was.
        restored = one.status == "cancelled" and not entry.cancelled and not one.owed and entry.ends_at > now
        return Difference("restored", one, entry) if restored else None
    if not entry.cancelled and _same((one.starts_at, one.ends_at), entry):
        knows = (one.external_id, one.external_version) == (entry.external_id, entry.version)
        news = not knows or one.held is None or not _same(one.held, entry)
        return Difference("known", one, entry) if news and not one.owed and not _stale(one, entry) else None
    if not _theirs(one, entry):
        return None
    return Difference("cancelled" if entry.cancelled else "moved", one, entry)


def _may_be_missing(one: Ours, now: datetime) -> bool:
    """Only what was pushed and is ahead: shops clear away entries that are over."""
    return one.external_id is not None and not one.owed and one.status in ACTIVE and one.starts_at > now


def _same(times: tuple[datetime, datetime], entry: ExternalAppointment) -> bool:
    return abs(times[0] - entry.starts_at) < SAME and abs(times[1] - entry.ends_at) < SAME


def _theirs(one: Ours, entry: ExternalAppointment) -> bool:
    """Whether the outside entry is the later word."""
    if _stale(one, entry):
        return False
    later = entry.updated_at is not None and one.changed_at is not None and entry.updated_at > one.changed_at
    if one.owed and not later:
        return False
    if entry.cancelled or one.external_id != entry.external_id:
        return True
    if one.held is not None and _same(one.held, entry):
        # Its note or colour may be another by now; its times are the ones we know.
        return False
    return entry.version is None or entry.version != one.external_version


def _stale(one: Ours, entry: ExternalAppointment) -> bool:
    """Whether we have seen a later state of this entry already. Versions that cannot be compared are never stale."""
    if one.external_id != entry.external_id or entry.version is None or one.external_version is None:
        return False
    seen, shown = _order(one.external_version), _order(entry.version)
    return seen is not None and shown is not None and type(seen) is type(shown) and shown < seen  # type: ignore[operator]


def _order(version: str) -> int | datetime | None:
    if version.isascii() and version.isdigit():
        return int(version)
    try:
        moment = datetime.fromisoformat(version)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
