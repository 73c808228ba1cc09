"""A name or an email address that a customer gives about themselves."""

from __future__ import annotations

import re

from agent.playbook.tables import word_list

_EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)(?![\w@])")
_NAME = r"([A-Z][a-zA-Zéèñöüä'-]{1,20})(?:\s+([A-Z][a-zA-Zéèñöüä'-]{1,20}))?"
_ANY_NAME = r"([A-Za-z][a-zA-Zéèñöüä'-]{1,20})(?:\s+([A-Z][a-zA-Zéèñöüä'-]{1,20}))?"
_SAYS = (
    re.compile(
        rf"\b(?:[Mm]y name is|[Mm]y name's|MY NAME IS|[Nn]ame is|[Nn]ame's|[Nn]ame:|[Cc]all me)\s+{_ANY_NAME}"
    ),
    re.compile(
        r"(?:^|[.!?,;\n]\s*|\b(?:[Hh]i|[Hh]ey|[Hh]ello),?\s+)"
        rf"(?:I'm|I am|Im|i'm|i am|[Tt]his is|[Ii]t's|[Ii]ts)\s+{_NAME}"
    ),
    re.compile(rf"(?:^|\n|[Hh]i,? |[Hh]ey,? ){_NAME} here\b"),
    re.compile(rf"\n\s*(?:-+\s*|[Tt]hanks,?\s*\n?|[Bb]est,?\s*\n|[Rr]egards,?\s*\n){_NAME}\s*$"),
)


def read_email(text: str) -> str | None:
    """The first email address in a text, lower-cased, or None."""
    m = _EMAIL.search(text[:2000])
    return m.group(1).lower().rstrip(".") if m else None


def read_name(text: str) -> tuple[str, str | None] | None:
    """(first name, last name or None) when the text introduces its writer, else None."""
    text = text[:2000].replace("’", "'")
    for pattern in _SAYS:
        if (m := pattern.search(text)) and m.group(1).lower() not in word_list("not_names"):
            last = m.group(2)
            if last and last.lower() in word_list("not_names"):
                last = None
            return m.group(1)[0].upper() + m.group(1)[1:], last
    return None
