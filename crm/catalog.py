"""The catalogue: finding services in a customer's words, and showing them without inventing anything."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml
from sqlalchemy.orm import Session

from crm.calendar.job import minutes_of
from crm.calendar.labels import duration_label
from crm.catalogue_cache import read_catalogue
from crm.models import Service
from crm.money import dollars
from crm.vehicles import guess_body_style, vehicle_in

__all__ = ["guess_body_style", "rank_services", "search_services", "service_view", "services_by_id"]


CLOSE_ENOUGH = 0.7
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True)
class _Words:
    phrases: tuple[tuple[str, str], ...]
    ignored: frozenset[str]


def search_services(s: Session, location_id: int, query: str, body_style: str | None) -> list[Service]:
    """Active services that suit the customer's words, best first; all of them when the words name none.

    `body_style` None means: take the one meant in the words, if any. Services for any vehicle always stay.
    Empty when the words name something the shop does not sell. Services are copies for reading (crm.catalogue_cache).
    """
    style_in_words, rest = vehicle_in(query)
    style = body_style or style_in_words
    sold = read_catalogue(s, location_id)
    fitting = [one for one in sold if style is None or one.body_style in (None, style)]
    return rank_services(fitting, rest)


def rank_services(services: Sequence[Service], query: str) -> list[Service]:
    """`services` that share enough words with `query`, best first; a rare word tells more than a common one.

    A service is kept when it reaches CLOSE_ENOUGH of the best score: "full tint" is no "full protection".
    """
    asked = set(_terms(query))
    if not asked:
        return list(services)
    texts = {service.id: set(_terms(f"{service.name} {service.category}")) for service in services}
    seen = Counter(word for words in texts.values() for word in words)
    weight = {word: math.log(1 + len(services) / seen[word]) for word in asked if seen[word]}
    score = {
        service.id: sum(weight.get(word, 0.0) for word in asked & texts[service.id]) for service in services
    }
    best = max(score.values(), default=0.0)
    kept = [service for service in services if best and score[service.id] >= best * CLOSE_ENOUGH]
    return sorted(kept, key=lambda service: -score[service.id])


def services_by_id(s: Session, location_id: int, service_ids: Sequence[int]) -> list[Service]:
    """The active services with these ids at this location, in the order asked, each once.

    An id that is not sold here is left out; the caller compares lengths when that matters.
    """
    wanted = list(dict.fromkeys(service_ids))
    found = {service.id: service for service in read_catalogue(s, location_id)}
    return [found[service_id] for service_id in wanted if service_id in found]


def service_view(service: Service, body_style: str | None = None) -> dict[str, Any]:
    """A service as a model or a person sees it, on a vehicle of this shape. `price` is None when it has to be quoted by a
    person; `visit` is there when the car has to be left."""
    minutes = minutes_of(service, body_style)
    view = {
        "service_id": service.id,
        "code": service.code,
        "name": service.name,
        "category": service.category,
        "body_style": service.body_style,
        "price": None if service.price_cents is None else dollars(service.price_cents),
        "price_cents": service.price_cents,
        "duration": duration_label(minutes),
        "duration_minutes": minutes,
        "description": service.description,
        "not_included": service.not_included,
    }
    return {**view, "visit": "drop_off"} if service.visit == "drop_off" else view


def _terms(text: str) -> list[str]:
    words = _words()
    plain = f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "
    for phrase, word in words.phrases:
        plain = plain.replace(f" {phrase} ", f" {word} ")
    return [word for word in plain.split() if word not in words.ignored and not _YEAR.fullmatch(word)]


@cache
def _words() -> _Words:
    raw = yaml.safe_load(resources.files("crm").joinpath("search_words.yaml").read_text(encoding="utf-8"))
    phrases = sorted(raw["phrases"].items(), key=lambda pair: (-len(pair[0]), pair[0]))
    return _Words(phrases=tuple(phrases), ignored=frozenset(raw["ignored"]))
