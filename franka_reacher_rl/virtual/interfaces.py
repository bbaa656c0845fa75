"""What a timeline drives, besides the loop."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Nanoseconds, Vector


class Plant(Protocol):
    """The arm, its bridge and its world. Times are virtual, in ns."""

    period: Nanoseconds  # of the bridge's control cycle

    def move_to(self, q: Vector, now: Nanoseconds) -> None:
        """Start a move of the joints (joints,), rad."""

    def place_target(self, xy: Vector) -> None:
        """Place the simulated target at (2,), m."""

    def moving(self) -> bool:
        """Return whether a move is under way."""

    def begin_episode(self, now: Nanoseconds) -> None:
        """Prepare for an episode: what follows depends on the world's state alone, and counters start anew."""

    def control(self, now: Nanoseconds) -> None:
        """Run one control cycle of the bridge."""

    def command(self, action: npt.NDArray[np.float32], now: Nanoseconds) -> None:
        """Hand a normalised action (joints,) to the bridge."""


class Trainer(Protocol):
    """The learner's replay and networks."""

    @property
    def updates(self) -> int:
        """Updates made; also the version of the newest policy."""

    def update(self) -> None:
        """Make one update with what is stored now."""

    def weights(self) -> Any:
        """Return a copy of the policy's weights, as the actor loads them."""
