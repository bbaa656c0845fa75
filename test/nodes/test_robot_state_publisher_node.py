"""Tests of the node that publishes the arm's description and transforms."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.nodes.robot_state_publisher import RobotStatePublisher
from franka_reacher_rl.ros import qos


def matrix(transform):
    """The homogeneous transform (4, 4) of a message."""
    t, r = transform.transform.translation, transform.transform.rotation
    x, y, z, w = r.x, r.y, r.z, r.w
    made = np.eye(4)
    made[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    made[:3, 3] = t.x, t.y, t.z
    return made


@pytest.mark.parametrize("name", ["panda_sim", "ur5e_sim", "fr3"])
def test_the_transforms_lead_from_the_base_to_the_camera(probe_after, name):
    robot = Robot.load(name)
    probe = probe_after("-p", f"robot:={name}", "-p", "frame_prefix:=left/")
    node = probe.add(RobotStatePublisher())
    probe.until(lambda: True)
    assert not node.count_subscribers("/joint_states"), "nobody listens to /tf"
    moving = probe.listen(TFMessage, "/tf", 10)
    fixed = probe.listen(TFMessage, "/tf_static", qos.LATCHED)
    descriptions = probe.listen(String, "/robot_description", qos.LATCHED)
    states = probe.node.create_publisher(JointState, "/joint_states", qos.RELIABLE)
    q = robot.start_middle()
    names = robot.joints[::-1]  # matched by name
    state = JointState(name=names, position=q[::-1].tolist())
    state.header.stamp.sec = 5
    probe.until(lambda: states.publish(state) is None and moving and fixed and descriptions)
    assert descriptions[0].data.startswith("<?xml") and all(t.header.stamp.sec == 5 for t in moving[0].transforms)
    links = {t.child_frame_id: t for t in [*moving[0].transforms, *fixed[0].transforms]}
    assert len(moving[0].transforms) == robot.dof
    frame, pose = f"left/{robot.model.end_effector_frame}", np.eye(4)
    while frame != f"left/{robot.model.base_frame}":
        pose, frame = matrix(links[frame]) @ pose, links[frame].header.frame_id
    np.testing.assert_allclose(pose, Kinematics(robot).forward(q), atol=1e-9)
    assert f"left/{robot.camera.frame}" in links


def test_it_ceases_to_receive_when_nobody_listens(probe_after):
    probe = probe_after()
    node = probe.add(RobotStatePublisher())
    listener = probe.node.create_subscription(TFMessage, "/tf", lambda message: None, 10)
    probe.until(lambda: node.count_subscribers("/joint_states"))
    probe.node.destroy_subscription(listener)
    probe.until(lambda: not node.count_subscribers("/joint_states"))


@pytest.mark.parametrize("rate", ["0.0", "2000.0"])
def test_a_frequency_out_of_range_is_refused(ros, rate):
    ros("-p", f"publish_frequency:={rate}")
    with pytest.raises(ValueError, match="above 0, up to 1000 Hz"):
        RobotStatePublisher()
