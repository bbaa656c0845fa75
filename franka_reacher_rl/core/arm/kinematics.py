"""Kinematics of the end effector, computed by Pinocchio from the URDF that a robot file names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pinocchio

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.datatypes import Rows, Vector

URDF_TOLERANCE = 1e-3  # rad and rad/s; URDFs round their limits


class Kinematics:
    """Forward kinematics and Jacobian of a robot's end effector in its base frame.

    Joints of the URDF that the robot file does not name, such as fingers, stay at their neutral position.

    Raises:
        ValueError: The URDF is missing or unreadable, lacks a joint or a frame, or has narrower limits than the robot
            file; the message names it.
    """

    def __init__(self, robot: Robot) -> None:
        path = find_model(robot.model.urdf)
        try:
            full = pinocchio.buildModelFromUrdf(str(path))
        except Exception as error:  # Pinocchio lets any exception of its parser through
            raise ValueError(f"{path}: not a URDF that Pinocchio can read: {error}") from None
        _check_joints(full, robot, path)
        unnamed = [i for i in range(1, full.njoints) if full.names[i] not in robot.joints]
        self._model = pinocchio.buildReducedModel(full, unnamed, pinocchio.neutral(full))
        self._data = self._model.createData()
        ids = [self._model.getJointId(name) for name in robot.joints]
        self.velocity: Vector = self._model.velocityLimit[[self._model.joints[i].idx_v for i in ids]].copy()  # rad/s
        self._order = np.array([self._model.joints[i].idx_q for i in ids])  # Pinocchio's index of each joint
        self._in_order = bool(np.all(self._order == np.arange(robot.dof)))
        self._base = self._fixed_frame(robot.model.base_frame, path)
        self._at_origin = bool(self._base.isIdentity(1e-12))
        self._frame = self._frame_id(robot.model.end_effector_frame, path)
        guarded = [self._frame_id(guard.frame, path) for guard in robot.model.guarded_frames]
        self._points = [self._frame, *guarded]
        # Views of Pinocchio's results, which each call of its forward kinematics overwrites.
        self._translations = [self._data.oMf[frame].translation for frame in self._points]
        # Limits of the URDF, (joints,) in rad.
        self.position_lower: Vector = self._model.lowerPositionLimit[self._order].copy()
        self.position_upper: Vector = self._model.upperPositionLimit[self._order].copy()
        _check_limits(self, robot, path)
        offsets = [p.translation for p in self._model.jointPlacements]
        offsets.append(self._model.frames[self._frame].placement.translation)
        self.reach = float(sum(np.linalg.norm(o) for o in offsets))  # m, bounds the arm's distance from any joint axis

    def forward(self, q: Vector) -> Vector:
        """Return O_T_EE, the end effector's pose (4, 4) in the base frame, at joint positions (joints,) in rad."""
        return np.asarray(self._base.actInv(self._frame_pose(self._model_order(q))).homogeneous)

    def position(self, q: Vector) -> Vector:
        """Return the end effector's position (3,) in m in the base frame, at joint positions (joints,) in rad."""
        place = self._frame_pose(self._model_order(q)).translation
        return np.array(place) if self._at_origin else self._base.rotation.T @ (place - self._base.translation)

    def positions(self, path: Rows) -> Rows:
        """Return the end effector's positions (n, 3) in m at many configurations (n, joints) in rad."""
        return self.points(path, [0])[:, 0]

    def points(self, path: Rows, which: Sequence[int]) -> Vector:
        """Return the positions (n, points, 3) in m of some points at many configurations (n, joints) in rad.

        Point 0 is the end effector, and the others are `model.guarded_frames` in their order.
        """
        translations = [self._translations[i] for i in which]
        ordered = path if self._in_order else self._model_orders(path)
        places = np.empty((len(path), len(translations), 3))
        for row, q in zip(places, ordered, strict=True):
            pinocchio.framesForwardKinematics(self._model, self._data, q)
            row[:] = translations
        return places if self._at_origin else (places - self._base.translation) @ self._base.rotation

    def motion(
        self, q: Vector, dq: Vector, which: Sequence[int]
    ) -> tuple[Sequence[Sequence[float]], Sequence[Sequence[float]]]:
        """Return positions and velocities of some points at one configuration, quicker than `points` and a Jacobian.

        Args:
            q: Joint positions, (joints,) in rad.
            dq: Joint velocities, (joints,) in rad/s.
            which: Indices of the points, as for `points`.

        Returns:
            Positions (points, 3) in m and velocities (points, 3) in m/s.
        """
        if not self._at_origin:
            return self.points(q[None], which)[0].tolist(), (self.point_jacobians(q, which) @ dq).tolist()
        model, data = self._model, self._data
        pinocchio.forwardKinematics(model, data, self._model_order(q), self._model_order(dq))
        pinocchio.updateFramePlacements(model, data)
        axes = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
        velocities = [pinocchio.getFrameVelocity(model, data, self._points[i], axes).linear.tolist() for i in which]
        return [self._translations[i].tolist() for i in which], velocities

    def point_jacobians(self, q: Vector, which: Sequence[int]) -> Vector:
        """Return the Jacobians (points, 3, joints) of the linear velocities of some points, as for `points`."""
        return np.array([self._frame_jacobian(q, self._points[i])[:3] for i in which])

    def jacobian(self, q: Vector) -> Vector:
        """Return the end effector's Jacobian (6, joints) in the axes of the base frame.

        Rows 0 to 2 give the linear velocity (m/s) and rows 3 to 5 the angular velocity (rad/s) per rad/s of a joint.
        """
        return self._frame_jacobian(q, self._frame)

    def _frame_jacobian(self, q: Vector, frame: int) -> Vector:
        jacobian = pinocchio.computeFrameJacobian(
            self._model, self._data, self._model_order(q), frame, pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        if not self._in_order:
            jacobian = jacobian[:, self._order]
        if not self._at_origin:
            rotation = self._base.rotation.T
            jacobian = np.vstack([rotation @ jacobian[:3], rotation @ jacobian[3:]])
        return np.asarray(jacobian)

    def _model_order(self, q: Vector) -> Vector:
        """Return joint positions in the order of Pinocchio's model."""
        if self._in_order:
            return q
        ordered = np.empty(len(q))
        ordered[self._order] = q
        return ordered

    def _model_orders(self, path: Rows) -> Rows:
        ordered = np.empty(path.shape)
        ordered[:, self._order] = path
        return ordered

    def _frame_pose(self, ordered: Vector) -> pinocchio.SE3:
        pinocchio.forwardKinematics(self._model, self._data, ordered)
        return pinocchio.updateFramePlacement(self._model, self._data, self._frame)

    def _frame_id(self, name: str, path: Path) -> int:
        if not self._model.existFrame(name):
            known = ", ".join(f.name for f in self._model.frames if f.type == pinocchio.FrameType.BODY)
            raise ValueError(f"{path} has no frame {name!r}: its links are {known}")
        return int(self._model.getFrameId(name))

    def _fixed_frame(self, name: str, path: Path) -> pinocchio.SE3:
        frame = self._model.frames[self._frame_id(name, path)]
        if frame.parentJoint != 0:
            raise ValueError(f"{path}: base_frame {name!r} moves with joint {self._model.names[frame.parentJoint]!r}")
        return frame.placement.copy()


def _check_joints(model: pinocchio.Model, robot: Robot, path: Path) -> None:
    for name in robot.joints:
        if not model.existJointName(name):
            known = ", ".join(list(model.names)[1:])
            raise ValueError(f"{path} has no movable joint {name!r}: it has {known}")
        joint = model.joints[model.getJointId(name)]
        if joint.nq != 1:
            raise ValueError(f"{path}: joint {name!r} is continuous: make it revolute and give it limits")


def _check_limits(kinematics: Kinematics, robot: Robot, path: Path) -> None:
    """Check that the robot file's limits are within those of the URDF."""
    lower, upper, fastest = kinematics.position_lower, kinematics.position_upper, kinematics.velocity
    for i, joint in enumerate(robot.joints):
        low, high, speed = robot.limits.position_lower[i], robot.limits.position_upper[i], robot.limits.velocity[i]
        if low < lower[i] - URDF_TOLERANCE or high > upper[i] + URDF_TOLERANCE:
            raise ValueError(
                f"limits of {joint} = {low:g} to {high:g} rad exceed those of {path.name}, {lower[i]:g} to "
                f"{upper[i]:g} rad: correct the one that is wrong"
            )
        if fastest[i] > 0.0 and speed > fastest[i] + URDF_TOLERANCE:
            raise ValueError(
                f"velocity of {joint} = {speed:g} rad/s exceeds that of {path.name}, {fastest[i]:g} rad/s: correct the "
                "one that is wrong"
            )


def check_start_poses(robot: Robot, kinematics: Kinematics) -> None:
    """Check that the end effector is in the workspace and each guarded frame in its box at every extreme start pose.

    Raises:
        ValueError: A point is outside, or within the margin; the message names the frame, the place and the box.
    """
    ranges = [sorted({low, high}) for low, high in zip(robot.reset.start_lower, robot.reset.start_upper)]
    poses = np.array(list(itertools.product(*ranges)))
    boxes = [(robot.model.end_effector_frame, robot.task.workspace_lower, robot.task.workspace_upper)]
    boxes += [(guard.frame, guard.lower, guard.upper) for guard in robot.model.guarded_frames]
    places, margin = kinematics.points(poses, range(len(boxes))), robot.bridge.workspace_margin
    for i, (frame, lower, upper) in enumerate(boxes):
        outside = ((places[:, i] < np.array(lower) + margin) | (places[:, i] > np.array(upper) - margin)).any(axis=1)
        if outside.any():
            pose = int(outside.argmax())
            raise ValueError(
                f"at the start pose {poses[pose].round(3).tolist()} rad, {frame} is at "
                f"{places[pose, i].round(3).tolist()} m, outside {lower} to {upper} m less {margin:g} m: change "
                "reset.start_lower and reset.start_upper, or the box"
            )
