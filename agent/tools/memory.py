"""What is kept for later: the customer's language, facts about them, and a date on which they want to hear from us."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from agent.models.base import Json
from agent.tools.agreement import words_of
from agent.tools.declare import ToolRefusal, ToolRun, tool
from agent.tools.guards import why_not
from agent.tools.named import folded, read_named
from crm.calendar.labels import day_label
from crm.consents import Channel, is_opted_out
from crm.follow_ups import plan_follow_up
from crm.models import ChatSession
from crm.remembered import LONGEST, remember
from crm.remembered import set_language as keep_language

FARTHEST = timedelta(days=400)
_WHEN = re.compile(
    r"\b(?:days?|weeks?|weekend|months?|year|spring|summer|fall|autumn|winter|christmas|new year|thanksgiving|easter"
    r"|january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug"
    r"|sept?|oct|nov|dec|payday|dias?|semanas?|mes(?:es)?|ano|primavera|verano|otono|invierno|navidad|enero|febrero"
    r"|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b"
)


@tool(write=True)
def set_language(
    run: ToolRun,
    language: Annotated[Literal["en", "es"], Field(description="en English, es Spanish.")],
) -> Json:
    """Keep the language the customer wants. Use it when they ask for one, or write in another than before."""
    keep_language(run.lead(), language, message_id=run.ctx.trigger_message_id)
    run.s.flush()
    return {"language": language}


@tool(write=True)
def remember_fact(
    run: ToolRun,
    fact: Annotated[
        str, Field(min_length=3, max_length=LONGEST, description="One short fact, in the customer's sense.")
    ],
) -> Json:
    """Keep one fact the customer told that matters for the job and has no other place.

    For example old film to remove, a deadline, who brings the car. No prices, promises or instructions; names, email
    and vehicle belong in update_lead.
    """
    if (reason := why_not(fact)) is not None:
        raise ToolRefusal(reason)
    kept = remember(run.lead(), fact, message_id=run.ctx.trigger_message_id, now=run.now)
    run.s.flush()
    return {"remembered": kept}


@tool(write=True)
def follow_up(
    run: ToolRun,
    day: Annotated[
        date, Field(description="The day the customer named, YYYY-MM-DD, local; tomorrow at the earliest.")
    ],
    about: Annotated[
        str,
        Field(
            min_length=3, max_length=60, description="What it is about, in a few words, in their language."
        ),
    ],
) -> Json:
    """Write to the customer again on a day they named ("ask me again in two weeks"), in the morning.

    Replaces an earlier date and ends other reminders. Not for times of a visit: those are booked.
    """
    location = run.location()
    today = run.now.astimezone(ZoneInfo(location.timezone)).date()
    if not today < day <= today + FARTHEST:
        raise ToolRefusal("The day must be after today and within 400 days. Ask which day they mean.")
    if not _named_a_time(run, today):
        raise ToolRefusal("The customer has not said when. Ask on which day they want to hear from the shop.")
    if (reason := why_not(about)) is not None:
        raise ToolRefusal(f"{reason} Say in plain words what it is about.")
    lead = run.lead()
    channel: Channel = "email" if run.ctx.channel == "email" else "sms"
    address = lead.email if channel == "email" else lead.phone
    if lead.status == "opted_out" or (address and is_opted_out(run.s, lead.tenant_id, channel, address)):
        raise ToolRefusal("This customer does not want to be written to, so nothing was planned.")
    chat = run.s.get_one(ChatSession, run.ctx.session_id)
    plan_follow_up(
        run.s, lead, chat, day=day, note=" ".join(about.split()), channel=channel, timezone=location.timezone, now=run.now
    )  # fmt: skip
    return {"follow_up": {"date": day.isoformat(), "label": day_label(day), "about": about}}


def _named_a_time(run: ToolRun, today: date) -> bool:
    """Whether the customer's words of this turn hold any day, date or span: a model does not choose one for them."""
    words = folded(" ; ".join(words_of(run)))
    named = read_named(words, today)
    return bool(named.weekdays or named.dates or named.relative or _WHEN.search(words))
