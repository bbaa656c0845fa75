"""A robot as a file: nothing else in the package knows which arm it drives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param
from franka_reacher_rl.core.base.paths import find_yaml


@dataclass(frozen=True)
class LimitSettings(Checked):
    """What the robot must never exceed, one value per joint."""

    position_lower: list[float] = param(description="lowest joint position", unit="rad")
    position_upper: list[float] = param(description="highest joint position", unit="rad")
    velocity: list[float] = param(description="highest joint speed", unit="rad/s", minimum=1e-3)
    acceleration: list[float] = param(description="highest joint acceleration", unit="rad/s^2", minimum=1e-2)
    jerk: list[float] = param(description="highest joint jerk", unit="rad/s^3", minimum=1e-1)


@dataclass(frozen=True)
class TaskSettings(Checked):
    """Where the task lets the arm go: inside the robot's own limits."""

    action_scale: list[float] = param(description="joint speed of a full action", unit="rad/s", minimum=0.0)
    position_lower: list[float] = param(description="lowest joint position while learning", unit="rad")
    position_upper: list[float] = param(description="highest joint position while learning", unit="rad")
    workspace_lower: list[float] = param(
        [0.3, -0.3, 0.08], "lower corner of the end effector's box in the base frame", unit="m"
    )
    workspace_upper: list[float] = param([0.7, 0.3, 0.38], "upper corner of the end effector's box", unit="m")


@dataclass(frozen=True)
class ModelSettings(Checked):
    """Kinematics for the safety filter, physics for the simulated world."""

    urdf: str = param(description="URDF: a path, or a file of config/robots")
    base_frame: str = param(description="frame of the URDF in which the workspace is given")
    end_effector_frame: str = param(description="frame of the URDF that must stay in the workspace")
    mjcf: str = param("", "MJCF of the simulated arm, likewise; empty: this robot cannot be simulated")


@dataclass(frozen=True)
class DriverSettings(Checked):
    """What carries out the velocities."""

    name: str = param("topic", "the driver", choices=("topic", "franka"))
    control_rate: float = param(100.0, "rate of the bridge's control loop", unit="Hz", minimum=10.0, maximum=1000.0)
    command_topic: str = param("forward_velocity_controller/commands", "topic driver: Float64MultiArray of velocities")
    state_topic: str = param("joint_states", "topic driver: JointState")
    address: str = param("", "franka driver: host name or IP address of the robot")
    realtime: bool = param(False, "franka driver: insist on a real-time kernel")
    lag: float = param(
        0.0, "time constant with which the arm's velocity follows the command", unit="s", minimum=0.0, maximum=0.5
    )
    delay: float = param(0.0, "time a command takes until the arm feels it", unit="s", minimum=0.0, maximum=0.5)
    deadline: float = param(
        0.1,
        "franka driver: the arm stops itself when no command came for this long",
        unit="s",
        minimum=0.01,
        maximum=1.0,
    )
    max_recoveries: int = param(3, "franka driver: automatic recoveries from a reflex within a minute", minimum=0)


