"""Nodes of other packages take the place of the package's own, in both graphs."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import foreign_camera
import numpy as np
import pytest
from graphs import ROOT, Watcher
from sensor_msgs.msg import Image

from franka_reacher_rl.msg import Observation, Reward
from franka_reacher_rl.ros import qos

_EPISODES = 2
_OBSERVATION = "/environment/observation"
_EXAMPLE = "centering_reward/centering_reward"

pytestmark = pytest.mark.timeout(240)  # of which building the example takes up to 30 s


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The install folder of two packages: the example, built by colcon, and the foreign camera."""
    folder = tmp_path_factory.mktemp("workspace")
    install = folder / "install"
    command = ["colcon", "--log-base", folder / "log", "build", "--merge-install", "--build-base", folder / "build"]
    command += ["--base-paths", ROOT / "examples" / "centering_reward", "--install-base", install]
    built = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    for path in ("share/ament_index/resource_index/packages/foreign_camera", "lib/foreign_camera/camera"):
        (install / path).parent.mkdir(parents=True, exist_ok=True)
        (install / path).touch(mode=0o755)
    script = f"""#!/bin/sh\nexec "{sys.executable}" "{foreign_camera.__file__}" "$@"\n"""
    (install / "lib/foreign_camera/camera").write_text(script)
    return install


@pytest.fixture(autouse=True)
def _sourced(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}")


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Listens to frames, rewards and observations."""
    topics = [(Image, "/camera/image_raw"), (Reward, "/reward/value")]
    made = Watcher(*((kind, topic, qos.NEWEST) for kind, topic in topics), (Observation, _OBSERVATION, qos.RELIABLE))
    yield made
    made.close()


def _returns(folder: Path) -> list[float]:
    with (folder / "episodes.csv").open(newline="") as file:
        returns = [float(row["episode_return"]) for row in csv.DictReader(file)]
    assert len(returns) == _EPISODES
    return returns


# The graph sees the middle of the picture, 640x360, with red where it is red.
_COVERAGE = np.pi * foreign_camera.RADIUS**2 / (640 * 360)
_OFFSET = [at / size - 0.5 for at, size in zip(foreign_camera.CENTRE, foreign_camera.SIZE, strict=True)]
_CENTREDNESS = 1.0 - np.hypot(*_OFFSET) / np.hypot(0.5, 0.5)


@pytest.mark.parametrize(
    ("reliable", "reward_node", "reward"),
    [
        pytest.param(True, "", pytest.approx(10.0 * _COVERAGE, rel=0.15), id="reliable"),
        pytest.param(False, _EXAMPLE, pytest.approx(10.0 * _CENTREDNESS, rel=0.01), id="best effort, with the example"),
    ],
)
def test_a_foreign_camera_of_another_size_and_encoding(launch, watcher, tmp_path, reliable, reward_node, reward):
    parameters = tmp_path / "camera.yaml"
    parameters.write_text(f"camera: {{ros__parameters: {{reliable: {str(reliable).lower()}}}}}")
    run = {"episodes": str(_EPISODES), "run_dir": str(tmp_path / "run"), "params_file": str(parameters)}
    graph = launch("async", camera_node="foreign_camera/camera", reward_node=reward_node, **run)
    assert graph.wait(100.0) == 0, graph.text
    frame, observation = watcher.heard["/camera/image_raw"][-1], watcher.heard[_OBSERVATION][-1].image
    assert (frame.width, frame.height, frame.encoding) == (*foreign_camera.SIZE, "bgr8")
    assert (observation.width, observation.height, observation.encoding) == (64, 36, "rgb8")
    assert observation.header.frame_id == foreign_camera.FRAME_ID
    assert watcher.heard["/reward/value"][-1].reward == reward
    assert all(value > 0.0 for value in _returns(tmp_path / "run"))


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_the_example_of_a_reward(launch, watcher, tmp_path, wiring):
    run = {"episodes": str(_EPISODES), "run_dir": str(tmp_path / "run")}
    graph = launch(wiring, reward_node=_EXAMPLE, **run)
    assert graph.wait(100.0) == 0, graph.text
    rewards = watcher.heard["/reward/value"]
    # The package's own reward would be ten times the coverage.
    assert any(value.reward > 10.0 * value.coverage + 1.0 for value in rewards), "the target was never in view"
    assert all(0.0 <= value.reward <= 10.0 for value in rewards)
    assert all(value > 0.0 for value in _returns(tmp_path / "run"))
