"""Defaults under what is written: a mapping is laid over key by key, anything else replaces."""

from __future__ import annotations

from typing import Any

from crm.tenant_file.nodes import Map, Origin
from crm.tenant_file.times import days_of

# Keys of which one may stand for several days.
_WEEKS = "hours"


def laid_over(under: Any, over: Any) -> Any:
    """`over` on `under`. A null in `over` takes away what `under` says."""
    if not (isinstance(under, Map) and isinstance(over, Map)):
        return over
    found = Map()
    for source in (under, over):
        for key, value in source.items():
            found.put(key, laid_over(found[key], value) if key in found else value, source.origins[key])
    return found


def with_days(value: Any, key: str = "") -> Any:
    """The same with `mon-fri` of every `hours` written out, so that a location can change one day of the defaults."""
    if not isinstance(value, Map):
        return value
    found = Map()
    for name, each in value.items():
        days = days_of(name) if key == _WEEKS else None
        for day in days or [name]:
            origin = value.origins[name]
            found.put(day, with_days(each, name), Origin(origin.path, origin.line))
    return found


def twice_named(value: Any, key: str = "") -> list[Origin]:
    """Entries of `hours` that name a day another entry has named already."""
    if isinstance(value, list):
        return [origin for each in value for origin in twice_named(each)]
    if not isinstance(value, Map):
        return []
    found: list[Origin] = []
    seen: set[str] = set()
    for name, each in value.items():
        days = set(days_of(name) or ()) if key == _WEEKS else set()
        found += [value.origins[name]] if days & seen else []
        seen |= days
        found += twice_named(each, name)
    return found
