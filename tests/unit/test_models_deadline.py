"""A request ends when its time is over, whatever the server sends meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from agent.models.base import Model, ModelRequest, UserText
from agent.models.claude import ClaudeModel
from agent.models.deadline import within
from agent.models.faults import Reason, VendorFault
from agent.models.openai import OpenAIModel
from agent.models.openai_chat import OpenAIChatModel
from agent.models.scripted import ScriptedModel
from agent.routing import Router
from tests.unit.dripping import Dripping
from tests.unit.turn_help import say

REQUEST = ModelRequest(system=("x",), tools=(), items=(UserText("hi"),), timeout_s=1.0)
MAKERS: dict[str, Callable[[str], ClaudeModel | OpenAIModel | OpenAIChatModel]] = {
    "claude": lambda url: ClaudeModel("key", base_url=url.removesuffix("/v1")),
    "openai": lambda url: OpenAIModel("key", base_url=url),
    "compatible": lambda url: OpenAIChatModel("key", "m", url),
}


def fails(model: Model, request: ModelRequest = REQUEST) -> VendorFault:
    with pytest.raises(VendorFault) as caught:
        model.answer(request)
    return caught.value


@pytest.mark.parametrize("vendor", MAKERS)
@pytest.mark.parametrize("head", [False, True], ids=["body", "head"])
def test_a_dripping_server_is_left_when_the_time_is_over(vendor: str, head: bool) -> None:
    before = threading.active_count()
    with Dripping(head=head) as server:
        model = MAKERS[vendor](server.url)
        assert fails(model).reason is Reason.TIMEOUT
        # The connection is given up with the request, and nothing of ours goes on behind it.
        assert server.hung_up.wait(10)
        model.close()
    assert threading.active_count() <= before


@pytest.mark.parametrize("vendor", MAKERS)
def test_a_connection_that_was_kept_open_is_no_exception(vendor: str) -> None:
    with Dripping(whole=1) as server:
        model = MAKERS[vendor](server.url)
        assert fails(model).reason is Reason.GARBLED
        assert fails(model).reason is Reason.TIMEOUT
        assert server.hung_up.wait(10)
        assert server.connections == 1
        model.close()


@pytest.mark.parametrize("vendor", MAKERS)
def test_the_next_provider_still_has_time(vendor: str) -> None:
    with Dripping() as server:
        model = MAKERS[vendor](server.url)
        second = ScriptedModel([say("Hello!")], provider="two")
        reply, attempts = Router([model, second]).answer(REQUEST, 3.0)
        model.close()
    assert reply.step.text == "Hello!"
    assert [(one.provider, one.ok, one.error_kind) for one in attempts] == [
        (model.provider, False, "transient"), ("two", True, None),
    ]  # fmt: skip


def test_the_look_at_the_vendors_list_ends_too() -> None:
    for make in (MAKERS["claude"], MAKERS["openai"]):
        with Dripping() as server:
            model = make(server.url)
            assert not isinstance(model, OpenAIChatModel)
            with pytest.raises(VendorFault):
                model.listing(timeout_s=0.5)
            assert server.hung_up.wait(10)
            model.close()


def test_the_earlier_end_holds() -> None:
    with Dripping() as server, within(0.5):
        model = MAKERS["claude"](server.url)
        patient = ModelRequest(system=("x",), tools=(), items=(UserText("hi"),), timeout_s=60.0)
        assert fails(model, patient).reason is Reason.TIMEOUT
        model.close()
