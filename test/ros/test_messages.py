"""Messages <-> core types: what goes in comes out."""

import array

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.ros import messages

RANDOM = np.random.default_rng(0)
FRAME = RANDOM.integers(0, 256, (36, 64, 3), dtype=np.uint8)
OBSERVATION = Observation(
    id=StepId(3, 7),
    frame=FRAME,
    proprioception=RANDOM.normal(size=21).astype(np.float32),
    reward=1.25,
    first=False,
    terminated=False,
    truncated=True,
)


def _same(a: Observation, b: Observation) -> None:
    assert np.array_equal(a.frame, b.frame) and np.array_equal(a.proprioception, b.proprioception)
    assert (a.id, a.reward, a.first, a.terminated, a.truncated) == (b.id, b.reward, b.first, b.terminated, b.truncated)


def test_observation_survives():
    header = Header(stamp=messages.time_msg(12.5))
    _same(
        OBSERVATION,
        messages.observation_from_msg(
            messages.observation_msg(OBSERVATION, header, messages.image_msg(OBSERVATION.frame, header))
        ),
    )


def test_transition_survives():
    action = RANDOM.uniform(-1, 1, 7).astype(np.float32)
    message = messages.transition_msg(Transition(OBSERVATION, action, 42), Header())
    found = messages.transition_from_msg(message)
    _same(OBSERVATION, found.observation)
    assert np.array_equal(found.action, action) and found.policy_version == 42


def test_a_short_image_is_refused():
    message = messages.transition_msg(Transition(OBSERVATION, np.zeros(7, np.float32), 0), Header())
    message.image = array.array("B", b"\0" * 10)
    with pytest.raises(ValueError, match="10 bytes"):
        messages.transition_from_msg(message)


def test_other_encodings_become_rgb():
    image = messages.image_msg(np.ascontiguousarray(FRAME[:, :, ::-1]), Header(), "bgr8")
    assert np.array_equal(messages.frame_from_msg(image), FRAME)


def test_padded_rows_are_understood():
    padded = np.zeros((36, 64 * 3 + 8), np.uint8)
    padded[:, : 64 * 3] = FRAME.reshape(36, -1)
    image = Image(height=36, width=64, step=64 * 3 + 8, encoding="rgb8", data=array.array("B", padded.tobytes()))
    assert np.array_equal(messages.frame_from_msg(image), FRAME)


def test_nonsense_is_no_frame():
    with pytest.raises(ValueError, match="no RGB frame"):
        messages.frame_from_msg(Image(height=36, width=64, step=192, encoding="rgb8"))


def test_time_survives_to_the_microsecond():
    for seconds in (0.0, 1.999999999, 1.7e9 + 0.123456):
        assert abs(messages.time_from_msg(messages.time_msg(seconds)) - seconds) < 1e-6


def test_quaternions_of_random_rotations():
    for _ in range(50):
        q = RANDOM.normal(size=4)
        x, y, z, w = q / np.linalg.norm(q)
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        m = messages.quaternion_msg(rotation)
        found = np.array([m.x, m.y, m.z, m.w])
        expected = np.array([x, y, z, w])
        assert min(np.abs(found - expected).max(), np.abs(found + expected).max()) < 1e-12
