"""The ROS domain of this process."""

from __future__ import annotations

import os


def ros_domain() -> str:
    """Return the number of the ROS domain."""
    return os.environ.get("ROS_DOMAIN_ID") or "0"
