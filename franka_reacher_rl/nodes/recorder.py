"""The recorder: one line per episode for the eye, and the run folder for later. Off the control path."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer  # type: ignore[import-untyped]

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.msg import EpisodeStatus, LearnerStatus
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import Node, run_node
from franka_reacher_rl.ros.parameters import declare_param
from franka_reacher_rl.ros.run_folder import Table, manifest, write_manifest

_HEADER = "  episode   return  steps  updates  updates/s  observation age  late cycles  policy age      left"
_HEADER_EVERY = 20  # episodes
_SKIPPED = ("header", "episodes", "last")
_CYCLE_COLUMNS = ("observation_age", "response_time", "policy_age", "lateness")  # one value per step, s
_LEARNER_COLUMNS = (
    "updates",
    "updates_per_s",
    "stored_steps",
    "waiting_for_data",
    "waiting_for_budget",
    "waiting_for_request",
    "sampling",
    "transfer",
    "update",
    "critic_loss",
    "actor_loss",
    "temperature",
    "entropy",
    "q_mean",
)


class Recorder(Node):
    """Writes `manifest.yaml`, `episodes.csv` and TensorBoard scalars into `run_dir`, and prints each episode."""

    drain_seconds = 0.3

    def __init__(self) -> None:
        super().__init__("recorder")
        run: dict[str, Any] = {
            "wiring": declare_param(self, "wiring", "", "sync or async, for the manifest"),
            "setting": declare_param(self, "setting", "async_lite", "setting file: a name or a path"),
            "robot": declare_param(self, "robot", "panda_sim", "robot file: a name or a path"),
            "camera": declare_param(self, "camera", "simulated", "source of frames, for the manifest"),
            "seed": declare_param(self, "seed", 0, "seed of the run, for the manifest"),
            "episodes": declare_param(self, "episodes", 0, "episodes planned, for the manifest"),
            "policy": declare_param(self, "policy", "", "policy file that is run, for the manifest"),
            "evaluate": declare_param(self, "evaluate", False, "whether nothing is learnt, for the manifest"),
        }
        self._run_dir = Path(declare_param(self, "run_dir", "", "folder of the run; empty: write nothing"))
        self._minutes = float(declare_param(self, "training_minutes", 0.0, "training time planned [min]"))
        self._writing = str(self._run_dir) != "."
        self._learner = LearnerStatus()
        self._began: float | None = None
        self._printed = 0
        if self._writing:
            self._open(run | {"training_minutes": self._minutes})
        self.create_subscription(EpisodeStatus, "episode", self._on_episode, qos.EVENT)
        self.create_subscription(LearnerStatus, "learner_status", self._on_learner, qos.EVENT)

    def _open(self, run: dict[str, Any]) -> None:
        self._run_dir.mkdir(parents=True, exist_ok=True)
        write_manifest(self._run_dir, manifest(Setting.load(run["setting"]), Robot.load(run["robot"]), run))
        self._table = Table(self._run_dir / "episodes.csv")
        self._cycles = Table(self._run_dir / "cycles.csv")
        self._learning = Table(self._run_dir / "learner.csv")
        self._scalars = Writer(str(self._run_dir / "tensorboard"))
        print(f"run folder: {self._run_dir}", flush=True)

    def _on_learner(self, status: LearnerStatus) -> None:
        self._learner = status
        if not self._writing:
            return
        row = {name: getattr(status, name) for name in _LEARNER_COLUMNS}
        self._learning.write({"wall_time": f"{time.time():.3f}", "seconds": status.seconds} | row)
        if status.updates:
            for name, value in row.items():
                self._scalars.add_scalar(f"learner/{name}", value, status.updates)

    def _on_episode(self, status: EpisodeStatus) -> None:
        if self._began is None:
            self._began = time.monotonic() - status.duration
            self._first = status.episode
        self._print(status)
        if not self._writing:
            return
        self._write_cycles(status)
        names = [k for k in status.get_fields_and_field_types() if k not in (*_SKIPPED, *_CYCLE_COLUMNS)]
        row = {k: getattr(status, k) for k in names}
        for name, value in row.items():
            if isinstance(value, (int, float)) and name != "episode":
                self._scalars.add_scalar(f"episode/{name}", float(value), status.episode)
        row |= {f"learner_{name}": getattr(self._learner, name) for name in _LEARNER_COLUMNS}
        self._table.write(row | {"wall_time": f"{time.time():.3f}"})

    def _write_cycles(self, status: EpisodeStatus) -> None:
        columns = [getattr(status, name) for name in _CYCLE_COLUMNS]
        for step, values in enumerate(zip(*columns, strict=False)):
            row = {"episode": status.episode, "step": step}
            self._cycles.write(row | dict(zip(_CYCLE_COLUMNS, values, strict=True)), flush=False)
        self._cycles.flush()

    def _print(self, status: EpisodeStatus) -> None:
        if self._printed % _HEADER_EVERY == 0:
            print(_HEADER, flush=True)
        self._printed += 1
        number = f"{status.episode}/{status.episodes}" if status.episodes else f"{status.episode}"
        ended = "" if status.end_reason == "time_limit" else f"  ended: {status.end_reason}"
        print(
            f"{number:>9} {status.episode_return:8.1f} {status.steps:6d} {self._learner.updates:8d} "
            f"{self._learner.updates_per_s:10.1f} {status.observation_age_ms_median:12.1f} ms {status.late_cycles:12d} "
            f"{1e3 * status.policy_age_s_median:8.0f} ms {self._left(status):>9}{ended}",
            flush=True,
        )

    def _left(self, status: EpisodeStatus) -> str:
        """Time left at the pace so far."""
        assert self._began is not None
        done = status.episode - self._first + 1
        shares = []
        if status.episodes:
            shares.append((status.episodes - status.episode) / done)
        if self._minutes:
            left = max(0.0, self._minutes * 60.0 - status.training_seconds)
            shares.append(left / max(1e-3, status.duration) / done)
        if not shares:
            return ""
        seconds = round(min(shares) * (time.monotonic() - self._began))
        hours, minutes = seconds // 3600, seconds // 60 % 60
        return f"{hours}:{minutes:02d}:{seconds % 60:02d}"

    def on_stop(self) -> None:
        if self._writing:
            self._table.close()
            self._cycles.close()
            self._learning.close()
            self._scalars.close()


def main() -> None:
    """Runs the recorder."""
    run_node(Recorder)
