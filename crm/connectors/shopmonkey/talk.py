"""Whether a person of the shop writes to a customer in Shopmonkey, and what we leave there about our conversation
(shopmonkey facts 7, 13)."""

from __future__ import annotations

from typing import Any

from crm.connectors.errors import ConnectorError
from crm.connectors.records import MessageAuthor
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient, vanished
from crm.connectors.shopmonkey.moments import moment
from crm.connectors.shopmonkey.settings import ShopmonkeySettings

METADATA_KEY = "leadOrchestrator"
LINE = "[Lead Orchestrator] "
_LIMIT = 500
# Who else writes messages in Shopmonkey; anything unknown counts as a person.
_NO_PERSON = ("Customer", "System")


def person_wrote(client: ShopmonkeyClient, order_id: str) -> bool:
    """Whether somebody wrote to the order's customer. Raises ConnectorError."""
    return persons_messages(client, order_id) > 0


def persons_messages(client: ShopmonkeyClient, order_id: str) -> int:
    """How many messages persons of the shop wrote to the order's customer. Raises ConnectorError.

    The order only counts messages. Where they can be listed, those that are known to be the customer's or the system's
    do not count, nor does what was written before there was this order: the list is the customer's, of all their orders.
    In doubt one counts, because two people talking at once is worse than a pause.
    """
    order = client.order(order_id)
    count = order.get("messageCount")
    if not isinstance(count, int) or isinstance(count, bool) or count <= 0:
        return 0
    customer_id = order.get("customerId")
    if not isinstance(customer_id, str):
        return count
    try:
        messages = [row for row in client.messages(customer_id) if not _older(row, order)]
    except ConnectorError as error:
        if vanished(error) or error.kind == "transient":
            return count
        raise
    others = [row for row in messages if row.get("authorType") in _NO_PERSON]
    return max(len(messages), count) - len(others)


def _older(message: Record, order: Record) -> bool:
    """Whether a message is known to be of before the order. The order's own moment: the shop may override the other."""
    written, made = moment(message.get("createdDate")), moment(order.get("createdDate"))
    return written is not None and made is not None and written < made


def author(client: ShopmonkeyClient, message_id: str) -> MessageAuthor | None:
    """Who wrote a message; None when it is gone. An author nobody knows counts as a person, as above."""
    try:
        message = client.message(message_id)
    except ConnectorError as error:
        if error.status == 404:
            return None
        raise
    customer = message.get("customerId")
    by_person = message.get("authorType") not in _NO_PERSON and message.get("deleted") is not True
    return MessageAuthor(customer if isinstance(customer, str) else None, by_person)


def mark(client: ShopmonkeyClient, settings: ShopmonkeySettings, order_id: str, note: str) -> bool:
    """Leave `note` where the tenant wants it. False when it was not kept. Raises ConnectorError."""
    if settings.mark == "off":
        return False
    order = client.order(order_id)
    text = " ".join(note.split())[:_LIMIT]
    if settings.mark == "metadata":
        kept = _with_metadata(order, text)
        return _holds(client.update("order", order_id, {"metadata": kept}), text)
    customer_id = order.get("customerId")
    if not isinstance(customer_id, str):
        return False
    customer = client.customer(customer_id)
    before = customer.get("note")
    after = _with_line(before if isinstance(before, str) else "", text)
    answer = client.update("customer", customer_id, {"note": after})
    return answer.get("note") == after


def _with_metadata(order: Record, text: str) -> dict[str, Any]:
    """Metadata belongs to all users of the API (shopmonkey facts 7), so what others keep there stays."""
    held = order.get("metadata")
    return {**(held if isinstance(held, dict) else {}), METADATA_KEY: text}


def _holds(row: Record, text: str) -> bool:
    held = row.get("metadata")
    return isinstance(held, dict) and held.get(METADATA_KEY) == text


def _with_line(before: str, text: str) -> str:
    """The note with one line of ours; an older one is replaced."""
    lines = [line for line in before.splitlines() if not line.startswith(LINE)]
    return "\n".join([*lines, LINE + text])
