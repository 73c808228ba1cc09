"""Items of an outside catalogue as our services, by a tenant's rules. Pure.

What the rules cannot read is left out with a reason and never guessed: a price that is told to the owner of another
car, or of two that one name has, would not be true.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crm.catalogue_rules import CatalogueRules, ServiceRule, matches, words_of
from crm.connectors.records import CatalogueItem
from crm.vehicles import vehicle_in

# Makes that are ordinary words too: alone they name no car ("Mini Detail").
_ORDINARY_MAKES = frozenset({"mini", "ram"})
_DOORS = ("door", "doors", "2dr", "4dr")
_ANY = ServiceRule()


@dataclass(frozen=True)
class Wanted:
    """A service as the rules read it. `external_id` is the item's, with the shape behind it when an item is several."""

    external_id: str
    name: str
    category: str
    body_style: str | None
    price_cents: int | None
    duration_minutes: int
    visit: str
    description: str
    not_included: str

    def fields(self) -> dict[str, Any]:
        """The columns of a service."""
        return {key: value for key, value in asdict(self).items() if key != "external_id"}


@dataclass(frozen=True)
class LeftOut:
    """An item that is no service of ours. `meant`: the rules say so; else they could not read it."""

    external_id: str
    name: str
    reason: str
    meant: bool = False


@dataclass(frozen=True)
class Reading:
    """A catalogue as the rules read it. `doubts` are sentences about items that were read, but not as the rules meant."""

    services: tuple[Wanted, ...]
    left_out: tuple[LeftOut, ...] = ()
    doubts: tuple[str, ...] = ()


class _Unreadable(Exception):
    """Why the rules cannot read an item."""


def read_items(items: Iterable[CatalogueItem], rules: CatalogueRules) -> Reading:
    """The services in `items`, each item once, in their order."""
    wanted: list[tuple[Wanted, CatalogueItem]] = []
    left_out: list[LeftOut] = []
    for item in {one.external_id: one for one in items}.values():
        rule = _rule(item, rules)
        reason = _not_ours(item, rule, rules)
        if reason is not None:
            left_out.append(LeftOut(item.external_id, item.name, reason, meant=True))
            continue
        try:
            wanted += [(one, item) for one in _read(item, rule, rules)]
        except _Unreadable as error:
            left_out.append(LeftOut(item.external_id, item.name, str(error)))
    reading = _told_apart(wanted)
    return replace(reading, left_out=(*left_out, *reading.left_out))


def _rule(item: CatalogueItem, rules: CatalogueRules) -> ServiceRule:
    words, labels = words_of(item.name), _folded(item.labels)
    fitting = (
        rule
        for rule in rules.services
        if matches(rule.match, words) and (not rule.labels or labels & _folded(rule.labels))
    )
    return next(fitting, _ANY)


def _not_ours(item: CatalogueItem, rule: ServiceRule, rules: CatalogueRules) -> str | None:
    """Why the rules want nothing of this item; None when they do."""
    words, labels = words_of(item.name), _folded(item.labels)
    category = _category(item, rule, rules).casefold()
    named = [
        any(matches(one, words) for one in names) for names in (rules.include_names, rules.exclude_names)
    ]
    labelled = [bool(labels & _folded(names)) for names in (rules.include_labels, rules.exclude_labels)]
    sorts = [category in _folded(names) for names in (rules.include_categories, rules.exclude_categories)]
    checks = [
        (rules.only_bookable and not item.bookable, "it cannot be booked there"),
        (rule.skip, f"the rule for {rule.match!r} skips it"),
        (bool(rules.include_names) and not named[0], "its name is none of include_names"),
        (named[1], "its name is one of exclude_names"),
        (bool(rules.include_labels) and not labelled[0], "it has none of include_labels"),
        (labelled[1], "it has one of exclude_labels"),
        (bool(rules.include_categories) and not sorts[0], "its category is none of include_categories"),
        (sorts[1], "its category is one of exclude_categories"),
    ]
    return next((reason for is_so, reason in checks if is_so), None)


def _read(item: CatalogueItem, rule: ServiceRule, rules: CatalogueRules) -> list[Wanted]:
    """One service for each shape the item is for. Raises _Unreadable."""
    styles = _styles(item, rule, rules)
    price = item.price_cents if item.price_cents is not None and item.price_cents > 0 else None
    minutes = rule.minutes or item.minutes or rules.default_minutes
    is_long = rules.drop_off_minutes is not None and minutes >= rules.drop_off_minutes
    is_quoted = rule.quoted and rules.prices == "theirs"
    return [
        Wanted(
            external_id=item.external_id if len(styles) == 1 else f"{item.external_id}#{style}",
            name=_name(item, style, rule, rules),
            category=_category(item, rule, rules),
            body_style=style,
            price_cents=price if is_quoted else None,
            duration_minutes=minutes,
            visit=rule.visit or ("drop_off" if is_long else "wait"),
            description=rule.description or "",
            not_included=_not_included(rule, rules),
        )
        for style in styles
    ]


def _styles(item: CatalogueItem, rule: ServiceRule, rules: CatalogueRules) -> list[str | None]:
    if rule.body_style == "any":
        return [None]
    words = words_of(item.name)
    if rule.body_style is not None and rule.body_style != "named":
        return [rule.body_style]
    if other := _said({word: (word,) for word in rules.other_vehicles}, words):
        raise _Unreadable(f"it is for a vehicle that is no shape of ours: {other[0]}")
    if rules.car_names == "refuse" and (car := _car_in(item.name, rules)):
        raise _Unreadable(f"it names a car ({car}), and our prices go by shape")
    styles = _shapes(words, rules) or _shapes(words_of(" / ".join(item.labels)), rules)
    if not styles and rule.body_style == "named":
        raise _Unreadable("its name says no shape of vehicle")
    return list(styles) or [None]


