"""Recorded vendor traffic through the adapters. The recordings are read where they are and never copied."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from agent.models.base import (
    Model,
    ModelReply,
    ModelRequest,
    ProviderError,
    StopReason,
    ToolCall,
    Usage,
    UserText,
)
from agent.models.claude import ClaudeModel
from agent.models.openai import OpenAIModel
from agent.models.openai_chat import OpenAIChatModel
from tests.integration.recordings import (
    ALL,
    ANSWERED,
    BY_NAME,
    ROOT,
    STREAMED,
    Interaction,
    expected_calls,
    expected_stop,
    expected_text,
    expected_usage,
)
from tests.unit.model_wire import (
    Wire,
)

pytestmark = [
    pytest.mark.skipif(not ROOT.is_dir(), reason="the recordings are not beside this checkout"),
    # Several recordings are of models the SDK knows to be gone; that is no fault of the code under test.
    pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning"),
]
PLAIN = ModelRequest(system=["You answer for a shop."], tools=[], items=[UserText("Hello")])

# Nothing in these is one complete answer, which is all the adapters ask for; their streams are read below.
STREAM_ONLY = {
    "anthropic/sonnet-5-5_stream_thinking_dropped",
    "anthropic/stream_tool_use",
    "anthropic/stream_truncated_tool_json",
    "openai/responses_stream_tool_use",
    "openai/stream_rate_limited",
}
OTHER_ENDPOINT = {"anthropic/count_tokens": "counting tokens is not answering; no adapter calls it"}


def each(interactions: list[Interaction]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recorded", interactions, ids=lambda i: i.name)


def adapter(recorded: Interaction, wire: Wire) -> Model:
    """The adapter for the endpoint of the recording, asking for the recorded model."""
    model = recorded.request.get("model")
    if recorded.endpoint == "messages":
        return ClaudeModel("k", model or "claude-haiku-5-5", http_client=wire.client)
    if recorded.endpoint == "responses":
        return OpenAIModel("k", model or "gpt-6-luna", http_client=wire.client)
    return OpenAIChatModel("k", model or "any", recorded.url.split("/chat/")[0], http_client=wire.client)


def play(recorded: Interaction, request: ModelRequest = PLAIN) -> ModelReply:
    wire = Wire((recorded.status, recorded.body, recorded.headers))
    return adapter(recorded, wire).answer(request)


# --- every file is accounted for -----------------------------------------------------------------------------


def test_every_file_is_replayed_or_listed() -> None:
    replayed = {i.file for i in ANSWERED}
    everything = {i.file for i in ALL}
    assert len(everything) >= 39
    assert everything - replayed == STREAM_ONLY | set(OTHER_ENDPOINT)
    assert {i.file for i in STREAMED} - replayed == STREAM_ONLY
    assert {i.name for i in STREAMED} == set(STREAMS)
    assert {i.name for i in ANSWERED if i.status >= 400} == set(ERRORS)


# --- answers -------------------------------------------------------------------------------------------------


WRAPPED = "openai/responses_parallel_wrapper/wrapper/0"
GOOD = [i for i in ANSWERED if i.status == 200]


@each([i for i in GOOD if i.name != WRAPPED])
def test_answer_becomes_the_same_neutral_reply(recorded: Interaction) -> None:
    reply = play(recorded)
    assert [(call.name, call.arguments) for call in reply.step.calls] == expected_calls(recorded)
    assert reply.step.text == expected_text(recorded)
    assert reply.stop is expected_stop(recorded)
    assert reply.usage == expected_usage(recorded)
    assert reply.step.model == recorded.body["model"]
    if recorded.request:
        assert reply.requested_model == recorded.request["model"]


def test_numbers_that_were_read_by_eye() -> None:
    """A few results written down from the recordings, so that the table above cannot be wrong with the code."""
    written = play(BY_NAME["anthropic/prompt_cache/write_then_read/0"]).usage
    assert (written.input, written.cache_read, written.cache_write) == (2, 0, 1590)
    parallel = play(BY_NAME["anthropic/tool_use_parallel/test_multiple_parallel_tool_calls/0"])
    assert [call.name for call in parallel.step.calls] == ["retrieve_entity_info"] * 4
    phase = play(BY_NAME["openai/responses_tool_reasoning_gpt-5.5/test_openai_responses_phase_live/0"])
    assert phase.step.text == ""
    assert phase.step.calls == (
        ToolCall(
            "call_ALAJMWK9buNN7RXxxXbECcHa",
            "get_capital",
            {"country": "PotatoLand"},
            '{"country":"PotatoLand"}',
        ),
    )
    assert phase.usage == Usage(input=63, cache_read=0, cache_write=None, output=72, thinking=29)
    spent = play(BY_NAME["openai/length_truncation/chat_gpt-5-mini_empty/0"])
    assert (spent.stop, spent.step.text, spent.usage.output) == (StopReason.LENGTH, "", 50)
    zeros = play(BY_NAME["openai/responses_parallel_tool_error/test_openai_responses_model_retry/0"])
    assert zeros.usage == Usage()
    cached = BY_NAME["openai/usage_cached_tokens/cached/0"]
    usage = play(cached).usage
    assert usage.cache_read
    assert (usage.input or 0) + usage.cache_read == cached.body["usage"]["input_tokens"]


def test_wrapper_call_is_unwrapped() -> None:
    reply = play(BY_NAME[WRAPPED])
    assert [(c.id, c.name, c.arguments) for c in reply.step.calls] == [
        ("call_parallel_0", "weather", {"location": "San Francisco"}),
        ("call_parallel_1", "cityAttractions", {"city": "Rome"}),
    ]
    assert reply.stop is StopReason.TOOLS


# --- errors --------------------------------------------------------------------------------------------------

_KEY, _OFF = "misconfigured", "permanent"
ERRORS = {
    "anthropic/errors_429_5xx/529_overloaded/0": "transient",
    "anthropic/errors_429_5xx/529_overloaded_with_link/0": "transient",
    "anthropic/errors_429_5xx/429_account_rate_limit/0": "transient",
    "anthropic/errors_429_5xx/429_short/0": "transient",
    "anthropic/errors_429_5xx/429_input_tokens_per_minute/0": "transient",
    "anthropic/errors_429_5xx/500_api_error/0": "transient",
    "anthropic/errors_4xx/401_bad_key/0": _KEY,
    "anthropic/errors_4xx/404_model/0": _KEY,
    "anthropic/errors_4xx/404_model/1": _KEY,
    "anthropic/errors_4xx/404_misspelt/0": _KEY,
    "anthropic/errors_4xx/400_prompt_too_long/0": _OFF,
    "anthropic/errors_4xx/400_effort/0": _OFF,
    "anthropic/sonnet-5-5_stale_thinking_400/stale_thinking/1": _OFF,
    "anthropic/tool_result_orphan_400/f59a9391-643b-422c-96dc-1f28bc7ea4d7/1": _OFF,
    "openai/compat_servers/groq_tool_use_failed_400/0": "transient",
    "openai/compat_servers/openrouter_429/0": "transient",
    "openai/compat_servers/openrouter_429/1": "transient",
    "openai/compat_servers/openrouter_429/2": "transient",
    "openai/error_bodies/429_insufficient_quota/0": _KEY,
    "openai/error_bodies/429_tokens_per_minute/0": "transient",
    "openai/error_bodies/429_request_too_large_never_succeeds/0": _OFF,
    "openai/error_bodies/400_max_tokens/0": _OFF,
    "openai/errors_4xx/401_chat/0": _KEY,
    "openai/errors_4xx/401_responses/0": _KEY,
    "openai/errors_4xx/404_model_chat/0": _KEY,
    "openai/errors_4xx/404_model_chat/1": _KEY,
    "openai/errors_4xx/400_model_responses/0": _KEY,
    "openai/errors_4xx/400_model_responses/1": _KEY,
    "openai/errors_4xx/400_unsupported_parameter/0": _OFF,
    "openai/errors_4xx/400_value_out_of_range_responses/0": _OFF,
    "openai/errors_4xx/400_context_length/0": _OFF,
    "openai/responses_reasoning_orphan_400/test_openai_responses_thinking_with_modified_history/1": _OFF,
}


@each([i for i in ANSWERED if i.status >= 400])
def test_error_has_its_kind_and_a_message_for_the_owner(recorded: Interaction) -> None:
    with pytest.raises(ProviderError) as caught:
        play(recorded)
    error = caught.value
    assert error.kind == ERRORS[recorded.name]
    assert f"HTTP {recorded.status}" in str(error)
    for secret in ("*2345", "org-SCRUBBED", "00000000-0000", "failed_generation"):
        assert secret not in str(error)
    asked = recorded.headers.get("retry-after")
    assert asked is None or error.retry_after_s == float(asked)


def test_waiting_time_is_read_from_openais_sentence() -> None:
    with pytest.raises(ProviderError) as caught:
        play(BY_NAME["openai/error_bodies/429_tokens_per_minute/0"])
    assert caught.value.retry_after_s == pytest.approx(0.174)


# --- streams: the adapters do not stream; the SDK must still understand what was recorded ------------------------

STREAMS: dict[str, tuple[str, list[str]]] = {
    "anthropic/errors_429_5xx/200_stream_overloaded/0": ("overloaded_error", []),
    "anthropic/max_tokens/stream/0": ("max_tokens", []),
    "anthropic/refusal/stream/0": ("refusal", []),
    "anthropic/sonnet-5-5_stream_thinking_dropped/dropped/0": ("end_turn", []),
    "anthropic/stream_tool_use/test_stream_events_tool_calls/0": ("tool_use", ["pelican_name_generator"]),
    "anthropic/stream_truncated_tool_json/truncated/0": ("max_tokens", ["make_file"]),
    "openai/responses_stream_tool_use/test_responses_tool_use_streaming/0": ("completed", ["multiply"]),
    "openai/responses_stream_tool_use/test_responses_tool_use_streaming/1": ("completed", []),
    "openai/stream_rate_limited/rate_limited/0": ("rate_limit_exceeded", []),
}


@each(STREAMED)
def test_recorded_stream_is_understood_by_the_sdk(recorded: Interaction) -> None:
    wire = Wire((recorded.status, recorded.body, recorded.headers))
    read = _claude_stream if recorded.endpoint == "messages" else _responses_stream
    assert read(wire) == STREAMS[recorded.name]


def _claude_stream(wire: Wire) -> tuple[str, list[str]]:
    client = anthropic.Anthropic(api_key="k", max_retries=0, http_client=wire.client)
    message: Any = {"role": "user", "content": "Hello"}
    reason, names = "", []
    try:
        for event in client.messages.create(model="m", max_tokens=9, messages=[message], stream=True):
            if event.type == "content_block_start" and event.content_block.type == "tool_use":
                names.append(event.content_block.name)
            if event.type == "message_delta":
                reason = event.delta.stop_reason or ""
    except anthropic.APIStatusError as error:
        return str(error.type), names
    return reason, names


def _responses_stream(wire: Wire) -> tuple[str, list[str]]:
    client = openai.OpenAI(api_key="k", max_retries=0, http_client=wire.client)
    status, names = "", []
    try:
        for event in client.responses.create(model="m", input="Hello", stream=True):
            if event.type == "response.completed":
                status = event.response.status or ""
                names = [item.name for item in event.response.output if item.type == "function_call"]
    except openai.APIError as error:
        return str(error.code), names
    return status, names


@each(STREAMED)
def test_a_stream_nobody_asked_for_is_a_transient_error(recorded: Interaction) -> None:
    with pytest.raises(ProviderError) as caught:
        play(recorded)
    assert caught.value.kind == "transient"
