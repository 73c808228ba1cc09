"""Which models a configuration gives, in which order."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

import pytest
from pydantic import SecretStr

from agent.models.base import Model, ModelReply, ModelRequest
from agent.models.claude import ClaudeModel
from agent.models.openai import OpenAIModel
from agent.models.openai_chat import OpenAIChatModel
from agent.routing import build_models
from tests.unit.test_routing import reply


@dataclass
class Configured:
    ai_provider: str = "claude"
    ai_fallback_provider: str | None = "openai"
    anthropic_api_key: SecretStr | str | None = "a"
    anthropic_base_url: str | None = None
    anthropic_model: str = "claude-haiku-5-5"
    openai_api_key: SecretStr | str | None = "o"
    openai_base_url: str | None = None
    openai_model: str = "gpt-6-luna"
    openai_api: str | None = None


class Rules:
    provider = "playbook"
    model = "playbook"

    def answer(self, request: ModelRequest) -> ModelReply:
        return reply("rules")


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("agent.models.playbook")
    module.build = lambda settings, model: Rules()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "agent.models.playbook", module)


def kinds(models: list[Model]) -> list[type]:
    return [type(model) for model in models]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Configured(), [ClaudeModel, OpenAIModel, Rules]),
        (Configured("openai", "claude"), [OpenAIModel, ClaudeModel, Rules]),
        (Configured("anthropic", None), [ClaudeModel, Rules]),
        (Configured("claude", "claude"), [ClaudeModel, Rules]),
        (Configured("claude", "playbook"), [ClaudeModel, Rules]),
        (Configured("playbook", "claude"), [Rules]),
        (Configured("claude", ""), [ClaudeModel, Rules]),
        (Configured(anthropic_api_key=None), [OpenAIModel, Rules]),
        (Configured(anthropic_api_key=SecretStr("s"), openai_api_key=SecretStr("")), [ClaudeModel, Rules]),
        (Configured("openai", None, openai_base_url="http://127.0.0.1:1/v1"), [OpenAIChatModel, Rules]),
        (
            Configured("openai", None, openai_base_url="http://x/v1", openai_api_key=None),
            [OpenAIChatModel, Rules],
        ),
        (
            Configured("openai", None, openai_base_url="http://x/v1", openai_api="responses"),
            [OpenAIModel, Rules],
        ),
        (Configured("openai", None, openai_base_url="https://eu.api.openai.com/v1"), [OpenAIModel, Rules]),
    ],
)
def test_order_of_the_models(settings: Configured, expected: list[type]) -> None:
    assert kinds(build_models(settings)) == expected


def test_models_get_their_settings() -> None:
    built = build_models(Configured(anthropic_model="claude-sonnet-5-5", openai_model="gpt-6-sol"))
    assert [model.model for model in built] == ["claude-sonnet-5-5", "gpt-6-sol", "playbook"]


def test_an_unknown_provider_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(ValueError, match="AI_FALLBACK_PROVIDER=gemini"):
        build_models(Configured(ai_fallback_provider="gemini"))
