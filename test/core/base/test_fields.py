"""Tests of settings: their files, their checks and the errors, which say what is allowed."""

from pathlib import Path

import pytest
import yaml

from franka_reacher_rl.core.base.fields import from_mapping
from franka_reacher_rl.core.base.settings import EpisodeSettings, NetworkSettings, Setting

PAPER = {  # from the paper's table: width, height, batch size, cycle in ms, steps per episode, warm-up steps
    "async_baseline": (160, 90, 128, 40.0, 150, 5000),
    "sync_baseline": (160, 90, 128, 75.0, 80, 2666),
    "async_highres": (320, 180, 80, 40.0, 150, 5000),
    "sync_highres": (320, 180, 80, 80.0, 75, 2500),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings(name):
    s = Setting.load(name)
    found = (
        s.image.width,
        s.image.height,
        s.learner.batch_size,
        s.episode.cycle_ms,
        s.episode.steps,
        s.learner.warmup_steps,
    )
    assert found == PAPER[name]
    assert s.reward.alpha == 0.25 and s.learner.replay_capacity == 100_000 and s.learner.max_updates_per_step == 1.0
    assert (s.sac.discount, s.sac.tau, s.sac.learning_rate, s.sac.initial_temperature) == (0.99, 0.005, 3e-4, 0.1)
    assert s.network.channels == [32] * 4 and s.network.strides == [2, 2, 2, 1] and s.network.hidden == [1024, 1024]
    assert s.image.frames == 3 and s.image.crop_radius == ((1, 2) if s.image.width == 160 else (2, 3))


@pytest.mark.parametrize("name", ["async_lite", "sync_lite"])
def test_lite_settings_load(name):
    assert Setting.load(name).image.width < 160


def test_a_setting_can_be_written_and_read(tmp_path):
    path = tmp_path / "mine.yaml"
    setting = Setting(episode=EpisodeSettings(cycle_ms=50))
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": setting.to_mapping()}}))
    assert Setting.load(path.as_posix()) == setting


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"episode": {"cycle_ms": 2.0}}, "cycle_ms = 2.0 is not allowed: 5.0 to 1000.0 ms"),
        ({"episode": {"cycle_msec": 40.0}}, "did you mean 'cycle_ms'"),
        ({"episode": 3}, "expected a mapping"),
        ({"episode": {"cycle_ms": "fast"}}, "not a number"),
        ({"learner": {"batch_size": 1.5}}, "not of type int"),
        ({"learner": {"device": "tpu"}}, "one of auto, cpu, cuda"),
        ({"learner": {"warmup_steps": True}}, "not of type int"),
        ({"network": {"channels": 32}}, "not a list"),
        ({"network": {"channels": [32]}}, "must have the same length"),
        ({"sac": {"tau": float("nan")}}, "tau = nan"),
    ],
)
def test_a_value_that_is_not_allowed_gives_a_clear_error(values, words):
    with pytest.raises(ValueError, match=words):
        from_mapping(Setting, values, "test.yaml")


def test_numbers_that_yaml_reads_as_text_are_parsed():
    assert from_mapping(Setting, {"sac": {"learning_rate": "3e-4"}}, "x").sac.learning_rate == 3e-4


def test_an_unknown_setting_gives_the_known_ones():
    with pytest.raises(ValueError, match="async_baseline"):
        Setting.load("asynch_baseline")
    with pytest.raises(ValueError, match="no such file"):
        Setting.load("/nowhere/mine.yaml")


def test_a_file_that_is_not_a_parameter_file_is_refused(tmp_path):
    path = Path(tmp_path / "odd.yaml")
    path.write_text("image: {width: 64}")
    with pytest.raises(ValueError, match="ROS parameter file"):
        Setting.load(str(path))


def test_defaults_are_not_shared():
    first, second = NetworkSettings(), NetworkSettings()
    assert first.channels is not second.channels
