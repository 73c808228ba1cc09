"""Items of an outside catalogue as services: which shape, which name, which price, and what is better left out."""

from __future__ import annotations

from typing import Any

import pytest

from crm.catalogue_mapping import Reading, Wanted, read_items
from crm.catalogue_rules import CatalogueRules
from crm.connectors.records import CatalogueItem

FULL = {"match": "* full", "name": "{film} window tint", "category": "tint"}


def item(name: str, cents: int | None = 45000, minutes: int | None = 150, **more: Any) -> CatalogueItem:
    return CatalogueItem(more.pop("external_id", name), name, cents, minutes, **more)


def read(*items: CatalogueItem, **rules: Any) -> Reading:
    return read_items(items, CatalogueRules.model_validate(rules))


def only(*items: CatalogueItem, **rules: Any) -> Wanted:
    reading = read(*items, **rules)
    (service,) = reading.services
    assert reading.left_out == ()
    return service


def why(name: str, **rules: Any) -> str:
    """Why an item was left out."""
    reading = read(item(name), **rules)
    assert reading.services == ()
    return reading.left_out[0].reason


def test_a_name_becomes_a_service_and_a_shape() -> None:
    service = only(item("Ceramic - Sedan full"), services=[FULL])
    assert (service.name, service.body_style, service.category) == ("Ceramic window tint", "sedan", "tint")
    assert (service.price_cents, service.duration_minutes, service.visit) == (45000, 150, "wait")
    assert service.not_included == "sales tax"


def test_without_rules_the_name_stays_and_the_shape_is_read() -> None:
    service = only(item("Window Tint - Full Sedan - Ceramic"))
    assert (service.name, service.body_style) == ("Window Tint - Full Sedan - Ceramic", "sedan")


def test_an_item_for_two_shapes_is_a_service_for_each() -> None:
    reading = read(item("Ceramic - Coupe/Sedans full", external_id="c1"), services=[FULL])
    assert {(one.external_id, one.body_style, one.price_cents) for one in reading.services} == {
        ("c1#coupe", "coupe", 45000),
        ("c1#sedan", "sedan", 45000),
    }


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("4 Door full", ["sedan"]),
        ("4 door truck full", ["truck"]),
        ("Minivan full", ["van"]),
        ("SUVs & Vans full", ["suv", "van"]),
        ("Crew Cab Pickup full", ["truck"]),
        ("Vanity mirror", [None]),
        ("Windshield", [None]),
    ],
)
def test_which_shapes_a_name_says(name: str, shapes: list[str | None]) -> None:
    assert [one.body_style for one in read(item(name)).services] == shapes


def test_labels_say_the_shape_when_the_name_does_not() -> None:
    assert only(item("Full ceramic", labels=("SUV",))).body_style == "suv"
    assert only(item("Full ceramic sedan", labels=("SUV",))).body_style == "sedan"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Tesla Model 3 full ceramic", "names a car"),
        ("F-150 ceramic", "names a car"),
        ("Motorcycle PPF", "motorcycle"),
        ("Exotic full ceramic", "exotic"),
    ],
)
def test_a_price_for_one_kind_of_car_is_not_told_to_all(name: str, reason: str) -> None:
    assert reason in why(name)


def test_words_that_only_look_like_cars_stay() -> None:
    for name in ("Mini Detail", "Express Wash", "Gold package, 3 windows", "Edge trim, 2500 grit"):
        assert only(item(name)).name == name
    assert only(item("Tesla Model 3 full ceramic"), car_names="ignore").body_style is None


def test_a_name_that_needs_a_film_needs_one() -> None:
    assert "no film" in why("Sedan full", services=[FULL])
    assert "carbon and ceramic" in why("Carbon/Ceramic Sedan full", services=[FULL])
    assert only(item("Sedan full", labels=("Ceramic",)), services=[FULL]).name == "Ceramic window tint"


