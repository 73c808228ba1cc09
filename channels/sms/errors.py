"""Twilio's error codes as data: what to do about each, and what the owner reads (`errors.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("errors.yaml")


class Action(StrEnum):
    """What becomes of a message, and of what hangs on it. The words are explained in the file."""

    OPT_OUT = "opt_out"
    BAD_NUMBER = "bad_number"
    NO_ROUTE = "no_route"
    STRIKE = "strike"
    RETRY_ONCE = "retry_once"
    SLOW_DOWN = "slow_down"
    CONFIGURATION = "configuration"
    TOO_LONG = "too_long"
    STOP_TEMPLATE = "stop_template"
    EXPIRED = "expired"
    QUIET_HOURS = "quiet_hours"
    SUPPRESS = "suppress"
    PUMPING = "pumping"
    GIVE_UP = "give_up"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class ErrorRule:
    """One code. `says` completes "the carrier says: ..."."""

    code: int
    action: Action
    says: str


@cache
def error_rules() -> dict[int, ErrorRule]:
    """All known codes. Raises KeyError or ValueError naming what the file has wrong."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))["codes"]
    return {
        int(code): ErrorRule(int(code), Action(row["action"]), str(row["says"])) for code, row in rows.items()
    }


def rule_for(code: int | str | None, status: int | None = None) -> ErrorRule:
    """The rule for a code, also for one that nobody wrote down. `status` is the HTTP status of a refused request,
    None for a callback.

    An unknown code of a callback says that this text did not arrive, and nothing about the number; an unknown refusal
    counts by its HTTP status: 401, 403, 404 are the account's, 429 asks for patience, 5xx may have been sent.
    """
    number = int(code) if code is not None and str(code).isdigit() else 0
    if (known := error_rules().get(number)) is not None:
        return known
    says = f"error {number}" if number else "no reason given"
    if status is None or (400 <= status < 500 and status not in (401, 403, 404, 429)):
        return ErrorRule(number, Action.GIVE_UP, says)
    if status == 429:
        return ErrorRule(number, Action.SLOW_DOWN, f"{says}: too many requests")
    if status in (401, 403, 404):
        return ErrorRule(number, Action.CONFIGURATION, f"{says}: Twilio refused the account ({status})")
    return ErrorRule(number, Action.UNCERTAIN, f"{says}: it is not known whether the text was sent")
