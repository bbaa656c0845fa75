"""One run in virtual time, in this process: from its specification to its table, resumable at any time.

`python -m franka_reacher_rl.experiments.virtual_run FOLDER` runs what FOLDER/run.json says.
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

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.quantiles import median, quantile
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.experiments.provenance import code_digest
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.experiments.table import EpisodeRow, EpisodeTable
from franka_reacher_rl.virtual.latency import Clockwork
from franka_reacher_rl.virtual.timeline import Outcome, Timeline
from franka_reacher_rl.virtual.wiring import Wiring

RUN, RESULT, ERROR, EPISODES = "run.json", "result.json", "error.txt", "episodes.csv"
CHECKPOINTS, POLICY = "checkpoints", "policy.safetensors"
CHECKPOINT_EVERY = 60.0  # s of wall time


class VirtualRun:
    """A run and its parts; `run` does what is left of it."""

    def __init__(self, run: Run, folder: Path, checkpoint_every: float = CHECKPOINT_EVERY) -> None:
        """Builds the parts and takes up the newest checkpoint, if there is one.

        Args:
            run: What to run.
            folder: Of the run, which exists.
            checkpoint_every: Wall time between checkpoints, s.

        Raises:
            ValueError: Something in the run is not allowed, or the folder's checkpoint is of another run.
            RuntimeError: This machine lacks something, such as OpenGL.
        """
        prepare_process(run.variant.setting.learner.device)
        from franka_reacher_rl.virtual.learning_agent import LearningAgent  # PyTorch after it is prepared
        from franka_reacher_rl.virtual.plant import SimulatedPlant, with_command_timeout

        variant, setting = run.variant, run.variant.setting
        robot = with_command_timeout(Robot.load(variant.robot), variant.command_timeout)
        self._run, self._folder, self._every = run, folder, checkpoint_every
        rows = run.episodes * (setting.episode.steps + 2)
        self.agent = LearningAgent(setting, robot, run.seed, folder / CHECKPOINTS, rows)
        self.plant = SimulatedPlant(robot, setting, run.seed)
        budget = UpdateBudget(setting.learner.warmup_steps, setting.learner.max_updates_per_step)
        clockwork = Clockwork(variant.latency, run.seed)
        self.timeline = Timeline(Wiring(variant.wiring), setting.episode, budget, clockwork, self.plant, self.agent)
        self._done, self._training_seconds, self._total_steps = 0, 0.0, 0
        self._restore()
        self._table = EpisodeTable(folder / EPISODES, self._done)
        self._saved_at = time.monotonic()

    def run(self, on_episode: Callable[[EpisodeRow], None] = lambda row: None) -> None:
        """Runs the episodes that are left, then writes the result and the final policy."""
        if self._done == 0:
            self.timeline.reset(1)
        for episode in range(self._done + 1, self._run.episodes + 1):
            began = time.monotonic()
            outcome = self.timeline.run_episode(episode)
            self.timeline.reset(episode + 1)  # also after the last: a run begins the same however long it is
            row = self._row(outcome, time.monotonic() - began)
            self._table.write(row)
            self._done = episode
            if episode < self._run.episodes and time.monotonic() - self._saved_at >= self._every:
                self._save()
            on_episode(row)
        self._finish()

    def close(self) -> None:
        """Closes the table and frees OpenGL."""
        self._table.close()
        self.plant.close()

    def _row(self, outcome: Outcome, wall: float) -> EpisodeRow:
        record, spent, info = outcome.record, outcome.learner_seconds, self.agent.info()
        late = [1e3 * v for v in record.lateness]
        age = [1e3 * v for v in record.observation_age]
        duration = 1e-9 * (outcome.ended - outcome.began)
        self._training_seconds += duration
        self._total_steps += record.steps
        return EpisodeRow(
            episode=record.episode,
            episode_return=record.episode_return,
            coverage_return=outcome.coverage_return,
            steps=record.steps,
            duration=duration,
            training_seconds=self._training_seconds,
            virtual_seconds=1e-9 * outcome.ended,
            total_steps=self._total_steps,
            updates=self.agent.updates,
            policy_version=record.policy_version,
            end_reason=outcome.end.value,
            late_cycles=record.late_cycles(self._run.variant.setting.episode.late_ms / 1e3),
            lateness_ms_median=median(late),
            lateness_ms_max=max(late, default=0.0),
            observation_age_ms_median=median(age),
            observation_age_ms_p99=quantile(age, 0.99),
            policy_age_s_median=median(record.policy_age),
            policy_age_steps_median=median(record.policy_age_steps),
            watchdog_stops=outcome.watchdog_stops,
            held_seconds=1e-9 * outcome.held * self.plant.period,
            commands_limited=outcome.commands_limited,
            learner_waiting_for_data=spent["waiting_for_data"],
            learner_waiting_for_budget=spent["waiting_for_budget"],
            learner_idle=spent["idle"],
            learner_sampling=spent["sampling"],
            learner_batch_transfer=spent["batch_transfer"],
            learner_update=spent["update"],
            critic_loss=info.get("critic_loss", 0.0),
            actor_loss=info.get("actor_loss", 0.0),
            temperature=info.get("temperature", 0.0),
            entropy=info.get("entropy", 0.0),
            q_mean=info.get("q_mean", 0.0),
            wall_seconds=wall,
        )

    def _save(self) -> None:
        self._table.sync()
        extra = {
            "run": self._run.digest,
            "code": code_digest(),
            "done": self._done,
            "training_seconds": self._training_seconds,
            "total_steps": self._total_steps,
            "timeline": self.timeline.state(),
        }
        self.agent.save(extra, {"world": self.plant.save()})
        self._saved_at = time.monotonic()

    def _restore(self) -> None:
        restored = self.agent.restore()
        if restored is None:
            return
        extra, arrays = restored
        if extra["run"] != self._run.digest:
            raise ValueError(f"{self._folder} has the checkpoint of another configuration: take another folder")
        self._done, self._total_steps = extra["done"], extra["total_steps"]
        self._training_seconds = extra["training_seconds"]
        self.timeline.load_state(extra["timeline"])
        self.plant.restore(np.asarray(arrays["world"], float), self.timeline.now)

    def _finish(self) -> None:
        self._table.sync()
        policy = self._folder / POLICY
        policy.with_suffix(".tmp").write_bytes(self.agent.policy_bytes())
        os.replace(policy.with_suffix(".tmp"), policy)
        result = {"run": self._run.digest, "code": code_digest(), "episodes": self._done, "updates": self.agent.updates}
        write_whole(self._folder / RESULT, json.dumps(result, indent=1))
        shutil.rmtree(self._folder / CHECKPOINTS, ignore_errors=True)


def prepare_process(device: str) -> None:
    """Sets up PyTorch for results that do not depend on the machine's load or number of cores."""
    if device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch

    from franka_reacher_rl.core.learning.machine import keep_freed_memory

    torch.set_num_threads(1)  # sums depend on how they are split among threads
    if device != "cpu" and torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    keep_freed_memory()


def finished(run: Run, folder: Path) -> bool:
    """Whether a folder holds the whole result of this very run."""
    try:
        return bool(json.loads((folder / RESULT).read_text())["run"] == run.digest)
    except (OSError, json.JSONDecodeError, KeyError):
        return False


def run_folder(
    folder: Path,
    checkpoint_every: float = CHECKPOINT_EVERY,
    on_episode: Callable[[EpisodeRow], None] = lambda row: None,
) -> None:
    """Does what is left of the run in a folder; where another process is at it, waits for that one first.

    Raises:
        ValueError: The run is not allowed.
        RuntimeError: This machine lacks something.
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


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def main(argv: list[str]) -> int:
    """Runs one folder; what goes wrong is told by its error.txt."""
    folder = Path(argv[0])
    every = float(argv[1]) if len(argv) > 1 else CHECKPOINT_EVERY
    parent = os.getppid()

    def follow(row: EpisodeRow) -> None:
        if os.getppid() != parent:
            raise RuntimeError(f"whoever started this run is gone after its episode {row.episode}")

    try:
        run_folder(folder, every, follow)
    except Exception as error:
        (folder / ERROR).write_text(traceback.format_exc())
        print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
