"""Reading tool results and facts into records. What has another form than expected is no record, and no error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from agent.check.clocks import clocks_in
from agent.check.days import days_in
from agent.check.records import SHOWN_BEFORE, Moment, Records, Service, Text
from agent.check.text import clean
from agent.check.verdict import Evidence

# What these return repeats what the model sent them, which may be what an attacker wrote: no fact rests on it.
ECHOES = frozenset(
    {"update_lead", "remember_fact", "set_language", "follow_up", "close_enquiry", "hand_off", "opt_out"}
)
"""Tools whose results are no source of facts; that they succeeded still counts for "I have noted it"."""

_REFUSALS = frozenset({"book", "move", "cancel"})
"""Tools whose refusals are sentences of ours about rows of the calendar and the catalogue."""

# Read as what they are, not as free text.
_TYPED = frozenset(
    {"name", "label", "price", "services", "error", "duration", "ends", "time", "date", "done_on", "code", "category",
     "status", "body_style", "visit", "moved_from"}
)  # fmt: skip


def read_records(evidence: Evidence) -> Records:
    """Never raises: what has another form than expected is no record."""
    facts = evidence.facts if isinstance(evidence.facts, Mapping) else {}
    records = Records(
        now=_now(facts.get("now_local")),
        done=frozenset(one.name for one in evidence.results if not one.is_error),
        tried=frozenset(one.name for one in evidence.results),
        words=clean(evidence.customer_words),
        shop=_mapping(facts.get("shop")),
        lead=_mapping(facts.get("lead")),
        touches=[_mapping(one) for one in _list(facts.get("touches"))],
    )
    _read_facts(records, facts)
    for result in evidence.results:
        data = _json(result.text)
        if result.name in ECHOES:
            _follow_up(records, data if not result.is_error else None)
            records.echoes += f" {clean(result.text)}" if not result.is_error else ""
            continue
        if result.is_error:
            _read_refusal(records, result.name, _mapping(data))
            continue
        for node, key in _nodes(data, ""):
            _read_node(records, node, key, result.name)
        _settle(records, result.name, data)
    return records


def _read_facts(records: Records, facts: Mapping[str, Any]) -> None:
    offers = [_moment(records, _mapping(row), SHOWN_BEFORE) for row in _list(facts.get("offers"))]
    records.offers += [one for one in offers if one]
    visits = [
        _moment(records, _mapping(row), "appointment on file") for row in _list(facts.get("appointments"))
    ]
    records.visits += [one for one in visits if one]
    for row in _list(facts.get("past_appointments")):
        if found := _moment(records, _mapping(row), "earlier appointment"):
            records.past.append(found)
        if isinstance(status := _mapping(row).get("status"), str):
            records.gone |= {status}
    for touch in records.touches:
        if found := _moment(records, {"label": touch.get("at_label")}, "message sent before"):
            records.past.append(found)
    shop = records.shop
    for key in ("name", "phone", "address"):
        if isinstance(shop.get(key), str):
            records.texts.append(Text(f"shop {key}", clean(shop[key])))
    for key, value in _mapping(shop.get("facts")).items():
        # The name of a fact says what it is about: "Warranty: ceramic, lifetime".
        records.texts.append(Text(f"shop fact: {key}", clean(f"{key}: {value}")))


def _read_node(records: Records, node: Mapping[str, Any], key: str, tool: str) -> None:
    """One object of a tool result."""
    if isinstance(node.get("name"), str) and ({"price", "price_cents", "duration"} & set(node)):
        # A quote repeats what the catalogue said; counted twice it could be added up twice.
        found = _service(node, tool)
        if (found.name, found.cents) not in {(one.name, one.cents) for one in records.services}:
            records.services.append(found)
    if isinstance(node.get("label"), str):
        place = (
            records.visits if "appointment_id" in node or key.startswith("appointment") else records.offers
        )
        if moment := _moment(records, node, tool):
            place.append(moment)
    for name, value in node.items():
        if isinstance(value, str) and name not in _TYPED:
            about = f"{node['name']}. " if name == "description" and isinstance(node.get("name"), str) else ""
            records.texts.append(Text(tool, clean(about + value)))
        if isinstance(value, str) and "$" in value and not isinstance(node.get("name"), str):
            records.amounts.append((clean(value), tool))
    if isinstance(node.get("duration"), str) and not isinstance(node.get("name"), str):
        records.texts.append(Text(tool, node["duration"]))


def _read_refusal(records: Records, tool: str, data: Mapping[str, Any]) -> None:
    """The times offered instead, and the sentence of a refused write. Everything else in an error may repeat what the
    model sent, and that what an attacker wrote; "expected" stands where the arguments were wrong."""
    if tool not in _REFUSALS or "expected" in data:
        return
    for row in _list(data.get("offers")):
        if moment := _moment(records, _mapping(row), tool):
            records.offers.append(moment)
    if isinstance(sentence := data.get("error"), str):
        records.texts.append(Text(f"{tool} (refused)", clean(sentence)))
        if "$" in sentence:
            records.amounts.append((clean(sentence), tool))


def _follow_up(records: Records, data: Any) -> None:
    """The day a follow-up was planned for: the tool took it from the customer's own words."""
    planned = _mapping(_mapping(data).get("follow_up"))
    if (day := _date(planned.get("date"))) is not None:
        records.past.append(Moment(day, (), str(planned.get("date")), "follow_up"))


