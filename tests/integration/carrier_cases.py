"""What each error code of Twilio has to mean for us: messaging facts 2.4 once more, as the tests' own table.

Written from the facts and not from `channels/sms/errors.yaml`, so that a slip there is seen here. `reason` is a part
of the sentence that the owner reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What hangs on the error besides the message itself.
Effect = Literal["none", "stop", "suppress", "bad", "block", "range", "alert"]


@dataclass(frozen=True)
class Refusal:
    """A code in the answer to our request. `becomes`: the row's status then."""

    code: int
    reason: str
    becomes: Literal["failed", "pending", "unknown"]
    effect: Effect = "none"
    http: int = 400


@dataclass(frozen=True)
class Undelivered:
    """A code in a status callback. `wait` (minutes) and `times`: when and how often it is tried again; a touch only
    where `touch_too`."""

    code: int
    reason: str
    effect: Effect = "none"
    wait: int = 0
    times: int = 0
    touch_too: bool = False


REFUSALS = (
    Refusal(20003, "refused our credentials", "pending", "alert", http=401),
    Refusal(20404, "does not know this account", "pending", "alert", http=404),
    Refusal(20429, "asks to slow down", "pending", http=429),
    Refusal(20500, "not known whether the text was sent", "unknown", http=500),
    Refusal(20503, "not known whether the text was sent", "unknown", http=503),
    Refusal(21211, "number is not valid", "failed", "bad"),
    Refusal(21212, "sending number is not valid", "pending", "alert"),
    Refusal(21408, "region are not enabled", "pending", "alert"),
    Refusal(21602, "empty", "failed"),
    Refusal(21606, "not ours", "pending", "alert"),
    Refusal(21610, "opted out", "failed", "stop"),
    Refusal(21611, "queue", "pending"),
    Refusal(21612, "cannot reach this number", "failed"),
    Refusal(21614, "cannot receive texts", "failed", "bad"),
    Refusal(21617, "longer than Twilio takes", "failed"),
    Refusal(21635, "landline", "failed", "bad"),
    Refusal(21658, "longer than Twilio takes", "failed"),
    Refusal(35114, "planned time", "failed"),
    Refusal(35115, "planned time", "failed"),
    Refusal(35117, "planned time", "failed"),
    Refusal(35125, "too many texts are scheduled", "pending"),
    Refusal(63017, "more texts a second", "pending"),
)
UNDELIVERED = (
    Undelivered(14103, "empty"),
    Undelivered(21610, "opted out", "stop"),
    Undelivered(30001, "queue was full", wait=10, times=3, touch_too=True),
    Undelivered(30003, "out of reach", wait=30, times=1),
    Undelivered(30004, "blocked the text"),
    Undelivered(30005, "no longer in use", "bad"),
    Undelivered(30006, "landline", "bad"),
    Undelivered(30007, "filtered the text as spam", "block"),
    Undelivered(30008, "gave no reason", wait=5, times=1),
    Undelivered(30034, "not registered", "alert", wait=60, times=3, touch_too=True),
    Undelivered(30036, "within its time", wait=1, times=1),
    Undelivered(30047, "lawful hour", wait=5, times=1),
    Undelivered(30450, "suspects fraud", "range"),
    Undelivered(30500, "error of its own", wait=5, times=1),
    Undelivered(30610, "quiet hours", wait=60, times=12, touch_too=True),
    Undelivered(30640, "known litigator", "suppress"),
)
