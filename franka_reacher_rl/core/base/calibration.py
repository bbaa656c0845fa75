"""The calibration of a camera, and what cropping and scaling a frame does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.documents import load_yaml

MOST_PIXELS = 100_000  # of a side
MOST_COEFFICIENTS = 14  # of the largest distortion model of OpenCV


@dataclass(frozen=True)
class Crop:
    """The part of a frame that is scaled to another size: its centre, with the aspect ratio of that size."""

    left: int  # px
    top: int  # px
    width: int  # px
    height: int  # px


def centre_crop(width: int, height: int, new_width: int, new_height: int) -> Crop:
    """Return the largest centred part of a frame with the aspect ratio of another size (px)."""
    scale = max(new_width / width, new_height / height)
    keep_width = max(1, min(width, round(new_width / scale)))
    keep_height = max(1, min(height, round(new_height / scale)))
    return Crop((width - keep_width) // 2, (height - keep_height) // 2, keep_width, keep_height)


@dataclass(frozen=True)
class Calibration:
    """The calibration of a camera, with the fields of `sensor_msgs/CameraInfo`; the centre of a pixel is an integer."""

    width: int  # px
    height: int  # px
    k: tuple[float, ...]  # (9,), camera matrix by rows, px
    p: tuple[float, ...]  # (12,), projection matrix by rows, px
    d: tuple[float, ...] = (0.0,) * 5  # distortion
    r: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)  # (9,), rectification, by rows
    distortion_model: str = "plumb_bob"

    @classmethod
    def pinhole(cls, width: int, height: int, vertical_fov: float) -> Calibration:
        """Return the calibration of a pinhole camera without distortion; vertical_fov in rad."""
        f = 0.5 * height / math.tan(0.5 * vertical_fov)
        cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
        k = (f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0)
        return cls(width, height, k, (f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0))

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read a calibration from a YAML file as `camera_calibration` writes it.

        Raises:
            ValueError: There is no such file, or a value in it is missing or not allowed.
        """
        try:
            document = load_yaml(path)
            width, height = (int(document[f"image_{side}"]) for side in ("width", "height"))
            model = str(document.get("distortion_model") or document.get("camera_model") or "plumb_bob")
            d = _numbers(document, "distortion_coefficients", None)
            matrices = [
                _numbers(document, name, size)
                for name, size in (("camera_matrix", 9), ("projection_matrix", 12), ("rectification_matrix", 9))
            ]
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"{path} is not a calibration as camera_calibration writes it ({type(error).__name__}: {error})"
            ) from None
        k, p, r = matrices
        if not all(0 < side <= MOST_PIXELS for side in (width, height)) or k[0] <= 0.0 or k[4] <= 0.0:
            raise ValueError(
                f"{path}: image size {width}x{height} and focal lengths {k[0]}, {k[4]} must be positive, "
                f"and a side at most {MOST_PIXELS} px"
            )
        return cls(width, height, k, p, d, r, model)

    def resized(self, width: int, height: int) -> Calibration:
        """Return the calibration of the frames after `centre_crop` and scaling to a size (px)."""
        crop = centre_crop(self.width, self.height, width, height)
        sx, sy = width / crop.width, height / crop.height
        # The centre of a pixel is an integer, so the left edge of the image is at -0.5.
        return replace(
            self,
            width=width,
            height=height,
            k=(
                sx * self.k[0], sx * self.k[1], sx * (self.k[2] - crop.left + 0.5) - 0.5,
                0.0, sy * self.k[4], sy * (self.k[5] - crop.top + 0.5) - 0.5,
                0.0, 0.0, 1.0,
            ),
            p=(
                sx * self.p[0], sx * self.p[1], sx * (self.p[2] - crop.left + 0.5) - 0.5, sx * self.p[3],
                0.0, sy * self.p[5], sy * (self.p[6] - crop.top + 0.5) - 0.5, sy * self.p[7],
                0.0, 0.0, 1.0, 0.0,
            ),
        )  # fmt: skip


def _numbers(document: dict[str, Any], name: str, size: int | None) -> tuple[float, ...]:
    values = tuple(float(value) for value in document[name]["data"])
    if size is not None and len(values) != size:
        raise ValueError(f"{name} has {len(values)} numbers instead of {size}")
    if len(values) > max(MOST_COEFFICIENTS, size or 0) or not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must have at most {MOST_COEFFICIENTS} numbers, all of them finite")
    return values
