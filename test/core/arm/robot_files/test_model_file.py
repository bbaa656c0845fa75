"""A robot file names its models by path, or by the name of a file in `config/robots`."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.paths import config_dir


def test_a_model_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    path = tmp_path / "arm.urdf"
    path.write_text("<robot/>")
    assert find_model(str(path)) == path
    assert find_model("panda.urdf") == config_dir() / "robots" / "panda.urdf"


def test_a_model_that_does_not_exist_is_refused_with_the_places_to_put_it() -> None:
    with pytest.raises(ValueError, match="no model 'arm.urdf': give a path, or the name of a file in .*robots"):
        find_model("arm.urdf")
