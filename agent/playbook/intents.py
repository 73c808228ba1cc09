"""What a customer means by a text, as a set of intents (phrases.yaml)."""

from __future__ import annotations

import functools
import re
from enum import StrEnum

from agent.playbook.tables import tables, word_list
from agent.playbook.text import plain, words


class Intent(StrEnum):
    """One thing a text may mean; a text can mean several."""

    STOP = "stop"
    SPANISH = "spanish"
    BOT = "bot"
    PERSON = "person"
    COMPLAINT = "complaint"
    DAMAGE = "damage"
    LATE = "late"
    BARGAIN = "bargain"
    BEYOND = "beyond"
    CANCEL = "cancel"
    MOVE = "move"
    MINE = "mine"
    PRICE = "price"
    DURATION = "duration"
    BOOK = "book"
    SERVICES = "services"
    HOURS = "hours"
    ADDRESS = "address"
    PHONE = "phone"
    OTHER_TIMES = "other_times"
    REFUSES = "refuses"
    HESITATES = "hesitates"
    DONE_ELSEWHERE = "done_elsewhere"
    YES = "yes"
    NO = "no"
    THANKS = "thanks"
    GREETING = "greeting"


# "stop by tomorrow" is a visit and "price" in a complaint is no price question.
_VISIT = re.compile(r"\bstop (?:by|in|over|at)\b")


@functools.cache
def _table() -> dict[Intent, re.Pattern[str]]:
    return {Intent(name): _pattern(row) for name, row in tables()["intents"].items()}


def _pattern(row: dict[str, list[str]]) -> re.Pattern[str]:
    words_of = rf"\b(?:{'|'.join(row['words'])})\b" if "words" in row else ""
    return re.compile("|".join(filter(None, (words_of, *row.get("phrases", ())))))


def read_intents(text: str) -> frozenset[Intent]:
    """Every intent whose phrases a text holds. Never raises."""
    said = plain(text)
    found = {intent for intent, pattern in _table().items() if pattern.search(said)}
    if _looks_spanish(said):
        found.add(Intent.SPANISH)
    if _VISIT.search(said):
        found.discard(Intent.STOP)
    if Intent.MOVE in found:
        found -= {Intent.CANCEL, Intent.BOOK}
    if Intent.MINE in found:
        found -= {Intent.BOOK, Intent.HOURS}
    if Intent.BOT in found:
        found.discard(Intent.THANKS)
    return frozenset(found)


def _looks_spanish(said: str) -> bool:
    """Two Spanish words, one of them telling, and a third of all; a greeting alone also counts."""
    heard = re.findall(r"[a-záéíóúñü]+", said)
    spanish = [word for word in heard if word in word_list("spanish")]
    strong = any(word in word_list("strong_spanish") for word in spanish)
    if not strong:
        return (
            "hablan espa" in said
            or "habla espa" in said
            or (len(spanish) >= 4 and len(spanish) * 2 > len(heard))
        )
    return len(spanish) * 3 >= len(heard) and (len(spanish) > 1 or len(heard) < 3)


def is_question(text: str) -> bool:
    """Whether a text asks rather than states."""
    said = plain(text)
    return "?" in said or words(said)[:1] in (
        ["what"],
        ["how"],
        ["is"],
        ["are"],
        ["does"],
        ["what's"],
        ["when"],
        ["which"],
    )


_TAKEN_BACK = re.compile(
    r"\b(?:but|not|don't|doesn't|didn't|can't|cannot|won't|isn't|no|nope|never ?mind|instead|later|wait|hold on|"
    r"hold off|actually|unless|if|before|after|how|what|why|which|who|stop|keep|leave|rather|different|other|another)\b"
)


def is_clear_yes(text: str) -> bool:
    """Whether a text agrees and takes nothing back. Only such a text may start a write."""
    said = plain(text)
    return Intent.YES in read_intents(text) and "?" not in said and not takes_back(text)


def takes_back(text: str) -> bool:
    """Whether a text holds a word that turns or limits what it says ("yes but", "don't cancel")."""
    return bool(
        _TAKEN_BACK.search(
            re.sub(r"\b(?:no problem|why not|can't wait|if you (?:can|could))\b", "", plain(text))
        )
    )
