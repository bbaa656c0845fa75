"""The reward node, which computes reward and mask of every frame."""

from __future__ import annotations

import cv2
from sensor_msgs.msg import Image

from franka_reacher_rl.core.base.settings import EpisodeSettings, ImageSettings, RewardSettings
from franka_reacher_rl.core.task.reward import reward_of, target_mask
from franka_reacher_rl.msg import Reward as RewardMsg
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.intake import FrameIntake
from franka_reacher_rl.ros.node import Node, run_node
from franka_reacher_rl.ros.parameters import declare, on_change
from franka_reacher_rl.ros.standard_messages import image_msg


class Reward(Node):
    """Publishes `~/value` for every frame on `image`, and `~/mask` for display while it has subscribers."""

    def __init__(self) -> None:
        super().__init__("reward")
        cv2.setNumThreads(1)
        self._frame = FrameIntake(declare(self, ImageSettings, "image"))
        self._cycle_ms = declare(self, EpisodeSettings, "episode").cycle_ms
        self._settings = declare(self, RewardSettings, "reward")
        on_change(self, RewardSettings, "reward", self._settings, self._take)
        self._values = self.create_publisher(RewardMsg, "~/value", qos.NEWEST)
        self._masks = self.create_publisher(Image, "~/mask", qos.NEWEST)
        self.create_subscription(Image, "image", self._on_image, qos.NEWEST)

    def _take(self, settings: RewardSettings) -> None:
        self._settings = settings

    def _on_image(self, image: Image) -> None:
        try:
            frame = self._frame(image)
        except ValueError as error:
            self.get_logger().error(f"image refused: {error}", throttle_duration_sec=5.0)
            return
        mask = target_mask(frame, self._settings)
        reward = reward_of(mask, self._cycle_ms, self._settings)
        self._values.publish(RewardMsg(header=image.header, coverage=float(mask.mean()), reward=reward))
        if self._masks.get_subscription_count():
            self._masks.publish(image_msg(mask * 255, image.header, "mono8"))


def main() -> None:
    """Run the reward node."""
    run_node(Reward)
