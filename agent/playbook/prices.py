"""Services and their prices: which ones the wishes mean, on one car or several, and how a price is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.playbook.choices import Service, candidates, choose, read_services
from agent.playbook.lines import either, line
from agent.playbook.reading import Reading
from agent.playbook.reply import Do, Say
from agent.playbook.transcript import Situation
from agent.playbook.vehicles import Vehicle, read_vehicles
from agent.playbook.wishes import Wish

STYLES = frozenset({"coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"})
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """Candidates of every wish, in order."""

    groups: tuple[tuple[Service, ...], ...]

    @property
    def settled(self) -> tuple[Service, ...] | None:
        """One service per wish, or None while a wish fits several."""
        if all(len(group) == 1 for group in self.groups):
            return tuple(group[0] for group in self.groups)
        return None


def style_of(car: Vehicle) -> str | None:
    """The body style that prices depend on, when it is one the catalogue knows."""
    return car.body_style if car.body_style in STYLES else None


def car_name(car: Vehicle) -> str:
    """What we call a car, "" when nothing is known of it."""
    return car.name or car.body_style or ""


def other_cars(s: Situation, r: Reading) -> tuple[Vehicle, ...]:
    """Further cars with a known body style that the customer asks about, in this text or in the one before it."""
    cars = r.more_vehicles
    if not cars and r.new_vehicle is None and s.earlier:
        cars = read_vehicles(s.earlier[-1])[1:]
    return tuple(car for car in cars if style_of(car))


def missing_searches(s: Situation, wanted: Sequence[tuple[Wish, str | None]]) -> Do | None:
    """The searches of the catalogue that were not made yet in this turn, or None."""
    asked = {
        (str(one.arguments.get("query", "")), one.arguments.get("body_style"))
        for one in s.results("find_services")
    }
    missing = [(wish.query[:500], style) for wish, style in wanted if (wish.query[:500], style) not in asked]
    calls: list[Call] = [
        ("find_services", {"query": query, **({"body_style": style} if style else {})})
        for query, style in dict.fromkeys(missing)
    ]
    return Do(tuple(calls)) if calls else None


def services_for(s: Situation, query: str, style: str | None = None) -> tuple[Service, ...]:
    """What a search of this turn found."""
    for done in s.results("find_services"):
        arguments = done.arguments
        if done.failed or str(arguments.get("query", "")) != query[:500]:
            continue
        if style is None or arguments.get("body_style") == style:
            return read_services(done.data)
    return ()


def by_name(s: Situation, name: str) -> Service | None:
    """The service that is called exactly so."""
    found = services_for(s, name)
    return next((service for service in found if service.name.casefold() == name.casefold()), None)


def group_of(s: Situation, r: Reading, wish: Wish, style: str | None) -> tuple[Service, ...]:
    """The services one wish may mean; one when the customer or our own last words settle it."""
    if (named := by_name(s, wish.base)) is not None:
        return (named,)
    among = candidates(wish, services_for(s, wish.query, style), style)
    if len(among) > 1 and (picked := choose(s.said, among, s.asked)) is not None:
        return (picked,)
    if len(among) > 1 and not r.mention and (told := _told(s, among)) is not None:
        return (told,)
    return among


def _told(s: Situation, among: Sequence[Service]) -> Service | None:
    """The one of several services that we spoke of last."""
    for text in reversed(s.told):
        named = [service for service in among if service.name in text]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def quote_call(s: Situation, r: Reading, services: Sequence[Service]) -> tuple[Call, ...]:
    """The call that adds up several services, which nothing but the catalogue's own tool may do."""
    if len(services) < 2 or "quote" not in s.tools or s.results("quote"):
        return ()
    arguments: dict[str, Any] = {"service_ids": [service.id for service in services]}
    if style := style_of(r.vehicle):
        arguments["body_style"] = style
    return (("quote", arguments),)


def quote(s: Situation, r: Reading, services: Sequence[Service], wishes: Sequence[Wish]) -> Say:
    """The prices exactly as the tools gave them, the time they take, and what they do not include when there is room."""
    speaks = s.facts.speaks
    done = s.good("quote")
    data = done.data if done else {}
    rows = _rows(services, speaks)
    if isinstance(total := data.get("total"), str) and len(services) > 1:
        rows = line("total", speaks, rows=rows, total=total)
    else:
        rows = f"{rows}."
    car = car_name(r.vehicle)
    sentences = [line("for_car", speaks, car=car, rows=rows) if car else rows]
    for other in other_cars(s, r):
        if fitting := _alike(s, other, services, wishes):
            sentences.append(line("for_car", speaks, car=car_name(other), rows=f"{_rows(fitting, speaks)}."))
    single = services[0] if len(services) == 1 else None
    duration = single.duration if single else str(data.get("duration") or "")
    takes = line("takes", speaks, duration=duration) if duration and len(sentences) == 1 else ""
    without = line("without", speaks, what=single.not_included) if single and single.not_included else ""
    return Say(tuple(sentences), tuple(filter(None, (takes, without))))


def _rows(services: Sequence[Service], speaks: str) -> str:
    rows = [line("price", speaks, name=one.name, price=one.price or "") for one in services]
    return either(rows, speaks, "and")


def _alike(
    s: Situation, car: Vehicle, services: Sequence[Service], wishes: Sequence[Wish]
) -> tuple[Service, ...]:
    """The same services for another car; () when one of them is not listed with a price for it."""
    style = style_of(car)
    found: list[Service] = []
    for wish, service in zip(wishes, services, strict=True):
        among = [one for one in candidates(wish, services_for(s, wish.query, style), style) if one.price]
        best = max((len(one.stems & service.stems) for one in among), default=0)
        closest = [one for one in among if len(one.stems & service.stems) == best]
        if len(closest) != 1:
            return ()
        found.append(closest[0])
    return tuple(found)
