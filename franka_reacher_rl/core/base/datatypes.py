"""What flows through the system, as NumPy arrays: observe, act, store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Nanoseconds = int
Frame = npt.NDArray[np.uint8]  # (height, width, 3), RGB
Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float64]  # one vector a row


class EndReason(str, Enum):
    """Why an episode ended."""

    TIME_LIMIT = "time_limit"
    NO_ACTION = "no_action"
    ROBOT_STOPPED = "robot_stopped"
    INPUT_LOST = "input_lost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class StepId:
    """One step of one run; later steps compare greater."""

    episode: int
    step: int

    def __lt__(self, other: StepId) -> bool:
        return (self.episode, self.step) < (other.episode, other.step)


@dataclass(frozen=True)
class RobotState:
    """A robot's joints as measured, and the velocity last applied to them."""

    stamp: float  # s
    q: Vector  # (joints,), rad
    dq: Vector  # (joints,), rad/s
    dq_cmd: Vector  # (joints,), rad/s

    def proprioception(self) -> npt.NDArray[np.float32]:
        """Position, velocity and applied command, (3 * joints,)."""
        return np.concatenate([self.q, self.dq, self.dq_cmd]).astype(np.float32)


@dataclass(frozen=True)
class Observation:
    """What the agent sees at one step."""

    id: StepId
    frame: Frame
    proprioception: npt.NDArray[np.float32]  # (3 * joints,)
    reward: float  # of the step that led here
    first: bool
    terminated: bool
    truncated: bool

    @property
    def last(self) -> bool:
        """Whether nothing follows in this episode."""
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Transition:
    """One stored row: an observation, and the action that led to it (zero at the first)."""

    observation: Observation
    action: npt.NDArray[np.float32]  # (joints,), normalised to [-1, 1]
    policy_version: int = 0
