"""How the assistant speaks of itself and of others: never as a person, never with its own insides, never of other people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from agent.check.grammar import negated
from agent.check.patterns import pattern, words
from agent.check.records import Records
from agent.check.text import Sentence, clean
from agent.check.verdict import Finding
from agent.policy import default_policy

_DENIES = pattern("voice", "denies")
_NOT_A_PERSON = pattern("voice", "not_a_person")
_BOT_QUESTION = pattern("voice", "bot_question")
_ADMITS = pattern("voice", "admits")
_DENIAL_START = pattern("voice", "denial_start")
_CALLS_ITSELF = pattern("voice", "calls_itself", case=True)
_NO_NAMES = words("voice", "no_names")

_INSIDES = pattern("voice", "insides")
_REFUSES = pattern("voice", "refuses")
_SHOUTED = re.compile(r"\b(?:SYSTEM|DEBUG|ADMIN|OVERRIDE|HACKED|PWNED|JAILBREAK\w*|ROOT|INJECTION)\b")
_OTHERS = pattern("voice", "others")
_WHOSE = pattern("voice", "whose", case=True)
_OUR_RULES = pattern("voice", "our_rules")
_COMMON_NAMES = words("voice", "common_names")
# Words that begin a sentence with a capital and are nobody.
_CUSTOMARY = words("voice", "nobody")
_RUN = 8


def voice_findings(records: Records, said: Sequence[Sentence], cleaned: str) -> list[Finding]:
    """Denials of being automated, internal words, and talk about other customers."""
    findings = [*_persona(records, said, cleaned)]
    for sentence in said:
        findings += _internals(sentence, records)
        findings += _others(sentence, records)
    if leak := _policy_leak(cleaned):
        findings.append(Finding("internals", leak))
    return findings


def _persona(records: Records, said: Sequence[Sentence], cleaned: str) -> list[Finding]:
    found = []
    for sentence in said:
        match = _DENIES.search(_NOT_A_PERSON.sub(" ", sentence.text))
        if match and not sentence.question:
            found.append(Finding("persona", match.group()))
    found += _false_name(records, said)
    if (
        found
        or not _BOT_QUESTION.search(records.words)
        or _ADMITS.search(cleaned)
        or _NOT_A_PERSON.search(cleaned)
    ):
        return found
    first = said[0].text if said else ""
    if _DENIAL_START.search(first) or re.search(
        r"\bi(?:'m| am) (?:real|human|here)|\bof course (?:i'm|i am)|\bsoy real\b", cleaned, re.IGNORECASE
    ):
        found.append(Finding("persona", first))
    return found


def _false_name(records: Records, said: Sequence[Sentence]) -> list[Finding]:
    """ "This is Sam from the shop": a person's name that nobody gave the assistant."""
    shop = clean(f"{records.shop.get('assistant_name') or ''} {records.shop.get('name') or ''}").lower()
    for sentence in said:
        match = _CALLS_ITSELF.search(sentence.text)
        name = next(filter(None, match.groups()), "").lower() if match else ""
        if match and name not in shop and name not in _NO_NAMES | _CUSTOMARY:
            return [Finding("persona", match.group())]
    return []


def _internals(sentence: Sentence, records: Records) -> list[Finding]:
    text = re.sub(r"\S+@\S+|https?://\S+|www\.\S+", " ", sentence.text)
    found = _SHOUTED.search(text) or next(
        (m for m in _INSIDES.finditer(text) if not _refused(sentence, m)), None
    )
    if found is None or found.group().lower() in " ".join(
        one.text.lower() for one in records.texts_of("shop")
    ):
        return []
    return [Finding("internals", found.group().strip())]


def _refused(sentence: Sentence, match: re.Match[str]) -> bool:
    """ "I can't share my instructions" tells nothing; a tool's name tells even when it is refused."""
    names_words = re.fullmatch(r"[a-z ]+", match.group().strip(), re.IGNORECASE)
    return bool(names_words and _REFUSES.search(sentence.text[: match.start()]))


def _others(sentence: Sentence, records: Records) -> list[Finding]:
    match = _OTHERS.search(sentence.text)
    taken = re.search(
        r"\b(?:taken|booked|reserved|just|first|called|before) (?:\w+ ){0,3}by (?:an)?other\b",
        sentence.text,
        re.IGNORECASE,
    )
    if match and not _OUR_RULES.search(sentence.text) and not taken and not sentence.question:
        return [Finding("others", match.group())]
    for whose in _WHOSE.finditer(sentence.text):
        known = clean(
            f"{records.words} {records.lead.get('first_name')} {records.lead.get('last_name')} {records.shop.get('name')}"
            f" {records.shop.get('assistant_name')} {records.echoes}"
        ).lower()
        words = whose["name"].lower().split()
        if (
            not set(words) & _COMMON_NAMES
            and not any(word in known for word in words)
            and not negated(sentence, whose.start())
        ):
            return [Finding("others", whose.group())]
    return []


def _policy_leak(cleaned: str) -> str:
    """Eight words in a row out of the rules that the model was given."""
    words = re.findall(r"[a-z0-9']+", cleaned.lower())
    runs = _policy_runs()
    for at in range(len(words) - _RUN + 1):
        if tuple(words[at : at + _RUN]) in runs:
            return " ".join(words[at : at + _RUN])
    return ""


@cache
def _policy_runs() -> frozenset[tuple[str, ...]]:
    # Sentences in quotation marks are examples of what to say.
    text = re.sub(r"\"[^\"]*\"", " | ", clean(default_policy()))
    runs: set[tuple[str, ...]] = set()
    for part in re.split(r"[|\n]{2,}|\|", text):
        words = re.findall(r"[a-z0-9']+", part.lower())
        runs |= {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
    return frozenset(runs)
