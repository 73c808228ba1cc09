"""What an OpenAI-compatible server understands beyond the least common denominator (LLM facts 2.10).

OPENAI_CAPABILITIES lists the names, separated by commas. Nothing is sent that is not listed, because servers answer 400
to fields they do not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Capabilities:
    """One flag per field or habit. A flag's name is the name of the field that may then be sent."""

    # Tool schemas in OpenAI's strict form.
    strict: bool = False
    # `store: false`, so that a gateway which keeps conversations by default does not keep ours.
    store: bool = False
    prompt_cache_key: bool = False
    # `parallel_tool_calls: false`, for models that mix up two calls at once.
    parallel_tool_calls: bool = False
    # `reasoning_effort: low`.
    reasoning_effort: bool = False
    # The newer name of `max_tokens`.
    max_completion_tokens: bool = False


NAMES = tuple(field.name for field in fields(Capabilities))


def capabilities(names: Iterable[str]) -> Capabilities:
    """The flags with these names set. Raises ValueError naming the setting and what can be chosen."""
    chosen = {name.strip().lower() for name in names} - {""}
    unknown = sorted(chosen - set(NAMES))
    if unknown:
        raise ValueError(
            f"OPENAI_CAPABILITIES: {', '.join(unknown)} is not known; choose from {', '.join(NAMES)}"
        )
    return Capabilities(**dict.fromkeys(chosen, True))
