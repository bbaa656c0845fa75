"""What the environment reads, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame, Nanoseconds, Observation, Tick
from franka_reacher_rl.core.base.fields import Checked, param
from franka_reacher_rl.core.task.reset_step import MoveTo, PlaceTarget
from franka_reacher_rl.core.task.summary import EpisodeRecord, EpisodeSummary


@dataclass(frozen=True)
class Sensed:
    """The newest frame with its reward, and the newest robot state."""

    frame: Frame
    reward: float
    coverage: float  # share of the frame that the target covers, 0 to 1
    captured: Nanoseconds  # when the frame was captured
    proprioception: npt.NDArray[np.float32]  # (3 * joints,)


@dataclass(frozen=True)
class BridgeCounters:
    """What the robot bridge has counted so far."""

    watchdog_stops: int
    held_seconds: float
    commands_limited: int


class Senses(Protocol):
    """The inputs that the environment reads when it takes an observation."""

    def read(self, now: Nanoseconds) -> Sensed:
        """Return the newest frame, reward and robot state."""

    def missing(self, now: Nanoseconds) -> str:
        """Name the input that is missing or too old; empty if there is none."""

    def since(self, time: Nanoseconds) -> bool:
        """Return whether frame and robot state were both measured at or after a time."""

    def counters(self) -> BridgeCounters | None:
        """Return the bridge's counters, or None if they are not known."""

    def refused(self) -> Mapping[str, int]:
        """Return how many inputs were not used so far, by reason."""


@dataclass(frozen=True)
class RunPlan(Checked):
    """How long a run lasts, and what of it is already done."""

    episodes: int = param(0, "number of the last episode; 0: no limit", minimum=0, maximum=1_000_000_000)
    training_minutes: float = param(0.0, "training time after which the run ends; 0: no limit", unit="min", minimum=0.0)
    first_episode: int = param(
        1, "number of the first episode; above 1 in a resumed run", minimum=1, maximum=1_000_000_001
    )
    training_seconds: float = param(0.0, "training time so far", unit="s", minimum=0.0)
    total_steps: int = param(0, "steps so far", minimum=0)
    run_seconds: float = param(0.0, "duration of the run so far, resets included", unit="s", minimum=0.0)


class Phase(Enum):
    """What the environment is doing."""

    WAITING = "waiting"  # for inputs and nodes
    RESETTING = "resetting"
    CONFIRMING = "confirming"  # until a person has placed the target, where the robot file says so
    SETTLING = "settling"  # for a frame and a robot state from after the reset
    RUNNING = "running"
    ENDED = "ended"


class RunState(str, Enum):
    """What has become of a run."""

    RUNNING = "running"
    PAUSED = "paused"  # by a person
    COMPLETE = "complete"
    ABORTED = "aborted"  # by a person


@dataclass(frozen=True)
class Progress:
    """How far a run has come, so that another process can continue it."""

    state: RunState
    episode: int  # the last one that was begun
    training_seconds: float
    total_steps: int
    run_seconds: float  # at the end of the last episode


@dataclass(frozen=True)
class EpisodeEnd:
    """An episode has ended."""

    summary: EpisodeSummary
    record: EpisodeRecord
    last: bool  # whether the run ends with it


class Request(Enum):
    """What the environment asks of the robot bridge, besides moves."""

    FINISH = "finish"
    REARM = "rearm"


@dataclass(frozen=True)
class CancelMove:
    """The last `MoveTo` has taken too long; the robot bridge is to end it."""


@dataclass(frozen=True)
class Ask:
    """Something that a person has to do, and then to confirm through `Environment.on_continue`."""

    text: str


@dataclass(frozen=True)
class Warn:
    """A message for the person at the console."""

    text: str
    error: bool = False


Output = Tick | Observation | EpisodeEnd | MoveTo | CancelMove | PlaceTarget | Request | Ask | Warn
