"""A text that was kept aside and is taken up again: the same way into the inbox as through Twilio's webhook."""

from __future__ import annotations

from urllib.parse import parse_qs

from sqlalchemy import select

from channels.inbox import receive
from channels.sms.inbound import NotAText, inbound_of
from channels.sms.signers import carrier_answers_keywords
from crm.consents import normal_address
from crm.leads import NoIdentity
from crm.models import CarrierAccount, WebhookEvent
from crm.routing import route_phone
from crm.webhooks import arrival_of
from scheduler.runtime import Runtime


def fields_of(body: bytes) -> dict[str, str]:
    """The parameters of a kept text by name, the first of each."""
    given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
    return {name: values[0] for name, values in given.items()}


def handle_text(runtime: Runtime, event: WebhookEvent) -> tuple[str, str | None]:
    """Take one text that `leads kept replay` gave to its tenant. What still belongs to no conversation stays aside."""
    tenant_id = event.tenant_id or 0
    fields = fields_of(bytes(event.body))
    with runtime.db.system() as session:
        route = route_phone(session, normal_address("sms", fields.get("To", "")))
    if route is None or route.tenant_id != tenant_id:
        return "quarantined", "no location owns this number"
    with runtime.db.tenant(tenant_id) as session:
        own = session.scalar(select(CarrierAccount.id).limit(1)) is not None
    came = arrival_of(event)
    try:
        message = inbound_of(
            fields,
            tenant_id=tenant_id,
            location_id=route.row_id,
            received_at=came.received_at,
            sent_at=came.sent_at,
            fresh=came.fresh,
        )
        we_confirm = not carrier_answers_keywords(runtime.settings, own_account=own)
        receipt = receive(runtime.db, runtime.queue, message, we_confirm_stops=we_confirm)
    except NotAText as error:
        return "quarantined", str(error)
    except NoIdentity:
        return "quarantined", "the sender is no phone number, so it can be no lead"
    return "processed", "known already" if receipt.duplicate else f"message {receipt.message_id}"
