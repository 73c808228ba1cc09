"""The way to a booking: wish and car -> price -> times; and the way to another time for an appointment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.playbook import phrases
from agent.playbook.choices import Service, candidates, choose, ranks, read_services
from agent.playbook.facts import Slot, read_slots
from agent.playbook.intents import Intent
from agent.playbook.reading import Reading
from agent.playbook.reply import Do, Say, Step, do, say
from agent.playbook.text import listing
from agent.playbook.transcript import Situation
from agent.playbook.wishes import Wish

_STYLES = frozenset({"coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"})
_LISTED = 4
_TIME_WORDS = (Intent.OTHER_TIMES, Intent.REFUSES, Intent.BOOK)


@dataclass(frozen=True)
class _Found:
    """Candidates of every wish, in order."""

    groups: tuple[tuple[Service, ...], ...]

    @property
    def settled(self) -> tuple[Service, ...] | None:
        """One service per wish, or None while a wish fits several."""
        return (
            tuple(group[0] for group in self.groups)
            if all(len(group) == 1 for group in self.groups)
            else None
        )


def towards_booking(s: Situation, r: Reading) -> Step:
    """The next step for a customer who wants a price or a time. One question at a time, the car first."""
    again = _same_services(s, r)
    if not r.vehicle and not again:
        return say(phrases.ASK_VEHICLE)
    if not r.wishes and not again:
        return say(phrases.ASK_SERVICE)
    if not again and r.vehicle.make and not r.vehicle.model and not r.vehicle.body_style:
        return phrases.ask_model(r.vehicle.make)
    wanted = tuple(wish.wide for wish in r.wishes) if ranks(s.said) and not r.mention else r.wishes
    wishes = tuple(Wish(name) for name in again) or wanted
    style = None if again else _style(r)
    if (search := _missing_searches(s, wishes, style)) is not None:
        return search
    found = _Found(tuple(_group(s, r, wish, style) for wish in wishes))
    if not all(found.groups):
        return _nothing_found(s)
    if (services := found.settled) is None:
        return _ask_which(s, r, found)
    if any(service.price is None for service in services) and not again:
        return _unpriced(s, r, services)
    return _times(s, r, services, quote=not again or r.has(Intent.PRICE, Intent.DURATION))


def towards_move(s: Situation, r: Reading) -> Step:
    """Other times for the next appointment, with its own services."""
    appointment = s.facts.appointments[0]
    wishes = tuple(Wish(name) for name in appointment.services)
    if not wishes:
        return do(
            "hand_off",
            reason="cannot_answer",
            note="The customer wants to move an appointment without services.",
        )
    if (search := _missing_searches(s, wishes, None)) is not None:
        return search
    services = tuple(_by_name(s, wish.base) for wish in wishes)
    known = tuple(service for service in services if service is not None)
    if len(known) < len(services):
        return do(
            "hand_off",
            reason="cannot_answer",
            note=f"The customer wants to move the appointment on {appointment.label}.",
        )
    return _times(s, r, known, quote=False, moving=appointment)


def list_services(s: Situation) -> Step:
    """What the shop does, as the catalogue names it."""
    if not s.results("find_services"):
        return do("find_services", query="")
    done = s.good("find_services")
    if done is None or not (found := read_services(done.data)):
        return phrases.cannot_look_up(s.facts)
    names = list(dict.fromkeys(service.category or service.name for service in found))
    some = list(dict.fromkeys(service.name for service in found))
    shown = names if len(names) > 2 else some
    return say(f"We do {listing(shown[:6], 'and')}.", phrases.ASK_SERVICE)


def _style(r: Reading) -> str | None:
    return r.vehicle.body_style if r.vehicle.body_style in _STYLES else None


def _same_services(s: Situation, r: Reading) -> tuple[str, ...]:
    """Names of the services of the shown times, when the text only speaks of other times for them."""
    if r.mention or r.new_vehicle or ranks(s.said) or not s.facts.offers or not s.facts.offers[0].services:
        return ()
    return s.facts.offers[0].services if r.when or r.has(*_TIME_WORDS) else ()


def _missing_searches(s: Situation, wishes: Sequence[Wish], style: str | None) -> Step | None:
    asked = {str(done.arguments.get("query", "")) for done in s.results("find_services")}
    missing = [wish for wish in wishes if wish.query[:500] not in asked]
    if missing:
        more = {"body_style": style} if style else {}
        return Do(tuple(("find_services", {"query": wish.query[:500], **more}) for wish in missing))
    return None if s.good("find_services") else phrases.cannot_look_up(s.facts)


def _services_for(s: Situation, query: str) -> tuple[Service, ...]:
    for done in s.results("find_services"):
        if not done.failed and str(done.arguments.get("query", "")) == query[:500]:
            return read_services(done.data)
    return ()


def _by_name(s: Situation, name: str) -> Service | None:
    return next(
        (service for service in _services_for(s, name) if service.name.casefold() == name.casefold()), None
    )


def _group(s: Situation, r: Reading, wish: Wish, style: str | None) -> tuple[Service, ...]:
    if (named := _by_name(s, wish.base)) is not None:
        return (named,)
    among = candidates(wish, _services_for(s, wish.query), style)
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
    return say(f"I do not see that in our list. We do {listing(names[:6], 'and')}.", phrases.ASK_SERVICE)


def _ask_which(s: Situation, r: Reading, found: _Found) -> Step:
    group = next(group for group in found.groups if len(group) > 1)
    styles = {service.body_style for service in group} - {None}
    if len(styles) > 1 and _style(r) is None:
        return say(phrases.ASK_STYLE)
    priced = [service for service in group if service.price] or list(group)
    rows = "; ".join(
        f"{x.name}: {x.price}" if x.price else f"{x.name} (a person has to quote it)"
        for x in priced[:_LISTED]
    )
    more = "There are more." if len(priced) > _LISTED else ""
    return say(f"For your {_car(r)}: {rows}." if _car(r) else f"{rows}.", phrases.ASK_WHICH, extras=(more,))


def _car(r: Reading) -> str:
    return r.vehicle.name or r.vehicle.body_style or ""


def _unpriced(s: Situation, r: Reading, services: Sequence[Service]) -> Step:
    names = listing([service.name for service in services if service.price is None], "and")
    return do(
        "hand_off",
        reason="price_question",
        note=f"Quote wanted: {names}. Vehicle: {_car(r) or 'not known'}."[:500],
    )


def _times(
    s: Situation, r: Reading, services: Sequence[Service], *, quote: bool, moving: Slot | None = None
) -> Step:
    ids = [service.id for service in services]
    if not s.results("find_times"):
        return do("find_times", service_ids=ids, **_wanted(s, r))
    done = s.results("find_times")[-1]
    price = _quote(r, services) if quote else say()
    if done.failed:
        return Say((*price.parts, "I cannot see the calendar right now.", phrases.ASK_DAY), price.extras)
    slots = read_slots(done.data.get("offers"), "offer_id")
    if not slots:
        note = "No open time was found for " + listing([service.name for service in services], "and") + "."
        return do("hand_off", reason="cannot_answer", note=note[:500])
    return Say((*price.parts, *_offered(s, r, slots, str(done.data.get("note") or ""), moving)), price.extras)


def _wanted(s: Situation, r: Reading) -> dict[str, Any]:
    """Days and times to look for. A time of day alone belongs to the one day we just spoke of."""
    if r.has(Intent.OTHER_TIMES) and not r.when:
        return _later(s, r)
    wanted = r.when_open.arguments(s.facts.now.date())
    days = {slot.day for slot in s.facts.offers if slot.day and slot.label in s.asked}
    if r.when.clock and not r.when.days and not r.when.excluded and len(days) == 1:
        day = next(iter(days)).isoformat()
        return {**wanted, "from_date": day, "to_date": day}
    return wanted


def _offered(
    s: Situation, r: Reading, slots: Sequence[Slot], note: str, moving: Slot | None
) -> tuple[str, ...]:
    """The times, with an honest word when they are not what was asked for."""
    missed = "I have nothing open exactly then." if note and r.when_open else ""
    exact = [slot for slot in slots if r.when_open.at and slot.start == r.when_open.at]
    shown = exact or slots
    if moving is not None:
        return tuple(filter(None, (missed, phrases.move_times(moving, shown))))
    return tuple(
        filter(
            None,
            (missed, phrases.offer_times(shown, lead_in="The nearest I have is" if missed else "I have")),
        )
    )


def _later(s: Situation, r: Reading) -> dict[str, str]:
    """Other times than the shown ones: those after them, or on the same days when earlier ones are wanted."""
    days = [slot.day for slot in s.facts.offers if slot.day]
    if not days or "earlier" in s.said.lower() or "sooner" in s.said.lower():
        return {}
    return {"from_date": max(days).fromordinal(max(days).toordinal() + 1).isoformat()}


def _quote(r: Reading, services: Sequence[Service]) -> Say:
    """The price exactly as the tool gave it, the time it takes, and what it does not include when there is room."""
    rows = listing([f"{service.name} is {service.price}" for service in services], "and")
    car = f"For your {_car(r)}: " if _car(r) else ""
    one = services[0] if len(services) == 1 else None
    takes = f"It takes about {one.duration}." if one and one.duration else ""
    without = f"Not included: {one.not_included}." if one and one.not_included else ""
    return Say((f"{car}{rows}.",), tuple(filter(None, (takes, without))))
