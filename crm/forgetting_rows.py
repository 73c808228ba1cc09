"""What is erased of each table when a person is forgotten, and how much there is of it.

Bare rows stay: when, which way, what became of it. Everything that somebody wrote, or that names somebody, goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    String,
    any_,
    case,
    cast,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm.lead_merging_rows import run
from crm.models import (
    ApiRequest,
    Appointment,
    ChatMessage,
    ChatSession,
    ConsentEvent,
    ConsentPush,
    ConversationSummary,
    Lead,
    LeadChange,
    LeadRequest,
    MailEvent,
    MessageMedia,
    ModelAttempt,
    Offer,
    ToolCallRow,
    TouchPoint,
    TouchText,
    Turn,
    Vehicle,
)
from crm.models.people import LEAD_STATUSES
from crm.sessions import new_reply_token

REASON = "the person was forgotten"
ERASED = "[erased]"
_HISTORY = ("who", "when", "what", "message", "from", "to", "offer")
# Rows of the outbox that have not come to an end.
_OPEN = ("pending", "sending", "unknown")


def counts(s: Session, lead_ids: Sequence[int], session_ids: Sequence[int]) -> dict[str, int]:
    """How many rows of each kind hold something of these people."""
    by_lead: tuple[tuple[str, InstrumentedAttribute[Any]], ...] = (
        ("cars", Vehicle.lead_id), ("requests", LeadRequest.lead_id), ("appointments", Appointment.lead_id),
        ("touches", TouchPoint.lead_id), ("offers", Offer.lead_id),
    )  # fmt: skip
    by_session: tuple[tuple[str, InstrumentedAttribute[Any]], ...] = (
        ("messages", ChatMessage.session_id), ("turns", Turn.session_id), ("tool calls", ToolCallRow.session_id),
        ("summaries", ConversationSummary.session_id),
    )  # fmt: skip
    found = {name: _count(s, column, lead_ids) for name, column in by_lead}
    found |= {name: _count(s, column, session_ids) for name, column in by_session}
    messages = select(ChatMessage.id).where(ChatMessage.session_id.in_(session_ids))
    media = select(func.count()).select_from(MessageMedia).where(MessageMedia.message_id.in_(messages))
    return {**found, "files": int(s.scalar(media) or 0)}


def erase_conversations(s: Session, chats: Iterable[ChatSession], now: datetime) -> dict[str, int]:
    """Messages, files, turns, tool calls, summaries, decisions of conversations whose rows the caller has locked."""
    ids = [chat.id for chat in chats]
    messages = list(s.scalars(select(ChatMessage.id).where(ChatMessage.session_id.in_(ids))))
    gone = {
        "files": _delete(s, MessageMedia, MessageMedia.message_id, messages),
        "summaries": _delete(s, ConversationSummary, ConversationSummary.session_id, ids),
        "messages": _erase_messages(s, ids, now),
        "mail events": run(
            s,
            update(MailEvent)
            .where(_one_of(MailEvent.message_id, messages))
            .values(address="", raw={}, reason=None),
        ),
        "turns": run(
            s,
            update(Turn).where(Turn.session_id.in_(ids)).values(trace={}, error=None),
        ),
        "tool calls": run(
            s,
            update(ToolCallRow)
            .where(ToolCallRow.session_id.in_(ids))
            .values(
                arguments={}, result="", arguments_hash=literal("erased:") + cast(ToolCallRow.id, String)
            ),
        ),
        "model attempts": run(
            s,
            update(ModelAttempt).where(ModelAttempt.session_id.in_(ids)).values(error=None, request_id=None),
        ),
        # Its own moment is this one's past.
        "decisions": erase_decisions(s, messages, now + timedelta(days=1)),
    }
    for chat in chats:
        chat.state, chat.state_reason, chat.subject = "human", REASON, None
        chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
        # A mail to the old secret is somebody's who writes anew.
        if chat.erased_at is None:
            chat.reply_token, chat.erased_at = new_reply_token(), now
    s.flush()
    return gone


def _erase_messages(s: Session, session_ids: Sequence[int], now: datetime) -> int:
    mine = ChatMessage.session_id.in_(session_ids)
    run(
        s,
        update(ChatMessage)
        .where(mine, ChatMessage.direction == "out", ChatMessage.status.in_(_OPEN))
        .values(
            status=case((ChatMessage.status == "pending", "dropped"), else_="failed"),
            final_at=now, claim_token=None, claimed_until=None,
        ),
    )  # fmt: skip
    # By these ids a later mail would be taken for part of this conversation.
    return run(
        s,
        update(ChatMessage)
        .where(mine)
        .values(
            body="", body_full=None, subject=None, raw=null(), error=None, rfc_message_id=None, rfc_references=None,
            outbox_id=None, from_address="", to_address="",
        ),
    )  # fmt: skip


def erase_around(s: Session, lead_ids: Sequence[int], words: Sequence[str], now: datetime) -> dict[str, int]:
    """What hangs on the leads outside of their conversations, and notices about them in other ones."""
    _erase_appointments(s, lead_ids, words)
    requests = update(LeadRequest).where(LeadRequest.lead_id.in_(lead_ids))
    gone = {
        "requests": run(s, requests.values(wish=None, facts={}, vehicle_id=None)),
        "cars": _delete(s, Vehicle, Vehicle.lead_id, lead_ids),
        "touches": run(s, update(TouchPoint).where(TouchPoint.lead_id.in_(lead_ids)).values(note=None)),
        "notices": _erase_notices(s, words),
    }
    touches = list(s.scalars(select(TouchPoint.id).where(TouchPoint.lead_id.in_(lead_ids))))
    _delete(s, TouchText, TouchText.touch_point_id, touches)
    run(
        s,
        requests.where(_names_any(LeadRequest.external_id, words)).values(external_id=_mark(LeadRequest.id)),
    )
    run(
        s,
        update(TouchPoint)
        .where(TouchPoint.lead_id.in_(lead_ids), TouchPoint.status.in_(("planned", "claimed", "paused")))
        .values(status="ended", reason=REASON, claim_token=None, claimed_until=None),
    )
    run(s, update(Offer).where(Offer.lead_id.in_(lead_ids)).values(held_until=None))
    run(s, update(LeadChange).where(LeadChange.lead_id.in_(lead_ids)).values(why=None))
    for column in (LeadChange.before, LeadChange.after):
        odd = LeadChange.lead_id.in_(lead_ids) & column.not_in(LEAD_STATUSES) & ~column.startswith("lead ")
        run(s, update(LeadChange).where(odd).values({column: None}))
    _erase_api_requests(s, lead_ids, words)
    return gone


def _erase_appointments(s: Session, lead_ids: Sequence[int], words: Sequence[str]) -> None:
    """The visit stays in the shop's book, as somebody's; reasons that people gave go."""
    named = [
        _names_any(cast(column, String), words) for column in (Appointment.history, Appointment.override)
    ]
    for one in s.scalars(
        select(Appointment).where(or_(Appointment.lead_id.in_(lead_ids), *named)).with_for_update()
    ):
        one.history = [{key: entry[key] for key in _HISTORY if key in entry} for entry in one.history]
        if one.override:
            one.override = {**one.override, "why": ERASED}
        one.sync_error = None
        if one.lead_id in lead_ids:
            one.vehicle_id = None
    s.flush()


def _erase_notices(s: Session, words: Sequence[str]) -> int:
    """Notices and kept mails of the shop's people in other conversations that name the person."""
    kinds = ChatMessage.kind.in_(("notice", "automatic"))
    named = or_(*(_names_any(column, words) for column in (ChatMessage.body, ChatMessage.body_full)))
    found = update(ChatMessage).where(kinds, named, ChatMessage.status.not_in(_OPEN))
    return run(s, found.values(body=ERASED, body_full=None, raw=null(), subject=None))


