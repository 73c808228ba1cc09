"""Moments as Shopmonkey writes them: ISO 8601 in UTC with 0 to 6 fractional digits (shopmonkey facts 14)."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(value: object) -> datetime | None:
    """A date-time of the API in UTC, or None: not text, no date-time, or one without a zone."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def iso(value: datetime) -> str:
    """The form we send: UTC, with microseconds only where there are some. Raises ValueError without a zone."""
    if value.tzinfo is None:
        raise ValueError("a moment without a time zone is never sent")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
