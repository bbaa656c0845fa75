"""A camera that misbehaves on purpose: what it shows then is not learned from."""

from __future__ import annotations

import os
import sys
import time

import odd_camera
import pytest
from drill import Drill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.fixture
def control(tmp_path, monkeypatch):
    """The file that controls the camera, which is installed as the package `odd_camera`."""
    for path in ("share/ament_index/resource_index/packages/odd_camera", "lib/odd_camera/camera"):
        (tmp_path / "install" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "install" / path).touch(mode=0o755)
    script = f"""#!/bin/sh\nexec "{sys.executable}" "{odd_camera.__file__}" "$@"\n"""
    (tmp_path / "install/lib/odd_camera/camera").write_text(script)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'install'}:{os.environ['AMENT_PREFIX_PATH']}")
    file = tmp_path / "control"
    file.write_text("good")
    return file


@pytest.mark.parametrize(
    ("behaviour", "refused"), [("black", "black"), ("frozen", "frozen"), ("small", ""), ("late", ""), ("silent", "")]
)
def test_the_episode_ends_and_the_next_one_waits(launch, tmp_path, control, behaviour, refused):
    parameters = tmp_path / "camera.yaml"
    parameters.write_text(f"camera: {{ros__parameters: {{control: {control}}}}}")
    arguments = {"camera_node": "odd_camera/camera", "params_file": str(parameters)}
    drill = Drill(launch, "async", tmp_path / "run", 4, **arguments)
    drill.in_episode(2)
    time.sleep(0.7)
    control.write_text(behaviour)
    drill.graph.until(lambda: [row for row in drill.rows() if row["end_reason"] == "input_lost"], 30.0)
    bad = drill.rows()[-1]
    if refused:
        assert bad["refused_inputs"].startswith(refused), bad
    begun = drill.episode
    time.sleep(3.0)
    assert drill.episode == begun, "an episode began without frames"
    control.write_text("good")
    drill.assert_complete(4)
    assert [row["end_reason"] for row in drill.rows()].count("input_lost") == 1
