"""Summing up the older part of a long conversation, after its turn and outside of every transaction."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from agent.choosing import choose
from agent.context.history import LEAST, MOST, History, Message, load_history
from agent.models.base import Model, StopReason
from agent.providers import LOCAL_PROVIDERS
from agent.routing import NoModelAvailable, Router
from agent.summary import by_rules, summary_request, usable
from agent.usage import Attempt
from crm.models import ChatSession, ConversationSummary, Tenant
from crm.spend import record_attempts
from crm.tenants import settings_of
from ops.turnstile import Visit
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

# Nobody waits for it, but the worker's thread does.
DEADLINE_S = 20.0
# Before the context would cut: the next turns then still see every message or its summary.
DUE_AT = MOST - 6
MOST_AT_ONCE = 200
RULES = ("rules", "rules-1")
_COUNT = (
    "select count(*) from chat_messages where session_id = %(session)s and id > coalesce("
    "(select max(up_to_message_id) from conversation_summaries where session_id = %(session)s), 0)"
)


@dataclass(frozen=True)
class _Due:
    """What is to be folded into the next summary, and by which models."""

    messages: tuple[Message, ...]
    earlier: str | None
    models: tuple[Model, ...]


def summarise(runtime: Runtime, tenant_id: int, session_id: int) -> str:
    """Fold the older messages of a conversation into its summary, if there are enough of them. Best effort: the next
    turn tries again. Returns what happened, in a word: not due, stored, or no model."""
    count = runtime.db.look(tenant_id, _COUNT, {"session": session_id})
    # More than what is given to a model, never less: most conversations end before this.
    if count is None or count[0] < DUE_AT:
        return "not due"
    with runtime.turnstile.inside() as visit:
        return _sum_up(runtime, tenant_id, session_id, visit)


def _sum_up(runtime: Runtime, tenant_id: int, session_id: int, visit: Visit) -> str:
    with runtime.db.tenant(tenant_id) as session:
        due = _due(runtime, session, session_id)
    if due is None:
        return "not due"
    text, by, attempts = _written(runtime, due, visit)
    with runtime.db.tenant(tenant_id) as session:
        chat = session.get_one(ChatSession, session_id)
        now = runtime.clock.now()
        rows = [attempt.as_json() for attempt in attempts]
        record_attempts(session, chat, rows, now, turn_id=None, purpose="summary")
        if text is None:
            return "no model"
        session.execute(
            insert(ConversationSummary)
            .values(
                tenant_id=tenant_id,
                session_id=session_id,
                up_to_message_id=due.messages[-1].id,
                body=text,
                provider=by[0],
                model=by[1],
                created_at=now,
            )
            # Two workers at once: the first one's words stay, so that prompts keep their bytes.
            .on_conflict_do_nothing(index_elements=["session_id", "up_to_message_id"])
        )
    log.info("conversation_summarised", session=session_id, messages=len(due.messages), provider=by[0])
    return "stored"


def _due(runtime: Runtime, session: Session, session_id: int) -> _Due | None:
    chat = session.get_one(ChatSession, session_id)
    # Only what was answered: an open question must reach the model word for word.
    history = load_history(session, session_id, chat.answered_up_to, most=MOST_AT_ONCE)
    if history.in_all < DUE_AT:
        return None
    folded = _folded(history)
    if not folded:
        return None
    now = runtime.clock.now()
    settings = settings_of(session.get_one(Tenant, chat.tenant_id))
    chosen = choose(session, chat, runtime.models, settings, now)
    return _Due(folded, history.summary, tuple(chosen.models))


def _folded(history: History) -> tuple[Message, ...]:
    """All but the newest LEAST messages, so that what stays begins with words of the customer."""
    messages = history.messages
    border = max(0, len(messages) - LEAST)
    while border and messages[border].direction != "in":
        border -= 1
    return messages[:border]


def _written(runtime: Runtime, due: _Due, visit: Visit) -> tuple[str | None, tuple[str, str], list[Attempt]]:
    """(the words, provider and model, the attempts). A tenant without a vendor gets them by rules."""
    models = [model for model in due.models if model.provider not in LOCAL_PROVIDERS]
    if not models:
        return by_rules(due.messages, due.earlier), RULES, []
    router = Router(models, breaker=runtime.breaker, waiting=visit.outside)
    try:
        reply, attempts = router.answer(summary_request(due.messages, due.earlier), DEADLINE_S)
    except NoModelAvailable as error:
        return None, RULES, error.attempts
    text = usable(reply.step.text) if reply.stop is StopReason.END else None
    by = (reply.step.provider, reply.step.model or reply.requested_model)
    return (text, by, attempts) if text else (by_rules(due.messages, due.earlier), RULES, attempts)
