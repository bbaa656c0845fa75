"""Tests of the camera node with a video file, and of its grabber with cameras that fail."""

import threading
import time

import cv2
import numpy as np
import pytest
import yaml
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
    assert (infos[0].width, infos[0].height) == (64, 36)
    assert not any(infos[0].k) and not any(infos[0].p), "the camera of a video file is not calibrated"
    assert images[0].header.frame_id == infos[0].header.frame_id == "wrist_camera_optical_frame"
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


def _calibration(path, width=320, height=180):
    matrix, projection = [400.0, 0, 160.0, 0, 410.0, 90.0, 0, 0, 1], [400.0, 0, 160.0, 0, 0, 410.0, 90.0, 0, 0, 0, 1, 0]
    document = {
        "image_width": width,
        "image_height": height,
        "distortion_model": "plumb_bob",
        "camera_matrix": {"data": matrix},
        "distortion_coefficients": {"data": [0.1, 0.0, 0.0, 0.0, 0.0]},
        "rectification_matrix": {"data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        "projection_matrix": {"data": projection},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_calibration_is_published_for_the_resized_frames(probe_after, video, tmp_path):
    url = f"file://{_calibration(tmp_path / 'a b.yaml')}".replace(" ", "%20")
    values = {"source": video, "image.width": 64, "image.height": 36, "camera_info_url": url}
    values |= {"frame_prefix": "left/", "frame_id": "eye"}
    probe = probe_after(*(word for name, value in values.items() for word in ("-p", f"{name}:={value}")))
    probe.add(Camera())
    infos = probe.listen(CameraInfo, "/camera/camera_info", qos.NEWEST)
    probe.until(lambda: infos)
    assert (infos[0].k[0], infos[0].k[4]) == (80.0, 82.0) and infos[0].d[0] == 0.1
    assert infos[0].header.frame_id == "left/eye"


def test_a_calibration_of_another_size_ends_the_node(probe_after, video, tmp_path):
    url = str(_calibration(tmp_path / "large.yaml", 640, 360))
    probe = probe_after("-p", f"source:={video}", "-p", f"camera_info_url:={url}")
    node = probe.add(Camera())
    probe.until(lambda: node.exit_code == 1)
    assert "is for frames of 640x360" in node.diagnose()[1]


@pytest.mark.parametrize(
    ("source", "url", "message"),
    [
        ("simulated", "x.yaml", "not allowed with the simulated camera"),
        ("clip", "http://x/y.yaml", "give package://PACKAGE/PATH"),
        ("clip", "package://no_such/y.yaml", "no package 'no_such' is installed"),
        ("clip", "file:///nowhere.yaml", "nowhere.yaml cannot be read"),
    ],
)
def test_a_wrong_calibration_is_refused(ros, video, source, url, message):
    ros("-p", f"source:={video if source == 'clip' else source}", "-p", f"camera_info_url:={url}")
    with pytest.raises(ValueError, match=message):
        Camera()


class _Source:
    def __init__(self, frames):
        self._frames = iter(frames)

    def read(self):
        frame = next(self._frames, None)
        if frame is None:
            raise CameraLost("unplugged")
        return Captured(frame, 0)

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
    infos = probe.listen(CameraInfo, "/camera/camera_info", qos.NEWEST)
    states = probe.node.create_publisher(JointState, "/joint_states", qos.RELIABLE)
    targets = probe.node.create_publisher(PoseStamped, "/target", qos.LATCHED)
    robot = Robot.load("panda_sim")
    targets.publish(PoseStamped(pose=Pose(position=Point(x=0.55, y=0.0, z=0.02))))

    def publish() -> None:
        state = JointState(name=robot.joints, position=robot.start_middle().tolist())
        state.header.stamp.sec, state.header.stamp.nanosec = divmod(time.time_ns(), 1_000_000_000)
        states.publish(state)

    probe.node.create_timer(0.01, publish)
    probe.until(lambda: len(images) > 5 and infos)
    assert infos[0].k[0] == pytest.approx(18 / np.tan(np.radians(robot.camera.vertical_fov_deg / 2)))
    wall = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + round(step * 1e9))
    seen = len(images)
    probe.until(lambda: len(images) > seen + 10, seconds=2.0)


def test_frames_of_another_aspect_ratio_are_cropped_to_their_centre():
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[60:420] = 255
    assert resized(frame, 64, 36).shape == (36, 64, 3) and (resized(frame, 64, 36) == 255).all()
