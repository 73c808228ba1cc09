"""Days and times in a customer's words, read only to compare them with times that customer was shown.

English and Spanish. It never guesses a date: it answers whether words and a shown time agree, nothing else, so that it
can be strict where the playbook's reader has to be helpful.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

_DAYS = (
    ("monday", "mon", "lunes", "lun"), ("tuesday", "tues", "tue", "martes"),
    ("wednesday", "weds", "wed", "miercoles", "mie"), ("thursday", "thurs", "thur", "thu", "jueves", "jue"),
    ("friday", "fri", "viernes", "vie"), ("saturday", "sat", "sabado", "sab"), ("sunday", "sun", "domingo", "dom"),
)  # fmt: skip
_MONTHS = (
    ("january", "jan", "enero"), ("february", "feb", "febrero"), ("march", "mar", "marzo"), ("april", "apr", "abril"),
    ("may", "mayo"), ("june", "jun", "junio"), ("july", "jul", "julio"), ("august", "aug", "agosto"),
    ("september", "sept", "sep", "septiembre"), ("october", "oct", "octubre"), ("november", "nov", "noviembre"),
    ("december", "dec", "diciembre"),
)  # fmt: skip
WEEKDAY = {name: index for index, names in enumerate(_DAYS) for name in names}
MONTH = {name: index + 1 for index, names in enumerate(_MONTHS) for name in names}
_LONG_DAYS = tuple(name for name in WEEKDAY if len(name) > 5)
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CUENTAS = ("una", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce")
_CLOCK_WORDS = {word: number + 1 for words in (_COUNTS, _CUENTAS) for number, word in enumerate(words)}
_DAY_WORD = re.compile(rf"\b({'|'.join(sorted(WEEKDAY, key=len, reverse=True))})s?\b\.?")
# "mar" is March as well, so it is a day only before a date.
_MARTES = re.compile(r"\bmar\b\.?,? (?=\d{1,2} (?:de )?[a-z]{3})")
_MONTH_WORD = rf"(?P<month>{'|'.join(sorted(MONTH, key=len, reverse=True))})"
_DATES = (
    re.compile(rf"\b{_MONTH_WORD}\b\.? ?(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of| de)? {_MONTH_WORD}\b"),
    re.compile(r"(?<![\d$])(?P<number>\d{1,2})/(?P<day>\d{1,2})(?:/\d{2,4})?(?!\d)"),
    re.compile(r"\b(?P<day>\d{1,2})(?:st|nd|rd|th)\b"),
)
_HALF = (
    r"(?P<half>a\.? ?m\b\.?|p\.? ?m\b\.?|[ap](?![a-z.])|(?:de|por|en) la (?:manana|tarde|noche)"
    r"|in the (?:morning|afternoon|evening)|at night)"
)
_EXACT = (
    re.compile(rf"(?<![\d$/.:])(?P<hour>\d{{1,2}})(?::?(?P<minute>[0-5]\d))? ?{_HALF}"),
    re.compile(r"(?<![\d$/.:])(?P<hour>\d{1,2})[:.](?P<minute>[0-5]\d)(?![\d%])"),
    re.compile(r"(?:\bat|@|\ba las?|\bde las?) ?(?P<hour>\d{1,2})(?::?(?P<minute>[0-5]\d))?(?![\d/$%:])"),
    re.compile(r"(?<![\d$/.:])(?P<hour>\d{1,2}) ?(?:o'?clock|ish|en punto|hrs\b|h\b)"),
    re.compile(
        r"(?<![\w$/.:])(?P<hour>\d{1,2})(?::?(?P<minute>[0-5]\d))?(?= (?:works|sounds|would|will|is (?:good|fine|ok)))"
    ),
    re.compile(r"\b(?:make it|let'?s (?:do|say)) (?P<hour>\d{1,2})(?::?(?P<minute>[0-5]\d))?(?![\w/%:])"),
)
_LATE = re.compile(r"^p(?!or la manana)|tarde|noche|noon|even|night")
_T = r"(\d{1,2})(?::([0-5]\d))? ?([ap])?\.? ?m?\b\.?"
_BETWEEN = re.compile(
    rf"\b(?:between|from|entre(?: las)?|de)? ?(?<![\d$/:]){_T} ?(?:-|to|and|y|a)(?: las)? ?{_T}"
)
_AFTER = re.compile(rf"\b(?:after|past|later than|despues de(?: las)?|desde(?: las)?) {_T}")
_BEFORE = re.compile(rf"\b(?:before|earlier than|by|until|till|antes de(?: las)?|hasta(?: las)?) {_T}")
_LOOSE = re.compile(
    r"(?<![\w$/.:,'+-])(?P<hour>\d{1,2}?)(?::?(?P<minute>[0-5]\d))?(?![\w%:/'-]|\.\d|,\d)"
    r"(?! ?(?:windows?|doors?|cars?|vehicles?|people|kids|miles?|dollars?|bucks|percent|hours?|min|minutes?|days?|weeks?"
    r"|ventanas?|puertas?|carros?|horas?|dias?|semanas?|personas)\b)"
)
_PARTS = (
    ("morning", re.compile(r"\b(?:mornings?|(?:por|en|de) la manana)\b")),
    ("afternoon", re.compile(r"\b(?:afternoons?|(?:por|en|de) la tarde)\b")),
)
_RELATIVE = (
    (0, re.compile(r"\b(?:today|hoy)\b")),
    (1, re.compile(r"\b(?:tomorrow|tmrw|tmw|tomorow|tommorow|manana)\b")),
)
_NOON, _FIRST_OF_DAY = 12 * 60, 7


@dataclass(frozen=True)
class Shown:
    """A time a customer was shown, in the shop's local time; `last` is later than `first` for a drop-off window."""

    id: int
    label: str
    first: datetime
    last: datetime

    def holds(self, minutes: frozenset[int]) -> bool:
        """Whether one of these minutes of the day is the start, or lies in the window."""
        first, last = _minute(self.first), _minute(self.last)
        return any(first <= one <= last for one in minutes)


