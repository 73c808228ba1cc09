"""What a turn has done reaches the customer even when no model finds words for it that may leave: fixed sentences, made of
what the tools themselves returned."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.fixed import Name, line
from agent.models.base import Json, ToolCall, ToolResult
from agent.playbook.lines import moment
from agent.playbook.text import folded, gsm
from agent.tools.yes_words import QUERY

_SENTENCES: Mapping[str, Name] = {"book": "booked", "move": "moved", "cancel": "cancelled"}
_STOPPED: Mapping[str, Name] = {"sms": "stopped_sms", "email": "stopped_email"}
_CLAUSE = re.compile(r"[,;:.!\n]+|\b(?:and|but|also|y|pero|tambien)\b")


def changes_told(results: Sequence[ToolResult], language: str, shop: str) -> list[Json]:
    """A sentence for each appointment that was made, moved or cancelled, in order and in the customer's language, in the
    form of a reply's traces: kind, text, source. Empty when nothing was changed."""
    told: list[Json] = []
    for result in results:
        label = _label(result)
        if label is None:
            continue
        said = gsm(moment(label, "es")) if language[:2].lower() == "es" else label
        words = line(_SENTENCES[result.name], language, shop=shop, label=said)
        # The same call once more gives the same result.
        if all(words != one["text"] for one in told):
            told.append({"kind": "booking", "text": words, "source": result.name})
    return told


def closing_told(results: Sequence[ToolResult], language: str, shop: str) -> list[Json]:
    """The sentence after the customer's enquiry was closed, in the form of `changes_told`; empty when it was not. It is
    told where no words of a model may leave, and need not be told again beside words that do."""
    if not any(_closed(one) for one in results):
        return []
    return [{"kind": "deed", "text": line("closed", language, shop=shop), "source": "close_enquiry"}]


def stop_confirmed(channel: object, language: str, shop: str) -> str:
    """The one confirmation after an opt-out from `channel` (sms, email or all): no more than that may be said then
    (47 CFR 64.1200(a)(12); messaging facts 3.2)."""
    return line(_STOPPED.get(str(channel), "stopped"), language, shop=shop)


def stopped_by(calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> str | None:
    """From what the customer was opted out in these calls, "all" being more than one channel; None when from nothing."""
    arguments = {call.id: call.arguments or {} for call in calls}
    done = [one for one in results if one.name == "opt_out" and not one.is_error]
    channels = {str(arguments.get(one.call_id, {}).get("channel", "all")) for one in done}
    return None if not channels else channels.pop() if len(channels) == 1 else "all"


def asks_something(words: str) -> bool:
    """Whether the customer asked something beside what was done, as far as plain words tell."""
    return "?" in words or any(QUERY.match(one.strip()) for one in _CLAUSE.split(folded(words)))


def _closed(result: ToolResult) -> bool:
    return (
        result.name == "close_enquiry"
        and not result.is_error
        and _mapping(_read(result.text)).get("closed") is True
    )


def _label(result: ToolResult) -> str | None:
    if result.is_error or result.name not in _SENTENCES:
        return None
    label = _mapping(_mapping(_read(result.text)).get("appointment")).get("label")
    return label if isinstance(label, str) else None


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
