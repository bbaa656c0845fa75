"""Messages and core types: what is sent arrives."""

import array
import dataclasses

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from franka_reacher_rl.core.base.datatypes import Action, EndReason, Observation, StepId, Tick, Transition
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.core.loop.events import EpisodeEnd
from franka_reacher_rl.core.task.summary import EpisodeRecord
from franka_reacher_rl.msg import EpisodeSummary as EpisodeSummaryMsg
from franka_reacher_rl.msg import RobotState as RobotStateMsg
from franka_reacher_rl.ros import messages, standard_messages
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_ns
from franka_reacher_rl.ros.intake import FrameIntake

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


def test_an_observation_survives():
    now = steady_ns()
    sent = dataclasses.replace(OBSERVATION, taken=now, captured=now - 40_000_000, lateness=0.5)
    image = standard_messages.image_msg(sent.frame, Header(stamp=stamp_from_steady(sent.captured), frame_id="camera"))
    message = messages.observation_msg(sent, image)
    assert message.header.frame_id == "camera" and message.image is image, "the image is sent on as it came"
    found = messages.observation_from_msg(message)
    _same(sent, found)
    assert found.lateness == 0.5
    assert abs(found.taken - sent.taken) < 5_000_000 and abs(found.captured - sent.captured) < 5_000_000


def test_a_transition_survives():
    action = RANDOM.uniform(-1, 1, 7).astype(np.float32)
    message = messages.transition_msg(Transition(OBSERVATION, action, 42, 0.25, 0.5))
    found = messages.transition_from_msg(message)
    _same(OBSERVATION, found.observation)
    assert np.array_equal(found.action, action)
    assert (found.policy_version, found.observation_age, found.policy_age) == (42, 0.25, 0.5)


def test_a_short_image_is_refused():
    message = messages.transition_msg(Transition(OBSERVATION, np.zeros(7, np.float32), 0))
    message.image = array.array("B", b"\0" * 10)
    with pytest.raises(ValueError, match="10 bytes"):
        messages.transition_from_msg(message)


def test_ticks_and_actions_survive():
    tick = Tick(StepId(3, 7), 12)
    assert messages.tick_from_msg(messages.tick_msg(tick, Time())) == tick
    action = Action(StepId(3, 7), np.full(7, 0.5, np.float32), 12, 0.25, 0.125, 1.5, 4, 0.0625)
    found = messages.action_from_msg(messages.action_msg(action, Time(sec=5)))
    assert np.array_equal(found.action, action.action)
    assert dataclasses.replace(found, action=action.action) == action


def test_a_summary_survives_and_unknown_values_stay_unknown():
    record = EpisodeRecord(4, 40.0, episode_return=1 / 3, steps=2, lateness=[0.001, 0.003])
    times = {"duration": 0.08, "training_seconds": 1.0, "run_seconds": 2.0, "total_steps": 7}
    sent = record.summary(EndReason.TIME_LIMIT, late_ms=2.0, watchdog_stops=3, **times)
    message = messages.summary_msg(EpisodeEnd(sent, record, last=True), 5, Time())
    assert messages.summary_from_msg(message) == sent
    assert message.last and message.episodes == 5
    assert message.lateness.tolist() == pytest.approx([0.001, 0.003])
    assert sent.late_cycles == 1 and np.isnan(sent.updates) and np.isnan(sent.held_seconds)


def test_other_encodings_become_rgb():
    image = standard_messages.image_msg(np.ascontiguousarray(FRAME[:, :, ::-1]), Header(), "bgr8")
    assert np.array_equal(standard_messages.frame_from_msg(image), FRAME)


GRAY = np.full((36, 64), 180, np.uint8)
YUV_GRAY = np.full((36, 64, 2), 128, np.uint8)  # neutral chroma


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("mono8", GRAY),
        ("rgba8", np.dstack([GRAY, GRAY, GRAY, GRAY])),
        ("bgra8", np.dstack([GRAY, GRAY, GRAY, GRAY])),
        ("yuv422", np.dstack([YUV_GRAY[..., 0], GRAY])),
        ("yuv422_yuy2", np.dstack([GRAY, YUV_GRAY[..., 0]])),
        ("bayer_rggb8", GRAY),
    ],
)
def test_usual_encodings_become_rgb(encoding, pixels):
    image = standard_messages.image_msg(np.ascontiguousarray(pixels), Header(), encoding)
    frame = standard_messages.frame_from_msg(image)
    assert frame.shape == (36, 64, 3) and frame.dtype == np.uint8
    if encoding.startswith("yuv"):  # video range: 16 to 235
        assert np.ptp(frame) == 0 and abs(int(frame[0, 0, 0]) - (180 - 16) * 255 / 219) <= 1
    else:
        assert (frame == 180).all()


