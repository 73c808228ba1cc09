"""A write needs the customer's yes to that exact thing, found in their own unanswered words and not in the model's belief.

What they were shown and what we asked last comes from the rows of the conversation; `acceptance` does the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select

from agent.check import names_moment
from agent.tools.acceptance import Reading, Table, accepts
from agent.tools.declare import ToolRefusal, ToolRun
from agent.tools.named import Shown, folded
from agent.tools.views import service_names
from crm.calendar.labels import Visited, visit_label
from crm.calendar.offers import UNSEEN
from crm.models import ChatMessage, ChatSession, Offer, Vehicle
from crm.writers import is_proved

# So far back a customer's word about the film or the window still says which of two services is meant.
REMEMBERED = 10


def words_of(run: ToolRun) -> list[str]:
    """The customer's own messages of this turn, oldest first: what came after the last answer, up to the trigger."""
    answered = select(ChatSession.answered_up_to).where(ChatSession.id == run.ctx.session_id)
    statement = _heard(run).where(ChatMessage.id > answered.scalar_subquery())
    # As they were written: mails overtake each other. A mail that may be anybody's agrees to nothing.
    rows = run.s.scalars(statement.order_by(ChatMessage.received_at, ChatMessage.id))
    return [row.body for row in rows if is_proved(row.channel, row.raw)]


def require_yes(run: ToolRun, offer_id: int) -> None:
    """Raises ToolRefusal unless the customer's words take this very offer. An offer that is not theirs, or that they
    have not seen, is left to the booking, which refuses it in its own words."""
    offer = run.s.get(Offer, offer_id)
    if offer is None or offer.session_id != run.ctx.session_id or offer.message_id is None:
        return
    timezone = run.location().timezone
    this = shown_of(offer, offer.id, timezone)
    last = last_said(run)
    batch, twins = _newest_batch(run, offer, timezone)
    asked = [one.id for one, message_id in batch if last is not None and _is_about(last, message_id, one)]
    table = Table(
        shown=tuple(one for one, _ in batch) or (this,),
        this=this,
        asked=frozenset(asked),
        asked_question=last is not None and "?" in last.body,
        today=today_of(run, timezone),
        known=_repeats(run, [offer, *twins], last),
    )
    words = words_of(run)
    reading = accepts(words, table)
    if reading != "yes":
        labels = [one.label for one in table.shown]
        raise ToolRefusal(_ask(reading, this.label, labels), needs_yes=True, label=this.label)
    if twins and not _means_its_services(run, offer, twins):
        raise ToolRefusal(
            f"More than one service was offered for {this.label}. Ask which one, and wait for the answer.",
            needs_yes=True,
            label=this.label,
        )


def _ask(reading: Reading, label: str, shown: list[str]) -> str:
    if reading == "which":
        return (
            f"The customer's words fit more than one time they were shown: {'; '.join(shown)}. Ask which one."
        )
    if reading == "more":
        return (
            "Nothing was changed. The customer's words say more than a yes: a price, a condition, a question or another "
            f"wish. Answer that first, then ask whether {label} is what they want, and wait for their yes."
        )
    why = (
        "They seem to mean another time."
        if reading == "other"
        else "The customer has not clearly agreed to it."
    )
    return f"Nothing was changed. {why} Ask whether {label} is what they want, and wait for their yes."


def _repeats(run: ToolRun, offers: Sequence[Offer], last: ChatMessage | None) -> frozenset[str]:
    """The words and amounts that say nothing new: the names of what was offered, the customer's own name and car, and
    the amounts of our last message."""
    names = service_names(run.s, (one for offer in offers for one in offer.service_ids))
    lead = run.lead()
    vehicle = run.s.scalars(select(Vehicle).where(Vehicle.lead_id == lead.id)).all()
    own = [lead.first_name, lead.last_name]
    own += [
        str(part)
        for one in vehicle
        for part in (one.year, one.make, one.model, one.body_style, one.color)
        if part
    ]
    words = re.findall(r"[\w-]+", folded(" ".join([*names.values(), *filter(None, own)])))
    amounts = re.findall(r"\$\s?(\d[\d,]*)", last.body) if last is not None else []
    told = {
        form for one in amounts for form in (f"${one}", one, f"${one.replace(',', '')}", one.replace(",", ""))
    }
    return frozenset(words) | told


