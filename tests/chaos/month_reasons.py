"""Whether the reason a touch was not written for is true: a reason that says nothing, or what never happened, is a
finding of its own."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.chaos.month_customers import Truth
from tests.chaos.month_evidence import Touch
from tests.chaos.month_people import Person
from tests.chaos.month_rules import opens_after

ANYBODY = (
    r"too soon after the (text|email) before it",
    r"too late: \d+ h after its time",
    r"step \d+ is due as well: one message is enough",
    r"it was written before or the address is gone",
    r"nothing of the plan is left that may be sent",
    r"no hour that the step, the shop and the law allow comes within four months",
    r"the lead is unreachable",
    r"the carrier says.*",
    r"this person reported a mail of ours as spam",
)


def judge_reason(touch: Touch, one: Person, truth: Truth) -> str | None:
    """What is wrong with the reason of a touch that was not written; None when it is one, and true."""
    status, reason = touch.status, touch.reason
    if not reason:
        return "no reason"
    stopped = any((one.number, channel) in truth.stops for channel in ("sms", "email"))
    if "said stop" in reason or ("opted out" in reason and "carrier" not in reason):
        return None if stopped or one.number in truth.reported else "nobody said stop"
    if "booked" in reason:
        return None if one.number in truth.booked else "nobody booked"
    if "a person has" in reason:
        return None if one.number in truth.taken else "nobody took over"
    if "replied" in reason or "wrote" in reason or "customer's" in reason or "our answer" in reason:
        return None if one.number in truth.replied or stopped else "nobody wrote"
    if any(word in reason for word in ("no consent", "no phone", "no email")):
        return None if status == "skipped" else "that skips, it does not end"
    if reason == "no hour that the shop and the law allow comes within 12 days":
        opens = opens_after(one, touch.due_at, first=touch.step == 1)
        return None if opens > touch.due_at + timedelta(days=11) else f"there is one: {opens}"
    return None if any(re.fullmatch(known, reason) for known in ANYBODY) else "a reason that nobody knows"