def _shapes(words: Sequence[str], rules: CatalogueRules) -> list[str]:
    """The shapes named. How many doors it has says nothing of a vehicle whose shape is named too: "4 door truck"."""
    by_doors: dict[str, tuple[str, ...]] = {
        style: tuple(one for one in phrases if words_of(one)[-1] in _DOORS)
        for style, phrases in rules.body_styles.items()
    }
    plain: dict[str, tuple[str, ...]] = {
        style: tuple(one for one in phrases if one not in by_doors[style])
        for style, phrases in rules.body_styles.items()
    }
    return _said(plain, words) or _said(by_doors, words)


def _said(meanings: Mapping[str, Sequence[str]], words: Sequence[str]) -> list[str]:
    """What the words say of `meanings`; words inside of a longer phrase that fits say nothing of their own."""
    phrases = [(words_of(phrase), meaning) for meaning, some in meanings.items() for phrase in some]
    taken: set[int] = set()
    said: dict[str, int] = {}
    for phrase, meaning in sorted(phrases, key=lambda pair: -len(pair[0])):
        for at in range(len(words) - len(phrase) + 1):
            places = set(range(at, at + len(phrase)))
            if not places & taken and _same(words[at : at + len(phrase)], phrase):
                taken |= places
                said[meaning] = min(at, said.get(meaning, at))
    return sorted(said, key=lambda meaning: said[meaning])


def _same(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Word by word; the last one may be a plural."""
    return list(words[:-1]) == list(phrase[:-1]) and words[-1] in (phrase[-1], f"{phrase[-1]}s")


def _car_in(name: str, rules: CatalogueRules) -> str | None:
    """The words of a name that mean a make or a model."""
    shapes = {word for phrases in rules.body_styles.values() for one in phrases for word in words_of(one)}
    shapes |= {f"{word}s" for word in shapes}
    plain = re.findall(r"[a-z]+|\d+", " ".join(word for word in words_of(name) if word not in shapes))
    gone = list((Counter(plain) - Counter(vehicle_in(" ".join(plain))[1].split())).elements())
    return None if set(gone) <= _ORDINARY_MAKES else " ".join(gone)


def _name(item: CatalogueItem, style: str | None, rule: ServiceRule, rules: CatalogueRules) -> str:
    if rule.name is None:
        return item.name
    films = _said(rules.films, words_of(item.name)) or _said(rules.films, words_of(" / ".join(item.labels)))
    if "{film}" in rule.name and len(films) != 1:
        raise _Unreadable("its name says no film" if not films else f"its name says {' and '.join(films)}")
    if "{style}" in rule.name and style is None:
        raise _Unreadable("its name says no shape of vehicle")
    shown = "SUV" if style == "suv" else style or ""
    text = rule.name.format(film=films[0] if films else "", style=shown, item=item.name)
    plain = " ".join(text.split())[:200].strip()
    return plain[:1].upper() + plain[1:]


def _category(item: CatalogueItem, rule: ServiceRule, rules: CatalogueRules) -> str:
    known = {label.casefold(): category for label, category in rules.categories.items()}
    by_label = (known[label.casefold()] for label in item.labels if label.casefold() in known)
    return rule.category or next(by_label, rules.category)


def _not_included(rule: ServiceRule, rules: CatalogueRules) -> str:
    tax = rules.tax_note if rules.price == "before_tax" and rules.prices == "theirs" else ""
    return ", ".join(part for part in (rule.not_included or "", tax) if part)


def _told_apart(read: Sequence[tuple[Wanted, CatalogueItem]]) -> Reading:
    """Services that have one name and one shape must be one thing.

    Different ones get the names they have there back; when those are the same too, nobody is told a price of them.
    """
    given = {_key(one) for one, item in read if one.name != item.name}
    named = [key for key in _differing([one for one, _ in read]) if key in given]
    doubts = [
        f"several items are {_called(key)} by the rules and differ: they keep their names" for key in named
    ]
    own = [(replace(one, name=item.name) if _key(one) in named else one, item) for one, item in read]
    unclear = _differing([one for one, _ in own])
    doubts += [f"several items are {_called(key)} and differ: nobody is told a price" for key in unclear]
    services: dict[tuple[str, str | None, str], Wanted] = {}
    doubles: list[LeftOut] = []
    for one, item in own:
        key = _key(one)
        if key in unclear:
            services[*key, one.external_id] = replace(one, price_cents=None)
        elif services.setdefault((*key, ""), one) is not one:
            doubles.append(LeftOut(one.external_id, item.name, "another item says the same", meant=True))
    return Reading(tuple(services.values()), tuple(doubles), tuple(doubts))


def _key(one: Wanted) -> tuple[str, str | None]:
    return one.name.casefold(), one.body_style


def _called(key: tuple[str, str | None]) -> str:
    return f"{key[0]!r}" if key[1] is None else f"{key[0]!r} for {key[1]}"


def _differing(services: Sequence[Wanted]) -> list[tuple[str, str | None]]:
    """Names and shapes that more than one price or duration belongs to."""
    told: dict[tuple[str, str | None], set[tuple[int | None, int]]] = {}
    for one in services:
        told.setdefault(_key(one), set()).add((one.price_cents, one.duration_minutes))
    return [key for key, values in told.items() if len(values) > 1]


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
