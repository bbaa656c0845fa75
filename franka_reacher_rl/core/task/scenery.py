"""What a viewer draws around the arm: workspace box, its faces, the path of the end effector and the target's size."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.status import Reason
from franka_reacher_rl.core.base.datatypes import Rows, Vector
from franka_reacher_rl.core.base.paths import scene_path

AT_FACE = 0.02  # m, distance from which the filter may act: it brakes before the face
_WORKSPACE = frozenset({Reason.WORKSPACE.value, Reason.OUTSIDE_WORKSPACE.value})
# Corner i of a box has the upper bound of axis a where bit a of i is set.
_EDGES = [(i, i | 1 << axis) for axis in range(3) for i in range(8) if not i & 1 << axis]
_NO_REWARD, _FULL_REWARD = np.array([0.15, 0.35, 1.0]), np.array([1.0, 0.85, 0.1])  # blue to yellow


class Box:
    """A box with axes parallel to those of the base frame."""

    def __init__(self, lower: Collection[float], upper: Collection[float]) -> None:
        """Take two opposite corners, (3,) in m each."""
        self.lower, self.upper = np.array(lower, float), np.array(upper, float)

    def edges(self) -> Rows:
        """Return the ends of the twelve edges, one after the other, (24, 3) in m."""
        return self._corners()[np.array(_EDGES).ravel()]

    def face(self, number: int) -> Rows:
        """Return the two triangles of a face, (6, 3) in m.

        Args:
            number: 0 to 2 for the upper face of x, y and z; 3 to 5 for the lower one.
        """
        axis, bit = number % 3, number < 3
        a, b, c, d = (i for i in range(8) if bool(i & 1 << axis) == bit)
        return self._corners()[[a, b, d, a, d, c]]

    def faces_near(self, position: Vector) -> list[int]:
        """Return the faces from which a position is less than `AT_FACE` away, and in any case the nearest one."""
        distance = np.concatenate([self.upper - position, position - self.lower])
        return [i for i in range(6) if distance[i] < AT_FACE or distance[i] == distance.min()]

    def _corners(self) -> Rows:
        bits = np.arange(8)[:, None] >> np.arange(3) & 1
        return np.where(bits, self.upper, self.lower)


def acting_faces(box: Box, position: Vector, reasons: Collection[str]) -> list[int]:
    """Return the faces of the workspace because of which the safety filter changes the command now.

    Args:
        box: The workspace.
        position: Of the end effector, (3,) in m.
        reasons: Of the bridge's last control cycle.
    """
    return box.faces_near(position) if _WORKSPACE & set(reasons) else []


def colour_of(coverage: float) -> npt.NDArray[np.float64]:
    """Return the colour (3,) in [0, 1] of a reward, from the fraction of the frame that the target covers."""
    # The square root separates the small values, which are the usual ones.
    share = float(np.sqrt(min(max(coverage, 0.0), 1.0)))
    return (1.0 - share) * _NO_REWARD + share * _FULL_REWARD


def target_size() -> Vector:
    """Return the diameters of the simulated target, (3,) in m, from the scene's file."""
    shape = ElementTree.parse(scene_path()).find(".//body[@name='target']/geom")
    if shape is None:
        raise ValueError(f"{scene_path()} has no geom of a body named target")
    return 2.0 * np.array(shape.attrib["size"].split(), float)
