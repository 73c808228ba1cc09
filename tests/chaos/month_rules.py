"""The rules of the shipped cadence, written down a second time for the month's judge."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.chaos.month_people import Person
from tests.chaos.simulation_judge import SHOP_HOURS
from tests.chaos.simulation_law import allows, offence

STEPS = frozenset(range(1, 14))
# How late a touch may still be written; 0: all but the first.
GRACE = {0: timedelta(hours=6), 1: timedelta(hours=24)}
# After a reply the rest goes on when so long nobody has said anything.
SILENCE = timedelta(days=3)
# Between two touches on one channel: on the first day, and later, when there is one a day at most.
APART, APART_LATER, FIRST_DAY = timedelta(hours=3), timedelta(hours=20), timedelta(hours=24)
MOST_A_DAY = 3
LONGEST_WAIT = timedelta(days=13)


def judge_hours(one: Person, at: datetime, until: datetime, *, first: bool) -> str | None:
    """What a text that may arrive in this time breaks; None when it may."""
    broken = offence(at, until, one.places(), first=first)
    if broken is not None:
        return broken
    if not first and not allows(SHOP_HOURS, at.astimezone(ZoneInfo(one.shop.zone))):
        return "the shop is closed"
    return None


def opens_after(one: Person, moment: datetime, *, first: bool) -> datetime:
    """The first full hour from `moment` on at which a text to this person may go; hours begin at full hours."""
    if judge_hours(one, moment, moment + timedelta(minutes=1), first=first) is None:
        return moment
    hour = moment.replace(minute=0, second=0, microsecond=0)
    for ahead in range(1, int(LONGEST_WAIT / timedelta(hours=1))):
        at = hour + ahead * timedelta(hours=1)
        if judge_hours(one, at, at + timedelta(minutes=1), first=first) is None:
            return at
    return moment + LONGEST_WAIT
