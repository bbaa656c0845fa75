"""Tests of the preview images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.sim import preview


def test_pictures_are_written(tmp_path: Path, robot: Robot, capsys: pytest.CaptureFixture[str]) -> None:
    assert preview.run(robot.name, tmp_path / "new", seed=0, width=160, height=90) == 0
    written = {p.stem: np.asarray(cv2.imread(str(p))) for p in (tmp_path / "new").glob("*.png")}
    assert set(written) == {"wrist", "mask", "outside", "preview"}
    assert written["preview"].shape[1] > 3 * 160
    assert set(np.unique(written["mask"])) == {0, 255}
    red = written["wrist"][written["mask"][..., 0] > 0].mean(axis=0)
    assert red[2] > 2 * red[0]  # OpenCV reads PNG files as BGR
    assert "preview.png" in capsys.readouterr().out


def test_an_unknown_robot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no robot 'nope'"):
        preview.run("nope", tmp_path, seed=0, width=160, height=90)
