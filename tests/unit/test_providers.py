"""A pool of models, and that a new provider is one file and one line."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from agent import providers
from agent.choosing import in_order
from agent.models.claude import ClaudeModel
from agent.models.playbook import PlaybookModel
from agent.providers import GivenModels, Pool, build_models, pool_of
from agent.routing import Router
from crm.experiments import Arm
from crm.tenants import TenantSettings
from tests.unit.test_routing import REQUEST, claude, openai, playbook
from tests.unit.test_routing_models import Configured

# All that somebody who adds a provider writes: a module with `build`, and its line in PROVIDERS.
TOY = """
from agent.models.base import AssistantStep, ModelReply, StopReason, Usage

class ToyModel:
    provider = "toy"

    def __init__(self, model):
        self.model = model

    def answer(self, request):
        return ModelReply(AssistantStep("Beep", provider="toy", model=self.model), StopReason.END, Usage(1, 0, 0, 1), self.model)

def build(settings, model):
    return ToyModel(model or "toy-1")
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("agent.models.toy")
    exec(TOY, module.__dict__)
    monkeypatch.setitem(sys.modules, "agent.models.toy", module)
    monkeypatch.setitem(providers.PROVIDERS, "toy", "agent.models.toy")


@pytest.mark.usefixtures("toy")
def test_a_new_provider_is_one_file_and_one_line() -> None:
    models = build_models(Configured("toy", "claude"))
    assert [(model.provider, model.model) for model in models] == [
        ("toy", "toy-1"), ("claude", "claude-haiku-5-5"), ("playbook", "playbook-1"),
    ]  # fmt: skip
    answer, (attempt,) = Router(models).answer(REQUEST, 10)
    assert answer.step.text == "Beep"
    assert (attempt.provider, attempt.cost_microusd) == ("toy", None)
    with pytest.raises(
        ValueError, match="AI_PROVIDER=tyo is not a provider; choose claude, openai, playbook, toy"
    ):
        build_models(Configured("tyo"))


@pytest.mark.usefixtures("toy")
def test_an_arm_of_an_experiment_can_be_the_new_provider() -> None:
    pool = Pool(Configured("claude", None))
    chosen = in_order(pool, TenantSettings(), Arm(1, "b", provider="toy", model="toy-2"))
    assert named(chosen) == ["toy/toy-2", "claude/claude-haiku-5-5", "playbook/playbook-1"]


def named(models: Any) -> list[str]:
    return [f"{model.provider}/{model.model}" for model in models]


def test_models_are_built_once_whoever_asks() -> None:
    pool = Pool(Configured())
    assert len(pool) == 3
    assert isinstance(pool[0], ClaudeModel)
    assert pool.get("claude") is pool[0]
    assert pool.get("anthropic") is pool[0]
    barrier = threading.Barrier(8)

    def ask(_: int) -> Any:
        barrier.wait(10)
        return pool.get("claude", "claude-sonnet-5-5")

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert found[0].model == "claude-sonnet-5-5"
    assert len({id(model) for model in found}) == 1


def test_what_has_no_key_or_does_not_exist_cannot_be_had() -> None:
    pool = Pool(Configured("playbook", None, anthropic_api_key=None))
    assert pool.get("claude") is None
    assert pool.get("gemini") is None
    assert isinstance(pool.get("playbook"), PlaybookModel)


def test_a_plain_sequence_gives_what_is_in_it() -> None:
    first, second = claude(), openai()
    given = pool_of([first, second])
    assert isinstance(given, GivenModels)
    assert given.get("openai") is second
    assert given.get("openai-compatible") is second
    assert given.get("claude", "claude-haiku-5-5") is first
    assert given.get("claude", "another") is None


INSTALLED = Configured("claude", "openai")
HAIKU, LUNA, RULES = "claude/claude-haiku-5-5", "openai/gpt-6-luna", "playbook/playbook-1"


@pytest.mark.parametrize(
    ("settings", "arm", "expected"),
    [
        ({}, None, [HAIKU, LUNA, RULES]),
        ({}, Arm(1, "a"), [HAIKU, LUNA, RULES]),
        ({"ai_provider": "openai"}, None, [LUNA, HAIKU, RULES]),
        ({"ai_provider": "openai", "ai_fallback_provider": "playbook"}, None, [LUNA, RULES]),
        ({"ai_fallback_provider": "playbook"}, None, [HAIKU, RULES]),
        ({"ai_provider": "playbook"}, None, [RULES]),
        ({"claude_model": "claude-sonnet-5-5"}, None, ["claude/claude-sonnet-5-5", LUNA, RULES]),
        ({"openai_model": "gpt-6.2-sol"}, None, [HAIKU, "openai/gpt-6.2-sol", RULES]),
        ({}, Arm(1, "b", provider="openai"), [LUNA, HAIKU, RULES]),
        ({}, Arm(1, "b", model="claude-sonnet-5-5"), ["claude/claude-sonnet-5-5", LUNA, RULES]),
        ({}, Arm(1, "b", provider="openai", model="gpt-6-sol"), ["openai/gpt-6-sol", HAIKU, RULES]),
        ({}, Arm(1, "b", provider="playbook"), [RULES]),
        (
            {"openai_model": "gpt-6.2-sol"},
            Arm(1, "b", provider="openai"),
            ["openai/gpt-6.2-sol", HAIKU, RULES],
        ),
        (
            {"ai_provider": "claude", "ai_fallback_provider": "playbook"},
            Arm(1, "b", provider="openai"),
            [LUNA, HAIKU, RULES],
        ),
    ],
)
def test_arm_then_tenant_then_installation(settings: Any, arm: Arm | None, expected: list[str]) -> None:
    assert named(in_order(Pool(INSTALLED), TenantSettings(**settings), arm)) == expected


def test_a_wish_that_cannot_be_had_is_passed_over() -> None:
    pool = Pool(Configured("claude", None, openai_api_key=None))
    assert named(in_order(pool, TenantSettings(ai_provider="openai"))) == [HAIKU, RULES]


def test_without_a_wish_the_given_models_are_not_touched() -> None:
    both = (playbook(), playbook())
    assert in_order(both, TenantSettings()) == both
    only = (claude(),)
    assert in_order(only, TenantSettings(ai_provider="openai")) == only
