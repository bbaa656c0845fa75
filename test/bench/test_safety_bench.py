"""The adversarial search finds planted bugs, and the bridge meets its goals in a short search."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from franka_reacher_rl.bench.adversary.cases import FAMILIES, Cases, Wave
from franka_reacher_rl.bench.adversary.plants import PLANTS, SimulatedArm, plant_named, worse
from franka_reacher_rl.bench.adversary.search import search
from franka_reacher_rl.bench.safety import misses
from franka_reacher_rl.cli import main
from franka_reacher_rl.core.arm.bridge import Bridge
from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.arm.robot import Robot

SHORT = 1600  # cycles, about a second


def ignoring_the_margin(robot):
    return Bridge(replace(robot, bridge=replace(robot.bridge, workspace_margin=0.0)))


def without_a_constraint(robot):
    bridge = Bridge(robot)
    region = bridge._task.region
    kept = np.arange(len(region.faces)) != 2  # the lowest face
    bridge._task.region = replace(region, faces=region.faces.subset(kept))
    return bridge


def with_a_wrong_dt(robot):
    bridge = Bridge(robot)
    right = bridge._task.filter
    bridge._task.filter = lambda q, dq, last, asked, dt, *more: right(q, dq, last, asked, 2.0 * dt, *more)
    return bridge


@pytest.mark.parametrize(
    ("make_bridge", "symptom"),
    [
        (ignoring_the_margin, "mm outside"),
        (without_a_constraint, "mm outside"),
        (with_a_wrong_dt, "acceleration ratio"),
    ],
)
def test_a_planted_bug_is_found(make_bridge, symptom):
    robot, plant = Robot.load("panda_sim"), plant_named("exact")
    assert not misses(robot, plant, search(robot, plant, SHORT, 0))
    assert any(symptom in line for line in misses(robot, plant, search(robot, plant, SHORT, 0, make_bridge)))


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("ur5e_sim", "late"),
        ("ur5e_sim", "slow"),
        ("fr3", "noise"),
        ("panda_sim", "dropped"),
        ("panda_sim", "undeclared"),
    ],
)
def test_the_bridge_meets_its_goals(name, plant):
    robot = Robot.load(name)
    assert misses(robot, plant_named(plant), search(robot, plant_named(plant), SHORT, 0)) == []


def test_a_large_lag_that_is_not_declared_leaves_the_workspace_by_no_more_than_a_millimetre():
    robot = Robot.load("ur5e_sim")
    assert search(robot, worse(plant_named("declared"), lag=0.02, delay=0.04), SHORT, 0).outside <= 1e-3


def test_the_command_prints_json_and_succeeds(capsys):
    options = ["--robot", "panda_sim", "--plants", "exact", "--cycles", "400", "--processes", "1", "--json"]
    assert main(["bench", "safety", *options]) == 0
    found = json.loads(capsys.readouterr().out)["panda_sim"]["exact"]
    keys = {"worst_outside_mm", "worst_velocity_ratio", "worst_acceleration_ratio", "chatter_share", "dead_still_share"}
    assert keys <= set(found) and found["worst_outside_mm"] < 0.0 < found["worst_velocity_ratio"] <= 1.0


def test_the_command_prints_a_table(capsys):
    assert (
        main(["bench", "safety", "--robot", "panda_sim", "--plants", "late", "--cycles", "400", "--processes", "1"])
        == 0
    )
    out = capsys.readouterr().out
    assert "| panda_sim | late |" in out and "all goals are met" in out


@pytest.mark.parametrize("options", [["--cycles", "0"], ["--processes", "-1"], ["--robot", "pnada"]])
def test_invalid_options_are_refused(options, capsys):
    assert main(["bench", "safety", *options]) == 2


def test_an_arm_follows_with_lag_and_delay_and_ramps_to_rest_after_the_deadline():
    robot = Robot.load("panda_sim")
    arm = SimulatedArm(robot, worse(plant_named("declared"), lag=0.02, delay=0.01), robot.start_middle())
    arm.send(Motion(np.full(7, 0.05), np.full(7, 5.0)))
    arm.advance(0.0099)
    assert not arm.dq.any()
    arm.advance(0.03)
    np.testing.assert_allclose(arm.dq, 0.05 * (1.0 - np.exp(-1.0)))
    arm.advance(0.1)
    np.testing.assert_allclose(arm.dq, 0.05, rtol=0.02)
    arm.advance(0.5)
    np.testing.assert_allclose(arm.dq, 0.0, atol=1e-6)
    assert robot.driver.deadline == 0.1 and len(arm.received) > 2


def test_cases_start_in_the_workspace_and_request_full_actions_at_most():
    robot = Robot.load("fr3")
    cases = Cases(robot, np.random.default_rng(0))
    for family in FAMILIES * 3:
        drawn = cases.draw(family)
        case = drawn.case(robot, family) if isinstance(drawn, Wave) else drawn
        assert cases.depth(case.start) >= 0.0
        assert (np.abs(case.requests) <= np.array(robot.task.action_scale) + 1e-12).all()


def test_the_plants_of_the_envelope_are_complete():
    names = ["exact", "declared", "undeclared", "noise", "dropped", "late", "slow", "model_error"]
    assert [plant.name for plant in PLANTS] == names
