"""A V4L2 device's settings, mode and stamps, with an object that answers as OpenCV's V4L2 back end does."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from franka_reacher_rl.cameras.base import CameraLost
from franka_reacher_rl.cameras.device import DeviceCamera, DeviceSettings
from franka_reacher_rl.core.base.calibration import Calibration

MJPG, YUYV = (float(int.from_bytes(code, "little")) for code in (b"MJPG", b"YUYV"))


class Webcam:
    """Answers like OpenCV with a webcam: it has a few modes, clamps its controls, and stamps its frames."""

    def __init__(self, *, modes=((320, 180), (640, 480)), fps=30.0, without=(), age=0.02, four_cc=MJPG) -> None:
        self.modes, self.age, self.released = modes, age, False
        self.values = {
            cv2.CAP_PROP_FOURCC: four_cc,
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FRAME_WIDTH: modes[-1][0],
            cv2.CAP_PROP_FRAME_HEIGHT: modes[-1][1],
            cv2.CAP_PROP_AUTO_EXPOSURE: 3.0,
            cv2.CAP_PROP_EXPOSURE: 156.0,
            cv2.CAP_PROP_GAIN: 0.0,
            cv2.CAP_PROP_AUTO_WB: 1.0,
            cv2.CAP_PROP_WB_TEMPERATURE: 4600.0,
            cv2.CAP_PROP_AUTOFOCUS: 1.0,
            cv2.CAP_PROP_FOCUS: 0.0,
        }
        for prop in without:
            del self.values[prop]
        self._fixed = {cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FPS}
        self._wanted = {}

    def isOpened(self):
        return True

    def set(self, prop, value):
        if prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            self._wanted[prop] = value
            if len(self._wanted) == 2:
                w, h = self._wanted.values()
                mode = min(self.modes, key=lambda m: abs(m[0] - w) + abs(m[1] - h))
                self.values.update(dict(zip(self._wanted, map(float, mode), strict=True)))
            return True
        if prop not in self.values:
            return False
        if prop == cv2.CAP_PROP_EXPOSURE and self.values[cv2.CAP_PROP_AUTO_EXPOSURE] != 1.0:
            return False  # as V4L2: the control is inactive
        if prop == cv2.CAP_PROP_WB_TEMPERATURE:
            value = min(max(value, 2800), 6500)
        if prop not in self._fixed:
            self.values[prop] = float(value)
        return True

    def get(self, prop):
        if prop == cv2.CAP_PROP_POS_MSEC:
            return 1e3 * (time.monotonic() - self.age)
        return self.values.get(prop, -1.0)

    def read(self):
        height, width = (int(self.values[p]) for p in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
        return True, np.full((height, width, 3), (10, 20, 200), np.uint8)  # BGR

    def release(self):
        self.released = True


@pytest.fixture
def device(tmp_path: Path):
    path = tmp_path / "video0"
    path.touch()

    def make(webcam, *, fps=30.0, calibration=None, size=(64, 36), **settings):
        return DeviceCamera(str(path), *size, fps, DeviceSettings(**settings), calibration, lambda _: webcam)

    return make


FIXED = {"exposure": 100, "white_balance": 4000}


def test_settings_are_fixed(device):
    webcam = Webcam()
    camera = device(webcam, gain=30, focus=25, **FIXED)
    values = webcam.values
    assert values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1.0 and values[cv2.CAP_PROP_EXPOSURE] == 100.0
    assert values[cv2.CAP_PROP_AUTO_WB] == 0.0 and values[cv2.CAP_PROP_WB_TEMPERATURE] == 4000.0
    assert values[cv2.CAP_PROP_AUTOFOCUS] == 0.0 and values[cv2.CAP_PROP_FOCUS] == 25.0
    assert values[cv2.CAP_PROP_GAIN] == 30.0
    assert not camera.warnings and camera.values["automatic"] == "none"


def test_settings_left_alone_are_not_changed_and_automatic_ones_are_reported(device):
    webcam = Webcam()
    before = dict(webcam.values)
    camera = device(webcam)
    controls = [p for p in before if p not in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    assert {p: before[p] for p in controls} == {p: webcam.values[p] for p in controls}
    assert camera.values["automatic"] == "exposure, white balance"
    assert len(camera.warnings) == 1 and "exposure and white balance" in camera.warnings[0]


def test_a_camera_without_automatic_controls_is_not_warned_about(device):
    camera = device(Webcam(without=(cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_AUTO_WB)))
    assert not camera.warnings


@pytest.mark.parametrize(
    ("without", "settings", "message"),
    [
        ((cv2.CAP_PROP_FOCUS,), {"focus": 3}, r"does not accept camera\.focus \(3; it has -1\)"),
        ((), {"white_balance": 9000}, r"camera\.white_balance \(9000; it has 6500\): see its controls with `v4l2-ctl"),
    ],
)
def test_a_setting_that_the_camera_lacks_is_refused(device, without, settings, message):
    with pytest.raises(CameraLost, match=message):
        device(Webcam(without=without), **settings)


def test_frames_have_the_stamp_of_the_driver(device):
    camera = device(Webcam(age=0.25), **FIXED)
    captured = camera.read()
    assert 0.25 <= 1e-9 * (time.monotonic_ns() - captured.time) < 0.3
    assert captured.frame.shape == (36, 64, 3) and captured.frame[0, 0].tolist() == [200, 20, 10]
    assert camera.values["stamps"] == "driver"


@pytest.mark.parametrize("age", [-0.5, 100.0])
def test_a_stamp_of_another_clock_is_not_used(device, age):
    camera = device(Webcam(age=age), **FIXED)
    captured = camera.read()
    assert 0 <= 1e-9 * (time.monotonic_ns() - captured.time) < 0.05
    assert camera.values["stamps"].startswith("arrival")


@pytest.mark.parametrize(
    ("webcam", "fps", "warning"),
    [
        (Webcam(), 60.0, "delivers MJPG 320x180 at 30 Hz, asked for was MJPG 320x180 at 60 Hz"),
        (Webcam(modes=((640, 480),)), 30.0, "delivers MJPG 640x480 at 30 Hz, asked for was MJPG 320x180 at 30 Hz"),
        (Webcam(four_cc=YUYV), 30.0, "delivers YUYV 320x180"),
    ],
)
def test_another_mode_than_asked_for_is_reported(device, webcam, fps, warning):
    camera = device(webcam, fps=fps, **FIXED)
    assert len(camera.warnings) == 1 and warning in camera.warnings[0]


def test_a_calibration_chooses_the_mode(device):
    calibration = Calibration.pinhole(640, 480, 0.8)
    camera = device(Webcam(), calibration=calibration, **FIXED)
    assert camera.values["mode"] == "MJPG 640x480 at 30 Hz"
    assert camera.calibration == calibration.resized(64, 36)
    assert device(Webcam()).calibration is None


def test_a_calibration_for_a_mode_that_the_camera_lacks_is_refused(device):
    with pytest.raises(ValueError, match="is for frames of 800x600, but its frames have 640x480"):
        device(Webcam(), calibration=Calibration.pinhole(800, 600, 0.8))


def test_a_missing_device_is_named():
    with pytest.raises(CameraLost, match="/dev/video99 does not exist"):
        DeviceCamera("/dev/video99", 64, 36, 30.0)
