"""What the playbook decides: calls to make, or words to say; and how words become a text message or an email."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from agent.playbook.facts import Facts
from agent.playbook.text import gsm

SMS_LIMIT = 320
"""Characters of a text message: two segments, which Twilio advises as the most (messaging facts 2.6)."""


@dataclass(frozen=True)
class Do:
    """Tools to call now, as (name, arguments) pairs."""

    calls: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True)
class Say:
    """Words to the customer. `extras` are said after the first part when there is room; `bare` says that the words
    name the shop themselves; `rows` become a list in an email and a sentence in a text message."""

    parts: tuple[str, ...]
    extras: tuple[str, ...] = ()
    bare: bool = False

    def after(self, *before: str) -> Say:
        """The same words with others in front."""
        return replace(self, parts=(*(part for part in before if part), *self.parts))


Step = Do | Say


def do(name: str, **arguments: Any) -> Do:
    """One call."""
    return Do(((name, arguments),))


def say(*parts: str, extras: tuple[str, ...] = (), bare: bool = False) -> Say:
    """Words; empty parts are left out."""
    return Say(tuple(part for part in parts if part), tuple(extra for extra in extras if extra), bare)


def render(words: Say, facts: Facts) -> str:
    """The text that goes out on the channel of this turn."""
    return _email(words, facts) if facts.channel == "email" else _sms(words, facts)


def introduction(facts: Facts) -> str:
    """Who writes: the first reply names the shop and says that an automated assistant does (messaging facts 3.5)."""
    return f"this is {_assistant(facts)}."


def _assistant(facts: Facts) -> str:
    name = facts.shop.assistant.strip()
    role = f"the automated assistant at {facts.shop.name}"
    return f"{name}, {role}" if name and "assistant" not in name.lower() else role


def _sms(words: Say, facts: Facts) -> str:
    hello = ""
    if facts.first_reply and not words.bare:
        greeting = f"Hi {facts.first_name}, " if facts.first_name else "Hi, "
        hello = greeting + introduction(facts)
    core = [part for part in (hello, *words.parts) if part]
    text = _joined(core)
    for extra in words.extras:
        longer = _joined([*core[:-1], extra, *core[-1:]])
        if len(longer) <= SMS_LIMIT:
            core, text = [*core[:-1], extra, *core[-1:]], longer
    return text if len(text) <= SMS_LIMIT else _cut(core)


def _joined(parts: list[str]) -> str:
    return gsm(" ".join(parts)).strip()


def _cut(parts: list[str]) -> str:
    """Too long even without extras: the last part is the question and stays whole; what is before it is cut at a
    word, so that no price or time is ever cut in half."""
    last = _joined(parts[-1:])[:SMS_LIMIT]
    room = SMS_LIMIT - len(last) - 1
    head = _joined(parts[:-1])
    if len(head) > room:
        head = head[: max(room - 3, 0)].rpartition(" ")[0]
        head = f"{head}..." if head else ""
    return f"{head} {last}".strip()


def _email(words: Say, facts: Facts) -> str:
    greeting = f"Hi {facts.first_name}," if facts.first_name else "Hello,"
    opening = introduction(facts)
    first = [opening[0].upper() + opening[1:]] if facts.first_reply and not words.bare else []
    body = [*first, *words.parts[:-1], *words.extras, *words.parts[-1:]]
    sign_off = f"Best regards,\n{_signature(facts)}"
    return "\n\n".join(
        "".join(c for c in part if c == "\n" or c.isprintable()) for part in (greeting, *body, sign_off)
    )


def _signature(facts: Facts) -> str:
    name = facts.shop.assistant.strip()
    role = "automated assistant" if "automated" not in name.lower() else ""
    return "\n".join(
        part for part in (", ".join(filter(None, (name, role))), facts.shop.name, facts.shop.phone) if part
    )
