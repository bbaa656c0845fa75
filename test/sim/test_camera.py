"""Tests of the simulated wrist camera: target mask, geometry, determinism and OpenGL backends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame, Vector
from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.reset import TARGET_HEIGHT, MoveTo, PlaceTarget, reset_steps
from franka_reacher_rl.core.task.reward import target_mask
from franka_reacher_rl.sim import gl, scene
from franka_reacher_rl.sim.camera import WristCamera
from franka_reacher_rl.sim.world import World

SETTINGS = RewardSettings()
REFERENCE = RewardSettings(bands=[151, 155, 84, 179, 255, 255], dilate=0, erode=0)  # the reference's single hue band


@pytest.fixture(scope="module")
def camera(robot: Robot) -> Iterator[WristCamera]:
    """A camera built from the robot file alone, without a world."""
    with WristCamera(robot, 64, 36) as made:
        yield made


def coverage(frame: Frame, settings: RewardSettings = SETTINGS) -> float:
    return float(target_mask(frame, settings).mean())


def above(world: World) -> Vector:
    """Return the point at the target's height in the centre of the wrist view, (2,) in m."""
    pose = world.end_effector()
    return np.asarray(pose[:2, 3] - pose[:2, 2] * (pose[2, 3] - 0.02) / pose[2, 2])


