"""Tests of the reward node with real messages."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from franka_reacher_rl.msg import Reward as RewardMsg
from franka_reacher_rl.nodes.reward import Reward
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import Node
from franka_reacher_rl.ros.standard_messages import image_msg, time_msg

HALF_RED = np.zeros((36, 64, 3), np.uint8)
HALF_RED[:, :32] = (200, 10, 30)


def test_a_reward_has_the_stamp_of_its_frame(probe_after):
    probe = probe_after("-p", "episode.cycle_ms:=75.0", "-p", "image.width:=64", "-p", "image.height:=36")
    probe.add(Reward())
    values = probe.listen(RewardMsg, "/reward/value", qos.NEWEST)
    masks = probe.listen(Image, "/reward/mask", qos.NEWEST)
    images = probe.node.create_publisher(Image, "/image", qos.NEWEST)
    probe.until(
        lambda: (
            images.get_subscription_count()
            and images.publish(image_msg(HALF_RED, Header(stamp=time_msg(5.25)))) is None
            and values
            and masks
        )
    )
    assert values[0].header.stamp == time_msg(5.25)
    assert values[0].coverage == pytest.approx(0.5) and values[0].reward == pytest.approx(0.25 * 75 * 0.5)
    assert masks[0].encoding == "mono8" and masks[0].data[0] == 255 and masks[0].data[63] == 0


def test_bands_can_be_changed_at_runtime_and_invalid_ones_are_refused(probe_after):
    probe = probe_after()
    node = probe.add(Reward())
    refused = node.set_parameters([Parameter("reward.bands", value=[10, 0, 0, 5, 255, 255])])[0]
    assert not refused.successful and "is above" in refused.reason
    assert node.set_parameters([Parameter("reward.bands", value=[50, 0, 0, 70, 255, 255])])[0].successful
    assert not node.set_parameters([Parameter("episode.cycle_ms", value=50.0)])[0].successful, "read-only"


def test_nobody_can_give_a_node_another_clock(probe_after):
    node = probe_after().add(Reward())
    refused = node.set_parameters([Parameter("use_sim_time", value=True)])[0]
    assert not refused.successful and "real time" in refused.reason
    with pytest.raises(ValueError, match="use_sim_time = true is not allowed"):
        Node("other", parameter_overrides=[Parameter("use_sim_time", value=True)])


def test_parameters_have_descriptors(probe_after):
    probe = probe_after()
    node = probe.add(Reward())
    client = probe.node.create_client(DescribeParameters, "/reward/describe_parameters")
    probe.until(client.service_is_ready)
    future = client.call_async(DescribeParameters.Request(names=["episode.cycle_ms", "reward.alpha"]))
    probe.until(future.done)
    cycle, alpha = future.result().descriptors
    assert "[ms]" in cycle.description and cycle.read_only and cycle.floating_point_range[0].to_value == 1000.0
    assert alpha.floating_point_range[0].to_value == 1000.0 and not alpha.read_only
    assert node.get_parameter("episode.cycle_ms").value == 40.0


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("episode.cycle_ms:=1.0", "cycle_ms"),
        ("episode.cycle_ms:=40", "write 40.0 with a point"),
        ("reward.alpha:=-1.0", "alpha .*Min: 0.0, Max: 1000.0, value: -1.0"),
    ],
)
def test_a_bad_value_is_refused_at_the_start(ros, argument, words):
    ros("-p", argument)
    with pytest.raises(ValueError, match=words):
        Reward()


def test_frames_that_are_missing_or_too_few_are_reported(probe_after):
    probe = probe_after()
    node = probe.add(Reward())
    level, message, _ = node.diagnose()
    assert level == DiagnosticStatus.WARN and "first frame" in message
    for _ in range(2):  # as soon as they are processed: far more than 25 per second
        node._on_image(image_msg(HALF_RED, Header()))
    assert node.diagnose()[0] == DiagnosticStatus.OK
    node._on_image(image_msg(HALF_RED, Header()))
    node._diagnosed -= 1.0
    level, message, values = node.diagnose()
    assert level == DiagnosticStatus.WARN and "fewer than the action cycles" in message and values["coverage"] == 0.5
    level, message, _ = node.diagnose()
    assert level == DiagnosticStatus.ERROR and "is the camera alive?" in message


def test_a_stranger_ends_no_node(probe_after):
    """With bytes that are no message, an image that is none, and a parameter of a type that does not exist."""
    probe = probe_after("-p", "image.width:=64", "-p", "image.height:=36")
    node = probe.add(Reward())
    values = probe.listen(RewardMsg, "/reward/value", qos.NEWEST)
    images = probe.node.create_publisher(Image, "/image", qos.RELIABLE)
    client = probe.node.create_client(SetParameters, "/reward/set_parameters")
    probe.until(lambda: images.get_subscription_count() and client.service_is_ready())
    for data in (b"", b"\x00\x01\x00\x00", b"\x00\x01\x00\x00" + b"\xff" * 100, b"junk" * 1000):
        images.publish(data)
    images.publish(Image(width=2**32 - 1, height=2**32 - 1, encoding="rgb8"))
    future = client.call_async(
        SetParameters.Request(parameters=[ParameterMsg(name="reward.alpha", value=ParameterValue(type=77))])
    )
    probe.until(future.done)
    assert not future.result().results
    probe.until(lambda: images.publish(image_msg(HALF_RED, Header())) is None and values)
    probe.until(lambda: node.refusals.count >= 2)
    assert values[-1].coverage == pytest.approx(0.5)
