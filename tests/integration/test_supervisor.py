"""The supervisor with children that do next to nothing: crash, order of the end, and no orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from ops.supervisor import Child, ChildFailed, Supervisor

NOTES = "import sys, time; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
CRASHES = [sys.executable, "-c", f"{NOTES}; sys.exit(3)"]
STAYS = [
    sys.executable,
    "-c",
    "import signal, sys, time\n"
    "def end(*_):\n"
    "    open(sys.argv[1], 'a').write('end ' + sys.argv[2] + '\\n'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "open(sys.argv[1], 'a').write('up ' + sys.argv[2] + '\\n')\n"
    "while True: time.sleep(0.05)\n",
]
DEAF = [
    sys.executable,
    "-c",
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {NOTES}; time.sleep(600)",
]


def wait_for(what: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def child(name: str, command: list[str], notes: Path, grace_s: float = 10.0) -> Child:
    return Child(name, [*command, str(notes), name], grace_s)


def test_a_crashed_child_is_started_again_and_it_is_said(tmp_path: Path) -> None:
    notes, said = tmp_path / "notes", []  # type: ignore[var-annotated]
    system = Supervisor([child("web", CRASHES, notes)], tmp_path, said.append)
    system.start()
    deadline = time.monotonic() + 30
    system.watch(until=lambda: len(lines(notes)) >= 2 or time.monotonic() > deadline)
    system.stop()
    assert lines(notes)[:2] == ["web", "web"]
    assert any("web ended with code 3; starting it again in 0.5 s" in line for line in said)


def test_children_end_in_order_each_before_the_next(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    names = ["web", "worker", "clock"]
    system = Supervisor([child(name, STAYS, notes) for name in names], tmp_path, lambda _: None)
    system.start()
    wait_for(lambda: len(lines(notes)) == 3)
    system.stop()
    assert lines(notes)[3:] == ["end web", "end worker", "end clock"]
    system.stop()
    assert not (tmp_path / "running.json").exists()


def test_a_child_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    system = Supervisor([child("worker", DEAF, notes, grace_s=0.2)], tmp_path, lambda _: None)
    system.start()
    wait_for(lambda: lines(notes) == ["worker"])
    pid = int(json.loads((tmp_path / "running.json").read_text())[0].partition(":")[0])
    system.stop()
    assert not psutil.pid_exists(pid)


def test_a_child_that_fails_at_the_start_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the port is taken')"]
    system = Supervisor([Child("web", command)], tmp_path, lambda _: None)
    system.start()
    with pytest.raises(ChildFailed, match="web did not start:\nthe port is taken"):
        system.wait_until(lambda: False, 30)
    system.stop()


def test_errors_in_a_childs_log_are_passed_on_and_nothing_else(tmp_path: Path) -> None:
    said: list[str] = []
    logged = [
        {"level": "info", "event": "answered", "error": "none"},
        {"level": "error", "event": "carrier_refused", "code": 20003, "timestamp": "2026-11-23"},
    ]
    code = "import time; print('not json: \"error\"'); "
    code += "".join(f"print({json.dumps(json.dumps(entry))}, flush=True); " for entry in logged)
    system = Supervisor(
        [Child("worker", [sys.executable, "-c", code + "time.sleep(600)"], 0.2)], tmp_path, said.append
    )
    system.start()
    deadline = time.monotonic() + 30
    system.watch(until=lambda: bool(said) or time.monotonic() > deadline)
    assert said == ["worker: carrier_refused code=20003"]
    system.stop()


def supervise_elsewhere(tmp_path: Path, command: list[str]) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A supervisor in a process of its own, and the numbers of its children."""
    notes = tmp_path / "notes"
    code = (
        "import sys\nfrom pathlib import Path\nfrom ops.supervisor import Child, Supervisor\n"
        f"children = [Child(n, {[*command, str(notes)]!r} + [n]) for n in ('web', 'worker')]\n"
        f"s = Supervisor(children, Path({str(tmp_path)!r}), print)\n"
        "s.start()\ns.watch(until=lambda: False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: len(lines(notes)) == 2)
    marks = json.loads((tmp_path / "running.json").read_text())
    return process, [int(mark.partition(":")[0]) for mark in marks]


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_killed_supervisor_leaves_no_child(tmp_path: Path) -> None:
    process, pids = supervise_elsewhere(tmp_path, STAYS)
    assert len(pids) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert sorted(lines(tmp_path / "notes")[2:]) == ["end web", "end worker"]


def test_the_next_start_ends_what_did_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, pids = supervise_elsewhere(tmp_path, DEAF)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert not any(gone(pid) for pid in pids)
    monkeypatch.setattr("ops.processes.LEFTOVER_GRACE_SECONDS", 0.2)
    assert Supervisor([], tmp_path, lambda _: None).end_leftovers() == 2
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert Supervisor([], tmp_path, lambda _: None).end_leftovers() == 0
