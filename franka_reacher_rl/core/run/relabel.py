"""Recomputes the rewards of a run's stored frames under another mask or scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import from_mapping, to_mapping
from franka_reacher_rl.core.base.settings import RewardSettings, Setting, setting_path
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.stored import read_replay, write_replay
from franka_reacher_rl.core.run.run_folder import MANIFEST, ROBOT_FILE, SETTING_FILE, read_manifest
from franka_reacher_rl.core.task.reward import reward_of, target_mask


@dataclass(frozen=True)
class Change:
    """What relabelling has changed."""

    rows: int
    changed: int  # rows whose reward differs
    before: float  # mean reward of a step
    after: float


def relabel(replay: Replay, setting: Setting) -> Change:
    """Replace the reward of every row by that of its frame; the first row of an episode has none.

    Args:
        replay: The replay, which is changed.
        setting: Mask, alpha and cycle time.
    """
    begin, end = replay.total - len(replay), replay.total
    old, new = [], []
    for part in replay.slots(begin, end):
        for row in part:
            if row["first"]:
                continue
            frame: Frame = np.ascontiguousarray(row["frame"].transpose(1, 2, 0))
            old.append(float(row["reward"]))
            row["reward"] = reward_of(target_mask(frame, setting.reward), setting.episode.cycle_ms, setting.reward)
            new.append(float(row["reward"]))
    before, after = np.array(old or [0.0]), np.array(new or [0.0])
    return Change(end - begin, int(np.count_nonzero(before != after)), float(before.mean()), float(after.mean()))


def with_mask(setting: Setting, path: Path) -> Setting:
    """Return a setting with the mask of a ROS parameter file, such as `tune-mask` writes.

    Raises:
        ValueError: The file has no values of the reward, or one that is not allowed.
    """
    document = load_yaml(path)
    sections = [node.get("ros__parameters") for node in _values(document) if isinstance(node, dict)]
    found = [section["reward"] for section in sections if isinstance(section, dict) and "reward" in section]
    if len(found) != 1 or not isinstance(found[0], dict):
        raise ValueError(f"{path} has no section reward of ros__parameters: give a file that tune-mask has written")
    reward = from_mapping(RewardSettings, {**to_mapping(setting.reward), **found[0]}, str(path))
    return replace(setting, reward=reward)


def _values(document: Any) -> list[Any]:
    return list(document.values()) if isinstance(document, dict) else []


def run(run_dir: Path, out: Path, setting_name: str = "", mask: Path | None = None) -> list[str]:
    """Relabel the replay of a run, and return what a person reads. The last line has the arguments of a launch.

    Args:
        run_dir: The run folder.
        out: Folder to write to.
        setting_name: Setting with the new reward, a name or a path; empty: that of the run.
        mask: ROS parameter file with the mask; None: that of the setting.

    Raises:
        ValueError: Nothing new is given; or the folder has no run, or no replay that can be read; or the setting has
            another image size or cycle time.
        OSError: The new replay cannot be written.
    """
    if not setting_name and mask is None:
        raise ValueError("give the new reward: --setting NAME, or --mask FILE as tune-mask writes it")
    if not (run_dir / MANIFEST).is_file():
        raise ValueError(f"{run_dir} has no {MANIFEST}: give the folder of a run")
    wiring, robot = str(read_manifest(run_dir)["run"]["wiring"]), Robot.load(run_dir / ROBOT_FILE)
    old = Setting.load(run_dir / SETTING_FILE)
    path = setting_path(setting_name, default_wiring=wiring) if setting_name else run_dir / SETTING_FILE
    setting = Setting.load(path)
    _check_fits(old, setting, path)
    if mask is not None:
        setting = with_mask(setting, mask)
    image, dof = old.image, robot.dof
    replay = Replay(old.learner.replay_capacity, image.height, image.width, image.frames, 3 * dof, dof, 0)
    read_replay(run_dir, replay)
    change = relabel(replay, setting)
    write_replay(out, replay)
    parameters = f" params_file:={mask}" if mask is not None else ""
    return [
        f"{change.rows} rows written to {out}; {change.changed} rewards differ",
        f"mean reward of a step: {change.before:.4f} in the run, {change.after:.4f} in the new replay",
        f"{wiring}.launch.py setting:={setting_name or path}{parameters} seed_replay:={out}",
    ]


def _check_fits(old: Setting, new: Setting, path: Path) -> None:
    """Check that a run with a setting can use the steps of a run with another one.

    Raises:
        ValueError: It cannot.
    """
    for what, was, now in (
        ("image.width", old.image.width, new.image.width),
        ("image.height", old.image.height, new.image.height),
        ("episode.cycle_ms", old.episode.cycle_ms, new.episode.cycle_ms),
    ):
        if was != now:
            raise ValueError(
                f"{path} has {what} = {now}, but the run was recorded with {was}: give a setting with the same value"
            )