def test_the_first_rule_that_fits_counts() -> None:
    rules = [
        {"match": "* removal *", "skip": True},
        {"match": "*", "labels": ["Detail"], "category": "detail", "visit": "drop_off", "minutes": 240},
        {"match": "ppf *", "quoted": False, "body_style": "any", "not_included": "paint correction"},
        {"match": "* strip", "body_style": "truck", "description": "One strip."},
    ]
    reading = read(
        item("Old film removal sedan"),
        item("Interior", labels=("detail",)),
        item("PPF sedan"),
        item("Sun strip"),
        services=rules,
    )
    detail, ppf, strip = reading.services
    assert reading.left_out[0].meant
    assert (detail.category, detail.visit, detail.duration_minutes) == ("detail", "drop_off", 240)
    assert (ppf.price_cents, ppf.body_style, ppf.not_included) == (None, None, "paint correction, sales tax")
    assert (strip.body_style, strip.description) == ("truck", "One strip.")


@pytest.mark.parametrize(
    "rules",
    [
        {"exclude_names": ["* tint *"]},
        {"include_names": ["detail *"]},
        {"include_labels": ["Detail"]},
        {"exclude_labels": ["tint"]},
        {"include_categories": ["detail"], "categories": {"tint": "tint"}},
        {"exclude_categories": ["TINT"], "categories": {"TINT": "tint"}},
        {"services": [{"skip": True}]},
    ],
)
def test_what_is_not_wanted_is_left_out_on_purpose(rules: dict[str, Any]) -> None:
    reading = read(item("Window tint sedan", labels=("Tint",)), **rules)
    assert reading.services == ()
    assert reading.left_out[0].meant


def test_what_cannot_be_booked_there_is_not_sold_here() -> None:
    assert read(item("Tint", bookable=False)).left_out[0].meant
    assert only(item("Tint", bookable=False), only_bookable=False).name == "Tint"


@pytest.mark.parametrize("cents", [None, 0, -5])
def test_what_has_no_price_gets_none(cents: int | None) -> None:
    assert only(item("Tint", cents)).price_cents is None


def test_prices_of_our_own_are_not_taken_over() -> None:
    service = only(item("Tint"), prices="ours")
    assert (service.price_cents, service.not_included) == (None, "")


def test_tax_is_left_out_of_a_price_and_said_so() -> None:
    assert only(item("Tint"), price="total").not_included == ""
    assert only(item("Tint"), tax_note="").not_included == ""


def test_minutes_come_from_labour_the_rule_or_the_default() -> None:
    assert only(item("Tint", minutes=None), default_minutes=45).duration_minutes == 45
    assert only(item("Tint", minutes=300), drop_off_minutes=300).visit == "drop_off"
    assert only(item("Tint", minutes=299), drop_off_minutes=300).visit == "wait"


def test_two_items_of_one_name_keep_their_own_names() -> None:
    """Both would be the ceramic tint of an SUV, at two prices."""
    reading = read(
        item("Ceramic - Small SUV full", 50000), item("Ceramic - Large SUV full", 60000), services=[FULL]
    )
    assert {(one.name, one.price_cents) for one in reading.services} == {
        ("Ceramic - Small SUV full", 50000),
        ("Ceramic - Large SUV full", 60000),
    }
    assert "ceramic window tint" in reading.doubts[0]


def test_two_items_that_nothing_tells_apart_are_not_quoted() -> None:
    reading = read(item("Tint sedan", 100, external_id="a"), item("Tint sedan", 200, external_id="b"))
    assert [one.price_cents for one in reading.services] == [None, None]
    assert "nobody is told a price" in reading.doubts[0]


def test_the_same_item_twice_is_sold_once() -> None:
    reading = read(item("Tint sedan", external_id="a"), item("tint Sedan", external_id="b"))
    assert [one.external_id for one in reading.services] == ["a"]
    assert [one.external_id for one in reading.left_out] == ["b"]


def test_braces_in_a_name_are_only_braces() -> None:
    service = only(item("Tint {film} {0}"), services=[{"name": "Our {item}"}])
    assert service.name == "Our Tint {film} {0}"
