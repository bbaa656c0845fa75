"""The safety filter's result and the bridge's mode, counters and output, without the libraries that compute them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.base.datatypes import Vector


class Reason(str, Enum):
    """Why a command differs from the requested velocity."""

    VELOCITY = "velocity"
    ACCELERATION = "acceleration"
    JERK = "jerk"
    JOINT_LIMIT = "joint_limit"
    WORKSPACE = "workspace"
    OUTSIDE_LIMITS = "outside_limits"
    OUTSIDE_WORKSPACE = "outside_workspace"
    BRAKING = "braking"
    LATE_CYCLES = "late_cycles"
    REQUEST_NOT_FINITE = "request_not_finite"
    STATE_NOT_FINITE = "state_not_finite"
    WATCHDOG = "watchdog"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


RAMPING = frozenset({Reason.ACCELERATION, Reason.JERK})  # every change of velocity has these reasons


@dataclass(frozen=True)
class Filtered:
    """A safe motion, and the reasons why it differs from the request."""

    motion: Motion
    reasons: tuple[Reason, ...] = ()


class Mode(str, Enum):
    """State of the bridge; the values are those of RobotStatus.msg."""

    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"
    MOVING = "moving"
    HOLDING = "holding"
    STOPPED = "stopped"
    FAULT = "fault"


ARMED = frozenset({Mode.READY, Mode.RUNNING, Mode.MOVING, Mode.HOLDING})


@dataclass(frozen=True)
class Status:
    """State and counters of the bridge; RobotStatus.msg documents the fields."""

    mode: Mode = Mode.STARTING
    fault: str = ""
    commands_accepted: int = 0
    commands_refused: int = 0
    last_refusal: str = ""
    commands_limited: int = 0
    watchdog_stops: int = 0
    stop_requested: bool = False  # since the last time that a person armed the bridge


@dataclass(frozen=True)
class Output:
    """Result of one control cycle."""

    velocity: Vector  # (joints,), rad/s
    reasons: tuple[Reason, ...]
    mode: Mode
    held_seconds: float  # s spent in the mode HOLDING since the bridge was made
