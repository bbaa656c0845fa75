"""The mask of a running reward node is read and set."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from probe import Probe
from sensor_msgs.msg import Image
from std_msgs.msg import Header

pytest.importorskip("viser", reason="viser is not installed")
from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.nodes.reward import Reward
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.standard_messages import image_msg, time_msg
from franka_reacher_rl.tuner import live
from franka_reacher_rl.tuner.live import LiveMask

BANDS = [50, 100, 100, 70, 255, 255]


def meanwhile(probe: Probe, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns that waits for the nodes of the probe."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, *arguments)
        probe.until(future.done)
        return future.result()


def test_the_mask_of_the_reward_node_is_read_and_set(probe_after: Callable[..., Probe]) -> None:
    probe = probe_after("-p", "reward.dilate:=3")
    node = probe.add(Reward())
    frames: list[np.ndarray] = []
    images = probe.node.create_publisher(Image, "/camera/image_raw", qos.NEWEST)
    mask = meanwhile(probe, LiveMask, "", "camera/image_raw", frames.append)
    try:
        found = meanwhile(probe, mask.read)
        assert found == RewardSettings(dilate=3)
        text = meanwhile(probe, mask.send, RewardSettings(bands=BANDS, dilate=1, erode=2))
        assert "uses this mask" in text
        assert [list(node.get_parameter("reward.bands").value), node.get_parameter("reward.erode").value] == [BANDS, 2]
        frame = np.full((36, 64, 3), 7, np.uint8)
        probe.until(lambda: images.publish(image_msg(frame, Header(stamp=time_msg(1.0)))) is None and frames)
        assert (frames[0] == frame).all() and mask.topic == "/camera/image_raw"
    finally:
        mask.close()


def test_without_a_reward_node(ros: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    ros()
    monkeypatch.setattr(live, "PATIENCE", 0.1)
    with pytest.raises(ValueError, match=r"no /left/reward/get_parameters .*start a graph.*--namespace"):
        LiveMask("left", "camera/image_raw", lambda frame: None)
