"""A deterministic brain that plays an ordinary booking conversation with three tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.standins.booking_words import choose, dislikes, is_first_time_words, join, label_of
from tests.standins.llm_view import Call, Step, View


@dataclass(frozen=True)
class BookingScript:
    """Callable as a script; decides from the request alone, so it needs no state.

    First message: find_services, then find_times, then the offered labels. A pick books the offer and the
    result's label is confirmed. It uses whatever keys the results hold and only known arguments.
    """

    find_services: str = "find_services"
    find_times: str = "find_times"
    book: str = "book"
    delay_s: float = 0.0
    thinking: str | None = None

    def __call__(self, view: View) -> Step:
        step = self._decide(view)
        return Step(text=step.text, calls=step.calls, delay_s=self.delay_s, thinking=self.thinking)

    def _decide(self, view: View) -> Step:
        booked = view.results(self.book)
        if booked:
            return self._after_booking(view, booked[-1].json())
        if times := view.results(self.find_times):
            return self._after_times(view, times[-1].json())
        if services := view.results(self.find_services):
            return self._after_services(view, services[-1].json())
        return self._opening(view)

    # The first step of a turn

    def _opening(self, view: View) -> Step:
        done = [
            label for item in view.results(self.book, since_user=False) if (label := label_of(item.json()))
        ]
        if done and not dislikes(view.last_user):
            return Step(text=f"You're all set for {done[-1]}. Anything else?")
        known = view.results(self.find_times, since_user=False)
        shown = _rows(view.records, "offers")
        offers = shown or (_rows(known[-1].json(), "offers", "times") if known else [])
        if offer := choose(offers, view.last_user):
            return self._call(view, self.book, _offer_args(offer)) or Step(text=_sentence(offers, []))
        search = {"query": view.last_user, "vehicle": None, "text": view.last_user}
        step = self._call(view, self.find_services, search)
        step = step or self._call(view, self.find_times, {"service_ids": []})
        return step or Step(text="Thanks for your message! What day works best for you?")

    # After a tool

    def _after_services(self, view: View, result: Any) -> Step:
        services = _rows(result, "services", "results")
        if not services:
            return Step(text="Could you tell me a little more about what you need?")
        ids = [service.get("service_id", service.get("id")) for service in services[:1]]
        when = view.last_user if is_first_time_words(view.last_user) else None
        args = {"service_ids": ids, "service_id": ids[0], "when": when}
        return self._call(view, self.find_times, args) or Step(text=_price_words(services))

    def _after_times(self, view: View, result: Any) -> Step:
        offers = _rows(result, "offers", "times")
        if not offers:
            return Step(text="I have no open time there. Which other day would suit you?")
        # A pick whose earlier offers are no longer in the request is matched against the fresh ones.
        spoke_before = any(item.role == "assistant" and item.text for item in view.before_user)
        offer = choose(offers, view.last_user) if spoke_before and not view.results(self.book) else None
        if offer and (step := self._call(view, self.book, _offer_args(offer))):
            return step
        services = [
            row for item in view.results(self.find_services) for row in _rows(item.json(), "services")
        ]
        return Step(text=_sentence(offers, services))

    def _after_booking(self, view: View, result: Any) -> Step:
        if label := label_of(result):
            return Step(text=f"You're booked for {label}. See you then!")
        offers = _rows(result, "offers", "times")
        later = [item for item in view.since_user if item.role == "tool"][-1]
        if self.find_times in later.name:
            offers = _rows(later.json(), "offers", "times")
        if offers:
            return Step(text="Sorry, that time is taken. " + _sentence(offers, []))
        if self.find_times not in later.name:
            again = self._call(view, self.find_times, self._last_times_args(view))
            if again:
                return again
        return Step(text="I could not book that just now. Someone from the shop will get back to you.")

    def _last_times_args(self, view: View) -> dict[str, Any]:
        calls = [call for item in view.items for call in item.calls if self.find_times in call[0]]
        return calls[-1][1] if calls else {"service_ids": []}

    def _call(self, view: View, name: str, args: dict[str, Any]) -> Step | None:
        tool = view.tool(name)
        if tool is None or not view.allow_tools:
            return None
        return Step(calls=[_fit(tool, args, view.tools[tool])])


def _fit(tool: str, args: dict[str, Any], schema: dict[str, Any]) -> Call:
    """Keep what the schema knows; other required arguments get a neutral value of their type."""
    known = schema.get("properties")
    if known is None:
        return tool, {name: value for name, value in args.items() if value is not None}
    kept = {name: value for name, value in args.items() if name in known and value is not None}
    for name in schema.get("required", []):
        kept.setdefault(name, _neutral(known.get(name, {})))
    return tool, kept


def _neutral(schema: dict[str, Any]) -> Any:
    kinds = schema.get("type") or [option.get("type") for option in schema.get("anyOf", [])]
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "null" in kinds:
        return None
    if "enum" in schema:
        return schema["enum"][0]
    empty = {"array": [], "object": {}, "boolean": False, "integer": 0, "number": 0}
    return empty.get(kinds[0] if kinds else "", "")


def _rows(result: Any, *names: str) -> list[dict[str, Any]]:
    if isinstance(result, list):
        return [row for row in result if isinstance(row, dict)]
    held = result if isinstance(result, dict) else {}
    found: list[Any] = next((held[name] for name in names if held.get(name)), [])
    return [row for row in found if isinstance(row, dict)]


def _offer_args(offer: dict[str, Any]) -> dict[str, Any]:
    return {"offer_id": offer.get("offer_id", offer.get("id"))}


def _price_words(services: list[dict[str, Any]]) -> str:
    known = [row for row in services[:1] if row.get("name") and row.get("price")]
    priced = [f"{row['name']} is {row['price']}" for row in known]
    return priced[0] + ". " if priced else ""


def _sentence(offers: list[dict[str, Any]], services: list[dict[str, Any]]) -> str:
    labels = [str(row.get("label") or row.get("when") or row.get("start") or "") for row in offers[:3]]
    return f"{_price_words(services)}I can offer {join(labels)}. Which one works for you?"
