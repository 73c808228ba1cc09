"""What came of touches: the rule case by case, and the whole report against a count one by one."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm.cadence_report import SUMS, Line, Narrowed, report_on
from crm.db import Database
from crm.models import Appointment, ChatMessage, ConsentEvent, TouchPoint
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.results_help import book, new_person, past_touch, stop, word

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def lines(db: Database, shop: Shop, now: datetime, days: int = 30, **only: Any) -> dict[int, Line]:
    """The report by step, of tests in which a step is one line."""
    with db.tenant(shop.tenant_id) as s:
        report = report_on(s, shop.tenant_id, now - days * DAY, now, Narrowed(**only))
    return {line.step: line for line in report.lines}


def test_an_answer_counts_for_the_newest_touch_on_any_channel(
    db: Database, world: World, clock: FixedClock
) -> None:
    then = clock.now() - 5 * DAY
    with db.tenant(world.north.tenant_id) as s:
        _, chat = new_person(s, world.north)
        past_touch(s, chat, then, step=2)
        past_touch(s, chat, then + HOUR, step=3, channel="email", template="mail", message="sent")
        past_touch(s, chat, then + 2 * HOUR, step=4, message="undelivered")
        word(s, chat, then + 3 * HOUR)
        word(s, chat, then + 4 * HOUR)
        book(s, world.north, chat, then + 6 * DAY - 24 * HOUR)
    found = lines(db, world.north, clock.now())
    assert (found[2].answered, found[3].answered, found[4].answered) == (0, 1, 0)
    assert (found[2].booked, found[3].booked) == (0, 1)
    assert (found[3].sent, found[3].on_its_way, found[4].sent, found[4].failed) == (1, 1, 0, 1)
    assert lines(db, world.south, clock.now()) == {}, "the stranger's report is empty"


@pytest.mark.parametrize(
    ("after", "answered", "booked", "opted_out"),
    [
        (timedelta(0), 0, 0, 0),
        (timedelta(seconds=1), 1, 1, 1),
        (72 * HOUR, 1, 1, 1),
        (72 * HOUR + timedelta(seconds=1), 0, 1, 0),
        (7 * DAY, 0, 1, 0),
        (7 * DAY + timedelta(seconds=1), 0, 0, 0),
    ],
)
def test_the_edges(
    db: Database, world: World, clock: FixedClock,
    after: timedelta, answered: int, booked: int, opted_out: int,
) -> None:  # fmt: skip
    then = clock.now() - 10 * DAY
    with db.tenant(world.north.tenant_id) as s:
        _, chat = new_person(s, world.north)
        past_touch(s, chat, then)
        word(s, chat, then + after)
        stop(s, chat, then + after)
        book(s, world.north, chat, then + after, "cancelled")
    line = lines(db, world.north, clock.now())[2]
    assert (line.answered, line.booked, line.opted_out) == (answered, booked, opted_out)


def test_a_stop_is_no_answer_and_machines_do_not_answer(
    db: Database, world: World, clock: FixedClock
) -> None:
    then = clock.now() - 2 * DAY
    with db.tenant(world.north.tenant_id) as s:
        for step in (2, 3):
            _, chat = new_person(s, world.north)
            past_touch(s, chat, then, step=step)
            if step == 2:
                stop(s, chat, then + HOUR, word(s, chat, then + HOUR))
            else:
                word(s, chat, then + HOUR, "automatic")
    found = lines(db, world.north, clock.now())
    assert [(one.answered, one.opted_out) for one in found.values()] == [(0, 1), (0, 0)]


def test_what_was_not_sent_says_why(db: Database, world: World, clock: FixedClock) -> None:
    then = clock.now() - DAY
    with db.tenant(world.north.tenant_id) as s:
        _, chat = new_person(s, world.north)
        past_touch(s, chat, then, status="skipped", reason="too late: 7 h after its time")
        past_touch(s, chat, then, status="skipped", reason="too late: 19 h after its time")
        past_touch(s, chat, then, status="ended", reason="the customer booked")
        past_touch(s, chat, then, message="withheld")
        past_touch(s, chat, then, status="planned")
        past_touch(s, chat, then, message="pending", reason="no phone number: by email instead")
    (line,) = lines(db, world.north, clock.now()).values()
    assert (line.touches, line.written, line.skipped, line.ended) == (5, 2, 2, 1)
    assert (line.waiting, line.withheld) == (1, 1)
    assert line.not_sent == {
        "too late: N h after its time": 2, "outside the lawful hours": 1, "the customer booked": 1,
    }  # fmt: skip


def generate(s: Session, shop: Shop, now: datetime, rng: random.Random, people: int) -> None:
    """Histories as dense as can be, so that every rule meets every other."""
    for _ in range(people):
        _, chat = new_person(s, shop)
        moment = now - timedelta(hours=rng.randrange(60 * 24))
        for _ in range(rng.randrange(1, 7)):
            moment += timedelta(minutes=rng.choice((0, 10, 600, 1440, 4000)))
            past_touch(
                s, chat, moment, step=rng.randrange(1, 4), plan=rng.choice(("default", "own")),
                version=rng.choice((None, 2)), channel=rng.choice(("sms", "email")), template=rng.choice("ab"),
                status=rng.choice(("written",) * 6 + ("skipped", "ended", "planned", "paused")),
                reason=rng.choice((None, "too late: 3 h", "the customer booked")),
                message=rng.choice(("sent", "delivered", "undelivered", "failed", "withheld", "pending", "dropped")),
                sent=moment + timedelta(hours=rng.choice((0, 0, 1, 30, 80))),
            )  # fmt: skip
        for _ in range(rng.randrange(4)):
            at = moment + timedelta(hours=rng.randrange(-100, 200))
            deed = rng.choice(("word", "stop", "said stop", "book", "automatic"))
            if deed == "stop":
                stop(s, chat, at)
            elif deed == "said stop":
                stop(s, chat, at, word(s, chat, at))
            elif deed == "book":
                book(s, shop, chat, at)
            else:
                word(s, chat, at, "inbound" if deed == "word" else "automatic")


def one_by_one(s: Session, since: datetime, until: datetime, only: Narrowed) -> Counter[tuple[Any, ...]]:
    """The report as a person would count it, row after row; keys (plan, version, step, channel, template, what)."""
    messages = {row.id: row for row in s.scalars(select(ChatMessage))}
    touches = list(s.scalars(select(TouchPoint).order_by(TouchPoint.id)))
    went = [
        (at, t.id, t.lead_id)
        for t in touches
        if t.message_id and messages[t.message_id].status in ("sent", "delivered")
        if (at := messages[t.message_id].sent_at) is not None
    ]
    stops = [one for one in s.scalars(select(ConsentEvent)) if one.action == "revoke"]
    said_stop = {one.message_id for one in stops}
    happened: list[tuple[int | None, datetime, str, timedelta]] = [
        (one.lead_id, one.effective_at, "opted_out", 72 * HOUR) for one in stops
    ]
    happened += [
        (one.lead_id, one.received_at, "answered", 72 * HOUR)
        for one in messages.values()
        if one.received_at is not None and one.kind == "inbound" and one.id not in said_stop
    ]
    happened += [
        (one.lead_id, datetime.fromisoformat(one.history[0]["when"]), "booked", 7 * DAY)
        for one in s.scalars(select(Appointment))
    ]
    came: set[tuple[int, str]] = set()
    for lead_id, at, what, within in happened:
        before = [one for one in went if one[2] == lead_id and one[0] < at]
        newest = max(before, key=lambda one: one[:2], default=None)
        if newest is not None and at - newest[0] <= within:
            came.add((newest[1], what))
    counted: Counter[tuple[Any, ...]] = Counter()
    for t in touches:
        if t.status not in ("written", "skipped", "ended") or not since <= t.due_at < until:
            continue
        if only.plan not in (None, t.plan) or only.channel not in (None, t.channel):
            continue
        key = (t.plan, t.plan_version, t.step, t.channel, t.template)
        counted[*key, "touches"] += 1
        counted[*key, t.status] += 1
        stands = messages[t.message_id].status if t.message_id else None
        for name, of in (("sent", ("sent", "delivered")), ("failed", ("undelivered", "failed")),
                         ("withheld", ("withheld", "dropped")), ("waiting", ("pending",)), ("delivered", ("delivered",)),
                         ("on_its_way", ("sent",))):  # fmt: skip
            counted[*key, name] += stands in of
        for name in ("answered", "booked", "opted_out"):
            counted[*key, name] += (t.id, name) in came
    return Counter({key: count for key, count in counted.items() if count})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("only", [Narrowed(), Narrowed(plan="own", channel="sms")], ids=["all", "narrowed"])
def test_the_query_counts_like_a_person(
    db: Database, world: World, clock: FixedClock, seed: int, only: Narrowed
) -> None:
    now, rng = clock.now(), random.Random(seed)
    with db.tenant(world.south.tenant_id) as s:
        generate(s, world.south, now, rng, 5)
    with db.tenant(world.north.tenant_id) as s:
        generate(s, world.north, now, rng, 40)
        since = now - rng.choice((20, 30, 45)) * DAY
        expected = one_by_one(s, since, now, only)
        report = report_on(s, world.north.tenant_id, since, now, only)
    counted = Counter(
        {
            (line.plan, line.plan_version, line.step, line.channel, line.template, name): getattr(line, name)
            for line in report.lines
            for name in SUMS
            if getattr(line, name)
        }
    )
    assert counted == expected
    assert counted.total() > 10, "the generated histories say something"
    for line in report.lines:
        assert line.touches == line.written + line.skipped + line.ended
        assert line.written == sum(
            getattr(line, one) for one in ("waiting", "on_its_way", "delivered", "failed", "withheld")
        )
        assert sum(line.not_sent.values()) == line.skipped + line.ended + line.withheld
        assert line.sent >= max(line.answered, line.booked, line.opted_out)
    assert report.totals["touches"] == sum(count for key, count in expected.items() if key[-1] == "touches")
    assert sum(report.not_sent.values()) == sum(sum(line.not_sent.values()) for line in report.lines)


def test_touches_are_read_by_their_index(db: Database, world: World, clock: FixedClock) -> None:
    """With many touches of others, the planner finds a business's own by the span of time."""
    from crm import cadence_report
    from crm.touch_results import WINDOWS

    now = clock.now()
    with db.tenant(world.north.tenant_id) as s:
        _, chat = new_person(s, world.north)
        for number in range(500):
            past_touch(s, chat, now - timedelta(minutes=10 * number), message=None, run=number + 1)
    with db.tenant(world.north.tenant_id) as s:
        given = {"tenant": world.north.tenant_id, "since": now - DAY, "until": now, **WINDOWS}
        s.execute(text("set local enable_seqscan = off"))
        plan = "\n".join(s.scalars(text("explain " + cadence_report._REPORT % ""), given))
    assert "ix_touch_points_over" in plan
    assert "ix_consent_events_revoked" in plan
    assert "ix_chat_messages_inbound" in plan


