"""The dispatcher: touches a second from the claim to the outbox, alone and by two processes; the whole way of a touch to
the carrier against a bare loop of the official SDK's sends; and the claim with few and with very many touches planned.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from channels.sms.client import make_client
from tests.bench.dispatch_claims import bench_claims
from tests.bench.dispatch_shop import THREADS, DispatchShop, dispatch_all, dispatch_shop, phone_of
from tests.bench.harness import Row
from tests.bench.outbox import BODY, carrier
from tests.bench.outbox_carrier import SID, TOKEN

ROUNDS, TOUCHES = 5, 400
MOST_TRIES = 10 * TOUCHES

Worker = subprocess.Popen[str]


def bench_dispatch(say: Callable[[str], None]) -> list[Row]:
    """Rates as medians of rounds taken in turn, and what a touch costs one process in processor time, which says more
    where a machine is shared."""
    alone: list[float] = []
    two: list[float] = []
    cost: list[float] = []
    whole: list[float] = []
    bare: list[float] = []
    with ExitStack() as stack:
        base = stack.enter_context(carrier())
        shop = stack.enter_context(dispatch_shop(base))
        workers = [stack.enter_context(_worker(shop)) for _ in range(2)]
        shop.plan(TOUCHES)
        _alone(shop)
        for number in range(ROUNDS):
            shop.take_back()
            rate, spent = _alone(shop)
            alone.append(rate)
            cost.append(spent)
            shop.take_back()
            two.append(_together(shop, workers))
            shop.take_back()
            whole.append(_whole_way(shop))
            bare.append(_bare(shop, base))
            say(
                f"dispatch round {number + 1}/{ROUNDS}: {alone[-1]:.0f}/s, two processes {two[-1]:.0f}/s,"
                f" to the carrier {whole[-1]:.0f}/s, bare SDK {bare[-1]:.0f}/s"
            )
        claims = bench_claims(shop.owner, shop.runtime.db, say)
    one, both, way, floor = (statistics.median(values) for values in (alone, two, whole, bare))
    own = f"{statistics.median(cost):.1f} ms of processor each"
    return [
        Row("touches per second through to the outbox, one process", f"{one:.1f}", "1/s", own, None, "", None),
        Row("the same, two processes", f"{both:.1f}", "1/s", f"one {one:.1f}", round(both / one, 3), "", None),
        Row(
            f"touches per second to the carrier, {THREADS} threads", f"{way:.1f}", "1/s", f"bare SDK {floor:.1f}",
            round(way / floor, 3), "", None,
        ),
        *claims,
    ]  # fmt: skip


def _alone(shop: DispatchShop) -> tuple[float, float]:
    """(touches a second, milliseconds of this process' processor for one)."""
    began, used = time.perf_counter(), time.process_time()
    _must_be_all(dispatch_all(shop.runtime))
    spent = (time.process_time() - used) * 1000
    return TOUCHES / (time.perf_counter() - began), spent / TOUCHES


def _together(shop: DispatchShop, workers: list[Worker]) -> float:
    began = time.perf_counter()
    for worker in workers:
        print("go", file=worker.stdin, flush=True)
    written = sum(_answer(worker) for worker in workers)
    took = time.perf_counter() - began
    _must_be_all(written)
    return TOUCHES / took


def _whole_way(shop: DispatchShop) -> float:
    """Claimed, judged, written, asked about at the gate and handed over, by as many threads as the bare loop has."""
    began = time.perf_counter()
    dispatch_all(shop.runtime)
    states: list[str] = []
    # What stood still on a busy machine between the gate and the carrier is asked about once more, as in life.
    while len(states) < MOST_TRIES and (left := shop.unsent()):
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda one: states.append(shop.runtime.outbox.deliver(*one)), left))
    took = time.perf_counter() - began
    _must_be_all(states.count("sent"))
    return TOUCHES / took


def _bare(shop: DispatchShop, base: str) -> float:
    client = make_client(SID, TOKEN, base)

    def send(number: int) -> None:
        client.messages.create(
            to=phone_of(number), from_=shop.phones[number % len(shop.phones)], body=BODY,
            status_callback=f"{base}/none", validity_period=900,
        )  # fmt: skip

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, range(TOUCHES)))
    return TOUCHES / (time.perf_counter() - began)


@contextmanager
def _worker(shop: DispatchShop) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.bench.dispatch_worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            print(json.dumps(shop.environment), file=process.stdin, flush=True)
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the dispatcher's process did not start")
            yield process
        finally:
            process.terminate()


def _answer(worker: Worker) -> int:
    assert worker.stdout is not None
    return int(worker.stdout.readline())


def _must_be_all(count: int) -> None:
    if count != TOUCHES:
        raise RuntimeError(f"{count} of {TOUCHES} touches came through")