def _settle(records: Records, tool: str, data: Any) -> None:
    """What a write has changed: the appointments on file were read before it."""
    if tool not in ("book", "move", "cancel"):
        return
    row = _mapping(_mapping(data).get("appointment"))
    number = row.get("appointment_id")
    moment = _moment(records, row, tool)
    if tool in ("cancel", "move"):
        old = [
            one for one in records.visits if one.source == "appointment on file" and number in (None, one.id)
        ]
        records.past += old
        records.visits = [one for one in records.visits if one not in old]
        if before := _moment(records, {"label": _mapping(data).get("moved_from")}, tool):
            records.past.append(before)
    if tool == "cancel":
        records.visits = [one for one in records.visits if one.source != "cancel"]
        if moment is not None:
            records.past.append(moment)


def _service(node: Mapping[str, Any], tool: str) -> Service:
    cents, minutes = node.get("price_cents"), node.get("duration_minutes")
    if not isinstance(cents, int) and isinstance(node.get("price"), str):
        cents = _cents(node["price"])
    if not isinstance(minutes, int) and isinstance(node.get("duration"), str):
        minutes = _minutes(node["duration"])
    return Service(
        name=clean(node["name"]),
        cents=cents if isinstance(cents, int) else None,
        minutes=minutes if isinstance(minutes, int) else None,
        style=node["body_style"] if isinstance(node.get("body_style"), str) else None,
        description=clean(str(node.get("description") or "")),
        not_included=clean(str(node.get("not_included") or "")),
        source=tool,
    )


def _moment(records: Records, row: Mapping[str, Any], source: str) -> Moment | None:
    label = row.get("label")
    if not isinstance(label, str):
        return None
    plain = clean(label)
    day = _date(row.get("date")) or _labelled(plain, records.today)
    starts = [min(clock.minutes) if len(clock.minutes) == 1 else None for clock in clocks_in(plain)]
    minutes = [one for one in starts if one is not None]
    # "between 9:00 and 10:00 AM": the first time shares the half of the day with the second.
    for clock in clocks_in(plain):
        if len(clock.minutes) > 1 and minutes:
            minutes.insert(
                0, max((one for one in clock.minutes if one < minutes[0]), default=min(clock.minutes))
            )
    ends = [min(clock.minutes) for clock in clocks_in(clean(str(row.get("ends") or "")))]
    done = _labelled(clean(str(row.get("done_on") or "")), records.today)
    names = tuple(clean(name) for name in _list(row.get("services")) if isinstance(name, str))
    number = row.get("appointment_id", row.get("offer_id"))
    also = (done,) if done else ()
    number = number if isinstance(number, int) else None
    return Moment(day, tuple(minutes), label, source, names, number, also, ends[0] if ends else None)


def _labelled(label: str, today: date | None) -> date | None:
    """The date of a label without a year: the nearest one to now, looking ahead rather than back."""
    day = next((one for one in days_in(label, today) if one.dates), None)
    if day is None or today is None or not day.dates:
        return None
    near = [_make(today.year + ahead, *pair) for pair in day.dates for ahead in (-1, 0, 1)]
    fitting = [one for one in near if one is not None and day.fits(one)]
    return min(fitting, key=lambda one: abs((one - today).days - 60), default=None)


def _make(year: int, month: int, dom: int) -> date | None:
    try:
        return date(year, month, dom)
    except ValueError:
        return None


def _nodes(data: Any, key: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    if isinstance(data, Mapping):
        yield data, key
        for name, value in data.items():
            yield from _nodes(value, str(name))
    elif isinstance(data, list):
        for value in data:
            yield from _nodes(value, key)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _cents(text: str) -> int | None:
    match = re.search(r"\$\s?(\d[\d,]*)(?:\.(\d\d?))?", text)
    return int(match[1].replace(",", "")) * 100 + int((match[2] or "0").ljust(2, "0")) if match else None


def _minutes(text: str) -> int | None:
    match = re.fullmatch(r"(?:(\d+) h)? ?(?:(\d+) min)?", text)
    return int(match[1] or 0) * 60 + int(match[2] or 0) if match and match.group() else None


def _now(value: Any) -> datetime | None:
    try:
        # Local to the shop, as the facts give it; it is only compared with local days.
        return datetime.fromisoformat(value).replace(tzinfo=None) if isinstance(value, str) else None
    except ValueError:
        return None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
