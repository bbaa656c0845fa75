"""Which parts of the scene can be in a camera's view: what cannot change a pixel need not be rendered.

Rendering the sky, the floor and the bean bag takes more than half of the time of a small frame, and in most frames of
the wrist camera the table top fills the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from franka_reacher_rl.sim import scene

SLACK = 1e-3  # m, covers the rounding of the renderer, which computes in single precision


@dataclass(frozen=True)
class Visible:
    """The parts of the scene that are rendered, besides the table."""

    arm: bool
    surroundings: bool  # sky, floor and table legs
    target: bool


ALL = Visible(arm=True, surroundings=True, target=True)


class Visibility:
    """Decides what the wrist camera can see at a pose, erring on the side of rendering too much.

    The sides of the view are planes through the camera, so its corners decide for all pixels: if their rays meet the
    table top, so do all others.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, aspect: float) -> None:
        """Take what does not depend on the pose.

        Args:
            model: The scene with the arm.
            data: Its state, whose kinematics and cameras are computed before each call of `now`.
            camera: Index of the camera, which looks along its -z.
            aspect: Width of the frame per height.
        """
        self._up = math.tan(0.5 * math.radians(model.cam_fovy[camera]))
        self._right = aspect * self._up
        self._position, self._axes = data.cam_xpos[camera], data.cam_xmat[camera]  # views
        table = model.geom("table")
        lower, upper = table.pos - table.size + SLACK, table.pos + table.size - SLACK
        self._left, self._front, self._right_end, self._back = lower[0], lower[1], upper[0], upper[1]
        self._top = float(table.pos[2] + table.size[2])
        self._near = float(model.vis.map.znear * model.stat.extent) + SLACK
        bag = np.flatnonzero(model.geom_group == scene.TARGET_GROUP).tolist()
        self._bag = [(data.geom_xpos[i], float(model.geom_rbound[i]) + SLACK) for i in bag]  # centre and radius, m

    def now(self) -> Visible:
        """Return what may be visible at the present pose."""
        position, axes = self._position.tolist(), self._axes.tolist()
        return Visible(
            arm=False,
            surroundings=not self._table_fills_view(position, axes),
            target=any(self._in_view(centre.tolist(), radius, position, axes) for centre, radius in self._bag),
        )

    def _table_fills_view(self, position: list[float], axes: list[float]) -> bool:
        x, y, z = position
        xx, xy, xz, yx, yy, yz, zx, zy, zz = axes  # rows: the camera's axes' components along x, y and z of the base
        for right in (-self._right, self._right):
            for up in (-self._up, self._up):
                down = zz - right * zx - up * zy  # of the ray to a corner, per distance along the camera's axis
                distance = (z - self._top) / down if down > 0.0 else 0.0  # m
                if distance < self._near:
                    return False
                across = x + distance * (right * xx + up * xy - xz)
                along = y + distance * (right * yx + up * yy - yz)
                if not (self._left < across < self._right_end and self._front < along < self._back):
                    return False
        return True

    def _in_view(self, centre: list[float], radius: float, position: list[float], axes: list[float]) -> bool:
        x, y, z = (c - p for c, p in zip(centre, position))
        xx, xy, xz, yx, yy, yz, zx, zy, zz = axes
        right, up, ahead = x * xx + y * yx + z * zx, x * xy + y * yy + z * zy, -(x * xz + y * yz + z * zz)
        # Distances from the planes of the view's sides, times the length of their normals.
        beside, above = abs(right) - self._right * ahead, abs(up) - self._up * ahead
        return beside < radius * math.hypot(1.0, self._right) and above < radius * math.hypot(1.0, self._up)
