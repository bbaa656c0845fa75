"""How a launch ends stands in its run folder."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from child_environment import ROOT, child_environment

pytest.importorskip("launch")

from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessIO

from franka_reacher_rl.core.loop.events import Progress, RunState
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, ProgressFile
from franka_reacher_rl.core.run.run_state import holder, state_of
from franka_reacher_rl.launching.graph import fail
from franka_reacher_rl.launching.lifetime import Lifetime
from franka_reacher_rl.launching.run_end import RunEnd


def launched(folder: Path, *entities: Any, over: Sequence[Callable[[], None]] = ()) -> int:
    """Launch entities in a run folder until the launch ends."""

    def begin(context: Any) -> list[Any]:
        end = RunEnd(folder, "r1")
        return [*Lifetime([*over, end.release]).handlers(), *end.handlers(context), *entities]

    asyncio.set_event_loop(asyncio.new_event_loop())
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([OpaqueFunction(function=begin)]))
    return int(service.run())


def test_a_complete_run(tmp_path: Path) -> None:
    ProgressFile(tmp_path / PROGRESS_FILE, "r1").save(Progress(RunState.COMPLETE, 4, 24.0, 600, 30.0))
    assert launched(tmp_path, ExecuteProcess(cmd=["true"]), Shutdown(reason="the run is complete")) == 0
    assert state_of(tmp_path).state == "complete" and holder(tmp_path) == ""


def test_another_end_keeps_its_reason(tmp_path: Path) -> None:
    assert launched(tmp_path, Shutdown(reason="camera ended")) == 0
    assert (state_of(tmp_path).state, state_of(tmp_path).detail) == ("ended", "camera ended")


def test_the_end_is_noted_before_the_lock_is_released(tmp_path: Path) -> None:
    seen: list[str] = []
    launched(tmp_path, Shutdown(reason="camera ended"), over=[lambda: seen.append(state_of(tmp_path).state)])
    assert seen == ["ending"], "the lock is held, and the note says no longer that it runs"


def test_a_failure_has_its_message(tmp_path: Path) -> None:
    failing = OpaqueFunction(function=lambda context: fail(context, "error: learner died 5 times"))
    assert launched(tmp_path, failing) == 1
    assert (state_of(tmp_path).state, state_of(tmp_path).detail) == ("failed", "learner died 5 times")
    assert holder(tmp_path) == ""


LOOK = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # before the threads that an import starts
from franka_reacher_rl.core.run.run_state import holder
print("up", flush=True)
signal.sigwait({signal.SIGINT})
Path(sys.argv[1], "held").write_text(holder(Path(sys.argv[1])))
"""


def test_the_lock_is_held_until_the_last_process_has_ended(tmp_path: Path) -> None:
    """The process looks at the run folder after it was asked to end."""
    process = ExecuteProcess(
        cmd=[sys.executable, "-c", LOOK, str(tmp_path)],
        additional_env={"PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"},
    )

    def end(event: ProcessIO) -> Shutdown | None:
        return Shutdown(reason="camera ended") if b"up" in event.text else None

    assert launched(tmp_path, process, RegisterEventHandler(OnProcessIO(on_stdout=end))) == 0
    held = (tmp_path / "held").read_text()
    assert held.startswith(f"process {os.getpid()} on ") and holder(tmp_path) == ""


LAUNCH = """
import sys
from pathlib import Path
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess, OpaqueFunction
from franka_reacher_rl.launching.run_end import RunEnd
end = lambda context: RunEnd(Path(sys.argv[1]), "r1").handlers(context)
code = "import time; print('up', flush=True); time.sleep(60)"
ready = ExecuteProcess(cmd=[sys.executable, "-c", code], output="screen")
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([OpaqueFunction(function=end), ready]))
sys.exit(service.run())
"""


@pytest.mark.parametrize(
    ("number", "state", "detail"),
    [
        (signal.SIGINT, "interrupted", "by SIGINT"),
        (signal.SIGTERM, "interrupted", "by SIGTERM"),
        (signal.SIGHUP, "interrupted", "by SIGHUP"),
        (signal.SIGKILL, "died", "its launch process was killed, or the computer went down"),
    ],
)
def test_a_signal_to_the_launch_process(tmp_path: Path, number: int, state: str, detail: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=child_environment(tmp_path),
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        while "up" not in (line := process.stdout.readline()):
            assert line, "it ended"
        assert state_of(tmp_path).state == "running"
        process.send_signal(number)
        process.wait(30.0)
        assert (state_of(tmp_path).state, state_of(tmp_path).detail) == (state, detail)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
