"""Finding services in the words customers use, with the sample catalogue."""

from __future__ import annotations

import pytest

from crm.catalog import guess_body_style, rank_services, service_view
from crm.models import Service
from crm.sample import sample_services
from crm.vehicles import vehicle_in

SERVICES = [Service(id=number, **row) for number, row in enumerate(sample_services(), start=1)]


def found(query: str, body_style: str | None = None) -> list[str]:
    """Codes, best first, the way `search_services` asks for them."""
    meant, rest = vehicle_in(query)
    style = body_style or meant
    kept = [one for one in SERVICES if style is None or one.body_style in (None, style)]
    return [service.code for service in rank_services(kept, rest)]


FULL_SEDAN = ["tint-full-sedan-dyed", "tint-full-sedan-carbon", "tint-full-sedan-ceramic"]


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("full tint for my civic", FULL_SEDAN),
        ("Hi! how much to tint the whole car? It's a 2021 Honda Accord", FULL_SEDAN),
        ("windshield", ["tint-windshield-ceramic"]),
        ("ceramic windscreen on my Model 3", ["tint-windshield-ceramic"]),
        ("quote for ford ranger full ceramic tint", ["tint-full-truck-ceramic"]),
        ("two fronts on my f-150", ["tint-fronts-carbon", "tint-fronts-ceramic"]),
        ("remove old tint", ["tint-removal"]),
        ("clear bra", ["ppf-front", "ppf-full"]),
        ("ceramic coating", ["coating-ceramic"]),
        ("moonroof", ["tint-sunroof"]),
        ("the strip on top, sun strip", ["tint-sunstrip"]),
        ("oil change", []),
    ],
)
def test_customers_words(query: str, codes: list[str]) -> None:
    assert found(query) == codes


def test_ceramic_alone_finds_every_ceramic_service() -> None:
    codes = found("ceramic", "suv")
    assert "tint-full-suv-ceramic" in codes
    assert "coating-ceramic" in codes
    assert not any("carbon" in code for code in codes)


def test_a_body_style_keeps_services_for_every_vehicle() -> None:
    codes = found("", "truck")
    assert "tint-sunstrip" in codes
    assert "tint-full-truck-carbon" in codes
    assert not any("sedan" in code for code in codes)


def test_words_that_say_nothing_list_everything() -> None:
    assert len(found("how much would it cost me")) == len(SERVICES)


@pytest.mark.parametrize(
    ("make", "model", "style"),
    [
        ("Honda", "Civic", "sedan"),
        ("Honda", "Civic Hatchback", "hatchback"),
        ("Honda", "CR-V EX-L", "suv"),
        ("honda", "fit", "hatchback"),
        ("Ford", "F-150", "truck"),
        ("ford", "F150 XLT", "truck"),
        ("Chevy", "Silverado 1500", "truck"),
        ("Ram", "1500", "truck"),
        ("Tesla", "Model Y", "suv"),
        ("Lexus", "ES350", "sedan"),
        ("Mercedes", "C300", "sedan"),
        ("Range Rover", "Sport", "suv"),
        ("Toyota", "Sienna", "van"),
        ("Subaru", "Outback", "wagon"),
        (None, "crv", "suv"),
        ("Honda", None, None),
        ("Nobody", "Knows", None),
        (None, None, None),
    ],
)
def test_body_styles(make: str | None, model: str | None, style: str | None) -> None:
    assert guess_body_style(make, model) == style


@pytest.mark.parametrize(
    ("text", "style", "rest"),
    [
        ("does it fit my truck", "truck", "does it fit my"),
        ("tint my ram 1500", "truck", "tint my"),
        ("4 door pickup", "sedan", ""),
        ("just some edge cases", None, "just some edge cases"),
    ],
)
def test_the_car_in_a_sentence(text: str, style: str | None, rest: str) -> None:
    assert vehicle_in(text) == (style, rest)


def test_a_view_states_price_and_duration() -> None:
    view = service_view(next(one for one in SERVICES if one.code == "tint-full-sedan-ceramic"))
    assert view["price"] == "$449"
    assert view["price_cents"] == 44900
    assert view["duration"] == "2 h 30 min"


def test_a_service_without_a_price_has_none_in_its_view() -> None:
    view = service_view(next(one for one in SERVICES if one.code == "ppf-full"))
    assert view["price"] is None
    assert view["price_cents"] is None
