"""Converts ROS's standard messages to and from NumPy, in pairs `x_msg` and `x_from_msg`."""

from __future__ import annotations

import array
import functools
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from franka_reacher_rl.core.base.datatypes import Frame, Vector, vector
from franka_reacher_rl.core.base.suggestions import shortened

Message = TypeVar("Message")

MOST_BYTES = 64 << 20  # of an image
MOST_JOINTS = 256  # of a joint state; reading the names of a longer one would take long

# Encodings (sensor_msgs/image_encodings.hpp) with their bytes per pixel and the name of OpenCV's conversion to RGB.
# cv_bridge converts the others: it would copy rgb8, and its version on PyPI does not convert YUV.
_ENCODINGS: dict[str, tuple[int, str]] = {
    "rgb8": (3, ""),
    "bgr8": (3, "COLOR_BGR2RGB"),
    "mono8": (1, "COLOR_GRAY2RGB"),
    "rgba8": (4, "COLOR_RGBA2RGB"),
    "bgra8": (4, "COLOR_BGRA2RGB"),
    "yuv422": (2, "COLOR_YUV2RGB_UYVY"),
    "uyvy": (2, "COLOR_YUV2RGB_UYVY"),
    "yuv422_yuy2": (2, "COLOR_YUV2RGB_YUY2"),
    "yuyv": (2, "COLOR_YUV2RGB_YUY2"),
}


def message_from_bytes(data: bytes, kind: type[Message]) -> Message:
    """Return the message that a subscription with `raw=True` has received.

    Raises:
        ValueError: The bytes are no message of this type.
    """
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # rclpy raises a type that it does not name
        raise ValueError(f"its {len(data)} bytes are no {kind.__name__}: {shortened(error, 200)}") from None


def stamp_from_bytes(data: bytes) -> Time:
    """Return the stamp of a serialised message whose first field is a header, without decoding the rest.

    In CDR (OMG DDS-XTypes, section 7.4), four bytes precede the fields; the lowest bit of the second one is set where
    numbers are little-endian.

    Raises:
        ValueError: There are too few bytes.
    """
    if len(data) < 12:
        raise ValueError(f"its {len(data)} bytes are too few for a stamp")
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return Time(sec=sec, nanosec=nanosec)


def time_msg(seconds: float) -> Time:
    """Return the stamp of a time in seconds since the epoch."""
    nanoseconds = round(seconds * 1e9)
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def time_from_msg(stamp: Time) -> float:
    """Return a stamp in seconds since the epoch."""
    return float(stamp.sec) + stamp.nanosec * 1e-9


def bytes_msg(values: npt.NDArray[np.uint8] | bytes) -> array.array[int]:
    """Return bytes for a uint8[] field, in the only type that the field's setter does not check byte by byte."""
    data = array.array("B")
    data.frombytes(values if isinstance(values, bytes) else np.ascontiguousarray(values).data)
    return data


def floats_msg(values: npt.NDArray[Any] | Sequence[float], code: str = "f") -> array.array[float]:
    """Return values for a float32[] ("f") or float64[] ("d") field."""
    return array.array(code, np.asarray(values, np.float32 if code == "f" else np.float64).tobytes())


def image_msg(frame: npt.NDArray[np.uint8], header: Header, encoding: str = "rgb8") -> Image:
    """Return the image of a frame (height, width, 3), or of a mask (height, width) with encoding mono8."""
    image = Image(header=header, encoding=encoding, height=frame.shape[0], width=frame.shape[1])
    image.step = frame.shape[1] * (frame.shape[2] if frame.ndim == 3 else 1)
    image.data = bytes_msg(frame)
    return image


def frame_from_msg(image: Image) -> Frame:
    """Return the frame (height, width, 3), RGB, whatever the encoding of the image.

    Raises:
        ValueError: The encoding cannot be converted to RGB, or the data do not have the stated size.
    """
    what = f"image of {image.width}x{image.height} {shortened(repr(image.encoding))} with {len(image.data)} bytes"
    if len(image.data) > MOST_BYTES:
        raise ValueError(f"{what} is too large: at most {MOST_BYTES} bytes are allowed")
    if image.encoding not in _ENCODINGS:
        return _bridge_frame(image, what)
    channels, conversion = _ENCODINGS[image.encoding]
    row = channels * image.width
    if not (image.width and image.height and image.step >= row and len(image.data) == image.step * image.height):
        raise ValueError(f"{what} cannot be converted to RGB: step is {image.step}, and a row has {row} bytes")
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = rows[:, :row].reshape(image.height, image.width, channels)
    if not conversion:
        return pixels
    import cv2  # nodes start faster without it, and with our camera none needs it

    try:
        return cv2.cvtColor(pixels, getattr(cv2, conversion))  # type: ignore[return-value]
    except cv2.error as error:  # such as an odd width of a YUV image
        raise ValueError(f"{what} cannot be converted to RGB: {shortened(error, 200)}") from None


@functools.cache
def _cv_bridge() -> Any:
    from cv_bridge import CvBridge  # it loads OpenCV

    return CvBridge()


def _bridge_frame(image: Image, what: str) -> Frame:
    try:
        frame = np.ascontiguousarray(_cv_bridge().imgmsg_to_cv2(image, "rgb8"))
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
            raise ValueError(f"it gives {frame.dtype}{frame.shape}")
        return frame
    except Exception as error:  # cv_bridge raises what its back end raises
        raise ValueError(
            f"{what} cannot be converted to RGB ({error!r}): have the camera publish one of {', '.join(_ENCODINGS)}"
        ) from None


def joint_positions_from_msg(message: JointState, joints: Sequence[str]) -> Vector:
    """Return the positions of some joints, (joints,) in rad.

    Raises:
        ValueError: A joint is missing, there are too many, or a position is not finite.
    """
    number = len(message.name)
    if number > MOST_JOINTS:
        raise ValueError(f"it has {number} joints: at most {MOST_JOINTS} are allowed")
    position = dict(zip(message.name, message.position, strict=False))
    try:
        return vector([position[joint] for joint in joints], len(joints), "position")
    except KeyError as error:
        raise ValueError(f"it lacks joint {error}: it contains {shortened(', '.join(message.name), 300)}") from None


def position_from_msg(point: Point) -> Vector:
    """Return a position, (3,) in m.

    Raises:
        ValueError: It is not finite.
    """
    return vector([point.x, point.y, point.z], 3, "position")


def pose_msg(transform: npt.NDArray[np.float64]) -> Pose:
    """Return the pose of a homogeneous transform (4, 4)."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = (float(v) for v in transform[:3, 3])
    pose.orientation = quaternion_msg(transform[:3, :3])
    return pose


def quaternion_msg(rotation: npt.NDArray[np.float64]) -> Quaternion:
    """Return the quaternion of a rotation matrix (3, 3), computed from its largest component for precision."""
    m = rotation
    squares = 1.0 + 2.0 * np.diag(m) - np.trace(m)
    w = 1.0 + np.trace(m)
    i = int(np.argmax(squares))
    if w >= squares[i]:
        q = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], w])
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[i], q[j], q[k], q[3] = squares[i], m[j, i] + m[i, j], m[k, i] + m[i, k], m[k, j] - m[j, k]
    x, y, z, w = (float(v) for v in q / np.linalg.norm(q))
    return Quaternion(x=x, y=y, z=z, w=w)
