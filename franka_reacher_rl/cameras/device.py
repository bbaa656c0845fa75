"""A V4L2 device, with its settings fixed and its frames stamped by the driver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from franka_reacher_rl.cameras.base import CameraLost, Captured, calibration_for
from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.core.base.fields import Checked, param
from franka_reacher_rl.core.task.frames import resized

UNCHANGED = -1
_FORMAT = "MJPG"  # of the formats that most webcams have, the one that allows high rates
_SMALLEST = (320, 180)  # px; webcams have few smaller modes
_OLDEST = 1_000_000_000  # ns; a stamp older than this is not from the steady clock
_MANUAL_EXPOSURE = 1  # V4L2's value of auto_exposure; in all others, the camera adapts exposure time or iris
_NO_CONTROL = -1.0  # OpenCV's value of a control that the camera does not have


@dataclass(frozen=True)
class DeviceSettings(Checked):
    """Controls of a V4L2 camera, in V4L2's units; `v4l2-ctl --list-ctrls` lists those of a camera, with their ranges.

    Fixing them matters: automatic exposure and white balance change the colours during a run, and with them the mask
    from which the reward is computed.
    """

    exposure: int = param(
        UNCHANGED, "exposure time; fixes it (exposure_time_absolute); -1: unchanged", unit="100 us", minimum=UNCHANGED
    )
    gain: int = param(UNCHANGED, "gain of the sensor (gain), in units of the camera; -1: unchanged", minimum=UNCHANGED)
    white_balance: int = param(
        UNCHANGED,
        "colour temperature; fixes the white balance (white_balance_temperature); -1: unchanged",
        unit="K",
        minimum=UNCHANGED,
    )
    focus: int = param(
        UNCHANGED, "focus; fixes it (focus_absolute), in units of the camera; -1: unchanged", minimum=UNCHANGED
    )


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...

    def set(self, prop: int, value: float) -> bool: ...

    def get(self, prop: int) -> float: ...

    def read(self) -> tuple[bool, Any]: ...

    def release(self) -> None: ...


def _open(device: str) -> Capture:
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


class DeviceCamera:
    """A V4L2 device such as /dev/video0, in the smallest mode that is at least as large as the frames."""

    values: Mapping[str, object]
    warnings: Sequence[str]

    def __init__(
        self,
        device: str,
        width: int,
        height: int,
        fps: float,
        settings: DeviceSettings | None = None,
        calibration: Calibration | None = None,
        open_capture: Callable[[str], Capture] = _open,
    ) -> None:
        """Open the device.

        Args:
            device: Path of the device.
            width: Frame width, px.
            height: Frame height, px.
            fps: Requested frame rate, Hz.
            settings: Exposure, gain, white balance and focus.
            calibration: The calibration of the camera, if known. It determines the mode of the camera.
            open_capture: Opens a device.

        Raises:
            CameraLost: The device is missing, in use or not permitted, or refuses a setting.
            ValueError: The calibration is for a mode that the camera does not have.
        """
        self._device, self._size = device, (width, height)
        if not os.path.exists(device):
            raise CameraLost(f"{device} does not exist: connect the camera, or list devices with `ls /dev/video*`")
        self._capture = open_capture(device)
        if not self._capture.isOpened():
            raise CameraLost(
                f"{device} cannot be opened: check that it is a camera, that no other program uses it and that you "
                "have permission"
            )
        asked = (calibration.width, calibration.height) if calibration else _at_least(self._size, _SMALLEST)
        mode, differs = self._choose_mode(asked, fps)
        self._fix(settings or DeviceSettings())
        automatic = self._automatic()
        self.values = {"mode": mode, "automatic": ", ".join(automatic) or "none", "stamps": "driver"}
        self.warnings = [differs] if differs else []
        if automatic:
            self.warnings.append(
                f"{' and '.join(automatic)} of {device} are automatic, so the target's colour may drift out of its "
                "bands: set camera.exposure and camera.white_balance"
            )
        got_width, got_height = self._get_size()
        self.calibration = calibration_for(calibration, got_width, got_height, self._size, device)

    def read(self) -> Captured | None:
        good, frame = self._capture.read()
        if not good:
            raise CameraLost(f"{self._device} delivers no frame")
        captured = self._time()
        rgb = cv2.cvtColor(resized(frame.astype(np.uint8, copy=False), *self._size), cv2.COLOR_BGR2RGB)
        return Captured(np.asarray(rgb, np.uint8), captured)

    def close(self) -> None:
        self._capture.release()

    def _choose_mode(self, size: tuple[int, int], fps: float) -> tuple[str, str]:
        """Choose the camera's mode; return it, and a warning if it is not the mode asked for."""
        width, height = size
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*_FORMAT))  # type: ignore[attr-defined]
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        # Setting any of the above restarts the device, after which OpenCV may ask for another rate.
        self._capture.set(cv2.CAP_PROP_FPS, fps)
        code = round(self._capture.get(cv2.CAP_PROP_FOURCC))
        pixel_format = code.to_bytes(4, "little").decode("ascii", "replace") if code > 0 else "unknown"
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        got_width, got_height = self._get_size()
        mode = f"{pixel_format} {got_width}x{got_height} at {rate:g} Hz"
        asked = f"{_FORMAT} {width}x{height} at {fps:g} Hz"
        same = (pixel_format, got_width, got_height) == (_FORMAT, width, height) and abs(rate - fps) < 0.5
        return mode, "" if same else f"{self._device} delivers {mode}, asked for was {asked}"

    def _get_size(self) -> tuple[int, int]:
        width, height = (self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return round(width), round(height)

    def _fix(self, settings: DeviceSettings) -> None:
        self._capture.set(cv2.CAP_PROP_MODE, 0)  # values in V4L2's units, whatever OpenCV's environment variables say
        if settings.exposure != UNCHANGED:
            self._set("exposure", cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL_EXPOSURE)
            self._set("exposure", cv2.CAP_PROP_EXPOSURE, settings.exposure)
        if settings.gain != UNCHANGED:
            self._set("gain", cv2.CAP_PROP_GAIN, settings.gain)
        if settings.white_balance != UNCHANGED:
            self._set("white_balance", cv2.CAP_PROP_AUTO_WB, 0)
            self._set("white_balance", cv2.CAP_PROP_WB_TEMPERATURE, settings.white_balance)
        if settings.focus != UNCHANGED:
            self._set("focus", cv2.CAP_PROP_AUTOFOCUS, 0)
            self._set("focus", cv2.CAP_PROP_FOCUS, settings.focus)

    def _set(self, name: str, prop: int, value: int) -> None:
        accepted = self._capture.set(prop, value)
        got = self._capture.get(prop)
        if not accepted or got != value:
            raise CameraLost(
                f"{self._device} does not accept camera.{name} ({value}; it has {got:g}): see its controls with "
                f"`v4l2-ctl -d {self._device} --list-ctrls`, or leave the parameter at {UNCHANGED}"
            )

    def _automatic(self) -> list[str]:
        """Return which settings the camera adapts by itself, as it reports them."""
        found = []
        if self._capture.get(cv2.CAP_PROP_AUTO_EXPOSURE) not in (_NO_CONTROL, _MANUAL_EXPOSURE):
            found.append("exposure")
        if self._capture.get(cv2.CAP_PROP_AUTO_WB) == 1.0:
            found.append("white balance")
        return found

    def _time(self) -> Nanoseconds:
        """Return the driver's stamp of the newest frame, which OpenCV gives in ms."""
        now = time.monotonic_ns()
        stamp = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if 0 <= now - stamp < _OLDEST:
            return stamp
        # A few drivers stamp with another clock than the steady one.
        self.values = {**self.values, "stamps": "arrival: the driver's are not on the steady clock"}
        return now


def _at_least(size: tuple[int, int], smallest: tuple[int, int]) -> tuple[int, int]:
    return max(size[0], smallest[0]), max(size[1], smallest[1])
