"""A business as a file that, applied again, finds nothing to do. Secrets are not in it; what they were is said."""

from __future__ import annotations

from datetime import time
from typing import Any

import yaml

from crm.connectors.registry import kind_of
from crm.connectors.shopmonkey.rules import LeadRules
from crm.tenant_file import records
from crm.tenant_file.actual import Actual
from crm.tenant_file.records import Fields, Key, Secret
from crm.tenant_file.schema_location import AddressPart, LimitsPart
from crm.tenant_file.times import DAYS, clock, said
from crm.tenants import TenantSettings

_SECRETS = ("auth_token", "shared_key", "api_key", "webhook_secret")
# What a new row has without being told.
_LOCATION_DEFAULTS: Fields = {
    **records.flat("limits", LimitsPart()),
    **records.flat("address", AddressPart()),
    "holidays": {},
}
_SERVICE_DEFAULTS: Fields = {
    "body_style": None, "minutes_by_body_style": {}, "description": "", "not_included": "", "active": True,
    "visit": "wait", "external_id": None,
}  # fmt: skip
_BAY_DEFAULTS: Fields = {"active": True, "skills": (), "hours": None}
_SHARED = (
    "timezone",
    "address",
    "hours",
    "special_hours",
    "closures",
    "holidays",
    "limits",
    "bays",
    "services",
    "facts",
)
# Of these what is alike goes into the defaults one by one; a location that has fewer keeps all of its own.
_BY_NAME = ("bays", "services")


