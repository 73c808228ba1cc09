"""Every way a model is known to fail (LLM facts 1.6, 2.6, 4.2), and the stand-ins failing in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.standins.anthropic import AnthropicStandIn
from tests.standins.llm_view import Step, View
from tests.standins.openai import OpenAIStandIn

Vendor = AnthropicStandIn | OpenAIStandIn
PRICE = {"query": "full ceramic tint 2021 Honda Civic sedan"}
ORPHAN = "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_01x"


@dataclass(frozen=True)
class Way:
    """One way to fail: a fault of the stand-in, or a `step` said in place of the honest one. It lasts until the end.

    `only` names the one vendor that fails so; `untrue` are words that may not leave, whoever says them.
    """

    name: str
    kind: str | int = ""
    options: dict[str, Any] = field(default_factory=dict)
    step: Step | None = None
    only: str = ""
    hangs: bool = False
    untrue: bool = False


def _fault(name: str, kind: str | int, only: str = "", hangs: bool = False, **options: Any) -> Way:
    return Way(name, kind, options, only=only, hangs=hangs)


def _says(name: str, step: Step, *, untrue: bool = False, only: str = "") -> Way:
    return Way(name, step=step, untrue=untrue, only=only)


def _calls(*calls: tuple[str, Any], raw: str | None = None) -> Step:
    return Step(calls=list(calls), raw_calls={calls[0][0]: raw} if raw is not None else {})


WAYS = (
    _fault("429, Retry-After 1 hour", "retry_after", seconds=3600),
    _fault("429, Retry-After 1 second", "retry_after", seconds=1),
    _fault("529 or 503, overloaded", "overloaded"),
    _fault("500", 500),
    _fault("502, a proxy's page", "html", status=502),
    _fault("401, key refused", "auth"),
    _fault("402, no credit", 402, only="claude"),
    _fault("429, spend limit", "spend_limit", only="claude"),
    _fault("429, no quota", "quota", only="openai"),
    _fault("403, a firewall's page", "html", status=403),
    _fault("404, model unknown", 404),
    _fault("400, orphan tool result", 400, message=ORPHAN),
    _fault("400, prompt too long", 400, message="prompt is too long: 210000 tokens > 200000 maximum"),
    _fault("413, request too large", 413),
    _fault("200, error inside", "error_in_200"),
    _fault("200, status failed", "failed", only="openai"),
    _fault("200, HTML body", "html_200"),
    _fault("200, broken JSON", "broken_json"),
    _fault("connection dropped", "drop_connection"),
    _fault("answer lost", "accept_then_drop"),
    _fault("connection hangs", "hang", hangs=True),
    _fault("answer hangs", "accept_then_hang", hangs=True),
    _fault("tool call cut", "cut_tool_call", tool="find_services", args=PRICE),
    _fault("text cut", "cut_text"),
    _fault("empty answer", "empty"),
    _fault("blank answer", "blank"),
    _fault("only thinking", "thinking_only"),
    _fault("refusal", "refusal"),
    _fault("refusal with words", "refusal", text="I can't help with tinting cars."),
    _fault("unknown tool", "unknown_tool", tool="send_discount"),
    _fault("tool named parallel", "unknown_tool", tool="parallel", args={"tool_uses": "none"}),
    _fault("arguments break the schema", "bad_arguments", tool="find_services", args={"tenant": 2}),
    _says("arguments no object", _calls(("find_services", [1, 2]), raw="[1, 2]")),
    _says("arguments missing", _calls(("find_times", {}), raw="")),
    _fault("same call twice, for ever", "duplicate_call", tool="find_services", args=PRICE),
    _says("an untrue price", Step(text="A full ceramic tint is $1."), untrue=True),
    _says("an untrue booking", Step(text="You're booked for Sat, Dec 5 at 7:00 AM."), untrue=True),
    _says("denies that it is a bot", Step(text="I'm a real person."), untrue=True),
    _says("a leaked tool name", Step(text="I will call find_services with offer_id 7."), untrue=True),
)
VENDORS = ("claude", "openai")
CASES = [(vendor, way) for vendor in VENDORS for way in WAYS if way.only in ("", vendor)]


@dataclass
class Brain:
    """An honest assistant that begins to fail at request `fails_from` (from 1), as `way` says."""

    vendor: Vendor
    way: Way | None = None
    fails_from: int = 1
    offer_id: int | None = None
    asked: int = 0

    def start(self) -> None:
        """Fail from the first request on, if that is the plan."""
        self.vendor.brain = self
        self.vendor.clear_faults()
        self._arm()

    def __call__(self, view: View) -> Step:
        self.asked += 1
        failing = self.way is not None and self.asked >= self.fails_from
        step = self.way.step if failing and self.way and self.way.step else self._honest(view)
        self._arm()
        return step

    def _arm(self) -> None:
        if self.way is not None and self.way.kind and self.asked + 1 == self.fails_from:
            self.vendor.fail_always(self.way.kind, **self.way.options)

    def _honest(self, view: View) -> Step:
        if self.offer_id is not None:
            return self._booking(view)
        found = [
            row
            for said in view.results("find_services", since_user=False)
            for row in said.json().get("services", [])
            if "sedan, ceramic" in row["name"]
        ]
        if found:
            return Step(text=f"{found[0]['name']} is {found[0]['price']}.")
        return Step(calls=[("find_services", PRICE)]) if view.allow_tools else Step(text="Which car is it?")

    def _booking(self, view: View) -> Step:
        booked = [said.json() for said in view.results("book", since_user=False)]
        labels = [one["appointment"]["label"] for one in booked if "appointment" in one]
        if labels:
            return Step(text=f"You're booked for {labels[0]}.")
        return Step(calls=[("book", {"offer_id": self.offer_id})])


def table(rows: dict[tuple[str, str], dict[str, str]], columns: list[str]) -> str:
    """The outcomes as aligned text: one line per vendor and way."""
    lines = [["vendor", "how it fails", *columns]]
    lines += [
        [vendor, way.name, *(rows[vendor, way.name].get(column, "-") for column in columns)]
        for vendor, way in CASES
        if (vendor, way.name) in rows
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    pad: Callable[[list[str]], str] = lambda line: "  ".join(  # noqa: E731
        cell.ljust(width) for cell, width in zip(line, widths, strict=True)
    ).rstrip()
    return "\n".join([pad(lines[0]), pad(["-" * width for width in widths]), *map(pad, lines[1:])])
