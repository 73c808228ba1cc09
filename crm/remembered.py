"""What a customer said that is worth keeping, and the language they want: kept in `leads.facts`.

A remembered fact is the customer's word as an assistant put it down. It is data about them, never an instruction and
never a price, and whoever shows it to a model shows it among the records and not in the system part.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crm.models import Lead

KEY = "remembered"
LANGUAGE_KEY = "language_message_id"
MOST = 12
LONGEST = 160


def remembered(lead: Lead) -> list[str]:
    """The facts kept about a customer, oldest first."""
    return [str(row["text"]) for row in _rows(lead)]


def remember(lead: Lead, text: str, *, message_id: int, now: datetime) -> list[str]:
    """Keep one more fact with the message it came from; returns all of them. The same words are kept once, and the
    oldest fact makes room when there are MOST. Raises ValueError for an empty or overlong text."""
    words = " ".join(text.split())
    if not words or len(words) > LONGEST:
        raise ValueError(f"a fact has 1 to {LONGEST} characters")
    others = [row for row in _rows(lead) if str(row["text"]).casefold() != words.casefold()]
    new = {"text": words, "message_id": message_id, "at": now.isoformat()}
    lead.facts = {**lead.facts, KEY: [*others, new][-MOST:]}
    return remembered(lead)


def set_language(lead: Lead, code: str, *, message_id: int) -> None:
    """The customer asked for, or plainly uses, this language (ISO 639-1)."""
    lead.language = code
    lead.facts = {**lead.facts, LANGUAGE_KEY: message_id}


def chosen_language(lead: Lead) -> str | None:
    """The language that was set for this customer; None when nobody ever set one. English is the column's default, so
    it counts as chosen only when a message stands behind it."""
    return lead.language if lead.language != "en" or LANGUAGE_KEY in lead.facts else None


def _rows(lead: Lead) -> list[dict[str, Any]]:
    rows = lead.facts.get(KEY, [])
    return [row for row in rows if isinstance(row, dict) and "text" in row] if isinstance(rows, list) else []