@dataclass(frozen=True)
class Named:
    """What some words name. Clocks are sets of minutes of the day: a bare "9" may be both. `loose` numbers are a time
    only if they fit one that was shown. `rest` is the words without what was understood."""

    weekdays: frozenset[int] = frozenset()
    dates: frozenset[tuple[int | None, int]] = frozenset()
    relative: frozenset[date] = frozenset()
    clocks: tuple[frozenset[int], ...] = ()
    bounds: tuple[int, int] | None = None
    parts: frozenset[str] = frozenset()
    loose: tuple[frozenset[int], ...] = ()
    rest: str = field(default="", compare=False)

    @property
    def definite(self) -> bool:
        """Whether a day or a time is named for sure."""
        return bool(self.weekdays or self.dates or self.relative or self.clocks or self.bounds or self.parts)

    def fits(self, shown: Shown) -> bool:
        """Whether everything that is named for sure agrees with a shown time. True when nothing is named."""
        day, start = shown.first, _minute(shown.first)
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.relative or day.date() in self.relative)
            and (not self.dates or any(d == day.day and m in (None, day.month) for m, d in self.dates))
            and (not self.clocks or any(shown.holds(one) for one in self.clocks))
            and (self.bounds is None or self.bounds[0] <= start < self.bounds[1])
            and (not self.parts or ("morning" if start < _NOON else "afternoon") in self.parts)
        )

    def fits_loosely(self, shown: Shown) -> bool:
        """Whether a bare number is the hour of a shown time."""
        return any(shown.holds(one) for one in self.loose)


def folded(text: str) -> str:
    """Lower case, straight quotes, no accents; a plain Spanish "sí" becomes "yes", so that it is never an "if"."""
    text = re.sub(r"\bsí\b", "yes", text.lower().replace("’", "'").replace("‘", "'"))
    plain = unicodedata.normalize("NFKD", text)
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())


def read_named(words: str, today: date) -> Named:
    """The days and times in folded words. Never raises."""
    rest = _numbers(_straight(words))
    dates, rest = _dates(rest)
    bounds, rest = _bounds(rest)
    clocks, rest = _clocks(rest)
    weekdays = frozenset(WEEKDAY[found] for found in _DAY_WORD.findall(rest))
    rest = _DAY_WORD.sub(" ", rest)
    parts = frozenset(name for name, pattern in _PARTS if pattern.search(rest))
    rest = _without(rest, [pattern for _, pattern in _PARTS])
    relative = frozenset(today + timedelta(days=ahead) for ahead, p in _RELATIVE if p.search(rest))
    rest = _without(rest, [pattern for _, pattern in _RELATIVE])
    loose = tuple(found for m in _LOOSE.finditer(rest) if (found := _minutes(m["hour"], m["minute"], None)))
    return Named(weekdays, dates, relative, clocks, bounds, parts, loose, " ".join(rest.split()))


