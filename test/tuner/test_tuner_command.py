"""The command `tune-mask`: its sources, its mistakes and the file that it writes."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from franka_reacher_rl import cli
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.base.settings import RewardSettings, Setting
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.stored import write_replay
from franka_reacher_rl.launching.parameter_file import check_parameter_file
from franka_reacher_rl.tuner.command import watch, write_mask
from franka_reacher_rl.tuner.frames import LiveFrames, frames_of_run

BANDS = [50, 100, 100, 70, 255, 255]


def make_run(folder: Path, rows: int) -> Path:
    """A run folder of the lite setting whose frames count up."""
    folder.mkdir()
    shutil.copy(config_dir() / "settings" / "async_lite.yaml", folder / "setting.yaml")
    shutil.copy(config_dir() / "robots" / "panda_sim.yaml", folder / "robot.yaml")
    image, dof = Setting.load("async_lite").image, Robot.load("panda_sim").dof
    replay = Replay(max(rows, 10), image.height, image.width, image.frames, 3 * dof, dof, 0)
    for number in range(rows):
        frame, joints = np.full((image.height, image.width, 3), number, np.uint8), np.zeros(3 * dof, np.float32)
        observation = Observation(StepId(1, number), frame, joints, 0.0, number == 0, False, False)
        replay.add(Transition(observation, np.zeros(dof, np.float32), 0))
    write_replay(folder, replay)
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give exactly one of --camera DEVICE, --video FILE, --run RUN_DIR and --live"),
        (["--video", "a.avi", "--live"], "give exactly one of"),
        (["--camera", "/dev/video99"], "/dev/video99 does not exist: connect the camera"),
        (["--video", "nowhere.avi"], "nowhere.avi: no such video file"),
        (["--run", "nowhere"], "nowhere has no setting.yaml: give a run folder"),
        (["--video", "a.avi", "--setting", "nonsense"], "no setting 'nonsense'"),
        (["--video", "a.avi", "--out", "nowhere/mask.yaml"], "the folder nowhere does not exist"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], words: str, capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("viser", reason="viser is not installed")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["tune-mask", *arguments, "--port", "8981"]) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error


def test_the_file_is_a_parameter_file_and_a_setting_to_begin_with(tmp_path: Path) -> None:
    path = tmp_path / "mask.yaml"
    text = write_mask(RewardSettings(bands=BANDS, dilate=1, erode=2), path)
    assert f"params_file:={path}" in text
    check_parameter_file(path, ["/left/reward"])
    found = Setting.load(path)
    assert found.reward == RewardSettings(bands=BANDS, dilate=1, erode=2)


def test_frames_of_a_run_are_spread_over_its_length(tmp_path: Path) -> None:
    frames = frames_of_run(make_run(tmp_path / "run", 230))
    values = [int(frame[0, 0, 0]) for frame in frames]
    assert len(frames) == 200 and frames[0].shape == (36, 64, 3) and frames[0].flags.c_contiguous
    assert values[0] == 0 and values[-1] == 229 and values == sorted(values)


def test_a_run_without_frames(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 5)
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(ValueError, match="has no folder checkpoints"):
        frames_of_run(folder)


def test_frames_of_a_video_are_shown_in_the_size_of_the_setting(tmp_path: Path) -> None:
    path, shown = tmp_path / "a.avi", []
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 90.0, (128, 72))  # type: ignore[attr-defined]
    for value in range(5):
        writer.write(np.full((72, 128, 3), 40 * value, np.uint8))
    writer.release()

    def show(frame: np.ndarray) -> None:
        shown.append(frame)
        if len(shown) == 3:
            raise ValueError("three are enough")

    with pytest.raises(ValueError, match="three are enough"):
        watch(show, Namespace(camera="", video=str(path)), Setting.load("async_lite"))
    assert [frame.shape for frame in shown] == 3 * [(36, 64, 3)]
    assert [round(float(frame.mean()) / 40) for frame in shown] == [0, 1, 2]


def test_a_lost_camera_ends_the_frames_with_its_reason() -> None:
    class Lost:
        def read(self) -> None:
            raise RuntimeError("the plug was pulled")

        def close(self) -> None:
            closed.append(True)

    closed: list[bool] = []
    live = LiveFrames(Lost, lambda frame: None)
    live.close()
    assert live.failure == "the plug was pulled" and closed == [True]
