"""What a finished turn leaves behind: the reply and "answered up to", the offers it showed, a hand-off, its cost."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.after_write import changes_told, closing_told, stop_confirmed, stopped_by
from agent.check import names_moment
from agent.fixed import line
from agent.models.base import Json, ToolCall, ToolResult
from agent.turn import TurnResult, as_trace
from channels.writing import add
from crm.calendar.labels import visit_label
from crm.lead_states import try_move
from crm.models import ChatMessage, ChatSession, Lead, Location, Offer, ToolCallRow, Turn
from crm.notices import notify_staff
from crm.spend import record_attempts
from crm.touches import halt_touches
from crm.writers import Writer, addressed
from scheduler.effects import changed_by

# A reply that could not be sent for this long answers a question nobody asks any more.
REPLY_LIFE = timedelta(hours=12)
_PRICE = re.compile(r"\$\s?\d")


def writes_for(session: Session, turn: Turn) -> list[ToolCallRow]:
    """What the agent itself did for this message, in this turn or in one that died, in order."""
    statement = select(ToolCallRow).where(
        ToolCallRow.session_id == turn.session_id,
        ToolCallRow.trigger_message_id == turn.trigger_message_id,
        ToolCallRow.is_write,
        ToolCallRow.is_error.is_(False),
    )
    return list(session.scalars(statement.order_by(ToolCallRow.id)))


def handed_over(session: Session, chat: ChatSession) -> bool:
    """Whether the agent itself gave the conversation to a person over something that is not answered yet, in a turn
    under way or in one that died: the customer has still to be told."""
    return (
        session.scalar(
            select(ToolCallRow.id)
            .where(
                ToolCallRow.session_id == chat.id,
                ToolCallRow.trigger_message_id > chat.answered_up_to,
                ToolCallRow.tool == "hand_off",
                ToolCallRow.is_error.is_(False),
            )
            .limit(1)
        )
        is not None
    )


def commit_reply(session: Session, chat: ChatSession, turn: Turn, result: TurnResult, now: datetime) -> None:
    """Write the reply, mark the trigger as answered and hand over if the turn asks for it, in one transaction.

    The caller holds the session row and has checked that nothing newer came.
    """
    # What is read here does not depend on what is written: all of it leaves together, with the message.
    with session.no_autoflush:
        # Locked, because leads are versioned: another writer in between would cost the customer this whole turn.
        lead = session.get_one(Lead, chat.lead_id, with_for_update=True)
        location = session.get_one(Location, chat.location_id)
        announces = {"announces_hand_off": True} if result.hand_off or chat.state == "human" else {}
        tells = {"tells_of_change": True} if changed_by(session, chat.id, turn.trigger_message_id) else {}
        raw = {"answered_before": chat.answered_up_to, **announces, **tells}
        channel, address = _answer_to(session, chat, turn)
        chat.answered_up_to = turn.trigger_message_id
        if announces or (chat.last_inbound_id or 0) <= turn.trigger_message_id:
            chat.answer_due_at = chat.burst_started_at = None
        chat.answer_tries = 0
        done = writes_for(session, turn)
        body = _body(result, turn, done, result.language or lead.language, location.name)
        _where_they_stand(session, lead, turn, body, done, now)
        message = add(
            session,
            chat=chat,
            lead=lead,
            location=location,
            channel=channel,
            # The one answer to an opt-out is its confirmation; the gate lets that kind pass for five minutes.
            kind="consent" if any(one.tool == "opt_out" for one in done) else "reply",
            body=body,
            dedupe_key=f"reply:{turn.trigger_message_id}",
            now=now,
            turn_id=turn.id,
            answers_up_to=turn.trigger_message_id,
            expires_at=now + REPLY_LIFE,
            answer_to=address,
            raw=raw,
        )
    if result.hand_off:
        _hand_off(session, chat, lead, location, result.hand_off, turn, now)
    if message is None:
        turn.error = "there is no address to answer to, or it was answered before"
    # Only tools make offers, and a turn that used one asked its model again.
    elif result.rounds > 1 or result.open_offers:
        # What tells of a change names a time that is theirs already, or was, and offers it to nobody.
        _mark_shown(session, turn, message, location, () if tells else result.open_offers)


def _body(result: TurnResult, turn: Turn, done: Sequence[ToolCallRow], language: str, shop: str) -> str:
    """The turn's reply; or fixed words where that one knows nothing of what a turn that died had done before it."""
    if result.confirms_stop:
        return result.reply
    results = [ToolResult(str(one.id), one.tool, one.result) for one in done]
    calls = [ToolCall(str(one.id), one.tool, one.arguments) for one in done]
    stop = stopped_by(calls, results)
    if stop is not None:
        return stop_confirmed(stop, language, shop)
    # What a person is asked to answer rests on no fact, so it can have told no news.
    news = _news(results, language, shop) if result.hand_off and not result.facts else []
    told = [str(one["text"]) for one in news]
    if told:
        return " ".join([*told, line("rest", language, shop=shop)])
    # The model of this turn may have found everything done already, and nothing to say about it.
    before = [one for one, row in zip(results, done, strict=True) if row.turn_id != turn.id]
    return " ".join([*_left_out(before, result.reply, language, shop), result.reply])


