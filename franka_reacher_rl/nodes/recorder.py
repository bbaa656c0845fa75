"""The recorder node: prints a line per episode, writes the run folder and sums up the graph's health."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.base.graph_health import GraphHealth, Level, Report
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.core.link.clock_comparison import ClockComparison
from franka_reacher_rl.core.run.record import STATUS_COLUMNS, Record
from franka_reacher_rl.core.run.run_folder import KEPT_ARGUMENTS, last_recorded, manifest, write_manifest
from franka_reacher_rl.core.task import evaluation
from franka_reacher_rl.core.task.console import Console
from franka_reacher_rl.core.task.summary import CYCLE_COLUMNS, LEARNER_PARTS
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_ns, steady_seconds
from franka_reacher_rl.ros.messages import learner_values_from_msg, summary_from_msg
from franka_reacher_rl.ros.node import EXIT_CANNOT_START, RUN_ID, Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_param

_HEALTH_PERIOD = 1.0  # s
_NEWCOMER = 10.0  # s after its start in which a graph yields to another one; the nodes report once a second
_LITTLE_SPACE = 1e9  # bytes left on the disk, below which diagnostics warn
_REMINDER = 60.0  # s between two messages about a folder that cannot be written
# The logger prints its lines as they are and publishes them on /rosout.
_CONSOLE_FORMAT = ("RCUTILS_CONSOLE_OUTPUT_FORMAT", "{message}")


class Recorder(Node):
    """Writes `manifest.yaml`, `episodes.csv`, `cycles.csv`, `learner.csv` and TensorBoard scalars into `run_dir`.

    It also publishes the worst state of the graph's nodes on `~/toplevel_state` when it changes.
    """

    task = "run folder"
    drain_seconds = 0.3

    def __init__(self) -> None:
        super().__init__("recorder")
        run: dict[str, Any] = {
            "run_id": self.run.id,
            "wiring": declare_param(self, "wiring", "", "sync or async, for the manifest"),
            "setting": declare_param(self, "setting", "async_lite", "setting file: a name or a path"),
            "robot": declare_param(self, "robot", "panda_sim", "robot file: a name or a path"),
            "robot_source": declare_param(self, "robot_source", "", "robot file that the run was begun with"),
            "camera": declare_param(self, "camera", "simulated", "source of frames, for the manifest"),
            **{name: declare_param(self, name, "", "launch argument, for the manifest") for name in KEPT_ARGUMENTS},
            "params_file": declare_param(self, "params_file", "", "ROS parameter file of the run, copied into run_dir"),
            "seed": declare_param(self, "seed", 0, "seed of the run, for the manifest"),
            "episodes": declare_param(self, "episodes", 0, "number of the last episode, for the manifest"),
            "policy": declare_param(self, "policy", "", "policy file that is run, for the manifest"),
            "resume_weights": declare_param(self, "resume_weights", "", "networks it started from, for the manifest"),
            "seed_replay": declare_param(self, "seed_replay", "", "replay that it started with, for the manifest"),
            "namespace": self.get_namespace().strip("/"),
            "evaluate": declare_param(self, "evaluate", False, "whether the policy runs without learning"),
            "training_minutes": declare_param(self, "training_minutes", 0.0, "training time planned [min]"),
        }
        run_dir = declare_param(self, "run_dir", "", "folder of the run; empty: write nothing")
        self._console = Console(float(run["training_minutes"]))
        self._learner: dict[str, float] = {}  # the last status
        self._spent = dict.fromkeys(LEARNER_PARTS, 0.0)  # s, since the last episode
        self._started = self._summed_up = time.monotonic()
        self._episode = last_recorded(Path(run_dir), self.run.id) if run_dir else 0
        self._record = self._open(Path(run_dir), run) if run_dir else None
        self._evaluated: list[evaluation.Outcome] | None = [] if run["evaluate"] else None
        self._setting = Setting.load(run["setting"])
        self._failed = False  # whether something could not be written
        self._health, self._clocks = GraphHealth(), ClockComparison()
        self._published: Report | None = None
        self._node_names = self.get_namespace()[1:] + "/" if self.get_namespace() != "/" else ""
        self._states = self.create_publisher(DiagnosticStatus, "~/toplevel_state", qos.LATCHED)
        if run_dir:
            self.get_logger().info(f"run folder: {run_dir}")
        self.create_subscription(msg.EpisodeSummary, "episode", self.run.only(self._on_episode), qos.SUMMARIES)
        self.create_subscription(msg.LearnerStatus, "learner_status", self.run.only(self._on_learner), qos.EVENT)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.EVENT)
        self.steady_timer(_HEALTH_PERIOD, self._publish_health)
        if self._record is not None:
            self.steady_timer(_HEALTH_PERIOD, self._catch_up)

    def _open(self, folder: Path, run: dict[str, Any]) -> Record:
        content = manifest(Setting.load(run["setting"]), Robot.load(run["robot"]), run)
        record = Record(folder, lambda: write_manifest(folder, content))
        for notice in record.notices:
            self.get_logger().warning(notice)
        return record

    def _catch_up(self) -> None:
        """Write what has waited for room on the disk, and report what still waits."""
        assert self._record is not None
        if not self._record.flush():
            self._failed = True
            self.get_logger().error(self._record.problem, throttle_duration_sec=_REMINDER)
        elif self._failed:
            self._failed, dropped = False, self._record.dropped
            lost = f", except {dropped} rows that were dropped" if dropped else ""
            self.get_logger().warning(f"{self._record.folder} can be written again; everything is on record{lost}")

    def _on_learner(self, status: msg.LearnerStatus) -> None:
        self._learner = learner_values_from_msg(status, STATUS_COLUMNS)
        for part in LEARNER_PARTS:
            self._spent[part] += status.seconds * getattr(status, part)
        if self._record is not None:
            self._record.write_status(status.seconds, self._learner)

    def _on_episode(self, message: msg.EpisodeSummary) -> None:
        if message.episode <= self._episode:  # a recorder that starts anew hears of the last ones again
            return
        now = time.monotonic()
        spent = {f"learner_{part}": seconds for part, seconds in self._spent.items()} if self._learner else {}
        summary = summary_from_msg(message).with_values(
            {**self._learner, **spent, "wall_seconds": now - self._summed_up}
        )
        self._spent, self._summed_up = dict.fromkeys(LEARNER_PARTS, 0.0), now
        self._episode = summary.episode
        for line in self._console.lines(summary, message.episodes):
            self.get_logger().info(line)
        if self._evaluated is not None and summary.end_reason == EndReason.TIME_LIMIT.value:
            self._evaluated.append(evaluation.Outcome.of(summary))
        if self._record is not None:
            cycles = zip(*(getattr(message, name) for name in CYCLE_COLUMNS), strict=False)
            self._record.write_episode(summary, list(cycles))

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        """Take the states of this graph's nodes; those of other namespaces are ignored."""
        for status in array.status:
            name = status.name.removeprefix(self._node_names)
            if status.name.startswith(self._node_names) and "/" not in name.partition(":")[0]:
                self._check_run(status)
                report = Report(Level(ord(status.level)), status.message)
                self._health.take(steady_seconds(), name, report)
                age = 1e-9 * (time.time_ns() - stamp_ns(array.header.stamp))
                self._clocks.take(steady_seconds(), status.hardware_id, age)

    def _clock_problem(self) -> str:
        """Return whose clock differs and what to do, in words; empty: nobody's does."""
        differing = self._clocks.differing()
        if not differing:
            return ""
        sender, age = max(differing.items(), key=lambda item: abs(item[1]))
        where = f"{1e3 * abs(age):.0f} ms in the {'future' if age < 0.0 else 'past'}"
        return (
            f"messages of {sender} are stamped {where}: ages across the computers (policy_age) are wrong by as much. "
            "Synchronise their clocks with chrony or ptp4l; if they are, the link is that slow"
        )

    def _check_run(self, status: DiagnosticStatus) -> None:
        """End the launch if another graph with the same names was running before; warn of one that starts later."""
        other = next((value.value for value in status.values if value.key == RUN_ID), "")
        if other in ("", self.run.id):
            return
        where = shortened(f"/{status.name.partition(':')[0]} on {status.hardware_id}", 200)
        node = f"its node {where} is of run {shortened(repr(other))}"
        text = (
            f"another graph is running: {node}. End it, or start this one with another ROS_DOMAIN_ID or "
            "namespace:=NAME. If it is the other part of this run, give the same run:=NAME to both"
        )
        if time.monotonic() - self._started > _NEWCOMER:
            self.get_logger().error(text, throttle_duration_sec=10.0)
        elif self.exit_code is None:
            self.get_logger().fatal(text)
            self.finish(EXIT_CANNOT_START)

    def _publish_health(self) -> None:
        if problem := self._clock_problem():
            self.get_logger().warning(problem, throttle_duration_sec=60.0)
        overall = self._health.overall(steady_seconds())
        if overall == self._published:
            return
        self._published = overall
        level, name = bytes([overall.level]), f"{self._node_names}toplevel_state"
        self._states.publish(DiagnosticStatus(level=level, name=name, message=overall.message))

    def diagnose(self) -> Diagnosis:
        record, clocks = self._record, self._clock_problem()
        if record is None:
            level = DiagnosticStatus.WARN if clocks else DiagnosticStatus.OK
            return level, clocks or "no run folder", {"episode": self._episode}
        values = {"episode": self._episode, "folder": record.folder, "free": record.free()}
        if record.dropped or record.waiting:
            values |= {"waiting": record.waiting, "dropped": record.dropped}
        if problem := record.problem:
            return DiagnosticStatus.ERROR if record.dropped else DiagnosticStatus.WARN, problem, values
        free = record.free_bytes()
        if free is not None and free < _LITTLE_SPACE:
            text = f"{record.free()} left on the disk of {record.folder}: make room, or rows will wait"
            return DiagnosticStatus.WARN, text, values
        if clocks:
            return DiagnosticStatus.WARN, clocks, values
        return DiagnosticStatus.OK, "writing", values

    def on_stop(self) -> None:
        """Report an evaluation, and close the files."""
        if self._evaluated is not None:
            for line in evaluation.lines(self._evaluated, self._setting):
                self.get_logger().info(line)
        if self._record is not None and (lost := self._record.close()):
            self.get_logger().error(f"the record of the run is incomplete: {lost}")


def main() -> None:
    """Run the recorder node."""
    os.environ.setdefault(*_CONSOLE_FORMAT)
    run_node(Recorder)
