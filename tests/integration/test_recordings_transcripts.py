"""Recorded conversations sent by every adapter, and vendor blocks sent back to the vendor they came from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.models.base import (
    AssistantStep,
    Item,
    ModelReply,
    ModelRequest,
    ProviderError,
    ToolResult,
    ToolResults,
    UserText,
)
from agent.models.claude import ClaudeModel
from agent.models.openai import OpenAIModel
from agent.models.openai_chat import OpenAIChatModel
from tests.integration.recordings import ANSWERED, BY_NAME, ROOT, Interaction, neutral
from tests.integration.test_recordings_replay import PLAIN, adapter, each, play
from tests.unit.model_wire import (
    Wire,
    strict_rules_of_chat,
    strict_rules_of_claude,
    strict_rules_of_responses,
)

pytestmark = [
    pytest.mark.skipif(not ROOT.is_dir(), reason="the recordings are not beside this checkout"),
    pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning"),
]

CONVERSATIONS = [
    i for i in ANSWERED if i.request and len(json.dumps(i.request)) < 200_000 and "400_context" not in i.name
]


@each(CONVERSATIONS)
def test_recorded_conversation_is_sent_lawfully_by_every_adapter(recorded: Interaction) -> None:
    said = neutral(recorded)
    request = ModelRequest(system=["One.", "Two."], tools=[], items=said)
    refused: Any = (
        400,
        {"error": {"type": "invalid_request_error", "message": "only the request counts"}},
        {},
    )
    claude, responses, chat = Wire(refused), Wire(refused), Wire(refused)
    for model in (
        ClaudeModel("k", http_client=claude.client),
        OpenAIModel("k", http_client=responses.client),
        OpenAIChatModel("k", "any", "http://127.0.0.1:1/v1", http_client=chat.client),
    ):
        with pytest.raises(ProviderError):
            model.answer(request)
    strict_rules_of_claude(claude.sent[0])
    strict_rules_of_responses(responses.sent[0])
    strict_rules_of_chat(chat.sent[0])
    words = [item.text for item in said if isinstance(item, UserText) and item.text.strip()]
    for wire in (claude, responses, chat):
        text = json.dumps(wire.sent[0], ensure_ascii=False)
        assert all(json.dumps(word.strip(), ensure_ascii=False)[1:-1] in text for word in words)
    # Those that kept the rules when recorded come out with the same calls in the same order again.
    if recorded.status == 200:
        called = [call.name for item in said if isinstance(item, AssistantStep) for call in item.calls]
        blocks = [b for message in claude.sent[0]["messages"] for b in message["content"]]
        assert [b["name"] for b in blocks if b["type"] == "tool_use"] == called
        items = responses.sent[0]["input"]
        assert [i["name"] for i in items if i.get("type") == "function_call"] == called


# --- the vendor's own blocks go back unchanged -----------------------------------------------------------------


def _continued(first: Interaction, answers: dict[str, str]) -> tuple[dict[str, Any], ModelReply]:
    """What the adapter sends after the first recorded answer and the results of its calls."""
    wire = Wire((first.status, first.body, first.headers), (first.status, first.body, first.headers))
    model = adapter(first, wire)
    reply = model.answer(PLAIN)
    results = ToolResults(tuple(ToolResult(c.id, c.name, answers[c.name]) for c in reply.step.calls))
    model.answer(ModelRequest(PLAIN.system, PLAIN.tools, [*PLAIN.items, reply.step, results]))
    return wire.sent[1], reply


def test_thinking_goes_back_as_it_came() -> None:
    first = BY_NAME["anthropic/tool_strict_with_thinking/thinking_and_tool_use/0"]
    sent, _ = _continued(first, {"get_user_country": "Mexico"})
    strict_rules_of_claude(sent)
    assert sent["messages"][1]["content"] == first.body["content"]
    assert sent["messages"][1]["content"][0]["signature"]


REASONED = [
    (
        "openai/responses_tool_reasoning_gpt-5.5/test_openai_responses_phase_live/0",
        {"get_capital": "Potato City"},
    ),
    (
        "openai/responses_gpt-5-nano_parallel_store_false/"
        "chat_function_calling_openai_gpt-5-nano_can_use_parallel_tool_calls/0",
        {"weather": "15 degrees", "best_language_to_learn": "Ruby"},
    ),
    (
        "openai/responses_interleaved_reasoning/test_responses_interleaved_reasoning_between_tool_calls/0",
        {"db_lookup": "Begin with the value 7."},
    ),
]


@pytest.mark.parametrize(("name", "answers"), REASONED, ids=[name for name, _ in REASONED])
def test_reasoning_goes_back_whole_and_in_order(name: str, answers: dict[str, str]) -> None:
    first = BY_NAME[name]
    sent, reply = _continued(first, answers)
    strict_rules_of_responses(sent)
    output = first.body["output"]
    back = sent["input"][1 : 1 + len(output)]
    assert [item["type"] for item in back] == [item["type"] for item in output]
    for came, went in zip(output, back, strict=True):
        assert went == {key: value for key, value in came.items() if value is not None}
    assert [i["output"] for i in sent["input"][1 + len(output) :]] == [
        answers[c.name] for c in reply.step.calls
    ]


def test_hand_over_from_openai_to_claude_drops_the_reasoning() -> None:
    first = BY_NAME[
        "anthropic/failover_openai_to_anthropic/test_live_fallback_failover_capability_load_and_recovery/0"
    ]
    reply = play(first)
    call = reply.step.calls[0]
    wire = Wire((400, {}, {}))
    items: list[Item] = [UserText("Hi"), reply.step, ToolResults((ToolResult(call.id, call.name, "{}"),))]
    with pytest.raises(ProviderError):
        ClaudeModel("k", http_client=wire.client).answer(ModelRequest(["S"], [], items))
    strict_rules_of_claude(wire.sent[0])
    assert wire.sent[0]["messages"][1]["content"] == [
        {"type": "tool_use", "id": call.id, "name": "load_capability", "input": call.arguments}
    ]
    assert call.id.startswith("call_")
    assert "encrypted" not in json.dumps(wire.sent[0])
