"""The steps of a reset."""

from __future__ import annotations

from dataclasses import dataclass

from franka_reacher_rl.core.base.datatypes import Vector


@dataclass(frozen=True)
class MoveTo:
    """Move the joints to `q` and wait until they have arrived."""

    q: Vector  # (joints,), rad


@dataclass(frozen=True)
class PlaceTarget:
    """Place the simulated target at `xy` on the table."""

    xy: Vector  # (2,), m in the base frame