def _erase_api_requests(s: Session, lead_ids: Sequence[int], words: Sequence[str]) -> None:
    mine = ApiRequest.lead_id.in_(lead_ids)
    s.execute(delete(ApiRequest).where(mine, _names_any(ApiRequest.idempotency_key, words)))
    run(
        s,
        update(ApiRequest).where(mine, _names_any(cast(ApiRequest.answer, String), words)).values(answer={}),
    )


def erase_ledger(s: Session, lead_ids: Sequence[int], addresses: Sequence[str], keeps: Sequence[str]) -> int:
    """Words of the events, and the addresses on which no stop stands. Only a function of the database may: the ledger
    is append-only in what it says (migrations/sql/0007_people.sql)."""
    s.flush()
    changed = s.execute(
        text(
            "select erase_consents(cast(:addresses as text[]), cast(:keeps as text[]), cast(:people as bigint[]))"
        ),
        {"addresses": list(addresses), "keeps": list(keeps), "people": list(lead_ids)},
    ).scalar_one()
    # Nobody can be told of an event about no address.
    nowhere = select(ConsentEvent.id).where(
        ConsentEvent.address == literal("erased:") + cast(ConsentEvent.id, String)
    )
    about = select(ConsentEvent.id).where(
        or_(ConsentEvent.lead_id.in_(lead_ids), ConsentEvent.address.in_(addresses))
    )
    pushes = update(ConsentPush)
    run(
        s,
        pushes.where(ConsentPush.consent_event_id.in_(nowhere), ConsentPush.status == "owed").values(
            status="failed"
        ),
    )
    run(
        s,
        pushes.where(or_(*(ConsentPush.consent_event_id.in_(ids) for ids in (nowhere, about)))).values(
            error=None
        ),
    )
    return int(changed)


def erase_decisions(s: Session, message_ids: Sequence[int], before: datetime) -> int:
    """The reasons of the gate's decisions about these messages; the verdicts stay."""
    statement = text("select erase_decisions(cast(:messages as bigint[]), :before)")
    return int(s.execute(statement, {"messages": list(message_ids), "before": before}).scalar_one())


def erase_lead(lead: Lead, words: Sequence[str], now: datetime) -> None:
    """The lead itself. The source's id of the enquiry stays unless it names the person: told again, it is known as one
    that is forgotten."""
    for name in (
        "first_name", "last_name", "phone", "email", "postal_code", "state", "wish", "external_customer_id",
        "phone_bad_since", "email_bad_since",
    ):  # fmt: skip
        setattr(lead, name, None)
    lead.facts, lead.language = {}, "en"
    told = (lead.external_id or "").casefold()
    if any(word.casefold() in told for word in words):
        lead.external_id = None
    lead.erased_at = lead.erased_at or now


def _count(s: Session, column: InstrumentedAttribute[Any], ids: Sequence[int]) -> int:
    return int(s.scalar(select(func.count()).where(column.in_(ids))) or 0)


def _delete(s: Session, table: Any, column: InstrumentedAttribute[Any], ids: Sequence[int]) -> int:
    gone = delete(table).where(_one_of(column, ids)).execution_options(synchronize_session=False)
    return int(s.execute(gone).rowcount)  # type: ignore[attr-defined]


def _one_of(column: InstrumentedAttribute[Any], ids: Sequence[int]) -> ColumnElement[bool]:
    """One array instead of a parameter for each of thousands of ids."""
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def _names_any(column: Any, words: Sequence[str]) -> ColumnElement[bool]:
    return or_(literal(False), *(column.icontains(word, autoescape=True) for word in words))


def _mark(column: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    return literal("erased:") + cast(column, String)
