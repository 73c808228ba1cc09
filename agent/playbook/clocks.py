"""Times of day as customers write them: "after 3", "9ish", "between 9 and 11", "sat morning"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

_MERIDIEM = r"(?:a\.?m\b\.?|p\.?m\b\.?|(?<=\d)[ap]\b)"
_T = rf"(?:(\d{{1,2}})(?:[:.]?([0-5]\d))?\s*({_MERIDIEM})?|(noon|midday|midnight))(?![\d/%])"
_UNIT = (
    r"(?!\s*(?:more\s+)?(?:days?|weeks?|months?|hours?|hrs?|min|windows?|doors?|cars?|vehicles?|people|miles?|dollars?|bucks|"
    r"percent|pct|series|years?|door|seats?|times|sides?|layers?|trucks?|vidrios|ventanas|puertas|carros|dias|semanas|horas)\b)"
)
_FREE = r"(?<![\d$/#.:,'-])"
_RANGE = re.compile(
    rf"(?:\b(?:between|from|btw|btwn)\s+)?{_FREE}{_T}\s*(?:-|to|until|till?|thru|through)\s*{_T}{_UNIT}"
    rf"|\b(?:between|btwn?|from)\s+{_T}\s*(?:and|&|-|to)\s*{_T}{_UNIT}"
)
_AFTER = re.compile(
    rf"\b(?:after|past|later than|from|starting(?: at)?|since)\s+(?:about\s+|around\s+)?{_T}{_UNIT}"
    rf"|{_FREE}{_T}\s*(?:or later|or after|onwards?|and later|\+)"
)
_BEFORE = re.compile(
    rf"\b(?:before|by|earlier than|until|till|no later than)\s+(?:about\s+|around\s+)?{_T}{_UNIT}"
    rf"|{_FREE}{_T}\s*or (?:earlier|before)"
)
_AT = re.compile(rf"(?:\b(?:at|around|about|like|close to|near)|@|~)\s*(?:about\s+|like\s+)?{_T}{_UNIT}")
_MADE = re.compile(
    rf"\b(?:make (?:it|that)|(?:change|switch|move|push) (?:it|that|this) to|i meant?)\s+(?:at\s+)?{_T}{_UNIT}"
)
_CLEAR = re.compile(
    rf"(?<![\d$/#.:-])(\d{{1,2}})(?:[:.]?([0-5]\d))?\s*({_MERIDIEM})|(?<![\d$/#.:-])(\d{{1,2}}):([0-5]\d)\b|\b(noon|midday)\b"
)
_ISH = re.compile(r"(?<![\d$/#.:-])(\d{1,2})(?::?([0-5]\d))?\s*-?\s*(?:ish|o'?\s?clock)\b")
# A number of three or four digits is a time only with a quarter of an hour in it: "300" and "1500" are also cars.
_PANES = "(?<!front )(?<!back )(?<!rear )(?<!all )(?<!other )(?<!just )"
_LOOSE = re.compile(
    rf"{_PANES}(?<![\d$/#.:,'-])\b(?:(\d{{1,2}})(?:\s(15|30|45))?|(1[0-2]|[1-9])(15|30|45))\b"
    rf"(?![\d:/%-]|\.\d|,\d|st|nd|rd|th){_UNIT}"
)
_NUMBERS = dict(
    zip(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        range(2, 13),
        strict=True,
    )
)
_SPELLED: tuple[tuple[str, str], ...] = (
    (r"\b(at|after|before|around|by) one\b", r"\1 1"),
    (r"\b(\d{1,2}) (?:thirty)\b", r"\1:30"),
    (r"\b(\d{1,2}) (?:fifteen)\b", r"\1:15"),
    (r"\b(\d{1,2}) (?:forty ?five)\b", r"\1:45"),
    (r"\bhalf past (\d{1,2})\b", r"\1:30"),
    (r"\bquarter (?:past|after) (\d{1,2})\b", r"\1:15"),
    (r"(\d) ?(?:o'?\s?clock )?(?:in the|this|tomorrow)? ?(?:morning|morn)\b", r"\1 am"),
    (r"(\d) ?(?:o'?\s?clock )?in the (?:afternoon|evening)\b|(\d) ?(?:o'?\s?clock )?at night\b", r"\1\2 pm"),
    # Until then they cannot come, so they can after it.
    (
        r"\b(?:i |we )?(?:have )?(?:work|busy|booked|in class|in school|at work) (?:un)?till? (?=\d|noon)",
        "after ",
    ),
    (
        r"(?<!it )(?<!her )(?<!him )(?<!car )(?<!truck )\b(?:get |got |getting )?off (?:of )?(?:work )?"
        r"(?:at |around |by )?(?=\d)",
        "after ",
    ),
    (
        r"\b(?:done|finished|free|home|out) (?:with work |of work |from work )?(?:at|after|around|by) (?=\d)",
        "after ",
    ),
    # The car is fetched then, it does not come then.
    (
        r"\bpick(?:ing)? ?(?:it |her |him |the \w+ |my \w+ )?up (?:at |by |around |after )?"
        r"\d{1,2}(?::\d\d)?(?: ?[ap]m)?",
        " ",
    ),
)
_SPELLINGS = tuple((re.compile(pattern), said) for pattern, said in _SPELLED)
_PARTS: tuple[tuple[str, time | None, time | None], ...] = (
    (r"\bearly\s+(?:in the )?morn(?:ing)?\b|\bfirst thing\b|\bbright and early\b", None, time(10)),
    (r"\b(?:late|mid)[ -]?morning\b", time(10), time(12)),
    (r"\blate\s+(?:in the )?afternoon\b", time(15), None),
    (r"\b(?:early\s+(?:in the )?|mid[ -]?)afternoon\b", time(12), time(15)),
    (r"\bafter (?:my )?lunch\b", time(13), None),
    (r"\bafter (?:school|class)\b", time(15), None),
    (r"\bafter work\b|\beve(?:nings?)?\b|\bnight\b|\bend of (?:the )?day\b|\beod\b", time(16), None),
    (r"\b(?:before work)\b", None, time(9)),
    (r"\blunch(?:time| time| break)?\b", time(11, 30), time(14)),
    (r"\bmornings?\b|\bmorn\b|\b(?<!\d)(?<!\d )am\b(?! i\b)", None, time(12)),
    (r"\bafternoons?\b|\baft\b|\barvo\b|\b(?<!\d)(?<!\d )pm\b", time(12), None),
)  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """What a text says about the time of day, in local time.

    `at` are exact starts; `after`/`before` bound the start; `loose` are bare numbers that are a time only in context.
    """

    at: tuple[time, ...] = ()
    after: time | None = None
    before: time | None = None
    loose: tuple[time, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.at or self.after or self.before)


def read_clock(text: str) -> Clock:
    """Read times of day from plain text whose dates were already taken out. Never raises."""
    text = _with_digits(text)
    after, before, text = _bounds(text)
    at, text = _exact(text)
    part_after, part_before = _part_of_day(text)
    if at and part_after and part_after >= time(16):
        at = tuple(time(t.hour + 12, t.minute) if 5 <= t.hour < 12 else t for t in at)
    loose = tuple(found for m in _LOOSE.finditer(text) if (found := _loose(m)))
    return Clock(at, after or (None if at else part_after), before or (None if at else part_before), loose)


def _with_digits(text: str) -> str:
    text = re.sub(rf"{_PANES}\b(?:{'|'.join(_NUMBERS)})\b", lambda m: str(_NUMBERS[m.group()]), text)
    for pattern, said in _SPELLINGS:
        text = pattern.sub(said, text)
    return re.sub(r"\bquarter to (\d{1,2})\b", lambda m: f"{(int(m.group(1)) - 2) % 12 + 1}:45", text)


def _loose(m: re.Match[str]) -> time | None:
    return _time(m.group(1) or m.group(3), m.group(2) or m.group(4), None)


def _bounds(text: str) -> tuple[time | None, time | None, str]:
    if (m := _RANGE.search(text)) and (span := _range(m)):
        return (*span, _without(text, m))
    after = before = None
    if m := _AFTER.search(text):
        after = _first_time(m)
        text = _without(text, m) if after else text
    if m := _BEFORE.search(text):
        before = _first_time(m)
        text = _without(text, m) if before else text
    return after, before, text


def _range(m: re.Match[str]) -> tuple[time, time] | None:
    groups = m.groups()[:8] if any(m.groups()[:8]) else m.groups()[8:]
    hour, minute, meridiem, word, later_hour, later_minute, late, later_word = groups
    if late and not meridiem and hour and later_hour and int(hour) < int(later_hour) < 12:
        meridiem = late
    first, second = _time(hour, minute, meridiem, word), _time(later_hour, later_minute, late, later_word)
    return (first, second) if first and second and first < second else None


def _first_time(m: re.Match[str]) -> time | None:
    groups = m.groups()
    for start in range(0, len(groups) - 3, 4):
        hour, minute, meridiem, word = groups[start : start + 4]
        if hour or word:
            return _time(hour, minute, meridiem, word)
    return None


def _exact(text: str) -> tuple[tuple[time, ...], str]:
    found: list[time] = []
    for pattern in (_CLEAR, _ISH, _AT, _MADE):
        for m in list(pattern.finditer(text)):
            if value := _any_time(m):
                found.append(value)
                text = _without(text, m)
    return tuple(dict.fromkeys(found)), text


def _any_time(m: re.Match[str]) -> time | None:
    if m.re is _CLEAR:
        hour, minute, meridiem, bare_hour, bare_minute, word = m.groups()
        return _time(hour or bare_hour, minute or bare_minute, meridiem, word)
    return _time(m.group(1), m.group(2), None) if m.re is _ISH else _first_time(m)


def _part_of_day(text: str) -> tuple[time | None, time | None]:
    for pattern, after, before in _PARTS:
        if re.search(pattern, text):
            return after, before
    return None, None


def _time(hour: str | None, minute: str | None, meridiem: str | None, word: str | None = None) -> time | None:
    """A shop is open by day: a bare 7 to 12 is that hour, a bare 1 to 6 is the afternoon."""
    if word:
        return time(0) if word == "midnight" else time(12)
    if hour is None or int(hour) > 23:
        return None
    value = int(hour)
    if meridiem and value <= 12:
        value = value % 12 + (12 if meridiem.startswith("p") else 0)
    elif not meridiem and 1 <= value <= 6:
        value += 12
    return time(value, int(minute or 0))


def _without(text: str, m: re.Match[str]) -> str:
    """The text with the match blanked out, so that other matches keep their places."""
    return text[: m.start()] + " " * (m.end() - m.start()) + text[m.end() :]
