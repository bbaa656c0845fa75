"""The rewards of stored frames are recomputed under another setting."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from franka_reacher_rl.cli import main
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import ImageSettings, RewardSettings, Setting
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.stored import read_replay, write_replay
from franka_reacher_rl.core.run.relabel import relabel
from franka_reacher_rl.core.run.run_folder import manifest, write_manifest

HEIGHT, WIDTH, DOF = 36, 64, 7
BLUE = [100, 150, 80, 130, 255, 255]


def filled() -> Replay:
    """Two episodes of frames whose left part is blue, by a width that grows with the step."""
    replay = Replay(30, HEIGHT, WIDTH, 3, 3 * DOF, DOF, 0)
    for episode in (1, 2):
        for step in range(4):
            frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            frame[:, : 16 * step, 2] = 255
            seen = Observation(
                StepId(episode, step), frame, np.zeros(3 * DOF, np.float32), 0.0, step == 0, False, False
            )
            replay.add(Transition(seen, np.zeros(DOF, np.float32), 1))
    return replay


def test_each_reward_is_that_of_its_frame() -> None:
    replay = filled()
    reward = RewardSettings(bands=BLUE, dilate=0, erode=0, alpha=0.25)
    change = relabel(
        replay, dataclasses.replace(Setting(image=ImageSettings(width=WIDTH, height=HEIGHT)), reward=reward)
    )
    rewards = np.concatenate([part["reward"] for part in replay.slots(0, 8)])
    full = 0.25 * 40.0
    assert np.allclose(rewards, 2 * [0.0, full / 4, full / 2, full * 3 / 4])
    assert (change.rows, change.changed, change.before) == (8, 6, 0.0) and np.isclose(change.after, full / 2)


def test_the_red_mask_finds_nothing_there() -> None:
    replay = filled()
    change = relabel(replay, Setting(image=ImageSettings(width=WIDTH, height=HEIGHT)))
    assert change.changed == 0 and change.after == 0.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of the setting async_lite."""
    folder = tmp_path / "run"
    folder.mkdir()
    about = {"wiring": "async", "setting": "async_lite", "robot": "panda_sim"}
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load("panda_sim"), about))
    write_replay(folder, filled())
    return folder


def rewards(folder: Path) -> list[float]:
    replay = Replay(30, HEIGHT, WIDTH, 3, 3 * DOF, DOF, 0)
    read_replay(folder, replay)
    return np.concatenate([part["reward"] for part in replay.slots(0, 8)]).tolist()


def parameters(path: Path, node: str, **sections: object) -> str:
    """Writes a ROS parameter file, and returns its path."""
    path.write_text(yaml.safe_dump({node: {"ros__parameters": sections}}))
    return str(path)


def test_the_mask_of_tune_mask(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = parameters(tmp_path / "mask.yaml", "reward", reward={"bands": BLUE, "dilate": 0, "erode": 0})
    assert main(["relabel", str(run), "--mask", mask, "--out", str(tmp_path / "new")]) == 0
    assert np.allclose(rewards(tmp_path / "new"), 2 * [0.0, 2.5, 5.0, 7.5]) and rewards(run) == 8 * [0.0]
    text = capsys.readouterr().out
    assert "8 rows written" in text and "6 rewards differ" in text and "0.0000 in the run, 5.0000 in the new" in text
    assert f"async.launch.py setting:={run}/setting.yaml params_file:={mask} seed_replay:={tmp_path}/new" in text


def test_another_setting(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = {"width": WIDTH, "height": HEIGHT}
    reward = {"bands": BLUE, "dilate": 0, "erode": 0, "alpha": 0.5}
    setting = parameters(tmp_path / "blue.yaml", "/**", image=image, reward=reward)
    assert main(["relabel", str(run), "--setting", setting, "--out", str(tmp_path / "new")]) == 0
    assert np.allclose(rewards(tmp_path / "new"), 2 * [0.0, 5.0, 10.0, 15.0])
    assert f"async.launch.py setting:={setting} seed_replay:={tmp_path}/new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN"], "give the new reward: --setting NAME, or --mask FILE"),
        (["RUN", "--setting", "async_baseline"], "has image.width = 160, but the run was recorded with 64"),
        (["RUN", "--setting", "SLOW"], "has episode.cycle_ms = 100.0, but the run was recorded with 40.0"),
        (["RUN", "--setting", "sync_lit"], "no setting 'sync_lit'"),
        (["RUN", "--mask", "SLOW"], "has no section reward of ros__parameters: give a file that tune-mask"),
        (["RUN", "--mask", "WRONG"], "unknown 'band' (did you mean 'bands'?)"),
        (["RUN", "--mask", "RUN/nowhere.yaml"], "cannot be read"),
        (["RUN/nowhere", "--setting", "lite"], "nowhere has no manifest.yaml: give the folder of a run"),
    ],
)
def test_a_mistake(
    run: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = {"width": WIDTH, "height": HEIGHT}
    files = {
        "RUN": str(run),
        "SLOW": parameters(tmp_path / "slow.yaml", "/**", image=image, episode={"cycle_ms": 100.0}),
        "WRONG": parameters(tmp_path / "wrong.yaml", "reward", reward={"band": BLUE}),
    }
    for name, path in files.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    assert main(["relabel", *arguments, "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "new").exists()


def test_a_replay_is_not_overwritten(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relabel", str(run), "--setting", "lite", "--out", str(run)]) == 2
    assert "has a replay already: give another folder" in capsys.readouterr().err
