"""From fields to a checked request, or to the list of what is wrong with them, in words for whoever built the form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from channels.api.problems import FieldError, Problem
from channels.api.schema import LeadIn

# Clocks differ a little; more than this is a mistake.
FUTURE = timedelta(minutes=5)
MOST_ERRORS = 30
# A name that was made up by the caller is repeated, so that it can be found, but not at any length.
LONGEST_NAME = 80

_SENTENCES = {
    "missing": "is needed",
    "extra_forbidden": "is no field of ours; fields of your own belong into facts",
    "string_type": "has to be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "does not have the right form",
    "int_type": "has to be a whole number",
    "bool_type": "has to be true or false",
    "model_type": "has to be an object",
    "dict_type": "has to be an object",
    "finite_number": "has to be a finite number",
}
_WITH_LIMITS = {
    "string_too_long": "is too long: at most {max_length} characters",
    "too_long": "has too many entries: at most {max_length}",
    "greater_than_equal": "has to be at least {ge}",
    "less_than_equal": "has to be at most {le}",
    "literal_error": "has to be one of {expected}",
}
_FORMS = {
    "postal_code": "has to be a ZIP code like 60614",
    "state": "has to be two letters, like IL",
    "language": "has to be a language like en or es",
}
_FACT = "has to be text, a number, true, false or null"
_OURS = frozenset({"phone", "email", "moment", "reachable"})


def check(fields: Mapping[str, Any], now: datetime) -> LeadIn:
    """The request in `fields`. Raises Problem (fields) with everything that is wrong."""
    try:
        lead = LeadIn.model_validate(dict(fields))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise refusal(_one_each([_field_error(one) for one in details])) from None
    errors = [
        FieldError(path, "lies in the future")
        for path, moment in _moments(lead)
        if moment is not None and moment > now + FUTURE
    ]
    if errors:
        raise refusal(errors)
    return lead


def refusal(errors: list[FieldError]) -> Problem:
    """One problem for all the fields that are wrong; the sentence names them."""
    shown = errors[:MOST_ERRORS]
    named = "; ".join(f"{one.field} {one.detail}" if one.path else one.detail for one in shown[:5])
    return Problem("fields", named + ("; ..." if len(shown) > 5 else ""), shown)


def _one_each(errors: list[FieldError]) -> list[FieldError]:
    """One error for each field. Of a value that might have been of several kinds, the kind it nearly is says most."""
    best: dict[tuple[str, ...], FieldError] = {}
    for error in errors:
        known = best.get(error.path)
        if known is None or (known.detail == _FACT and error.detail != _FACT):
            best[error.path] = error
    return list(best.values())


def _moments(lead: LeadIn) -> list[tuple[tuple[str, ...], datetime | None]]:
    found: list[tuple[tuple[str, ...], datetime | None]] = [(("made_at",), lead.made_at)]
    for channel in ("sms", "email"):
        consent = getattr(lead.consent, channel) if lead.consent is not None else None
        if consent is not None:
            found.append((("consent", channel, "at"), consent.at))
    return found


def _field_error(error: ErrorDetails) -> FieldError:
    path = tuple(str(part)[:LONGEST_NAME] for part in error["loc"])
    if path[:1] == ("facts",) and len(path) > 2:
        # Behind the name pydantic lists each kind of value that it might have been.
        if path[2] == "[key]":
            return FieldError(path[:2], "is no name of a field: 1 to 60 characters are")
        return FieldError(path[:2], _fact_sentence(error))
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _OURS:
        return FieldError(path, error["msg"])
    if kind in ("string_pattern_mismatch", "string_too_long") and path[-1] in _FORMS:
        return FieldError(path, _FORMS[path[-1]])
    if kind in _WITH_LIMITS:
        return FieldError(path, _WITH_LIMITS[kind].format(**limits))
    return FieldError(path, _SENTENCES.get(kind, "is not right"))


def _fact_sentence(error: ErrorDetails) -> str:
    if error["type"] == "string_too_long":
        return "is too long: at most 500 characters"
    if error["type"] in ("greater_than_equal", "less_than_equal", "finite_number"):
        return "is too large a number"
    return _FACT
