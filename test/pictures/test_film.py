from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.core.learning.networks import make_policy
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.pictures.film import run, write

SETTING = """/**:
  ros__parameters:
    image: {width: 32, height: 18, crop_fraction: 0.0}
    episode: {cycle_ms: 40.0, seconds: 0.2}
    network: {channels: [4, 4], strides: [2, 2], hidden: [16]}
"""


def options(folder: Path, **changes: object) -> argparse.Namespace:
    """The options of a short film of a policy that is as bad after learning as before."""
    (folder / "async_tiny.yaml").write_text(SETTING)
    setting = Setting.load(setting_path(str(folder / "async_tiny.yaml"), default_wiring="async"))
    weights = FlatWeights(make_policy(setting.image, setting.network, 7, 1))
    (folder / "policy.safetensors").write_bytes(weights.bytes())
    values = {
        "robot": "panda_sim",
        "setting": str(folder / "async_tiny.yaml"),
        "policy": folder / "policy.safetensors",
        "seed": 0,
        "episode": 1,
        "out": folder / "films" / "film.gif",
    }
    return argparse.Namespace(**{**values, **changes})


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_a_film_shows_both_policies_and_ends_with_a_pause(tmp_path: Path, suffix: str) -> None:
    pictures = [np.full((4, 6, 3), shade, np.uint8) for shade in (0, 100, 250)]
    out = tmp_path / f"film.{suffix}"
    assert write(out, iter(pictures), iter(pictures[::-1]), 120) == 3
    with Image.open(out) as film:
        assert film.n_frames == 3 and film.size == (24, 4)
        durations = []
        for i in range(3):
            film.seek(i)
            durations.append(film.info["duration"])
    assert durations == [120, 120, 1500]


def test_the_arm_is_filmed(tmp_path: Path) -> None:
    given = options(tmp_path)
    assert run(given) == 0
    with Image.open(given.out) as film:
        assert film.n_frames == 2 and film.size == (812, 318)
        assert len(film.convert("RGB").getcolors(1 << 20)) > 20


def test_a_file_that_is_no_animation_is_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"film\.jpg: an animation is a \.gif"):
        run(options(tmp_path, out=tmp_path / "film.jpg"))
