"""The recorder node: prints a line per episode and writes the run folder, off the control path."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer  # type: ignore[import-untyped]

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.task.console import Console
from franka_reacher_rl.core.task.summary import COLUMNS, LEARNER_PARTS, LOSSES, EpisodeSummary
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.messages import summary_from_msg
from franka_reacher_rl.ros.node import Node, run_node
from franka_reacher_rl.ros.parameters import declare_param
from franka_reacher_rl.ros.run_folder import manifest, write_manifest

_CYCLE_COLUMNS = ("observation_age", "response_time", "policy_age", "lateness")  # one value per cycle, s
_STATUS_COLUMNS = ("updates", "updates_per_s", "stored_steps", *LEARNER_PARTS, *LOSSES)


class Recorder(Node):
    """Writes `manifest.yaml`, `episodes.csv`, `cycles.csv`, `learner.csv` and TensorBoard scalars into `run_dir`."""

    drain_seconds = 0.3

    def __init__(self) -> None:
        super().__init__("recorder")
        run: dict[str, Any] = {
            "wiring": declare_param(self, "wiring", "", "sync or async, for the manifest"),
            "setting": declare_param(self, "setting", "async_lite", "setting file: a name or a path"),
            "robot": declare_param(self, "robot", "panda_sim", "robot file: a name or a path"),
            "camera": declare_param(self, "camera", "simulated", "source of frames, for the manifest"),
            "camera_info_url": declare_param(self, "camera_info_url", "", "camera calibration, for the manifest"),
            "image_topic": declare_param(self, "image_topic", "", "topic of an external camera, for the manifest"),
            **{
                f"{node}_node": declare_param(self, f"{node}_node", "", f"replacement of {node}, for the manifest")
                for node in ("camera", "reward", "robot_bridge")
            },
            "params_file": declare_param(self, "params_file", "", "ROS parameter file of the run, copied into run_dir"),
            "seed": declare_param(self, "seed", 0, "seed of the run, for the manifest"),
            "episodes": declare_param(self, "episodes", 0, "number of the last episode, for the manifest"),
            "policy": declare_param(self, "policy", "", "policy file that is run, for the manifest"),
            "evaluate": declare_param(self, "evaluate", False, "whether the policy runs without learning"),
            "training_minutes": declare_param(self, "training_minutes", 0.0, "training time planned [min]"),
        }
        run_dir = declare_param(self, "run_dir", "", "folder of the run; empty: write nothing")
        self._console = Console(float(run["training_minutes"]))
        self._learner: dict[str, float] = {}  # the last status
        self._spent = dict.fromkeys(LEARNER_PARTS, 0.0)  # s, since the last episode
        self._summed_up = time.monotonic()
        self._files = _Files(Path(run_dir), run) if run_dir else None
        self.create_subscription(msg.EpisodeSummary, "episode", self._on_episode, qos.EVENT)
        self.create_subscription(msg.LearnerStatus, "learner_status", self._on_learner, qos.EVENT)

    def _on_learner(self, status: msg.LearnerStatus) -> None:
        self._learner = {name: getattr(status, name) for name in _STATUS_COLUMNS}
        for part in LEARNER_PARTS:
            self._spent[part] += status.seconds * getattr(status, part)
        if self._files is not None:
            self._files.write_status(status.seconds, self._learner)

    def _on_episode(self, message: msg.EpisodeSummary) -> None:
        now = time.monotonic()
        spent = {f"learner_{part}": seconds for part, seconds in self._spent.items()} if self._learner else {}
        summary = summary_from_msg(message).with_values(
            {**self._learner, **spent, "wall_seconds": now - self._summed_up}
        )
        self._spent, self._summed_up = dict.fromkeys(LEARNER_PARTS, 0.0), now
        print(*self._console.lines(summary, message.episodes), sep="\n", flush=True)
        if self._files is not None:
            self._files.write_episode(summary, message)

    def on_stop(self) -> None:
        """Close the files."""
        if self._files is not None:
            self._files.close()


class _Files:
    """The files of a run folder."""

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder, manifest(Setting.load(run["setting"]), Robot.load(run["robot"]), run))
        self._episodes = CsvFile(folder / "episodes.csv", COLUMNS)
        short = _six_digits
        self._cycles = CsvFile(folder / "cycles.csv", ("episode", "step", *_CYCLE_COLUMNS), number=short)
        self._statuses = CsvFile(folder / "learner.csv", ("wall_time", "seconds", *_STATUS_COLUMNS), number=short)
        self._scalars = Writer(str(folder / "tensorboard"))
        print(f"run folder: {folder}", flush=True)

    def write_status(self, seconds: float, values: dict[str, float]) -> None:
        self._statuses.write({"wall_time": f"{time.time():.3f}", "seconds": seconds, **values})
        self._add_scalars("learner", values, int(values["updates"]))

    def write_episode(self, summary: EpisodeSummary, message: msg.EpisodeSummary) -> None:
        values = zip(*(getattr(message, name) for name in _CYCLE_COLUMNS), strict=False)
        for step, row in enumerate(values):
            cycle = dict(zip(_CYCLE_COLUMNS, row, strict=True))
            self._cycles.write({"episode": summary.episode, "step": step, **cycle}, flush=False)
        self._cycles.flush()
        self._episodes.write(summary.row())
        self._add_scalars("episode", summary.row(), summary.episode)

    def _add_scalars(self, prefix: str, values: dict[str, Any], step: int) -> None:
        for name, value in values.items():
            if isinstance(value, (int, float)) and value == value:  # unknown values are NaN
                self._scalars.add_scalar(f"{prefix}/{name}", float(value), step)

    def close(self) -> None:
        for file in (self._episodes, self._cycles, self._statuses, self._scalars):
            file.close()


def _six_digits(value: float) -> str:
    return f"{value:.6g}"


def main() -> None:
    """Run the recorder node."""
    run_node(Recorder)
