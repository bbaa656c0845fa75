"""The display node: markers for RViz, made only while someone looks at them."""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PoseStamped
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.status import RAMPING
from franka_reacher_rl.core.base.datatypes import Rows, number, vector
from franka_reacher_rl.core.task.scenery import Box, acting_faces, colour_of, target_size
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_frame_prefix, declare_param
from franka_reacher_rl.ros.standard_messages import position_from_msg

_LONGEST_TRAIL = 2000  # points
_MOST_REASONS, _LONGEST_REASON = 20, 50  # of a robot state; characters
_RED = ColorRGBA(r=0.8, g=0.05, b=0.1, a=1.0)
_GREY = ColorRGBA(r=0.7, g=0.7, b=0.7, a=1.0)
_ACTING = ColorRGBA(r=1.0, g=0.3, b=0.0, a=0.4)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)


class Display(Node):
    """Publishes the workspace, the target, the path of the end effector and what the filter does on `~/markers`.

    Without subscribers it receives nothing.
    """

    task = "markers"

    def __init__(self) -> None:
        super().__init__("display")
        robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        rate = float(declare_param(self, "rate", 10.0, "rate of the markers [Hz]"))
        if not 0.1 <= rate <= 100.0:
            raise ValueError(f"parameter rate = {rate} is not allowed: 0.1 to 100 Hz")
        self._frame = declare_frame_prefix(self) + robot.model.base_frame
        self._box = Box(robot.task.workspace_lower, robot.task.workspace_upper)
        self._state: msg.RobotState | None = None
        self._target: PoseStamped | None = None
        self._coverage = 0.0
        self._size = target_size()
        self._trail = self._marker("trail", Marker.LINE_STRIP, 0.004)
        self._edges = self._marker("workspace", Marker.LINE_LIST, 0.003, _GREY)
        self._edges.points = _points(self._box.edges())
        self._markers = self.create_publisher(MarkerArray, "~/markers", qos.RELIABLE)
        self.subscribe_while_watched(
            self._markers,
            (msg.RobotState, "robot_state", self._on_state, qos.NEWEST),
            (msg.Reward, "reward", self._on_reward, qos.NEWEST),
            (msg.Tick, "cycle", self._on_cycle, qos.EVENT),
            (PoseStamped, "target", self._on_target, qos.LATCHED),
        )
        self.steady_timer(1.0 / rate, self._publish)

    def _on_state(self, state: msg.RobotState) -> None:
        position_from_msg(state.o_t_ee.position)
        if len(state.reasons) > _MOST_REASONS or any(len(reason) > _LONGEST_REASON for reason in state.reasons):
            raise ValueError(f"it has more than {_MOST_REASONS} reasons, or a long one")
        self._state = state

    def _on_reward(self, reward: msg.Reward) -> None:
        self._coverage = number(reward.coverage, "coverage")

    def _on_target(self, target: PoseStamped) -> None:
        q = target.pose.orientation
        position_from_msg(target.pose.position)
        vector([q.x, q.y, q.z, q.w], 4, "orientation")
        self._target = target

    def _on_cycle(self, tick: msg.Tick) -> None:
        """Add a point to the trail, which begins anew with each episode."""
        if tick.step == 0 or len(self._trail.points) >= _LONGEST_TRAIL:
            self._trail.points, self._trail.colors = [], []
        if self._state is None:
            return
        red, green, blue = (float(c) for c in colour_of(self._coverage))
        self._trail.points.append(self._state.o_t_ee.position)
        self._trail.colors.append(ColorRGBA(r=red, g=green, b=blue, a=1.0))

    def _publish(self) -> None:
        if not self._markers.get_subscription_count():
            return
        markers = [self._edges, self._faces(), self._reasons()]
        markers.append(self._trail if len(self._trail.points) > 1 else self._deleted("trail"))
        if self._target is not None:
            markers.append(self._bag(self._target))
        self._markers.publish(MarkerArray(markers=markers))

    def _faces(self) -> Marker:
        """Return the workspace faces at which the safety filter acts."""
        faces = []
        if self._state is not None:
            p = self._state.o_t_ee.position
            faces = acting_faces(self._box, np.array([p.x, p.y, p.z]), self._state.reasons)
        if not faces:
            return self._deleted("faces")
        marker = self._marker("faces", Marker.TRIANGLE_LIST, 1.0, _ACTING)
        marker.points = _points(np.concatenate([self._box.face(face) for face in faces]))
        return marker

    def _reasons(self) -> Marker:
        """Return a text above the workspace: why the bridge changes the command."""
        named = [] if self._state is None else [r for r in self._state.reasons if r not in RAMPING]
        if not named:
            return self._deleted("filter")
        marker = self._marker("filter", Marker.TEXT_VIEW_FACING, 0.04, _WHITE)
        marker.text = ", ".join(named)
        middle = 0.5 * (self._box.lower + self._box.upper)
        marker.pose.position = Point(x=middle[0], y=middle[1], z=self._box.upper[2] + 0.05)
        return marker

    def _bag(self, target: PoseStamped) -> Marker:
        marker = self._marker("target", Marker.SPHERE, 0.0, _RED)
        marker.header, marker.pose = target.header, target.pose
        marker.scale.x, marker.scale.y, marker.scale.z = (float(s) for s in self._size)
        return marker

    def _marker(self, name: str, kind: int, scale: float, colour: ColorRGBA | None = None) -> Marker:
        """Return a marker in the base frame, without a stamp, so that RViz uses the newest transform."""
        made = Marker(header=Header(frame_id=self._frame), ns=name, type=kind)
        made.scale.x = made.scale.y = made.scale.z = scale
        made.color = colour or _WHITE
        return made

    def _deleted(self, name: str) -> Marker:
        return Marker(header=Header(frame_id=self._frame), ns=name, action=Marker.DELETE)

    def diagnose(self) -> Diagnosis:
        watched = self._markers.get_subscription_count()
        values: dict[str, Any] = {"subscribers": watched, "trail_points": len(self._trail.points)}
        return DiagnosticStatus.OK, "publishing" if watched else "nobody looks", values


def _points(rows: Rows) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in rows.tolist()]


def main() -> None:
    """Run the display node."""
    run_node(Display)
