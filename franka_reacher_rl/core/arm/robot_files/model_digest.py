"""Digest of a robot's models, which distinguishes runs of different models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.paths import scene_path

_FOLDERS = ("meshdir", "texturedir", "assetdir")  # attributes of MJCF's <compiler>
_FILES = ("file", "filename")  # attributes that name another file, in MJCF and URDF


def model_digest(robot: Robot) -> str:
    """Return the digest of a robot's models and of the simulated scene.

    Raises:
        ValueError: A model of the robot does not exist.
    """
    return digest_models(robot, scene_path())


def digest_models(robot: Robot, *others: Path) -> str:
    """Return 16 hexadecimal digits that identify the content of a robot's URDF and MJCF.

    Comments and indentation do not count. Files that a model refers to, such as meshes and included models, count if
    they are found relative to it; those of `package://` addresses are not looked for.

    Args:
        robot: Names the models.
        others: Further XML files, such as the scene around the robot.

    Raises:
        ValueError: A model of the robot does not exist.
        OSError: A file cannot be read.
    """
    names = dict.fromkeys(name for name in (robot.model.urdf, robot.model.mjcf) if name)
    digest, seen = hashlib.sha256(), set[Path]()
    for path in (*map(find_model, names), *others):
        for content in _contents(path.resolve(), seen):
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _contents(path: Path, seen: set[Path]) -> Iterator[bytes]:
    """The content of a file and of the files it refers to, each once."""
    if path in seen:
        return
    seen.add(path)
    data = path.read_bytes()
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:  # a mesh or a texture
        yield data
        return
    yield ElementTree.canonicalize(data.decode(), strip_text=True).encode()
    folders = [".", *(element.get(name, "") for element in root.iter("compiler") for name in _FOLDERS)]
    for name in (element.get(key, "") for element in root.iter() for key in _FILES):
        for folder in dict.fromkeys(folders):
            target = (path.parent / folder / name).resolve()
            if name and target.is_file():
                yield from _contents(target, seen)
