"""The folder of a test run: in memory where there is room, and what a killed run left there goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.scratch import make_scratch


def test_it_lies_in_memory_while_there_is_room(tmp_path: Path) -> None:
    assert make_scratch(tmp_path, room_bytes=1).parent == tmp_path


def test_without_room_it_lies_among_temporary_files(tmp_path: Path) -> None:
    folder = make_scratch(tmp_path, room_bytes=1 << 60)
    assert folder.is_dir()
    assert folder.parent != tmp_path
    shutil.rmtree(folder)


def test_without_such_a_place_too(tmp_path: Path) -> None:
    folder = make_scratch(tmp_path / "nowhere")
    assert folder.is_dir()
    shutil.rmtree(folder)


def test_what_a_killed_run_left_goes_and_what_a_running_one_has_stays(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"leads-tests-{ended.pid}-abc"
    kept = tmp_path / f"leads-tests-{os.getpid()}-abc"
    others = tmp_path / "somebody's"
    for folder in (left, kept, others):
        (folder / "data").mkdir(parents=True)
    make_scratch(tmp_path, room_bytes=1)
    assert [folder.exists() for folder in (left, kept, others)] == [False, True, True]
