"""Worlds are built once for a test module: building compiles a model."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.sim.world import World


@pytest.fixture(scope="module", params=["panda_sim", "ur5e_sim"])
def robot(request: pytest.FixtureRequest) -> Robot:
    """Every arm of the simulated world."""
    return Robot.load(request.param)


@pytest.fixture(scope="module")
def shared_world(robot: Robot) -> World:
    """One world for a module; `world` puts it back to its start."""
    return World(robot)


@pytest.fixture
def world(shared_world: World) -> World:
    """A world at rest at the middle of its start poses, the target in the middle of its places."""
    shared_world.reset(shared_world.robot.start_middle())
    shared_world.place_target(shared_world.robot.target_middle())
    return shared_world
