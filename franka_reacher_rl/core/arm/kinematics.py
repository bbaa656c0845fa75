"""Where the end effector is, and how it moves with the joints: a robot file's URDF through Pinocchio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector
from franka_reacher_rl.core.base.paths import config_dir


class Kinematics:
    """Forward kinematics and Jacobian of a robot's end effector in its base frame.

    Joints of the URDF that the robot file doesn't name, such as fingers, stay at their neutral position.

    Raises:
        ValueError: The URDF is not there or not readable, or lacks a joint or a frame; the message says which.
    """

    def __init__(self, robot: Robot) -> None:
        path = find_model(robot.model.urdf)
        try:
            full = pinocchio.buildModelFromUrdf(str(path))
        except Exception as error:  # pinocchio raises what its parser raises
            raise ValueError(f"{path}: not a URDF that Pinocchio reads: {error}") from None
        _check_joints(full, robot, path)
        unnamed = [i for i in range(1, full.njoints) if full.names[i] not in robot.joints]
        self._model = pinocchio.buildReducedModel(full, unnamed, pinocchio.neutral(full))
        self._data = self._model.createData()
        ids = [self._model.getJointId(name) for name in robot.joints]
        self._order = np.array([self._model.joints[i].idx_q for i in ids])  # where each of our joints lies in theirs
        self._in_order = bool(np.all(self._order == np.arange(robot.dof)))
        self._base = self._fixed_frame(robot.model.base_frame, path)
        self._at_origin = bool(self._base.isIdentity(1e-12))
        self._frame = self._frame_id(robot.model.end_effector_frame, path)
        self.position_lower: Vector = self._model.lowerPositionLimit[self._order].copy()  # (joints,), of the URDF
        self.position_upper: Vector = self._model.upperPositionLimit[self._order].copy()  # (joints,), of the URDF
        offsets = [p.translation for p in self._model.jointPlacements]
        offsets.append(self._model.frames[self._frame].placement.translation)
        self.reach = float(sum(np.linalg.norm(o) for o in offsets))  # m, no point of the arm is further from any axis

    def forward(self, q: Vector) -> Vector:
        """O_T_EE, the end effector's pose (4, 4) in the base frame, at joint positions (joints,) in rad."""
        return np.asarray(self._base.actInv(self._placed(self._theirs(q))).homogeneous)

    def position(self, q: Vector) -> Vector:
        """The end effector's position (3,) in m in the base frame, at joint positions (joints,) in rad."""
        place = self._placed(self._theirs(q)).translation
        return np.array(place) if self._at_origin else self._base.rotation.T @ (place - self._base.translation)

    def positions(self, path: Rows) -> Rows:
        """As `position`, of many configurations at once: (configurations, joints) to (configurations, 3)."""
        if self._in_order:
            theirs = np.ascontiguousarray(path)
        else:
            theirs = np.empty(path.shape)
            theirs[:, self._order] = path
        places = np.empty((len(path), 3))
        for place, q in zip(places, theirs, strict=True):
            place[:] = self._placed(q).translation
        if self._at_origin:
            return places
        return np.asarray((places - self._base.translation) @ self._base.rotation)

    def jacobian(self, q: Vector) -> Vector:
        """Linear (m/s) over angular (rad/s) velocity of the end effector per joint velocity, (6, joints), base axes."""
        jacobian = pinocchio.computeFrameJacobian(
            self._model, self._data, self._theirs(q), self._frame, pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        if not self._in_order:
            jacobian = jacobian[:, self._order]
        if not self._at_origin:
            rotation = self._base.rotation.T
            jacobian = np.vstack([rotation @ jacobian[:3], rotation @ jacobian[3:]])
        return np.asarray(jacobian)

    def _theirs(self, q: Vector) -> Vector:
        if self._in_order:
            return q
        theirs = np.empty(len(q))
        theirs[self._order] = q
        return theirs

    def _placed(self, theirs: Vector) -> pinocchio.SE3:
        pinocchio.forwardKinematics(self._model, self._data, theirs)
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


def find_model(name: str) -> Path:
    """The file a robot file's `urdf` or `mjcf` names: a path, or a file of `config/robots`.

    Raises:
        ValueError: There is no such file; the message names the places searched.
    """
    models = config_dir() / "robots"
    for path in (Path(name).expanduser(), models / name):
        if path.is_file():
            return path
    raise ValueError(f"no model {name!r}: neither a path nor a file of {models}")


def _check_joints(model: pinocchio.Model, robot: Robot, path: Path) -> None:
    for name in robot.joints:
        if not model.existJointName(name):
            known = ", ".join(list(model.names)[1:])
            raise ValueError(f"{path} has no movable joint {name!r}: it has {known}")
        joint = model.joints[model.getJointId(name)]
        if joint.nq != 1:
            raise ValueError(f"{path}: joint {name!r} is continuous; make it revolute, with limits")
