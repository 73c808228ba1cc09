"""Somebody at the shop writes to a customer in the CRM: the agent leaves the conversation to them."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from crm.calendar.sync import crm_name
from crm.connectors.base import CONVERSATION, Change
from crm.connectors.registry import connector_of, settings_of
from crm.connectors.subjects import subject_of
from crm.lead_requests import request_of
from crm.models import ChatMessage, TenantCrmConfig
from crm.person_wrote import SEEN, hand_to_person, leads_of_customer, seen_before
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)


def person_wrote_told(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, change: Change) -> str:
    """A webhook told of a message, or a look or webhook of an order whose messages may be counted: find out who wrote,
    and pause the agent where a person of the shop did. Says what came of it. Safe to repeat; raises ConnectorError."""
    if not settings_of(config).pause_when_person_wrote:
        return "the settings want no pause"
    if subject_of(change.table) == "message":
        return _by_message(runtime, tenant_id, config, change)
    return _by_request(runtime, tenant_id, config, change.record_id)


def _by_message(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, change: Change) -> str:
    # Later changes of a message are reports of its delivery.
    if change.operation != "INSERT":
        return "no new message"
    if change.customer_id is not None and not _known(runtime, tenant_id, config, change.customer_id):
        # A campaign writes to a thousand customers at once: asking who wrote each of those would use up the key.
        return "the customer is nobody's here"
    connector = connector_of(config, runtime.box, runtime.redis)
    try:
        if CONVERSATION not in connector.capabilities:
            return "this CRM does not say who wrote"
        author = connector.message_author(change.record_id)
    finally:
        connector.close()
    if author is None or not author.by_person or author.customer_external_id is None:
        return "no person of the shop wrote it"
    leads = _known(runtime, tenant_id, config, author.customer_external_id)
    key = f"message {change.record_id}"
    paused = [lead_id for lead_id in leads if _pause(runtime, tenant_id, config, lead_id, key)]
    return _outcome(paused)


def _known(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, customer_id: str) -> list[int]:
    with runtime.db.tenant(tenant_id, durable=False) as session:
        return leads_of_customer(session, config.connector, customer_id)


def _by_request(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, external_id: str) -> str:
    """By how many messages of persons there are now: those that were seen before pause nothing again, or a conversation
    that was handed back would be taken away at the order's next change."""
    with runtime.db.tenant(tenant_id, durable=False) as session:
        if request_of(session, tenant_id, config.connector, external_id) is None:
            return "the request is not known here"
    connector = connector_of(config, runtime.box, runtime.redis)
    try:
        if CONVERSATION not in connector.capabilities:
            return "this CRM does not say who wrote"
        count = connector.persons_messages(external_id)
    finally:
        connector.close()
    notices: Sequence[ChatMessage] | None = None
    with runtime.db.tenant(tenant_id) as session:
        request = request_of(session, tenant_id, config.connector, external_id)
        if request is None or count <= seen_before(request):
            return "no person of the shop wrote anything new"
        lead_id = request.lead_id
        key = f"{external_id}: {count}"
        notices = hand_to_person(session, lead_id, system=crm_name(config), key=key, now=runtime.clock.now())
        # Locked only now: the conversation comes before everything else.
        request = request_of(session, tenant_id, config.connector, external_id, lock=True)
        if request is not None:
            request.facts = {**request.facts, SEEN: max(count, seen_before(request))}
    _wake(runtime, tenant_id, notices)
    return _outcome([] if notices is None else [lead_id])


def _pause(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, lead_id: int, key: str) -> bool:
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        notices = hand_to_person(session, lead_id, system=crm_name(config), key=key, now=now)
    _wake(runtime, tenant_id, notices)
    return notices is not None


def _wake(runtime: Runtime, tenant_id: int, notices: Sequence[ChatMessage] | None) -> None:
    for notice in notices or ():
        runtime.queue.wake("deliver", tenant_id, notice.id, runtime.clock.now())


def _outcome(leads: Sequence[int]) -> str:
    if not leads:
        return "a person has the conversation already, or it is nobody's"
    log.info("person_wrote", leads=list(leads))
    return f"a person wrote: paused lead {', '.join(str(one) for one in leads)}"
