"""The URDF of an arm and the transforms of its links, as robot_state_publisher computes them."""

from __future__ import annotations

from dataclasses import dataclass

import pinocchio
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from std_msgs.msg import Header

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.ros.standard_messages import pose_msg


@dataclass(frozen=True)
class _Link:
    """A link, its parent in the URDF and the indices of both in Pinocchio's frames."""

    name: str
    parent: str
    index: int
    parent_index: int
    fixed: bool


class RobotDescription:
    """Computes the transform from each link's parent to the link.

    Joints that the robot file does not name, such as fingers, stay at their neutral position.
    """

    def __init__(self, robot: Robot, frame_prefix: str = "") -> None:
        """Read the URDF.

        Args:
            robot: The arm.
            frame_prefix: Precedes the name of every frame.

        Raises:
            ValueError: There is no such URDF.
        """
        path = find_model(robot.model.urdf)
        self.urdf = path.read_text()
        self._prefix = frame_prefix
        self._model = pinocchio.buildModelFromUrdf(str(path))
        self._data = self._model.createData()
        self._indices = [self._model.joints[self._model.getJointId(joint)].idx_q for joint in robot.joints]
        self._links = self._find_links()

    def moving(self, q: Vector, stamp: Time) -> list[TransformStamped]:
        """Return the transforms of links behind moving joints, at joint positions q, (joints,) in rad."""
        return self._transforms(q, stamp, fixed=False)

    def fixed(self, stamp: Time) -> list[TransformStamped]:
        """Return the transforms of links behind fixed joints."""
        return self._transforms(pinocchio.neutral(self._model)[self._indices], stamp, fixed=True)

    def _find_links(self) -> list[_Link]:
        frames = self._model.frames
        found = []
        for index, frame in enumerate(frames):
            if frame.type != pinocchio.FrameType.BODY:
                continue
            joint = frames[frame.parentFrame]
            parent = frames[joint.parentFrame]
            if parent.type == pinocchio.FrameType.BODY:  # otherwise the link is the root
                fixed = joint.type == pinocchio.FrameType.FIXED_JOINT
                found.append(_Link(frame.name, parent.name, index, joint.parentFrame, fixed))
        return found

    def _transforms(self, q: Vector, stamp: Time, *, fixed: bool) -> list[TransformStamped]:
        full = pinocchio.neutral(self._model)
        full[self._indices] = q
        pinocchio.framesForwardKinematics(self._model, self._data, full)
        return [self._transform(link, stamp) for link in self._links if link.fixed == fixed]

    def _transform(self, link: _Link, stamp: Time) -> TransformStamped:
        pose = pose_msg(self._data.oMf[link.parent_index].actInv(self._data.oMf[link.index]).homogeneous)
        header = Header(stamp=stamp, frame_id=self._prefix + link.parent)
        transform = TransformStamped(header=header, child_frame_id=self._prefix + link.name)
        t, p = transform.transform.translation, pose.position
        t.x, t.y, t.z = p.x, p.y, p.z
        transform.transform.rotation = pose.orientation
        return transform
