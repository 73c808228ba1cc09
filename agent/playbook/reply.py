"""What the playbook decides: calls to make, or words to say; and how words become a text message or an email."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from agent.playbook.facts import Facts
from agent.playbook.lines import line
from agent.playbook.text import gsm

SMS_LIMIT = 320
"""Characters of a text message: two segments, which Twilio advises as the most (messaging facts 2.6)."""


@dataclass(frozen=True)
class Do:
    """Tools to call now, as (name, arguments) pairs."""

    calls: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True)
class Say:
    """Words to the customer. `extras` are said before the last part when there is room; `bare` says that the words
    name the shop themselves; `language` is that of the greeting around them."""

    parts: tuple[str, ...]
    extras: tuple[str, ...] = ()
    bare: bool = False
    language: str = "en"

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


def _who(facts: Facts, language: str) -> str:
    """Who writes: the first reply names the shop and says that an automated assistant does (messaging facts 3.5)."""
    name = facts.shop.assistant.strip()
    role = line("role", language, shop=facts.shop.name)
    return f"{name}, {role}" if name and "assistant" not in name.lower() else role


def _sms(words: Say, facts: Facts) -> str:
    hello = ""
    if facts.first_reply and not words.bare:
        name = f" {facts.first_name}" if facts.first_name else ""
        hello = line("greeting_sms", words.language, name=name, who=_who(facts, words.language))
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
    language = words.language
    greeting = line("greeting_email_nobody", language)
    if facts.first_name:
        greeting = line("greeting_email", language, name=f" {facts.first_name}")
    opening = line("introduction_email", language, who=_who(facts, language))
    first = [opening] if facts.first_reply and not words.bare else []
    body = [*first, *words.parts[:-1], *words.extras, *words.parts[-1:]]
    sign_off = f"{line('sign_off', language)}\n{_signature(facts, language)}"
    return "\n\n".join(
        "".join(c for c in part if c == "\n" or c.isprintable()) for part in (greeting, *body, sign_off)
    )


def _signature(facts: Facts, language: str) -> str:
    name = facts.shop.assistant.strip()
    role = line("signed_role", language) if "automated" not in name.lower() else ""
    return "\n".join(
        part for part in (", ".join(filter(None, (name, role))), facts.shop.name, facts.shop.phone) if part
    )
