"""A time that is taken in the CRM's calendar, found when our appointment is about to be written there.

The server takes overlapping entries without a word (shopmonkey facts 12), so the calendar is read first: entries of
others that stand in our time, and as many at once as the shop has bays, or one on our bay or with our technician.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.connectors.base import APPOINTMENTS, Connector
from crm.connectors.records import ExternalAppointment
from crm.connectors.registry import settings_of
from crm.connectors.settings import ConnectorSettings
from scheduler.push_work import Push, Times

# How far behind our time the calendar is read for other times that are really free.
AHEAD = timedelta(days=10)


@dataclass(frozen=True)
class Clash:
    """`taken` stand in the way; `there` is all of the calendar up to `until`, to be read by `settings`."""

    taken: tuple[ExternalAppointment, ...]
    there: tuple[ExternalAppointment, ...]
    until: datetime
    settings: ConnectorSettings


def find_clash(connector: Connector, push: Push, now: datetime) -> Clash | None:
    """What makes our time impossible in the CRM's calendar, None when nothing does. Raises ConnectorError."""
    start, end = push.times
    if push.rules.exclusive == "off" or APPOINTMENTS not in connector.capabilities or end <= now:
        return None
    place = push.draft.location_external_id
    settings = settings_of(push.config)
    listed = connector.appointments(place, start, end)
    taken = in_the_way(listed, push, settings, start, end, push.ours, bay=push.bay)
    if not taken:
        return None
    until = max(end, now) + AHEAD
    return Clash(tuple(taken), tuple(connector.appointments(place, now, until)), until, settings)


def in_the_way(
    entries: Sequence[ExternalAppointment],
    push: Push,
    settings: ConnectorSettings,
    start: datetime,
    end: datetime,
    ours: Sequence[Times],
    *,
    bay: str | None = None,
) -> list[ExternalAppointment]:
    """The entries that leave no room from `start` to `end` beside `ours`. `bay`: the name of the bay it is to be on, where
    that is settled. An entry of the same customer is the same visit, written down by a person."""
    customer = push.draft.customer_external_id
    others = [
        entry
        for entry in entries
        if not entry.cancelled
        and entry.our_id is None
        and entry.starts_at < end
        and entry.ends_at > start
        and not (customer and entry.customer_external_id == customer)
    ]
    if push.rules.exclusive == "technicians":
        mine = frozenset(getattr(settings, "technician_ids", ()))
        return [entry for entry in others if mine & set(entry.technicians)]
    named = settings.outside.technician_bays
    on_it = [entry for entry in others if bay and bay in {named.get(each) for each in entry.technicians}]
    return on_it or (others if _full(others, push.bays, settings, start, end, ours) else [])


def _full(
    others: Sequence[ExternalAppointment],
    bays: int,
    settings: ConnectorSettings,
    start: datetime,
    end: datetime,
    ours: Sequence[Times],
) -> bool:
    """Whether at some moment no bay is left. The load only grows where something begins."""
    moments = {start, *(max(start, entry.starts_at) for entry in others)}
    moments |= {max(start, begins) for begins, ends in ours if begins < end and ends > start}
    for moment in moments:
        load = sum(begins <= moment < ends for begins, ends in ours)
        load += sum(
            _bays_of(entry, bays, settings) for entry in others if entry.starts_at <= moment < entry.ends_at
        )
        if others and load + 1 > bays:
            return True
    return False


def _bays_of(entry: ExternalAppointment, bays: int, settings: ConnectorSettings) -> int:
    """How many bays an entry takes, by the rule under which such entries block our times (`OutsideRule`)."""
    rule = settings.outside
    amounts = {"a_bay": 1, "every_bay": bays, "no_bay": 0}
    if entry.all_day and rule.all_day is not None:
        return amounts[rule.all_day]
    if entry.customer_external_id or entry.vehicle_external_id:
        return 1
    return len(entry.technicians) or amounts[rule.without_technician]
