"""The OpenAI stand-in, driven by the official SDK over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.standins.llm_script import BookingScript, Script, Step, by_rule
from tests.standins.openai import OpenAIStandIn
from tests.unit.standins_booking import TOOLS, play_tool

MODEL = "gpt-6-luna"
FLAT: list[Any] = [
    {"type": "function", "name": name, "description": name, "parameters": schema, "strict": True}
    for name, schema in TOOLS.items()
]
NESTED: list[Any] = [
    {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}} for tool in FLAT
]


@pytest.fixture
def gpt() -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn("key", BookingScript(thinking="Let me see.")) as standin:
        yield standin


@pytest.fixture
def sdk(gpt: OpenAIStandIn) -> Iterator[OpenAI]:
    with OpenAI(api_key="key", base_url=gpt.url + "/v1", max_retries=0, timeout=5) as client:
        yield client


def ask(sdk: OpenAI, items: Any, **more: Any) -> Any:
    return sdk.responses.create(**{"model": MODEL, "input": items, "tools": FLAT, "store": False, **more})


def turn(sdk: OpenAI, items: list[Any], text: str) -> str:
    items.append({"role": "user", "content": text})
    for _ in range(6):
        answer = ask(sdk, items)
        items.extend(answer.output)
        calls = [item for item in answer.output if item.type == "function_call"]
        if not calls:
            return str(answer.output_text)
        for call in calls:
            output = play_tool(call.name, json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    raise AssertionError("the brain never came to an end")


def test_an_ordinary_booking_with_replayed_reasoning(sdk: OpenAI) -> None:
    items: list[Any] = []
    assert "Tue Nov 24 at 9:00 AM" in turn(sdk, items, "Price for a tint on my Civic?")
    assert "booked for Tue Nov 24 at 9:00 AM" in turn(sdk, items, "the first one please")


def test_an_ordinary_booking_over_chat(sdk: OpenAI) -> None:
    messages: list[Any] = [{"role": "system", "content": "You book."}]
    said = []
    for text in ("I need a tint", "9 am works", "ok"):
        messages.append({"role": "user", "content": text})
        while True:
            made = sdk.chat.completions.create(
                model=MODEL, messages=messages, tools=NESTED, reasoning_effort="none"
            )
            choice = made.choices[0]
            messages.append(choice.message.model_dump(exclude_none=True))
            if choice.finish_reason != "tool_calls":
                break
            for call in choice.message.tool_calls or []:
                assert call.type == "function"
                output = play_tool(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": output})
        said.append(choice.message.content or "")
    assert "2:30 PM" in said[0]
    assert "booked for Tue Nov 24 at 9:00 AM" in said[1]
    assert "all set" in said[2]


HI = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "toolu_1", "name": "book", "arguments": '{"offer_id":"o1"}'}
OUTPUT = {"type": "function_call_output", "call_id": "toolu_1", "output": "{}"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAB"}
LONG = "c" * 65


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([HI, OUTPUT], "No tool call found for function call output"),
        ([HI, CALL, HI], "No tool output found for function call toolu_1"),
        ([HI, REASONING, HI], "without its required following item"),
        ([HI, REASONING], "without its required following item"),
        ([HI, {**CALL, "call_id": LONG}, {**OUTPUT, "call_id": LONG}], "string too long"),
        ([HI, {**CALL, "id": "toolu_1"}, OUTPUT], "begins with 'fc'"),
    ],
)
def test_broken_histories_are_400(sdk: OpenAI, items: list[Any], words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        ask(sdk, items)


def test_a_call_needs_the_reasoning_it_was_made_with(sdk: OpenAI) -> None:
    made = ask(sdk, [HI]).output
    call = next(item for item in made if item.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"services": []}'}
    with pytest.raises(openai.BadRequestError, match="required 'reasoning' item"):
        ask(sdk, [HI, call, output])
    assert ask(sdk, [HI, *made, output]).output_text
    translated = {"type": "function_call", "call_id": "x", "name": call.name, "arguments": call.arguments}
    assert ask(sdk, [HI, translated, {**output, "call_id": "x"}]).output_text


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"extra_body": {"max_tokens": 5}}, "unsupported_parameter"),
        ({"temperature": 0.2}, "unsupported_parameter"),
        ({"extra_body": {"no_such_thing": 5}}, "unknown_parameter"),
        ({"model": "gpt-7"}, "model_not_found"),
        ({"tools": NESTED}, "missing_required_parameter"),
        ({"model": "gpt-6.2-sol", "reasoning": {"effort": "none"}}, "unsupported_value"),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found"),
    ],
)
def test_bad_parameters_are_400_with_a_code(sdk: OpenAI, more: dict[str, Any], code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(sdk, [HI], **more)
    assert caught.value.code == code


def test_chat_rules(sdk: OpenAI) -> None:
    def chat(*messages: Any, **more: Any) -> Any:
        return sdk.chat.completions.create(**{"model": MODEL, "messages": list(messages), **more})

    called = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "book", "arguments": "{}"}}],
    }
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        chat(HI, called, HI)
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message"):
        chat(HI, {"role": "tool", "tool_call_id": "c1", "content": "x"})
    with pytest.raises(openai.BadRequestError, match="use /v1/responses"):
        chat(HI, tools=NESTED)
    with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
        chat(HI, max_tokens=5)
    with pytest.raises(openai.NotFoundError):
        chat(HI, model="gpt-7")


def test_faults_raise_what_the_sdk_knows(gpt: OpenAIStandIn, sdk: OpenAI) -> None:
    expected: list[tuple[Any, type[Exception], str | None]] = [
        ("retry_after", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("overloaded", openai.InternalServerError, "slow_down"),
        ("auth", openai.AuthenticationError, "invalid_api_key"),
        ("drop_connection", openai.APIConnectionError, None),
    ]
    for kind, error, code in expected:
        gpt.fail_next(1, kind)
        with pytest.raises(error) as caught:
            ask(sdk, [HI])
        assert getattr(caught.value, "code", None) == code
    gpt.fail_next(1, "broken_json")
    with pytest.raises(json.JSONDecodeError):
        ask(sdk, [HI])
    gpt.fail_next(1, "failed")
    assert ask(sdk, [HI]).status == "failed"
    gpt.fail_next(1, "error_in_200")
    assert ask(sdk, [HI]).error.code == "server_error"


def test_twisted_answers(gpt: OpenAIStandIn, sdk: OpenAI) -> None:
    gpt.fail_next(1, "cut_tool_call", args={"query": "tint"})
    cut = ask(sdk, [HI])
    assert cut.status == "incomplete"
    assert cut.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.output[-1].arguments)
    gpt.fail_next(1, "refusal")
    assert ask(sdk, [HI]).output[0].content[0].type == "refusal"
    gpt.fail_next(1, "empty")
    assert ask(sdk, [HI]).output == []
    gpt.fail_next(1, "unknown_tool")
    assert ask(sdk, [HI]).output[0].name not in TOOLS


def test_usage_holds_the_cached_part(sdk: OpenAI) -> None:
    first = ask(sdk, [HI], instructions="a" * 9000).usage
    second = ask(sdk, [HI], instructions="a" * 9000).usage
    assert first.input_tokens_details.cached_tokens == 0
    assert 2000 < second.input_tokens_details.cached_tokens <= second.input_tokens
    assert second.output_tokens_details.reasoning_tokens > 0


def test_a_wrong_key_is_401(gpt: OpenAIStandIn) -> None:
    other = OpenAI(api_key="x", base_url=gpt.url + "/v1", max_retries=0)
    with other, pytest.raises(openai.AuthenticationError):
        ask(other, [HI])


def test_one_script_drives_the_steps_in_order_and_tool_choice_none_holds_calls_back(
    sdk: OpenAI, gpt: OpenAIStandIn
) -> None:
    script = Script(
        [Step(calls=[("book", {"offer_id": "o1"})], commentary="One moment."), Step("b", [("book", {})])]
    )
    gpt.brain = script
    first = ask(sdk, [HI]).output
    assert [(item.type, getattr(item, "phase", None)) for item in first] == [
        ("message", "commentary"),
        ("function_call", None),
    ]
    assert [item.type for item in ask(sdk, [HI], tool_choice="none").output] == ["message"]
    script.assert_done()


def test_a_compatible_server_takes_any_model() -> None:
    brain = by_rule(("price", "It is $10."), otherwise="Hello.")
    with (
        OpenAIStandIn(script=brain, compatible=True) as local,
        OpenAI(api_key="none", base_url=local.url + "/v1", max_retries=0) as sdk,
    ):
        made = sdk.chat.completions.create(
            model="qwen", messages=[{"role": "user", "content": "The PRICE?"}], max_tokens=5
        )
    assert made.choices[0].message.content == "It is $10."
    assert made.usage is not None
    assert made.usage.prompt_tokens_details is None
