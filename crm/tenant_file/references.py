"""What a tenant file says about itself: names that have to exist, and addresses that only one shop may have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date

from crm.calendar.public_holidays import OBSERVED, BadHolidays, holidays_between, holidays_of
from crm.tenant_file.complaints import at
from crm.tenant_file.nodes import Map, Origin, origin_at
from crm.tenant_file.problems import Problem
from crm.tenant_file.schema import TenantPart
from crm.tenant_file.schema_location import HolidaysPart, LocationPart

# Holidays move and are renamed; two years name all there are.
_YEARS = (date(2026, 1, 1), date(2027, 12, 31))
Said = tuple[str, Origin]
# The names of the plans that the business with this slug has of its own.
OwnCadences = Callable[[str], Collection[str]]


def no_cadences(_slug: str) -> Collection[str]:
    """A business without plans of its own."""
    return ()


def within(
    tenant: TenantPart, tree: Map, cadences: Collection[str], own_cadences: OwnCadences
) -> Iterator[Problem]:
    """What is wrong inside one business."""
    for key, wanted in _cadences_of(tenant):
        if wanted not in cadences and wanted not in (own := own_cadences(tenant.slug)):
            there_is = ", ".join(sorted({*cadences, *own}))
            yield at(tree, key, f"there is no plan {wanted!r} for new leads; there is {there_is}")
    yield from _doubled("person", _people(tenant, tree))
    yield from _doubled("slug", _slugs(tenant, tree))
    yield from _doubled("CRM location", _of_locations(tenant, tree, "crm_location"))
    for index, location in enumerate(tenant.locations):
        for key, problem in _of_location(location):
            yield at(tree, ("locations", index, *key), problem)


def _cadences_of(tenant: TenantPart) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where the business names a plan for its new leads, and which."""
    if tenant.cadence is not None:
        yield ("cadence",), tenant.cadence
    by_source = tenant.settings.get("plan_by_source")
    if isinstance(by_source, dict):
        for source, wanted in by_source.items():
            yield ("settings", "plan_by_source", source), str(wanted)


def across(files: Iterable[tuple[TenantPart, Map]]) -> Iterator[Problem]:
    """What two businesses of the file, or two locations, cannot both have."""
    kept = list(files)
    named: list[Callable[[TenantPart, Map], Iterator[Said]]] = [
        lambda tenant, tree: iter([(tenant.slug, origin_at(tree, ("slug",)))]),
        lambda tenant, tree: _of_locations(tenant, tree, "phone"),
        lambda tenant, tree: _of_locations(tenant, tree, "mailbox"),
        _accounts,
    ]
    for what, said in zip(("slug of a business", "phone", "mailbox", "Twilio account"), named, strict=True):
        yield from _doubled(what, (one for tenant, tree in kept for one in said(tenant, tree)))


def _of_location(location: LocationPart) -> Iterator[tuple[tuple[str | int, ...], str]]:
    spans = [(one.first, one.last) for one in location.closures]
    yield from (
        (("closures", place), "these days stand here twice")
        for place, span in enumerate(spans)
        if span in spans[:place]
    )
    lowered: dict[str, str] = {}
    for kind, names in (("services", location.services), ("bays", location.bays)):
        for name in names:
            other = lowered.setdefault(f"{kind} {name.lower()}", name)
            if other != name:
                yield (kind, name), f"differs from {other!r} only by capital letters"
    for day, times in location.special_hours.items():
        if times == ():
            yield ("special_hours", str(day)), "a day without hours is written under closures"
    for name, bay in location.bays.items():
        if bay is not None and bay.hours is not None and not any(bay.hours.values()):
            yield (
                ("bays", name, "hours"),
                "a bay without hours works whenever the shop does; write active: false",
            )
    if location.holidays is not None:
        yield from ((("holidays",), message) for message in _holidays(location.holidays))


def _holidays(written: HolidaysPart) -> Iterator[str]:
    try:
        known = holidays_of(written.model_dump(exclude={"open_on"}, exclude_none=True))
    except BadHolidays as error:
        yield str(error)
        return
    assert known is not None
    names = {name.replace(OBSERVED, "").strip() for name in holidays_between(known, *_YEARS).values()}
    lowered = {name.casefold() for name in names}
    for name in written.open_on:
        if name.strip().casefold() not in lowered:
            yield f"there is no holiday {name!r} there; there is {', '.join(sorted(names))}"


def _people(tenant: TenantPart, tree: Map) -> Iterator[Said]:
    for place, person in enumerate(tenant.staff):
        yield f"{person.name} of the business", origin_at(tree, ("staff", place, "name"))
    for index, location in enumerate(tenant.locations):
        for place, person in enumerate(location.staff):
            found = origin_at(tree, ("locations", index, "staff", place, "name"))
            yield f"{person.name} of {location.slug}", found


def _slugs(tenant: TenantPart, tree: Map) -> Iterator[Said]:
    for index, location in enumerate(tenant.locations):
        yield location.slug, origin_at(tree, ("locations", index, "slug"))


def _of_locations(tenant: TenantPart, tree: Map, name: str) -> Iterator[Said]:
    for index, location in enumerate(tenant.locations):
        if (value := getattr(location, name)) is not None:
            yield str(value), origin_at(tree, ("locations", index, name))


def _accounts(tenant: TenantPart, tree: Map) -> Iterator[Said]:
    if tenant.twilio is not None:
        yield tenant.twilio.account_sid, origin_at(tree, ("twilio", "account_sid"))


def _doubled(what: str, said: Iterable[Said]) -> Iterator[Problem]:
    first: dict[str, Origin] = {}
    for value, origin in said:
        if value not in first:
            first[value] = origin
            continue
        known = first[value]
        where = f"stands at {known.path} too (line {known.line})"
        if known == origin:
            where = "is given to every location by the defaults"
        yield Problem(origin.path, f"the {what} {value} {where}", origin.line)
