"""The two shapes of an installation as tenant files: one business with many locations, many businesses with one."""

from __future__ import annotations

from typing import Any, Literal

import yaml

from crm.sample import sample_services

Shape = Literal["locations", "tenants"]
CRM = {"connector": "shopmonkey", "api_key": "env:SCALE_CRM_KEY"}
# Numbers that nobody has: 555-01xx is kept free for fiction, and two hundred need more than a hundred of one area.
AREAS = ("312", "773", "847", "630", "708", "815", "217", "309", "618", "779")


def tenant_file(shape: Shape, many: int) -> str:
    """The YAML of an installation with `many` locations."""
    places = [_location(number) for number in range(many)]
    if shape == "locations":
        whole: dict[str, Any] = {
            "slug": "big",
            "name": "Big Tint",
            "staff": [_person(0)],
            "crm": CRM,
            "defaults": _defaults(),
            "locations": places,
        }
    else:
        whole = {
            "defaults": _defaults(),
            "tenants": [
                {
                    "slug": f"shop-{number:03}",
                    "name": f"Shop {number}",
                    "crm": CRM,
                    "staff": [_person(number)],
                    "locations": [place],
                }
                for number, place in enumerate(places)
            ],
        }
    return yaml.safe_dump(whole, sort_keys=False, width=120)


def phone(number: int) -> str:
    """The number of a location: a valid one of its own, up to 10 x 100 of them."""
    return f"+1{AREAS[number // 100 % len(AREAS)]}55501{number % 100:02}"


def _location(number: int) -> dict[str, Any]:
    return {
        "slug": f"loc-{number:03}",
        "name": f"Big Tint, street {number}",
        "phone": phone(number),
        "mailbox": f"loc-{number:03}@mail.big.example",
        "address": {"street": f"{number + 1} Main Street", "postal_code": f"{60000 + number}"},
        "crm_location": f"crm-{number:03}",
    }


def _person(number: int) -> dict[str, Any]:
    return {"name": "Robin", "email": f"robin-{number}@big.example"}


def _defaults() -> dict[str, Any]:
    return {
        "timezone": "America/Chicago",
        "address": {"city": "Chicago", "state": "IL"},
        "hours": {"mon-fri": "9:00-18:00", "sat": "9:00-14:00"},
        "holidays": {"country": "US", "subdivision": "IL"},
        "bays": {"Bay 1": {}, "Bay 2": {}},
        "services": {row["code"]: _service(row) for row in sample_services()},
    }


def _service(row: dict[str, Any]) -> dict[str, Any]:
    cents = row["price_cents"]
    kept = {key: row[key] for key in ("name", "category", "body_style", "description", "not_included")}
    price = None if cents is None else f"{cents // 100}.{cents % 100:02}"
    return {**kept, "price": price, "minutes": row["duration_minutes"], "visit": row.get("visit", "wait")}
