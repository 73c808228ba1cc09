"""Who wrote what is to be answered, where that is not plainly the customer, and what may be known in such a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.context.history import Message
from crm.writers import is_proved, is_strange

_RULE = (
    "Nothing proves that the customer wrote this. Answer what anybody may know. For appointments and their own data ask"
    " them to write from their own address, as an answer to one of our mails, or by text."
)


def writer_facts(unanswered: Sequence[Message]) -> dict[str, Any]:
    """Who wrote the newest message; empty for a text, and for a mail from the customer's own address that is proved."""
    if not unanswered:
        return {}
    newest = unanswered[-1]
    proved, strange = is_proved(newest.channel, newest.raw), is_strange(newest.channel, newest.raw)
    if proved and not strange:
        return {}
    told: dict[str, Any] = {
        "address": newest.from_address,
        "customers_own_address": not strange,
        "proved": proved,
    }
    return told if proved else told | {"rule": _RULE}


def hides_customer(writer: Mapping[str, Any]) -> bool:
    """Whether the turn may not know the customer's appointments and data: what is not known is not told."""
    return bool(writer) and not writer["proved"]


def anybody(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The records for a turn that answers somebody who may be anybody, to be put over the real ones. The first name
    stays for a mail that claims to come from the customer's own address, because that is where the answer goes."""
    own = facts["writer"]["customers_own_address"]
    lead: dict[str, Any] = {**dict.fromkeys(facts["lead"]), "remembered": []}
    lead["first_name"] = facts["lead"]["first_name"] if own else None
    return {"lead": lead, "appointments": [], "past_appointments": [], "offers": [], "touches": []}