def _straight(words: str) -> str:
    """Misspelt names of days in their right form."""

    def right(m: re.Match[str]) -> str:
        near = difflib.get_close_matches(m[0], _LONG_DAYS, n=1, cutoff=0.8)
        return near[0] if near else m[0]

    return re.sub(r"\b[a-z]{6,10}\b", right, _MARTES.sub("martes ", words))


def _numbers(words: str) -> str:
    """Hours written as words, where a time is meant: "at nine", "a las nueve", "nine am"."""
    name = "|".join(sorted(_CLOCK_WORDS, key=len, reverse=True))
    as_digits = re.compile(
        rf"\b(?P<before>at|a las?|las?) (?P<a>{name})\b|\b(?P<b>{name})(?= ?(?:a\.?m|p\.?m|o'?clock|works|thirty)\b)"
    )

    def digits(m: re.Match[str]) -> str:
        number = str(_CLOCK_WORDS[m["a"] or m["b"]])
        return f"{m['before']} {number}" if m["a"] else number

    words = as_digits.sub(digits, words)
    words = re.sub(r"\b(?:noon|midday|mediodia)\b", "12 pm", words)
    words = re.sub(r"\bhalf past (\d{1,2})\b", r"at \1:30", words)
    return re.sub(r"\b(\d{1,2})(?: y media| thirty)\b", r"\1:30", words)


def _dates(rest: str) -> tuple[frozenset[tuple[int | None, int]], str]:
    found: set[tuple[int | None, int]] = set()
    for pattern in _DATES:
        for m in list(pattern.finditer(rest)):
            groups = m.groupdict()
            month = MONTH.get(groups.get("month") or "") or int(groups.get("number") or 0) or None
            if 1 <= int(m["day"]) <= 31:
                found.add((month, int(m["day"])))
                rest = rest[: m.start()] + " " * len(m[0]) + rest[m.end() :]
    return frozenset(found), rest


def _bounds(rest: str) -> tuple[tuple[int, int] | None, str]:
    if (m := _BETWEEN.search(rest)) and (
        m[3] or m[6] or m[2] or m[5] or "between" in m[0] or "entre" in m[0]
    ):
        low, high = _guess(m[1], m[2], m[3] or m[6]), _guess(m[4], m[5], m[6])
        low = low - _NOON if low >= high else low
        return (low, high + 1), rest.replace(m[0], " ")
    low, high = 0, 24 * 60
    for pattern, is_low in ((_AFTER, True), (_BEFORE, False)):
        if m := pattern.search(rest):
            moment = _guess(m[1], m[2], m[3])
            low, high = (moment, high) if is_low else (low, moment)
            rest = rest.replace(m[0], " ")
    return (None if (low, high) == (0, 24 * 60) else (low, high)), rest


def _clocks(rest: str) -> tuple[tuple[frozenset[int], ...], str]:
    found: list[frozenset[int]] = []
    for pattern in _EXACT:
        for m in list(pattern.finditer(rest)):
            groups = m.groupdict()
            minutes = _minutes(m["hour"], groups.get("minute"), groups.get("half"))
            if minutes:
                found.append(minutes)
                rest = rest[: m.start()] + " " * len(m[0]) + rest[m.end() :]
    return tuple(found), rest


def _minutes(hour: str, minute: str | None, half: str | None) -> frozenset[int]:
    """The minutes of the day a clock may mean; nothing for what is no clock, such as 45."""
    if not hour or int(hour) > 23:
        return frozenset()
    value, more = int(hour), int(minute or 0)
    if half:
        late = _LATE.search(half) is not None
        return frozenset({(value % 12 + (12 if late else 0)) * 60 + more})
    return frozenset({value * 60 + more} | ({(value + 12) * 60 + more} if value < 12 else set()))


def _guess(hour: str, minute: str | None, half: str | None) -> int:
    """One moment for a bound; without a half of the day, hours before seven are in the afternoon."""
    value = int(hour) % 24
    if half:
        value = value % 12 + (12 if half == "p" else 0)
    elif value < _FIRST_OF_DAY:
        value += 12
    return value * 60 + int(minute or 0)


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


def _without(rest: str, patterns: list[re.Pattern[str]]) -> str:
    for pattern in patterns:
        rest = pattern.sub(" ", rest)
    return rest
