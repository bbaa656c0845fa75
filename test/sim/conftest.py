"""Simulated worlds, each built once per test module because building compiles a model."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.sim.world import World


@pytest.fixture(scope="module", params=["panda_sim", "ur5e_sim"])
def robot(request: pytest.FixtureRequest) -> Robot:
    """Every simulated robot of the package."""
    return Robot.load(request.param)


@pytest.fixture(scope="module")
def shared_world(robot: Robot) -> World:
    """The world of a module, which `world` resets."""
    return World(robot)


@pytest.fixture
def world(shared_world: World) -> World:
    """A world at rest in the middle of its start poses, with the target in the middle of its area."""
    shared_world.reset(shared_world.robot.start_middle())
    shared_world.place_target(shared_world.robot.target_middle())
    return shared_world
