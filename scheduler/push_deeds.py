"""What a push does at the CRM, without any transaction open. Everything here is safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from crm.connectors.base import CONVERSATION, Connector
from crm.connectors.customers import Customers
from crm.connectors.errors import ConnectorError, Uncertain
from crm.connectors.records import ExternalAppointment
from scheduler.push_clash import Clash, find_clash
from scheduler.push_work import Push

log = structlog.get_logger(__name__)

# An entry that may have been made shows itself within this, or it was not made.
SHOWS_WITHIN = timedelta(minutes=5)

Deed = Literal["created", "found", "moved", "kept", "cancelled", "nothing"]


@dataclass(frozen=True)
class Done:
    """The CRM shows what we hold. `entry` is what it shows, if that is known; `note_error` why the request has no note
    yet."""

    deed: Deed
    entry: ExternalAppointment | None = None
    customer_id: str | None = None
    note_error: ConnectorError | None = None


@dataclass(frozen=True)
class Gone:
    """Somebody deleted or cancelled our entry there. It is not made again: that is for the shop to say."""

    entry: ExternalAppointment | None = None


Outcome = Done | Gone | Clash


def carry_out(connector: Connector, push: Push, now: datetime) -> Outcome:
    """Make the CRM show what we hold, and leave a note on the request. Raises ConnectorError."""
    outcome = _put(connector, push, now) if push.stands else _take_away(connector, push, now)
    if not isinstance(outcome, Done):
        return outcome
    news = outcome.deed in ("created", "found", "moved", "cancelled") or push.state == "noting"
    error = _leave_note(connector, push) if news else None
    return replace(outcome, note_error=error)


def _put(connector: Connector, push: Push, now: datetime) -> Outcome:
    if push.external_id is not None:
        if push.held == push.times:
            return Done("kept")
        return find_clash(connector, push, now) or _move(connector, push, push.external_id)
    entry, customer_id = _look(connector, push), None
    deed: Deed = "found"
    if entry is None:
        if (clash := find_clash(connector, push, now)) is not None:
            return clash
        customer_id = push.draft.customer_external_id or _customer(connector, push)
        draft = replace(push.draft, customer_external_id=customer_id)
        entry, deed = connector.create_appointment(draft), "created"
    if entry.cancelled:
        return Gone(entry)
    # A time we never gave it is the shop's doing, and is read back.
    if (entry.starts_at, entry.ends_at) != push.times and entry.starts_at in push.starts:
        return _move(connector, push, entry.external_id)
    return Done(deed, entry, customer_id)


def _move(connector: Connector, push: Push, external_id: str) -> Outcome:
    try:
        entry = connector.move_appointment(external_id, push.draft)
    except ConnectorError as error:
        if error.status == 404:
            return Gone()
        raise
    return Gone(entry) if entry.cancelled else Done("moved", entry)


def _take_away(connector: Connector, push: Push, now: datetime) -> Done:
    external_id = push.external_id
    if external_id is None:
        entry = _look(connector, push)
        if entry is None and push.asked_at is not None and now < push.asked_at + SHOWS_WITHIN:
            raise Uncertain("an entry that was perhaps made is not to be seen yet")
        if entry is None or entry.cancelled:
            return Done("nothing", entry)
        external_id = entry.external_id
    connector.cancel_appointment(external_id, push.cancel_note)
    return Done("cancelled", None if push.external_id else entry)


def _look(connector: Connector, push: Push) -> ExternalAppointment | None:
    """An entry that an earlier attempt may have made: with the customer, and around every start it may have had, because
    the customer may have been unknown then and the appointment elsewhere."""
    if push.asked_at is None:
        return None
    our_id, customer_id = push.draft.our_id, push.draft.customer_external_id
    if customer_id and (found := connector.find_appointment(our_id, customer_id, push.draft.starts_at)):
        return found
    return next(
        (entry for start in push.starts if (entry := connector.find_appointment(our_id, None, start))), None
    )


def _customer(connector: Connector, push: Push) -> str | None:
    """The CRM's id of a customer it did not give us, as far as the rules want one and the connector can say."""
    if (
        push.rules.unknown_customer == "without"
        or push.person is None
        or not isinstance(connector, Customers)
    ):
        return None
    return connector.customer_for(push.person, create=push.rules.unknown_customer == "create")


def _leave_note(connector: Connector, push: Push) -> ConnectorError | None:
    """One line on the request; each push renews it. What goes wrong here is no reason to say the entry is not there."""
    request_id = push.draft.order_external_id
    if request_id is None or CONVERSATION not in connector.capabilities:
        return None
    try:
        kept = connector.mark_conversation(request_id, push.note)
    except ConnectorError as error:
        return error
    log.info("request_noted", appointment_id=push.appointment_id, kept=kept)
    return None
