"""The data that flows through the loop, as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Nanoseconds = int
Frame = npt.NDArray[np.uint8]  # (height, width, 3), RGB
Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float64]  # one vector per row

MOST = 1e6  # magnitude of a measurement, a reward or an age; what is larger is not one


def vector(values: npt.ArrayLike, size: int, name: str, most: float = MOST) -> Vector:
    """Return numbers that came from outside as an array (size,).

    Raises:
        ValueError: Their number differs from `size`, or one is not finite or its magnitude exceeds `most`.
    """
    found = np.asarray(values, np.float64)
    if found.shape != (size,):
        raise ValueError(f"{name} has shape {found.shape} instead of {(size,)}")
    if not within(found, most):
        raise ValueError(f"{name} = {found.tolist()} is not allowed: give finite numbers of at most {most:g}")
    return found


def within(values: Vector, most: float) -> bool:
    """Return whether all numbers are finite and of at most a magnitude."""
    for value in values.tolist():  # noqa: SIM110 - several times faster than all()
        if not -most <= value <= most:
            return False
    return True


def number(value: float, name: str, most: float = MOST) -> float:
    """Return a number that came from outside.

    Raises:
        ValueError: It is not finite, or its magnitude exceeds `most`.
    """
    if not abs(value) <= most:
        raise ValueError(f"{name} = {value} is not allowed: give a finite number of at most {most:g}")
    return float(value)


class EndReason(str, Enum):
    """Why an episode ended."""

    TIME_LIMIT = "time_limit"
    NO_ACTION = "no_action"
    ROBOT_STOPPED = "robot_stopped"
    INPUT_LOST = "input_lost"
    PAUSED = "paused"  # by a person
    ABORTED = "aborted"  # the whole run, by a person


@dataclass(frozen=True, order=True)
class StepId:
    """One step of a run; later steps compare greater."""

    episode: int
    step: int


@dataclass(frozen=True)
class Tick:
    """A step, handed from node to node: `environment/cycle` and `learner/update_done`."""

    id: StepId
    policy_version: int = 0  # the actor waits for a policy at least this new


@dataclass(frozen=True)
class RobotState:
    """The robot as the bridge publishes it: measured joints, and the velocity that the bridge applied last.

    What a driver delivers to the bridge is a `core.arm.health.JointMeasurement`.
    """

    stamp: float  # s, when q and dq were measured
    q: Vector  # (joints,), rad
    dq: Vector  # (joints,), rad/s
    dq_cmd: Vector  # (joints,), rad/s

    def proprioception(self) -> npt.NDArray[np.float32]:
        """Return position, velocity and applied command, (3 * joints,)."""
        return np.concatenate([self.q, self.dq, self.dq_cmd]).astype(np.float32)


@dataclass(frozen=True)
class Observation:
    """What the agent sees at one step."""

    id: StepId
    frame: Frame
    proprioception: npt.NDArray[np.float32]  # (3 * joints,)
    reward: float  # of the step that led here; 0 at the first observation
    first: bool
    terminated: bool
    truncated: bool
    captured: Nanoseconds = 0  # when the frame was captured
    taken: Nanoseconds = 0  # when the environment took the observation
    lateness: float = 0.0  # s past the deadline

    @property
    def last(self) -> bool:
        """Whether the episode ends with this observation."""
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Action:
    """An action that has been sent to the robot, with the age of what it was based on."""

    id: StepId
    action: npt.NDArray[np.float32]  # (joints,), normalised to [-1, 1]
    policy_version: int = 0
    observation_age: float = 0.0  # s from the frame's capture to the command
    response_time: float = 0.0  # s from the observation being taken to the command
    policy_age: float = 0.0  # s since the learner published the policy
    policy_age_steps: int = 0  # actions taken with this policy before
    lateness: float = 0.0  # s past the deadline at which the observation was due


@dataclass(frozen=True)
class Transition:
    """A row of the replay: an observation and the action that led to it (zero at an episode's first)."""

    observation: Observation
    action: npt.NDArray[np.float32]  # (joints,), normalised to [-1, 1]
    policy_version: int = 0
    observation_age: float = 0.0  # s, of that action
    policy_age: float = 0.0  # s, of that action