def _is_about(last: ChatMessage, message_id: int, one: Shown) -> bool:
    return message_id == last.id or names_moment(last.body, one.label)


def _heard(run: ToolRun) -> Select[ChatMessage]:
    return select(ChatMessage).where(
        ChatMessage.session_id == run.ctx.session_id,
        ChatMessage.direction == "in",
        ChatMessage.kind != "automatic",
        ChatMessage.id <= run.ctx.trigger_message_id,
    )


def last_said(run: ToolRun) -> ChatMessage | None:
    """The newest message of ours that the customer may have seen."""
    statement = select(ChatMessage).where(
        ChatMessage.session_id == run.ctx.session_id,
        ChatMessage.direction == "out",
        ChatMessage.kind != "notice",
        ChatMessage.status.not_in(UNSEEN),
    )
    return run.s.scalars(statement.order_by(ChatMessage.id.desc()).limit(1)).first()


def _newest_batch(run: ToolRun, wanted: Offer, timezone: str) -> tuple[list[tuple[Shown, int]], list[Offer]]:
    """The times of the newest message that showed some, in the order in which they stand in it, each with the id of
    that message; and the offers that show the time of `wanted` for other services.

    A time that was found twice was shown once: its offers count as one, which is `wanted` when that is among them.
    """
    rows = run.s.execute(
        select(Offer, ChatMessage)
        .join(ChatMessage, ChatMessage.id == Offer.message_id)
        .where(Offer.session_id == run.ctx.session_id, ChatMessage.status.not_in(UNSEEN))
        .order_by(ChatMessage.id.desc(), Offer.starts_at, Offer.id)
    ).all()
    newest = rows[0][1].id if rows else None
    found: dict[str, tuple[Shown, int, int]] = {}
    twins: list[Offer] = []
    for offer, message in rows:
        one = shown_of(offer, offer.id, timezone)
        if offer.message_id == wanted.message_id and one.label == visit_label(wanted, timezone):
            one = shown_of(offer, wanted.id, timezone)
            if sorted(offer.service_ids) != sorted(wanted.service_ids):
                twins.append(offer)
        if message.id == newest:
            # A label that was put in other words has no place of its own; such times keep the order of the clock.
            found.setdefault(one.label, (one, message.id, max(message.body.find(one.label), 0)))
    ordered = sorted(found.values(), key=lambda each: each[2])
    return [(one, message_id) for one, message_id, _ in ordered], twins


def _means_its_services(run: ToolRun, wanted: Offer, twins: Sequence[Offer]) -> bool:
    """Whether the customer's newest words that tell these services apart mean those of `wanted`."""
    every = [wanted, *twins]
    names = service_names(run.s, (one for offer in every for one in offer.service_ids))
    said = [_name_words(names[one] for one in offer.service_ids if one in names) for offer in every]
    own = said[0] - frozenset().union(*said[1:])
    others = frozenset().union(*said[1:]) - said[0]
    for message in run.s.scalars(_heard(run).order_by(ChatMessage.id.desc()).limit(REMEMBERED)):
        heard = _name_words([message.body])
        if heard & (own | others):
            return bool(heard & own) and not heard & others
    return False


def _name_words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[a-z0-9]{3,}", folded(text)))


def shown_of(visit: Visited, number: int, timezone: str) -> Shown:
    """A visit as the customer sees it, in the shop's time."""
    zone = ZoneInfo(timezone)
    first = visit.arrives_from or visit.starts_at
    last = visit.arrives_until or first
    return Shown(number, visit_label(visit, timezone), first.astimezone(zone), last.astimezone(zone))


def today_of(run: ToolRun, timezone: str) -> date:
    """The day it is at the shop."""
    return run.now.astimezone(ZoneInfo(timezone)).date()
