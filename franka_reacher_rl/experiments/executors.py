"""Executes runs on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from franka_reacher_rl.experiments.run_files import CHECKPOINT_EVERY, ERROR, finished
from franka_reacher_rl.experiments.spec import Run

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Job:
    """A run and its folder."""

    run: Run
    folder: Path

    @property
    def name(self) -> str:
        """The run's name in messages."""
        return f"{self.run.variant.name} seed {self.run.seed}"

    @property
    def finished(self) -> bool:
        """Whether its result exists."""
        return finished(self.run, self.folder)


class Executor(Protocol):
    """Executes runs. Each run ends as done or failed; no method raises because of a run."""

    slots: int  # runs at the same time
    realtime: bool  # whether the ROS graph makes the results

    def start(self, job: Job) -> None:
        """Start a run; there is a free slot."""

    def ended(self) -> list[tuple[Job, str]]:
        """Return the runs that have ended since the last call, each with the reason of its failure, or an empty one."""

    def stop(self) -> None:
        """End the runs that are still running."""


class LocalProcesses:
    """Executes each run in a process of its own, so that a crash affects no other run."""

    realtime = False

    def __init__(self, slots: int, checkpoint_every: float = CHECKPOINT_EVERY) -> None:
        self.slots = slots
        self._every = checkpoint_every
        self._running: list[tuple[Job, subprocess.Popen[bytes]]] = []

    def start(self, job: Job) -> None:
        """Start a run."""
        command = [sys.executable, "-m", "franka_reacher_rl.experiments.virtual_run", str(job.folder), str(self._every)]
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": paths}
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        self._running.append((job, process))

    def ended(self) -> list[tuple[Job, str]]:
        """Return the runs whose process has ended."""
        over = [(job, process) for job, process in self._running if process.poll() is not None]
        self._running = [pair for pair in self._running if pair not in over]
        return [(job, self._failure(job, process)) for job, process in over]

    def stop(self) -> None:
        """End the processes; their checkpoints stay."""
        for _, process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()
        for _, process in self._running:
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = []

    @staticmethod
    def _failure(job: Job, process: subprocess.Popen[bytes]) -> str:
        if process.returncode == 0 and job.finished:
            return ""
        error = job.folder / ERROR
        if error.exists():
            return error.read_text().strip().splitlines()[-1]
        return f"its process ended with {process.returncode}; see {job.folder / 'log.txt'}"


class InThisProcess:
    """Executes one run after the other in this process: for tests and debuggers."""

    slots = 1
    realtime = False

    def __init__(self) -> None:
        self._ended: list[tuple[Job, str]] = []

    def start(self, job: Job) -> None:
        """Execute the whole run."""
        from franka_reacher_rl.experiments.virtual_run import run_folder  # imports PyTorch

        try:
            run_folder(job.folder)
        except Exception as error:  # reported by `ended`, like the failure of a process
            self._ended.append((job, f"{type(error).__name__}: {error}"))
        else:
            self._ended.append((job, ""))

    def ended(self) -> list[tuple[Job, str]]:
        """Return the runs since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """Do nothing: no run is ever left running."""
