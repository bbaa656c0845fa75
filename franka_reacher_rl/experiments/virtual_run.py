"""Executes one run in virtual time in this process; it can be resumed at any time.

`python -m franka_reacher_rl.experiments.virtual_run FOLDER` executes the run specified in FOLDER/run.json.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.safetensors_format import Arrays
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.machine import keep_freed_memory
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.loop.actor import Actor
from franka_reacher_rl.core.loop.environment import Environment
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.core.task.summary import COLUMNS, EpisodeSummary
from franka_reacher_rl.experiments.provenance import code_digest, require_this_code
from franka_reacher_rl.experiments.run_files import (
    CHECKPOINT_EVERY,
    CHECKPOINTS,
    EPISODES,
    ERROR,
    POLICY,
    RESULT,
    RUN,
    finished,
)
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.virtual.latency import LatencySampler
from franka_reacher_rl.virtual.plant import SimulatedPlant, with_command_timeout
from franka_reacher_rl.virtual.timeline import Timeline


class _Updates:
    """The trainer as the timeline drives it: an update draws its batch when it begins."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    @property
    def updates(self) -> int:
        return self._trainer.updates

    def update(self) -> None:
        self._trainer.update(self._trainer.sample())

    def weights(self) -> Arrays:
        return self._trainer.sac.policy_weights()


class VirtualRun:
    """A run and its parts; `run` does what is left of it."""

    def __init__(self, run: Run, folder: Path, checkpoint_every: float = CHECKPOINT_EVERY) -> None:
        """Build the parts and continue from the newest checkpoint, if there is one.

        Args:
            run: What to run.
            folder: Of the run; it exists.
            checkpoint_every: Wall time between checkpoints, s.

        Raises:
            ValueError: Something in the run is not allowed, or the folder's checkpoint is of another run.
            RuntimeError: This machine lacks something, such as OpenGL.
        """
        variant, setting, seed = run.variant, run.variant.setting, run.seed
        prepare_process(setting.learner.device)
        robot = with_command_timeout(Robot.load(variant.robot), variant.command_timeout)
        self._run, self._folder, self._every = run, folder, checkpoint_every
        rows = run.episodes * (setting.episode.steps + 2)
        self.trainer = make_trainer(
            setting.image,
            setting.network,
            setting.sac,
            setting.learner,
            robot.dof,
            seed,
            rows=rows,
            checkpoints=folder / CHECKPOINTS,
            exact_draws=True,
        )
        self.plant = SimulatedPlant(robot, setting)
        self._policy = Policy(setting.image, setting.network, robot.dof, seed)
        budget = UpdateBudget(setting.learner.warmup_steps, setting.learner.max_updates_per_step)
        self.timeline = Timeline(
            variant.wiring,
            Environment(setting.episode, robot, self.plant, lambda episode: reset_rng(seed, episode)),
            Actor(self._policy, FrameStack(setting.image), robot.dof),
            lambda stopwatch: Learner(self.trainer, budget, stopwatch),
            _Updates(self.trainer),
            self.plant,
            LatencySampler(variant.latency, seed),
        )
        self._done = 0
        self._restore()
        self._table = CsvFile(folder / EPISODES, COLUMNS, keep=self._done)
        self._table.sync()  # a folder that cannot be written is an error now, not after the first episodes
        self._saved_at = time.monotonic()

    def run(self, on_episode: Callable[[EpisodeSummary], None] = lambda summary: None) -> None:
        """Run the episodes that are left, then write the result and the final policy."""
        if self._done == 0:
            self.timeline.reset()
        for episode in range(self._done + 1, self._run.episodes + 1):
            began = time.monotonic()
            summary = self.timeline.run_episode().summary
            self.timeline.reset()  # also after the last: a run begins the same however long it is
            summary = summary.with_values(self._learner_values() | {"wall_seconds": time.monotonic() - began})
            self._table.write(summary.row())
            self._done = episode
            if episode < self._run.episodes and time.monotonic() - self._saved_at >= self._every:
                self._save()
            on_episode(summary)
        self._finish()

    def close(self) -> None:
        """Close the table and free OpenGL."""
        self._table.close()
        self.plant.close()

    def _learner_values(self) -> dict[str, float]:
        """Return the learner's counters after the reset, since async learns on during it, and its losses."""
        updates, stored = self.trainer.updates, self.trainer.stored_steps
        return {"updates": updates, "stored_steps": stored, **self.trainer.info()}

    def _save(self) -> None:
        self._table.sync()
        extra = {
            "run": self._run.digest,
            "code": code_digest(),
            "done": self._done,
            "timeline": self.timeline.state(),
        }
        weights = {f"policy.{v}.{name}": a for v, w in self.timeline.weights().items() for name, a in w.items()}
        arrays = {"world": self.plant.save(), **weights}
        if not self.trainer.save(extra, arrays, wait=True):
            raise OSError(self.trainer.save_error)
        self._saved_at = time.monotonic()

    def _restore(self) -> None:
        restored = self.trainer.restore()
        if restored is None:
            return
        if rows := self.trainer.lost_rows:
            raise ValueError(f"{self._folder} has lost {rows} rows of its replay: remove the folder to repeat the run")
        extra, arrays = restored
        if extra["run"] != self._run.digest:
            raise ValueError(f"{self._folder} has the checkpoint of another configuration: take another folder")
        require_this_code(extra, self._folder)
        weights: dict[int, Arrays] = {}
        for name, array in arrays.items():
            if name.startswith("policy."):
                _, version, weight = name.split(".", 2)
                weights.setdefault(int(version), {})[weight] = array
        self._done = extra["done"]
        self.timeline.load_state(extra["timeline"], weights)
        self.plant.restore(np.asarray(arrays["world"], float), self.timeline.now)

    def _finish(self) -> None:
        self._table.sync()
        write_atomic(self._folder / POLICY, FlatWeights(self.trainer.sac.policy).bytes())
        updates = self.trainer.updates
        result = {"run": self._run.digest, "code": code_digest(), "episodes": self._done, "updates": updates}
        write_atomic(self._folder / RESULT, json.dumps(result, indent=1))
        shutil.rmtree(self._folder / CHECKPOINTS, ignore_errors=True)


