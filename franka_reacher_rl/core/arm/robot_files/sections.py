"""The sections of a robot file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.base.fields import Checked, param


@dataclass(frozen=True)
class LimitSettings(Checked):
    """Limits that the robot must never exceed, one value per joint."""

    position_lower: list[float] = param(description="lower limit of each joint position", unit="rad")
    position_upper: list[float] = param(description="upper limit of each joint position", unit="rad")
    velocity: list[float] = param(description="limit of each joint's speed", unit="rad/s", minimum=1e-3)
    acceleration: list[float] = param(description="limit of each joint's acceleration", unit="rad/s^2", minimum=1e-2)
    jerk: list[float] = param(description="limit of each joint's jerk", unit="rad/s^3", minimum=1e-1)


@dataclass(frozen=True)
class TaskSettings(Checked):
    """Limits of the task, inside those of the robot."""

    action_scale: list[float] = param(description="joint speed of a full action", unit="rad/s", minimum=0.0)
    position_lower: list[float] = param(description="lower limit of each joint position during an episode", unit="rad")
    position_upper: list[float] = param(description="upper limit of each joint position during an episode", unit="rad")
    workspace_lower: list[float] = param(
        [0.3, -0.3, 0.08], "lower corner of the end effector's workspace (x, y, z) in the base frame", unit="m"
    )
    workspace_upper: list[float] = param(
        [0.7, 0.3, 0.38], "upper corner of the end effector's workspace (x, y, z) in the base frame", unit="m"
    )


UNLIMITED = 10.0  # m; a guarded frame has no limit in a direction if its bound is at least this far away


@dataclass(frozen=True)
class GuardedFrame(Checked):
    """A frame of the arm that must stay within a box of its own, in episodes and in reset moves."""

    frame: str = param(description="frame of the URDF")
    lower: list[float] = param(
        [-UNLIMITED] * 3, f"lower corner of the frame's box in the base frame; -{UNLIMITED:g}: unlimited", unit="m"
    )
    upper: list[float] = param(
        [UNLIMITED] * 3, f"upper corner of the frame's box in the base frame; {UNLIMITED:g}: unlimited", unit="m"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.lower) != 3 or len(self.upper) != 3 or np.any(np.asarray(self.lower) >= np.asarray(self.upper)):
            raise ValueError(
                f"guarded frame {self.frame!r}: lower {self.lower} must be below upper {self.upper} (x, y, z)"
            )


@dataclass(frozen=True)
class ModelSettings(Checked):
    """Models of the arm: kinematics for the safety filter, physics for the simulation."""

    urdf: str = param(description="URDF of the arm: a path, or the name of a file in config/robots")
    base_frame: str = param(description="frame of the URDF in which the workspace is given")
    end_effector_frame: str = param(description="frame of the URDF that must stay in the workspace")
    guarded_frames: list[GuardedFrame] = param(
        [], "further frames that must stay clear of the table and of walls, such as the elbow, the flange and a mount"
    )
    mjcf: str = param(
        "", "MJCF or URDF of the simulated arm: a path, or the name of a file in config/robots; empty: not simulated"
    )


@dataclass(frozen=True)
class DriverSettings(Checked):
    """The driver, which sends velocities to the arm."""

    name: str = param("topic", "driver of the arm", choices=("topic", "franka"))
    control_rate: float = param(100.0, "rate of the bridge's control loop", unit="Hz", minimum=10.0, maximum=1000.0)
    command_topic: str = param(
        "forward_velocity_controller/commands", "topic driver: topic of the velocity commands (Float64MultiArray)"
    )
    state_topic: str = param("joint_states", "topic driver: topic of the joint states (JointState)")
    address: str = param("", "franka driver: host name or IP address of the robot")
    realtime: bool = param(False, "franka driver: require a real-time kernel")
    lag: float = param(
        0.0, "time constant with which the arm's velocity follows the command", unit="s", minimum=0.0, maximum=0.5
    )
    delay: float = param(
        0.0, "time from sending a command until the arm begins to follow it", unit="s", minimum=0.0, maximum=0.5
    )
    deadline: float = param(
        0.1,
        "time without a command after which the arm or its command guard ramps to rest; the safety filter plans for a "
        "command to be held as long as this",
        unit="s",
        minimum=0.01,
        maximum=1.0,
    )
    max_recoveries: int = param(
        3,
        "franka driver: number of automatic recoveries per minute, from violated communication constraints",
        minimum=0,
    )
    # The thresholds of libfranka's example generate_joint_velocity_motion.
    collision_torque: list[float] = param(
        [20.0, 20.0, 18.0, 18.0, 16.0, 14.0, 12.0],
        "franka driver: external torque of each joint from which the arm stops itself",
        unit="Nm",
        minimum=1.0,
        maximum=100.0,
    )
    collision_force: list[float] = param(
        [20.0, 20.0, 20.0, 25.0, 25.0, 25.0],
        "franka driver: external force (x, y, z) and torque (about x, y, z) at the end effector from which the arm "
        "stops itself",
        unit="N, Nm",
        minimum=1.0,
        maximum=150.0,
    )


@dataclass(frozen=True)
class BridgeSettings(Checked):
    """Timeouts and margins of the bridge."""

    command_timeout: float = param(
        0.2,
        "time without a command after which the arm ramps to rest (the reference implementation set 0.05 s, the "
        "default of its driver is 0.2 s)",
        unit="s",
        minimum=0.01,
        maximum=5.0,
    )
    latch_after: float = param(
        10.0,
        "time without a command, a move or a stop after which the arm stays stopped until the arm service is called",
        unit="s",
        minimum=0.1,
    )
    state_timeout: float = param(
        0.2, "time without a new joint state after which the bridge reports a fault", unit="s", minimum=0.01
    )
    max_command_age: float = param(0.5, "age of the stamp above which a command is refused", unit="s", minimum=0.01)
    approach_time: float = param(
        0.05,
        "shortest time in which the arm may cover the remaining distance to a workspace face or a joint limit",
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    workspace_margin: float = param(
        0.002, "distance that the safety filter keeps from the workspace faces", unit="m", minimum=0.0, maximum=0.1
    )
    position_margin: float = param(
        0.005, "distance that the safety filter keeps from the joint limits", unit="rad", minimum=0.0, maximum=0.2
    )


@dataclass(frozen=True, kw_only=True)
class ResetSettings(Checked):
    """How the arm reaches the start of an episode."""

    strategy: str = param(
        "teleport",
        "teleport: move to a start pose and place the simulated target at random; swing: lift and swing the bag on its "
        "thread, then move to a start pose; joint: only move to a start pose",
        choices=("teleport", "swing", "joint"),
    )
    start_lower: list[float] = param(description="lower bound of the uniformly drawn start pose", unit="rad")
    start_upper: list[float] = param(description="upper bound of the uniformly drawn start pose", unit="rad")
    swing_lower: list[float] = param([], "lower bound of the pose that swings the bag", unit="rad")
    swing_upper: list[float] = param([], "upper bound of the pose that swings the bag", unit="rad")
    velocity: float = param(1.0, "limit of the joint speed in a reset move", unit="rad/s", minimum=0.01, maximum=2.0)
    tolerance: float = param(0.01, "position error of every joint below which a move is done", unit="rad", minimum=1e-4)
    timeout: float = param(8.0, "time after which a reset move fails", unit="s", minimum=0.5)
    confirm: bool = param(
        False, "after the moves, wait until a person has placed the target and called the environment's ~/continue"
    )


@dataclass(frozen=True)
class CameraSettings(Checked):
    """The simulated wrist camera, whose image is assumed to be 16:9 when the target is placed in view."""

    frame: str = param(
        "wrist_camera_optical_frame", "frame of the URDF at the camera's lens, with z forward and y down in the image"
    )
    vertical_fov_deg: float = param(
        45.0, "vertical field of view; 45 degrees is that of a common webcam", unit="deg", minimum=1.0, maximum=170.0
    )


@dataclass(frozen=True)
class TargetSettings(Checked):
    """Where the simulated target is placed on the table, in the base frame."""

    lower: list[float] = param([0.4, -0.15], "lower corner of the area in which the target is placed (x, y)", unit="m")
    upper: list[float] = param([0.65, 0.15], "upper corner of the area in which the target is placed (x, y)", unit="m")
    visible_at_start: bool = param(
        True, "place the target only where the wrist camera sees its centre from the start pose; false: anywhere"
    )
