"""The Anthropic stand-in, driven by the official SDK over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from tests.standins.anthropic import AnthropicStandIn
from tests.standins.llm_script import BookingScript, Script, Step
from tests.unit.standins_booking import TOOLS, play_tool

MODEL = "claude-sonnet-5-5"
CLAUDE_TOOLS = [
    {"name": name, "description": name, "input_schema": schema, "strict": True}
    for name, schema in TOOLS.items()
]


@pytest.fixture
def claude() -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn("key", BookingScript()) as standin:
        yield standin


@pytest.fixture
def sdk(claude: AnthropicStandIn) -> Iterator[Anthropic]:
    with Anthropic(api_key="key", base_url=claude.url, max_retries=0, timeout=5) as client:
        yield client


def ask(sdk: Anthropic, messages: list[dict[str, Any]], **more: Any) -> Any:
    return sdk.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=CLAUDE_TOOLS, **more)  # type: ignore[arg-type]


def turn(sdk: Anthropic, messages: list[dict[str, Any]], text: str) -> str:
    messages.append({"role": "user", "content": text})
    for _ in range(6):
        answer = ask(sdk, messages)
        messages.append({"role": "assistant", "content": answer.content})
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in answer.content if block.type == "text")
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": play_tool(call.name, call.input)}
            for call in calls
        ]
        messages.append({"role": "user", "content": results})
    raise AssertionError("the brain never came to an end")


def test_an_ordinary_booking(sdk: Anthropic, claude: AnthropicStandIn) -> None:
    messages: list[dict[str, Any]] = []
    offered = turn(sdk, messages, "Hi, how much is a ceramic tint for my 2021 Civic?")
    assert "Tue Nov 24 at 9:00 AM or Tue Nov 24 at 2:30 PM" in offered
    assert "$449.00" in offered
    assert "booked for Tue Nov 24 at 2:30 PM" in turn(sdk, messages, "2:30 works for me")
    assert "all set" in turn(sdk, messages, "thanks!")
    assert claude.requests[0].headers["Authorization"] == "Bearer key"
    assert [call[0] for view in claude.views[-1:] for item in view.items for call in item.calls] == [
        "find_services",
        "find_times",
        "book",
    ]


USE = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {"offer_id": "o1"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "{}"}
HI = {"role": "user", "content": "hi"}


def conversation(*contents: Any) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[place % 2], "content": content} for place, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (conversation([RESULT]), "unexpected `tool_use_id`"),
        (conversation("hi", [USE], "hello?"), "without `tool_result` blocks immediately"),
        (conversation("hi", [USE], [{"type": "text", "text": "so"}, RESULT]), "must come first"),
        (conversation("hi", [USE], [RESULT, RESULT]), "single result"),
        (conversation("hi", [USE, USE], [RESULT]), "ids must be unique"),
        (conversation("hi", [{**USE, "id": "functions.x:0"}], [RESULT]), "String should match pattern"),
        (conversation("hi", "Sure, "), "prefill"),
        (conversation("hi", [{"type": "text", "text": " "}], "x"), "non-whitespace"),
    ],
)
def test_broken_histories_are_400(sdk: Anthropic, messages: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        ask(sdk, messages)


def test_a_valid_tool_history_and_a_foreign_id_pass(sdk: Anthropic) -> None:
    use, result = {**USE, "id": "call_abc"}, {**RESULT, "tool_use_id": "call_abc"}
    assert ask(sdk, conversation("hi", [use], [result, {"type": "text", "text": "first one"}])).content


@pytest.mark.parametrize(
    "more",
    [
        {"extra_body": {"temperature": 1.0}},
        {"extra_body": {"top_p": 0.9}},
        {"tool_choice": {"type": "any"}},
        {"thinking": {"type": "disabled"}},
        {"extra_body": {"no_such_thing": 1}},
    ],
)
def test_parameters_of_the_past_are_400(sdk: Anthropic, more: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError):
        ask(sdk, [HI], **more)


def test_bad_key_bad_model_and_bad_tool_name(claude: AnthropicStandIn, sdk: Anthropic) -> None:
    with (
        Anthropic(api_key="x", base_url=claude.url, max_retries=0) as other,
        pytest.raises(anthropic.AuthenticationError),
    ):
        ask(other, [HI])
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.create(model="claude-sonet", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(anthropic.BadRequestError):
        ask(sdk, [HI], extra_body={"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]})


def test_faults_raise_what_the_sdk_knows(claude: AnthropicStandIn, sdk: Anthropic) -> None:
    expected: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        ("overloaded", {}, anthropic.OverloadedError),
        ("retry_after", {"seconds": 3600}, anthropic.RateLimitError),
        (500, {}, anthropic.InternalServerError),
        ("auth", {}, anthropic.AuthenticationError),
        ("drop_connection", {}, anthropic.APIConnectionError),
        ("broken_json", {}, json.JSONDecodeError),
        ("spend_limit", {}, anthropic.RateLimitError),
    ]
    for kind, opts, error in expected:
        claude.fail_next(1, kind, **opts)
        with pytest.raises(error) as caught:
            ask(sdk, [HI])
        if kind == "retry_after":
            assert isinstance(caught.value, anthropic.RateLimitError)
            assert caught.value.response.headers["retry-after"] == "3600"
    claude.fail_next(1, "html_200")
    assert isinstance(ask(sdk, [HI]), str)
    claude.fail_next(1, "error_in_200")
    assert ask(sdk, [HI]).type == "error"


def test_a_hanging_answer_times_out(claude: AnthropicStandIn, sdk: Anthropic) -> None:
    claude.fail_next(1, "hang")
    with pytest.raises(anthropic.APITimeoutError):
        ask(sdk.with_options(timeout=httpx2.Timeout(0.3)), [HI])


def test_twisted_answers(claude: AnthropicStandIn, sdk: Anthropic) -> None:
    stops = {}
    for kind in ("cut_tool_call", "empty", "refusal", "unknown_tool", "thinking_only"):
        claude.fail_next(1, kind)
        answer = ask(sdk, [HI])
        stops[kind] = (answer.stop_reason, [block.type for block in answer.content])
    assert stops == {
        "cut_tool_call": ("max_tokens", ["tool_use"]),
        "empty": ("end_turn", []),
        "refusal": ("refusal", []),
        "unknown_tool": ("tool_use", ["tool_use"]),
        "thinking_only": ("end_turn", ["thinking"]),
    }


def test_cache_counts_are_disjoint_and_break_on_a_changed_byte(
    claude: AnthropicStandIn, sdk: Anthropic
) -> None:
    def usage(policy: str) -> tuple[int, int]:
        block = {"type": "text", "text": policy, "cache_control": {"type": "ephemeral"}}
        used = ask(sdk, [HI], system=[block]).usage
        return used.cache_creation_input_tokens, used.cache_read_input_tokens

    first, second, changed = usage("a" * 9000), usage("a" * 9000), usage("b" + "a" * 8999)
    assert first[0] > 2000
    assert first[1] == 0
    assert second == (0, first[0])
    assert changed == first


def test_thinking_is_bound_to_its_prefix(claude: AnthropicStandIn, sdk: Anthropic) -> None:
    claude.thinking.binding = True
    claude.brain = Script([Step(text="Hello.", thinking="hm"), "fine"])
    answer = ask(sdk, [HI], system="You are A.")
    history = [HI, {"role": "assistant", "content": answer.content}, HI]
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        ask(sdk, history, system="You are B.")
    assert ask(sdk, history, system="You are A.").content[0].text == "fine"


def test_token_counting_and_models(sdk: Anthropic) -> None:
    counted = sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "x" * 400}])
    assert counted.input_tokens > 100
    assert sdk.models.retrieve(MODEL).id == MODEL


def test_an_exhausted_script_fails_the_test() -> None:
    script = Script(["one"])

    def talk() -> None:
        with (
            AnthropicStandIn("key", script) as standin,
            Anthropic(api_key="key", base_url=standin.url, max_retries=0) as sdk,
        ):
            assert ask(sdk, [HI]).content[0].text == "one"
            script.assert_done()
            with pytest.raises(anthropic.InternalServerError):
                ask(sdk, [HI])

    with pytest.raises(AssertionError, match="call 2 of 1 steps"):
        talk()
