"""The actor: stacks frames, runs the policy, publishes the command and the transition. Never computes a gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.policy_store import PolicyAnnouncement, PolicyReader
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.msg import Action, Tick
from franka_reacher_rl.msg import Observation as ObservationMsg
from franka_reacher_rl.msg import Policy as PolicyMsg
from franka_reacher_rl.msg import Transition as TransitionMsg
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.messages import floats_msg, observation_from_msg, time_from_msg, transition_msg
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param


class Actor(Node):
    """Acts on observation k when it holds a tick for k and a policy at least as new as the tick says."""

    def __init__(self) -> None:
        super().__init__("actor")
        torch.set_num_threads(1)
        self._robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        image = declare(self, ImageSettings, "image")
        network = declare(self, NetworkSettings, "network")
        seed = declare_param(self, "seed", 0, "seed of the policy's noise")
        path = declare_param(self, "policy", "", "policy file to run; empty: the learner's")
        self._evaluate = declare_param(self, "evaluate", False, "act without noise and store nothing")
        self._policy = Policy(image, network, self._robot.dof, seed)
        self._frame_shape = (image.height, image.width, 3)
        self._stack = FrameStack(image.height, image.width, image.frames)
        self._reader = PolicyReader(network_digest(image, network, self._robot.dof))
        self._has_policy = False
        self._version = 0
        self._policy_stamp = 0.0
        self._policy_uses = 0
        self._observation: Observation | None = None
        self._taken = self._captured = 0.0
        self._acted = StepId(0, 0)
        self._stored = StepId(0, 0)
        self._tick = Tick()
        self._action: npt.NDArray[np.float32] = np.zeros(self._robot.dof, np.float32)
        self._last_action = Action()
        self._warm_up(image)
        self._from_file = bool(path)
        if path:
            self._load(Path(path).expanduser())
        elif self._evaluate:
            raise ValueError("evaluate without a policy: give policy:=PATH, for example a run's policy.safetensors")
        self._connect()

    def _connect(self) -> None:
        self._commands = self.create_publisher(JointState, "~/velocity_command", qos.RELIABLE)
        self._actions = self.create_publisher(Action, "~/action", qos.EVENT)
        self._transitions = self.create_publisher(TransitionMsg, "~/transition", qos.HISTORY)
        self._ready = self.create_publisher(Bool, "~/ready", qos.LATCHED)
        self.create_subscription(ObservationMsg, "observation", self._on_observation, qos.RELIABLE)
        self._ticks = self.create_subscription(Tick, "tick", self._on_tick, qos.EVENT)
        if not self._from_file:
            self.create_subscription(PolicyMsg, "policy", self._on_policy, qos.LATCHED)
        self._was_ready: bool | None = None
        self.create_timer(0.1, self._publish_ready)

    def _warm_up(self, image: ImageSettings) -> None:
        """The first inferences take far longer than a cycle; without noise they leave the generator as it is."""
        stack = np.zeros((image.channels, image.height, image.width), np.uint8)
        for _ in range(3):
            self._policy.act(stack, np.zeros(3 * self._robot.dof, np.float32), deterministic=True)

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"policy {path} is not there: a run leaves its own in RUN_DIR/policy.safetensors")
        self._policy.load(path.read_bytes())
        self._has_policy, self._policy_stamp = True, path.stat().st_mtime

    def _publish_ready(self) -> None:
        listened = self._evaluate or self._transitions.get_subscription_count() > 0
        ready = self._has_policy and listened and self.count_publishers(self._ticks.topic_name) > 0
        if ready != self._was_ready:
            self._was_ready = ready
            self._ready.publish(Bool(data=ready))

    def _on_policy(self, message: PolicyMsg) -> None:
        announcement = PolicyAnnouncement(
            run_id=message.run_id,
            version=message.version,
            network=message.network,
            crc=message.crc,
            size=message.size,
            host=message.host,
            shared_memory=message.shared_memory,
        )
        blob = self._reader.read(announcement, bytes(message.weights))
        if blob is None:
            self.get_logger().warning(self._reader.refusal, throttle_duration_sec=5.0)
            return
        self._policy.load(blob.weights)
        self._has_policy, self._version, self._policy_uses = True, blob.version, 0
        self._policy_stamp = time_from_msg(message.stamp)
        self._act_if_due()

    def _on_tick(self, tick: Tick) -> None:
        if (tick.episode, tick.step) >= (self._tick.episode, self._tick.step):
            self._tick = tick
        self._act_if_due()

    def _on_observation(self, message: ObservationMsg) -> None:
        observation = observation_from_msg(message)
        if observation.frame.shape != self._frame_shape:
            raise ValueError(
                f"frames are {observation.frame.shape}, the setting says {self._frame_shape}: "
                "give camera and actor the same image.width and image.height"
            )
        previous = self._observation
        gap = previous is None or observation.first or observation.id.step != previous.id.step + 1
        if gap:
            self._stack.reset(observation.frame)
        else:
            self._stack.push(observation.frame)
        self._observation = observation
        self._taken = time_from_msg(message.header.stamp)
        self._captured = time_from_msg(message.image.header.stamp)
        if observation.first:
            self._action = np.zeros_like(self._action)
            self._last_action = Action()
        taken = (self._action, self._last_action)  # what led here, before the next action is taken
        self._act_if_due()
        self._store(message, *taken)

    def _act_if_due(self) -> None:
        observation, tick = self._observation, self._tick
        if observation is None or observation.last or not self._acted < observation.id:
            return
        if StepId(tick.episode, tick.step) != observation.id:
            return
        if not self._has_policy or self._version < tick.policy_version:
            return
        self._acted = observation.id
        self._action = self._policy.act(self._stack.stack, observation.proprioception, deterministic=self._evaluate)
        command = JointState(name=self._robot.joints)
        command.velocity = floats_msg(self._robot.velocity_of(self._action.astype(float)), "d")
        stamp = self.get_clock().now()
        command.header.stamp = stamp.to_msg()
        self._commands.publish(command)
        now = stamp.nanoseconds * 1e-9
        self._policy_uses += 1
        action = Action(
            episode=observation.id.episode,
            step=observation.id.step,
            action=floats_msg(self._action),
            policy_version=self._version,
            observation_age=now - self._captured,
            response_time=now - self._taken,
            policy_age=max(0.0, now - self._policy_stamp),
            policy_age_steps=self._policy_uses - 1,
        )
        action.header.stamp = command.header.stamp
        self._actions.publish(action)
        self._last_action = action

    def _store(self, source: ObservationMsg, action: npt.NDArray[np.float32], taken: Action) -> None:
        """Publishes the row of the newest observation with the action that led to it."""
        assert self._observation is not None
        if self._evaluate or not self._stored < self._observation.id:
            return
        self._stored = self._observation.id
        row = Transition(self._observation, action, taken.policy_version)
        message = transition_msg(row, source.header)
        message.observation_age = taken.observation_age
        message.policy_age = taken.policy_age
        self._transitions.publish(message)

    def diagnose(self) -> Diagnosis:
        level, _, _ = super().diagnose()
        values = {"policy_version": self._version, "episode": self._acted.episode, "step": self._acted.step}
        return level, "acting" if self._has_policy else "waiting for a policy", values


def main() -> None:
    """Runs the actor."""
    run_node(Actor)
