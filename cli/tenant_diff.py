"""A plan as lines: + what is made, ~ what changes, - what goes or would go. What is alike at many locations is one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import click

from cli.output import local_time, one_line
from crm.tenant_file.plan import Difference, Plan

_FEW_PLACES = 3
_MANY = {
    "service": "services", "bay": "bays", "staff": "people", "fact": "facts", "closure": "closures",
    "special": "days with hours of their own",
}  # fmt: skip


def lines_of(plan: Plan, *, prune: bool, everything: bool) -> Iterator[str]:
    """The lines of one business."""
    yield click.style(f"{plan.slug}{' (new)' if plan.is_new else ''}", bold=True)
    created = plan.of("create")
    new_places = {one.key.place for one in created if one.key.kind == "location"}
    inside = [] if everything else [one for one in created if one.key.place in new_places]
    for one in inside:
        if one.key.kind == "location":
            yield f"  + {one.key}: {_about(one, inside)}"
    told = {id(one) for one in inside}
    rest = [one for one in plan.differences if id(one) not in told]
    yield from _grouped(rest, prune=prune, everything=everything)
    yield from _stranded(plan)
    counts = Counter(one.action for one in plan.differences)
    pruned = "to take away" if prune else "in the database and not in the file (--prune takes them away)"
    sums = [(counts["create"], "to make"), (counts["change"], "to change"), (counts["prune"], pruned)]
    kept = [(counts["keep"], "that cannot be taken away")]
    said = [f"{many} {what}" for many, what in [*sums, *kept] if many]
    yield f"  {', '.join(said)}; {plan.unchanged} unchanged"


def _about(location: Difference, inside: list[Difference]) -> str:
    """What a new location comes with."""
    counts = Counter(
        one.key.kind for one in inside if one.key.place == location.key.place and one.key.kind != "location"
    )
    shown = {each.field: each.after for each in location.fields}
    parts = [shown.get(name, "") for name in ("name", "phone", "mailbox")]
    parts += [f"{many} {_MANY.get(kind, kind) if many > 1 else kind}" for kind, many in counts.items()]
    return one_line(", ".join(part for part in parts if part and part != "none"))


def _grouped(found: list[Difference], *, prune: bool, everything: bool) -> Iterator[str]:
    groups: dict[tuple[object, ...], list[Difference]] = {}
    for one in found:
        same = (
            one.action,
            one.key.kind,
            "" if one.key.kind == "location" else one.key.name,
            one.fields,
            one.note,
        )
        # A location that is made or goes is named; changes that all locations get are one line.
        alone = everything or not one.key.place or (one.key.kind == "location" and one.action != "change")
        groups.setdefault((*same, one.key.place if alone else ""), []).append(one)
    for group in groups.values():
        yield from _lines(group, prune=prune)


def _lines(group: list[Difference], *, prune: bool) -> Iterator[str]:
    one = group[0]
    name = one_line(str(one.key))
    if len(group) > 1:
        bare = name if one.key.kind == "location" else name.removeprefix(f"{one.key.place}, ")
        bare = "location" if one.key.kind == "location" else bare
        slugs = [each.key.place for each in group]
        more = f" and {len(slugs) - _FEW_PLACES} more" if len(slugs) > _FEW_PLACES else ""
        name = f"{bare} at {len(slugs)} locations ({', '.join(slugs[:_FEW_PLACES])}{more})"
    note = f": {one_line(one.note)}" if one.note else ""
    if one.action == "prune":
        yield f"  {'-' if prune else '?'} {name}{note}{'' if prune else ' (only with --prune)'}"
    elif one.action == "keep":
        yield f"  ! {name} stays{note}"
    elif one.action == "create":
        yield f"  + {name}{_values(one)}"
    else:
        yield f"  ~ {name}"
        yield from (
            f"      {each.field}: {one_line(each.before)} -> {one_line(each.after)}" for each in one.fields
        )


def _values(one: Difference) -> str:
    said = [f"{each.field} {one_line(each.after)}" for each in one.fields if each.after != "none"]
    return f": {', '.join(said)}" if said else ""


def _stranded(plan: Plan) -> Iterator[str]:
    if plan.stranded:
        yield "  booked outside the new hours; they stay booked until you move or cancel them:"
    for slug, timezone, one in plan.stranded:
        when = local_time(one.starts_at, timezone)
        yield f"      {slug}, appointment {one.id}, {when}, {one_line(one.who)}, {one_line(', '.join(one.services))}"
