"""The reward node, which computes reward and mask of every frame."""

from __future__ import annotations

import cv2
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

from franka_reacher_rl.core.base.settings import EpisodeSettings, ImageSettings, RewardSettings
from franka_reacher_rl.core.task.reward import reward_of, target_mask
from franka_reacher_rl.core.task.summary import UNKNOWN
from franka_reacher_rl.msg import Reward as RewardMsg
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.intake import FrameIntake
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, on_change
from franka_reacher_rl.ros.standard_messages import image_msg


class Reward(Node):
    """Publishes `~/value` for every frame on `image`, and `~/mask` for display while it has subscribers."""

    task = "frames"

    def __init__(self) -> None:
        super().__init__("reward")
        cv2.setNumThreads(1)
        self._frame = FrameIntake(declare(self, ImageSettings, "image"))
        self._cycle_ms = declare(self, EpisodeSettings, "episode").cycle_ms
        self._settings = declare(self, RewardSettings, "reward")
        on_change(self, RewardSettings, "reward", self._settings, self._take)
        self._frames, self._diagnosed = 0, steady_seconds()  # frames since the last diagnosis
        self._coverage = UNKNOWN
        # Reliable, because rqt_plot asks for that.
        self._values = self.create_publisher(RewardMsg, "~/value", qos.RELIABLE)
        self._masks = self.create_publisher(Image, "~/mask", qos.RELIABLE)
        self.create_subscription(Image, "image", self._on_image, qos.NEWEST)

    def _take(self, settings: RewardSettings) -> None:
        self._settings = settings

    def _on_image(self, image: Image) -> None:
        frame = self._frame(image)
        mask = target_mask(frame, self._settings)
        reward = reward_of(mask, self._cycle_ms, self._settings)
        self._frames, self._coverage = self._frames + 1, float(mask.mean())
        self._values.publish(RewardMsg(header=image.header, coverage=self._coverage, reward=reward))
        if self._masks.get_subscription_count():
            self._masks.publish(image_msg(mask * 255, image.header, "mono8"))

    def diagnose(self) -> Diagnosis:
        now = steady_seconds()
        rate = self._frames / max(1e-6, now - self._diagnosed)
        self._frames, self._diagnosed = 0, now
        values = {"frames_per_second": round(rate, 1), "coverage": round(self._coverage, 3), **self._frame.cost()}
        if self._coverage is UNKNOWN:
            return DiagnosticStatus.WARN, "waiting for the first frame", values
        if not rate:
            return DiagnosticStatus.ERROR, "no frames: is the camera alive?", values
        if rate < 1e3 / self._cycle_ms:
            message = f"{rate:.1f} frames per second are fewer than the action cycles: measure the camera with `doctor`"
            return DiagnosticStatus.WARN, message, values
        return DiagnosticStatus.OK, f"{rate:.1f} frames per second", values


def main() -> None:
    """Run the reward node."""
    run_node(Reward)
