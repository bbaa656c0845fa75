"""The camera node, which publishes frames at the training resolution with the stamp of their capture."""

from __future__ import annotations

from pathlib import Path

import cv2
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from franka_reacher_rl.cameras.base import Captured, FrameSource
from franka_reacher_rl.cameras.device import DeviceCamera, DeviceSettings
from franka_reacher_rl.cameras.grabber import Grabber
from franka_reacher_rl.cameras.simulated import SimulatedCamera, StateFeed
from franka_reacher_rl.cameras.video_file import VideoCamera
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.camera_info import calibration_path, camera_info_msg
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_from_stamp, steady_ns, steady_seconds
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_frame_prefix, declare_param
from franka_reacher_rl.ros.standard_messages import (
    image_msg,
    joint_positions_from_msg,
    message_from_bytes,
    position_from_msg,
    stamp_from_bytes,
)


class Camera(Node):
    """Publishes `~/image_raw` and `~/camera_info` from a device, a video file or the simulated world."""

    task = "frames"

    def __init__(self) -> None:
        super().__init__("camera")
        cv2.setNumThreads(1)
        self._image = declare(self, ImageSettings, "image")
        self._source = declare_param(
            self,
            "source",
            "simulated",
            "source of the frames: simulated, a device such as /dev/video0, or a video file",
        )
        self.hardware_id = self._source
        self._fps = float(declare_param(self, "fps", 60.0, "requested frame rate [Hz]"))
        self._device = declare(self, DeviceSettings, "camera")
        robot = declare_param(
            self,
            "robot",
            "panda_sim",
            "robot file, with the camera's frame and the simulated camera: a name in config/robots, or a path",
        )
        self._robot = Robot.load(robot)
        frame = declare_param(self, "frame_id", "", "frame_id of the images; empty: the frame in the robot file")
        prefix = declare_frame_prefix(self)
        self._frame_id = prefix + (frame or self._robot.camera.frame)
        self._calibration = self._load_calibration()
        if not 1.0 <= self._fps <= 1000.0:
            raise ValueError(f"parameter fps = {self._fps} is not allowed: 1 to 1000 Hz")
        self._images = self.create_publisher(Image, "~/image_raw", qos.RELIABLE)
        self._infos = self.create_publisher(CameraInfo, "~/camera_info", qos.RELIABLE)
        self._feed = StateFeed()
        self._frames_before, self._measured_at = 0, steady_seconds()
        self._opened: FrameSource | None = None
        if self._source == "simulated":
            self.create_subscription(JointState, "joint_states", self._on_joints, qos.NEWEST, raw=True)
            self.create_subscription(PoseStamped, "target", self._on_target, qos.LATCHED)
        elif not Path(self._source).exists():
            raise ValueError(
                f"camera {self._source!r} does not exist: give simulated, a device (list them with `ls /dev/video*`) "
                "or a video file"
            )
        self._grabber = Grabber(self._open, self._publish, self._on_missing, self._on_lost)
        self._grabber.start()

    def _load_calibration(self) -> Calibration | None:
        url = declare_param(
            self,
            "camera_info_url",
            "",
            "calibration of a device or video file, as camera_calibration writes it: package://PACKAGE/PATH, "
            "file:///PATH or a path; empty: uncalibrated",
        )
        if not url:
            return None
        if self._source == "simulated":
            raise ValueError(
                f"camera_info_url {url!r} is not allowed with the simulated camera, whose calibration is known: leave "
                "it empty"
            )
        return Calibration.load(calibration_path(url))

    def _open(self) -> FrameSource:
        source = self._source_of_frames()
        self.get_logger().info(f"camera {self._source}: {source.values['mode']}")
        for warning in source.warnings:
            self.get_logger().warning(warning)
        self._opened = source
        return source

    def _source_of_frames(self) -> FrameSource:
        size = (self._image.width, self._image.height)
        if self._source == "simulated":
            return SimulatedCamera(self._robot, self._feed, *size, self._fps)
        if self._source.startswith("/dev/"):
            return DeviceCamera(self._source, *size, self._fps, self._device, self._calibration)
        return VideoCamera(self._source, *size, self._fps, self._calibration)

    def _publish(self, captured: Captured, source: FrameSource) -> None:
        """Publish a frame, in the grabber's thread, so that it does not wait for the executor."""
        header = Header(stamp=stamp_from_steady(captured.time), frame_id=self._frame_id)
        self._images.publish(image_msg(captured.frame, header))
        if self._infos.get_subscription_count():
            self._infos.publish(camera_info_msg(header, self._image.width, self._image.height, source.calibration))

    def _on_missing(self, reason: str) -> None:
        self.get_logger().fatal(f"no camera: {reason}")
        self.finish(1)

    def _on_lost(self, reason: str) -> None:
        self.get_logger().error(f"camera lost: {reason}; trying to reopen it", throttle_duration_sec=5.0)

    def _on_joints(self, serialised: bytes) -> None:
        # After a step of the wall clock, a stamp may appear to be in the future; the camera would wait for that time.
        measured = min(steady_from_stamp(stamp_from_bytes(serialised)), steady_ns())
        if self._feed.awaits(measured):  # the others are not worth decoding
            message = message_from_bytes(serialised, JointState)
            self._feed.set_state(joint_positions_from_msg(message, self._robot.joints), measured)

    def _on_target(self, message: PoseStamped) -> None:
        self._feed.set_target(position_from_msg(message.pose.position))

    def diagnose(self) -> Diagnosis:
        health, now = self._grabber.health, steady_seconds()
        rate = (health.frames - self._frames_before) / max(1e-6, now - self._measured_at)
        self._frames_before, self._measured_at = health.frames, now
        values: dict[str, object] = {
            "frames": health.frames,
            "frames_per_second": round(rate, 1),
            "requested_frames_per_second": self._fps,
            "reopened": health.reopened,
            **(self._opened.values if self._opened else {}),
        }
        if health.error:
            return DiagnosticStatus.ERROR, f"no frames: {health.error}", values
        if health.frozen and self._source.startswith("/dev/"):
            self.get_logger().warning("the camera repeats one frame: reconnect it", throttle_duration_sec=10.0)
            return DiagnosticStatus.ERROR, f"frozen: {health.equal} equal frames in a row; reconnect the camera", values
        if health.black:
            text = "frames are black: check the lens cover and the light"
            self.get_logger().warning(text, throttle_duration_sec=10.0)
            return DiagnosticStatus.WARN, text, values
        if self._opened and self._opened.warnings:
            return DiagnosticStatus.WARN, "; ".join(self._opened.warnings), values
        return DiagnosticStatus.OK, f"{rate:.1f} frames per second", values

    def on_stop(self) -> None:
        self._grabber.stop()


def main() -> None:
    """Run the camera node."""
    run_node(Camera)
