"""What Redis still knows of a forgotten person: wake-ups by number, and failed jobs, whose error texts may say more."""

from __future__ import annotations

from collections.abc import Iterable

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.lead_forgetting import Person
from crm.models import ChatMessage, TouchPoint
from ops.queue import WAKE_SET

QUEUE = "leads"
_PAGE = 1000


def traces_of(s: Session, person: Person) -> set[str]:
    """The wake-ups that may name this person's rows, as `job:tenant:row`. Read it before the person is forgotten."""
    messages = s.scalars(select(ChatMessage.id).where(ChatMessage.session_id.in_(person.session_ids)))
    touches = s.scalars(select(TouchPoint.id).where(TouchPoint.lead_id.in_(person.lead_ids)))
    by_job: tuple[tuple[tuple[str, ...], Iterable[int | str]], ...] = (
        (("answer", "flush"), person.session_ids),
        (("deliver", "reconcile"), messages),
        (("touch",), touches),
        (("webhook",), person.event_ids),
    )
    return {f"{job}:{person.tenant_id}:{row}" for jobs, rows in by_job for row in rows for job in jobs}


def clear_traces(client: redis.Redis, traces: set[str]) -> int:
    """Take them out of Redis; returns how many there were. Raises redis.RedisError when it is away: then the wake-ups
    find nothing, and failed jobs go after a week by themselves."""
    names = sorted(traces)
    gone = sum(int(client.zrem(WAKE_SET, *names[at : at + _PAGE])) for at in range(0, len(names), _PAGE))
    queue = Queue(QUEUE, connection=client)
    for registry in (queue.failed_job_registry, queue.finished_job_registry):
        for job_id in registry.get_job_ids():
            gone += _delete(client, job_id, traces)
    return gone


def _delete(client: redis.Redis, job_id: str, traces: set[str]) -> int:
    try:
        job = Job.fetch(job_id, connection=client)
    except NoSuchJobError:
        return 0
    if ":".join(str(one) for one in job.args) not in traces:
        return 0
    job.delete()
    return 1
