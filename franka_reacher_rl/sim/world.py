"""The physics of the simulation: an arm with velocity servos and a bean bag, without ROS and without rendering."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.sim import scene

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class World:
    """Simulates one arm above a table; the same commands give a bit-identical motion.

    Vectors have the robot file's joint order.
    """

    def __init__(self, robot: Robot, *, timestep: float = 0.002) -> None:
        """Build the world with the arm at rest in the middle of its start poses.

        Args:
            robot: The robot; `model.mjcf` names its model.
            timestep: Timestep of the physics in s.

        Raises:
            ValueError: The arm's model lacks a joint or a frame of the robot file, or the timestep is not positive.
        """
        if not 0.0 < timestep <= 0.01:
            raise ValueError(f"timestep = {timestep!r} s is not allowed: more than 0 and at most 0.01 s")
        self.robot = robot
        self.model = scene.build(robot)
        self.model.opt.timestep = timestep
        self.data = mujoco.MjData(self.model)
        self._positions, self._velocities = scene.joint_addresses(robot, self.model)
        name = scene.ARM + robot.model.end_effector_frame
        self._end_effector = self.data.body(name) if scene.has_body(self.model, name) else self.data.site(name)
        self._limit = np.array(robot.limits.velocity)
        # Views of MuJoCo's state, which are much quicker to read than its attributes.
        self._qpos, self._qvel, self._ctrl = self.data.qpos, self.data.qvel, self.data.ctrl
        self._target = self.data.mocap_pos[int(self.model.body("target").mocapid[0])]
        self._owed = 0.0  # s, requested of step() but not simulated, less than a timestep
        self.reset(robot.start_middle())
        self.place_target(robot.target_middle())

    @property
    def dof(self) -> int:
        """Number of joints."""
        return self.robot.dof

    @property
    def time(self) -> float:
        """Simulated time in s."""
        return float(self.data.time)

    @property
    def q(self) -> Vector:
        """Joint positions, (joints,) in rad."""
        return np.asarray(self._qpos[self._positions])  # a copy

    @property
    def dq(self) -> Vector:
        """Joint velocities, (joints,) in rad/s."""
        return np.asarray(self._qvel[self._velocities])

    @property
    def command(self) -> Vector:
        """Commanded joint velocities, (joints,) in rad/s."""
        return np.array(self.data.ctrl)

    @property
    def target(self) -> Vector:
        """Centre of the bean bag in the base frame, (3,) in m."""
        return np.array(self._target)

    def set_command(self, dq_cmd: Vector) -> None:
        """Set the velocities that the servos follow from now on.

        Args:
            dq_cmd: Joint velocities, (joints,) in rad/s; they are clipped to the robot's velocity limits.

        Raises:
            ValueError: The length is wrong, or a value is not finite.
        """
        wanted = self._checked(dq_cmd, "dq_cmd")
        np.minimum(np.maximum(wanted, -self._limit), self._limit, out=self._ctrl)

    def step(self, seconds: float) -> None:
        """Advance the simulation by whole timesteps; the remainder is carried over to the next call.

        Raises:
            ValueError: The time is negative or not finite.
        """
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"cannot step {seconds!r} s: give a finite time of at least 0 s")
        timestep = self.model.opt.timestep
        self._owed += seconds
        steps = math.floor(self._owed / timestep + 1e-6)  # despite rounding, 40 ms are 20 steps of 2 ms
        self._owed -= steps * timestep
        if steps:
            mujoco.mj_step(self.model, self.data, steps)

    def reset(self, q: Vector) -> None:
        """Set the arm to rest at q, (joints,) in rad, with zero command, keeping time and target.

        Raises:
            ValueError: The length is wrong, or a value is not finite.
        """
        self.data.qpos[self._positions] = self._checked(q, "q")
        self.data.qvel[:] = 0.0
        self.data.ctrl[:] = 0.0
        self.data.qacc_warmstart[:] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def place_target(self, xy: Vector) -> None:
        """Place the bean bag on the table at xy, (2,) in m in the base frame.

        Raises:
            ValueError: The position is not on the table.
        """
        table = self.model.geom("table")
        place = np.asarray(xy, float)
        lower, upper = table.pos[:2] - table.size[:2], table.pos[:2] + table.size[:2]
        if place.shape != (2,) or not np.all((place >= lower) & (place <= upper)):
            raise ValueError(
                f"target at {np.asarray(xy).tolist()} is not on the table: x must be {lower[0]:.2f} to {upper[0]:.2f} "
                f"m and y {lower[1]:.2f} to {upper[1]:.2f} m"
            )
        self._target[:2] = place

    def end_effector(self) -> npt.NDArray[np.float64]:
        """Return O_T_EE, the pose of the robot file's end-effector frame in the base frame, (4, 4)."""
        mujoco.mj_kinematics(self.model, self.data)
        pose = np.eye(4)
        pose[:3, :3] = self._end_effector.xmat.reshape(3, 3)
        pose[:3, 3] = self._end_effector.xpos
        return pose

    def save(self) -> Vector:
        """Return the complete state as one array, for a checkpoint."""
        state = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, state, _STATE)
        return np.append(state, self._owed)

    def restore(self, state: Vector) -> None:
        """Restore a state returned by `save`; the continuation is bit-identical.

        Raises:
            ValueError: The state belongs to another model.
        """
        size = mujoco.mj_stateSize(self.model, _STATE)
        if np.shape(state) != (size + 1,):
            raise ValueError(f"a state of robot {self.robot.name!r} has shape ({size + 1},), not {np.shape(state)}")
        mujoco.mj_setState(self.model, self.data, np.ascontiguousarray(state[:-1], float), _STATE)
        self._owed = float(state[-1])
        mujoco.mj_forward(self.model, self.data)
        # mj_forward overwrites the solver's warm start: restore the saved one
        mujoco.mj_setState(self.model, self.data, np.ascontiguousarray(state[:-1], float), _STATE)

    def _checked(self, values: Vector, name: str) -> Vector:
        vector = np.asarray(values, float)
        if vector.shape != (self.dof,) or not all(map(math.isfinite, vector.tolist())):
            raise ValueError(f"{name} = {shortened(vector.tolist())} is not allowed: give {self.dof} finite numbers")
        return vector
