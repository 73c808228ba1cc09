"""Who wrote a message, and whether that is proved.

The From line of a mail is anybody's to write. What channels/email found out about it is kept with the message (`raw`:
`authentic`, `own_address`), because the tools and the prompt must know it too. A text comes from the number it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar


def is_proved(channel: str, raw: Mapping[str, Any] | None) -> bool:
    """Whether the message certainly is of the customer whose conversation it is in: a text, a mail with the secret of
    the conversation in its address, or one from the customer's own address whose domain vouches for it.

    A mail that came by no webhook was written by us, in a test or by a command.
    """
    if channel != "email" or not raw or "event_id" not in raw:
        return True
    authentic = raw.get("authentic")
    return authentic == "token" or (authentic is not None and raw.get("own_address") is True)


def is_strange(channel: str, raw: Mapping[str, Any] | None) -> bool:
    """Whether a mail came from another address than the customer's own."""
    return channel == "email" and bool(raw) and (raw or {}).get("own_address") is False


def strange_note(channel: str, raw: Mapping[str, Any] | None, address: str) -> str | None:
    """ "from x@y, not the customer's own address", or None for the customer's own."""
    return f"from {address}, not the customer's own address" if is_strange(channel, raw) else None


@dataclass(frozen=True)
class Writer:
    """Who wrote one message, and what is known about it."""

    channel: str
    from_address: str
    raw: Mapping[str, Any] | None


class Heard(Protocol):
    """The part of a customer's message that tells who wrote it."""

    @property
    def channel(self) -> str:
        """sms or email."""

    @property
    def from_address(self) -> str:
        """Who wrote it."""

    @property
    def raw(self) -> Mapping[str, Any] | None:
        """What is kept with it."""


One = TypeVar("One", bound=Heard)


def addressed(unanswered: Sequence[One]) -> One | None:
    """Of the messages that one answer answers, oldest first, the one whose writer gets it: the newest. But somebody else
    who wrote in between never takes the answer away from the customer who is waiting for it."""
    if not unanswered:
        return None
    newest = unanswered[-1]
    if is_strange(newest.channel, newest.raw) and not is_proved(newest.channel, newest.raw):
        own = [one for one in unanswered if is_proved(one.channel, one.raw)]
        return own[-1] if own else newest
    return newest


def notes_on(message: Heard) -> list[str]:
    """What a person who reads the conversation should know about who wrote a mail."""
    raw = message.raw or {}
    if "staff" in raw:
        because = raw.get("kept_because")
        return [f"of {raw['staff']}, from {message.from_address}"] + (
            [f"not sent on: {because}"] if because else []
        )
    note = strange_note(message.channel, raw, message.from_address)
    found = [note] if note else []
    if not is_proved(message.channel, raw) and raw.get("authentic") is None:
        found.append("nothing proves who sent it")
    return found
