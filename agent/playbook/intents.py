"""What a customer means by a text, as a set of intents (phrases.yaml)."""

from __future__ import annotations

import functools
import re
from enum import StrEnum

from agent.playbook.tables import tables, word_list
from agent.playbook.text import folded, plain


class Intent(StrEnum):
    """One thing a text may mean; a text can mean several. CLOSES is read by the tool's own reader, not by phrases.yaml."""

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
    TIMES = "times"
    BOOK = "book"
    SERVICES = "services"
    HOURS = "hours"
    ADDRESS = "address"
    PHONE = "phone"
    OTHER_TIMES = "other_times"
    REFUSES = "refuses"
    HESITATES = "hesitates"
    DONE_ELSEWHERE = "done_elsewhere"
    CLOSES = "closes"
    YES = "yes"
    NO = "no"
    THANKS = "thanks"
    GREETING = "greeting"


# "stop by tomorrow" is a visit and "price" in a complaint is no price question.
_VISIT = re.compile(r"\bstop (?:by|in|over|at)\b")
_CLOSING = re.compile(
    r"\bwhat (?:time|day)s? (?:(?:do|are|does|is) )?(?:you|they|the) (?:\w+ ){0,2}?(?:open|clos)"
)
_OTHER_DAY = re.compile(r"\b(?:(?:another|different) (?:day|time|date)|otro d[ií]a)\b")


@functools.cache
def _table(name: str) -> dict[Intent, re.Pattern[str]]:
    return {Intent(intent): _pattern(row) for intent, row in tables(name)["intents"].items()}


def _pattern(row: dict[str, list[str]]) -> re.Pattern[str]:
    words_of = rf"\b(?:{'|'.join(row['words'])})\b" if "words" in row else ""
    return re.compile("|".join(filter(None, (words_of, *row.get("phrases", ())))))


@functools.lru_cache(maxsize=256)
def read_intents(text: str) -> frozenset[Intent]:
    """Every intent whose phrases a text holds, in English or Spanish. TIMES comes with BOOK: who asks for free times
    is on the way to a booking. Never raises."""
    said = plain(text)
    found = {intent for intent, pattern in _table("phrases").items() if pattern.search(said)}
    folded_text = folded(text)
    found |= {intent for intent, pattern in _table("spanish").items() if pattern.search(folded_text)}
    if _looks_spanish(said):
        found.add(Intent.SPANISH)
    return frozenset(_settled(found, said))


def _settled(found: set[Intent], said: str) -> set[Intent]:
    """The intents without those that only share a word with another one."""
    if Intent.HOURS in found and _CLOSING.search(said):
        found -= {Intent.TIMES}
    if Intent.TIMES in found:
        found.add(Intent.BOOK)
    if _VISIT.search(said):
        found.discard(Intent.STOP)
    if Intent.MOVE in found:
        found -= {Intent.CANCEL, Intent.BOOK, Intent.TIMES}
        found -= set() if _OTHER_DAY.search(said) is None else {Intent.OTHER_TIMES}
    if Intent.CANCEL in found:
        found -= {Intent.BOOK, Intent.TIMES}
    if Intent.MINE in found:
        found -= {Intent.BOOK, Intent.TIMES, Intent.HOURS}
    if Intent.BOT in found:
        found.discard(Intent.THANKS)
    return found


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
    said = folded(text)
    return "?" in said or bool(_ASKING.match(said))


_ASKING = re.compile(
    r"\W*(?:what|how|is|are|does|what's|when|which|que|cuales?|cuant[oa]s?|donde|como|tienen?|hay|cuando)\b"
)
_TAKEN_BACK = re.compile(
    r"\b(?:but|not|don't|doesn't|didn't|can't|cannot|won't|isn't|no|nope|never ?mind|instead|later|wait|hold on|"
    r"hold off|actually|unless|if|before|after|how|what|why|which|who|stop|keep|leave|rather|different|other|another|"
    r"pero|mejor|esper[ae]\w*|todavia|aun|otr[oa]s?|cambi\w+|cuando|cuant[oa]|donde|despues|antes|en vez|deje(?:lo|la)?)\b"
    r"|^si (?:se|no|puedo|pueden?|hay|tienen?|es|llueve|fuera|el|la|me da)\b"
)


def is_clear_yes(text: str) -> bool:
    """Whether a text agrees and takes nothing back. Only such a text may start a write."""
    return Intent.YES in read_intents(text) and "?" not in text and not takes_back(text)


def takes_back(text: str) -> bool:
    """Whether a text holds a word that turns or limits what it says ("yes but", "don't cancel")."""
    return bool(
        _TAKEN_BACK.search(
            re.sub(r"\b(?:no problem|why not|can't wait|if you (?:can|could))\b", "", folded(text))
        )
    )
