"""Calibrations as messages, and where `camera_info_url` finds them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from franka_reacher_rl.core.base.calibration import Calibration


def calibration_path(url: str) -> Path:
    """Return the file of a calibration.

    Args:
        url: `package://PACKAGE/PATH`, which is relative to the package's share folder, `file:///PATH`, or a path.

    Raises:
        ValueError: The URL has another scheme, or its package is not installed.
    """
    parts = urlparse(url)
    if parts.scheme == "package":
        try:
            return Path(get_package_share_directory(parts.netloc)) / unquote(parts.path).lstrip("/")
        except (PackageNotFoundError, ValueError):
            raise ValueError(f"camera_info_url {url!r}: no package {parts.netloc!r} is installed") from None
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if "://" in url:
        raise ValueError(f"camera_info_url {url!r} is not allowed: give package://PACKAGE/PATH, file:///PATH or a path")
    return Path(url).expanduser()


def camera_info_msg(header: Header, width: int, height: int, calibration: Calibration | None) -> CameraInfo:
    """Return the calibration of frames of a size (px); all matrices are 0 where it is unknown, as CameraInfo says."""
    info = CameraInfo(header=header, width=width, height=height)
    if calibration is not None:
        assert (calibration.width, calibration.height) == (width, height)
        info.distortion_model, info.d = calibration.distortion_model, list(calibration.d)
        info.k, info.r, info.p = list(calibration.k), list(calibration.r), list(calibration.p)
    return info
