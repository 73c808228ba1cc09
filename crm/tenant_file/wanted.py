"""What a file wants, as records: only what was written stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from crm.tenant_file.problems import FileProblems
from crm.tenant_file.reading import TenantFile
from crm.tenant_file.records import Fields, Key, Records, Secret, flat
from crm.tenant_file.schema import CrmPart, SendGridPart, TwilioPart
from crm.tenant_file.schema_location import BayPart, LocationPart, StaffPart
from crm.tenant_file.secrets import SecretMissing
from crm.tenant_file.times import DAYS, Week

Place = tuple[str | int, ...]
Resolve = Callable[[str], str]


@dataclass
class Wanted:
    """The records of one business. `places`: where each stands in the file. `complete`: of which kinds at which place
    the file names all there are, so that others may be pruned."""

    records: Records = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    complete: set[tuple[str, str]] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)

    def add(self, key: Key, place: Place, fields: Fields) -> None:
        """One more record."""
        self.records[key], self.places[key] = fields, place


def wanted_of(file: TenantFile, resolve: Resolve) -> Wanted:
    """The records of a business. `resolve` gives the secret behind `env:NAME`. Raises FileProblems where one is missing."""
    found = Wanted()
    part, given = file.part, file.part.model_fields_set
    found.add(Key("tenant"), (), _tenant(file))
    for name, value in part.facts.items():
        found.add(Key("fact", "", name), ("facts", name), {"value": value}) if value else None
    _people(found, "", part.staff, ("staff",), whole="staff" in given)
    for kind, account in (("twilio", part.twilio), ("sendgrid", part.sendgrid), ("crm", part.crm)):
        if account is not None:
            name = account.connector if isinstance(account, CrmPart) else ""
            found.add(Key(kind, "", name), (kind,), _account(file, account, resolve))  # type: ignore[arg-type]
        elif kind in given and kind != "crm":
            found.gone.add(Key(kind))  # type: ignore[arg-type]
    for index, location in enumerate(part.locations):
        _location(found, location, ("locations", index))
    found.complete |= {("location", "")} if "locations" in given else set()
    found.complete |= {("fact", "")} if "facts" in given else set()
    return found


def _tenant(file: TenantFile) -> Fields:
    part = file.part
    fields: Fields = {
        name: value
        for name in ("name", "status", "cadence")
        if name in part.model_fields_set and (value := getattr(part, name)) is not None
    }
    fields |= flat("settings", file.settings, only_written=True)
    if part.policy is not None:
        fields["policy"] = None if file.policy is None else file.policy.strip() + "\n"
    if part.text_consent is not None:
        consent = part.text_consent
        fields["text_consent"] = consent.policy
        if consent.policy == "assumed":
            fields |= {"text_consent.statement": consent.statement, "text_consent.by": consent.by}
    return fields


def _account(file: TenantFile, part: TwilioPart | SendGridPart | CrmPart, resolve: Resolve) -> Fields:
    fields: Fields = {}
    for name in part.model_fields_set - {"connector", "settings", "lead_rules"}:
        value = getattr(part, name)
        secret = name in ("auth_token", "shared_key", "api_key", "webhook_secret")
        if not (secret and value is None):
            fields[name] = Secret(_resolved(file, part, name, resolve)) if secret else value
    if isinstance(part, CrmPart):
        if fields.get("base_url"):
            fields["base_url"] = str(fields["base_url"]).rstrip("/")
        fields |= flat("settings", file.crm_settings, only_written=True)
        fields |= flat("lead_rules", file.lead_rules, only_written=True)
    return fields


def _resolved(file: TenantFile, part: Any, name: str, resolve: Resolve) -> str:
    kind = {"TwilioPart": "twilio", "SendGridPart": "sendgrid"}.get(type(part).__name__, "crm")
    try:
        return resolve(getattr(part, name))
    except SecretMissing as error:
        raise FileProblems([file.problem(str(error), kind, name)]) from None


def _location(found: Wanted, part: LocationPart, place: Place) -> None:
    slug, given = part.slug, part.model_fields_set
    plain = {"name", "timezone", "phone", "mailbox", "public_phone", "crm_location"} & given
    fields: Fields = {name: getattr(part, name) for name in sorted(plain)}
    fields |= _given("address", part.address) if "address" in given else {}
    fields |= _given("limits", part.limits) if "limits" in given else {}
    if "holidays" in given:
        fields["holidays"] = _holidays(part)
    if part.hours is not None:
        # The hours are a whole: a day they do not name is closed.
        fields |= {f"hours.{day}": part.hours.get(day, ()) for day in DAYS}  # type: ignore[call-overload]
    found.add(Key("location", slug), place, fields)
    for name, value in part.facts.items():
        if value:
            found.add(Key("fact", slug, name), (*place, "facts", name), {"value": value})
    for day, times in part.special_hours.items():
        if times is not None:
            found.add(Key("special", slug, str(day)), (*place, "special_hours", str(day)), {"times": times})
    for number, closure in enumerate(part.closures):
        named = Key("closure", slug, f"{closure.first} to {closure.last}")
        found.add(named, (*place, "closures", number), {"reason": closure.reason})
    for name, bay in part.bays.items():
        if bay is not None:
            found.add(Key("bay", slug, name), (*place, "bays", name), _bay(bay))
    for code, service in part.services.items():
        if service is not None:
            fields = {key: getattr(service, key) for key in service.model_fields_set}
            found.add(Key("service", slug, code), (*place, "services", code), fields)
    _people(found, slug, part.staff, (*place, "staff"), whole="staff" in given)
    kinds = {
        "bays": "bay",
        "services": "service",
        "facts": "fact",
        "special_hours": "special",
        "closures": "closure",
    }
    found.complete |= {(kind, slug) for name, kind in kinds.items() if name in given}


def _bay(part: BayPart) -> Fields:
    fields: Fields = {
        name: getattr(part, name) for name in ("active", "skills") if name in part.model_fields_set
    }
    if "hours" in part.model_fields_set:
        fields["hours"] = None if part.hours is None else week_of(part.hours)
    return fields


def week_of(hours: Any) -> Week:
    """Hours by the names of days as seven of them."""
    return tuple(hours.get(day, ()) for day in DAYS)


def _holidays(part: LocationPart) -> dict[str, Any]:
    if part.holidays is None:
        return {}
    return {
        **part.holidays.model_dump(exclude={"open_on"}, exclude_none=True),
        "open_on": sorted(part.holidays.open_on),
    }


def _people(found: Wanted, slug: str, people: tuple[StaffPart, ...], place: Place, *, whole: bool) -> None:
    for number, person in enumerate(people):
        fields = {name: getattr(person, name) for name in person.model_fields_set - {"name"}}
        found.add(Key("staff", slug, person.name), (*place, number), fields)
    found.complete |= {("staff", slug)} if whole else set()


def _given(prefix: str, part: BaseModel) -> Fields:
    return dict(_pairs(prefix, part))


def _pairs(prefix: str, part: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in type(part).model_fields:
        if name in part.model_fields_set:
            yield f"{prefix}.{name}", getattr(part, name)