@dataclass(frozen=True)
class BridgeSettings(Checked):
    """When the bridge stops by itself."""

    command_timeout: float = param(
        0.2,
        "commands older than this ramp the arm to zero (the reference set 0.05 s, its driver's default is 0.2 s)",
        unit="s",
        minimum=0.01,
        maximum=5.0,
    )
    latch_after: float = param(
        10.0,
        "when commands ceased in mid-episode for this long, without a move or a stop, wait for the arm service",
        unit="s",
        minimum=0.1,
    )
    state_timeout: float = param(0.2, "joint states older than this are a fault", unit="s", minimum=0.01)
    max_command_age: float = param(0.5, "commands with an older stamp are refused", unit="s", minimum=0.01)
    approach_time: float = param(
        0.05,
        "towards a face of the box or a joint limit, no faster than the distance left over this time",
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    workspace_margin: float = param(
        0.002, "the filter keeps this far inside the box", unit="m", minimum=0.0, maximum=0.1
    )
    position_margin: float = param(
        0.005, "the filter keeps this far inside the joint limits", unit="rad", minimum=0.0, maximum=0.2
    )


@dataclass(frozen=True, kw_only=True)
class ResetSettings(Checked):
    """How an episode's start is reached."""

    strategy: str = param(
        "teleport",
        "teleport: move to the start pose, the simulated target is placed anew; swing: lift and swing the bag on its "
        "thread, then the start pose; joint: move to the start pose only",
        choices=("teleport", "swing", "joint"),
    )
    start_lower: list[float] = param(description="lower bound of the start pose, drawn evenly", unit="rad")
    start_upper: list[float] = param(description="upper bound of the start pose", unit="rad")
    swing_lower: list[float] = param([], "lower bound of the pose that swings the bag", unit="rad")
    swing_upper: list[float] = param([], "upper bound of the pose that swings the bag", unit="rad")
    velocity: float = param(1.0, "highest joint speed of a reset move", unit="rad/s", minimum=0.01, maximum=2.0)
    tolerance: float = param(0.01, "arrived when every joint is this close", unit="rad", minimum=1e-4)
    timeout: float = param(8.0, "a move that takes longer has failed", unit="s", minimum=0.5)


@dataclass(frozen=True)
class TargetSettings(Checked):
    """Where the simulated target is placed, in the base frame; its height follows from the table."""

    lower: list[float] = param([0.4, -0.15], "lower corner of the target's place on the table (x, y)", unit="m")
    upper: list[float] = param([0.65, 0.15], "upper corner of the target's place (x, y)", unit="m")


@dataclass(frozen=True)
class Robot(Checked):
    """One robot file, `config/robots/<name>.yaml`."""

    name: str = param(description="name of the robot")
    description: str = param(description="one line for the person who picks it")
    joints: list[str] = param(description="joint names, in the order of every vector")
    limits: LimitSettings = param(description="the robot's own limits")
    task: TaskSettings = param(description="the task's limits")
    model: ModelSettings = param(description="kinematics and physics")
    reset: ResetSettings = param(description="how an episode's start is reached")
    driver: DriverSettings = field(default_factory=DriverSettings)
    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    target: TargetSettings = field(default_factory=TargetSettings)

    @classmethod
    def load(cls, name: str | Path) -> Robot:
        """Reads `config/robots/<name>.yaml`, or the file a path names.

        Raises:
            ValueError: No such robot, or something in its file is not allowed.
        """
        path = find_yaml("robots", str(name))
        try:
            document = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not YAML: {error}") from None
        return from_mapping(cls, document, str(path))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.joints)) != len(self.joints) or not self.joints:
            raise ValueError(f"joints = {self.joints}: give each joint's name once")
        self._check_lengths()
        self._check_order()
        self._check_inside()
        if self.driver.name == "franka" and self.dof != 7:
            raise ValueError(f"driver franka drives 7 joints, but there are {self.dof}")

    def _check_lengths(self) -> None:
        for part in (self.limits, self.task, self.reset):
            for name, value in vars(part).items():
                expected = 3 if name.startswith("workspace") else self.dof
                optional = name.startswith("swing") and self.reset.strategy != "swing"
                if isinstance(value, list) and len(value) != expected and not (optional and not value):
                    what = "x, y, z" if expected == 3 and self.dof != 3 else f"there are {self.dof} joints"
                    raise ValueError(f"{name} has {len(value)} values, but {what}")

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
                raise ValueError(f"{lower} = {low.tolist()} is not below {upper} = {high.tolist()}")

    def _check_inside(self) -> None:
        """The task and the resets within the robot's own limits."""
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
                    f"{name} of {self.joints[i]} = {value[i]} rad is outside the joint's limits {low[i]} to {high[i]}"
                )
        scale, fastest = self.task.action_scale, self.limits.velocity
        if np.any(np.asarray(scale) > np.asarray(fastest)):
            raise ValueError(f"action_scale = {scale} is above the velocity limit {fastest}")

    @property
    def dof(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def simulated(self) -> bool:
        """Whether the arm is the simulated world's: the launch files then start that too."""
        return self.driver.name == "topic" and bool(self.model.mjcf)

    def start_middle(self) -> Vector:
        """The middle of the start poses, (joints,) in rad."""
        return 0.5 * (np.asarray(self.reset.start_lower) + np.asarray(self.reset.start_upper))

    def target_middle(self) -> Vector:
        """The middle of the target's places on the table, (2,) in m."""
        return 0.5 * (np.asarray(self.target.lower) + np.asarray(self.target.upper))

    def velocity_of(self, action: Vector) -> Vector:
        """Joint velocities (rad/s) of a normalised action, (joints,) in [-1, 1]."""
        return np.asarray(action, float) * np.asarray(self.task.action_scale)

    def draw_start(self, random: np.random.Generator) -> Vector:
        """A start pose, (joints,) in rad."""
        return random.uniform(self.reset.start_lower, self.reset.start_upper)

    def draw_target(self, random: np.random.Generator) -> Vector:
        """A place of the target on the table, (2,) in m."""
        return random.uniform(self.target.lower, self.target.upper)
