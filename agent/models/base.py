"""The neutral transcript and the interface every model provider implements.

A provider adapter translates this transcript to its vendor's wire form and back (LLM facts 4.5), so a conversation
can change provider between two rounds. Nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from agent.notes import NOTE, RECORDS

Json = dict[str, Any]


@dataclass(frozen=True)
class ToolSpec:
    """One function the model may call. `schema` is JSON Schema of an object with additionalProperties false."""

    name: str
    description: str
    schema: Json
    write: bool = False


@dataclass(frozen=True)
class ToolCall:
    """A call the model asks for; `arguments` is None when the vendor's text was not a JSON object.

    `raw_arguments` keeps what was received, for the error the model gets back.
    """

    id: str
    name: str
    arguments: Json | None
    raw_arguments: str = ""


@dataclass(frozen=True)
class ToolResult:
    """The answer to one call, as text the model can read."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class UserText:
    """What the customer wrote (or a note by the system inside the conversation). Untrusted."""

    text: str


@dataclass(frozen=True)
class AssistantStep:
    """One answer of a model: text, calls, and the opaque vendor state that only the same model may see again."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    provider: str = ""
    model: str = ""
    provider_state: Any = None


@dataclass(frozen=True)
class ToolResults:
    """Results of all calls of the step before it, in call order, exactly one each."""

    results: tuple[ToolResult, ...]


Item = UserText | AssistantStep | ToolResults


@dataclass(frozen=True)
class Usage:
    """Token counts of one request, normalised: `input` excludes cached reads and writes (LLM facts 3.1).

    `thinking` is part of `output`. None means the vendor did not say; it is never treated as 0.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    thinking: int | None = None


class StopReason(StrEnum):
    """Why the model ended its answer, in neutral words."""

    END = "end"
    TOOLS = "tools"
    LENGTH = "length"
    REFUSAL = "refusal"
    OTHER = "other"


@dataclass(frozen=True)
class ModelReply:
    """One answered request. `requested_model` is what was asked for, `step.model` what answered."""

    step: AssistantStep
    stop: StopReason
    usage: Usage
    requested_model: str
    request_id: str | None = None


@dataclass(frozen=True)
class ModelRequest:
    """Everything a model sees. `system` parts are trusted and byte-stable; `items` are the conversation.

    `facts` is structured knowledge of this turn for rule-based models; vendor adapters ignore it because the same
    knowledge is already in the text of `system` and `items`.
    """

    system: Sequence[str]
    tools: Sequence[ToolSpec]
    items: Sequence[Item]
    max_output_tokens: int = 1024
    allow_tools: bool = True
    timeout_s: float = 30.0
    cache_key: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def trimmed(self) -> ModelRequest:
        """The same request without the older half of its history; the very same object when there is nothing to
        leave out.

        Cut only where a customer begins to speak, so that a call keeps its result and its reasoning (LLM facts 2.3,
        4.3 rule 9). Texts of ours (records, notes), the open text and everything after it stay.
        """
        items = tuple(self.items)
        old = items[: _open_text(items)]
        borders = [
            place for place in range(1, len(old)) if _is_theirs(old[place]) and not _is_theirs(old[place - 1])
        ]
        # With a history of one turn there is no border in it: then all of it goes.
        cut = next(
            (place for place in borders if 2 * place >= len(old)), borders[-1] if borders else len(old)
        )
        kept = tuple(item for item in old[:cut] if _is_ours(item))
        return replace(self, items=kept + items[cut:]) if len(kept) < cut else self


def is_records(item: Item) -> bool:
    """Whether this is the text with the shop's records of this moment; everything before it is append-only history."""
    return isinstance(item, UserText) and item.text.startswith(RECORDS)


def _is_ours(item: Item) -> bool:
    return isinstance(item, UserText) and item.text.startswith((RECORDS, NOTE))


def _is_theirs(item: Item) -> bool:
    return isinstance(item, UserText) and not _is_ours(item)


def _open_text(items: Sequence[Item]) -> int:
    """Where the customer's unanswered words stand. A customer who writes our marks only keeps more of the history."""
    return max((place for place, item in enumerate(items) if _is_theirs(item)), default=0)


class ProviderError(Exception):
    """The model could not answer; `kind` decides what happens next.

    transient: worth one more try or the next provider; permanent: this request can never succeed here;
    misconfigured: an owner has to act (key, credit, model name). The message is fit to be shown to an owner.
    """

    def __init__(self, message: str, *, kind: str, provider: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.provider = provider
        self.retry_after_s = retry_after_s


class Model(Protocol):
    """A provider with one model behind it."""

    provider: str
    model: str

    def answer(self, request: ModelRequest) -> ModelReply:
        """Answer one request. Raises ProviderError; never retries by itself."""
        ...


ModelFactory = Callable[[], Model]
