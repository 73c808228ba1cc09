"""Places are few, taken in order, and never lost: not by an error, nor by a time-out that comes between any two steps."""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException, TimerDeathPenalty

from ops import turnstile as turnstile_module
from ops.turnstile import Turnstile, Visit

GIVE_UP_S = 20.0


class Away(Exception):
    """An error of the work inside."""


class CutOff(BaseException):
    """A time-out that the tracer brings in."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def until(look: Callable[[], bool]) -> None:
    for _ in range(int(GIVE_UP_S / 0.005)):
        if look():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never came to that")


def in_line(turnstile: Turnstile, count: int) -> None:
    """Wait until so many have a place or wait for one."""
    until(lambda: len(turnstile._line) == count)


def all_free(turnstile: Turnstile, places: int = 1) -> bool:
    """Whether nobody is in the line, and all places can be had."""
    if turnstile._line:
        return False
    with ExitStack() as stack:
        for _ in range(places):
            stack.enter_context(turnstile.inside())
    return True


def test_as_many_are_inside_as_there_are_places(threads: ThreadPoolExecutor) -> None:
    turnstile, lock, together = Turnstile(3), threading.Lock(), threading.Barrier(3)
    inside, most = [0], [0]

    def work() -> None:
        with turnstile.inside():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait(GIVE_UP_S)
            with lock:
                inside[0] -= 1

    for one in [threads.submit(work) for _ in range(12)]:
        one.result(GIVE_UP_S)
    assert most == [3]
    assert all_free(turnstile, 3)


def test_who_comes_first_is_served_first_and_at_once(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever is not told that a place is free would find it only after all patience of the test.
    monkeypatch.setattr(turnstile_module, "LOOK_S", 3 * GIVE_UP_S)
    turnstile, order = Turnstile(1), []

    def work(number: int) -> None:
        with turnstile.inside():
            order.append(number)

    with turnstile.inside():
        begun: list[Future[None]] = []
        for number in range(6):
            begun.append(threads.submit(work, number))
            in_line(turnstile, number + 2)
    for one in begun:
        one.result(GIVE_UP_S)
    assert order == list(range(6))


def test_who_waits_outside_lets_the_next_one_in_and_returns_after_them(threads: ThreadPoolExecutor) -> None:
    turnstile, told, may_leave = Turnstile(1), [], threading.Event()

    def other() -> None:
        with turnstile.inside():
            told.append("other in")
            may_leave.wait(GIVE_UP_S)
            told.append("other out")

    def first() -> None:
        with turnstile.inside() as visit:
            with visit.outside():
                threads.submit(other)
                until(lambda: told == ["other in"])
            told.append("back")

    ended = threads.submit(first)
    until(lambda: told == ["other in"])
    in_line(turnstile, 2)
    may_leave.set()
    ended.result(GIVE_UP_S)
    assert told == ["other in", "other out", "back"]


def test_an_error_gives_the_place_back() -> None:
    turnstile = Turnstile(1)
    with pytest.raises(Away), turnstile.inside():
        raise Away
    assert all_free(turnstile)


def outside_that_fails(visit: Visit) -> None:
    with pytest.raises(Away), visit.outside():
        raise Away


def outside_within_outside(visit: Visit) -> None:
    with visit.outside():
        with visit.outside():
            assert visit not in visit.turnstile._line
        assert visit not in visit.turnstile._line, "the outer block is not over"


def outside_begun_once_and_used_twice(visit: Visit) -> None:
    outside = visit.outside()
    with outside, outside:
        pass
    with outside:
        assert visit not in visit.turnstile._line


@pytest.mark.parametrize(
    "work", [outside_that_fails, outside_within_outside, outside_begun_once_and_used_twice]
)
def test_afterwards_the_visit_has_one_place_again(
    threads: ThreadPoolExecutor, work: Callable[[Visit], None]
) -> None:
    turnstile, told = Turnstile(1), []

    def other() -> None:
        with turnstile.inside():
            told.append("other in")

    with turnstile.inside() as visit:
        work(visit)
        waits = threads.submit(other)
        in_line(turnstile, 2)
        told.append("still in")
    waits.result(GIVE_UP_S)
    assert told == ["still in", "other in"]
    assert all_free(turnstile)


def test_a_block_outside_that_outlives_its_visit_takes_no_place() -> None:
    turnstile = Turnstile(1)
    with ExitStack() as late, turnstile.inside() as visit:
        late.enter_context(visit.outside())
    assert all_free(turnstile)


def wait_to_get_in(turnstile: Turnstile, _: threading.Event) -> None:
    with turnstile.inside():
        raise AssertionError("nobody has left")


def wait_to_come_back(turnstile: Turnstile, is_out: threading.Event) -> None:
    with turnstile.inside() as visit, visit.outside():
        is_out.set()
        in_line(turnstile, 1)


@pytest.mark.parametrize("work", [wait_to_get_in, wait_to_come_back])
def test_a_time_out_of_rq_reaches_who_waits_and_costs_no_place(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, work: Callable[..., None]
) -> None:
    monkeypatch.setattr(turnstile_module, "LOOK_S", 0.05)
    turnstile, is_out = Turnstile(1), threading.Event()

    def job() -> None:
        with pytest.raises(JobTimeoutException), TimerDeathPenalty(1, JobTimeoutException):
            work(turnstile, is_out)

    if work is wait_to_come_back:
        ended = threads.submit(job)
        assert is_out.wait(GIVE_UP_S)
    with turnstile.inside():
        if work is wait_to_get_in:
            ended = threads.submit(job)
        ended.result(GIVE_UP_S)
    assert all_free(turnstile)


class Tracer:
    """Raises in this thread at the `number`-th moment at which the interpreter would let a time-out into our module: when
    a function begins, after a call and at the end of a round of a loop."""

    def __init__(self, number: int) -> None:
        self.left = number
        self._before: dict[int, str] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != turnstile_module.__file__:
            return None
        frame.f_trace_opcodes = True
        before = self._before.pop(id(frame), "")
        if event == "call":
            self._count(f"{frame.f_code.co_qualname} begins")
        elif event == "opcode":
            self._before[id(frame)] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if before.startswith(("CALL", "JUMP_BACKWARD")):
                self._count(f"{frame.f_code.co_qualname} goes on")
        return self

    def _count(self, where: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise CutOff(where)


def one_visit(turnstile: Turnstile) -> None:
    with turnstile.inside() as visit:
        outside_that_fails(visit)
        with visit.outside():
            pass


def cut_off(number: int, turnstile: Turnstile) -> str:
    """Make a visit and cut it off at this moment; says where that was, "" when it was over before."""
    sys.settrace(Tracer(number))
    try:
        one_visit(turnstile)
    except CutOff as error:
        return str(error)
    finally:
        sys.settrace(None)
    return ""


def cut_off_between_others(number: int, turnstile: Turnstile) -> str:
    """One is before it in the line, so that it waits, and one behind it, whom it has to let in."""
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(1) as thread_behind:
        with turnstile.inside():
            visit = thread.submit(cut_off, number, turnstile)
            until(lambda: visit.done() or len(turnstile._line) == 2)
            behind = thread_behind.submit(one_visit, turnstile)
            until(lambda: len(turnstile._line) == 3 - visit.done())
        where = visit.result(GIVE_UP_S)
        if where == "Visit.__exit__ begins":
            thread.submit(one_visit, turnstile).result(GIVE_UP_S)
        behind.result(GIVE_UP_S)
    return where


@pytest.mark.parametrize("case", [cut_off, cut_off_between_others])
def test_a_time_out_at_any_moment_costs_no_place(
    monkeypatch: pytest.MonkeyPatch, case: Callable[[int, Turnstile], str]
) -> None:
    monkeypatch.setattr(turnstile_module, "LOOK_S", 0.02)
    for number in range(1, 1000):
        turnstile = Turnstile(1)
        where = case(number, turnstile)
        if where == "Visit.__exit__ begins":
            # Nothing of its end has run; the thread's next visit makes that good.
            one_visit(turnstile)
        assert all_free(turnstile), f"cut off at moment {number}: {where}"
        if not where:
            break
    assert 40 < number < 999, "the whole visit was gone through"


def test_a_visit_within_a_visit_waits_for_nobody() -> None:
    turnstile = Turnstile(1)
    with turnstile.inside():
        one_visit(turnstile)
    assert all_free(turnstile)


def test_a_turnstile_needs_a_place() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Turnstile(0)
