"""What a business keeps for how long, and taking away what is older, in small steps that never lock much.

Words go, rows stay: when something was written, which way and what became of it is kept, like everything that proves
consent. Stops never expire, and nothing here touches the ledger. A step works through a page of leads, because that is
how a tenant's rows are found by index, and passes over rows that somebody holds: the next day finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CursorResult,
    Select,
    String,
    delete,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import any_ as any_of
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from crm.models import (
    ApiRequest,
    ChatMessage,
    ChatSession,
    ConversationSummary,
    JobExecution,
    Lead,
    MailEvent,
    MessageMedia,
    ModelAttempt,
    SendDecision,
    ToolCallRow,
    TouchPoint,
    TouchText,
    Turn,
    WebhookEvent,
)
from crm.tenants import TenantSettings

LEADS_A_PAGE = 200
ROWS_A_STEP = 500
# Answers to repeated requests and records of jobs are of no use after that.
KEEP_REQUESTS = KEEP_JOBS = timedelta(days=30)
EXPIRED = "[kept no longer]"
_OPEN = ("pending", "sending", "unknown")

Counts = dict[str, int]


@dataclass(frozen=True)
class Cutoffs:
    """Before which moment what goes; None: it stays."""

    transcripts: datetime | None
    decisions: datetime | None
    media: datetime | None
    turns: datetime | None
    webhooks: datetime | None
    aside: datetime | None
    requests: datetime
    jobs: datetime


def cutoffs(settings: TenantSettings, now: datetime) -> Cutoffs:
    """The moments that a business's settings mean now."""

    def before(days: int | None) -> datetime | None:
        return None if days is None else now - timedelta(days=days)

    return Cutoffs(
        transcripts=before(settings.keep_transcripts_days),
        decisions=before(settings.keep_decisions_days),
        media=before(settings.keep_media_days),
        turns=before(settings.keep_turns_days),
        webhooks=before(settings.keep_webhooks_days),
        aside=before(settings.keep_kept_aside_days),
        requests=now - KEEP_REQUESTS,
        jobs=now - KEEP_JOBS,
    )


@dataclass(frozen=True)
class Page:
    """A page of leads with their conversations; `last` is where the next one begins, None at the end."""

    session_ids: list[int]
    last: int | None


def page_after(s: Session, tenant_id: int, after: int) -> Page:
    """The next leads by number."""
    mine = select(Lead.id).where(Lead.tenant_id == tenant_id, Lead.id > after)
    ids = list(s.scalars(mine.order_by(Lead.id).limit(LEADS_A_PAGE)))
    chats = list(
        s.scalars(select(ChatSession.id).where(ChatSession.lead_id.in_(ids)).order_by(ChatSession.id))
    )
    return Page(chats, ids[-1] if len(ids) == LEADS_A_PAGE else None)


def expire_page(s: Session, page: Page, when: Cutoffs) -> Counts:
    """One step through a page's conversations, at most ROWS_A_STEP rows of a kind; the same again until all are 0."""
    steps: tuple[tuple[str, datetime | None, Callable[[Session, list[int], datetime], int]], ...] = (
        ("messages", when.transcripts, _messages),
        ("summaries", when.transcripts, _summaries),
        ("touch texts", when.transcripts, _touch_texts),
        ("files", when.media, _media),
        ("turns", when.turns, _turns),
        ("tool calls", when.turns, _tool_calls),
        ("decisions", when.decisions, _decisions),
    )
    return {name: step(s, page.session_ids, at) for name, at, step in steps if at is not None}


def expire_rest(s: Session, tenant_id: int, when: Cutoffs) -> Counts:
    """One step through what hangs on no conversation."""
    done: Counts = {}
    if when.webhooks is not None:
        done["webhooks"] = _webhooks(s, tenant_id, ("processed", "ignored"), when.webhooks)
        done["mail events"] = _mail_events(s, tenant_id, when.webhooks)
    if when.aside is not None:
        done["kept aside"] = _webhooks(s, tenant_id, ("quarantined", "failed"), when.aside)
    if when.turns is not None:
        done["model attempts"] = _attempts(s, tenant_id, when.turns)
    done["api requests"] = _delete(
        s, ApiRequest, select(ApiRequest.id).where(ApiRequest.received_at < when.requests)
    )
    done["jobs"] = _delete(
        s, JobExecution, select(JobExecution.id).where(JobExecution.started_at < when.jobs)
    )
    return done


def expire_nobodys(s: Session, now: datetime) -> Counts:
    """What belongs to no business, by the defaults; in the system's scope."""
    when = cutoffs(TenantSettings(), now)
    done: Counts = {
        "jobs": _delete(s, JobExecution, select(JobExecution.id).where(JobExecution.started_at < when.jobs))
    }
    if when.webhooks is not None and when.aside is not None:
        done["webhooks"] = _webhooks(s, None, ("processed", "ignored"), when.webhooks)
        done["kept aside"] = _webhooks(s, None, ("quarantined", "failed"), when.aside)
    return done


def tenants(s: Session) -> list[int]:
    """Every business, the paused ones too; in the system's scope."""
    return list(s.scalars(text("select id from every_tenant()")))