def prepare_process(device: str) -> None:
    """Set up PyTorch so that results do not depend on the machine's load or number of cores."""
    if device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.set_num_threads(1)  # sums depend on how they are split among threads
    if device != "cpu" and torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    keep_freed_memory()


def run_folder(
    folder: Path,
    checkpoint_every: float = CHECKPOINT_EVERY,
    on_episode: Callable[[EpisodeSummary], None] = lambda summary: None,
) -> None:
    """Execute what is left of the run in a folder; if another process is executing it, wait for that one first.

    Raises:
        ValueError: The run is not allowed.
        RuntimeError: This machine lacks something, such as OpenGL.
    """
    run = Run.read(folder / RUN)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if finished(run, folder):
            return
        (folder / ERROR).unlink(missing_ok=True)
        virtual = VirtualRun(run, folder, checkpoint_every)
        try:
            virtual.run(on_episode)
        finally:
            virtual.close()


def main(argv: list[str]) -> int:
    """Execute the run of a folder and return the exit code; a failure is written to error.txt."""
    folder = Path(argv[0])
    every = float(argv[1]) if len(argv) > 1 else CHECKPOINT_EVERY
    parent = os.getppid()

    def follow(summary: EpisodeSummary) -> None:
        if os.getppid() != parent:
            raise RuntimeError(f"the process that started this run ended after episode {summary.episode}")

    try:
        run_folder(folder, every, follow)
    except Exception as error:
        (folder / ERROR).write_text(traceback.format_exc())
        print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
