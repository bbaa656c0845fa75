"""The number is written into serialised transitions of any content."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from franka_reacher_rl import msg
from franka_reacher_rl.core.link.sender import Gap
from franka_reacher_rl.ros.link.spooled_transitions import encoding_is_known, gap_from_msg, gap_msg, numbered, run_id_of
from franka_reacher_rl.ros.standard_messages import bytes_msg, floats_msg


def test_the_encoding_is_known() -> None:
    assert encoding_is_known()


@given(
    frame_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=9),
    run_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    image=st.binary(max_size=70),
    joints=st.integers(0, 7),
    number=st.integers(0, 2**64 - 1),
)
def test_any_transition(frame_id: str, run_id: str, image: bytes, joints: int, number: int) -> None:
    message = msg.Transition(run_id=run_id, episode=3, step=4, policy_version=2**40, policy_age=0.5)
    message.header.frame_id, message.image = frame_id, bytes_msg(image)
    message.action = floats_msg(np.zeros(joints))
    data = serialize_message(message)
    message.number = number
    assert deserialize_message(numbered(data, number), msg.Transition) == message
    assert run_id_of(data) == run_id


@given(st.binary(max_size=200))
def test_anything_else_is_refused_or_left_to_the_learner(data: bytes) -> None:
    for function in (run_id_of, lambda d: numbered(d, 1)):
        try:
            function(data)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize("cut", [0, 3, 10, 20, 35])
def test_a_transition_that_is_cut_off_is_refused(cut: int) -> None:
    data = serialize_message(msg.Transition(run_id="run"))[:cut]
    with pytest.raises(ValueError, match="are no transition"):
        numbered(data, 1)


def test_a_gap_is_no_transition() -> None:
    assert gap_from_msg(gap_msg(Gap(3, 8), "run")) == Gap(3, 8)
    assert gap_msg(Gap(3, 8), "run").run_id == "run"
    assert gap_from_msg(msg.Transition(number=8, height=1, width=1)) is None
    assert gap_from_msg(msg.Transition()) is None
