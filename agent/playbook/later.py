"""A customer who does not want to come now and says when we may write again."""

from __future__ import annotations

import re
from datetime import date, timedelta

from agent.playbook import phrases
from agent.playbook.intents import Intent
from agent.playbook.lines import line
from agent.playbook.reading import Reading
from agent.playbook.reply import Step, do
from agent.playbook.text import folded
from agent.playbook.transcript import Situation

_ASKS_TO_WRITE = re.compile(
    r"\b(?:write|text|message|email|contact|remind|ping|hit|try|ask) (?:back )?(?:to )?(?:me|us)\b"
    r"(?! (?:the|your|a|when you|what)\b)"
    r"|\b(?:follow up|check back|check in|reach out|circle back|touch base|get back to me)\b"
    r"|\b(?:escrib|mensaje|record|contact|recuerd|avis|busqu|busc|pregunt|textee)\w*(?:me|nos)\b"
    r"|\bme (?:vuelv\w+ a |pueden? )?(?:escrib|recuerd|record|contact|avis|busc|manda)\w*\b"
)
_WANTS_NOW = (Intent.PRICE, Intent.TIMES, Intent.MINE, Intent.CANCEL, Intent.MOVE, Intent.HOURS)
_FAR = timedelta(days=6)
_LONGEST = 60


def write_later(s: Situation, r: Reading) -> Step | None:
    """A follow-up on the day the customer named, the question for that day, or None when they ask for nothing such."""
    if "follow_up" not in s.tools or r.has(*_WANTS_NOW):
        return None
    day = _day(s, r)
    asked = phrases.ASKED_WRITE_DAY.search(s.asked)
    if _ASKS_TO_WRITE.search(folded(s.said)) or (asked and day):
        if day is None:
            return phrases.one(s.facts, "ask_write_day")
        return do("follow_up", day=day.isoformat(), about=_about(s, r))
    far = day is not None and day - s.facts.now.date() >= _FAR
    if (
        far
        and day
        and r.has(Intent.HESITATES)
        and not r.has(Intent.BOOK)
        and not r.when.clock
        and not r.mention
    ):
        return do("follow_up", day=day.isoformat(), about=_about(s, r))
    return None


def after_plan(s: Situation, *, failed: bool) -> Step:
    """What is said once the date is stored, or was refused."""
    return phrases.one(s.facts, "ask_write_day" if failed else "will_write")


def _day(s: Situation, r: Reading) -> date | None:
    """The first of the days that were named, when it is after today."""
    today = s.facts.now.date()
    for search in r.when.searches(today):
        if "from_date" in search:
            return date.fromisoformat(search["from_date"])
    return None


def _about(s: Situation, r: Reading) -> str:
    """A few plain words for the day's message; of what was guessed out of the customer's text nothing is kept."""
    if s.facts.speaks == "en" and r.wishes and not r.mention.guessed:
        words = " and ".join(wish.query for wish in r.wishes)
        if len(words) <= _LONGEST and re.fullmatch(r"[a-z -]{3,}", words):
            return words
    return line("your_visit", s.facts.speaks)
