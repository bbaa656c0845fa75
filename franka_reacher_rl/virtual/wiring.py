"""The parts that a timeline drives, and what flows between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame, Nanoseconds, StepId


class Wiring(str, Enum):
    """Who ticks the actor and who asks the learner, as in the two launch files."""

    SYNC = "sync"
    ASYNC = "async"


@dataclass(frozen=True)
class View:
    """What there is to see at one time."""

    frame: Frame  # (height, width, 3)
    proprioception: npt.NDArray[np.float32]  # (3 * joints,)
    reward: float  # of the frame, eq. (3)


Action = npt.NDArray[np.float32]  # (joints,), in [-1, 1]


class Plant(Protocol):
    """The arm, its bridge and its camera. Times are virtual, in ns."""

    period: Nanoseconds  # of the bridge's control cycle
    held: int  # control cycles of this episode in which the arm was held because commands ceased

    @property
    def watchdog_stops(self) -> int:
        """How often, in this episode, commands ceased for longer than the bridge's timeout."""

    @property
    def commands_limited(self) -> int:
        """Commands of this episode that the safety filter changed."""

    def begin_reset(self, episode: int, now: Nanoseconds) -> None:
        """Starts the reset that precedes an episode."""

    def resetting(self) -> bool:
        """Whether the reset is under way."""

    def begin_episode(self, now: Nanoseconds) -> None:
        """The episode begins: counters start anew."""

    def control(self, now: Nanoseconds) -> None:
        """One control cycle of the bridge."""

    def command(self, action: Action, now: Nanoseconds) -> None:
        """A command reaches the bridge."""

    def observe(self, now: Nanoseconds) -> View:
        """What camera and joints show at this time."""


class Agent(Protocol):
    """Actor and learner: what they compute, not when."""

    @property
    def stored_steps(self) -> int:
        """Complete transitions in the replay, ever."""

    @property
    def updates(self) -> int:
        """Updates made; also the version of the newest policy."""

    def see(self, view: View, step: StepId, *, truncated: bool) -> None:
        """Takes an observation and stores it with the action that led to it."""

    def act(self) -> Action:
        """An action for the last observation, by the policy in use."""

    def update(self) -> None:
        """One update with what is stored now; the actor's policy stays until `use`."""

    def use(self, version: int) -> None:
        """The actor takes that version of the policy."""
