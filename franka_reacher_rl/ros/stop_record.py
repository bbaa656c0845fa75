"""The record of a stop that a person has requested, which a restarted bridge reads."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from franka_reacher_rl.core.base.documents import read_text
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.ros.run.domain import ros_domain

MOST_BYTES = 1000  # of the file


class StopRecord:
    """A file in `$ROS_HOME` (default `~/.ros`) that exists from a requested stop until a person arms the robot.

    Each robot has its own, by domain, namespace and name.

    Args:
        namespace: Of the bridge, as rclpy gives it.
        robot: Name of the robot.
    """

    def __init__(self, namespace: str, robot: str) -> None:
        home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
        parts = (ros_domain(), *namespace.strip("/").split("/"), robot)
        name = ".".join(part.replace("/", "_") for part in parts if part)
        self.path = home / PACKAGE / "requested_stops" / name

    def read(self) -> str:
        """Return since when a requested stop holds, or an empty string if none does."""
        try:
            return shortened(read_text(self.path, MOST_BYTES).strip()) or "an unknown time"
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            return f"an unknown time ({error})"

    def write(self) -> None:
        """Record that a stop is requested now.

        Raises:
            OSError: The file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, datetime.now(timezone.utc).isoformat(timespec="seconds") + "\n")

    def clear(self) -> None:
        """Delete the record.

        Raises:
            OSError: The file cannot be deleted.
        """
        self.path.unlink(missing_ok=True)
