"""The learner: replay, sampling, gradient updates, policy versions, checkpoints."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import StepId
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.machine import keep_freed_memory, prepare_learner
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.learning.stopwatch import Stopwatch
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.loop.gate import Answer, RequestGate, UpdateBudget
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.msg import LearnerStatus, Policy, Tick, Transition
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.messages import bytes_msg, transition_from_msg
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param

_STATUS_PERIOD = 1.0  # s
_STARVING = 0.2  # share of the time


class Learner(Node):
    """Answers requests on `update_request` with `~/update_done`, after an update where the budget allows.

    Callbacks only store and notify; updates run in a thread of their own, so that transitions never queue up behind
    one. A policy is published before the answer that names its version.
    """

    def __init__(self) -> None:
        super().__init__("learner")
        self._robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        self._image = declare(self, ImageSettings, "image")
        network = declare(self, NetworkSettings, "network")
        self._settings = declare(self, LearnerSettings, "learner")
        sac = declare(self, SACSettings, "sac")
        seed = declare_param(self, "seed", 0, "seed of the networks, the sampling and the noise")
        self._run_dir = declare_param(self, "run_dir", "", "folder for checkpoints and the final policy; empty: none")
        resume = declare_param(self, "resume", False, "go on from the last checkpoint in run_dir")
        self._inline = (
            declare_param(
                self,
                "policy_transport",
                "shared_memory",
                "shared_memory on one host, inline for an actor on another",
                choices=("shared_memory", "inline"),
            )
            == "inline"
        )
        self._run_id = uuid.uuid4().hex
        keep_freed_memory()
        self._trainer = self._make_trainer(network, sac, seed, resume)
        self._weights = FlatWeights(self._trainer.sac.policy)
        self._checkpoint_due = time.monotonic() + self._settings.checkpoint_period
        self._store = PolicyWriter(self._run_id, network_digest(self._image, network, self._robot.dof))
        budget = UpdateBudget(self._settings.warmup_steps, self._settings.max_updates_per_step)
        self._gate = RequestGate(budget)
        self._newest = StepId(0, 0)
        self._watch = Stopwatch()
        self._status_at, self._times_at_status = time.monotonic(), self._watch.totals()
        self._updates_at_status = self._trainer.updates
        self._changed = threading.Condition()
        self._stopping = False
        self._failure: BaseException | None = None
        self._connect()
        self._thread = threading.Thread(target=self._work, name="updates", daemon=True)
        self._thread.start()

    def _make_trainer(self, network: NetworkSettings, sac: SACSettings, seed: int, resume: bool) -> Trainer:
        if resume and not self._run_dir:
            raise ValueError("resume without run_dir: say which run")
        folder = Path(self._run_dir) / "checkpoints" if self._run_dir else None
        trainer = make_trainer(self._image, network, sac, self._settings, self._robot.dof, seed, checkpoints=folder)
        if resume:
            if trainer.restore() is None:
                self.get_logger().warning(f"no checkpoint in {self._run_dir}: learning starts anew")
            else:
                what = f"update {trainer.updates}, {trainer.stored_steps} steps stored"
                self.get_logger().info(f"resumed from the checkpoint of {what}")
        return trainer

    def _connect(self) -> None:
        self._policies = self.create_publisher(Policy, "~/policy", qos.LATCHED)
        self._answers = self.create_publisher(Tick, "~/update_done", qos.EVENT)
        self._statuses = self.create_publisher(LearnerStatus, "~/status", qos.EVENT)
        self.create_subscription(Transition, "transition", self._on_transition, qos.HISTORY)
        self.create_subscription(Tick, "update_request", self._on_request, qos.EVENT)
        self.create_timer(_STATUS_PERIOD, self._publish_status)

    # Callbacks: store and notify

    def _on_transition(self, message: Transition) -> None:
        try:
            transition = transition_from_msg(message)
            self._trainer.add(transition)
        except ValueError as error:
            self.get_logger().error(f"transition refused: {error}", throttle_duration_sec=5.0)
            return
        with self._changed:
            self._newest = transition.observation.id
            self._changed.notify()

    def _on_request(self, tick: Tick) -> None:
        with self._changed:
            self._gate.request(StepId(tick.episode, tick.step))
            self._changed.notify()

    # The thread of the updates

    def _work(self) -> None:
        try:
            # Niceness and cores are a thread's, and of those it starts: the callbacks keep the node's own.
            prepare_learner(self._settings.threads, self._settings.nice, self._settings.cores)
            self._trainer.start()
            self._publish_policy()
            while self._step():
                self._checkpoint_if_due()
        except BaseException as error:  # reported by the main thread, which ends the node
            self._failure = error

    def _step(self) -> bool:
        """Answers one request, or waits a little for what is missing; False when it is time to stop."""
        with self._changed:
            decision = self._gate.decide(self._newest, self._trainer.stored_steps, self._trainer.updates)
            if decision not in (Answer.UPDATE, Answer.ANSWER):
                with self._watch.part(decision.value):
                    self._changed.wait(0.1)
                return not self._stopping
            step = self._gate.answer()
        if decision is Answer.UPDATE:
            self._update()
        stamp = self.get_clock().now().to_msg()
        version = self._trainer.policy_version
        self._answers.publish(Tick(stamp=stamp, episode=step.episode, step=step.step, policy_version=version))
        return not self._stopping

    def _update(self) -> None:
        with self._watch.part("sampling"):
            batch = self._trainer.sample()
        with self._watch.part("update"):
            self._trainer.update(batch)
            if self._settings.extra_update_time:
                time.sleep(self._settings.extra_update_time)
        with self._watch.part("transfer"):
            self._publish_policy()

    def _checkpoint_if_due(self) -> None:
        period, now = self._settings.checkpoint_period, time.monotonic()
        if not self._run_dir or not period or now < self._checkpoint_due:
            return
        with self._watch.part("checkpoint"):
            self._trainer.save()
        self._checkpoint_due = now + period

    def _publish_policy(self) -> None:
        weights, version = self._weights.bytes(), self._trainer.policy_version
        announcement = self._store.inline(weights, version) if self._inline else self._store.publish(weights, version)
        message = Policy(**vars(announcement))
        if self._inline:
            message.weights = bytes_msg(bytes(weights))
        message.stamp = self.get_clock().now().to_msg()
        self._policies.publish(message)

    # Status and end

    def _publish_status(self) -> None:
        if self._failure is not None:
            raise RuntimeError(f"updates ended: {type(self._failure).__name__}: {self._failure}") from self._failure
        now, totals = time.monotonic(), self._watch.totals()
        seconds = max(1e-9, now - self._status_at)
        fractions = {k: (v - self._times_at_status.get(k, 0)) * 1e-9 / seconds for k, v in totals.items()}
        self._status_at, self._times_at_status = now, totals
        updates = self._trainer.updates
        info = self._trainer.info() if updates else {}
        status = LearnerStatus(
            run_id=self._run_id,
            updates=updates,
            policy_version=self._trainer.policy_version,
            stored_steps=self._trainer.stored_steps,
            replay_size=len(self._trainer.replay),
            seconds=seconds,
            updates_per_s=(updates - self._updates_at_status) / seconds,
            waiting_for_data=fractions.get(Answer.WAIT_FOR_DATA.value, 0.0),
            waiting_for_budget=fractions.get(Answer.WAIT_FOR_BUDGET.value, 0.0),
            waiting_for_request=fractions.get(Answer.IDLE.value, 0.0),
            sampling=fractions.get("sampling", 0.0),
            transfer=fractions.get("transfer", 0.0),
            update=fractions.get("update", 0.0),
        )
        for name in ("critic_loss", "actor_loss", "temperature_loss", "temperature", "entropy", "q_mean"):
            setattr(status, name, float(info.get(name, 0.0)))
        status.header.stamp = self.get_clock().now().to_msg()
        status.starved_of = self._starvation(fractions) if updates else ""
        if status.starved_of:
            self.get_logger().warning(status.starved_of, throttle_duration_sec=60.0)
        self._updates_at_status = updates
        self._statuses.publish(status)

    @staticmethod
    def _starvation(fractions: Mapping[str, float]) -> str:
        """What keeps the learner from updating although it may, in a sentence; empty: nothing does."""
        shares = {
            "steps: the transitions come slower than it could use them": fractions.get(Answer.WAIT_FOR_DATA.value, 0.0),
            "batches: sampling is slower than updating": fractions.get("sampling", 0.0),
            "time for others: batches and policies take long to hand over": fractions.get("transfer", 0.0),
        }
        worst = max(shares, key=lambda name: shares[name])
        return f"{shares[worst]:.0%} of the time it lacks {worst}" if shares[worst] > _STARVING else ""

    def diagnose(self) -> Diagnosis:
        level, _, _ = super().diagnose()
        values = {"updates": self._trainer.updates, "stored_steps": self._trainer.stored_steps}
        return level, "learning" if self._trainer.updates else "filling the replay", values

    def on_stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=30.0)
        if self._run_dir:
            self._trainer.save(wait=True)
            folder = Path(self._run_dir)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / "policy.safetensors", self._weights.bytes())
            self.get_logger().info(f"policy {self._trainer.policy_version} saved in {folder / 'policy.safetensors'}")
        self._trainer.close()
        self._store.close()


def main() -> None:
    """Runs the learner."""
    run_node(Learner)
