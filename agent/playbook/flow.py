"""The way to a booking: wish and car -> price -> times; and the way to another time for an appointment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.playbook import phrases
from agent.playbook.choices import Service, ranks, read_services
from agent.playbook.intents import Intent
from agent.playbook.lines import either, line
from agent.playbook.offering import times
from agent.playbook.prices import (
    Found,
    by_name,
    car_name,
    group_of,
    missing_searches,
    other_cars,
    style_of,
)
from agent.playbook.reading import Reading
from agent.playbook.reply import Step, do, say
from agent.playbook.transcript import Situation
from agent.playbook.visits import ask_which_to_move, new_time, to_be_moved
from agent.playbook.wishes import Wish

_LISTED = 4
_TIME_WORDS = (Intent.OTHER_TIMES, Intent.REFUSES, Intent.BOOK)


def towards_booking(s: Situation, r: Reading) -> Step:
    """The next step for a customer who wants a price or a time. One question at a time, the car first."""
    again = _same_services(s, r)
    if not again and (question := _missing_fact(s, r)):
        return say(question)
    wanted = tuple(wish.wide for wish in r.wishes) if ranks(s.said) and not r.mention else r.wishes
    wishes = tuple(Wish(name) for name in again) or wanted
    style = None if again else style_of(r.vehicle)
    cars = () if again else other_cars(s, r)
    searches = [(wish, one) for one in (style, *(style_of(car) for car in cars)) for wish in wishes]
    if (search := missing_searches(s, searches)) is not None:
        return search
    if s.good("find_services") is None:
        return phrases.cannot_look_up(s.facts)
    found = Found(tuple(group_of(s, r, wish, style) for wish in wishes))
    if not all(found.groups):
        return _nothing_found(s)
    if (services := found.settled) is None:
        return _ask_which(s, r, found)
    if any(service.price is None for service in services) and not again:
        return _unpriced(r, services)
    told = again or phrases.ASKED_DAY_MEANT.search(s.asked)
    priced = not told or r.has(Intent.PRICE, Intent.DURATION)
    return times(s, r, services, wishes, priced=priced)


def _missing_fact(s: Situation, r: Reading) -> str:
    """The one question that has to be answered before anything can be looked up, or ""."""
    speaks = s.facts.speaks
    if not r.vehicle:
        return line("ask_vehicle", speaks)
    if not r.wishes:
        return line("ask_service", speaks)
    if r.vehicle.make and not r.vehicle.model and not r.vehicle.body_style:
        return line("ask_model", speaks, make=r.vehicle.make)
    return ""


def towards_move(s: Situation, r: Reading) -> Step:
    """Other times for the appointment that is meant, with its own services."""
    appointment = to_be_moved(s)
    if appointment is None:
        return ask_which_to_move(s)
    wishes = tuple(Wish(name) for name in appointment.services)
    note = f"The customer wants to move the appointment on {appointment.label}."
    if not wishes:
        return do("hand_off", reason="cannot_answer", note=note)
    if (search := missing_searches(s, [(wish, None) for wish in wishes])) is not None:
        return search
    if s.good("find_services") is None:
        return phrases.cannot_look_up(s.facts)
    services = tuple(service for wish in wishes if (service := by_name(s, wish.base)) is not None)
    if len(services) < len(wishes):
        return do("hand_off", reason="cannot_answer", note=note)
    r = replace(r, when=new_time(r.when, appointment), when_open=new_time(r.when_open, appointment))
    return times(s, r, services, wishes, priced=False, moving=appointment)


def list_services(s: Situation) -> Step:
    """What the shop does, as the catalogue names it."""
    if not s.results("find_services"):
        return do("find_services", query="")
    done = s.good("find_services")
    if done is None or not (found := read_services(done.data)):
        return phrases.cannot_look_up(s.facts)
    names = list(dict.fromkeys(service.category or service.name for service in found))
    some = list(dict.fromkeys(service.name for service in found))
    return say(_we_do(s, names if len(names) > 2 else some), line("ask_service", s.facts.speaks))


def _we_do(s: Situation, names: Sequence[str]) -> str:
    return line("services", s.facts.speaks, names=either(list(names)[:6], s.facts.speaks, "and"))


def _same_services(s: Situation, r: Reading) -> tuple[str, ...]:
    """Names of the services of the shown times, when the text only speaks of other times for them."""
    if r.mention or r.new_vehicle or ranks(s.said) or not s.facts.offers or not s.facts.offers[0].services:
        return ()
    about_times = r.when or r.when.doubt or r.has(*_TIME_WORDS) or phrases.ASKED_DAY_MEANT.search(s.asked)
    return s.facts.offers[0].services if about_times else ()


def _nothing_found(s: Situation) -> Step:
    """The wish is not in the catalogue: say what is."""
    if not any(done.arguments.get("query") == "" for done in s.results("find_services")):
        return do("find_services", query="")
    listed = read_services(s.results("find_services")[-1].data)
    names = list(dict.fromkeys(service.category or service.name for service in listed))
    if not names:
        return do(
            "hand_off",
            reason="cannot_answer",
            note="The customer asks for a service the catalogue does not hold.",
        )
    speaks = s.facts.speaks
    return say(f"{line('not_listed', speaks)} {_we_do(s, names)}", line("ask_service", speaks))


def _ask_which(s: Situation, r: Reading, found: Found) -> Step:
    speaks = s.facts.speaks
    group = next(group for group in found.groups if len(group) > 1)
    styles = {service.body_style for service in group} - {None}
    if len(styles) > 1 and style_of(r.vehicle) is None:
        return say(line("ask_style", speaks))
    priced = [service for service in group if service.price] or list(group)
    rows = "; ".join(
        f"{x.name}: {x.price}" if x.price else line("by_person", speaks, name=x.name)
        for x in priced[:_LISTED]
    )
    more = line("more", speaks) if len(priced) > _LISTED else ""
    car = car_name(r.vehicle)
    shown = line("for_car", speaks, car=car, rows=f"{rows}.") if car else f"{rows}."
    return say(shown, line("ask_which", speaks), extras=(more,))


def _unpriced(r: Reading, services: Sequence[Service]) -> Step:
    names = either([service.name for service in services if service.price is None], "en", "and")
    return do(
        "hand_off",
        reason="price_question",
        note=f"Quote wanted: {names}. Vehicle: {car_name(r.vehicle) or 'not known'}."[:500],
    )
