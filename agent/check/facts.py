"""The reply is checked in code before it leaves: every price, time and promise must trace to a fact of this turn.

A model may be wrong or talked into things; this is what stands between that and the customer. Thin for now: money,
clock times, dates, and claims that something is booked, moved or cancelled, in English.
"""

from __future__ import annotations

import json
import re

from agent.check.verdict import Evidence, Finding, Verdict

_MONEY = re.compile(
    r"\$\s?(\d[\d,]*(?:\.\d{1,2})?)|\b(\d[\d,]*(?:\.\d{2})?)\s?(?:dollars|bucks|usd)\b", re.IGNORECASE
)
_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d{2}))?\s?([ap])\.?m\b\.?", re.IGNORECASE)
_CLOCK_24 = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b(?!\s?[ap]\.?m)", re.IGNORECASE)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DATE = re.compile(r"\b(" + "|".join(_MONTHS) + r")[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b", re.IGNORECASE)
_WEEKDAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)(?:s|r|rs|nes|ur)?(?:day)?s?\b", re.IGNORECASE)
_ISO_DATE = re.compile(r"\b\d{4}-(\d{2})-(\d{2})\b")
_ISO_TIME = re.compile(r"T(\d{2}):(\d{2})")
_BOOKED = re.compile(
    r"\b(?:you(?:'re| are)(?: all)? (?:booked|set|confirmed|scheduled)|(?:is|are|been|have|has|i've|we've) (?:\w+ ){0,2}"
    r"(?:booked|confirmed|scheduled|reserved)|(?:i|we) (?:just )?(?:booked|scheduled|reserved)|appointment (?:is )?confirmed)\b",
    re.IGNORECASE,
)
_MOVED = re.compile(r"\b(?:is|been|have|i've|we've|i|we) (?:just )?(?:moved|rescheduled)\b", re.IGNORECASE)
_CANCELLED = re.compile(r"\b(?:is|been|have|i've|we've|i|we|was) (?:just |now )?cancell?ed\b", re.IGNORECASE)
_HUMAN = re.compile(
    r"\bi(?:'m| am) (?:not (?:a |an )?(?:bot|ai|robot|automated)"
    r"|(?:a |an )?(?:real|human|actual) ?(?:person|human|being)?)\b",
    re.IGNORECASE,
)
_INTERNALS = re.compile(
    r"\b(?:offer_id|service_id|find_services|find_times|my_appointments|hand_off|opt_out|update_lead"
    r"|tool_(?:use|call|result))\b"
)


def check_reply(reply: str, evidence: Evidence) -> Verdict:
    """What in the reply cannot be traced. Money traces to tool results only; times and dates also to what the
    customer just named, because an answer may repeat the wish it cannot fulfil."""
    results, facts, customer_words = evidence.results, evidence.facts, evidence.customer_words
    said = "\n".join(result.text for result in results)
    known = said + json.dumps(facts, ensure_ascii=False)
    findings = [Finding("price", f"${amount}") for amount in sorted(_amounts(reply) - _amounts(said))]
    findings += [
        Finding("time", t) for t in sorted(times_in(reply) - times_in(known) - times_in(customer_words))
    ]
    findings += [Finding("date", d) for d in sorted(_dates(reply) - _dates(known) - _dates(customer_words))]
    done = {result.name for result in results if not result.is_error}
    has_appointment = bool(facts.get("appointments"))
    for pattern, allowed in (
        (_BOOKED, "book" in done or "move" in done or has_appointment),
        (_MOVED, "move" in done),
        (_CANCELLED, "cancel" in done),
    ):
        match = pattern.search(reply)
        if match and not allowed and not _is_question_or_denial(reply, match):
            findings.append(Finding("claim", match.group(0)))
    findings += [Finding("persona", m.group(0)) for m in [_HUMAN.search(reply)] if m]
    findings += [Finding("internals", m.group(0)) for m in [_INTERNALS.search(reply)] if m]
    return Verdict(tuple(findings), ())


def _is_question_or_denial(reply: str, match: re.Match[str]) -> bool:
    start = max(reply.rfind(mark, 0, match.start()) for mark in ".!?\n") + 1
    sentence = reply[start : match.end() + 40]
    return bool(
        re.search(
            r"\b(?:not|n't|never|until|before|once|if|after|when)\b",
            sentence[: match.end() - start],
            re.IGNORECASE,
        )
    )


def _amounts(text: str) -> set[str]:
    found = set()
    for match in _MONEY.finditer(text):
        digits = (match.group(1) or match.group(2)).replace(",", "")
        found.add(digits.removesuffix(".00"))
    return found


def times_in(text: str) -> set[str]:
    """The clock times in a text as 24-hour HH:MM."""
    found = set()
    for hour, minute, half in _CLOCK.findall(text):
        number = int(hour) % 12 + (12 if half.lower() == "p" else 0)
        found.add(f"{number:02d}:{minute or '00'}")
    found |= {f"{int(hour):02d}:{minute}" for hour, minute in _CLOCK_24.findall(text)}
    return found | {f"{hour}:{minute}" for hour, minute in _ISO_TIME.findall(text)}


def names_moment(text: str, label: str) -> bool:
    """Whether a text names the moment of a label ("Tue, Nov 24 at 9:00 AM"): its time and, where the text names days
    at all, its day. "Tomorrow at 9 AM" names no day that could be compared."""
    if not times_in(label) <= times_in(text):
        return False
    dates, weekdays = _dates(text), _weekdays(text)
    return not (dates or weekdays) or bool(dates & _dates(label) or weekdays & _weekdays(label))


def _weekdays(text: str) -> set[str]:
    return {day.lower() for day in _WEEKDAY.findall(text)}


def _dates(text: str) -> set[str]:
    found = {
        f"{_MONTHS.index(month[:3].lower()) + 1:02d}-{int(day):02d}" for month, day in _DATE.findall(text)
    }
    return found | {f"{month}-{day}" for month, day in _ISO_DATE.findall(text)}
