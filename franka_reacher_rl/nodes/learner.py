"""The learner node: replay, gradient updates, policy versions and checkpoints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.duration import Duration

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import StepId, Tick
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.earlier_weights import POLICY_FILE, load_earlier
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.machine import keep_freed_memory, leave_cores_to_updates
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.loop.time_shares import TimeShares
from franka_reacher_rl.core.loop.update_thread import UpdateThread
from franka_reacher_rl.core.policy.latest_sender import LatestSender
from franka_reacher_rl.core.policy.policy_store import PolicyReader, PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.replay.stored import CHECKPOINTS, read_replay
from franka_reacher_rl.core.run.counters_file import CountersFile
from franka_reacher_rl.core.run.run_state import FolderUse
from franka_reacher_rl.core.task.summary import LOSSES, UNKNOWN
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.link.spooled_transitions import gap_from_msg
from franka_reacher_rl.ros.messages import announcement_from_msg, tick_from_msg, tick_msg, transition_from_msg
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param
from franka_reacher_rl.ros.standard_messages import bytes_msg

_STATUS_PERIOD = 1.0  # s
_REMINDER = 60.0  # s between two messages about updates that have stopped
_RECEIPT_PERIOD = 0.1  # s
_ARRIVAL_PATIENCE = 15.0  # s for a policy to arrive on another host before the next one is sent all the same
_ARRIVAL_POLL = 0.02  # s
_LAST_PATIENCE = 30.0  # s without a transition after which the run's last ones are given up


class _Position(NamedTuple):
    """How far a run is stored."""

    newest: StepId = StepId(0, 0)
    received: int = 0
    missing: int = 0


class Learner(Node):
    """Answers requests on `update_request` with `~/update_done`, after an update where the budget allows.

    The updates run in a thread of their own (`UpdateThread`); the callbacks only hand on.
    """

    task = "updates"

    def __init__(self) -> None:
        super().__init__("learner")
        robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        image = declare(self, ImageSettings, "image")
        network = declare(self, NetworkSettings, "network")
        self._settings = declare(self, LearnerSettings, "learner")
        sac = declare(self, SACSettings, "sac")
        seed = declare_param(self, "seed", 0, "seed of networks, sampling and noise")
        run_dir = declare_param(self, "run_dir", "", "folder for checkpoints and the final policy; empty: none")
        resume = declare_param(self, "resume", False, "continue from the last checkpoint in run_dir")
        meaning = "run folder, checkpoint or policy.safetensors from whose networks to start; empty: untrained ones"
        earlier = declare_param(self, "resume_weights", "", meaning)
        meaning = "run folder, or one written by relabel, with whose replay a new run starts; empty: an empty replay"
        seed_replay = declare_param(self, "seed_replay", "", meaning)
        period = declare_param(
            self, "policy_period", 0.5, "time between policies sent to another host; 0: send all [s]"
        )
        self._ends_with_run = declare_param(self, "end_with_run", False, "end once the run's last episode is stored")
        if period < 0.0:
            raise ValueError(f"parameter policy_period = {period} is not allowed: 0 or more")
        if resume and not run_dir:
            raise ValueError("resume without run_dir: give the folder of the run")
        self._policy_period = period
        self._run_dir = Path(run_dir) if run_dir else None
        self._use = FolderUse(self._run_dir) if self._run_dir else None
        self._counters = CountersFile(self._run_dir, self.run.id)
        checkpoints = self._run_dir / CHECKPOINTS if self._run_dir else None
        self._trainer = make_trainer(image, network, sac, self._settings, robot.dof, seed, checkpoints=checkpoints)
        position = self._restore(resume) if resume or self._trainer.has_checkpoints else _Position()
        fresh = position == _Position() and not self._trainer.has_checkpoints
        if earlier and fresh:
            self.get_logger().info(f"starts from {load_earlier(self._trainer.sac, Path(earlier).expanduser())}")
        if seed_replay and fresh:
            self._seed(Path(seed_replay).expanduser())
        self._weights = FlatWeights(self._trainer.sac.policy)
        digest = network_digest(image, network, robot.dof)
        self._store = PolicyWriter(self.run.id, digest)
        self._reader = PolicyReader(digest, self.run.id)  # of the own store, for policies sent to another host
        self._thread = UpdateThread(
            self._trainer, self._settings, self._publish_policy, self._publish_answer, self.run.id
        )
        self._thread.resume_after(*position)
        self._shares = TimeShares(self._thread.stopwatch.totals())
        self._updates_at_status = self._trainer.updates
        self._status = msg.LearnerStatus()  # the last one published
        self._receipted = -1  # number of the last receipt
        self._listeners = 0  # to the status
        self._last_episode, self._stored_at = 0, 0.0  # of the run; steady time of the last transition, s
        self._connect()
        self._thread.start()

    def _restore(self, resume: bool) -> _Position:
        """Take up the last checkpoint: of this run after a restart in place, or of the run that is resumed.

        Returns:
            How far this run is stored: not at all if the checkpoint is of an earlier part of a resumed run.
        """
        restored = self._trainer.restore()
        if restored is None:
            assert self._run_dir is not None
            file = self._run_dir / POLICY_FILE
            policy = f", for example its policy: resume_weights:={file}" if file.is_file() else ""
            raise ValueError(
                f"{self._run_dir} has no checkpoint that can be read, and is not resumed from random weights: start a "
                "new run without resume, or from the networks of another one with resume_weights:=RUN_DIR_OR_FILE"
                f"{policy}"
            )
        ours = bool(self.run.id) and restored[0].get("run_id") == self.run.id
        if not (ours or resume):
            raise ValueError(f"{self._run_dir} has checkpoints of another run: resume that run, or give another folder")
        updates, steps = self._trainer.updates, self._trainer.stored_steps
        lost = self._counters.lost(updates, steps)
        self.get_logger().info(
            f"resumed from the checkpoint of update {updates} with {steps} stored steps{'; ' if lost else ''}{lost}"
        )
        if rows := self._trainer.lost_rows:
            self.get_logger().warning(
                f"{rows} rows of the replay are lost: they are damaged, or precede a damaged one. Learning continues "
                "with the others; check the disk"
            )
        if not ours:
            return _Position()
        extra = restored[0]
        return _Position(self._trainer.replay.newest, int(extra.get("received", 0)), int(extra.get("missing", 0)))

    def _seed(self, folder: Path) -> None:
        """Start with the replay of an earlier run."""
        replay = self._trainer.replay
        rows = read_replay(folder, replay)
        replay.begin_run(self._settings.warmup_steps)
        self.get_logger().info(f"starts with {rows} rows of the replay of {folder}; the warm-up is over")

    def _connect(self) -> None:
        self._policies = self.create_publisher(msg.Policy, "~/policy", qos.LATCHED)
        self._inline_policies = self.create_publisher(msg.Policy, "~/policy_inline", qos.LATCHED)
        self._inline: LatestSender[msg.Policy] = LatestSender(self._publish_inline, self._policy_period)
        self._receipts = self.create_publisher(msg.Receipt, "~/receipt", qos.LATCHED)
        self._answers = self.create_publisher(msg.Tick, "~/update_done", qos.EVENT)
        self._statuses = self.create_publisher(msg.LearnerStatus, "~/status", qos.EVENT)
        self.create_subscription(msg.Transition, "transition", self.run.only(self._on_transition), qos.HISTORY)
        self.create_subscription(msg.Tick, "update_request", self.run.only(self._on_request), qos.EVENT)
        if self._ends_with_run:
            self.create_subscription(msg.EpisodeSummary, "episode", self.run.only(self._on_episode), qos.SUMMARIES)
        self.steady_timer(_STATUS_PERIOD, self._publish_status)
        self.steady_timer(_RECEIPT_PERIOD, self._answer_hosts)
        self.steady_timer(_RECEIPT_PERIOD, self._show_itself)

    def _on_transition(self, message: msg.Transition) -> None:
        self._stored_at = steady_seconds()
        gap = gap_from_msg(message)
        if gap is not None:
            self._thread.on_gap(gap)
        elif message.number:
            self._thread.on_spooled(message.number, lambda: transition_from_msg(message))
        else:
            self._thread.on_transition(transition_from_msg(message))

    def _on_episode(self, summary: msg.EpisodeSummary) -> None:
        if summary.last:
            self._last_episode, self._stored_at = summary.episode, steady_seconds()

    def _show_itself(self) -> None:
        """Publish a status as soon as somebody listens: the first episode waits for it."""
        before, self._listeners = self._listeners, self._statuses.get_subscription_count()
        if self._listeners > before and not self._trainer.stored_steps:
            self._publish_status()

    def _answer_hosts(self) -> None:
        """Confirm spooled transitions, and look who needs policies inline."""
        self._inline.listeners(self._inline_policies.get_subscription_count())
        received = self._thread.received
        if received != self._receipted:
            self._receipted = received
            receipt = msg.Receipt(stamp=self.get_clock().now().to_msg(), number=received)
            self._receipts.publish(self.run.mark(receipt))
        silent = steady_seconds() - self._stored_at
        if (
            self._last_episode
            and self.exit_code is None
            and (self._thread.ended >= self._last_episode or silent > _LAST_PATIENCE)
        ):
            if self._thread.ended < self._last_episode:
                self.get_logger().warning(
                    f"the last transitions did not arrive within {_LAST_PATIENCE:g} s; what has arrived is saved"
                )
            self._publish_status()
            self.finish()

    def _on_request(self, message: msg.Tick) -> None:
        self._thread.on_request(tick_from_msg(message))

    def _publish_answer(self, tick: Tick) -> None:
        self._answers.publish(self.run.mark(tick_msg(tick, self.get_clock().now().to_msg())))

    def _publish_policy(self) -> None:
        weights, version = self._weights.bytes(), self._trainer.policy_version
        announcement = self._store.publish(weights, version)
        message = msg.Policy(stamp=self.get_clock().now().to_msg(), **vars(announcement))
        self._policies.publish(message)
        self._inline.offer(message)

    def _publish_inline(self, announced: msg.Policy) -> None:
        """Send an announced policy, or a newer one, with its weights; called from a thread that nobody waits for."""
        blob = self._reader.read(announcement_from_msg(announced))
        if blob is None:
            raise RuntimeError(self._reader.refusal)
        announcement = self._store.inline(blob.weights, blob.version)
        message = msg.Policy(stamp=announced.stamp, **vars(announcement))
        message.weights = bytes_msg(bytes(blob.weights))
        self._inline_policies.publish(message)
        if self._policy_period:
            self._wait_until_acknowledged()

    def _wait_until_acknowledged(self) -> None:
        """Wait until the last inline policy has arrived: over a lossy link, the next one would replace it before."""
        listeners, end = self._inline_policies.get_subscription_count(), steady_seconds() + _ARRIVAL_PATIENCE
        while steady_seconds() < end and self._inline_policies.get_subscription_count() == listeners:
            if self._inline_policies.wait_for_all_acked(Duration(seconds=0)):
                return
            time.sleep(_ARRIVAL_POLL)

    def _publish_status(self) -> None:
        if (failure := self._thread.failure) is not None:
            raise RuntimeError(f"updates ended: {type(failure).__name__}: {failure}") from failure
        trainer, updates = self._trainer, self._trainer.updates
        seconds, shares = self._shares.next(self._thread.stopwatch.totals())
        losses = trainer.info()
        status = msg.LearnerStatus(
            run_id=self.run.id,
            updates=updates,
            policy_version=trainer.policy_version,
            stored_steps=trainer.stored_steps,
            replay_size=len(trainer.replay),
            seconds=seconds,
            updates_per_s=(updates - self._updates_at_status) / seconds,
            # The second in which the warm-up ends is no sign of starvation.
            starved_of=self._shares.starved_of(shares) if self._updates_at_status and not self._thread.stopped else "",
            failure=self._stopped(),
            **shares,
            **{name: losses.get(name, UNKNOWN) for name in LOSSES},
        )
        status.header.stamp = self.get_clock().now().to_msg()
        if status.failure:
            self.get_logger().error(status.failure, throttle_duration_sec=_REMINDER)
        if status.starved_of:
            self.get_logger().warning(status.starved_of, throttle_duration_sec=60.0)
        self._updates_at_status = updates
        self._status = status
        self._statuses.publish(status)
        self._counters.write(updates, trainer.stored_steps)

    def _stopped(self) -> str:
        """Return why the learner no longer updates, and what to do; empty: it does."""
        if not self._thread.stopped:
            return ""
        saved = self._trainer.saved_updates
        if self._run_dir is None or saved < 0:
            remedy = "start again with a lower sac.learning_rate"
        else:
            remedy = (
                f"the last finite checkpoint is of update {saved}: lower sac.learning_rate in {self._run_dir}/"
                f"setting.yaml and resume:={self._run_dir}"
            )
        return f"updates, policies and checkpoints have stopped, because {self._thread.stopped}; {remedy}"

    def diagnose(self) -> Diagnosis:
        status, steps, updates = self._status, self._trainer.stored_steps, self._trainer.updates
        values = {"updates": updates, "stored_steps": steps, "updates_per_s": round(status.updates_per_s, 1)}
        if stopped := self._stopped():
            return DiagnosticStatus.ERROR, stopped, values
        if unsaved := self._trainer.save_error:
            return DiagnosticStatus.WARN, f"{unsaved}; it is tried again every checkpoint_period", values
        if self._thread.missing:
            values["transitions_missing"] = self._thread.missing
        if self._inline.failure:
            return DiagnosticStatus.WARN, f"no policy for the other host: {self._inline.failure}", values
        if status.starved_of:
            return DiagnosticStatus.WARN, status.starved_of, values
        if not updates:
            return DiagnosticStatus.OK, f"{steps} of {self._settings.warmup_steps} steps of the warm-up stored", values
        return DiagnosticStatus.OK, f"{status.updates_per_s:.1f} updates per second", values

    def on_stop(self) -> None:
        """Finish the update, then save a checkpoint and the policy, both as they were when they were last finite."""
        self._thread.stop(timeout=30.0)
        if self._run_dir is not None:
            self._thread.save(wait=True)
            self._save_policy(self._run_dir / POLICY_FILE)
        self._trainer.close()
        self._inline.close()
        self._reader.close()
        self._store.close()

    def _save_policy(self, path: Path) -> None:
        version = self._trainer.policy_version
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, self._weights.last if self._trainer.problem else self._weights.bytes())
        except OSError as error:
            self.get_logger().error(f"policy {version} cannot be saved as {path}: {error.strerror}")
        else:
            self.get_logger().info(f"policy {version} saved as {path}")


def main() -> None:
    """Run the learner node."""
    keep_freed_memory()  # before the middleware starts threads
    leave_cores_to_updates()
    run_node(Learner)
