"""The parts of a mail that speak to machines: delivery reports, receipts, complaints, answers to invitations."""

from __future__ import annotations

import re
from dataclasses import dataclass

from channels.email.mail import AutomaticKind, Content
from crm.text import storable

# What became of a mail, by the word in the report (RFC 3464, 2.3.3); the worst one counts.
_ACTIONS: tuple[tuple[str, AutomaticKind], ...] = (
    ("failed", "bounce"), ("delayed", "delayed"), ("delivered", "delivered"), ("relayed", "delivered"),
    ("expanded", "delivered"),
)  # fmt: skip
_ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative"}
PROPOSED = "proposed another time"
_LONGEST = 500


@dataclass(frozen=True)
class InvitationAnswer:
    """What somebody's calendar answers to an invitation: the answer in a word, whose UID, and what they added."""

    answer: str
    uid: str | None
    says: str | None


def fields_of(report: str) -> list[dict[str, str]]:
    """The groups of fields of a delivery report by lower-case name, folded lines joined (RFC 3464, 2.1)."""
    groups: list[dict[str, str]] = [{}]
    last = ""
    for line in report.splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            groups.append({})
            last = ""
        elif line[0] in " \t" and last:
            groups[-1][last] += f" {line.strip()}"
        elif colon:
            last = name.strip().lower()
            groups[-1].setdefault(last, value.strip())
    return [group for group in groups if group]


def delivery(content: Content) -> AutomaticKind | None:
    """What a report on delivery says of a mail of ours; None when there is no such report."""
    reports = [one.text for one in content.reports if one.content_type.endswith("delivery-status")]
    words = [
        group.get("action", "").partition(" ")[0].lower() for report in reports for group in fields_of(report)
    ]
    return next((kind for word, kind in _ACTIONS if word in words), None)


def has_part(content: Content, ending: str) -> bool:
    """Whether there is a part for machines of this kind, such as "disposition-notification"."""
    return any(one.content_type.endswith(ending) for one in content.reports)


def invitation_answer(content: Content) -> InvitationAnswer | None:
    """The answer to an invitation in a mail (RFC 5546, 3.2.3 and 3.2.7), None for any other."""
    for report in content.reports:
        if report.content_type != "text/calendar":
            continue
        lines = re.sub(r"\r?\n[ \t]", "", report.text).splitlines()
        method = _value(lines, "METHOD")
        if method not in ("REPLY", "COUNTER"):
            continue
        attendee = next((line for line in lines if line.upper().startswith("ATTENDEE")), "")
        state = re.search(r";PARTSTAT=([A-Z-]+)", attendee.upper())
        answer = (
            PROPOSED if method == "COUNTER" else _ANSWERS.get(state.group(1) if state else "", "answered")
        )
        says = _value(lines, "COMMENT").replace("\\n", " ").replace("\\,", ",").replace("\\;", ";")
        return InvitationAnswer(
            answer, _value(lines, "UID") or None, storable(says)[:_LONGEST].strip() or None
        )
    return None


def _value(lines: list[str], name: str) -> str:
    """The value of the first property of this name, whatever its parameters."""
    for line in lines:
        head, colon, value = line.partition(":")
        if colon and head.partition(";")[0].strip().upper() == name:
            return value.strip()[:_LONGEST]
    return ""
