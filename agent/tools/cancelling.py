"""Which appointment is cancelled: the one the customer's own words ask for, whatever the model believes.

A cancellation that these very words have brought about already is theirs: asked for once more, by a second try or after
the customer wrote again before our answer left, it is the same one and never the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from agent.tools.agreement import last_said, shown_of, today_of, words_of
from agent.tools.cancel_words import Cancelling, Visit, asked_about, asks_to_cancel, work_words
from agent.tools.declare import ToolRefusal, ToolRun
from agent.tools.views import service_names
from crm.calendar.booking import upcoming
from crm.models import Appointment, ChatSession

_WHY = {
    "no": "The customer has not plainly asked to cancel.",
    "other": "Their words name another day, time or work than that.",
    "yes": "Their words ask to cancel another appointment.",
    "which": "Their words do not say which appointment.",
}


def visit_to_cancel(run: ToolRun, appointment_id: int | None) -> int | None:
    """The id of the appointment that the customer's words ask to cancel; None when there is nothing to cancel, which the
    booking refuses in its own words.

    `appointment_id` is the one the model means, None for whichever it is. Raises ToolRefusal unless the words ask for
    that one, or say yes to our question about it.
    """
    spent = _cancelled_by_these_words(run)
    ahead = upcoming(run.s, run.ctx.lead_id, run.now)
    rows = sorted((*ahead, *spent), key=lambda one: (one.starts_at, one.id))
    if not rows:
        return None
    visits = _visits(run, rows)
    last = last_said(run)
    today = today_of(run, run.location().timezone)
    asked = asked_about(last.body, visits, today) if last is not None else None
    heard = asks_to_cancel(words_of(run), visits, asked, today)
    if heard.reading == "yes" and appointment_id in (None, *heard.ids):
        gone = {one.id for one in spent}
        wanted = [one.id for one in visits if one.id in heard.ids]
        # Of several that are asked for, the next one that stands.
        return appointment_id or next((one for one in wanted if one not in gone), wanted[0])
    raise _refusal(heard, [one for one in visits if one.id in {row.id for row in ahead}], appointment_id)


def _refusal(heard: Cancelling, ahead: Sequence[Visit], appointment_id: int | None) -> ToolRefusal:
    labels = {one.id: one.shown.label for one in ahead}
    if appointment_id is not None and appointment_id not in labels:
        return ToolRefusal(
            "Nothing was changed: this customer has no such upcoming appointment. my_appointments lists them."
        )
    meant = [one for one in ([appointment_id] if appointment_id else heard.ids or labels) if one in labels]
    nothing = f"Nothing was changed. {_WHY[heard.reading]}"
    if len(meant) == 1:
        label = labels[meant[0]]
        ask = f"Ask whether you should cancel {label}, and wait for the answer."
        return ToolRefusal(f"{nothing} {ask}", needs_yes=True, label=label)
    which = list(labels.values())
    if not which:
        return ToolRefusal("Nothing more was changed: what they asked to cancel is cancelled already.")
    ask = f"Ask which of these they want to cancel, and wait for the answer: {'; '.join(which)}."
    return ToolRefusal(f"{nothing} {ask}", needs_yes=True, which=which)


def _visits(run: ToolRun, rows: Sequence[Appointment]) -> list[Visit]:
    names = service_names(run.s, (one for row in rows for one in row.service_ids))
    timezone = run.location().timezone
    return [
        Visit(
            shown_of(row, row.id, timezone),
            work_words([names[one] for one in row.service_ids if one in names]),
        )
        for row in rows
    ]


def _cancelled_by_these_words(run: ToolRun) -> list[Appointment]:
    """The customer's appointments that were cancelled for a message that is not answered yet."""
    answered = run.s.scalars(
        select(ChatSession.answered_up_to).where(ChatSession.id == run.ctx.session_id)
    ).one()
    rows = run.s.scalars(
        select(Appointment).where(Appointment.lead_id == run.ctx.lead_id, Appointment.status == "cancelled")
    )
    return [
        row
        for row in rows
        if any(one["what"] == "cancelled" and (one["message"] or 0) > answered for one in row.history)
    ]
