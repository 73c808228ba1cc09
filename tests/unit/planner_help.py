"""Plans, shops and leads for the tests of the planner, and the hours as a reader of the facts would write them down."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from channels.windows import is_federal_holiday
from crm.calendar.hours import OpeningHours
from scheduler.cadence import LeadFacts, PlannedTouch
from scheduler.moments import WEEKDAYS
from scheduler.plan import Plan

CHICAGO = "America/Chicago"
# Monday the 30th of November 2026, eleven in Chicago.
MONDAY_ELEVEN = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
PARTS = {"morning": (8, 12), "midday": (12, 14), "afternoon": (14, 17), "evening": (17, 21)}


def plan_of(*steps: dict[str, Any], **changes: Any) -> Plan:
    """A plan of these steps; each is a text by default."""
    made = [
        {"step": number, "channel": "sms", "template": "hello", "about": "x", **one}
        for number, one in enumerate(steps, start=1)
    ]
    return Plan.model_validate({"name": "tried", "steps": made, **changes})


def lead(zone: str = CHICAGO, **changes: Any) -> LeadFacts:
    """A lead with everything that is needed, and no jitter."""
    everything = {"has_phone": True, "has_email": True, "may_text": True, "may_email": True}
    return LeadFacts(timezone=zone, **(everything | changes))


def shop(zone: str = CHICAGO, days: str = "0123456", opens: int = 9, closes: int = 18) -> OpeningHours:
    """A shop with the same hours on these days (0 is Monday)."""
    hours = ((time(opens), time(closes) if closes < 24 else time(23, 59)),)
    return OpeningHours(ZoneInfo(zone), {int(day): hours for day in days})


def walls(touches: list[PlannedTouch]) -> list[str]:
    """The local times as their rows say them, without the zone."""
    return [touch.local_time[:16] for touch in touches]


def may_be_sent(moment: datetime, zone: str) -> bool:
    """Ten to six, Saturday to five, never on a Sunday or a federal holiday (messaging facts 3.3)."""
    local = moment.astimezone(ZoneInfo(zone))
    if local.weekday() == 6 or is_federal_holiday(local.date()):
        return False
    return time(10) <= local.time() < (time(17) if local.weekday() == 5 else time(18))


def is_open(moment: datetime, hours: OpeningHours) -> bool:
    """Whether the shop's own hours hold, read from its weekly table and closures."""
    local = moment.astimezone(hours.timezone)
    if any(first <= local.date() <= last for first, last in hours.closures):
        return False
    return any(opens <= local.time() < closes for opens, closes in hours.weekly.get(local.weekday(), ()))


def is_wanted(moment: datetime, zone: str, days: tuple[str, ...] | None, part: str | None) -> bool:
    """Whether a step's own wishes hold."""
    local = moment.astimezone(ZoneInfo(zone))
    if days is not None and WEEKDAYS[local.weekday()] not in days:
        return False
    return part is None or PARTS[part][0] <= local.hour < PARTS[part][1]


def day_in(moment: datetime, zone: str) -> date:
    """The local day."""
    return moment.astimezone(ZoneInfo(zone)).date()
