"""The tools of a tiny real shop: a catalogue, a calendar, and the rules that the real tools keep.

A time is bookable only after a reply that showed it, a taken time is a conflict with alternatives, a move and a cancel
need an appointment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from crm.calendar.labels import clock_label, day_label
from crm.money import dollars

NOW = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001 - local wall time of the shop, as in ModelRequest.facts
HOURS = {**dict.fromkeys(range(5), (9, 18)), 5: (9, 14)}
CATALOGUE: tuple[dict[str, Any], ...] = (
    {"service_id": 1, "code": "tint-full-sedan-carbon", "name": "Full tint, sedan, carbon film", "category": "tint",
     "body_style": "sedan", "price": "$319", "price_cents": 31900, "duration": "2 h 30 min", "not_included": "sunroof"},
    {"service_id": 2, "code": "tint-full-sedan-ceramic", "name": "Full tint, sedan, ceramic film", "category": "tint",
     "body_style": "sedan", "price": "$449", "price_cents": 44900, "duration": "2 h 30 min", "not_included": "sunroof"},
    {"service_id": 3, "code": "tint-full-truck-ceramic", "name": "Full tint, truck, ceramic film", "category": "tint",
     "body_style": "truck", "price": "$469", "price_cents": 46900, "duration": "2 h 30 min", "not_included": ""},
    {"service_id": 4, "code": "tint-windshield", "name": "Windshield tint", "category": "tint",
     "body_style": None, "price": "$249", "price_cents": 24900, "duration": "1 h 30 min", "not_included": ""},
    {"service_id": 5, "code": "oil-change", "name": "Oil change", "category": "maintenance",
     "body_style": None, "price": "$89.50", "price_cents": 8950, "duration": "45 min", "not_included": ""},
    {"service_id": 6, "code": "ppf-full", "name": "Paint protection film, whole car", "category": "ppf",
     "body_style": None, "price": None, "price_cents": None, "duration": "9 h", "not_included": ""},
)  # fmt: skip


class Refused(Exception):
    """A refusal of a tool, with what stands beside the sentence."""

    def __init__(self, sentence: str, **extra: Any) -> None:
        super().__init__(sentence)
        self.extra = extra


@dataclass
class Offer:
    """A found time. `shown` is set when a reply with its label went out."""

    id: int
    start: datetime
    service_ids: tuple[int, ...]
    shown: bool = False

    @property
    def view(self) -> dict[str, Any]:
        label = f"{day_label(self.start.date())} at {clock_label(self.start.time())}"
        names = [row["name"] for row in CATALOGUE if row["service_id"] in self.service_ids]
        return {"offer_id": self.id, "label": label, "date": self.start.strftime("%Y-%m-%d"),
                "time": self.start.strftime("%H:%M"), "services": names}  # fmt: skip


@dataclass
class TinyTools:
    """The shop's books, and one method for each tool. A method raises Refused where the real tool refuses."""

    vehicle: dict[str, Any] | None = None
    first_name: str | None = None
    language: str = "en"
    follow_ups: list[dict[str, Any]] = field(default_factory=list)
    offers: dict[int, Offer] = field(default_factory=dict)
    appointment: dict[str, Any] | None = None
    busy: set[datetime] = field(default_factory=set)
    lead_updates: dict[str, Any] = field(default_factory=dict)

    def _find_services(self, query: str = "", body_style: str | None = None) -> dict[str, Any]:
        asked = {word.rstrip("s") for word in query.lower().replace(",", " ").split()}
        kept = [row for row in CATALOGUE if not body_style or row["body_style"] in (None, body_style)]
        score = {row["service_id"]: len(asked & {w.rstrip("s") for w in _words(row)}) for row in kept}
        best = max(score.values(), default=0)
        return {"services": [row for row in kept if not asked or (best and score[row["service_id"]] == best)]}

    def _find_times(
        self,
        service_ids: list[int],
        from_date: str | None = None,
        to_date: str | None = None,
        after: str | None = None,
        before: str | None = None,
        weekdays: list[int] | None = None,
    ) -> dict[str, Any]:
        known = {row["service_id"] for row in CATALOGUE}
        if not service_ids or not set(service_ids) <= known:
            raise Refused("Unknown service_id.")
        first = date.fromisoformat(from_date) if from_date else NOW.date()
        last = date.fromisoformat(to_date) if to_date else first + timedelta(days=30)
        if last < first:
            raise Refused("to_date is before from_date.")
        starts = [
            start for start in self._open()
            if first <= start.date() <= last and (not weekdays or start.weekday() in weekdays)
            and (not after or start.strftime("%H:%M") >= after)
            and (not before or start.strftime("%H:%M") < before or before == after == start.strftime("%H:%M"))
        ]  # fmt: skip
        note = "" if starts else "Nothing is free then; these are the nearest free times. Say so."
        chosen = (starts or self._open())[:: max(1, len(starts) // 3)][:3]
        made = [self._offer(start, tuple(service_ids)) for start in chosen]
        return {"offers": [offer.view for offer in made], **({"note": note} if note else {})}

    def _open(self) -> list[datetime]:
        days = (NOW.date() + timedelta(days=ahead) for ahead in range(1, 30))
        starts = (
            datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - local wall time
            for day in days if day.weekday() in HOURS
            for hour in range(HOURS[day.weekday()][0], HOURS[day.weekday()][1] - 2)
        )  # fmt: skip
        return [start for start in starts if start not in self.busy]

    def _offer(self, start: datetime, service_ids: tuple[int, ...]) -> Offer:
        offer = Offer(len(self.offers) + 1, start, service_ids)
        self.offers[offer.id] = offer
        return offer

    def _taken(self, offer_id: int) -> Offer:
        offer = self.offers.get(offer_id)
        if offer is None or not offer.shown:
            raise Refused("This time was never shown to the customer.")
        if offer.start in self.busy:
            again = [self._offer(start, offer.service_ids).view for start in self._open()[:2]]
            raise Refused("This time was just taken.", offers=again)
        return offer

    def _book(self, offer_id: int) -> dict[str, Any]:
        offer = self._taken(offer_id)
        self.busy.add(offer.start)
        self.appointment = {"appointment_id": 1, **offer.view, "status": "booked"}
        return {"appointment": self.appointment}

    def _move(self, offer_id: int) -> dict[str, Any]:
        if self.appointment is None:
            raise Refused("There is no appointment to move.")
        before, offer = self.appointment["label"], self._taken(offer_id)
        self.appointment = {"appointment_id": 1, **offer.view, "status": "booked"}
        return {"appointment": self.appointment, "moved_from": before}

    def _cancel(self) -> dict[str, Any]:
        if self.appointment is None:
            raise Refused("There is no appointment to cancel.")
        gone, self.appointment = {**self.appointment, "status": "cancelled"}, None
        return {"appointment": gone}

    def _my_appointments(self) -> dict[str, Any]:
        return {"appointments": [self.appointment] if self.appointment else []}

    def _update_lead(self, **changes: Any) -> dict[str, Any]:
        self.lead_updates |= changes
        self.first_name = changes.get("first_name", self.first_name)
        car = {
            k.removeprefix("vehicle_"): v
            for k, v in changes.items()
            if k.startswith(("vehicle_", "body_style"))
        }
        if car:
            self.vehicle = {
                "year": None,
                "make": None,
                "model": None,
                "body_style": None,
                **(self.vehicle or {}),
                **car,
            }
        return {"lead": {"first_name": self.first_name}}

    def _hand_off(self, reason: str, note: str) -> dict[str, Any]:
        return {"handed_off": bool(reason and note)}

    def _opt_out(self, channel: str) -> dict[str, Any]:
        return {"opted_out": bool(channel)}

    def _quote(
        self, service_ids: list[int], vehicle: str = "", body_style: str | None = None
    ) -> dict[str, Any]:
        rows = [row for row in CATALOGUE if row["service_id"] in service_ids]
        if any(row["body_style"] not in (None, body_style) for row in rows):
            raise Refused("The vehicle is another one, and this is not for it.")
        cents = sum(row["price_cents"] for row in rows)
        keys = ("service_id", "name", "price", "price_cents", "duration", "not_included")
        without = [f"{row['name']}: {row['not_included']}" for row in rows if row["not_included"]]
        return {"body_style": body_style, "services": [{key: row[key] for key in keys} for row in rows],
                "total": dollars(cents), "total_cents": cents, "duration": "3 h 15 min", "not_included": without}  # fmt: skip

    def _set_language(self, language: str) -> dict[str, Any]:
        self.language = language
        return {"language": language}

    def _follow_up(self, day: str, about: str) -> dict[str, Any]:
        if not date.fromisoformat(day) > NOW.date():
            raise Refused("The day must be after today.")
        planned = {"date": day, "label": day_label(date.fromisoformat(day)), "about": about}
        self.follow_ups.append(planned)
        return {"follow_up": planned}


def _words(row: dict[str, Any]) -> list[str]:
    return f"{row['name']} {row['category']}".lower().replace(",", " ").split()
