"""Days as people name them in six languages, and which day of the calendar that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

# A date in numbers alone can be meant in two ways; one that is further off than this is not meant.
SOON = timedelta(days=92)
# A day without a year is the nearest one.
HALF_A_YEAR = 183

_MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner janvier janv enero ene janeiro gennaio januari",
            "february feb februar fevrier fevr febrero fevereiro fev febbraio februari",
            "march mar marz maerz mars marzo marco maart",
            "april apr avril abril abr aprile",
            "may mai mayo maio maggio mei",
            "june jun juni juin junio junho giugno",
            "july jul juli juillet julio julho luglio",
            "august aug aout agosto augustus",
            "september sept sep septembre septiembre setembro settembre",
            "october oct oktober okt octobre octubre outubro ottobre",
            "november nov novembre noviembre novembro",
            "december dec dezember dez decembre diciembre dic dezembro dicembre",
        ),
        1,
    )
    for name in names.split()
}
_WEEKDAYS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "monday mon montag lundi lunes segunda lunedi maandag",
            "tuesday tue tues dienstag mardi martes terca martedi dinsdag",
            "wednesday wed mittwoch mercredi miercoles quarta mercoledi woensdag",
            "thursday thu thur thurs donnerstag jeudi jueves quinta giovedi donderdag",
            "friday fri freitag vendredi viernes sexta venerdi vrijdag",
            "saturday sat samstag sonnabend samedi sabado sabato zaterdag",
            "sunday sun sonntag dimanche domingo domenica zondag",
        )
    )
    for name in names.split()
}


def _any(names: dict[str, int]) -> str:
    """The names as a pattern. "Mon" alone is French, "segunda semana" no day."""
    words = "|".join(sorted(names, key=len, reverse=True))
    return words.replace("|mon|", "|mon(?=[.,])|").replace("|segunda|", "|segunda(?! semana| quincena)|")


_YEAR = r"(?:,?\s*(?:de |del )?(20\d\d))?"
# Groups: ISO (3); day.month[.year] (3); n/n[/year] (3); [first-]day month [year] (4); month day[-last] [year] (4);
# [next] weekday (3); the 3rd; tomorrow.
DATE = re.compile(
    r"\b(20\d\d)-(\d\d)-(\d\d)\b"
    r"|(?<![\d.])(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(20\d\d|\d\d)\b)?"
    r"|(?<![\d/])(\d{1,2})/(\d{1,2})(?:/(20\d\d|\d\d))?(?![\d/])"
    rf"|\b(?:(\d{{1,2}})\.?\s?-\s?)?(\d{{1,2}})(?:st|nd|rd|th|er|º|o|\.)?\s(?:of |de |d')?({_any(_MONTHS)})\b\.?{_YEAR}"
    rf"|\b({_any(_MONTHS)})\b\.?\s(\d{{1,2}})(?:st|nd|rd|th)?(?:\s?-\s?(\d{{1,2}})\b(?:st|nd|rd|th)?)?(?![\d:]){_YEAR}"
    rf"|\b(next |nachsten |proximo |proxima |kommenden |coming |this )?({_any(_WEEKDAYS)})\b(?:-feira)?"
    r"( prochain| proximo| que viene)?"
    r"|\bthe (\d{1,2})(?:st|nd|rd|th)\b(?! (?:floor|time|of))"
    r"|\b(tomorrow|morgen|manana|demain|domani|amanha)\b"
)


@dataclass(frozen=True)
class Named:
    """A day as it was named: numbers where they were given. `swapped`: day and month may stand the other way round."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    of_next_week: bool = False
    swapped: bool = False
    tomorrow: bool = False
    is_range_end: bool = False

    @staticmethod
    def of(found: re.Match[str]) -> Named:
        """The day in a match of DATE."""
        g = found.groups()
        if g[0]:
            return Named(int(g[0]), int(g[1]), int(g[2]))
        if g[3]:
            return Named(_year(g[5]), int(g[4]), int(g[3]))
        if g[6]:
            return Named(_year(g[8]), int(g[6]), int(g[7]), swapped=True)
        if g[11]:
            return Named(_year(g[12]), _MONTHS[g[11]], int(g[10]), is_range_end=g[9] is not None)
        if g[13]:
            return Named(_year(g[16]), _MONTHS[g[13]], int(g[15] or g[14]), is_range_end=g[15] is not None)
        if g[18]:
            following = (g[17] or g[19] or "").strip() not in ("", "this", "coming", "kommenden")
            return Named(weekday=_WEEKDAYS[g[18]], of_next_week=following)
        return Named(day=int(g[20])) if g[20] else Named(tomorrow=True)


def day_of(named: Named, sent: date) -> date | None:
    """The day that is meant in a mail of the day `sent`; None when there is none or when it could be two."""
    if named.tomorrow:
        return sent + timedelta(days=1)
    if named.weekday is not None:
        coming = sent + timedelta(days=(named.weekday - sent.weekday() - 1) % 7 + 1)
        # "Next Friday" on a Monday: some mean this week's.
        same_week = coming - timedelta(days=coming.weekday()) == sent - timedelta(days=sent.weekday())
        return None if named.of_next_week and same_week else coming
    if named.month is None:
        return _day_of_month(named.day or 0, sent)
    if not named.swapped:
        return _nearest(named.year, named.month, named.day or 0, sent)
    readings = {
        _nearest(named.year, *pair, sent)
        for pair in ((named.month, named.day or 0), (named.day or 0, named.month))
    }
    possible = {day for day in readings if day is not None}
    soon = {day for day in possible if sent <= day <= sent + SOON}
    return next(iter(soon)) if len(soon) == 1 else next(iter(possible)) if len(possible) == 1 else None


def _day_of_month(day: int, sent: date) -> date | None:
    """The next day with this number: "the 3rd"."""
    for ahead in range(1, 32):
        if (candidate := sent + timedelta(days=ahead)).day == day:
            return candidate
    return None


def _nearest(year: int | None, month: int, day: int, sent: date) -> date | None:
    """A day of the calendar; without a year the one nearest to `sent`, which may lie behind it."""
    years = [year] if year else [sent.year - 1, sent.year, sent.year + 1]
    days = [found for one in years if (found := _real(one, month, day)) is not None]
    nearest = min(days, key=lambda one: abs((one - sent).days), default=None)
    if year is None and nearest is not None and abs((nearest - sent).days) > HALF_A_YEAR:
        return None
    return nearest


def _real(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _year(text: str | None) -> int | None:
    return None if text is None else int(text) + (2000 if len(text) == 2 else 0)
