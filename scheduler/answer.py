"""Answering a session: lease, turn, and the reply with "answered up to" in one transaction.

Whatever happens between the claim and the commit, the debt stays in the row: a killed worker's lease runs
out and the sweeper starts again, and the effect ledger keeps a repeated turn from doing a thing twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy import ColumnElement, case, exists, update
from sqlalchemy.orm import Session

from agent.choosing import Chosen, choose
from agent.context import TurnContext, build_context
from agent.fixed import line
from agent.routing import Router
from agent.tools.base import ToolContext
from agent.turn import TurnResult, language_for, run_turn
from channels.loops import go_quiet
from channels.outbox import drop_overtaken
from crm.consents import opt_out_of
from crm.models import ChatSession, Lead, Location, Tenant, Turn
from crm.notices import notify_staff
from crm.tenants import settings_of
from ops.turnstile import Visit
from scheduler.confirming import confirm_visit
from scheduler.effects import changed_by, untold
from scheduler.reply import account, commit_reply, handed_over
from scheduler.runtime import Runtime
from scheduler.summaries import summarise

log = structlog.get_logger(__name__)

MAX_TRIES = 4
LEASE_MARGIN = timedelta(seconds=15)
RETRY = timedelta(seconds=10)
PERSON = "a person took over"
NEWER = "the customer wrote again"
_LOOK = (
    "select lease_token::text, state, coalesce(last_inbound_id, 0) from chat_sessions where id = %(session)s"
)


@dataclass(frozen=True)
class Claimed:
    """A leased session with its running turn."""

    token: uuid.UUID
    turn_id: int
    tries: int
    context: TurnContext
    chosen: Chosen
    max_segments: int


def answer(runtime: Runtime, tenant_id: int, session_id: int) -> str:
    """Answer what is unanswered in a session, if it is due and nobody else does. Returns what happened, in
    a word."""
    # No transaction is open here, nor while a model is asked: nobody inside waits for what somebody outside has locked.
    with runtime.turnstile.inside() as visit:
        confirmed = confirm_visit(runtime, tenant_id, session_id)
        if confirmed is not None:
            return confirmed
        claimed = _claim(runtime, tenant_id, session_id)
        if claimed is None:
            return "not due"
        try:
            result = _think(runtime, claimed, visit)
            return _finish(runtime, claimed, result)
        except Exception:
            # Moved ahead before the error goes up, so that a poisoned session does not spin.
            _release(runtime, claimed, runtime.clock.now() + RETRY * claimed.tries)
            raise


def remember(runtime: Runtime, tenant_id: int, session_id: int) -> None:
    """Sum up the older part of the conversation once its reply is on the way. Whatever goes wrong here costs nobody
    anything: the next turn tries again."""
    try:
        summarise(runtime, tenant_id, session_id)
    except BaseTimeoutException:
        raise
    except Exception as error:  # noqa: BLE001 - a summary is a convenience, the answer is already written
        log.warning("summary_failed", session=session_id, error=type(error).__name__)


def _claim(runtime: Runtime, tenant_id: int, session_id: int) -> Claimed | None:
    now = runtime.clock.now()
    token = uuid.uuid4()
    lease = timedelta(seconds=runtime.settings.turn_deadline_s) + LEASE_MARGIN
    # Not durable by itself: a claim that is lost is a turn that begins anew.
    with runtime.db.tenant(tenant_id, durable=False) as session:
        row = session.execute(
            update(ChatSession)
            .where(
                ChatSession.id == session_id,
                ChatSession.answer_due_at <= now,
                (ChatSession.lease_until.is_(None)) | (ChatSession.lease_until < now),
            )
            .values(lease_token=token, lease_until=now + lease, answer_tries=ChatSession.answer_tries + 1)
            .returning(ChatSession, _died(session_id))
        ).first()
        if row is None:
            return None
        chat, died = row
        lead = session.get_one(Lead, chat.lead_id)
        if (
            _is_a_persons(session, chat)
            or _said_stop(session, chat, lead, now)
            or go_quiet(session, chat, now)
        ):
            return None
        if died:
            _abandon(session, session_id, now)
        drop_overtaken(session, chat, now)
        settings = settings_of(session.get_one(Tenant, tenant_id))
        chosen = choose(session, chat, runtime.models, settings, now)
        # What was done for an earlier message is told first; what came after it is answered then.
        context = build_context(
            session, chat, now, policy_version=chosen.policy_version, up_to=untold(session, chat)
        )
        turn = Turn(
            tenant_id=tenant_id,
            session_id=session_id,
            trigger_message_id=context.trigger_message_id,
            status="running",
            started_at=now,
            policy_version=chosen.policy_version,
            experiment_id=chosen.experiment_id,
            arm=chosen.arm,
        )
        session.add(turn)
        session.flush()
        return Claimed(token, turn.id, chat.answer_tries, context, chosen, settings.max_segments)


def _died(session_id: int) -> ColumnElement[bool]:
    """Whether a turn of this session is still marked as running: its worker stopped in the middle."""
    return exists().where(Turn.session_id == session_id, Turn.status == "running")


def _abandon(session: Session, session_id: int, now: datetime) -> None:
    why = "the worker stopped in the middle of this turn"
    session.execute(
        update(Turn)
        .where(Turn.session_id == session_id, Turn.status == "running")
        .values(status="abandoned", finished_at=now, error=why)
    )


def _is_a_persons(session: Session, chat: ChatSession) -> bool:
    """A person has the conversation, so the debt is theirs. What the agent itself handed over in a turn that died is
    announced first: no other turn would tell the customer."""
    if chat.state != "human" or handed_over(session, chat):
        return False
    chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
    return True


def _said_stop(session: Session, chat: ChatSession, lead: Lead, now: datetime) -> bool:
    """Somebody who said stop and writes again may not be answered; a person of the shop hears of it, no model does."""
    channel = chat.last_channel or "sms"
    address = lead.phone if channel == "sms" else lead.email
    stop = opt_out_of(session, chat.tenant_id, channel, address) if address else None
    # A stop in the very message that is being answered, after a turn that died: its confirmation is still owed.
    if stop is None or stop.message_id == chat.last_inbound_id:
        return False
    chat.answered_up_to = chat.last_inbound_id or 0
    chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=f"{lead.first_name or address} wrote again after saying stop, and is not answered."
        f" See: leads transcript {lead.id}",
        # Once a day: somebody who goes on writing is not news each time.
        dedupe_key=f"after_stop:{stop.id}:{now:%Y-%m-%d}",
        now=now,
    )
    return True


def _think(runtime: Runtime, claimed: Claimed, visit: Visit) -> TurnResult:
    context = claimed.context
    if claimed.tries > MAX_TRIES:
        # Four turns died under this message. The customer still gets an honest line, and a person is told.
        words = line("holding", language_for(context), shop=str(context.facts["shop"]["name"]))
        return TurnResult(reply=words, hand_off="the assistant failed several times on this message")
    tools = ToolContext(
        db=runtime.db,
        clock=runtime.clock,
        tenant_id=context.tenant_id,
        location_id=context.location_id,
        lead_id=context.lead_id,
        session_id=context.session_id,
        turn_id=claimed.turn_id,
        trigger_message_id=context.trigger_message_id,
        channel=context.channel,
    )
    router = Router(claimed.chosen.models, breaker=runtime.breaker, waiting=visit.outside)
    return run_turn(
        context,
        tools,
        runtime.toolbox,
        router,
        deadline_s=runtime.settings.turn_deadline_s,
        max_segments=claimed.max_segments,
        watch=lambda: _not_wanted(runtime, claimed),
    )


def _not_wanted(runtime: Runtime, claimed: Claimed) -> str | None:
    """Why a turn under way need not go on, from one row: what it would still do or say would come too late."""
    context = claimed.context
    row = runtime.db.look(context.tenant_id, _LOOK, {"session": context.session_id})
    if row is None or row[0] != str(claimed.token):
        return "another worker took over"
    if row[1] == "human":
        with runtime.db.tenant(context.tenant_id) as session:
            chat = session.get_one(ChatSession, context.session_id)
            return None if handed_over(session, chat) else PERSON
    return NEWER if row[2] > context.trigger_message_id and not _changed(runtime, claimed) else None


def _changed(runtime: Runtime, claimed: Claimed) -> bool:
    """Whether this turn, or one that died, has changed an appointment for its message: then it has to be told."""
    context = claimed.context
    with runtime.db.tenant(context.tenant_id) as session:
        return changed_by(session, context.session_id, context.trigger_message_id)


def _finish(runtime: Runtime, claimed: Claimed, result: TurnResult) -> str:
    now = runtime.clock.now()
    context = claimed.context
    with runtime.db.tenant(context.tenant_id) as session:
        chat = session.get_one(ChatSession, context.session_id, with_for_update=True)
        turn = session.get_one(Turn, claimed.turn_id)
        account(session, chat, turn, result, now, choice=claimed.chosen.why)
        if chat.lease_token != claimed.token:
            turn.status, turn.error = "abandoned", "another worker took over"
            return "abandoned"
        chat.lease_token = chat.lease_until = None
        why = _stale(session, chat, turn) or result.stopped
        if why is not None:
            turn.status, turn.error = "dropped", why
            due = chat.answer_due_at
        else:
            turn.status = "done"
            commit_reply(session, chat, turn, result, now)
            # Nothing, unless the customer wrote while this message was answered by itself.
            due = chat.answer_due_at
    if due is not None:
        runtime.queue.wake("answer", context.tenant_id, context.session_id, due)
    return turn.status


def _stale(session: Session, chat: ChatSession, turn: Turn) -> str | None:
    """Why this draft must not be sent any more, or None. A newer message, a stop or a person came first."""
    if chat.state == "human":
        if handed_over(session, chat):
            # Announced even when the customer wrote again meanwhile: no later turn would tell them.
            return None
        chat.answer_due_at = None
        return PERSON
    if (chat.last_inbound_id or 0) <= turn.trigger_message_id:
        return None
    return None if changed_by(session, chat.id, turn.trigger_message_id) else NEWER


def _release(runtime: Runtime, claimed: Claimed, due: datetime) -> None:
    context = claimed.context
    with runtime.db.tenant(context.tenant_id) as session:
        session.execute(
            update(ChatSession)
            .where(ChatSession.id == context.session_id, ChatSession.lease_token == claimed.token)
            .values(
                lease_token=None,
                lease_until=None,
                # A stop during the turn has taken the debt away; it must not come back.
                answer_due_at=case((ChatSession.answer_due_at.is_not(None), due)),
            )
        )
        session.execute(
            update(Turn)
            .where(Turn.id == claimed.turn_id, Turn.status == "running")
            .values(
                status="failed",
                finished_at=runtime.clock.now(),
                error="an error of ours; see the worker's log",
            )
        )
