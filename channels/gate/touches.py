"""The checks that only touches have to pass: consent to be asked for business, hours, how often, and what for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from channels.gate.case import Case
from channels.gate.decision import Decision, drop, hold, withhold
from channels.gate.person import DAY, Earlier
from channels.gate.spent import day_starts
from channels.hours import next_allowed, window_for
from crm.touches import over_because

PER_DAY = 1
# The first day of a cadence is front-loaded: touches 1 and 3 are texts of day one.
PER_DAY_AT_FIRST = 3
# Fla. Stat. 501.616(6) and Oklahoma's twin; kept everywhere (messaging facts 3.3).
PER_24_HOURS = 3
# "A day" as twenty hours: two touches never fall on one local day, and one may come an hour earlier than the last.
APART = timedelta(hours=20)
# A little less than the day that is meant: what is recorded is the moment of the carrier's answer, and one that was slow
# must not stretch the first day over the touch of the next one.
FIRST_DAY = DAY - timedelta(minutes=1)
ON_ITS_WAY = timedelta(minutes=15)


def consent(case: Case) -> Decision | None:
    """A text that the person did not ask for needs their consent (47 CFR 64.1200(a)(2); messaging facts 3.2)."""
    if case.touch is None or case.message.channel != "sms" or case.stop is not None:
        return None
    return None if case.touch.may_text.allowed else withhold(case.touch.may_text.why)


def over(case: Case) -> Decision | None:
    """Nobody is asked to book who has booked, at whichever shop of the business, nor whose enquiry is over."""
    if case.touch is None:
        return None
    if case.touch.has_appointment:
        return drop("the customer already has an appointment")
    facts = case.facts
    why = over_because(facts.lead_status, facts.plan, chosen_so=bool(facts.chosen_so))
    return None if why is None else drop(why)


def hours(case: Case) -> Decision | None:
    """The lawful window of every zone and state the person may be in, and the shop's own hours on top; texts only, a
    mail waits in its box. A reminder keeps the night free too."""
    if case.message.channel != "sms" or window_for((), case.hours_kind).never_closes:
        return None
    where, kind, now = case.where, case.hours_kind, case.now
    shop_open = case.touch.shop_open if case.touch is not None else None
    until = next_allowed(now, where.zones, where.states, kind, shop_open=shop_open)
    if until is None:
        return None
    if next_allowed(now, where.zones, where.states, kind) is None:
        return hold("the shop is closed, and its messages keep to its hours", until)
    return hold(f"outside the lawful hours of the recipient: {_clocks(now, where.zones)}", until)


def per_day(case: Case) -> Decision | None:
    """One touch a day to a person on a channel, over all their numbers and all shops of the business; three on the first
    day."""
    if case.touch is None:
        return None
    most = PER_DAY_AT_FIRST if _first_day(case) else PER_DAY
    reason = "this person already got a message today"
    return _at_most(most, APART, _same_channel(case), case.now, reason)


def per_24_hours(case: Case) -> Decision | None:
    """Never more than three in 24 hours, texts and mails together, whatever the plans of however many shops say."""
    if case.touch is None:
        return None
    reason = f"this person already got {PER_24_HOURS} messages within 24 hours"
    return _at_most(PER_24_HOURS, DAY, case.touch.earlier, case.now, reason)


def budget(case: Case) -> Decision | None:
    """The shop's own limit of text parts a day. Touches wait for tomorrow; an answer is never refused for money."""
    most = None if case.touch is None else case.touch.max_segments_per_day
    if case.touch is None or most is None:
        return None
    if case.touch.segments_today + (case.message.segments or 1) <= most:
        return None
    reason = f"the shop's limit of {most} text parts a day is used up"
    return hold(reason, day_starts(case.facts.timezone, case.now, ahead=1))


def _first_day(case: Case) -> bool:
    """Counted from the cadence's first touch, not from the lead's first day: somebody who came on Saturday night is
    written to on Monday for the first time. That touch may have been a mail."""
    facts = case.facts
    if facts.point_lead is None:
        return False
    run = (facts.point_lead, facts.run, 1)
    began = case.now - FIRST_DAY
    earlier = case.touch.earlier if case.touch is not None else ()
    young = (one for one in earlier if one.sent_at is None or one.sent_at > began)
    return facts.step == 1 or any((e.lead_id, e.cadence_run, e.step) == run for e in young)


def _same_channel(case: Case) -> list[Earlier]:
    earlier = case.touch.earlier if case.touch is not None else ()
    return [one for one in earlier if one.channel == case.message.channel]


def _at_most(
    most: int, span: timedelta, earlier: Sequence[Earlier], now: datetime, reason: str
) -> Decision | None:
    """None while fewer than `most` fall into the span; else a hold until enough of them are older than it."""
    recent = [one for one in earlier if one.sent_at is None or one.sent_at > now - span]
    if len(recent) < most:
        return None
    last_to_go = recent[len(recent) - most].sent_at
    if last_to_go is None:
        # The carrier may still refuse it, so this is not worth a day.
        return hold(f"{reason}, or is getting it just now", now + ON_ITS_WAY)
    return hold(reason, last_to_go + span)


def _clocks(now: datetime, zones: frozenset[str]) -> str:
    """What the clocks show at the earliest and the latest place the person may be in."""
    local = sorted((now.astimezone(ZoneInfo(zone)).replace(tzinfo=None), zone) for zone in zones)
    ends = dict.fromkeys((local[0], local[-1]))
    return ", ".join(f"{moment:%a %H:%M} in {zone}" for moment, zone in ends)
