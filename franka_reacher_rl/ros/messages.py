"""Converts this package's messages to and from the core's types, in pairs `x_msg` and `x_from_msg`.

The core's times are steady (see `clocks`), message stamps are wall time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from franka_reacher_rl import msg as msgs
from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.status import Mode, Output, Status
from franka_reacher_rl.core.base.datatypes import (
    MOST,
    Action,
    EndReason,
    Frame,
    Nanoseconds,
    Observation,
    RobotState,
    StepId,
    Tick,
    Transition,
    number,
    vector,
)
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.core.loop.events import EpisodeEnd
from franka_reacher_rl.core.policy.policy_store import PolicyAnnouncement
from franka_reacher_rl.core.task.summary import COLUMNS, CYCLE_COLUMNS, UNKNOWN, EpisodeSummary
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_from_stamp
from franka_reacher_rl.ros.standard_messages import bytes_msg, floats_msg, frame_from_msg, image_msg, time_from_msg

MOST_AGE = 1e10  # s; that of a message without a stamp is the time since 1970
LONGEST_TEXT = 2000  # characters
MOST_STEPS = 200_000  # of an episode
MOST_COUNTED = 10**15  # of updates or steps
_MODES = frozenset(mode.value for mode in Mode)


def robot_state_msg(
    robot: Robot, measured: JointMeasurement, output: Output, frame_prefix: str = ""
) -> msgs.RobotState:
    """Return the message of a robot's state after a control cycle, without the end effector's pose.

    Args:
        robot: For its joints and base frame.
        measured: Joint state; its stamp is steady time, s.
        output: What the cycle decided.
        frame_prefix: Precedes the name of the base frame.
    """
    frame = frame_prefix + robot.model.base_frame
    return msgs.RobotState(
        header=Header(stamp=stamp_from_steady(round(measured.stamp * 1e9)), frame_id=frame),
        joint_names=robot.joints,
        q=floats_msg(measured.q, "d"),
        dq=floats_msg(measured.dq, "d"),
        dq_cmd=floats_msg(output.velocity, "d"),
        reasons=[reason.value for reason in output.reasons],
        mode=output.mode.value,
        held_seconds=output.held_seconds,
    )


def joint_state_msg(state: msgs.RobotState) -> JointState:
    """Return the measured joint positions and velocities of a robot's state, in ROS's standard message."""
    return JointState(header=state.header, name=state.joint_names, position=state.q, velocity=state.dq)


def robot_state_from_msg(message: msgs.RobotState, joints: Sequence[str]) -> RobotState:
    """Return the robot's state; stamp in s since the epoch.

    Args:
        message: The message.
        joints: Those of the robot file, in its order.

    Raises:
        ValueError: It is the state of other joints, or a value is not finite.
    """
    if not 0.0 <= message.held_seconds <= MOST:
        raise ValueError(f"held_seconds = {message.held_seconds} is not a time")
    if message.joint_names and list(message.joint_names) != list(joints):
        names = shortened(", ".join(message.joint_names), 300)
        raise ValueError(f"it has the joints {names} instead of {', '.join(joints)}: give all nodes the same robot")
    return RobotState(
        stamp=time_from_msg(message.header.stamp),
        q=vector(message.q, len(joints), "q"),
        dq=vector(message.dq, len(joints), "dq"),
        dq_cmd=vector(message.dq_cmd, len(joints), "dq_cmd"),
    )


def check_robot_status(message: msgs.RobotStatus) -> None:
    """Check a bridge's state and counters.

    Raises:
        ValueError: Its mode is unknown, or a text is too long.
    """
    if message.mode not in _MODES:
        raise ValueError(f"mode {shortened(repr(message.mode))} is not one of {', '.join(_MODES)}")
    for name in ("robot", "fault", "last_refusal"):
        if len(getattr(message, name)) > LONGEST_TEXT:
            raise ValueError(f"{name} has {len(getattr(message, name))} characters: at most {LONGEST_TEXT} are allowed")


def robot_status_msg(robot: Robot, status: Status, stamp: Time) -> msgs.RobotStatus:
    """Return the message of a bridge's state and counters."""
    message = msgs.RobotStatus(header=Header(stamp=stamp), robot=robot.name)
    for name, value in vars(status).items():
        setattr(message, name, value.value if isinstance(value, Mode) else value)
    return message


def tick_msg(tick: Tick, stamp: Time) -> msgs.Tick:
    """Return the message of a tick."""
    return msgs.Tick(stamp=stamp, episode=tick.id.episode, step=tick.id.step, policy_version=tick.policy_version)


def tick_from_msg(message: msgs.Tick) -> Tick:
    """Return the tick of a message."""
    return Tick(StepId(message.episode, message.step), message.policy_version)


