"""Other people's entries of an outside calendar as time on our bays. Pure.

An outside calendar knows technicians and no bays, and takes as many entries at once as people put there. So an entry is
laid on the bay the settings name for its technician, else on the first bay that is free for all of it. Where none is,
it is cut into pieces: whatever bay is free for a while is blocked for that while, and a moment at which every bay is
taken needs no more blocking. Nothing that can be blocked stays open to be offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from crm.calendar.book import merged
from crm.calendar.hours import Stretch, to_utc
from crm.connectors.records import ExternalAppointment
from crm.connectors.settings import OutsideRule

DAY = timedelta(days=1)
# In the settings, of somebody who works on no bay: an office, a driver.
NO_BAY = ""
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Place:
    """A bay that is worked on: its id and its name as the settings call it."""

    bay_id: int
    name: str


@dataclass(frozen=True)
class Wanted:
    """What one entry takes: these bays (`named`), any other `more` ones, or `every` bay. `is_job`: there is a car, so it
    counts as work of the day."""

    key: str
    span: Stretch
    named: tuple[int, ...] = ()
    more: int = 0
    every: bool = False
    is_job: bool = False
    recurring: bool = False


@dataclass(frozen=True)
class Block:
    """A stretch on a bay. `external_id` is the entry's, with a number for its second piece and on."""

    external_id: str
    bay_id: int
    span: Stretch
    is_job: bool
    recurring: bool


def wanted(
    entry: ExternalAppointment,
    rule: OutsideRule,
    places: Sequence[Place],
    timezone: ZoneInfo,
    location_id: int,
) -> Wanted | None:
    """What an entry takes by the settings; None when it takes nothing.

    An entry that names no location stands in the calendars of all of them, so its key names ours.
    """
    own = entry.location_external_id is not None
    key = entry.external_id if own else f"{entry.external_id}~{location_id}"
    span = local_days(entry, timezone) if entry.all_day else Stretch(entry.starts_at, entry.ends_at)
    is_job = bool(entry.customer_external_id or entry.vehicle_external_id or entry.order_external_id)
    taking = None if entry.technicians else rule.without_technician
    if entry.all_day and rule.all_day is not None:
        taking = rule.all_day
    if taking == "no_bay":
        return None
    if taking == "every_bay":
        return Wanted(key, span, every=True, recurring=entry.recurring)
    working = [each for each in entry.technicians if rule.technician_bays.get(each) != NO_BAY]
    if entry.technicians and not working and not is_job:
        return None
    named, others = _bays_of(working, rule, places)
    # A car is worked on in one place, however many do it; people at lunch are missing in as many as they are.
    more = max(0 if named else 1, 0 if is_job else others)
    return Wanted(key, span, named, more, is_job=is_job, recurring=entry.recurring)


def _bays_of(
    technicians: Sequence[str], rule: OutsideRule, places: Sequence[Place]
) -> tuple[tuple[int, ...], int]:
    """The bays the settings name for these people, and how many people have none."""
    by_name = {place.name.casefold(): place.bay_id for place in places}
    found = [
        by_name.get(rule.technician_bays.get(each, "").casefold()) for each in dict.fromkeys(technicians)
    ]
    return tuple(dict.fromkeys(bay for bay in found if bay is not None)), found.count(None)


def local_days(entry: ExternalAppointment, timezone: ZoneInfo) -> Stretch:
    """The whole local days of an entry without times, 23 or 25 hours long when the clocks change.

    Whether such entries begin at the shop's midnight or at that of UTC is not documented (shopmonkey facts 12): both are
    understood, and anything else widens to the local days it touches.
    """
    local = entry.starts_at.astimezone(timezone)
    in_utc = entry.starts_at.astimezone(_UTC)
    zone = _UTC if local.time() != time() and in_utc.time() == time() else timezone
    first = entry.starts_at.astimezone(zone).date()
    last = _last_day(entry.ends_at.astimezone(zone), first)
    return Stretch(to_utc(first, time(), timezone), to_utc(last + DAY, time(), timezone))


def _last_day(ends: datetime, first: date) -> date:
    # Midnight is the end of the day before.
    return max(first, (ends - timedelta(microseconds=1)).date())


def pack(
    entries: Iterable[Wanted],
    bays: Sequence[int],
    taken: Mapping[int, Sequence[Stretch]],
    standing: Mapping[str, int],
) -> list[Block]:
    """Lay entries on bays. `bays` in the order in which they are tried, `taken` what is on them that may not be moved,
    `standing` on which bay a block of this id lies now: it stays there when it can, so that nothing wanders from look
    to look."""
    busy = {bay: list(merged(taken.get(bay, ()))) for bay in bays}
    blocks: list[Block] = []
    order = sorted(entries, key=lambda one: (not one.every, not one.named, one.span.starts_at, one.key))
    for one in order:
        pieces: list[tuple[int, Stretch]] = []
        for bay in bays if one.every else ():
            pieces += _lay(one.span, [bay], busy)
        for bay in one.named:
            pieces += _lay(one.span, [bay, *(other for other in bays if other != bay)], busy)
        for _ in range(one.more):
            number = len(pieces)
            kept = standing.get(_name(one.key, number))
            first = [kept] if kept in busy and kept is not None else []
            pieces += _lay(one.span, [*first, *(bay for bay in bays if bay not in first)], busy)
        blocks += [
            # A second piece is the same work.
            Block(_name(one.key, number), bay, span, one.is_job and number == 0, one.recurring)
            for number, (bay, span) in enumerate(pieces)
        ]
    return blocks


def _name(key: str, number: int) -> str:
    return key if number == 0 else f"{key}#{number + 1}"


def _lay(span: Stretch, order: Sequence[int], busy: dict[int, list[Stretch]]) -> list[tuple[int, Stretch]]:
    """Take `span` on the first bay that is free for all of it, else piece by piece wherever a bay is free longest."""
    whole = next((bay for bay in order if _free_until(busy[bay], span) == span.ends_at), None)
    if whole is not None:
        _take(busy, whole, span)
        return [(whole, span)]
    pieces: list[tuple[int, Stretch]] = []
    moment = span.starts_at
    while moment < span.ends_at:
        left = Stretch(moment, span.ends_at)
        until, bay = max(
            ((_free_until(busy[bay], left), -place) for place, bay in enumerate(order)),
            default=(moment, 0),
        )
        if until > moment:
            piece = Stretch(moment, until)
            _take(busy, order[-bay], piece)
            pieces.append((order[-bay], piece))
            moment = until
        else:
            moment = _next_end(busy, order, moment, span.ends_at)
    return pieces


def _free_until(stretches: Sequence[Stretch], span: Stretch) -> datetime:
    """Until when a bay is free from the start of `span` on, at most to its end; the start itself when it is taken."""
    for one in stretches:
        if one.ends_at <= span.starts_at:
            continue
        return min(span.ends_at, max(span.starts_at, one.starts_at))
    return span.ends_at


def _next_end(
    busy: Mapping[int, Sequence[Stretch]], order: Sequence[int], moment: datetime, end: datetime
) -> datetime:
    """The first moment after `moment` at which a bay becomes free; `end` when none does."""
    ends = (one.ends_at for bay in order for one in busy[bay] if one.starts_at <= moment < one.ends_at)
    return min((*ends, end))


def _take(busy: dict[int, list[Stretch]], bay: int, span: Stretch) -> None:
    busy[bay] = list(merged((*busy[bay], span)))