def export_text(actual: Actual) -> str:
    """The file of one business as YAML."""
    assert actual.tenant is not None
    body = yaml.safe_dump(
        exported(actual), sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return _header(actual) + body


def exported(actual: Actual) -> dict[str, Any]:
    """The same as plain data. What has its default is left out; what all locations share stands once."""
    assert actual.tenant is not None
    tenant = actual.records[Key("tenant")]
    found: dict[str, Any] = {"slug": actual.tenant.slug, "name": tenant["name"], "status": tenant["status"]}
    found |= {"cadence": tenant["cadence"]} if tenant["cadence"] != "default" else {}
    found |= _part("text_consent", _text_consent(tenant))
    defaults = records.flat("settings", TenantSettings())
    chosen = {name: value for name, value in tenant.items() if name in defaults and value != defaults[name]}
    found |= _nested(chosen)
    found["policy"] = "default" if tenant["policy"] is None else {"text": tenant["policy"]}
    found |= _part("facts", _facts(actual, ""))
    found |= _part("staff", _people(actual, ""))
    for key, fields in actual.records.items():
        if key.kind in ("twilio", "sendgrid", "crm"):
            found[key.kind] = _account(key, fields)
    locations = [_location(actual, slug) for slug in actual.locations]
    found |= _part("defaults", _shared(locations))
    found["locations"] = locations
    return found


def _header(actual: Actual) -> str:
    assert actual.tenant is not None
    lines = [f"# {actual.tenant.name}: what `leads tenant apply` needs to make this business as it is."]
    for key, fields in actual.records.items():
        kept = [name for name in _SECRETS if isinstance(fields.get(name), Secret)]
        lines += [
            f"# {key.kind}.{name} is stored and not shown; elsewhere write {name}: env:NAME or file:PATH"
            for name in kept
        ]
    return "\n".join(lines) + "\n"


def _text_consent(tenant: Fields) -> Fields:
    if tenant["text_consent"] != "assumed" or not tenant["text_consent.statement"]:
        return {}
    return {
        "policy": "assumed",
        "statement": tenant["text_consent.statement"],
        "by": tenant["text_consent.by"],
    }


def _account(key: Key, fields: Fields) -> Fields:
    skipped: Fields = {"enabled": True, "signature_mode": "observe"}
    if key.kind == "crm":
        skipped |= records.flat("settings", kind_of(key.name).settings())
        skipped |= records.flat("lead_rules", LeadRules())
    plain = {
        name: _plain(value)
        for name, value in fields.items()
        if name not in _SECRETS and value not in (None, ()) and skipped.get(name, skipped) != value
    }
    return {**({"connector": key.name} if key.kind == "crm" else {}), **_nested(plain)}


def _location(actual: Actual, slug: str) -> dict[str, Any]:
    fields = actual.records[Key("location", slug)]
    found: dict[str, Any] = {"slug": slug, "name": fields["name"], "timezone": fields["timezone"]}
    plain = {
        name: _window(value) if name == records.DROP_OFF else _plain(value)
        for name, value in fields.items()
        if not name.startswith("hours.") and value is not None and _LOCATION_DEFAULTS.get(name) != value
    }
    found |= _nested({name: value for name, value in plain.items() if name not in found})
    found["hours"] = {day: said(fields[f"hours.{day}"]) for day in DAYS if fields[f"hours.{day}"]}
    found |= _part(
        "special_hours", {key.name: said(one["times"]) for key, one in _at(actual, "special", slug)}
    )
    found |= _part("closures", [_closure(key, one) for key, one in _at(actual, "closure", slug)])
    found |= _part("facts", _facts(actual, slug))
    found["bays"] = {key.name: _bay(one) for key, one in _at(actual, "bay", slug)}
    found["services"] = {key.name: _service(one) for key, one in _at(actual, "service", slug)}
    found |= _part("staff", _people(actual, slug))
    return found


def _closure(key: Key, fields: Fields) -> Fields:
    first, _, last = key.name.partition(" to ")
    return {
        "from": first,
        **({"until": last} if last != first else {}),
        **({"reason": fields["reason"]} if fields["reason"] else {}),
    }


def _bay(fields: Fields) -> Fields:
    found = {name: _plain(value) for name, value in fields.items() if value != _BAY_DEFAULTS[name]}
    if fields["hours"]:
        found["hours"] = {day: said(times) for day, times in zip(DAYS, fields["hours"], strict=True) if times}
    return found


def _service(fields: Fields) -> Fields:
    found = {
        name: _plain(value)
        for name, value in fields.items()
        if name not in _SERVICE_DEFAULTS or value != _SERVICE_DEFAULTS[name]
    }
    cents = fields["price"]
    found["price"] = (
        None if cents is None else cents // 100 if cents % 100 == 0 else f"{cents // 100}.{cents % 100:02d}"
    )
    return found


def _people(actual: Actual, slug: str) -> list[Fields]:
    return [
        {
            "name": key.name,
            **{
                name: value
                for name, value in one.items()
                if value is not None and (name, value) != ("notify", True)
            },
        }
        for key, one in _at(actual, "staff", slug)
        if one["phone"] or one["email"]
    ]


def _facts(actual: Actual, slug: str) -> dict[str, str]:
    return {key.name: one["value"] for key, one in _at(actual, "fact", slug)}


def _at(actual: Actual, kind: str, slug: str) -> list[tuple[Key, Fields]]:
    return [(key, one) for key, one in actual.records.items() if (key.kind, key.place) == (kind, slug)]


def _shared(locations: list[dict[str, Any]]) -> dict[str, Any]:
    """Takes out of the locations what all of them have alike."""
    if len(locations) < 2:
        return {}
    found = {}
    for name in _SHARED:
        first = locations[0].get(name)
        if first is not None and all(each.get(name) == first for each in locations):
            found[name] = first
            for each in locations:
                del each[name]
        elif isinstance(first, dict):
            alike = {
                key: value
                for key, value in first.items()
                if all(_has(each, name, key, value) for each in locations)
            }
            found |= _part(name, alike) if name in _BY_NAME else {}
            for each in locations if name in _BY_NAME else ():
                each[name] = {key: value for key, value in each[name].items() if key not in alike}
    return found


def _has(location: dict[str, Any], name: str, key: str, value: Any) -> bool:
    mapping = location.get(name) or {}
    return key in mapping and mapping[key] == value


def _nested(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in fields.items():
        *above, last = path.split(".")
        here = found
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
    return found


def _window(value: Any) -> str:
    return said((value,))


def _plain(value: Any) -> Any:
    if isinstance(value, time):
        return clock(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _part(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}
