"""How much of a conversation is read from Claude's cache: a shop's prefix, the history of the turns before, and the
rounds of this turn (LLM facts 1.8). Printed, because it is what a message costs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agent.models.base import AssistantStep, Item, ModelRequest, ToolResult, ToolResults, ToolSpec, UserText
from agent.models.claude import ClaudeModel
from agent.notes import RECORDS
from agent.pricing import cost_microusd
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.llm_script import Step, View

TURNS = 6
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": False}
TOOLS = [ToolSpec(f"tool_{n}", "What a tool is good for, at some length. " * 12, SCHEMA) for n in range(10)]
POLICY = "Answer in the customer's words and never promise what no tool has said. " * 80
SHOP = "# The shop\nHours: Mon-Fri 9:00-17:00\n" * 10


def brain(view: View) -> Step:
    """One tool, then the answer."""
    return (
        Step(text="Here is what I found for you.")
        if view.items[-1].role == "tool"
        else Step(calls=(("tool_1", {"q": "x"}),))
    )


@pytest.fixture
def vendor() -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn("key", brain) as standin:
        yield standin


def test_a_conversation_of_twelve_messages(
    vendor: AnthropicStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ClaudeModel("key", base_url=vendor.url)
    history: list[Item] = []
    prompt = read = cost = 0
    first_reads: list[int] = []
    for turn in range(TURNS):
        words = UserText(f"Customer's message number {turn}: what about the other car?")
        records = UserText(
            f"{RECORDS}\n" + json.dumps({"now_local": f"2026-11-23T09:{turn:02d}", "lead": "Dana " * 60})
        )
        items: list[Item] = [*history, records, words]
        for number in range(2):
            reply = model.answer(ModelRequest([POLICY, SHOP], TOOLS, items))
            used = reply.usage
            assert used.input is not None
            assert used.cache_read is not None
            assert used.cache_write is not None
            if number == 0:
                first_reads.append(used.cache_read)
            else:
                assert used.input + used.cache_write < 150, "a round reads all of the rounds before it"
            prompt += used.input + used.cache_read + used.cache_write
            read += used.cache_read
            cost += cost_microusd("claude", model.model, used) or 0
            items.append(reply.step)
            if reply.step.calls:
                call = reply.step.calls[0]
                items.append(ToolResults((ToolResult(call.id, call.name, '{"found": "' + "x" * 200 + '"}'),)))
        history += [words, AssistantStep(reply.step.text)]
    model.close()
    with capsys.disabled():
        share, each = 100 * read // prompt, cost / TURNS / 1e6
        print(f"\n12 messages: {prompt // TURNS} prompt tokens a turn, {share}% read, ${each:.5f} a message")
    assert first_reads[0] == 0
    assert first_reads == sorted(first_reads), "each turn reads the history of the one before"
    assert first_reads[-1] > first_reads[1] + 50
    assert read / prompt > 0.8
    assert cost / TURNS < 1000, "under $0.001 a message at the default small model"
