"""The simulated arm in virtual time: world, bridge with its safety filter, and wrist camera."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.bridge import Bridge, Mode
from franka_reacher_rl.core.arm.moves import Move
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Nanoseconds, RobotState, Vector
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.loop.events import BridgeCounters, Sensed
from franka_reacher_rl.core.task.reward import reward_of, target_mask
from franka_reacher_rl.sim.camera import WristCamera
from franka_reacher_rl.sim.world import World
from franka_reacher_rl.virtual.latency import nanoseconds


def with_command_timeout(robot: Robot, seconds: float | None) -> Robot:
    """Return the robot with another command timeout of its bridge (s); None keeps its own."""
    if seconds is None:
        return robot
    return dataclasses.replace(robot, bridge=dataclasses.replace(robot.bridge, command_timeout=seconds))


class SimulatedPlant:
    """The arm of the graph without ROS: the bridge runs at its control rate, the camera renders on demand.

    A frame is rendered at the time of its observation. The graph's camera renders 60 frames a second, so there a
    frame is up to 17 ms old when it is taken. It is also the environment's `Senses`.
    """

    def __init__(self, robot: Robot, setting: Setting) -> None:
        """Build the world.

        Args:
            robot: The arm, which must have a simulated model.
            setting: Image, reward and cycle time.

        Raises:
            ValueError: The robot cannot be simulated.
            RuntimeError: There is no OpenGL on this machine.
        """
        if not robot.model.mjcf:
            raise ValueError(f"robot {robot.name!r} has no model to simulate: choose another, or add model.mjcf to it")
        self.robot = robot
        self.world = World(robot)
        self.camera = WristCamera(self.world, setting.image.width, setting.image.height)
        self.period: Nanoseconds = nanoseconds(1.0 / robot.driver.control_rate)
        self._setting = setting
        self._now: Nanoseconds = 0
        self._held = 0.0  # s in this episode
        self._move: Move | None = None
        self._restart_bridge()

    def move_to(self, q: Vector, now: Nanoseconds) -> None:
        """Start a move of the joints (joints,), rad."""
        self._move = self._bridge.move_to(now * 1e-9, self.robot.joints, q.tolist())

    def place_target(self, xy: Vector) -> None:
        """Place the simulated target at (2,), m."""
        self.world.place_target(xy)

    def moving(self) -> bool:
        """Return whether a move is under way."""
        return self._move is not None

    def begin_episode(self, now: Nanoseconds) -> None:
        """Restart the bridge, so that what follows depends on the world's state alone and counters start anew."""
        self._advance(now)
        self._restart_bridge()
        self._held = 0.0

    def control(self, now: Nanoseconds) -> None:
        """Run one cycle of the bridge: measure, filter, command.

        Raises:
            RuntimeError: The bridge has stopped the arm, or a move has failed.
        """
        self._advance(now)
        seconds = now * 1e-9
        self._bridge.take_state(seconds, seconds, self.world.q, self.world.dq)
        output = self._bridge.update(seconds)
        if output.mode in (Mode.FAULT, Mode.STOPPED):
            raise RuntimeError(f"the bridge stopped the arm: {self._bridge.waiting_for()}")
        self._held = output.held_seconds
        self.world.set_command(output.velocity)
        if self._move is not None and self._move.done:
            if not self._move.success:
                raise RuntimeError(f"the reset failed: {self._move.message}")
            self._move = None

    def command(self, action: npt.NDArray[np.float32], now: Nanoseconds) -> None:
        """Hand a normalised action (joints,) to the bridge, which carries it out from its next cycle on.

        Raises:
            RuntimeError: The bridge has refused it.
        """
        velocity = self.robot.velocity_of(np.asarray(action, float))
        refusal = self._bridge.take_command(now * 1e-9, now * 1e-9, self.robot.joints, velocity.tolist())
        if refusal is not None:
            raise RuntimeError(f"the bridge refused a command: {self._bridge.status.last_refusal}")

    # The environment's senses

    def read(self, now: Nanoseconds) -> Sensed:
        """Render a frame and measure the joints at this time."""
        self._advance(now)
        frame = self.camera.render()
        state = RobotState(now * 1e-9, self.world.q, self.world.dq, self._bridge.motion.velocity)
        mask = target_mask(frame, self._setting.reward)
        reward = reward_of(mask, self._setting.episode.cycle_ms, self._setting.reward)
        return Sensed(frame, reward, float(mask.mean()), now, state.proprioception())

    def missing(self, now: Nanoseconds) -> str:
        """Return an empty string: nothing is ever missing."""
        return ""

    def since(self, time: Nanoseconds) -> bool:
        """Return True: everything is measured when it is read."""
        return True

    def counters(self) -> BridgeCounters:
        """Return what the bridge has counted in this episode."""
        status = self._bridge.status
        return BridgeCounters(status.watchdog_stops, self._held, status.commands_limited)

    def refused(self) -> dict[str, int]:
        """Return nothing: every frame is used."""
        return {}

    # Saving

    def save(self) -> Vector:
        """Return the world's state; to be asked for between a reset and an episode."""
        return self.world.save()

    def restore(self, state: Vector, now: Nanoseconds) -> None:
        """Continue from a saved state, which was of that time."""
        self.world.restore(state)
        self._now, self._move = now, None
        self._restart_bridge()

    def close(self) -> None:
        """Free OpenGL."""
        self.camera.close()

    def _advance(self, now: Nanoseconds) -> None:
        self.world.step(1e-9 * (now - self._now))
        self._now = now

    def _restart_bridge(self) -> None:
        seconds = self._now * 1e-9
        self._bridge = Bridge(self.robot)
        self._bridge.take_state(seconds, seconds, self.world.q, self.world.dq)
        self.world.set_command(self._bridge.update(seconds).velocity)