def _news(results: Sequence[ToolResult], language: str, shop: str) -> list[Json]:
    return [*changes_told(results, language, shop), *closing_told(results, language, shop)]


def _left_out(results: Sequence[ToolResult], reply: str, language: str, shop: str) -> list[str]:
    """A sentence for each change of a turn that died which this reply does not tell of."""
    found = []
    for result in results:
        for one in changes_told([result], language, shop):
            label = json.loads(result.text)["appointment"]["label"]
            said = names_moment(reply, label) or (result.name == "cancel" and "cancel" in reply.lower())
            if not said:
                found.append(str(one["text"]))
    return found


def _answer_to(session: Session, chat: ChatSession, turn: Turn) -> tuple[str, str | None]:
    """(channel, address) of who wrote: an address named in a text may be anybody's. Called before the messages count as
    answered."""
    unanswered = session.execute(
        select(ChatMessage.channel, ChatMessage.from_address, ChatMessage.raw)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "in",
            ChatMessage.kind == "inbound",
            ChatMessage.id > chat.answered_up_to,
            ChatMessage.id <= turn.trigger_message_id,
        )
        .order_by(ChatMessage.id)
    ).all()
    writer = addressed([Writer(*row) for row in unanswered])
    return (chat.last_channel or "sms", None) if writer is None else (writer.channel, writer.from_address)


def _where_they_stand(
    session: Session, lead: Lead, turn: Turn, reply: str, done: Sequence[ToolCallRow], now: datetime
) -> None:
    """Who writes is engaged, and quoted once a price was told; every price in a reply was traced by `agent.check`. Who
    closed their enquiry with these very words stays lost: the next words are the ones that open it again."""
    about: dict[str, Any] = {"who": "agent", "now": now, "message_id": turn.trigger_message_id}
    if lead.status == "lost" and any(one.tool == "close_enquiry" for one in done):
        return
    if lead.status in ("new", "lost", "unreachable"):
        try_move(session, lead, "engaged", why="they wrote", **about)
    if lead.status == "engaged" and _PRICE.search(reply):
        try_move(session, lead, "quoted", why="a price was told", **about)


def _mark_shown(
    session: Session, turn: Turn, message: ChatMessage, location: Location, before: Sequence[int]
) -> None:
    """Offers of this turn whose time stands in the reply were shown to the customer; only those can be booked. Those of
    `before`, which were shown earlier and are still open, are shown again by it: what the customer says next is about
    the times they read last."""
    named = set()
    for offer in session.scalars(select(Offer).where(Offer.turn_id == turn.id)):
        label = visit_label(offer, location.timezone)
        if names_moment(message.body, label):
            offer.message_id = message.id
            named.add(label)
    if not before:
        return
    mine = select(Offer).where(Offer.session_id == turn.session_id, Offer.id.in_(before))
    for offer in session.scalars(mine):
        label = visit_label(offer, location.timezone)
        # A time that was found anew is shown by the new offer, for the services that were asked about now.
        if label not in named and names_moment(message.body, label):
            offer.message_id = message.id


def _hand_off(
    session: Session, chat: ChatSession, lead: Lead, location: Location, why: str, turn: Turn, now: datetime
) -> None:
    chat.state, chat.state_reason = "human", why
    try_move(session, lead, "human", who="agent", why=why, now=now, message_id=turn.trigger_message_id)
    halt_touches(session, lead.id, "paused", "a person has taken over the conversation")
    name = lead.first_name or lead.phone or lead.email or "A customer"
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=location,
        text=f"{name} needs a person: {why}. See: leads transcript {lead.id}",
        dedupe_key=f"hand_off:{turn.trigger_message_id}",
        now=now,
    )


def account(
    session: Session,
    chat: ChatSession,
    turn: Turn,
    result: TurnResult,
    now: datetime,
    *,
    choice: Sequence[str] = (),
) -> None:
    """Store with the turn which model answered, what it used and what it cost; `choice` says why other models than
    the installation's were asked."""
    # Before the turn is touched, so that its row is written once.
    record_attempts(session, chat, [attempt.as_json() for attempt in result.attempts], now, turn_id=turn.id)
    totals = result.totals()
    turn.provider, turn.model, turn.rounds = result.provider, result.model, result.rounds
    turn.input_tokens, turn.cached_tokens = totals["input_tokens"], totals["cached_tokens"]
    turn.output_tokens, turn.cost_microusd = totals["output_tokens"], totals["cost_microusd"]
    turn.trace = {**as_trace(result), "choice": list(choice)}
    turn.finished_at = now
