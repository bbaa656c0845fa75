"""The actor node: runs the policy, publishes commands and transitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.loop import actor as loop
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.policy_store import PolicyReader
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_from_stamp, steady_ns, steady_seconds
from franka_reacher_rl.ros.messages import (
    action_msg,
    announcement_from_msg,
    observation_from_msg,
    tick_from_msg,
    transition_msg,
)
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param
from franka_reacher_rl.ros.standard_messages import floats_msg

READY_PERIOD = 0.5  # s, after which `~/ready` is repeated as a sign of life
_OLD_POLICY = 10.0  # s, from which a policy counts as old while the learner updates


class Actor(Node):
    """Publishes `~/velocity_command` and `~/action` for each observation it acts on, and `~/transition` for all."""

    task = "policy"

    def __init__(self) -> None:
        super().__init__("actor")
        torch.set_num_threads(1)
        self._robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        image = declare(self, ImageSettings, "image")
        network = declare(self, NetworkSettings, "network")
        seed = declare_param(self, "seed", 0, "seed of the policy's noise")
        path = declare_param(self, "policy", "", "policy file to run; empty: the learner's policies")
        self._policies, self._policy_age = 0, 0.0  # policies received; s, at the last action
        self._evaluate = declare_param(self, "evaluate", False, "act without noise and store nothing")
        if self._evaluate and not path:
            raise ValueError("evaluate without a policy: give policy:=PATH, for example a run's policy.safetensors")
        policy = Policy(image, network, self._robot.dof, seed)
        _warm_up(policy, image, self._robot.dof)
        self._loop = loop.Actor(policy, FrameStack(image), self._robot.dof, evaluate=self._evaluate)
        self._reader = PolicyReader(network_digest(image, network, self._robot.dof), self.run.id)
        if path:
            self._load(Path(path).expanduser())
        self._connect(from_file=bool(path))

    def _connect(self, from_file: bool) -> None:
        self._commands = self.create_publisher(JointState, "~/velocity_command", qos.RELIABLE)
        self._actions = self.create_publisher(msg.Action, "~/action", qos.EVENT)
        self._transitions = self.create_publisher(msg.Transition, "~/transition", qos.HISTORY)
        self._ready = self.create_publisher(Bool, "~/ready", qos.LATCHED)
        self.create_subscription(msg.Observation, "observation", self.run.only(self._on_observation), qos.RELIABLE)
        self._ticks = self.create_subscription(msg.Tick, "tick", self.run.only(self._on_tick), qos.EVENT)
        if not from_file:
            self.create_subscription(msg.Policy, "policy", self.run.only(self._on_policy), qos.LATCHED)
        self._inline: Subscription | None = None  # while the learner's shared memory is out of reach
        self._was_ready: bool | None = None
        self._ready_published = 0.0  # steady time, s
        self.steady_timer(0.1, self._publish_ready)

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"policy {path} is not there: a run saves its policy as RUN_DIR/policy.safetensors")
        self._loop.on_policy(0, steady_ns(), path.read_bytes())

    def _publish_ready(self) -> None:
        listened = self._evaluate or self._transitions.get_subscription_count() > 0
        has_policy = self._loop.version is not None
        ready = has_policy and listened and self.count_publishers(self._ticks.topic_name) > 0
        now = steady_seconds()
        if ready != self._was_ready or now - self._ready_published >= READY_PERIOD:
            self._was_ready, self._ready_published = ready, now
            self._ready.publish(Bool(data=ready))

    def _on_policy(self, message: msg.Policy) -> None:
        blob = self._reader.read(announcement_from_msg(message), memoryview(message.weights))
        if self._reader.unreachable:
            self._receive_inline()
            return
        if blob is not None and not len(message.weights):
            self._receive_no_inline()
        if blob is None:
            raise ValueError(self._reader.refusal)
        try:
            step = self._loop.on_policy(blob.version, steady_from_stamp(message.stamp), blob.weights)
        except ValueError as error:
            kept = f"policy {self._loop.version} stays" if self._loop.version is not None else "there is no other"
            raise ValueError(f"policy {blob.version} is refused: {error}; {kept}") from None
        self._policies += 1
        self._follow(step)

    def _receive_inline(self) -> None:
        """Ask the learner for policies with their weights: it runs on another host or in another container."""
        if self._inline is None:
            self.get_logger().info(f"{self._reader.refusal}: policies are received inline")
            callback = self.run.only(self._on_policy)
            self._inline = self.create_subscription(msg.Policy, "policy_inline", callback, qos.LATCHED)

    def _receive_no_inline(self) -> None:
        if self._inline is not None:
            self.get_logger().info("policies are received by shared memory")
            self.destroy_subscription(self._inline)
            self._inline = None

    def _on_tick(self, message: msg.Tick) -> None:
        self._follow(self._loop.on_tick(tick_from_msg(message)))

    def _on_observation(self, message: msg.Observation) -> None:
        self._follow(self._loop.on_observation(observation_from_msg(message)))

    def _follow(self, step: loop.Step) -> None:
        """Send the command first: the transition can wait."""
        if step.command is not None:
            command = JointState(name=self._robot.joints)
            command.velocity = floats_msg(self._robot.velocity_of(step.command.astype(float)), "d")
            leaves = steady_ns()
            command.header.stamp = stamp_from_steady(leaves)
            self._commands.publish(command)
            action = self._loop.sent(leaves)
            self._policy_age = action.policy_age
            self._actions.publish(self.run.mark(action_msg(action, command.header.stamp)))
        if step.transition is not None:
            self._transitions.publish(self.run.mark(transition_msg(step.transition)))

    def diagnose(self) -> Diagnosis:
        acted, version, age = self._loop.acted, self._loop.version, self._policy_age
        values = {"policy_version": version, "policy_age": f"{age:.3f} s", "episode": acted.episode, "step": acted.step}
        if version is None:
            return DiagnosticStatus.WARN, "waiting for a policy", values
        # The first policy is as old as the warm-up is long.
        if self._policies > 1 and age > _OLD_POLICY:
            return DiagnosticStatus.WARN, f"the policy is {age:.0f} s old: does the learner still update?", values
        return DiagnosticStatus.OK, f"acting with policy {version}", values


def _warm_up(policy: Policy, image: ImageSettings, dof: int) -> None:
    """Run the policy without noise: the first inferences take far longer than a cycle."""
    stack = np.zeros((image.channels, image.height, image.width), np.uint8)
    for _ in range(3):
        policy.act(stack, np.zeros(3 * dof, np.float32), deterministic=True)


def main() -> None:
    """Run the actor node."""
    run_node(Actor)
