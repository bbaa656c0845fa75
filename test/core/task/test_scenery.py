"""The geometry that RViz draws around the arm."""

from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.core.task.scenery import Box, acting_faces, colour_of, target_size

BOX = Box([0.3, -0.3, 0.1], [0.7, 0.2, 0.4])


def test_the_box_has_twelve_edges_along_its_axes() -> None:
    ends = BOX.edges().reshape(12, 2, 3)
    lengths = np.abs(ends[:, 1] - ends[:, 0])
    assert (np.count_nonzero(lengths, axis=1) == 1).all()
    np.testing.assert_allclose(lengths.sum(axis=0), 4 * (BOX.upper - BOX.lower))
    assert len({tuple(sorted(map(tuple, edge))) for edge in ends.tolist()}) == 12


@pytest.mark.parametrize("face", range(6))
def test_a_face_is_covered_by_its_triangles(face: int) -> None:
    triangles = BOX.face(face).reshape(2, 3, 3)
    axis = face % 3
    np.testing.assert_array_equal(triangles[:, :, axis], BOX.upper[axis] if face < 3 else BOX.lower[axis])
    sides = triangles[:, 1:] - triangles[:, :1]
    area = 0.5 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).sum()
    assert area == pytest.approx(np.prod(np.delete(BOX.upper - BOX.lower, axis)))


@pytest.mark.parametrize(
    ("position", "reasons", "faces"),
    [
        ([0.5, 0.0, 0.11], ["workspace", "acceleration"], [5]),
        ([0.69, 0.0, 0.11], ["workspace"], [0, 5]),
        ([0.5, 0.25, 0.2], ["outside_workspace"], [1]),
        ([0.5, 0.0, 0.14], ["workspace"], [5]),
        ([0.5, 0.0, 0.11], ["joint_limit"], []),
        ([0.5, 0.0, 0.11], [], []),
    ],
)
def test_the_face_at_which_the_filter_acts(position: list[float], reasons: list[str], faces: list[int]) -> None:
    assert acting_faces(BOX, np.array(position), reasons) == faces


def test_colours_grow_from_blue_to_yellow() -> None:
    red, blue = zip(*((colour_of(c)[0], colour_of(c)[2]) for c in (0.0, 0.05, 0.3, 1.0, 2.0)), strict=True)
    assert list(red) == sorted(red) and list(blue) == sorted(blue, reverse=True) and red[-1] == red[-2] == 1.0


def test_the_size_of_the_target_is_that_of_the_world() -> None:
    mujoco = pytest.importorskip("mujoco")
    from franka_reacher_rl.core.arm.robot import Robot
    from franka_reacher_rl.sim.world import World

    model = World(Robot.load("panda_sim")).model
    geom = model.body("target").geomadr[0]
    assert model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_ELLIPSOID
    np.testing.assert_allclose(target_size(), 2.0 * model.geom_size[geom])
