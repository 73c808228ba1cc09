"""Entries of ours that a list did not show: looked for by their ids before they are believed to be gone.

Lists may lag or leave something out (shopmonkey facts 4, 6). So an entry counts as deleted only when it was found neither
by its own id nor by ours, at two looks one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm.calendar.reading_back import Difference, Ours, judge
from crm.connectors.base import BOOKING, Connector, ExternalAppointment
from crm.models import Appointment, Location
from scheduler.crm_claims import keep
from scheduler.crm_looks import Look
from scheduler.crm_taking import Taking, take_over, tell_shop

TIMES = 2
# What a shop cleared away all at once is looked for in several looks: each one costs two requests or three.
MOST = 15
MISSING = "missing"


def look_for_missing(
    taking: Taking, connector: Connector, missing: Sequence[Difference], place: str | None, look: Look
) -> tuple[dict[str, Any], bool]:
    """Look for each and take over what is known then. Returns the notes for the next look, which comes soon where the
    second value is true. Raises ConnectorError."""
    kept = look.notes.get(MISSING)
    before: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
    suspects: dict[str, int] = {}
    # Those that were missed before come first, or the same ones would be looked for for ever.
    order = sorted(missing, key=lambda one: -_times(before, one.ours))
    for difference in order[:MOST]:
        ours = difference.ours
        keep(taking.runtime, taking.tenant_id, look)
        entry = _find(connector, ours)
        if entry is None:
            times = _times(before, ours) + 1
            if times < TIMES:
                suspects[str(ours.appointment_id)] = times
            else:
                gone = Difference("cancelled", ours)
                take_over(taking, gone, f"deleted in {taking.outside.name}")
        elif entry.location_external_id not in (None, place) and not entry.cancelled:
            _tell_elsewhere(taking, ours, entry)
        elif (found := judge(ours, entry, taking.runtime.clock.now())) is not None:
            take_over(taking, found)
    return {**look.notes, MISSING: suspects}, bool(suspects) or len(missing) > MOST


def _times(before: Mapping[str, Any], ours: Ours) -> int:
    times = before.get(str(ours.appointment_id))
    return times if isinstance(times, int) else 0


def _find(connector: Connector, ours: Ours) -> ExternalAppointment | None:
    entry = connector.fetch_appointment(ours.external_id) if ours.external_id is not None else None
    if (entry is None or entry.cancelled) and BOOKING in connector.capabilities:
        other = connector.find_appointment(ours.our_id, ours.customer_external_id, ours.starts_at)
        return other if other is not None and not other.cancelled else entry
    return entry


def _tell_elsewhere(taking: Taking, ours: Ours, entry: ExternalAppointment) -> None:
    """An entry that was moved to another shop: what that means for the customer is for a person to say."""
    now, name = taking.runtime.clock.now(), taking.outside.name
    with taking.runtime.db.tenant(taking.tenant_id) as session:
        row = session.get(Appointment, ours.appointment_id)
        if row is None:
            return
        location = session.get_one(Location, taking.location_id)
        text = (
            f"The appointment of {{who}} was moved to another shop in {name}. Here nothing was changed and the customer was"
            f" told nothing: please settle it with them, and cancel it at {location.name}."
        )
        key = f"crm_elsewhere:{row.id}:{entry.location_external_id}"
        notices = tell_shop(session, location, row, text, key, now)
    for message_id in notices:
        taking.runtime.queue.wake("deliver", taking.tenant_id, message_id, now)
