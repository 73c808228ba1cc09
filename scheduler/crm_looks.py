"""What one look at a CRM is given and what came of it; `scheduler.crm_checks` claims them and writes the outcome down."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Look:
    """One look that is due and ours to do. `location_id` None: at the whole connection.

    `watermark`: up to when earlier looks saw everything, None at the first one. `notes`: what earlier looks left.
    `now`: when this one began. Times are aware UTC. `token` is the claim: a look that goes on for longer than a minute
    or two keeps it with `scheduler.crm_claims.keep`. `calls_others`: it also sees whether other locations have something
    new (scheduler.crm_elsewhere).
    """

    check_id: int
    config_id: int
    location_id: int | None
    watermark: datetime | None
    notes: Mapping[str, Any]
    now: datetime
    token: uuid.UUID | None = None
    calls_others: bool = False


@dataclass(frozen=True)
class Looked:
    """What came of a look: `text` for the job's record, everything up to `watermark` was seen (None: it stays), the next
    look is due `again_after` this one's end (None: at its usual time), `notes` replace the earlier ones (None: they
    stay), `error` is what the owner reads when the look was not complete."""

    text: str
    watermark: datetime | None = None
    again_after: timedelta | None = None
    notes: dict[str, Any] | None = field(default=None)
    error: str | None = None
