"""What carries out velocities: the one interface between the bridge and an arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from franka_reacher_rl.core.base.datatypes import Vector


@dataclass(frozen=True)
class JointSample:
    """The joints as an arm reports them."""

    stamp: float  # s since the epoch, of the measurement; 0 where the source gives none
    q: Vector  # (joints,), rad
    dq: Vector  # (joints,), rad/s


class Driver(Protocol):
    """An arm that takes joint velocities.

    None of its methods blocks longer than a fraction of a control cycle, `stop` and `close` apart.
    """

    def state(self) -> JointSample | None:
        """The newest measurement, or None before the first."""

    def send(self, velocity: Vector) -> None:
        """Carries out a velocity, (joints,) in rad/s, until the next."""

    def fault(self) -> str:
        """What keeps the arm from moving, and what to do about it; empty where nothing does."""

    def interruption(self) -> str:
        """Why the arm stands still for the moment, soon over by itself; empty where it does not."""

    def recover(self) -> str:
        """Tries to end a fault when a person asks for it; why it can't, or an empty string."""

    def flush(self, timeout: float) -> None:
        """Waits, at most `timeout` s, until what was sent has gone out."""

    def close(self) -> None:
        """Lets go of the arm, which is at rest or stops by itself."""
