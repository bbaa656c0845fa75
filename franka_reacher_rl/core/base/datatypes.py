"""What flows through the system, as NumPy arrays: observe, act, store."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """The robot as the bridge publishes it: measured joints, and the velocity that the bridge applied last.

    What a driver delivers to the bridge is a `core.arm.health.JointMeasurement`.
    """

    stamp: float  # s, when q and dq were measured
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


@dataclass(frozen=True)
class Batch:
    """A sampled set of transitions, on the host.

    `image` holds the stack before the action (newest frame first) and `next_image` the one after; both
    uint8, uncropped.
    """

    image: npt.NDArray[np.uint8]  # (batch, 3 * frames, height, width)
    next_image: npt.NDArray[np.uint8]  # (batch, 3 * frames, height, width)
    proprioception: npt.NDArray[np.float32]  # (batch, 3 * joints)
    next_proprioception: npt.NDArray[np.float32]  # (batch, 3 * joints)
    action: npt.NDArray[np.float32]  # (batch, joints)
    reward: npt.NDArray[np.float32]  # (batch,)
    terminated: npt.NDArray[np.float32]  # (batch,), 1 where the task ended: no bootstrap
    index: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # (batch,), of the rows
