"""What the customer was told is what they agree to: a booking waits when a price has changed since, or is sold no more.

They were told it in an answer of ours, which stood on a look at the catalogue, or in a message that went out unasked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from agent.tools.declare import ToolRefusal, ToolRun
from crm.calendar.offers import UNSEEN
from crm.models import ChatMessage, Offer, Service, ToolCallRow, Turn
from crm.money import dollars
from crm.told_prices import KEPT_AS, prices_kept

_TELLS = ("find_services", "quote")
# So many looks at the catalogue, and messages with a price, are read for the newest price of a service.
_NEWEST = 20


def require_price_told(run: ToolRun, offer_id: int) -> None:
    """Raises ToolRefusal when a service of the offer is not sold any more, or has another price than in the newest
    look at the catalogue that an answer of ours stood on, or in a later message of ours that named it. A look of this very
    turn does not count: the customer's yes is older than it. An offer that is not theirs is left to the booking."""
    offer = run.s.get(Offer, offer_id)
    if offer is None or offer.session_id != run.ctx.session_id:
        return
    services = run.s.scalars(select(Service).where(Service.id.in_(offer.service_ids))).all()
    for service in services:
        if not service.active:
            raise ToolRefusal(
                f"Nothing was booked: the shop does not sell {service.name} any more. Say so, and find_services for"
                " what comes near it."
            )
    told = _told(run)
    changed = [one for one in services if one.id in told and told[one.id] != one.price_cents]
    if changed:
        raise ToolRefusal(
            "Nothing was booked, because a price has changed since the customer was told it. "
            + " ".join(_change(one, told[one.id]) for one in changed)
            + " Call quote, tell the customer the new price, and ask whether they still want the time."
        )


def _change(service: Service, before: int | None) -> str:
    now = (
        "is now quoted by a person"
        if service.price_cents is None
        else f"is {dollars(service.price_cents)} now"
    )
    was = "had to be quoted by a person" if before is None else f"was {dollars(before)}"
    return f"{service.name} {was} and {now}."


def _told(run: ToolRun) -> dict[int, int | None]:
    """The price in cents of each service as this conversation last told it, whichever way."""
    told: dict[int, int | None] = {}
    for _, prices in sorted([*_looks(run), *_messages(run)], key=lambda one: one[0], reverse=True):
        for service_id, cents in prices.items():
            told.setdefault(service_id, cents)
    return told


def _looks(run: ToolRun) -> list[tuple[datetime, dict[int, int | None]]]:
    """When earlier turns of this conversation read the catalogue, and which prices by service."""
    rows = run.s.execute(
        select(ToolCallRow.started_at, ToolCallRow.result)
        .join(Turn, Turn.id == ToolCallRow.turn_id)
        .where(
            Turn.session_id == run.ctx.session_id,
            Turn.id < run.ctx.turn_id,
            Turn.status == "done",
            ToolCallRow.tool.in_(_TELLS),
            ~ToolCallRow.is_error,
        )
        .order_by(ToolCallRow.id.desc())
        .limit(_NEWEST)
    )
    return [
        (row.started_at, {one["service_id"]: one.get("price_cents") for one in _lines(row.result)})
        for row in rows
    ]


def _messages(run: ToolRun) -> list[tuple[datetime, dict[int, int | None]]]:
    """When messages of this conversation that the customer may have seen named a price, and which by service."""
    rows = run.s.execute(
        select(func.coalesce(ChatMessage.sent_at, ChatMessage.created_at).label("at"), ChatMessage.raw)
        .where(
            ChatMessage.session_id == run.ctx.session_id,
            ChatMessage.direction == "out",
            ChatMessage.id < run.ctx.trigger_message_id,
            ChatMessage.status.not_in(UNSEEN),
            ChatMessage.raw.has_key(KEPT_AS),
        )
        .order_by(ChatMessage.id.desc())
        .limit(_NEWEST)
    )
    return [(row.at, dict(prices_kept(row.raw))) for row in rows]


def _lines(result: str) -> Iterator[dict[str, Any]]:
    """The services in a stored result. One that was erased or cut says nothing."""
    try:
        found = json.loads(result)
    except ValueError:
        return
    services = found.get("services") if isinstance(found, dict) else None
    for line in services if isinstance(services, list) else []:
        if isinstance(line, dict) and isinstance(line.get("service_id"), int):
            yield line
