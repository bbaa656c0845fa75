"""The trained policies that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.base.suggestions import did_you_mean

NAME = "pretrained"  # as the launch argument `policy`
FOLDER = "policies"  # in `config/`, with a folder per robot


@dataclass(frozen=True)
class Pretrained:
    """The files of a trained policy.

    Attributes:
        folder: Where they are.
        policy: The weights.
        setting: The setting that the policy was trained with; its image and network are the policy's.
        manifest: How it was made, and how well it does.
    """

    folder: Path

    @property
    def policy(self) -> Path:
        return self.folder / "policy.safetensors"

    @property
    def setting(self) -> Path:
        return self.folder / f"{NAME}.yaml"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.yaml"

    @property
    def complete(self) -> bool:
        """Whether what a rollout needs is there."""
        return self.policy.is_file() and self.setting.is_file()


def pretrained(robot: str) -> Pretrained:
    """Return a robot's trained policy.

    Raises:
        ValueError: There is none.
    """
    root = config_dir() / FOLDER
    found = Pretrained(root / robot)
    if not found.complete:
        known = sorted(path.name for path in root.glob("*") if Pretrained(path).complete)
        raise ValueError(
            f"there is no trained policy for robot {robot!r}{did_you_mean(robot, known)}: there are policies for "
            f"{', '.join(known) or 'no robot'}. Train one with ./reacher launch async.launch.py robot:={robot}"
        )
    return found
