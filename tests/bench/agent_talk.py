"""The conversation that the agent's benchmarks have: twelve messages that end in a booking, and the model that plays it.

The model is a function of the request, so that the same words drive a model in this process and both vendors' stand-ins.
It looks everything up again in each turn, as a good model has to: results of earlier turns are no longer in its prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.models.base import (
    AssistantStep,
    Item,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolResults,
    Usage,
    UserText,
)
from tests.standins.llm_view import Call, Said, Step, View

SERVICE = "tint-full-sedan-ceramic"
PRICE = "Hi, how much is ceramic tint for my 2019 Honda Civic sedan?"
COVERS = "Does that include the windshield? And how long does it take?"
TUESDAY = "OK. Do you have anything on Tuesday afternoon?"
WEDNESDAY = "Hmm, and what about Wednesday morning?"
BOOK = "The first one works, please book it."
WHERE = "Great, thanks! Where are you exactly?"
# Six customer messages and six answers; beside each how many requests a model needs for it.
CONVERSATION = ((PRICE, 2), (COVERS, 2), (TUESDAY, 3), (WEDNESDAY, 3), (BOOK, 2), (WHERE, 1))
# What a model at low effort thinks before it says anything: about 50 tokens. No vendor says how many it will be.
THINKING = (
    "The customer wants something the records alone do not tell. I look it up with the tool, say exactly what it"
    " returned, and keep the answer to one short text."
)


def talk(view: View) -> Step:
    """The model's answer to a request of this conversation. Raises KeyError for words that are not in it."""
    return _ANSWERS[view.last_user.strip()](view)


def _price(view: View) -> Step:
    if not view.results("find_services"):
        car = {"vehicle_year": 2019, "vehicle_make": "Honda", "vehicle_model": "Civic", "body_style": "sedan"}
        return _calls(("update_lead", car), _search())
    service = _service(view)
    shop = view.system.partition("# The shop")[2].strip().splitlines()[0].removeprefix("Name: ").strip()
    return _says(
        f"Hi! This is the automated assistant of {shop}. {service['name']} is {service['price']}: all side"
        " windows and the rear window. Is there old film on the glass now? Reply STOP to opt out"
    )


def _covers(view: View) -> Step:
    if not view.results("find_services"):
        return _calls(_search())
    service = _service(view)
    return _says(
        f"It does not include {service['not_included'].split(', ')[0]}. The work takes {service['duration']}."
        " Which day would suit you?"
    )


def _times(day: str, **hours: str) -> Callable[[View], Step]:
    def answer(view: View) -> Step:
        if not view.results("find_services"):
            return _calls(_search())
        if not view.results("find_times"):
            wish = {"service_ids": [_service(view)["service_id"]], "from_date": day, "to_date": day, **hours}
            return _calls(("find_times", wish))
        labels = [offer["label"] for offer in view.results("find_times")[-1].json()["offers"]]
        return _says(f"I can offer you {', '.join(labels[:-1])} or {labels[-1]}. Which one works for you?")

    return answer


def _book(view: View) -> Step:
    booked = view.results("book")
    if not booked:
        return _calls(("book", {"offer_id": view.records["offers"][0]["offer_id"]}))
    return _says(f"You're booked for {booked[-1].json()['appointment']['label']}. See you then!")


def _where(view: View) -> Step:
    return _says("We are at 2200 N Lake Shore Service Rd, Chicago, IL. See you soon!")


_ANSWERS: dict[str, Callable[[View], Step]] = {
    PRICE: _price,
    COVERS: _covers,
    TUESDAY: _times("2026-11-24", after="12:00"),
    WEDNESDAY: _times("2026-11-25", before="12:00"),
    BOOK: _book,
    WHERE: _where,
}


def _calls(*calls: Call) -> Step:
    return Step(calls=calls, thinking=THINKING)


def _says(text: str) -> Step:
    return Step(text=text, thinking=THINKING)


def _search() -> Call:
    return "find_services", {"query": "full car ceramic tint", "body_style": "sedan"}


def _service(view: View) -> dict[str, Any]:
    found = view.results("find_services")[-1].json()["services"]
    return next(service for service in found if service["code"] == SERVICE)


class InstantModel:
    """A model in this process that answers with a brain at once: what is left of a turn's time is ours."""

    # The names of a vendor, so that its breaker is asked and its prices are looked up.
    provider, model = "claude", "claude-haiku-5-5"

    def __init__(self, brain: Callable[[View], Step] = talk) -> None:
        self._brain = brain
        self._made = 0

    def answer(self, request: ModelRequest) -> ModelReply:
        """The brain's answer as a reply."""
        system = "\n".join(request.system)
        items = tuple(said for item in request.items for said in _said(item))
        step = self._brain(View("none", self.model, system, {}, items, request.allow_tools))
        calls = tuple(ToolCall(self._id(), name, arguments) for name, arguments in step.calls)
        stop = StopReason.TOOLS if calls else StopReason.END
        said = AssistantStep(step.text, calls, self.provider, self.model)
        return ModelReply(said, stop, Usage(3_000, 0, 0, 100), self.model)

    def _id(self) -> str:
        self._made += 1
        return f"call-{self._made}"


def _said(item: Item) -> list[Said]:
    if isinstance(item, UserText):
        return [Said("user", item.text)]
    if isinstance(item, ToolResults):
        return [Said("tool", one.text, name=one.name, is_error=one.is_error) for one in item.results]
    calls = tuple((call.name, call.arguments or {}) for call in item.calls)
    return [Said("assistant", item.text, calls)]
