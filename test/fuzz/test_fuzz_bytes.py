"""Bytes that are no message: the deserialiser refuses them, and what it lets pass is a message as any other."""

from __future__ import annotations

import struct

import fuzzing
import pytest
from fuzzing import damaged, fuzzed
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String

from franka_reacher_rl import msg
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.ros import messages
from franka_reacher_rl.ros.intake import FrameIntake
from franka_reacher_rl.ros.standard_messages import joint_positions_from_msg

CONVERT = {
    Image: FrameIntake(ImageSettings(width=16, height=16)),
    JointState: lambda message: joint_positions_from_msg(message, fuzzing.JOINTS),
    msg.Observation: messages.observation_from_msg,
    msg.Transition: messages.transition_from_msg,
    msg.RobotState: lambda message: messages.robot_state_from_msg(message, fuzzing.JOINTS),
    msg.RobotStatus: messages.check_robot_status,
    msg.EpisodeSummary: messages.summary_from_msg,
    msg.Action: messages.action_from_msg,
    msg.Tick: messages.tick_from_msg,
    msg.LearnerStatus: lambda message: messages.learner_values_from_msg(message, ("updates", "critic_loss")),
    msg.Policy: lambda message: bytes(message.weights),
    DiagnosticArray: lambda message: [status.name for status in message.status],
    Float64MultiArray: lambda message: list(message.data),
    String: lambda message: message.data,
}
# A sequence that claims more elements than there are bytes.
LIES = [struct.pack("<I", n) for n in (2**32 - 1, 2**31, 2**30, 10**6)]


def handle(kind: type, data: bytes) -> None:
    try:
        message = deserialize_message(data, kind)
    except Exception as error:  # whatever the middleware raises; a node never sees such a message
        assert type(error).__name__ in ("RMWError", "RuntimeError", "RCLError", "UnicodeDecodeError"), repr(error)
        return
    try:
        CONVERT[kind](message)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("kind", CONVERT, ids=lambda kind: kind.__name__)
@fuzzed()
@given(data=st.data())
def test_bytes(kind: type, data: st.DataObject) -> None:
    fuzzing.count()
    whole = serialize_message(data.draw(fuzzing.messages(kind, most=2)))
    handle(kind, data.draw(damaged(whole)))


@pytest.mark.parametrize("kind", CONVERT, ids=lambda kind: kind.__name__)
@fuzzed(0.5)
@given(data=st.data())
def test_lengths_that_lie(kind: type, data: st.DataObject) -> None:
    fuzzing.count()
    whole = bytearray(serialize_message(kind()))
    place = data.draw(st.integers(4, max(4, len(whole) - 4))) // 4 * 4
    whole[place : place + 4] = data.draw(st.sampled_from(LIES))
    handle(kind, bytes(whole))
