"""What a table of an outside system's webhooks is about, in our words."""

from __future__ import annotations

import re
from typing import Literal

Subject = Literal["request", "appointment", "catalogue", "message"]

_SUBJECTS: dict[str, Subject] = {
    "order": "request",
    "enquiry": "request",
    "appointment": "appointment",
    "canned_service": "catalogue",
    "canned_service_labor": "catalogue",
    "canned_service_part": "catalogue",
    "canned_service_fee": "catalogue",
    "canned_service_tire": "catalogue",
    "canned_service_subcontract": "catalogue",
    "labor_rate": "catalogue",
    "message": "message",
}
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])")


def subject_of(table: str) -> Subject | None:
    """What changes of this table mean to us; None: nothing. Vendors write names in either style (shopmonkey facts 5.3
    says snake_case, their models are CamelCase)."""
    return _SUBJECTS.get(_SEAM.sub("_", table).lower())
