"""The interface of the cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.datatypes import Frame, Nanoseconds


@dataclass(frozen=True)
class Captured:
    """A frame with the time of its capture."""

    frame: Frame
    time: Nanoseconds  # on the steady clock


class CameraLost(RuntimeError):
    """Raised when a camera delivers no frame; opening it again may help."""


class FrameSource(Protocol):
    """A camera, which is opened, read and closed in one thread."""

    calibration: Calibration | None  # of the frames that `read` returns; None if unknown
    values: Mapping[str, object]  # how the camera is set, for the diagnostics
    warnings: Sequence[str]  # why its frames may not be those that were asked for

    def read(self) -> Captured | None:
        """Wait for the next frame, and return None after a short time without one, so that the caller can stop.

        Raises:
            CameraLost: The camera is disconnected or reports an error.
        """

    def close(self) -> None:
        """Release the device."""


def calibration_for(
    calibration: Calibration | None, width: int, height: int, size: tuple[int, int], camera: str
) -> Calibration | None:
    """Return the calibration of a camera's frames after they were resized.

    Args:
        calibration: The calibration of the camera; None if unknown.
        width: Width of the camera's frames, px.
        height: Height of the camera's frames, px.
        size: Width and height of the resized frames, px.
        camera: The camera, for the error.

    Raises:
        ValueError: The calibration is for frames of another size. It cannot be converted, because other modes of a
            camera may crop the image.
    """
    if calibration is None:
        return None
    if (calibration.width, calibration.height) != (width, height):
        raise ValueError(
            f"the calibration of {camera} is for frames of {calibration.width}x{calibration.height}, but its frames "
            f"have {width}x{height}: calibrate it in that mode, or leave camera_info_url empty"
        )
    return calibration.resized(*size)
