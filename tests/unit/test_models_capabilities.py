"""What a compatible server is told, which is nothing more than it is known to understand (LLM facts 2.10)."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.base import ModelRequest, ToolSpec, UserText
from agent.models.capabilities import NAMES, capabilities
from agent.models.openai import build
from agent.models.openai_chat import OpenAIChatModel
from tests.unit.model_wire import Wire
from tests.unit.test_models_openai_chat import completion
from tests.unit.test_routing_models import Configured

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": False}
REQUEST = ModelRequest(["P"], [ToolSpec("find", "Finds", SCHEMA)], [UserText("Hi")], cache_key="shop")


def sent(*names: str) -> dict[str, Any]:
    wire = Wire(completion({"role": "assistant", "content": "Hi"}))
    flags = capabilities(names)
    OpenAIChatModel("k", "m", "http://x/v1", http_client=wire.client, flags=flags).answer(REQUEST)
    return wire.sent[0]


def test_without_flags_only_what_everybody_knows_is_sent() -> None:
    assert set(sent()) == {"model", "messages", "max_tokens", "tools", "tool_choice"}
    assert "strict" not in sent()["tools"][0]["function"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("store", {"store": False}),
        ("prompt_cache_key", {"prompt_cache_key": "shop"}),
        ("parallel_tool_calls", {"parallel_tool_calls": False}),
        ("reasoning_effort", {"reasoning_effort": "low"}),
        ("max_completion_tokens", {"max_completion_tokens": 1024}),
    ],
)
def test_a_flag_adds_its_field(name: str, expected: dict[str, Any]) -> None:
    body = sent(name)
    assert {key: body[key] for key in expected} == expected
    assert ("max_tokens" in body) == (name != "max_completion_tokens")


def test_strict_sends_the_strict_schema() -> None:
    function = sent("strict")["tools"][0]["function"]
    assert function["strict"] is True
    assert function["parameters"]["required"] == ["q"]


def test_all_flags_can_be_set_and_nonsense_is_refused_by_name() -> None:
    assert capabilities([f" {name.upper()} " for name in NAMES]) == capabilities(NAMES)
    with pytest.raises(ValueError, match=r"OPENAI_CAPABILITIES: telepathy is not known; choose from strict"):
        capabilities(["telepathy"])


def test_the_setting_reaches_the_model() -> None:
    settings = Configured("openai", None, openai_base_url="http://x/v1")
    settings.openai_capabilities = ["store", "telepathy"]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="telepathy"):
        build(settings)
    settings.openai_capabilities = ["store"]  # type: ignore[attr-defined]
    built = build(settings, "qwen")
    assert built is not None
    assert built.model == "qwen"
