"""A new run may start from the networks of an earlier one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from learner_helpers import DOF, IMAGE, fill, make_batch, make_replay, make_sac, policy_bytes

from franka_reacher_rl.core.base.settings import LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.earlier_weights import load_earlier
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.replay.checkpoint import Checkpointer


@pytest.fixture
def earlier(tmp_path: Path) -> SAC:
    """A learner that has trained, whose run folder has two checkpoints and a policy."""
    sac, replay = make_sac(), make_replay()
    checkpoints = Checkpointer(tmp_path / "checkpoints", sac, replay)
    for _ in range(2):
        fill(replay, 20, begin=replay.total)
        sac.update(make_batch(np.random.default_rng(sac.updates)))
        assert checkpoints.save(wait=True)
    (tmp_path / "policy.safetensors").write_bytes(policy_bytes(sac))
    return sac


def newest(folder: Path) -> Path:
    return max((folder / "checkpoints").glob("checkpoint-*"))


def assert_same_networks(one: SAC, other: SAC) -> None:
    counters = ("random", "updates")
    a, b = one.save_state(), other.save_state()
    assert set(a) == set(b)
    assert all(np.array_equal(a[name], b[name]) for name in a if name not in counters)


@pytest.mark.parametrize("given", ["", "checkpoints", "newest checkpoint"])
def test_a_checkpoint_gives_all_networks_and_no_counters(tmp_path: Path, earlier: SAC, given: str) -> None:
    sac, untouched = make_sac(seed=5), make_sac(seed=5)
    text = load_earlier(sac, newest(tmp_path) if given.startswith("newest") else tmp_path / given)
    assert text == f"the networks of {newest(tmp_path)} after 2 updates; the replay starts empty"
    assert_same_networks(sac, earlier)
    assert sac.updates == 0 and np.array_equal(sac.save_state()["random"], untouched.save_state()["random"])


@pytest.mark.parametrize("damage", ["rows missing", "renamed", "torn"])
def test_the_newest_readable_checkpoint_is_used_whatever_the_replay(tmp_path: Path, earlier: SAC, damage: str) -> None:
    path, updates = newest(tmp_path), 2
    if damage == "rows missing":
        for file in (tmp_path / "checkpoints" / "replay").iterdir():
            file.unlink()
    elif damage == "renamed":
        path.rename(path.with_suffix(".damaged"))
    else:
        path.write_bytes(path.read_bytes()[:-100])
        updates = 1
    assert f"after {updates} updates" in load_earlier(make_sac(seed=5), tmp_path)


def test_a_policy_gives_the_actor_and_leaves_the_critics(tmp_path: Path, earlier: SAC) -> None:
    sac, untouched = make_sac(seed=5), make_sac(seed=5).save_state()
    assert "the critics start untrained" in load_earlier(sac, tmp_path / "policy.safetensors")
    state, theirs = sac.save_state(), earlier.save_state()
    for name in state:
        source = {"actor": theirs[name], "encoder": theirs[name]}.get(name.partition(".")[0], untouched.get(name))
        if name.startswith("target_encoder"):
            source = theirs[name.removeprefix("target_")]
        assert np.array_equal(state[name], source), name


def test_what_cannot_be_used_is_refused_and_changes_nothing(tmp_path: Path, earlier: SAC) -> None:
    network = NetworkSettings(channels=[4, 8], strides=[2, 1], hidden=[16, 16])
    other = SAC(IMAGE, network, SACSettings(), LearnerSettings(device="cpu"), DOF, 0)
    before = other.save_state()
    for path in (tmp_path, tmp_path / "policy.safetensors", newest(tmp_path)):
        with pytest.raises(ValueError, match=r"resume_weights:=.*another network.*Give the setting and the robot"):
            load_earlier(other, path)
    after = other.save_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    for path in (tmp_path / "checkpoints").glob("checkpoint-*"):
        path.write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"no checkpoint that can be read; its policy alone can be used"):
        load_earlier(make_sac(), tmp_path)
    with pytest.raises(ValueError, match="cannot be read"):
        load_earlier(make_sac(), newest(tmp_path))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, earlier: SAC) -> None:
    path = tmp_path / "policy.safetensors"
    weights = safetensors.numpy.load_file(path)
    name = next(iter(weights))
    weights[name].flat[0] = np.nan
    safetensors.numpy.save_file(weights, path)
    with pytest.raises(ValueError, match=f"not finite: {name}"):
        load_earlier(make_sac(), path)