@pytest.fixture
def run(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    for any_run in running(test_database, clock, monkeypatch):

        def one(*arguments: str, base: Callable[..., Result] = any_run) -> Result:
            return base("cadence", "report", *arguments, "--tenant", "north")

        yield one


def test_the_command(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    assert "No touch came to its end" in run().stdout
    with db.tenant(world.north.tenant_id) as s:
        for number in range(4):
            _, chat = new_person(s, world.north)
            past_touch(s, chat, clock.now() - DAY, step=2, version=3, template="hello")
            if number == 0:
                stop(s, chat, clock.now() - HOUR)
        past_touch(s, chat, clock.now() - DAY, step=5, status="skipped", reason="step 6 is due as well")
    shown = run().stdout
    assert "default v3" in shown
    assert "1 (25.0%)" in shown
    assert "step N is due as well" in shown
    assert "5 touches = 4 written + 1 skipped + 0 ended" in shown
    assert "newest touch that went out" in shown
    told = json.loads(run("--json", "--template", "hello").stdout)
    assert (told["totals"]["sent"], told["totals"]["opted_out"], told["totals"]["skipped"]) == (4, 1, 0)
    assert told["lines"][0]["plan_version"] == 3
    assert json.loads(run("--json", "--location", world.north.slug).stdout)["totals"]["touches"] == 5
    assert "there is no location 'moon'" in refused(run, "--location", "moon")
