"""Converts messages to and from NumPy and the core's types, in pairs `x_msg` and `x_from_msg`.

The core's times are steady (see `clocks`), message stamps are wall time.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from geometry_msgs.msg import Pose, Quaternion
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from franka_reacher_rl import msg as msgs
from franka_reacher_rl.core.base.datatypes import Action, Frame, Observation, RobotState, StepId, Tick, Transition
from franka_reacher_rl.core.task.summary import COLUMNS, UNKNOWN, EpisodeRecord, EpisodeSummary
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_from_stamp

_bridge = CvBridge()


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
    row = 3 * image.width
    if image.encoding == "rgb8" and image.step >= row and len(image.data) == image.step * image.height:
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        return rows[:, :row].reshape(image.height, image.width, 3)
    try:
        return np.ascontiguousarray(_bridge.imgmsg_to_cv2(image, "rgb8"))
    except Exception as error:  # cv_bridge raises what its back end raises
        what = f"image of {image.width}x{image.height} {image.encoding!r} with {len(image.data)} bytes"
        raise ValueError(f"{what} cannot be converted to RGB: {error}") from None


def camera_info_msg(header: Header, width: int, height: int, vertical_fov: float) -> CameraInfo:
    """Return the calibration of a pinhole camera without distortion; vertical_fov in rad."""
    f = 0.5 * height / np.tan(0.5 * vertical_fov)
    info = CameraInfo(header=header, width=width, height=height, distortion_model="plumb_bob")
    cx, cy = width / 2.0, height / 2.0
    info.d = [0.0] * 5
    info.k = [f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


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


def robot_state_from_msg(message: msgs.RobotState) -> RobotState:
    """Return the robot's state; stamp in s since the epoch."""
    return RobotState(
        stamp=time_from_msg(message.header.stamp),
        q=np.asarray(message.q),
        dq=np.asarray(message.dq),
        dq_cmd=np.asarray(message.dq_cmd),
    )


def tick_msg(tick: Tick, stamp: Time) -> msgs.Tick:
    """Return the message of a tick."""
    return msgs.Tick(stamp=stamp, episode=tick.id.episode, step=tick.id.step, policy_version=tick.policy_version)


def tick_from_msg(message: msgs.Tick) -> Tick:
    """Return the tick of a message."""
    return Tick(StepId(message.episode, message.step), message.policy_version)


def observation_msg(observation: Observation, image: Image) -> msgs.Observation:
    """Return the message of an observation.

    Args:
        observation: To send.
        image: The message that its frame arrived in: it is sent on with its own stamp, without a copy.
    """
    # A header of its own: the image's header keeps the stamp of the capture.
    header = Header(stamp=stamp_from_steady(observation.taken), frame_id=image.header.frame_id)
    return msgs.Observation(
        header=header,
        episode=observation.id.episode,
        step=observation.id.step,
        first=observation.first,
        terminated=observation.terminated,
        truncated=observation.truncated,
        reward=float(observation.reward),
        lateness=observation.lateness,
        proprioception=floats_msg(observation.proprioception),
        image=image,
    )


def observation_from_msg(message: msgs.Observation) -> Observation:
    """Return the observation of a message that has just arrived.

    Raises:
        ValueError: The image is no RGB frame.
    """
    return Observation(
        id=StepId(message.episode, message.step),
        frame=frame_from_msg(message.image),
        proprioception=np.asarray(message.proprioception, np.float32),
        reward=float(message.reward),
        first=message.first,
        terminated=message.terminated,
        truncated=message.truncated,
        captured=steady_from_stamp(message.image.header.stamp),
        taken=steady_from_stamp(message.header.stamp),
        lateness=float(message.lateness),
    )


def action_msg(action: Action, stamp: Time) -> msgs.Action:
    """Return the message of an action whose command was stamped `stamp`."""
    return msgs.Action(
        header=Header(stamp=stamp),
        episode=action.id.episode,
        step=action.id.step,
        action=floats_msg(action.action),
        policy_version=action.policy_version,
        observation_age=action.observation_age,
        response_time=action.response_time,
        policy_age=action.policy_age,
        policy_age_steps=action.policy_age_steps,
    )


def action_from_msg(message: msgs.Action) -> Action:
    """Return the action of a message."""
    return Action(
        id=StepId(message.episode, message.step),
        action=np.asarray(message.action, np.float32),
        policy_version=message.policy_version,
        observation_age=float(message.observation_age),
        response_time=float(message.response_time),
        policy_age=float(message.policy_age),
        policy_age_steps=message.policy_age_steps,
    )


def transition_msg(transition: Transition) -> msgs.Transition:
    """Return the message of a transition."""
    observation = transition.observation
    message = msgs.Transition(
        header=Header(stamp=stamp_from_steady(observation.taken)),
        episode=observation.id.episode,
        step=observation.id.step,
        first=observation.first,
        terminated=observation.terminated,
        truncated=observation.truncated,
        reward=float(observation.reward),
        action=floats_msg(transition.action),
        proprioception=floats_msg(observation.proprioception),
        policy_version=transition.policy_version,
        observation_age=transition.observation_age,
        policy_age=transition.policy_age,
    )
    message.height, message.width = observation.frame.shape[:2]
    message.image = bytes_msg(observation.frame)
    return message


def transition_from_msg(message: msgs.Transition) -> Transition:
    """Return the transition of a message; the times of its observation are not sent.

    Raises:
        ValueError: The image does not have the stated size.
    """
    expected = message.height * message.width * 3
    if len(message.image) != expected:
        raise ValueError(f"image has {len(message.image)} bytes, {message.width}x{message.height} RGB has {expected}")
    observation = Observation(
        id=StepId(message.episode, message.step),
        frame=np.frombuffer(message.image, np.uint8).reshape(message.height, message.width, 3),
        proprioception=np.asarray(message.proprioception, np.float32),
        reward=float(message.reward),
        first=message.first,
        terminated=message.terminated,
        truncated=message.truncated,
    )
    action = np.asarray(message.action, np.float32)
    return Transition(
        observation, action, message.policy_version, float(message.observation_age), float(message.policy_age)
    )


def summary_msg(summary: EpisodeSummary, record: EpisodeRecord, stamp: Time) -> msgs.EpisodeSummary:
    """Return the message of an episode's summary with its record; the learner's fields are not sent."""
    message = msgs.EpisodeSummary(
        header=Header(stamp=stamp),
        observation_age=floats_msg(record.observation_age),
        response_time=floats_msg(record.response_time),
        policy_age=floats_msg(record.policy_age),
        lateness=floats_msg(record.lateness),
    )
    for name, kind in message.get_fields_and_field_types().items():
        if name in COLUMNS:
            value = getattr(summary, name)
            setattr(message, name, float(value) if kind == "double" else value)
    return message


def summary_from_msg(message: msgs.EpisodeSummary) -> EpisodeSummary:
    """Return the summary of a message; the learner's fields are unknown."""
    names = [name for name in message.get_fields_and_field_types() if name in COLUMNS]
    values: dict[str, Any] = {name: getattr(message, name) for name in names}
    # One NaN object for all, so that summaries of unknown values compare equal.
    known: dict[str, Any] = {name: UNKNOWN if value != value else value for name, value in values.items()}
    return EpisodeSummary(**known)
