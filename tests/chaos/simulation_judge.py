"""The judge of the simulation: what arrived at the carriers against what should have."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from channels.carrier import Outgoing
from tests.chaos.simulation_law import Week, allows, offence
from tests.chaos.simulation_people import SHOPS, Enquiry
from tests.chaos.simulation_refusals import OPTED_OUT, Refusals
from tests.chaos.simulation_rows import judge_inbound, judge_rows, read
from tests.chaos.simulation_truth import Said, Truth
from tests.chaos.simulation_twilio import Attempt
from tests.chaos.simulation_world import World, is_staff
from tests.standins.twilio_messages import STOP_WORDS

Row = dict[str, Any]
# After which wait a text that did not arrive may go once more, and how often: the outbox's promise, written down again.
AGAIN: dict[int, tuple[timedelta, int]] = {
    30003: (timedelta(minutes=30), 1), 30008: (timedelta(minutes=5), 1), 30500: (timedelta(minutes=5), 1),
    30047: (timedelta(minutes=5), 1), 30036: (timedelta(minutes=1), 1), 30001: (timedelta(minutes=10), 3),
    30610: (timedelta(hours=1), 12), 30034: (timedelta(hours=1), 3),
}  # fmt: skip
TOUCH_AGAIN = frozenset({30001, 30610, 30034})
CONFIRMED_WITHIN = timedelta(minutes=5)
SHOP_HOURS = Week((9, 18), (9, 14), None)
DAY, APART, MOST_IN_A_DAY = timedelta(hours=24), timedelta(hours=20), 3
MESSAGES = """
select m.*, t.step from chat_messages m left join touch_points t on t.id = m.touch_point_id order by m.id
"""
NUMBERS = {shop.phone: shop for shop in SHOPS}


@dataclass(frozen=True)
class Taken:
    """One text at the carrier with what held at that moment. `stop`: one that stood for certain."""

    attempt: Attempt
    stop: Said | None
    consented: bool
    paused: bool


@dataclass
class Verdict:
    """What was found."""

    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""


class Judge:
    """Listens at the carriers during the run; `verdict` compares with the rows at its end."""

    def __init__(self, world: World, truth: Truth, enquiries: list[Enquiry]) -> None:
        self.world, self.truth = world, truth
        self.enquiries = {(one.shop.slug, one.phone): one for one in enquiries}
        self.refusals = Refusals()
        # What the carrier will say of each text in the end, when it said so that it failed, and of which it said nothing.
        self.outcomes: dict[str, tuple[str, int | None]] = {}
        self.failed_at: dict[str, datetime] = {}
        self.unheard: set[str] = set()
        self._texts: list[Taken] = []
        self._mails: list[tuple[datetime, Outgoing, Said | None]] = []
        self._confirmed: Counter[tuple[str, Said]] = Counter()
        self._out: dict[str, Row] = {}
        self._found: list[str] = []

    def violation(self, what: str) -> None:
        """Something that must not be."""
        self._found.append(f"{self.world.clock.now():%Y-%m-%d %H:%M:%S} {what}")

    # During the run

    def text_handed_over(self, attempt: Attempt) -> None:
        """A text came to the carrier, taken or refused."""
        shop = NUMBERS.get(attempt.sender)
        if shop is None or attempt.account != self.world.shops[shop.slug].account:
            self.violation(f"a text from {attempt.sender} through the account {attempt.account}")
            return
        who = (shop.tenant, attempt.to)
        refused = self.refusals.known.get(who)
        if refused is not None and who not in self.truth.reopened_since(refused):
            self.violation(f"{attempt.to} opted out at the carrier, which said so, and was tried again")
        if attempt.code == OPTED_OUT:
            self.refusals.said(who, attempt.at)
        stop = self.truth.stopped(shop.tenant, "sms", attempt.to, attempt.at)
        taken = Taken(attempt, stop, who in self.truth.may_text, shop.tenant in self.truth.paused)
        self._texts.append(taken)

    def text_answered(self, message: Outgoing) -> None:
        """The carrier's answer to a text has arrived, whatever it was."""
        self.refusals.answered((self._tenant_of(message), message.to_address))

    def mail_handed_over(self, message: Outgoing) -> None:
        """A mail was taken."""
        now = self.world.clock.now()
        tenant = self._tenant_of(message)
        self._mails.append((now, message, self.truth.stopped(tenant, "email", message.to_address, now)))

    def _tenant_of(self, message: Outgoing) -> str:
        shops = self.world.shops.values()
        return next(shop.plan.tenant for shop in shops if shop.tenant_id == message.tenant_id)

    # Afterwards

    def verdict(self) -> Verdict:
        """Judge everything."""
        rows = read(self.world, MESSAGES)
        self._out = {str(row["outbox_id"]): row for row in rows if row["direction"] == "out"}
        taken = [one for one in self._texts if one.attempt.sid]
        counts = Counter({"texts handed over": len(self._texts), "mails taken": len(self._mails)})
        for one in taken:
            row = self._out.get(one.attempt.outbox_id)
            if row is None:
                self.violation(f"a text at the carrier that no row knows: {one.attempt}")
                continue
            counts[f"texts taken: {row['kind']}"] += 1
            self._judge_text(one, row)
        self._judge_repeats([one.attempt for one in taken])
        self._judge_words([one.attempt for one in taken])
        self._judge_frequency([one.attempt for one in taken])
        self._judge_mails()
        self._found += judge_inbound(self.world, self.truth, rows)
        at_carrier = {one.attempt.sid: one.attempt for one in taken}
        self._found += judge_rows(self.world, self._out, at_carrier, self.outcomes, counts)
        return Verdict(self._found, counts, self._digest())

    def _judge_text(self, one: Taken, row: Row) -> None:
        attempt, kind = one.attempt, row["kind"]
        who = f"{kind} {row['id']} to {attempt.to} at {attempt.at:%Y-%m-%d %H:%M:%S}"
        if is_staff(attempt.to) is not (kind == "notice"):
            self.violation(f"{who}: a notice to a customer, or the other way round")
        if kind == "notice":
            return
        enquiry = self.enquiries.get((NUMBERS[attempt.sender].slug, attempt.to))
        if enquiry is None:
            self.violation(f"{who}: to nobody who asked at this shop")
            return
        in_time = one.stop is not None and attempt.at - one.stop.at <= CONFIRMED_WITHIN
        if one.stop is not None and not (kind == "consent" and in_time):
            self.violation(f"{who}: after the stop {one.stop.words!r} of {one.stop.at:%Y-%m-%d %H:%M:%S}")
        if kind == "consent" and in_time and one.stop is not None:
            self._confirmed[attempt.to, one.stop] += 1
            by_carrier = one.stop.words.upper() in STOP_WORDS
            if by_carrier or self._confirmed[attempt.to, one.stop] > 1:
                self.violation(f"{who}: the stop {one.stop.words!r} was confirmed already")
        if one.paused:
            self.violation(f"{who}: the business is paused")
        taken_over = self.truth.humans.get(enquiry.number)
        if taken_over is not None and taken_over < attempt.at and kind in ("touch", "reply"):
            self.violation(f"{who}: a person has the conversation since {taken_over:%Y-%m-%d %H:%M}")
        if kind == "touch":
            self._judge_touch(one, row["step"] == 1, enquiry, who)

    def _judge_touch(self, one: Taken, first: bool, enquiry: Enquiry, who: str) -> None:
        attempt = one.attempt
        if not one.consented:
            self.violation(f"{who}: without consent")
        until = attempt.at + timedelta(seconds=attempt.valid_s)
        broken = offence(attempt.at, until, enquiry.places(), first=first)
        if broken is not None:
            self.violation(f"{who}: {broken}")
        local = attempt.at.astimezone(ZoneInfo(enquiry.shop.zone))
        if not first and not allows(SHOP_HOURS, local):
            self.violation(f"{who}: the shop is closed")
        booked = self.truth.booked.get(enquiry.number)
        if booked is not None and booked < attempt.at:
            self.violation(f"{who}: after they booked on {booked:%Y-%m-%d %H:%M}")

    def _judge_repeats(self, taken: list[Attempt]) -> None:
        """The same row twice at the carrier: only after the carrier said that it did not arrive, as the rules allow."""
        by_row: defaultdict[str, list[Attempt]] = defaultdict(list)
        for attempt in taken:
            by_row[attempt.outbox_id].append(attempt)
        for outbox_id, attempts in by_row.items():
            kind = self._out[outbox_id]["kind"] if outbox_id in self._out else "unknown"
            codes = [self.outcomes[attempt.sid or ""][1] or 0 for attempt in attempts[:-1]]
            # The reason of each repetition says how many there may have been by then: 30008 once, then 30001 once more.
            for number, ((earlier, later), code) in enumerate(zip(pairwise(attempts), codes, strict=True), 1):
                wait, most = AGAIN.get(code, (DAY, 0))
                said = earlier.at if earlier.sid in self.unheard else self.failed_at.get(earlier.sid or "")
                known = said is not None and later.at >= said + wait
                allowed = kind != "consent" and (kind != "touch" or code in TOUCH_AGAIN)
                if not known or not allowed or number > most:
                    what = f"{kind} {outbox_id} to {later.to} was repeated at {later.at}"
                    self.violation(f"{what}; the one of {earlier.at} ended with {code}")

    def _judge_words(self, taken: list[Attempt]) -> None:
        by_words: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        by_step: defaultdict[int, set[str]] = defaultdict(set)
        for attempt in taken:
            row = self._out.get(attempt.outbox_id)
            if row is not None and row["kind"] == "touch":
                by_words[attempt.to, attempt.sender, attempt.body].add(attempt.outbox_id)
                by_step[row["touch_point_id"]].add(attempt.outbox_id)
        self._found += [f"the same words twice: {words}" for words, ids in by_words.items() if len(ids) > 1]
        self._found += [f"touch point {step} twice: {ids}" for step, ids in by_step.items() if len(ids) > 1]

    def _judge_frequency(self, taken: list[Attempt]) -> None:
        people: defaultdict[tuple[str, str], list[tuple[Attempt, Row]]] = defaultdict(list)
        began: defaultdict[int, list[datetime]] = defaultdict(list)
        touches = [
            (at, row) for at, message, _ in self._mails if (row := self._touch(str(message.outbox_id)))
        ]
        for attempt in taken:
            row = self._touch(attempt.outbox_id)
            shop = NUMBERS[attempt.sender]
            one = self.enquiries.get((shop.slug, attempt.to))
            if row is not None and one is not None:
                # Two numbers of one person are known by their mail.
                people[shop.tenant, one.email or one.phone].append((attempt, row))
                touches.append((attempt.at, row))
        for at, row in touches:
            if row["step"] == 1:
                began[row["lead_id"]].append(at)
        for who, texts in people.items():
            self._judge_person(who, texts, began)

    def _touch(self, outbox_id: str) -> Row | None:
        row = self._out.get(outbox_id)
        return row if row is not None and row["kind"] == "touch" else None

    def _judge_person(
        self, who: tuple[str, str], texts: list[tuple[Attempt, Row]], began: dict[int, list[datetime]]
    ) -> None:
        for place, (text, row) in enumerate(texts):
            at = text.at
            before = [one.at for one, _ in texts[:place] if one.at > at - DAY and not self._was_lost(one, at)]
            if len(before) >= MOST_IN_A_DAY:
                self.violation(f"{who} got {len(before) + 1} touches within 24 hours until {at}")
            fresh = any(at - DAY <= one <= at for one in began.get(row["lead_id"], ()))
            if not fresh and any(one > at - APART for one in before):
                self.violation(f"{who} got touch {row['step']} at {at} within 20 hours of another one")

    def _was_lost(self, text: Attempt, at: datetime) -> bool:
        """Whether the carrier had said by then that this text did not arrive: nobody got it."""
        if text.sid in self.unheard:
            return self.outcomes[text.sid][0] != "delivered"
        return text.sid is not None and self.failed_at.get(text.sid, at + DAY) <= at

    def _judge_mails(self) -> None:
        seen: Counter[str] = Counter()
        for at, message, stop in self._mails:
            row = self._out.get(str(message.outbox_id))
            kind = "unknown" if row is None else row["kind"]
            confirms = stop is not None and kind == "consent" and at - stop.at <= CONFIRMED_WITHIN
            if stop is not None and kind != "notice" and not confirms:
                self.violation(f"{kind} by mail to {message.to_address} at {at}: after the stop of {stop.at}")
            seen[str(message.outbox_id)] += 1
        self._found += [
            f"mail {outbox_id} was sent {times} times" for outbox_id, times in seen.items() if times > 1
        ]

    def _digest(self) -> str:
        texts = [
            (str(one.attempt.at), one.attempt.to, one.attempt.body, one.attempt.code) for one in self._texts
        ]
        return sha256(json.dumps(texts).encode()).hexdigest()[:16]
