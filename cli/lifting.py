"""The limits a named person may lift, by the names an owner uses for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from cli.output import one_line
from crm.calendar.refusals import BookingConflict
from crm.calendar.rules import LIFTABLE, Refusal
from crm.models import Location

# Marks a booking for which somebody lifted a limit.
LIFTED = "!"
# What an owner calls a rule -> what the calendar calls breaking it.
RULES: dict[str, Refusal] = {
    "max_jobs_per_day": "jobs_full",
    "max_labour_per_day": "labour_full",
    "hours": "closed",
    "skills": "no_skill",
    "notice": "too_soon",
    "same_day_cutoff": "too_late_today",
    "horizon": "too_far",
    "grid": "off_grid",
    "past": "past",
}
REASONS: dict[Refusal, str] = {
    "past": "it has passed",
    "too_soon": "it is within the shop's notice",
    "too_late_today": "nothing more is taken for today",
    "too_far": "it is beyond the horizon",
    "no_skill": "no bay can do all of these services",
    "closed": "the shop or its bays are not open for all of the work",
    "off_grid": "the shop does not start work at that time",
    "jobs_full": "that day has all the jobs it takes",
    "labour_full": "that day has no working time left",
    "taken": "every bay that could do it is taken",
}
NAMES = {refusal: name for name, refusal in RULES.items() if refusal in LIFTABLE}


def lifted(appointment_id: int, override: Mapping[str, Any] | None) -> str:
    """ "! #12 lifted max_jobs_per_day: Sam, regular customer"."""
    kept = override or {}
    rules = ", ".join(NAMES.get(rule, str(rule)) for rule in kept.get("rules", ()))
    return one_line(f"{LIFTED} #{appointment_id} lifted {rules}: {kept.get('by')}, {kept.get('why')}")


def refused_sentence(conflict: BookingConflict, location: Location) -> str:
    """Why a time cannot be had, what the owner may do about it, and times that can be had. One sentence."""
    zone = ZoneInfo(location.timezone)
    reasons = ", ".join(REASONS[one] for one in conflict.refusals)
    free = ", ".join(f"{slot.starts_at.astimezone(zone):%Y-%m-%d %H:%M}" for slot in conflict.alternatives)
    names = [NAMES[one] for one in conflict.refusals if one in NAMES]
    lift = " ".join(f"--override {name}" for name in names)
    # No word of a person puts two cars on one bay.
    may = "taken" not in conflict.refusals
    sentence = f"that time cannot be had: {reasons}"
    sentence += f"; free near it: {free}" if free else "; nothing is free near it"
    return sentence + (f"; {lift} --by NAME --why TEXT takes it all the same" if may else "")
