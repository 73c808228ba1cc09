"""When a look at a CRM is due again: its usual turn, or later after an error. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from crm.connectors.base import ConnectorError
from crm.connectors.settings import ConnectorSettings

# Nothing to look at: switched off, without a location, or nothing this connector can do.
IDLE = timedelta(minutes=5)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=2)
# An owner has to act: asked again now and then, so that it works soon after they did.
MISCONFIGURED, MISCONFIGURED_MOST = timedelta(minutes=10), timedelta(hours=1)
PERMANENT = timedelta(hours=1)
# A vendor may ask for any wait; a longer one is asked for again.
LONGEST_ASKED = timedelta(hours=1)
_SPREAD = 0.6180339887498949
# What looks for orders may take of a key's rate; the rest is for leads that wait and for the calendar.
_SHARE, _REQUESTS = 0.5, 2


def usual(kind: str, settings: ConnectorSettings, locations: int, *, calls_others: bool = False) -> timedelta:
    """How often there is a look of this kind, by the connection's settings.

    `locations` share one key and its rate: when there are so many that their looks would take more than half of it,
    each one comes less often, but not the one that `calls_others`.
    """
    looks = settings.looks
    match kind:
        case "catalogue":
            return timedelta(hours=looks.catalogue_hours)
        case "webhook":
            return timedelta(minutes=looks.webhook_minutes)
    seconds = looks.orders_seconds if kind == "orders" else looks.appointments_seconds
    if calls_others:
        return timedelta(seconds=seconds)
    least = locations * _REQUESTS / (settings.rate.per_second * _SHARE)
    return timedelta(seconds=max(seconds, least))


def calls_others(kind: str, settings: ConnectorSettings, locations: int, *, first: bool) -> bool:
    """Whether this look has to see for others, too, whether there is something new: the first location's look for orders,
    as soon as the others come less often than the settings want."""
    return (
        first
        and kind == "orders"
        and usual(kind, settings, locations) > timedelta(seconds=settings.looks.orders_seconds)
    )


def next_turn(now: datetime, every: timedelta, number: int) -> datetime:
    """The moment of this row's next look, between a half and one and a half of `every` away.

    Turns of a row keep to a grid of its own, spread by its `number`: two hundred connections that were all due at once,
    after an outage or a restart, are apart again one round later.
    """
    seconds = every.total_seconds()
    offset = number * _SPREAD % 1 * seconds
    turn = math.ceil((now.timestamp() + seconds / 2 - offset) / seconds)
    return datetime.fromtimestamp(offset + turn * seconds, UTC)


def after_error(error: ConnectorError, failures: int) -> timedelta:
    """How long to wait after the `failures`th error in a row (1 or more). What the vendor asks for is honoured."""
    doubled: int = 2 ** min(max(failures, 1) - 1, 10)
    asked = timedelta(seconds=min(error.retry_after_s or 0.0, LONGEST_ASKED.total_seconds()))
    if error.kind == "permanent":
        return max(asked, PERMANENT)
    if error.kind == "misconfigured":
        return max(asked, min(MISCONFIGURED * doubled, MISCONFIGURED_MOST))
    return max(asked, min(FIRST_WAIT * doubled, LONGEST_WAIT))
