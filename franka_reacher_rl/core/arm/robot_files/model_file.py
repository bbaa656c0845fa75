"""The model files that a robot file names."""

from __future__ import annotations

from pathlib import Path

from franka_reacher_rl.core.base.paths import config_dir


def find_model(name: str) -> Path:
    """Return the file that `model.urdf` or `model.mjcf` names: a path, or the name of a file in `config/robots`.

    Raises:
        ValueError: There is no such file; the message names the places searched.
    """
    models = config_dir() / "robots"
    for path in (Path(name).expanduser(), models / name):
        if path.is_file():
            return path
    raise ValueError(f"no model {name!r}: give a path, or the name of a file in {models}")
