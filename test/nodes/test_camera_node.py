"""Tests of the camera node with a video file, and of its grabber with cameras that fail."""

import threading
import time

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, PoseStamped
from sensor_msgs.msg import CameraInfo, Image, JointState

from franka_reacher_rl.cameras.base import CameraLost, Captured
from franka_reacher_rl.cameras.grabber import Grabber
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.task.frames import resized
from franka_reacher_rl.nodes.camera import Camera
from franka_reacher_rl.ros import qos


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 60.0, (320, 180))
    for i in range(12):
        writer.write(np.full((180, 320, 3), (20 * i, 0, 250 - 20 * i), np.uint8))
    writer.release()
    return path


def test_a_video_file_is_published_at_the_training_resolution(probe_after, video):
    probe = probe_after("-p", f"source:={video}", "-p", "image.width:=64", "-p", "image.height:=36")
    probe.add(Camera())
    images = probe.listen(Image, "/camera/image_raw", qos.NEWEST)
    infos = probe.listen(CameraInfo, "/camera/camera_info", qos.NEWEST)
    probe.until(lambda: len(images) > 15 and infos)
    assert (images[0].width, images[0].height, images[0].encoding) == (64, 36, "rgb8")
    assert (infos[0].width, infos[0].height) == (64, 36) and infos[0].k[0] > 0
    stamps = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in images]
    assert np.all(np.diff(stamps) > 0) and 1 / 120 < np.median(np.diff(stamps)) < 1 / 30
    assert len({bytes(m.data) for m in images}) > 3, "the video plays and repeats"


@pytest.mark.parametrize("source", ["/dev/video99", "nowhere.mp4", "simulatde"])
def test_a_camera_that_does_not_exist_is_refused(ros, source):
    ros("-p", f"source:={source}")
    with pytest.raises(ValueError, match=f"{source}.*does not exist: give simulated, a device"):
        Camera()


def test_a_file_that_is_not_a_video_ends_the_node(probe_after, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("not a video")
    probe = probe_after("-p", f"source:={path}")
    node = probe.add(Camera())
    probe.until(lambda: node.exit_code == 1)


class _Source:
    vertical_fov = 0.8

    def __init__(self, frames):
        self._frames = iter(frames)

    def read(self):
        frame = next(self._frames, None)
        if frame is None:
            raise CameraLost("unplugged")
        return Captured(frame, 0.0)

    def close(self):
        pass


def _grab(openings, monkeypatch, wanted):
    monkeypatch.setattr("franka_reacher_rl.cameras.grabber._FIRST_WAIT", 0.001)
    seen, lost, missing, enough = [], [], [], threading.Event()
    openings = iter(openings)

    def on_frame(captured, source):
        seen.append(captured)
        if len(seen) == wanted:
            enough.set()

    def open_source():
        frames = next(openings, [])
        if frames is None:
            raise CameraLost("not there")
        return _Source(frames)

    grabber = Grabber(open_source, on_frame, lambda why: (missing.append(why), enough.set()), lost.append)
    grabber.start()
    assert enough.wait(5.0)
    grabber.stop()
    return grabber.health, seen, lost, missing


def test_a_lost_camera_is_reopened(monkeypatch):
    frame = np.full((4, 4, 3), 100, np.uint8)
    health, seen, lost, missing = _grab([[frame, frame], None, [frame]], monkeypatch, wanted=3)
    assert len(seen) == 3 and lost[:2] == ["unplugged", "not there"] and not missing and health.reopened >= 2


def test_a_missing_camera_is_reported_once(monkeypatch):
    _, seen, _, missing = _grab([None], monkeypatch, wanted=1)
    assert not seen and missing == ["not there"]


def test_frozen_and_black_frames_are_detected(monkeypatch):
    frame = np.zeros((4, 4, 3), np.uint8)
    health, *_ = _grab([[frame] * 11], monkeypatch, wanted=11)
    assert health.frozen and health.black
    random = np.random.default_rng(0)
    frames = [random.integers(50, 200, (4, 4, 3), dtype=np.uint8) for _ in range(11)]
    health, *_ = _grab([frames], monkeypatch, wanted=11)
    assert not health.frozen and not health.black


@pytest.mark.parametrize("step", [-3.0, 3.0])
def test_a_step_of_the_wall_clock_does_not_stop_the_simulated_camera(probe_after, monkeypatch, step):
    probe = probe_after("-p", "image.width:=64", "-p", "image.height:=36", "-p", "fps:=50.0")
    probe.add(Camera())
    images = probe.listen(Image, "/camera/image_raw", qos.NEWEST)
    states = probe.node.create_publisher(JointState, "/joint_states", qos.RELIABLE)
    targets = probe.node.create_publisher(PoseStamped, "/target", qos.LATCHED)
    robot = Robot.load("panda_sim")
    targets.publish(PoseStamped(pose=Pose(position=Point(x=0.55, y=0.0, z=0.02))))

    def publish() -> None:
        state = JointState(name=robot.joints, position=robot.start_middle().tolist())
        state.header.stamp.sec, state.header.stamp.nanosec = divmod(time.time_ns(), 1_000_000_000)
        states.publish(state)

    probe.node.create_timer(0.01, publish)
    probe.until(lambda: len(images) > 5)
    wall = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + round(step * 1e9))
    seen = len(images)
    probe.until(lambda: len(images) > seen + 10, seconds=2.0)


def test_frames_of_another_aspect_ratio_are_cropped_to_their_centre():
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[60:420] = 255
    assert resized(frame, 64, 36).shape == (36, 64, 3) and (resized(frame, 64, 36) == 255).all()
