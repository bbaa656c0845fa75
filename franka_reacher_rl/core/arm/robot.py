"""A robot file as a whole: how it is loaded and checked.

Nothing else in the package knows which arm it drives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from franka_reacher_rl.core.arm.robot_files.sections import (
    BridgeSettings,
    CameraSettings,
    DriverSettings,
    LimitSettings,
    ModelSettings,
    ResetSettings,
    TargetSettings,
    TaskSettings,
)
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param
from franka_reacher_rl.core.base.paths import find_yaml

LEAST_ROOM = 0.02  # m, smallest edge of the workspace between its margins


@dataclass(frozen=True)
class Robot(Checked):
    """A robot, as described by its file `config/robots/<name>.yaml`."""

    name: str = param(description="name of the robot")
    description: str = param(description="one line that describes the robot")
    joints: list[str] = param(description="joint names, in the order used by every vector")
    limits: LimitSettings = param(description="limits of the robot")
    task: TaskSettings = param(description="limits of the task")
    model: ModelSettings = param(description="kinematic and physical models")
    reset: ResetSettings = param(description="how the arm reaches the start of an episode")
    driver: DriverSettings = field(default_factory=DriverSettings)
    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    target: TargetSettings = field(default_factory=TargetSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)

    @classmethod
    def load(cls, name: str | Path) -> Robot:
        """Load a robot by name from `config/robots/<name>.yaml`, or from the path of a YAML file.

        Raises:
            ValueError: There is no such robot, or a value in its file is not allowed.
        """
        path = find_yaml("robots", str(name))
        return from_mapping(cls, load_yaml(path), str(path))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.joints)) != len(self.joints) or not self.joints:
            raise ValueError(f"joints = {self.joints}: give each joint's name exactly once")
        self._check_lengths()
        self._check_order()
        self._check_inside()
        self._check_room()
        if self.driver.name == "franka" and self.dof != 7:
            raise ValueError(f"driver franka drives 7 joints, but the robot has {self.dof}: use driver topic")
        for name, expected in (("collision_torque", 7), ("collision_force", 6)):
            if len(getattr(self.driver, name)) != expected:
                raise ValueError(f"{name} has {len(getattr(self.driver, name))} values: give {expected}")

    def _check_lengths(self) -> None:
        for part in (self.limits, self.task, self.reset):
            for name, value in vars(part).items():
                expected = 3 if name.startswith("workspace") else self.dof
                optional = name.startswith("swing") and self.reset.strategy != "swing"
                if isinstance(value, list) and len(value) != expected and not (optional and not value):
                    what = "x, y and z" if name.startswith("workspace") else "one per joint"
                    raise ValueError(f"{name} has {len(value)} values: give {expected}, {what}")

    def _check_order(self) -> None:
        pairs: tuple[tuple[Checked, str, str], ...] = (
            (self.limits, "position_lower", "position_upper"),
            (self.task, "position_lower", "position_upper"),
            (self.task, "workspace_lower", "workspace_upper"),
            (self.reset, "start_lower", "start_upper"),
            (self.reset, "swing_lower", "swing_upper"),
            (self.target, "lower", "upper"),
        )
        for part, lower, upper in pairs:
            low, high = np.asarray(getattr(part, lower)), np.asarray(getattr(part, upper))
            if low.shape != high.shape or np.any(low > high):
                raise ValueError(f"{lower} = {low.tolist()} exceeds {upper} = {high.tolist()}")

    def _check_inside(self) -> None:
        """Check that the task and the reset poses are within the robot's limits."""
        low, high = np.asarray(self.limits.position_lower), np.asarray(self.limits.position_upper)
        for part, name in (
            (self.task, "position_lower"),
            (self.task, "position_upper"),
            (self.reset, "start_lower"),
            (self.reset, "start_upper"),
            (self.reset, "swing_lower"),
            (self.reset, "swing_upper"),
        ):
            value = np.asarray(getattr(part, name))
            if value.size and np.any((value < low) | (value > high)):
                i = int(np.argmax((value < low) | (value > high)))
                raise ValueError(
                    f"{name} of {self.joints[i]} = {value[i]} rad is not allowed: the joint's limits are {low[i]} to "
                    f"{high[i]} rad"
                )
        scale, fastest = self.task.action_scale, self.limits.velocity
        if np.any(np.asarray(scale) > np.asarray(fastest)):
            raise ValueError(f"action_scale = {scale} exceeds the velocity limit {fastest}")

    def _check_room(self) -> None:
        """Check that the margins leave room, and that the start poses are in what they leave of the joint range."""
        room = np.asarray(self.task.workspace_upper) - self.task.workspace_lower - 2.0 * self.bridge.workspace_margin
        if np.any(room < LEAST_ROOM):
            raise ValueError(
                f"workspace {self.task.workspace_lower} to {self.task.workspace_upper} m leaves {room.min():.3f} m "
                f"between the margins of {self.bridge.workspace_margin} m: at least {LEAST_ROOM} m is needed"
            )
        low = np.asarray(self.task.position_lower) + self.bridge.position_margin
        high = np.asarray(self.task.position_upper) - self.bridge.position_margin
        for name in ("start_lower", "start_upper"):
            value = np.asarray(getattr(self.reset, name))
            if np.any((value < low) | (value > high)):
                i = int(np.argmax((value < low) | (value > high)))
                raise ValueError(
                    f"{name} of {self.joints[i]} = {value[i]} rad is outside the task's range less the margin, "
                    f"{low[i]:g} to {high[i]:g} rad: an episode would start outside its limits"
                )

    @property
    def dof(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def simulated(self) -> bool:
        """Whether the arm is simulated, so that the launch files start the simulation."""
        return self.driver.name == "topic" and bool(self.model.mjcf)

    def start_middle(self) -> Vector:
        """Return the middle of the start poses, (joints,) in rad."""
        return 0.5 * (np.asarray(self.reset.start_lower) + np.asarray(self.reset.start_upper))

    def target_middle(self) -> Vector:
        """Return the middle of the area in which the target is placed, (2,) in m."""
        return 0.5 * (np.asarray(self.target.lower) + np.asarray(self.target.upper))

    def velocity_of(self, action: Vector) -> Vector:
        """Return the joint velocities (joints,) in rad/s of a normalised action (joints,) in [-1, 1]."""
        return np.asarray(action, float) * np.asarray(self.task.action_scale)

    def draw_start(self, random: np.random.Generator) -> Vector:
        """Draw a start pose, (joints,) in rad."""
        return random.uniform(self.reset.start_lower, self.reset.start_upper)

    def draw_target(self, random: np.random.Generator) -> Vector:
        """Draw a position of the target on the table, (2,) in m."""
        return random.uniform(self.target.lower, self.target.upper)