def _messages(s: Session, chats: list[int], at: datetime) -> int:
    has = or_(
        ChatMessage.body != "", *(column.is_not(None) for column in _WORDS), ChatMessage.raw.is_not(None)
    )
    old = select(ChatMessage.id).where(
        _one_of(ChatMessage.session_id, chats),
        ChatMessage.created_at < at,
        ChatMessage.status.not_in(_OPEN),
        has,
    )
    # Addresses stay: to whom something was sent is what a proof needs.
    return _update(s, ChatMessage, old, body="", body_full=None, subject=None, raw=null(), error=None)


_WORDS = (ChatMessage.body_full, ChatMessage.subject, ChatMessage.error)


def _summaries(s: Session, chats: list[int], at: datetime) -> int:
    """A summary repeats what was said up to its own moment."""
    old = select(ConversationSummary.id).where(
        _one_of(ConversationSummary.session_id, chats), ConversationSummary.created_at < at
    )
    return _delete(s, ConversationSummary, old)


def _touch_texts(s: Session, chats: list[int], at: datetime) -> int:
    leads = select(ChatSession.lead_id).where(_one_of(ChatSession.id, chats))
    touches = select(TouchPoint.id).where(TouchPoint.lead_id.in_(leads))
    old = select(TouchText.id).where(TouchText.touch_point_id.in_(touches), TouchText.created_at < at)
    return _delete(s, TouchText, old)


def _media(s: Session, chats: list[int], at: datetime) -> int:
    messages = select(ChatMessage.id).where(
        _one_of(ChatMessage.session_id, chats), ChatMessage.created_at < at
    )
    old = select(MessageMedia.id).where(MessageMedia.message_id.in_(messages), MessageMedia.body.is_not(None))
    values = {"body": None, "sha256": None, "filename": None, "status": "refused", "error": EXPIRED}
    return _update(s, MessageMedia, old, **values)


def _turns(s: Session, chats: list[int], at: datetime) -> int:
    has = or_(Turn.trace != {}, Turn.error.is_not(None))
    old = select(Turn.id).where(
        _one_of(Turn.session_id, chats), Turn.started_at < at, Turn.status != "running", has
    )
    return _update(s, Turn, old, trace={}, error=None)


def _tool_calls(s: Session, chats: list[int], at: datetime) -> int:
    turns = select(Turn.id).where(_one_of(Turn.session_id, chats), Turn.started_at < at)
    old = select(ToolCallRow.id).where(ToolCallRow.turn_id.in_(turns), ToolCallRow.result != EXPIRED)
    # Nothing can be done twice for a message that old; a short text's hash would tell the text.
    mark = literal("expired:") + cast_to(ToolCallRow.id, String)
    return _update(s, ToolCallRow, old, arguments={}, result=EXPIRED, arguments_hash=mark)


def _decisions(s: Session, chats: list[int], at: datetime) -> int:
    messages = s.scalars(
        select(SendDecision.message_id)
        .join(ChatMessage, ChatMessage.id == SendDecision.message_id)
        .where(
            _one_of(ChatMessage.session_id, chats), SendDecision.decided_at < at, SendDecision.reasons != []
        )
        .limit(ROWS_A_STEP)
    )
    # The application may add to that table and change nothing; this one function of the database may empty reasons.
    statement = text("select erase_decisions(cast(:messages as bigint[]), :before)")
    return int(s.execute(statement, {"messages": list(set(messages)), "before": at}).scalar_one())


def _attempts(s: Session, tenant_id: int, at: datetime) -> int:
    has = or_(ModelAttempt.error.is_not(None), ModelAttempt.request_id.is_not(None))
    old = select(ModelAttempt.id).where(
        ModelAttempt.tenant_id == tenant_id, ModelAttempt.created_at < at, has
    )
    return _update(s, ModelAttempt, old, error=None, request_id=None)


def _mail_events(s: Session, tenant_id: int, at: datetime) -> int:
    old = select(MailEvent.id).where(
        MailEvent.tenant_id == tenant_id, MailEvent.occurred_at < at, MailEvent.raw != {}
    )
    return _update(s, MailEvent, old, raw={})


def _webhooks(s: Session, tenant_id: int | None, statuses: Sequence[str], at: datetime) -> int:
    whose = WebhookEvent.tenant_id.is_(None) if tenant_id is None else WebhookEvent.tenant_id == tenant_id
    # Written out, so that the planner knows the partial index.
    status = text(
        "status in ('processed', 'ignored')"
        if "processed" in statuses
        else "status in ('quarantined', 'failed')"
    )
    old = select(WebhookEvent.id).where(whose, WebhookEvent.received_at < at, status)
    return _delete(s, WebhookEvent, old)


def _update(s: Session, table: Any, old: Select[Any], **values: Any) -> int:
    ids = s.scalars(old.limit(ROWS_A_STEP).with_for_update(skip_locked=True, of=table)).all()
    if not ids:
        return 0
    changed = (
        update(table).where(table.id.in_(ids)).values(**values).execution_options(synchronize_session=False)
    )
    return int(cast(CursorResult[Any], s.execute(changed)).rowcount)


def _delete(s: Session, table: Any, old: Select[Any]) -> int:
    ids = s.scalars(old.limit(ROWS_A_STEP).with_for_update(skip_locked=True, of=table)).all()
    if not ids:
        return 0
    gone = delete(table).where(table.id.in_(ids)).execution_options(synchronize_session=False)
    return int(cast(CursorResult[Any], s.execute(gone)).rowcount)


def _one_of(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """One array instead of a parameter for each of hundreds of ids."""
    return cast(ColumnElement[bool], column == any_of(literal(list(ids), ARRAY(BigInteger))))
