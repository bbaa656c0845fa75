"""Nodes that are killed, in both graphs: the run goes on, and nothing that was on record is lost."""

from __future__ import annotations

import signal
import time

import pytest
from drill import Drill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize("wiring", ["async", "sync"])
def test_a_run_survives_its_nodes(launch, tmp_path, wiring):
    drill = Drill(launch, wiring, tmp_path / "run", 12, setting="lite")
    victims = {2: "learner", 4: "camera", 6: "recorder", 8: "actor"}
    for episode, node in victims.items():
        drill.in_episode(episode)
        time.sleep(1.0)  # into the episode
        drill.kill(node)
    drill.assert_complete(12)
    assert drill.restarts() == list(victims.values())
    assert "resumed from the checkpoint of update" in drill.graph.text
    assert "lost since then" in drill.graph.text


@pytest.mark.parametrize("wiring", ["async", "sync"])
@pytest.mark.parametrize("node", ["reward", "sim_robot", "robot_bridge", "environment", "command_guard", "display"])
def test_a_killed_node_is_replaced(launch, tmp_path, wiring, node):
    drill = Drill(launch, wiring, tmp_path / "run", 6)
    drill.in_episode(2)
    time.sleep(0.5)
    drill.kill(node)
    drill.assert_complete(6, missing=node == "environment")
    assert drill.restarts() == [node]


def test_a_bridge_that_dies_during_a_reset(launch, tmp_path):
    drill = Drill(launch, "async", tmp_path / "run", 5)
    drill.in_episode(2)
    drill.kill("robot_bridge")
    drill.assert_complete(5)


@pytest.mark.parametrize("delay", [0.0, 0.07, 0.13, 0.19])
def test_a_learner_that_dies_while_it_publishes_or_saves(launch, tmp_path, delay):
    """With updates and checkpoints as fast as they go, it is always doing one or the other."""
    parameters = tmp_path / "often.yaml"
    parameters.write_text("learner: {ros__parameters: {learner: {checkpoint_period: 0.01}}}")
    drill = Drill(launch, "async", tmp_path / "run", 6, params_file=str(parameters))
    for deaths in (1, 2):
        drill.in_episode(3)
        time.sleep(delay)
        drill.kill("learner")
        drill.graph.until(lambda n=deaths: drill.graph.text.count("resumed from the checkpoint of update") == n, 60.0)
    drill.assert_complete(6)
    assert drill.graph.text.count("resumed from the checkpoint of update") == 2
    assert "damaged" not in drill.graph.text


@pytest.mark.parametrize("wiring", ["async", "sync"])
@pytest.mark.parametrize(
    "node", ["camera", "reward", "environment", "actor", "learner", "robot_bridge", "sim_robot", "recorder"]
)
def test_a_node_that_hangs_goes_on_when_it_wakes(launch, tmp_path, wiring, node):
    drill = Drill(launch, wiring, tmp_path / "run", 5)
    drill.in_episode(2)
    time.sleep(0.5)
    drill.signal(node, signal.SIGSTOP)
    time.sleep(4.0)
    drill.signal(node, signal.SIGCONT)
    drill.assert_complete(5)
    assert drill.restarts() == []