def observation_msg(observation: Observation, image: Image, measured: Nanoseconds = 0) -> msgs.Observation:
    """Return the message of an observation.

    Args:
        observation: To send.
        image: The message that its frame arrived in. It is sent on as it is, without a copy, if it holds the frame, and
            else replaced by one with the same header.
        measured: When the robot state was measured, by the steady clock.
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
        robot_stamp=stamp_from_steady(measured),
        proprioception=floats_msg(observation.proprioception),
        image=image if _holds(image, observation.frame) else image_msg(observation.frame, image.header),
    )


def _holds(image: Image, frame: Frame) -> bool:
    """Return whether an image has a frame's size and encoding, and no padding."""
    height, width = frame.shape[:2]
    return (image.encoding, image.height, image.width, image.step) == ("rgb8", height, width, 3 * width)


def observation_from_msg(message: msgs.Observation) -> Observation:
    """Return the observation of a message that has just arrived.

    Raises:
        ValueError: The image is no RGB frame, or a stamp or the lateness is not a time.
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
        lateness=number(message.lateness, "lateness", MOST_AGE),
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
        lateness=action.lateness,
    )


def action_from_msg(message: msgs.Action) -> Action:
    """Return the action of a message.

    Raises:
        ValueError: An age is not finite.
    """
    return Action(
        id=StepId(message.episode, message.step),
        action=np.asarray(message.action, np.float32),
        policy_version=message.policy_version,
        observation_age=number(message.observation_age, "observation_age", MOST_AGE),
        response_time=number(message.response_time, "response_time", MOST_AGE),
        policy_age=number(message.policy_age, "policy_age", MOST_AGE),
        policy_age_steps=message.policy_age_steps,
        lateness=number(message.lateness, "lateness", MOST_AGE),
    )


def announcement_from_msg(message: msgs.Policy) -> PolicyAnnouncement:
    """Return the announcement of a policy."""
    return PolicyAnnouncement(**{name: getattr(message, name) for name in PolicyAnnouncement.__dataclass_fields__})


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


def summary_msg(end: EpisodeEnd, episodes: int, stamp: Time) -> msgs.EpisodeSummary:
    """Return the message of an episode's summary; the learner's fields are not sent.

    Args:
        end: The summary, and the record of every cycle.
        episodes: Planned number of episodes; 0: no limit.
        stamp: Of the message.
    """
    record = end.record
    message = msgs.EpisodeSummary(
        header=Header(stamp=stamp),
        episodes=episodes,
        last=end.last,
        observation_age=floats_msg(record.observation_age),
        response_time=floats_msg(record.response_time),
        policy_age=floats_msg(record.policy_age),
        lateness=floats_msg(record.lateness),
    )
    for name, kind in message.get_fields_and_field_types().items():
        if name in COLUMNS:
            value = getattr(end.summary, name)
            setattr(message, name, float(value) if kind == "double" else value)
    return message


def summary_from_msg(message: msgs.EpisodeSummary) -> EpisodeSummary:
    """Return the summary of a message; the learner's fields are unknown.

    Raises:
        ValueError: Its reason or its texts are not allowed, or it has values of more steps than it has.
    """
    reasons = [reason.value for reason in EndReason]
    if message.end_reason not in reasons:
        raise ValueError(f"end_reason {shortened(repr(message.end_reason))} is not one of {', '.join(reasons)}")
    if len(message.refused_inputs) > LONGEST_TEXT or not message.refused_inputs.isprintable():
        raise ValueError(f"refused_inputs {shortened(repr(message.refused_inputs))} is not a short text")
    cycles = max(len(getattr(message, name)) for name in CYCLE_COLUMNS)
    if cycles > min(message.steps, MOST_STEPS):
        raise ValueError(f"it has {cycles} values of a time for {message.steps} steps")
    names = [name for name in message.get_fields_and_field_types() if name in COLUMNS]
    values: dict[str, Any] = {name: getattr(message, name) for name in names}
    # One NaN object for all, so that summaries of unknown values compare equal.
    known: dict[str, Any] = {name: UNKNOWN if value != value else value for name, value in values.items()}
    infinite = [name for name, value in known.items() if isinstance(value, float) and math.isinf(value)]
    if infinite:
        raise ValueError(f"{infinite[0]} is infinite")
    return EpisodeSummary(**known)


def learner_values_from_msg(message: msgs.LearnerStatus, names: Iterable[str]) -> dict[str, float]:
    """Return some values of a learner's status by name; unknown ones are NaN.

    Raises:
        ValueError: A value is infinite, or a counter is larger than a table can hold.
    """
    values = {name: getattr(message, name) for name in ("seconds", *names)}
    for name, value in values.items():
        if (isinstance(value, float) and math.isinf(value)) or abs(value) > MOST_COUNTED:
            raise ValueError(f"{name} = {value} is not allowed: at most {MOST_COUNTED:g}")
    return values
