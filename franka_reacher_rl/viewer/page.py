"""What the viewer's node and the commands know of the page without rerun."""

from __future__ import annotations

import importlib.util

PAGE_PORT, DATA_PORT = 9090, 9876
PERIOD = 0.1  # s, between two messages of a frequent kind that are drawn
FREQUENT = ("image", "mask", "reward", "robot_state", "action")  # of these, the others are not worth decoding


def require_rerun(name: str) -> None:
    """Raise ValueError if rerun is missing.

    Args:
        name: What needs it.
    """
    if importlib.util.find_spec("rerun") is None:
        raise ValueError(f"{name} needs rerun: pip install 'rerun-sdk>=0.41' mcap-ros2-support")
