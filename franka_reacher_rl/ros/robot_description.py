"""The URDF of a simulated arm and the transforms of its links, for display in RViz."""

from __future__ import annotations

import pinocchio
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage

from franka_reacher_rl.core.arm.kinematics import find_model
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.ros.standard_messages import pose_msg


class RobotDescription:
    """Computes the transforms of the robot's links; joints that the robot file does not name stay at neutral."""

    def __init__(self, robot: Robot) -> None:
        path = find_model(robot.model.urdf)
        self.urdf = path.read_text()
        self._model = pinocchio.buildModelFromUrdf(str(path))
        self._data = self._model.createData()
        self._indices = [self._model.joints[self._model.getJointId(joint)].idx_q for joint in robot.joints]
        self._base = robot.model.base_frame
        frames = enumerate(self._model.frames)
        self._links = [(i, f.name) for i, f in frames if f.type == pinocchio.FrameType.BODY and f.name != self._base]

    def transforms(self, q: Vector, stamp: Time) -> TFMessage:
        """Return the transform of every link in the base frame at joint positions q, (joints,) in rad."""
        full = pinocchio.neutral(self._model)
        full[self._indices] = q
        pinocchio.framesForwardKinematics(self._model, self._data, full)
        base = self._data.oMf[self._model.getFrameId(self._base)].inverse()
        return TFMessage(transforms=[self._transform(base * self._data.oMf[i], name, stamp) for i, name in self._links])

    def _transform(self, placement: pinocchio.SE3, link: str, stamp: Time) -> TransformStamped:
        transform = TransformStamped(child_frame_id=link)
        transform.header.stamp, transform.header.frame_id = stamp, self._base
        pose = pose_msg(placement.homogeneous)
        t, p = transform.transform.translation, pose.position
        t.x, t.y, t.z = p.x, p.y, p.z
        transform.transform.rotation = pose.orientation
        return transform
