"""What a run folder tells about its run: who runs it, and how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from full_disk import small_disk

from franka_reacher_rl.core.loop.events import Progress, RunState
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, ProgressFile
from franka_reacher_rl.core.run.run_state import NOTE_FILE, FolderUse, RunLock, end_by_progress, holder, state_of

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from franka_reacher_rl.core.run.run_state import RunLock
lock = RunLock(Path(sys.argv[1]), "r1")
print("held", flush=True)
time.sleep(60)
"""


def progress(folder: Path, state: RunState, run_id: str = "r1") -> None:
    file = ProgressFile(folder / PROGRESS_FILE, run_id)
    file.save(Progress(state, 4, 24.0, 600, 30.0))


def test_a_run_is_running_while_its_lock_is_held(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "run", "r1")
    assert holder(tmp_path / "run").startswith(f"process {os.getpid()} on ")
    assert state_of(tmp_path / "run").state == "running"
    progress(tmp_path / "run", RunState.PAUSED)
    assert state_of(tmp_path / "run").state == "paused"
    lock.end("interrupted by SIGINT")
    assert state_of(tmp_path / "run").state == "ending"
    lock.release()
    assert holder(tmp_path / "run") == "" and state_of(tmp_path / "run").state == "interrupted"


@pytest.mark.parametrize(
    ("how", "noted", "state", "detail"),
    [
        ("complete", RunState.COMPLETE, "complete", ""),
        ("aborted", RunState.ABORTED, "aborted", ""),
        ("interrupted by SIGINT", RunState.RUNNING, "interrupted", "by SIGINT"),
        ("interrupted by SIGINT", RunState.COMPLETE, "complete", ""),
        ("failed: learner died: 5 times", RunState.RUNNING, "failed", "learner died: 5 times"),
        ("failed: recorder ended with exit code 1", RunState.COMPLETE, "failed", "recorder ended with exit code 1"),
        ("ended: camera ended", RunState.RUNNING, "ended", "camera ended"),
    ],
)
def test_how_a_run_ended(tmp_path: Path, how: str, noted: RunState, state: str, detail: str) -> None:
    lock = RunLock(tmp_path, "r1")
    progress(tmp_path, noted)
    lock.end(how)
    lock.release()
    found = state_of(tmp_path)
    assert (found.state, found.detail) == (state, detail)


def test_a_second_launch_is_refused_with_the_process_that_runs_the_first(tmp_path: Path) -> None:
    first = RunLock(tmp_path, "r1")
    with pytest.raises(ValueError, match=rf"is in use by process {os.getpid()} on .*end that launch"):
        RunLock(tmp_path, "r2")
    assert json.loads((tmp_path / NOTE_FILE).read_text())["run_id"] == "r1"
    first.release()
    RunLock(tmp_path, "r2").release()


def test_a_killed_launch_leaves_a_run_that_died(tmp_path: Path) -> None:
    variables = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=variables
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    assert holder(tmp_path).startswith(f"process {process.pid} on ")
    with pytest.raises(ValueError, match=f"process {process.pid} "):
        RunLock(tmp_path, "r2")
    process.kill()
    process.wait()
    assert state_of(tmp_path).state == "died" and "without an orderly end" in state_of(tmp_path).remark
    progress(tmp_path, RunState.COMPLETE)
    assert state_of(tmp_path).state == "complete", "it was killed after its last episode"


def test_a_launch_is_refused_while_nodes_of_an_earlier_one_still_write(tmp_path: Path) -> None:
    RunLock(tmp_path, "r1").release()
    learner, recorder = FolderUse(tmp_path), FolderUse(tmp_path)
    with pytest.raises(ValueError, match=r"nodes of an earlier launch still write into .*: try again in some seconds"):
        RunLock(tmp_path, "r2")
    del learner
    with pytest.raises(ValueError, match="still write"):
        RunLock(tmp_path, "r2")
    del recorder
    lock = RunLock(tmp_path, "r2")
    FolderUse(tmp_path)
    assert state_of(tmp_path).state == "running"
    lock.release()


def test_the_progress_of_an_earlier_part_does_not_count(tmp_path: Path) -> None:
    progress(tmp_path, RunState.COMPLETE, "r0")
    lock = RunLock(tmp_path, "r1")
    assert state_of(tmp_path).state == "running"
    lock.release()
    assert state_of(tmp_path).state == "died"
    assert end_by_progress(tmp_path, "r1", "ended: x") == "ended: x"
    assert end_by_progress(tmp_path, "r0", "ended: x") == "complete"


@pytest.mark.parametrize("content", ["", "[]", "{", '"text"'])
def test_a_damaged_note_is_no_note(tmp_path: Path, content: str) -> None:
    assert state_of(tmp_path).state == "unknown"
    (tmp_path / NOTE_FILE).write_text(content)
    assert state_of(tmp_path).state == "unknown"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written \(Not a directory\): give run_dir"):
        RunLock(tmp_path / "file" / "run", "r1")


def test_a_run_is_not_begun_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        disk.fill()
        with pytest.raises(ValueError, match=r"cannot be written \(No space left on device\): give run_dir"):
            RunLock(tmp_path / "run", "r1")


def test_progress_that_could_not_be_saved_is_saved_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        file, complete = ProgressFile(tmp_path / PROGRESS_FILE, "r1"), Progress(RunState.COMPLETE, 4, 24.0, 600, 30.0)
        file.save(Progress(RunState.RUNNING, 4, 20.0, 500, 25.0))
        disk.fill()
        file.save(complete)
        assert "No space left on device" in file.failure and end_by_progress(tmp_path, "r1", "running") == "running"
        disk.empty()
        file.save(complete)
        assert file.failure == "" and end_by_progress(tmp_path, "r1", "running") == "complete"
