"""What hangs on a lead, moved to another one: cars, requests, appointments, offers, touches, costs, facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Update, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm.models import Appointment, ChatMessage, Lead, LeadRequest, ModelAttempt, Offer, TouchPoint, Vehicle
from crm.remembered import KEY, MOST
from crm.touches import FOLLOW_UP

_CAR = ("year", "make", "model", "submodel", "body_style", "color")
_OPEN = ("planned", "claimed", "paused")
ONE_CADENCE = "it is one person with another lead, whose cadence goes on"
NAMED_DATE = "the customer named a date"
ANOTHER_DATE = "the customer named another date"


def move_rows(s: Session, into: Lead, other: Lead, session_id: int | None) -> dict[str, int]:
    """Everything but messages and touches. Returns how many rows of each kind moved."""
    moved = {"vehicles": join_vehicles(s, into, other)}
    # The version of an appointment stays: whoever changes its time meanwhile loses nothing, this is no part of it.
    plain = {"requests": LeadRequest.lead_id, "appointments": Appointment.lead_id}
    for name, column in plain.items():
        moved[name] = run(s, _move(column, other.id).values(lead_id=into.id))
    values: dict[str, Any] = {"lead_id": into.id}
    if session_id is not None:
        values["session_id"] = session_id
    moved["offers"] = run(s, _move(Offer.lead_id, other.id).values(values))
    run(s, _move(ModelAttempt.lead_id, other.id).values(values))
    s.flush()
    return moved


def join_vehicles(s: Session, into: Lead, other: Lead) -> int:
    """Move the cars; one that is there already fills what is missing of it and goes. Returns how many moved."""
    known = _cars(s, into.id)
    moved = 0
    for car in _cars(s, other.id):
        same = next((one for one in known if is_same_car(one, car)), None)
        if same is None:
            car.lead_id = into.id
            known.append(car)
            moved += 1
            continue
        for name in (*_CAR, "external_id"):
            if getattr(same, name) is None:
                setattr(same, name, getattr(car, name))
        for table in (Appointment, LeadRequest):
            run(s, update(table).where(table.vehicle_id == car.id).values(vehicle_id=same.id))
        s.delete(car)
    s.flush()
    return moved


def is_same_car(one: Vehicle, two: Vehicle) -> bool:
    """The source's own id decides where both have one; else they agree in everything both say, in the make or model for
    one. Of a car of which nothing is known, nothing is lost."""
    if one.external_id and two.external_id:
        return one.external_id == two.external_id
    said = [(getattr(one, name), getattr(two, name)) for name in _CAR]
    if all(value is None for _, value in said):
        return not two.external_id
    agree = all(str(a).casefold() == str(b).casefold() for a, b in said if a is not None and b is not None)
    return agree and any(getattr(one, name) and getattr(two, name) for name in ("make", "model"))


def join_touches(s: Session, into: Lead, other: Lead, session_id: int | None, now: datetime) -> list[str]:
    """Move the touches into runs of their own. One cadence goes on, the surviving lead's before the other's; one date
    that the customer named, the later one of the two; and where there is a date, no cadence. What an ended cadence has
    in the outbox does not go, unless somebody is sending it already."""
    touches = list(s.scalars(_locked_touches(into.id, other.id)))
    dates = [one for one in touches if one.plan == FOLLOW_UP and one.status in _OPEN]
    keep = max(dates, key=lambda one: (one.created_at, one.id), default=None)
    for one in dates:
        if one is not keep:
            _end(one, ANOTHER_DATE)
    # What belongs to a visit goes along with it, whoever's cadence goes on.
    own = [one for one in touches if one.plan != FOLLOW_UP and one.kind == "touch"]
    cadence = [one for one in own if one.status in (*_OPEN, "written")]
    open_ones = [one for one in cadence if one.status in _OPEN]
    of_whom = {one.lead_id for one in open_ones} or {one.lead_id for one in cadence}
    going = into.id if into.id in of_whom else other.id
    two = keep is None and len({one.lead_id for one in open_ones}) == 2
    over = cadence if keep is not None else [one for one in cadence if one.lead_id != going]
    reason = ONE_CADENCE if keep is None else NAMED_DATE
    for one in over:
        if one.status in _OPEN:
            _end(one, reason)
    s.flush()
    _drop_waiting(
        s, [one.message_id for one in over if one.status == "written" and one.message_id], reason, now
    )
    _move_touches(s, into, other, session_id)
    return [f"the cadence of lead {other.id} has ended, the one of lead {into.id} goes on"] if two else []


def _move_touches(s: Session, into: Lead, other: Lead, session_id: int | None) -> None:
    last = s.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == into.id)) or 0
    values: dict[str, Any] = {"lead_id": into.id, "cadence_run": TouchPoint.cadence_run + last}
    if session_id is not None:
        values["session_id"] = session_id
    run(s, _move(TouchPoint.lead_id, other.id).values(values))


def _drop_waiting(s: Session, message_ids: list[int], reason: str, now: datetime) -> None:
    waiting = (ChatMessage.id.in_(message_ids), ChatMessage.status == "pending", ChatMessage.kind == "touch")
    run(s, update(ChatMessage).where(*waiting).values(status="dropped", error=reason, final_at=now))


def _end(touch: TouchPoint, reason: str) -> None:
    touch.status, touch.reason = "ended", reason
    touch.claim_token = touch.claimed_until = None


def _locked_touches(*lead_ids: int) -> Any:
    return (
        select(TouchPoint)
        .where(TouchPoint.lead_id.in_(lead_ids))
        .order_by(TouchPoint.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def join_facts(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Facts of both; where both say something, the surviving lead's. What the customer is remembered to have said is kept
    of both, the newest first to stay."""
    joined = {**theirs, **mine}
    kept = [facts.get(KEY) for facts in (mine, theirs)]
    said = [row for rows in kept if isinstance(rows, list) for row in rows]
    remembered = [row for row in said if isinstance(row, dict) and "text" in row]
    if remembered:
        once = {str(row["text"]).casefold(): row for row in remembered}
        joined[KEY] = sorted(once.values(), key=lambda row: str(row.get("at", "")))[-MOST:]
    return joined


def message_counts(s: Session, lead_ids: Sequence[int]) -> dict[int, int]:
    """How many messages each lead has."""
    found = s.execute(
        select(ChatMessage.lead_id, func.count())
        .where(ChatMessage.lead_id.in_(lead_ids))
        .group_by(ChatMessage.lead_id)
    )
    return {lead_id: int(number) for lead_id, number in found}


def run(s: Session, statement: Update) -> int:
    """Carry out an update past the ORM; returns how many rows it changed."""
    result = s.execute(statement.execution_options(synchronize_session="fetch"))
    return int(cast(CursorResult[Any], result).rowcount)


def _cars(s: Session, lead_id: int) -> list[Vehicle]:
    statement = select(Vehicle).where(Vehicle.lead_id == lead_id).order_by(Vehicle.id).with_for_update()
    return list(s.scalars(statement.execution_options(populate_existing=True)))


def _move(column: InstrumentedAttribute[Any], lead_id: int) -> Update:
    return update(column.class_).where(column == lead_id)
