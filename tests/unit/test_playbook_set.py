"""What the playbook understands, measured on labelled texts (tests/playbook_set) and printed as a table. The floors stand
just under what is reached, so that a rule which breaks others is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from agent.playbook.intents import Intent, read_intents
from agent.playbook.vehicles import Vehicle, read_vehicle, read_vehicles
from agent.playbook.when import read_when
from agent.playbook.wishes import collect
from tests.playbook_set.windows import of_searches, ordered, rows

NOW = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001 - local wall time of the shop
WANTS = {
    "price": {Intent.PRICE},
    "times": {Intent.TIMES, Intent.OTHER_TIMES},
    "booking": {Intent.BOOK},
    "moving": {Intent.MOVE},
    "cancelling": {Intent.CANCEL},
    "hours": {Intent.HOURS},
    "address": {Intent.ADDRESS},
    "services": {Intent.SERVICES},
    "human": {Intent.PERSON},
    "thanks": {Intent.THANKS},
    "stop": {Intent.STOP},
    "complaint": {Intent.COMPLAINT, Intent.DAMAGE},
}
FLOORS = {"when": 0.99, "vehicles": 0.99, "intents": 0.97, "texts": 0.99}


def _windows(text: str) -> str:
    when = read_when(text, NOW)
    return "doubt" if when.doubt else of_searches(when.searches(NOW.date()), NOW.date())


def _intents(text: str, wanted: set[str]) -> set[str]:
    """A question about free times is also on the way to a booking; only asking for one counts here."""
    intents = read_intents(text)
    found = {name for name, those in WANTS.items() if those & intents}
    return found - {"booking"} if Intent.TIMES in intents and "booking" not in wanted else found


def _car(car: Vehicle | None) -> list[Any]:
    return [car.year, car.make, car.model, car.body_style] if car else [None] * 4


def _when_row(group: str, row: list[Any]) -> tuple[Any, Any]:
    return ordered(row[1]), _windows(row[0])


def _vehicle_row(group: str, row: list[Any]) -> tuple[Any, Any]:
    wanted = (row[1:] + [None] * 4)[:4]
    return wanted, _car(read_vehicle(row[0], asked=group == "asked"))


def _intent_row(group: str, row: list[Any]) -> tuple[Any, Any]:
    return set(row[1]), _intents(row[0], set(row[1]))


def _text_row(group: str, row: list[Any]) -> tuple[Any, Any]:
    text, wishes, cars, windows, intents = row
    found = {str(intent) for intent in read_intents(text)}
    wanted = (wishes, cars, ordered(windows), set(intents))
    return wanted, (
        [wish.query for wish in collect((text,))],
        [car.name for car in read_vehicles(text)],
        _windows(text),
        set(intents) & found,
    )


READERS: dict[str, Callable[[str, list[Any]], tuple[Any, Any]]] = {
    "when": _when_row,
    "vehicles": _vehicle_row,
    "intents": _intent_row,
    "texts": _text_row,
}


def _scored(name: str) -> tuple[Counter[str], Counter[str], list[str]]:
    """Rows and right rows by group, and a line for every miss."""
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    misses = []
    for group, row in rows(name):
        wanted, found = READERS[name](group, row)
        total[group] += 1
        right[group] += wanted == found
        if wanted != found:
            misses.append(f"    {row[0]!r}: wanted {wanted}, read {found}")
    return total, right, misses


@pytest.mark.parametrize("name", READERS)
def test_the_set_is_understood(name: str) -> None:
    total, right, misses = _scored(name)
    print(f"\n{name}: {sum(right.values())} of {sum(total.values())} right")
    print("\n".join([f"  {group}: {right[group]} of {total[group]}" for group in total] + misses))
    assert sum(total.values()) >= 15
    assert sum(right.values()) / sum(total.values()) >= FLOORS[name], "\n".join(misses)


def _counted() -> Iterator[tuple[str, int, int, int]]:
    """(intent, rightly found, wrongly found, missed) of every intent."""
    pairs = [_intent_row(group, row) for group, row in rows("intents")]
    for name in WANTS:
        yield (
            name,
            sum(name in found and name in wanted for wanted, found in pairs),
            sum(name in found and name not in wanted for wanted, found in pairs),
            sum(name not in found and name in wanted for wanted, found in pairs),
        )


def test_every_intent_is_found_and_hardly_ever_where_it_is_not() -> None:
    print("\nintent        precision  recall")
    for name, good, wrong, missed in _counted():
        precision, recall = good / (good + wrong), good / (good + missed)
        print(f"  {name:<12}{precision:>8.2f}{recall:>9.2f}")
        assert good + missed >= 8, name
        assert precision >= 0.9, name
        assert recall >= 0.9, name


def test_a_stop_in_the_set_is_never_missed_and_never_invented() -> None:
    stop = next(counted for counted in _counted() if counted[0] == "stop")
    assert stop[2:] == (0, 0)


def test_the_set_is_large_enough_to_say_something() -> None:
    assert len({row[0] for _, row in rows("when")}) >= 200
    assert sum(group.endswith("spanish") for group, _ in rows("when")) >= 60
    assert len(rows("intents")) >= 200
