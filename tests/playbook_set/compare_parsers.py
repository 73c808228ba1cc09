"""Date parsers of others against when.yaml, beside ours: `python -m tests.playbook_set.compare_parsers`.

Run it in an environment that holds the candidates; those that are missing are left out. The table that it printed when
the choice was made stands in ARCHITECTURE.md.
"""

from __future__ import annotations

import importlib
import re
import sys
import time as timer
import warnings
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from tests.playbook_set.windows import NOTHING, of_searches, ordered, rows, window

NOW = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001 - local wall time of the shop
Reader = Callable[[str], str]


def _shop_hour(text: str, found: time) -> time:
    """The candidates know no opening hours: a bare 1 to 6 is theirs in the night, and is forgiven here."""
    bare = not re.search(r"\d ?[ap]\.?m|morning|mañana", text.lower())
    return found.replace(hour=found.hour + 12) if bare and 1 <= found.hour <= 6 else found


def _point(text: str, day: date | None, clock: time | None) -> str:
    at = _shop_hour(text, clock) if clock else None
    return window(day, day, (), at, at)


def _joined(found: list[str]) -> str:
    return ordered(" | ".join(dict.fromkeys(filter(None, found)))) or NOTHING


def _moment(text: str, moment: datetime, *, has_time: bool = True, has_day: bool = True) -> str:
    """A moment whose time is midnight or the moment of asking names no time; today's date may name no day."""
    clock = moment.time().replace(second=0, microsecond=0)
    said = has_time and clock not in (time(0), NOW.time())
    return _point(text, moment.date() if has_day else None, clock if said else None)


def _ours() -> Reader:
    read_when = importlib.import_module("agent.playbook.when").read_when

    def read(text: str) -> str:
        when = read_when(text, NOW)
        if getattr(when, "doubt", None):
            return "doubt"
        return of_searches(when.searches(NOW.date()), NOW.date())

    return read


def _dateparser() -> Reader:
    search = importlib.import_module("dateparser.search").search_dates
    settings = {"RELATIVE_BASE": NOW, "PREFER_DATES_FROM": "future"}

    def read(text: str) -> str:
        found = search(text, languages=["en", "es"], settings=settings) or []
        return _joined([_moment(text, moment, has_day=moment.date() != NOW.date()) for _, moment in found])

    return read


def _parsedatetime() -> Reader:
    module = importlib.import_module("parsedatetime")
    calendar = module.Calendar(version=module.VERSION_CONTEXT_STYLE)

    def read(text: str) -> str:
        found = calendar.nlp(text, sourceTime=NOW) or ()
        return _joined(
            [_moment(text, m, has_time=bool(c.hasTime), has_day=bool(c.hasDate)) for m, c, *_ in found]
        )

    return read


def _ctparse() -> Reader:
    module = importlib.import_module("ctparse")
    logging = importlib.import_module("logging")
    logging.disable(logging.CRITICAL)

    def one(text: str, x: Any) -> tuple[date | None, time | None]:
        day = date(x.year, x.month, x.day) if x.year and x.month and x.day else None
        return day, _shop_hour(text, time(x.hour, x.minute or 0)) if x.hour is not None else None

    def read(text: str) -> str:
        done = module.ctparse(text, ts=NOW, timeout=1)
        if done is None or type(done.resolution).__name__ not in ("Time", "Interval"):
            return NOTHING
        if type(done.resolution).__name__ == "Time":
            day, clock = one(text, done.resolution)
            return window(day, day, (), clock, clock) or NOTHING
        start, end = (
            one(text, x) if x else (None, None) for x in (done.resolution.t_from, done.resolution.t_to)
        )
        if start[1] or end[1]:
            day = start[0] or end[0]
            return window(day, day, (), start[1], end[1]) or NOTHING
        return window(start[0], end[0]) or NOTHING

    return read


def _timefhuman() -> Reader:
    module = importlib.import_module("timefhuman")
    config = module.tfhConfig(now=NOW)

    def flat(text: str, x: Any) -> list[str]:
        if isinstance(x, list):
            return [y for one in x for y in flat(text, one)]
        if isinstance(x, tuple) and len(x) == 2 and all(isinstance(one, datetime) for one in x):
            first, last = x
            if first.date() != last.date():
                return [window(first.date(), last.date())]
            clocks = [_shop_hour(text, one.time()) for one in x]
            return [window(first.date(), first.date(), (), *clocks)]
        return [_moment(text, x, has_day=x.date() != NOW.date())] if isinstance(x, datetime) else []

    return lambda text: _joined(flat(text, module.timefhuman(text, config)))


