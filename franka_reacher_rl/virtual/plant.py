"""The simulated arm in virtual time: world, bridge with its safety filter, and wrist camera."""

from __future__ import annotations

import dataclasses

import numpy as np

from franka_reacher_rl.core.arm.bridge import Bridge, Mode
from franka_reacher_rl.core.arm.moves import Move
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Nanoseconds, RobotState, Vector
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget, reset_steps
from franka_reacher_rl.core.task.reward import reward_of, target_mask
from franka_reacher_rl.sim.camera import WristCamera
from franka_reacher_rl.sim.world import World
from franka_reacher_rl.virtual.latency import nanoseconds
from franka_reacher_rl.virtual.wiring import Action, View


def with_command_timeout(robot: Robot, seconds: float | None) -> Robot:
    """The robot with another command timeout of its bridge (s); None: its file's."""
    if seconds is None:
        return robot
    return dataclasses.replace(robot, bridge=dataclasses.replace(robot.bridge, command_timeout=seconds))


class SimulatedPlant:
    """The arm as the ROS graph has it, without ROS: the bridge runs at its control rate, the camera on demand.

    A frame is drawn at the very time of its observation; the graph's camera draws at 60 frames a second, so there a
    frame is up to 17 ms old when it is taken. Start poses and targets follow from seed and episode alone: runs of
    different settings meet the same ones.
    """

    def __init__(self, robot: Robot, setting: Setting, seed: int) -> None:
        """Builds the world.

        Args:
            robot: The arm, which must have a simulated model.
            setting: Image, reward and cycle time.
            seed: Of start poses and targets.

        Raises:
            ValueError: The robot cannot be simulated.
            RuntimeError: There is no OpenGL on this machine.
        """
        if not robot.model.mjcf:
            raise ValueError(
                f"robot {robot.name!r} has no model to simulate: take another, or add model.mjcf to its file"
            )
        self.robot, self.seed = robot, seed
        self.world = World(robot)
        self.camera = WristCamera(self.world, setting.image.width, setting.image.height)
        self.period: Nanoseconds = nanoseconds(1.0 / robot.driver.control_rate)
        self.held = 0
        self._setting = setting
        self._now: Nanoseconds = 0
        self._move: Move | None = None
        self._steps: list[MoveTo | PlaceTarget] = []
        self._arm_bridge()

    def begin_reset(self, episode: int, now: Nanoseconds) -> None:
        """Starts the reset that precedes an episode."""
        self._steps = reset_steps(self.robot, np.random.default_rng([self.seed, episode, 1]))
        self._next_step(now)

    def resetting(self) -> bool:
        """Whether the reset is under way."""
        return self._move is not None or bool(self._steps)

    def begin_episode(self, now: Nanoseconds) -> None:
        """A fresh bridge, so that what comes depends on the world's state alone; counters start anew."""
        self._advance(now)
        self._arm_bridge()
        self.held = 0

    @property
    def watchdog_stops(self) -> int:
        """How often, in this episode, commands ceased for longer than the bridge's timeout."""
        return self._bridge.status.watchdog_stops

    @property
    def commands_limited(self) -> int:
        """Commands of this episode that the safety filter changed."""
        return self._bridge.status.commands_limited

    def control(self, now: Nanoseconds) -> None:
        """One cycle of the bridge: measure, filter, command."""
        self._advance(now)
        seconds = now * 1e-9
        self._bridge.take_state(seconds, seconds, self.world.q, self.world.dq)
        output = self._bridge.update(seconds)
        if output.mode in (Mode.FAULT, Mode.STOPPED):
            raise RuntimeError(f"the bridge stopped the arm: {self._bridge.waiting_for()}")
        self.held += output.mode is Mode.HOLDING
        self.world.set_command(output.velocity)
        if self._move is not None and self._move.done:
            if not self._move.success:
                raise RuntimeError(f"the reset failed: {self._move.message}")
            self._move = None
            self._next_step(now)

    def command(self, action: Action, now: Nanoseconds) -> None:
        """A command reaches the bridge, which carries it out from its next cycle on."""
        velocity = self.robot.velocity_of(np.asarray(action, float))
        refusal = self._bridge.take_command(now * 1e-9, now * 1e-9, self.robot.joints, velocity.tolist())
        if refusal is not None:
            raise RuntimeError(f"the bridge refused a command: {self._bridge.status.last_refusal}")

    def observe(self, now: Nanoseconds) -> View:
        """Frame, joints and reward at this time."""
        self._advance(now)
        frame = self.camera.render()
        state = RobotState(now * 1e-9, self.world.q, self.world.dq, self._bridge.motion.velocity)
        reward = reward_of(
            target_mask(frame, self._setting.reward), self._setting.episode.cycle_ms, self._setting.reward
        )
        return View(frame, state.proprioception(), reward)

    def save(self) -> Vector:
        """The world's state; to be asked between a reset and an episode."""
        return self.world.save()

    def restore(self, state: Vector, now: Nanoseconds) -> None:
        """Takes up a saved state, which was of that time."""
        self.world.restore(state)
        self._now, self._move, self._steps = now, None, []
        self._arm_bridge()

    def close(self) -> None:
        """Frees OpenGL."""
        self.camera.close()

    def _advance(self, now: Nanoseconds) -> None:
        self.world.step(1e-9 * (now - self._now))
        self._now = now

    def _arm_bridge(self) -> None:
        seconds = self._now * 1e-9
        self._bridge = Bridge(self.robot)
        self._bridge.take_state(seconds, seconds, self.world.q, self.world.dq)
        self.world.set_command(self._bridge.update(seconds).velocity)

    def _next_step(self, now: Nanoseconds) -> None:
        while self._steps and self._move is None:
            step = self._steps.pop(0)
            if isinstance(step, MoveTo):
                self._move = self._bridge.move_to(now * 1e-9, self.robot.joints, step.q.tolist())
            else:
                self.world.place_target(step.xy)