def test_an_unknown_encoding_is_refused_with_those_that_are_known():
    image = standard_messages.image_msg(FRAME, Header(), "jpeg")
    with pytest.raises(ValueError, match=r"64x36 'jpeg'.*have the camera publish one of rgb8, bgr8"):
        standard_messages.frame_from_msg(image)


@pytest.mark.parametrize(("width", "height", "encoding"), [(64, 36, "rgb8"), (640, 480, "bgr8"), (32, 18, "rgb8")])
def test_an_observation_of_any_camera_has_the_training_resolution(width, height, encoding):
    pixels = np.full((height, width, 3), (10, 20, 30), np.uint8)
    image = standard_messages.image_msg(pixels, Header(stamp=Time(sec=9), frame_id="lens"), encoding)
    intake = FrameIntake(ImageSettings(width=64, height=36))
    sent = dataclasses.replace(OBSERVATION, frame=intake(image))
    observation = messages.observation_from_msg(messages.observation_msg(sent, image))
    assert observation.frame.shape == (36, 64, 3)
    assert observation.frame[5, 5].tolist() == ([30, 20, 10] if encoding == "bgr8" else [10, 20, 30])
    assert intake.cost()["longest_conversion_ms"] > 0.0 and intake.cost()["conversion_ms"] == 0.0


def test_padded_rows_are_understood():
    padded = np.zeros((36, 64 * 3 + 8), np.uint8)
    padded[:, : 64 * 3] = FRAME.reshape(36, -1)
    image = Image(height=36, width=64, step=64 * 3 + 8, encoding="rgb8", data=array.array("B", padded.tobytes()))
    assert np.array_equal(standard_messages.frame_from_msg(image), FRAME)


def test_nonsense_is_no_frame():
    with pytest.raises(ValueError, match="cannot be converted to RGB"):
        standard_messages.frame_from_msg(Image(height=36, width=64, step=192, encoding="rgb8"))


def test_time_survives_to_the_microsecond():
    for seconds in (0.0, 1.999999999, 1.7e9 + 0.123456):
        assert abs(standard_messages.time_from_msg(standard_messages.time_msg(seconds)) - seconds) < 1e-6


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
        m = standard_messages.quaternion_msg(rotation)
        found = np.array([m.x, m.y, m.z, m.w])
        expected = np.array([x, y, z, w])
        assert min(np.abs(found - expected).max(), np.abs(found + expected).max()) < 1e-12


JOINTS = [f"joint{i}" for i in range(7)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"q": [np.nan] * 7}, "q = .* is not allowed: give finite numbers"),
        ({"dq": [np.inf] * 7}, "dq = .* is not allowed"),
        ({"dq_cmd": [0.0] * 6}, r"dq_cmd has shape \(6,\) instead of \(7,\)"),
        ({"q": [1e9] * 7}, "at most 1e\\+06"),
        ({"joint_names": JOINTS[::-1]}, "it has the joints joint6, .* instead of joint0"),
    ],
)
def test_a_robot_state_that_the_policy_could_not_use_is_refused(change, words):
    fields = {"joint_names": JOINTS, "q": [0.1] * 7, "dq": [0.2] * 7, "dq_cmd": [0.3] * 7}
    assert messages.robot_state_from_msg(RobotStateMsg(**fields), JOINTS).proprioception().shape == (21,)
    with pytest.raises(ValueError, match=words):
        messages.robot_state_from_msg(RobotStateMsg(**(fields | change)), JOINTS)


@pytest.mark.parametrize("encoding", ["yuyv", "uyvy"])
def test_a_yuv_image_of_odd_width_is_refused(encoding):
    image = Image(height=2, width=3, step=6, encoding=encoding, data=b"0" * 12)
    with pytest.raises(ValueError, match="cannot be converted to RGB"):
        standard_messages.frame_from_msg(image)


def test_an_image_that_claims_more_than_it_has_allocates_nothing():
    image = Image(height=2**32 - 1, width=2**32 - 1, step=2**32 - 1, encoding="rgb8", data=b"0" * 12)
    with pytest.raises(ValueError, match="cannot be converted to RGB"):
        standard_messages.frame_from_msg(image)


def test_a_summary_of_an_unknown_end_is_refused():
    with pytest.raises(ValueError, match="end_reason 'x.* is not one of time_limit"):
        messages.summary_from_msg(EpisodeSummaryMsg(end_reason="x" * 1000))
    with pytest.raises(ValueError, match="5 values of a time for 3 steps"):
        messages.summary_from_msg(EpisodeSummaryMsg(end_reason="time_limit", steps=3, lateness=[0.0] * 5))