@pytest.mark.parametrize("size", [(64, 36), (160, 90), (320, 180), (97, 41)])
def test_sizes(world: World, size: tuple[int, int]) -> None:
    with WristCamera(world, *size) as made:
        frame = made.render()
        assert frame.shape == (size[1], size[0], 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous
        assert 60 < frame.mean() < 200 and frame.std() > 3


def test_the_same_pose_gives_the_same_frame(world: World, camera: WristCamera) -> None:
    with WristCamera(world, 64, 36) as other:
        np.testing.assert_array_equal(other.render(), camera.render(world.q, world.target))
        first = camera.render(world.q, world.target)
        camera.render(world.q + 0.3, world.target)
        np.testing.assert_array_equal(camera.render(world.q, world.target[:2]), first)


def test_a_camera_follows_its_world(world: World) -> None:
    with WristCamera(world, 64, 36) as made:
        world.place_target(above(world))
        seen = coverage(made.render())
        world.place_target(np.array([1.1, 0.6]))
        assert seen > 0.02 and coverage(made.render()) == 0.0


def test_a_missing_pose_gives_a_clear_error(camera: WristCamera) -> None:
    with pytest.raises(ValueError, match="needs q and target"):
        camera.render()
    with pytest.raises(ValueError, match="q has shape"):
        camera.render(np.zeros(3), np.zeros(2))


def test_the_image_is_upright(world: World, camera: WristCamera) -> None:
    """Away from the base is up in the image, and the robot's left is left."""
    middle = above(world)
    halves = (([0.05, 0], np.s_[:18]), ([-0.05, 0], np.s_[18:]), ([0, 0.1], np.s_[:, :32]), ([0, -0.1], np.s_[:, 32:]))
    for shift, half in halves:
        mask = target_mask(camera.render(world.q, middle + shift), REFERENCE)
        assert mask[half].sum() > 0.8 * mask.sum() > 0


def test_the_intrinsics_project_the_bag_onto_its_mask(world: World, camera: WristCamera) -> None:
    optical = world.end_effector()  # the end effector of both arms is the camera's lens
    point = np.linalg.inv(optical) @ np.append(world.target, 1.0)
    column, row = (camera.intrinsics @ point[:3])[:2] / point[2]
    rows, columns = np.nonzero(target_mask(camera.render(world.q, world.target), REFERENCE))
    assert abs(columns.mean() + 0.5 - column) < 1.5 and abs(rows.mean() + 0.5 - row) < 1.5


def test_the_arm_is_never_in_the_wrist_view(world: World, camera: WristCamera) -> None:
    """Painting the arm green changes no pixel of the wrist view, but many of the outside view."""
    arm = camera.model.geom_group == scene.ARM_GROUP
    assert arm.sum() > 10
    colours = camera.model.geom_rgba.copy()
    random = np.random.default_rng(8)
    poses = [random.uniform(world.robot.task.position_lower, world.robot.task.position_upper) for _ in range(10)]
    before = [camera.render(q, world.target) for q in poses]
    outside = camera.render_outside(poses[0], world.target, width=160, height=120)
    camera.model.geom_rgba[arm] = [0.0, 1.0, 0.0, 1.0]
    try:
        for q, frame in zip(poses, before, strict=True):
            np.testing.assert_array_equal(camera.render(q, world.target), frame)
        painted = camera.render_outside(poses[0], world.target, width=160, height=120)
        assert np.any(painted != outside, axis=2).mean() > 0.01
    finally:
        camera.model.geom_rgba[:] = colours


def test_the_whole_bag_is_in_the_reference_band(world: World, camera: WristCamera) -> None:
    """Nearly all pixels that change when the bag is removed are in the reference's colour band."""
    for place in ([0.0, 0.0], [0.04, 0.08], [-0.04, -0.08]):
        with_bag = camera.render(world.q, above(world) + place)
        without = camera.render(world.q, np.array([1.1, 0.6]))
        bag = np.any(with_bag != without, axis=2)
        assert target_mask(with_bag, REFERENCE)[bag].mean() > 0.85
        assert target_mask(without, SETTINGS).sum() == 0


@pytest.mark.parametrize("size", [(64, 36), (48, 27)])
def test_the_bag_is_in_the_first_frame_of_every_episode(world: World, size: tuple[int, int]) -> None:
    with WristCamera(world, *size) as made:
        for seed in range(40):
            move, place = reset_steps(world.robot, np.random.default_rng(seed))
            assert isinstance(move, MoveTo) and isinstance(place, PlaceTarget)
            assert coverage(made.render(move.q, place.xy)) > 0.002


def test_the_geometry_of_the_reset_is_that_of_the_scene(world: World, camera: WristCamera) -> None:
    assert world.target[2] == TARGET_HEIGHT
    fov = camera.model.camera(scene.ARM + scene.WRIST_CAMERA).fovy[0]
    assert fov == pytest.approx(world.robot.camera.vertical_fov_deg)


def test_without_the_visibility_check_the_bag_is_not_always_in_the_first_frame(
    world: World, camera: WristCamera
) -> None:
    random = np.random.default_rng(9)
    draws = [(world.robot.draw_start(random), world.robot.draw_target(random)) for _ in range(400)]
    shown = [coverage(camera.render(q, target)) for q, target in draws]
    assert 0.8 < np.mean(np.array(shown) > 0.002) < 0.95
    assert 0.02 < np.mean(shown) < 0.08


def test_near_the_bag_it_fills_the_frame(world: World, camera: WristCamera) -> None:
    """Moving down towards the bag within the joint limits, the bag comes to cover a large part of the frame."""
    kinematics, robot, q = Kinematics(world.robot), world.robot, world.q
    target = np.append(above(world), 0.02)
    seen = [coverage(camera.render(q, target))]
    for _ in range(300):
        down = np.array([0.0, 0.0, -0.001 if kinematics.position(q)[2] > 0.09 else 0.0, 0.0, 0.0, 0.0])
        q = q + np.linalg.pinv(kinematics.jacobian(q)) @ down
        q = np.clip(q, robot.task.position_lower, robot.task.position_upper)
        seen.append(coverage(camera.render(q, target)))
    assert kinematics.position(q)[2] >= robot.task.workspace_lower[2]
    assert seen[-1] > 0.4 > 0.1 > seen[0] > 0.0


def test_the_return_of_a_random_policy_is_similar_to_the_reference(world: World) -> None:
    """The reference measured 45 to 59 in its first three minutes; here, without filter, it is of that order."""
    robot, random, returns = world.robot, np.random.default_rng(10), []
    low, high = np.asarray(robot.task.position_lower), np.asarray(robot.task.position_upper)
    with WristCamera(world, 64, 36) as made:
        for _ in range(30):
            world.reset(robot.draw_start(random))
            world.place_target(robot.draw_target(random))
            total = 0.0
            for step in range(150):
                command = robot.velocity_of(random.uniform(-1.0, 1.0, robot.dof))
                outward = (world.q <= low) & (command < 0) | (world.q >= high) & (command > 0)
                world.set_command(np.where(outward, 0.0, command))
                world.step(0.04)
                if step % 5 == 4:  # render every fifth frame only and count it five times
                    total += 50.0 * coverage(made.render())
            returns.append(total)
    assert 30 < np.mean(returns) < 90


def test_faster_than_real_time(world: World) -> None:
    """A 40 ms cycle with a 160 x 90 frame runs 15 times faster than real time on one core; 8 is required here."""
    with WristCamera(world, 160, 90) as made:
        made.render()
        took = []
        for _ in range(50):
            start = time.perf_counter()
            world.step(0.04)
            made.render()
            took.append(time.perf_counter() - start)
    assert np.median(took) < 0.04 / 8


def test_all_frames_must_be_rendered_in_one_thread(world: World) -> None:
    camera, frames, errors = WristCamera(world, 64, 36), [], []

    def draw() -> None:
        try:
            frames.append(camera.render(world.q, world.target))
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert len(frames) == 1 and not errors
    with pytest.raises(RuntimeError, match="one thread"):
        camera.render()
    camera.close()


def test_a_camera_can_be_closed_twice(world: World) -> None:
    camera = WristCamera(world, 64, 36)
    camera.render()
    camera.close()
    camera.close()


@pytest.mark.parametrize("size", [(0, 36), (64, -1), (5000, 36)])
def test_a_bad_size_is_refused(world: World, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        WristCamera(world, *size)


def test_without_opengl_the_error_names_the_packages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(gl, "_LIBRARIES", {"egl": ("libNoEGL.so",), "osmesa": ("libNoOSMesa.so",)})
    with pytest.raises(RuntimeError, match=r"libegl1 libegl-mesa0.*libosmesa6"):
        WristCamera(world, 64, 36)


def test_without_egl_osmesa_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(gl, "_LIBRARIES", {"egl": ("libNoEGL.so",), "osmesa": ("libc.so.6",)})
    assert gl.choose_backend() == "osmesa"


def test_mujoco_gl_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "OSMesa")
    assert gl.choose_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "none")
    with pytest.raises(RuntimeError, match="MUJOCO_GL=none"):
        gl.choose_backend()


def test_a_backend_that_does_not_start_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setitem(sys.modules, "mujoco.osmesa", None)
    with pytest.raises(RuntimeError, match="libosmesa6"):
        gl.make_context(64, 36)


def test_a_process_with_open_cameras_ends_without_errors(robot: Robot) -> None:
    """The exit code is 0 and nothing is printed."""
    code = (
        "from franka_reacher_rl.core.arm.robot import Robot\n"
        "from franka_reacher_rl.sim.camera import WristCamera\n"
        f"robot = Robot.load({robot.name!r})\n"
        "cameras = [WristCamera(robot, 64, 36) for _ in range(2)]\n"
        "for c in cameras: c.render(robot.start_middle(), robot.target_middle())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_mujoco_gives_no_warnings(world: World) -> None:
    assert all(w.number == 0 for w in world.data.warning)
    assert world.model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
