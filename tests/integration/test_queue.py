"""The wake-up call: one entry per row, never an error, and in the web process never a wait."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import timedelta

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.clock import FixedClock
from ops.queue import WAKE_SET, BackgroundWakes, WakeQueue


def eventually(look: Callable[[], bool]) -> None:
    """Wait, at most ten seconds, until it is so."""
    end = time.monotonic() + 10
    while not look():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_a_row_woken_again_only_moves(queue: WakeQueue, clock: FixedClock) -> None:
    queue.wake("answer", 1, 7, clock.now() + timedelta(seconds=3))
    queue.wake("answer", 1, 7, clock.now() + timedelta(seconds=9))
    assert queue.take_due(clock.now() + timedelta(seconds=8)) == []
    assert queue.take_due(clock.now() + timedelta(seconds=9)) == [("answer", 1, "7")]
    assert queue.take_due(clock.now() + timedelta(seconds=9)) == []


def test_the_web_process_sends_in_the_background(redis_client: redis.Redis, clock: FixedClock) -> None:
    wakes = BackgroundWakes(redis_client)
    for row in range(50):
        wakes.wake("answer", 1, row, clock.now())
    wakes.wake("answer", 1, 7, clock.now() + timedelta(seconds=5))
    eventually(lambda: redis_client.zcard(WAKE_SET) == 50)
    eventually(lambda: redis_client.zscore(WAKE_SET, "answer:1:7") == clock.now().timestamp() + 5)
    assert wakes.lost == 0


def test_a_redis_that_hangs_keeps_nobody_waiting(clock: FixedClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port, once = silent.getsockname()[1], Retry(NoBackoff(), 0)
        client = redis.Redis(host="127.0.0.1", port=port, socket_timeout=0.3, retry=once)
        wakes = BackgroundWakes(client)
        wakes.wake("answer", 1, 1, clock.now())
        eventually(lambda: wakes.lost == 1)
        # The thread lives on and tries the next ones.
        wakes.wake("answer", 1, 2, clock.now())
        eventually(lambda: wakes.lost == 2)
        client.close()
