"""The model stand-ins against recorded traffic: same request refused alike, same keys in the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.standins.anthropic import AnthropicStandIn
from tests.standins.llm_script import Script, Step
from tests.standins.openai import OpenAIStandIn

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"
pytestmark = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the shared recordings are not beside the project"
)


def interaction(file: str, case: int = 0, number: int = 0) -> tuple[dict[str, Any], int, Any]:
    recorded = json.loads((RECORDINGS / file).read_text())["cases"][case]["interactions"][number]
    return recorded["request"]["body"], recorded["response"]["status"], recorded["response"]["body"]


def post(url: str, body: dict[str, Any]) -> requests.Response:
    headers = {"Authorization": "Bearer key", "anthropic-version": "2026-10-21"}
    return requests.post(url, json={**body, "stream": False}, headers=headers, timeout=5)


def test_a_recorded_claude_tool_call_has_our_keys() -> None:
    body, _, recorded = interaction("anthropic/sonnet-5-5_tool_use_auto.json")
    with AnthropicStandIn("key", Script([Step(calls=[("final_result", {"city": "Tokyo"})])])) as claude:
        ours = post(claude.url + "/v1/messages", body).json()
    assert ours.keys() == recorded.keys()
    assert ours["content"][0].keys() == recorded["content"][0].keys()
    assert ours["usage"].keys() == recorded["usage"].keys()
    assert ours["stop_reason"] == recorded["stop_reason"]


def test_the_recorded_orphan_result_is_refused_alike() -> None:
    body, status, recorded = interaction("anthropic/tool_result_orphan_400.json", number=1)
    with AnthropicStandIn("key") as claude:
        ours = post(claude.url + "/v1/messages", body)
    assert ours.status_code == status
    # The real service merges neighbouring user messages before it counts places.
    told = ours.json()["error"]["message"].partition(": ")[2]
    assert told == recorded["error"]["message"].partition(": ")[2]
    assert ours.headers["x-should-retry"] == "false"


def test_the_recorded_reasoning_orphan_is_refused_alike() -> None:
    body, status, recorded = interaction("openai/responses_reasoning_orphan_400.json", number=1)
    with OpenAIStandIn("key") as gpt:
        ours = post(gpt.url + "/v1/responses", body)
    assert (ours.status_code, ours.json()) == (status, recorded)


def test_a_recorded_reasoning_answer_has_our_items() -> None:
    body, _, recorded = interaction("openai/responses_tool_reasoning_gpt-5.5.json")
    step = Step(calls=[("get_capital", {"country": "PotatoLand"})], thinking="hm", commentary="I'll check.")
    with OpenAIStandIn("key", Script([step])) as gpt:
        ours = post(gpt.url + "/v1/responses", body).json()
    assert ours.keys() <= recorded.keys()
    assert [item["type"] for item in ours["output"]] == [item["type"] for item in recorded["output"]]
    for mine, theirs in zip(ours["output"], recorded["output"], strict=True):
        assert mine.keys() == theirs.keys()
