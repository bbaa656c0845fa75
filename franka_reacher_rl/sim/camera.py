"""The simulated wrist camera, which renders a frame of a given pose in any process."""

from __future__ import annotations

import atexit
import contextlib
import math
import threading
import weakref
from typing import Any

import mujoco
import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame, Vector
from franka_reacher_rl.sim import gl, scene
from franka_reacher_rl.sim.visibility import ALL, Visibility, Visible
from franka_reacher_rl.sim.world import World

MAX_SIZE = 4096  # px
_ALL_CATEGORIES = int(mujoco.mjtCatBit.mjCAT_ALL)

_open: weakref.WeakSet[WristCamera] = weakref.WeakSet()


class WristCamera:
    """A webcam at the flange, looking along the flange's axis.

    It renders a given pose without physics, so a separate process needs only the robot file. After the first frame it
    can be used only in the thread that rendered it.
    """

    def __init__(self, source: World | Robot, width: int, height: int) -> None:
        """Create a camera; OpenGL is initialised with the first frame.

        Args:
            source: A world, whose arm and target are rendered by default, or only a robot.
            width: Frame width in px.
            height: Frame height in px.

        Raises:
            RuntimeError: There is no OpenGL on this machine; the message names the Debian packages.
            ValueError: The size is not allowed, or the robot cannot be simulated.
        """
        self.world = source if isinstance(source, World) else None
        self.robot = source.robot if isinstance(source, World) else source
        self.model = scene.build(self.robot) if self.world is None else self.world.model
        if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
            raise ValueError(
                f"a frame of {width} x {height} px is not allowed: width and height are 1 to {MAX_SIZE} px"
            )
        self.width, self.height = width, height
        gl.choose_backend()
        self._data = mujoco.MjData(self.model)
        self._positions, _ = scene.joint_addresses(self.robot, self.model)
        self._qpos = self._data.qpos  # a view
        self._target_pos = self._data.mocap_pos[int(self.model.body("target").mocapid[0])]
        self._wrist = self.model.camera(scene.ARM + scene.WRIST_CAMERA).id
        self._outside = self.model.camera("outside").id
        self._visibility = Visibility(self.model, self._data, self._wrist, width / height)
        self._canvases: dict[tuple[int, int], _Canvas] = {}
        _open.add(self)

    def render(self, q: Vector | None = None, target: Vector | None = None) -> Frame:
        """Render the view of the wrist camera, without the arm.

        Args:
            q: Joint positions, (joints,) in rad; default: those of the world.
            target: Centre of the bean bag in the base frame, (3,), or its position on the table, (2,), in m; default:
                that of the world.

        Returns:
            RGB image, (height, width, 3) uint8.

        Raises:
            ValueError: A pose is missing although there is no world, or has the wrong length.
            RuntimeError: OpenGL does not start, or the first frame was rendered in another thread.
        """
        self._pose(q, target)
        return self._draw(self._wrist, self.width, self.height, self._visibility.now())

    def render_outside(
        self, q: Vector | None = None, target: Vector | None = None, *, width: int = 640, height: int = 480
    ) -> Frame:
        """Render arm, table and bean bag from a fixed viewpoint, with shadows, for documentation.

        Args:
            q: As for render().
            target: As for render().
            width: Image width in px.
            height: Image height in px.

        Returns:
            RGB image, (height, width, 3) uint8.

        Raises:
            ValueError: As for render().
            RuntimeError: As for render().
        """
        self._pose(q, target)
        twice = self._draw(self._outside, 2 * width, 2 * height, ALL)
        # (2h, 2w, 3): averaging blocks of 2 x 2 px smooths the edges
        return np.asarray(twice.reshape(height, 2, width, 2, 3).mean((1, 3)), np.uint8)

    @property
    def intrinsics(self) -> Vector:
        """Camera matrix K of sensor_msgs/CameraInfo, (3, 3) in px, for a pinhole camera without distortion."""
        focal = 0.5 * self.height / math.tan(0.5 * math.radians(self.model.cam_fovy[self._wrist]))
        return np.array([[focal, 0.0, 0.5 * self.width], [0.0, focal, 0.5 * self.height], [0.0, 0.0, 1.0]])

    def close(self) -> None:
        """Release OpenGL, after which no frame can be rendered; closing again has no effect."""
        _open.discard(self)
        for canvas in self._canvases.values():
            canvas.close()
        self._canvases.clear()

    def __enter__(self) -> WristCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pose(self, q: Vector | None, target: Vector | None) -> None:
        if self.world is None and (q is None or target is None):
            raise ValueError("a camera without a world needs q and target: pass both")
        q = self.world.q if q is None and self.world is not None else np.asarray(q, float)
        target = self.world.target if target is None and self.world is not None else np.asarray(target, float)
        if q.shape != (self.robot.dof,) or target.shape not in ((2,), (3,)):
            raise ValueError(
                f"q has shape {q.shape} and target {target.shape}: give ({self.robot.dof},) and (2,) or (3,)"
            )
        self._qpos[self._positions] = q
        self._target_pos[: len(target)] = target
        mujoco.mj_kinematics(self.model, self._data)
        mujoco.mj_camlight(self.model, self._data)

    def _draw(self, camera: int, width: int, height: int, visible: Visible) -> Frame:
        if (width, height) not in self._canvases:
            self._canvases[width, height] = _Canvas(self.model, width, height)
        return self._canvases[width, height].draw(self._data, camera, visible)


class _Canvas:
    """OpenGL context and MuJoCo rendering state for frames of one size, used by one thread."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        self._model = model
        self._thread = threading.get_ident()
        self._gl: Any = gl.make_context(width, height)
        self._gl.make_current()
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height  # MjrContext reads its size from here
        self._view = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), np.uint8)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._option = mujoco.MjvOption()
        self._visible: Visible | None = None  # what the options select
        self._perturb = mujoco.MjvPerturb()

    def draw(self, data: mujoco.MjData, camera: int, visible: Visible) -> Frame:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a WristCamera renders in one thread only, that of its first frame: create another one")
        self._gl.make_current()
        self._camera.fixedcamid = camera
        if visible != self._visible:
            self._select(visible)
        mujoco.mjv_updateScene(
            self._model, data, self._option, self._perturb, self._camera, _ALL_CATEGORIES, self._scene
        )
        mujoco.mjr_render(self._view, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, self._view, self._context)
        return self._pixels[::-1].copy()  # OpenGL starts with the bottom row

    def _select(self, visible: Visible) -> None:
        groups, flags = self._option.geomgroup, self._scene.flags
        groups[scene.ARM_GROUP] = flags[mujoco.mjtRndFlag.mjRND_SHADOW] = visible.arm
        groups[scene.SURROUNDINGS_GROUP] = flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = visible.surroundings
        groups[scene.TARGET_GROUP] = visible.target
        self._visible = visible

    def close(self) -> None:
        # Only the rendering thread may free the context; otherwise it lives until the process ends.
        if threading.get_ident() == self._thread:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
        self._gl = None


@atexit.register
def _close_all() -> None:
    """Release OpenGL before its bindings are unloaded, since they would print tracebacks afterwards."""
    for camera in list(_open):
        with contextlib.suppress(Exception):
            camera.close()
