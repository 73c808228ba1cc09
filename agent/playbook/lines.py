"""How the playbook puts things in English and Spanish: its sentences, and days, times and lists inside them."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

from agent.playbook.tables import tables
from agent.playbook.text import gsm, listing
from crm.calendar.labels import MONTHS, WEEKDAYS, day_label

_DIAS = ("lun", "mar", "mié", "jue", "vie", "sáb", "dom")
_MESES = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")
_LONG = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTH_NAMES = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                "november", "december")  # fmt: skip
_NOMBRES = ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre")  # fmt: skip
_DROP = "drop off "
_DAY = re.compile(rf"\b({'|'.join(WEEKDAYS)}), ({'|'.join(MONTHS)}) (\d{{1,2}})\b")
_LAST = {"en": {"or": "or", "and": "and"}, "es": {"or": "o", "and": "y"}}


def line(name: str, language: str, /, **values: str) -> str:
    """One sentence in a language, with its values. Raises KeyError for a name or a value that is missing."""
    words = tables("lines")[name]
    sentence: str = words.get(language, words["en"])
    return sentence.format(**values)


def either(names: Collection[str], language: str, last: str = "or") -> str:
    """ "A, B or C" in a language; `last` is "or" or "and"."""
    return listing(names, _LAST[language][last])


def moment(label: str, language: str) -> str:
    """A label of the calendar in a language: "Tue, Nov 24 at 9:00 AM", "mar, 24 nov a las 9:00 AM"."""
    if language != "es":
        return label
    dropped = label.startswith(_DROP)
    words = _DAY.sub(_day_in_spanish, label.removeprefix(_DROP)) + (" (deja el auto)" if dropped else "")
    words = re.sub(r" at (?=1:)", " a la ", words)
    return re.sub(r" at (?=\d)", " a las ", words).replace(" between ", " entre ").replace(" and ", " y ")


def day_words(day: date, language: str) -> str:
    """A day: "Tue, Nov 24", "mar, 24 nov"."""
    return moment(day_label(day), language)


def nth(day: date, language: str) -> str:
    """A day of the month: "24th", "24"."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10 if day.day not in (11, 12, 13) else 0, "th")
    return f"{day.day}{ending}" if language == "en" else str(day.day)


def months_in(folded_text: str) -> frozenset[int]:
    """The months a text names, 1 for January."""
    return frozenset(
        number + 1
        for number, names in enumerate(zip(_MONTH_NAMES, _NOMBRES, strict=True))
        if re.search(rf"\b(?:{'|'.join(names)}|{names[0][:3]})\b", folded_text)
    )


def weekday_name(number: int, language: str) -> str:
    """The whole name of a weekday, 0 for Monday."""
    return _LONG[language][number]


def short_weekday(number: int, language: str) -> str:
    """The short name of a weekday, 0 for Monday."""
    return _DIAS[number] if language == "es" else WEEKDAYS[number]


def named_in(text: str, label: str) -> bool:
    """Whether a text of ours holds a label, in either language and on either channel."""
    spanish = moment(label, "es")
    return any(form in text for form in (label, spanish, gsm(spanish)))


def _day_in_spanish(m: re.Match[str]) -> str:
    weekday, month = WEEKDAYS.index(m.group(1)), MONTHS.index(m.group(2))
    return f"{_DIAS[weekday]}, {m.group(3)} {_MESES[month]}"
