"""The person behind a lead, over all their numbers and addresses at all shops of the business: what they got lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Earlier:
    """A touch of the last 24 hours to this person. `sent_at` None: it is with the carrier now, or may be."""

    channel: str
    sent_at: datetime | None
    lead_id: int | None
    cadence_run: int | None
    step: int | None
