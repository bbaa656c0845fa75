"""What a person can do with a run that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.run.next_steps import next_steps
from franka_reacher_rl.core.run.run_state import RunLock


def make(folder: Path, how: str, *, policy: bool = True, evaluate: bool = False, more: str = "") -> Path:
    lock = RunLock(folder, "r1")
    lock.end(how)
    lock.release()
    (folder / "manifest.yaml").write_text(
        f"run: {{wiring: async, setting: lite, episodes: 12, evaluate: {str(evaluate).lower()}{more}}}"
    )
    (folder / "episodes.csv").write_text("episode,episode_return\n1,50.0\n2,60.0\n")
    if policy:
        (folder / "policy.safetensors").touch()
    return folder


def test_a_complete_run(tmp_path: Path) -> None:
    run = make(tmp_path / "a", "complete")
    lines = next_steps(run, "./reacher launch", "./reacher")
    assert lines[0] == f"run complete: 2 episodes in {run}"
    assert f"  curve     ./reacher curve {run}" in lines
    evaluate = f"setting:=lite evaluate:=true policy:={run}/policy.safetensors episodes:=10"
    assert f"  evaluate  ./reacher launch async.launch.py {evaluate}" in lines
    assert f"  go on     ./reacher launch async.launch.py resume:={run} episodes:=4" in lines


def test_an_interrupted_run_without_a_policy(tmp_path: Path) -> None:
    run = make(tmp_path / "a", "interrupted by SIGINT", policy=False)
    text = "\n".join(next_steps(run, "ros2 launch franka_reacher_rl", "franka-reacher"))
    assert f"  resume    ros2 launch franka_reacher_rl async.launch.py resume:={run}" in text
    assert "evaluate" not in text and "go on" not in text


def test_a_recording_can_be_viewed(tmp_path: Path) -> None:
    run = make(tmp_path / "a", "complete")
    (run / "run.mcap").touch()
    assert f"  view      ./reacher view {run}" in next_steps(run, "./reacher launch", "./reacher")


def test_an_evaluation_has_no_curve(tmp_path: Path) -> None:
    assert len(next_steps(make(tmp_path / "a", "complete", evaluate=True), "l", "p")) == 1


def test_a_run_without_an_episode_names_its_end(tmp_path: Path) -> None:
    empty = make(tmp_path / "b", "failed: no camera")
    (empty / "episodes.csv").unlink()
    lines = next_steps(empty, "l", "p")
    assert lines == [f"run failed: no complete episode in {empty}", f"  resume    l async.launch.py resume:={empty}"]


def test_a_run_that_never_had_a_folder_has_no_next_step(tmp_path: Path) -> None:
    assert next_steps(tmp_path / "nowhere", "l", "p") == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (f", robot: {config_dir()}/robots/ur5e_sim.yaml", "robot:=ur5e_sim evaluate:=true"),
        (", robot: /mine/arm.yaml, camera: /dev/video0", "robot:=/mine/arm.yaml camera:=/dev/video0 evaluate:=true"),
        (", image_topic: /camera/color/image_raw", "image_topic:=/camera/color/image_raw"),
        (f", robot: {config_dir()}/robots/panda_sim.yaml, camera: simulated", "setting:=lite evaluate:=true"),
    ],
)
def test_an_evaluation_has_the_robot_and_the_camera_of_the_run(tmp_path: Path, more: str, words: str) -> None:
    assert words in "\n".join(next_steps(make(tmp_path / "a", "complete", more=more), "l", "p"))


def test_a_setting_of_the_package_is_named_and_another_one_has_its_path(tmp_path: Path) -> None:
    for number, (setting, shown) in enumerate(
        [(f"{config_dir()}/settings/async_lite.yaml", "async_lite"), ("/mine/own.yaml", "/mine/own.yaml")]
    ):
        run = make(tmp_path / str(number), "complete")
        (run / "manifest.yaml").write_text(f"run: {{wiring: async, setting: {setting}, episodes: 2, evaluate: false}}")
        assert f"async.launch.py setting:={shown} evaluate" in "\n".join(next_steps(run, "l", "p"))


def test_a_run_that_was_limited_in_time_goes_on_for_as_long_again(tmp_path: Path) -> None:
    run = make(tmp_path / "a", "complete", more=", training_minutes: 30.0")
    assert f"resume:={run} training_minutes:=60" in "\n".join(next_steps(run, "l", "p"))
