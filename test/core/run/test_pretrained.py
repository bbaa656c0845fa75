"""Where the trained policies are."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.core.run import pretrained as module
from franka_reacher_rl.core.run.pretrained import pretrained


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with policies of two robots, one of which lacks its setting."""
    monkeypatch.setattr(module, "config_dir", lambda: tmp_path)
    for robot, names in (("panda_sim", ("policy.safetensors", "pretrained.yaml")), ("half", ("policy.safetensors",))):
        folder = tmp_path / "policies" / robot
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    return tmp_path / "policies"


def test_the_files_of_a_policy(policies: Path) -> None:
    found = pretrained("panda_sim")
    assert found.policy == policies / "panda_sim" / "policy.safetensors"
    assert found.setting == policies / "panda_sim" / "pretrained.yaml"


def test_a_robot_without_a_policy(policies: Path) -> None:
    message = r"robot 'panda_smi' \(did you mean 'panda_sim'\?\): there are policies for panda_sim. Train one with"
    with pytest.raises(ValueError, match=message):
        pretrained("panda_smi")


def test_a_policy_without_its_setting_is_none(policies: Path) -> None:
    with pytest.raises(ValueError, match="there is no trained policy for robot 'half'"):
        pretrained("half")


def test_without_any_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "config_dir", lambda: tmp_path)
    with pytest.raises(ValueError, match="there are policies for no robot"):
        pretrained("panda_sim")
