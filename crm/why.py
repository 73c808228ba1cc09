"""Why a message was sent, held back or worded so: its story, the gate's decisions, and the turn behind it.

Every function takes the Session of a tenant's scope. Plain data and plain words; a command only prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consents import opt_out_of
from crm.models import ChatMessage, ChatSession, Lead, Location, SendDecision, TouchPoint
from crm.why_turns import TurnWhy, turns_behind

_VERDICTS = {
    "allow": "it may go",
    "hold": "it has to wait",
    "withhold": "it never goes",
    "drop": "something newer has made it pointless",
}
_KINDS = {
    "confirmation": "It confirms an appointment.",
    "reminder": "It reminds of an appointment.",
    "notice": "It tells the shop's staff; the customer does not see it.",
    "staff": "A person of the shop wrote it, by email, as the answer to an alert.",
    "consent": "It answers the customer's stop, start or help, which the law wants answered.",
}


class MessageNotFound(Exception):
    """There is no such message. Fit to be shown to an owner."""


@dataclass(frozen=True)
class GateLine:
    """One decision of the gate at one moment; the same decision again is the same line, with its last moment."""

    at: datetime
    decision: str
    meaning: str
    reasons: list[str]
    hold_until: datetime | None
    times: int = 1
    last_at: datetime | None = None


@dataclass(frozen=True)
class Explanation:
    """Everything that made one message what it is. `story` is plain sentences in order."""

    message_id: int
    lead_id: int
    timezone: str
    at: datetime
    direction: str
    channel: str
    kind: str
    status: str
    body: str
    story: list[str]
    gate: list[GateLine]
    turns: list[TurnWhy]


def why_message(s: Session, message_id: int) -> Explanation:
    """Explain one message of either direction. Raises MessageNotFound."""
    message = s.get(ChatMessage, message_id)
    if message is None:
        raise MessageNotFound(f"there is no message {message_id}")
    chat = s.get_one(ChatSession, message.session_id)
    timezone = s.get_one(Location, chat.location_id).timezone
    gate = _gate(s, message.id)
    turns = turns_behind(s, message)
    if message.direction == "in":
        reply = _reply_to(s, message)
        # Of several messages in a row only the last one started the turn that answered them all.
        turns = turns or (turns_behind(s, reply) if reply else [])
        story = [_became(s, message, chat, reply, timezone)]
    else:
        story = [*_origin(s, message, timezone), *_fate(message, gate, timezone)]
    return Explanation(
        message_id=message.id,
        lead_id=message.lead_id,
        timezone=timezone,
        at=message.received_at or message.sent_at or message.created_at,
        direction=message.direction,
        channel=message.channel,
        kind=message.kind,
        status=message.status,
        body=message.body,
        story=story,
        gate=gate,
        turns=turns,
    )


def moment(at: datetime | None, timezone: str) -> str:
    """ "2026-11-23 09:00 CST", or "an unknown time"."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M %Z") if at else "an unknown time"


def _gate(s: Session, message_id: int) -> list[GateLine]:
    found: list[GateLine] = []
    rows = select(SendDecision).where(SendDecision.message_id == message_id).order_by(SendDecision.id)
    for row in s.scalars(rows):
        line = GateLine(
            at=row.decided_at,
            decision=row.decision,
            meaning=_VERDICTS[row.decision],
            reasons=[reason_text(reason) for reason in row.reasons],
            hold_until=row.hold_until,
        )
        last = found[-1] if found else None
        if last and (last.decision, last.reasons) == (line.decision, line.reasons):
            found[-1] = GateLine(
                last.at, line.decision, line.meaning, line.reasons, line.hold_until, last.times + 1, line.at
            )
        else:
            found.append(line)
    return found


def reason_text(reason: Any) -> str:
    """A stored reason in words, also when it is an object with its words inside."""
    if isinstance(reason, dict):
        words = [str(reason[key]) for key in ("sentence", "text", "reason") if reason.get(key)]
        return words[0] if words else ", ".join(f"{key} {value}" for key, value in reason.items())
    return str(reason)