def _recurrent() -> Reader:
    module = importlib.import_module("recurrent.event_parser")

    def read(text: str) -> str:
        found = module.RecurringEvent(now_date=NOW).parse(text)
        return (
            _moment(text, found, has_day=found.date() != NOW.date())
            if isinstance(found, datetime)
            else NOTHING
        )

    return read


def _recognizers() -> Reader:
    module = importlib.import_module("recognizers_date_time")

    def part(value: str | None) -> tuple[date | None, time | None]:
        day = re.search(r"\d{4}-\d\d-\d\d", value or "")
        clock = re.search(r"\d\d:\d\d", value or "")
        return (
            date.fromisoformat(day.group()) if day else None,
            time.fromisoformat(clock.group()) if clock else None,
        )

    def one(text: str, kind: str, values: list[dict[str, str]]) -> str:
        if "duration" in kind or kind.endswith("set"):
            return ""
        ahead = [
            v for v in values if (v.get("value") or v.get("start") or v.get("end") or "") >= "2026-11-23"
        ]
        best = (ahead or values)[0]
        if "range" not in kind:
            day, clock = part(best.get("value"))
            return _point(text, day, clock)
        (start, after), (end, before) = part(best.get("start")), part(best.get("end"))
        if after or before:
            clocks = [_shop_hour(text, c) if c else None for c in (after, before)]
            return window(start or end, start or end, (), *clocks)
        last = date.fromordinal(end.toordinal() - 1) if end else None
        return window(start, last)

    def read(text: str) -> str:
        spanish = re.search(r"[áéíóúñ]|\b(?:el|la|las|de|a|en|por|hoy|martes|lunes|al|lo)\b", text)
        culture = module.Culture.Spanish if spanish else module.Culture.English
        found = module.recognize_datetime(text, culture, reference=NOW)
        kinds = [(x.type_name, (x.resolution or {}).get("values") or []) for x in found]
        return _joined([one(text, kind, values) for kind, values in kinds if values])

    return read


def _metadate() -> Reader:
    module = importlib.import_module("metadate")

    def read(text: str) -> str:
        found = module.parse_date(text, reference_date=NOW)
        if found is None or not hasattr(found, "start_date"):
            return NOTHING
        start, end = found.start_date, found.end_date
        if (end - start).days > 1:
            return window(start.date(), date.fromordinal(end.toordinal() - 1))
        return _moment(text, start, has_day=start.date() != NOW.date())

    return read


CANDIDATES: dict[str, Callable[[], Reader]] = {
    "our own rules": _ours,
    "dateparser": _dateparser,
    "parsedatetime": _parsedatetime,
    "ctparse": _ctparse,
    "timefhuman": _timefhuman,
    "recurrent": _recurrent,
    "recognizers-text-date-time": _recognizers,
    "metadate": _metadate,
}


def measure(read: Reader) -> dict[str, float]:
    """Shares of right answers, of English and Spanish texts, and of texts where a wrong time was read."""
    counts = dict.fromkeys(("all", "right", "en", "en right", "es", "es right", "wrong", "raised"), 0)
    took: list[float] = []
    for group, (text, expected) in rows("when"):
        begun = timer.perf_counter()
        try:
            found = read(text)
        except Exception:  # noqa: BLE001 - somebody else's parser, measured with whatever it does
            found = NOTHING
            counts["raised"] += 1
        took.append(timer.perf_counter() - begun)
        right = found == ordered(expected) or (expected == "doubt" and found == NOTHING)
        if "-v" in sys.argv and not right:
            print(f"   {text!r}: wanted {ordered(expected)}, read {found}")
        language = "es" if group.endswith("spanish") else "en"
        for key in ("all", language):
            counts[key] += 1
        for key in ("right", f"{language} right"):
            counts[key] += right
        counts["wrong"] += not right and found != NOTHING
    took.sort()
    return {**counts, "ms": 1000 * took[len(took) // 2]}


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    print("| parser | right | English | Spanish | read wrongly | raised | ms, median |")
    print("|---|---|---|---|---|---|---|")
    for name, make in CANDIDATES.items():
        try:
            reader = make()
            reader("tomorrow at 10")
        except ImportError:
            continue
        m = measure(reader)
        cells = [f"{m[k]} of {m[n]}" for k, n in (("right", "all"), ("en right", "en"), ("es right", "es"))]
        print(f"| {name} | {' | '.join(cells)} | {m['wrong']} | {m['raised']} | {m['ms']:.2f} |")


if __name__ == "__main__":
    main()
