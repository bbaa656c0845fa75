"""Locations of the package's data files in a checkout, a colcon workspace or a pip installation."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from franka_reacher_rl.core.base.suggestions import did_you_mean

PACKAGE = "franka_reacher_rl"


def share_dir() -> Path:
    """Return the folder that contains `config/` and `package.xml`.

    Raises:
        FileNotFoundError: The folder was not found; the message names the places searched.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    places = [Path(__file__).resolve().parents[3]]
    places += [Path(prefix) / "share" / PACKAGE for prefix in [*prefixes, sys.prefix]]
    for place in places:
        if (place / "config" / "robots").is_dir():
            return place
    raise FileNotFoundError(f"no config/ folder of {PACKAGE} in {', '.join(map(str, places))}: reinstall the package")


def scratch_folder(run_id: str) -> Path:
    """Return the temporary folder of a run without a run folder, for what its restarted nodes take up."""
    return Path(tempfile.gettempdir(), f"{PACKAGE}-{run_id}")


def config_dir() -> Path:
    """Return the folder `config/`.

    Raises:
        FileNotFoundError: The folder was not found; the message names the places searched.
    """
    return share_dir() / "config"


def scene_path() -> Path:
    """Return the MJCF file of the simulated scene, into which an arm is placed."""
    return config_dir() / "world" / "scene.xml"


def find_yaml(kind: str, name: str) -> Path:
    """Find a YAML file by its name in `config/<kind>/` or by its path.

    Args:
        kind: Folder below `config/`, for example `robots`.
        name: A name such as `panda_sim`, or a path ending in .yaml.

    Raises:
        ValueError: There is no such file; the message lists the known names.
    """
    if name.endswith((".yaml", ".yml")):
        path = _expanded(name)
        if path.is_file():
            return path
        raise ValueError(f"{path}: no such file")
    folder = config_dir() / kind
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    hint = did_you_mean(name, known)
    raise ValueError(f"no {kind[:-1]} {name!r}{hint}: there are {', '.join(known)}, or give the path of a .yaml file")


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # of a user who does not exist
        raise ValueError(f"{name}: {error}") from None