def _origin(s: Session, message: ChatMessage, timezone: str) -> list[str]:
    if message.kind == "reply":
        return [f"It answers what the customer wrote up to message {message.answers_up_to}."]
    touch = s.get(TouchPoint, message.touch_point_id) if message.touch_point_id else None
    if touch is not None:
        return [_touch_story(touch, timezone)]
    if message.kind == "touch":
        return ["It is a touch of a cadence."]
    return [_KINDS.get(message.kind, f"It is a message of kind {message.kind}.")]


def _touch_story(touch: TouchPoint, timezone: str) -> str:
    about = f" about {touch.note!r}" if touch.note else ""
    about = f" about appointment {touch.appointment_id}" if touch.appointment_id else about
    return (
        f"It is step {touch.step} of the plan {touch.plan} (run {touch.cadence_run}, template {touch.template})"
        f"{about}, planned for {moment(touch.due_at, timezone)}."
    )


def _fate(message: ChatMessage, gate: list[GateLine], timezone: str) -> list[str]:
    """What became of an outbound message."""
    carrier = message.carrier or "the carrier"
    if message.carrier == "local":
        return ["No carrier is configured for this channel: it stayed on this machine."]
    said = message.error or (f"error {message.error_code}" if message.error_code else "no reason was given")
    sent = f"It was given to {carrier} at {moment(message.sent_at, timezone)}"
    number = f" as {message.carrier_id}" if message.carrier_id else ""
    stories = {
        "pending": f"It waits; the next look is at {moment(message.send_after, timezone)}.",
        "sending": "It is being given to the carrier.",
        "sent": f"{sent}{number}; its last word is {message.carrier_status or 'accepted'}.",
        "delivered": f"{sent}{number} and delivered at {moment(message.final_at, timezone)}.",
        "undelivered": f"{sent}{number} and did not arrive: {said}.",
        "failed": f"It could not be sent: {said}.",
        "withheld": "It was withheld and never left.",
        "dropped": "It was dropped and never left.",
        "unknown": f"It may have been sent ({said}); {carrier} is asked, and it is not sent again blindly.",
    }
    story = [stories[message.status]]
    if message.status == "pending" and message.tries:
        story.append(f"It was tried {message.tries} times: {said}.")
    if message.status in ("withheld", "dropped") and all(line.decision == "allow" for line in gate):
        # Withheld before the gate was asked: the row itself says why.
        story.append(f"Why: {said}.")
    return story


def _reply_to(s: Session, message: ChatMessage) -> ChatMessage | None:
    """The first message of ours that answers this one."""
    return s.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == message.session_id,
            ChatMessage.direction == "out",
            ChatMessage.id > message.id,
            ChatMessage.answers_up_to >= message.id,
        )
        .order_by(ChatMessage.id)
        .limit(1)
    ).first()


def _became(
    s: Session, message: ChatMessage, chat: ChatSession, reply: ChatMessage | None, timezone: str
) -> str:
    if reply is not None:
        return f"It was answered by message {reply.id}, which is {reply.status}."
    if chat.answer_due_at is not None and message.id > chat.answered_up_to:
        return f"An answer is owed and due at {moment(chat.answer_due_at, timezone)}."
    return _why_silent(s, message, chat)


def _why_silent(s: Session, message: ChatMessage, chat: ChatSession) -> str:
    lead = s.get_one(Lead, message.lead_id)
    address = lead.phone if message.channel == "sms" else lead.email
    stop = opt_out_of(s, message.tenant_id, message.channel, address) if address else None
    if stop is not None and stop.message_id == message.id:
        return "It was taken as an opt-out; it gets at most the one confirmation."
    if stop is not None:
        return "It was not answered: this person had said stop. The shop was told."
    if chat.state == "human":
        reason = f" ({chat.state_reason})" if chat.state_reason else ""
        return f"The agent did not answer it: a person has the conversation{reason}."
    return "It needed no answer, or was answered together with a later message."
