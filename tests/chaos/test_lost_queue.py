"""The queue is only the wake-up call: lost, emptied, away or doubled, every message is answered once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rq import Queue

from crm.consents import record_consent
from crm.leads import LeadData, upsert_lead
from crm.sessions import open_session
from scheduler.touches import start_cadence
from scheduler.worker import QUEUE
from tests.acceptance.customer import Texter
from tests.acceptance.processes import System, eventually, running
from tests.chaos.installation import Installation

pytestmark = pytest.mark.processes

FIRST_WORDS = "Hi, how much is ceramic tint for my 2019 Honda Civic sedan? Any time this week?"
PEOPLE = 5


def _one_answer_each(place: Installation, people: list[Texter]) -> None:
    for one in people:
        eventually(one.received, 60, "an answer")
    place.live_through(15)
    assert [len(one.received()) for one in people] == [1] * len(people)
    for one in people:
        rows = [row for row in place.rows("chat_messages", one.phone) if row["direction"] == "out"]
        assert [row["status"] for row in rows] == ["sent"]


def test_flushed_between_the_webhook_and_the_answer(place: Installation) -> None:
    people = [place.customer() for _ in range(2)]
    place.records.set_quiet_window(45)
    for one in people:
        one.send(FIRST_WORDS)
    place.records.set_quiet_window(0.2)
    assert len(place.woken("answer")) == len(people)
    with place.redis() as queue:
        queue.flushall()
    assert place.woken("answer") == []
    place.pass_time(seconds=46)
    _one_answer_each(place, people)


def test_flushed_while_the_model_thinks(place: Installation) -> None:
    dana = place.customer()
    with place.model.hold() as held:
        dana.send(FIRST_WORDS)
        held.wait()
        with place.redis() as queue:
            queue.flushall()
    _one_answer_each(place, [dana])
    assert place.turns(dana.phone) == ["done"]


def test_the_queue_is_away_when_a_text_comes_in(place: Installation) -> None:
    dana = place.customer()
    place.queues[-1].stop()
    dana.send(FIRST_WORDS)
    (row,) = place.rows("chat_messages", dana.phone)
    assert (row["direction"], row["body"]) == ("in", FIRST_WORDS)
    assert dana.received() == []
    place.start_valkey_again()
    _one_answer_each(place, [dana])
    eventually(lambda: place.waiting_for_jobs() == place.worker_threads(), 30, "all threads are back")


def test_the_queue_goes_away_while_the_model_thinks(place: Installation) -> None:
    dana = place.customer()
    with place.model.hold() as held:
        dana.send(FIRST_WORDS)
        held.wait()
        place.queues[-1].stop()
    # The worker finishes what it has begun without the queue.
    eventually(dana.received, 60, "an answer")
    place.start_valkey_again()
    _one_answer_each(place, [dana])


def test_the_worker_is_restarted_while_the_queue_is_away(place: Installation) -> None:
    dana = place.customer()
    place.queues[-1].stop()
    dana.send(FIRST_WORDS)
    eventually(lambda: "retrying" in place.system.log("worker"), 30, "the worker misses the queue")
    place.system.stop("worker")
    place.system.start("worker")
    place.start_valkey_again()
    _one_answer_each(place, [dana])
    eventually(lambda: place.waiting_for_jobs() == place.worker_threads(), 30, "all threads are back")


def test_nobody_is_woken_before_the_commit(place: Installation) -> None:
    """A worker that came first would find nothing to do, and then nobody would come but the sweeper."""
    dana = place.customer()
    dana.say(FIRST_WORDS)
    (chat,) = place.rows("chat_sessions", dana.phone)
    place.records.set_quiet_window(45)
    row = "select id from chat_sessions where id = :id for update"
    with ThreadPoolExecutor(1) as pool:
        with place.locked(row, id=chat["id"]) as lock:
            sent = pool.submit(dana.send, "Is that with tax?")
            lock.wait_for_another()
            assert place.woken("answer") == []
        sent.result(30)
    assert place.woken("answer") == [f"answer:{place.shop.tenant_id}:{chat['id']}"]
    place.records.set_quiet_window(0.2)
    place.pass_time(seconds=46)
    eventually(lambda: len(dana.received()) == 2, 30, "an answer")


@pytest.fixture
def two_of_each(place: Installation, tmp_path: Path) -> Iterator[None]:
    """A second worker and a second clock, with the configuration of the first."""
    env = place.env_of_a_second(tmp_path)
    with running(System(tmp_path / "second", place.database, place.queues[-1].url, env), "worker", "clock"):
        yield


@pytest.mark.usefixtures("two_of_each")
def test_two_workers_two_clocks_and_doubled_wake_ups(place: Installation) -> None:
    people = [place.customer() for _ in range(PEOPLE)]
    place.records.set_quiet_window(45)
    for one in people:
        one.send(FIRST_WORDS)
    place.records.set_quiet_window(0.2)
    touches = [_due_touch(place) for _ in range(PEOPLE)]
    place.pass_time(seconds=46)
    with place.redis() as connection:
        queue = Queue(QUEUE, connection=connection)
        for job, row_id in [*_jobs(place, people), *(("touch", str(touch)) for touch in touches)]:
            for _ in range(4):
                queue.enqueue("scheduler.jobs.run", job, place.shop.tenant_id, row_id, job_timeout=60)
    _one_answer_each(place, people)
    assert [place.turns(one.phone) for one in people] == [["done"]] * PEOPLE, "nobody is thought about twice"
    for touch in touches:
        statement = "select m.status from chat_messages m join touch_points t on t.id = m.touch_point_id where t.id = :id"
        assert [row["status"] for row in place.records.all(statement, id=touch)] == ["sent"]


def _jobs(place: Installation, people: list[Texter]) -> list[tuple[str, str]]:
    chats = [place.rows("chat_sessions", one.phone) for one in people]
    return [("answer", str(chat["id"])) for (chat,) in chats]


def _due_touch(place: Installation) -> int:
    """The first touch of somebody new, due now; nothing has been woken for it."""
    now = place.system.now()
    phone, tenant_id = place.new_phone(), place.shop.tenant_id
    with place.db.tenant(tenant_id) as session:
        data = LeadData(source="test", first_name="Pat", phone=phone)
        lead, _ = upsert_lead(session, tenant_id, place.shop.location_id, data)
        record_consent(
            session, tenant_id=tenant_id, channel="sms", address=phone, action="grant", actor="crm",
            source="test", evidence="ticked the box", effective_at=now, lead_id=lead.id,
        )  # fmt: skip
        first, *_ = start_cadence(session, lead, open_session(session, lead), now=now)
        return int(first.id)
