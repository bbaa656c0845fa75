"""The viewer node: shows the running graph in a browser. It only listens."""

from __future__ import annotations

from functools import partial

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image

from franka_reacher_rl import msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_param
from franka_reacher_rl.ros.standard_messages import message_from_bytes
from franka_reacher_rl.viewer.page import DATA_PORT, FREQUENT, PAGE_PORT, PERIOD, require_rerun

EXIT_SERVER_DIED = 1
_KINDS = {
    "image": (Image, qos.NEWEST),
    "mask": (Image, qos.NEWEST),
    "reward": (msg.Reward, qos.NEWEST),
    "robot_state": (msg.RobotState, qos.NEWEST),
    "robot_status": (msg.RobotStatus, qos.LATCHED),
    "cycle": (msg.Tick, qos.EVENT),
    "episode": (msg.EpisodeSummary, qos.SUMMARIES),
    "action": (msg.Action, qos.NEWEST),
    "learner_status": (msg.LearnerStatus, qos.EVENT),
    "target": (PoseStamped, qos.LATCHED),
    "diagnostics": (DiagnosticArray, qos.EVENT),
}


class Viewer(Node):
    """Draws images, arm, target, times, returns and events on a page that only this computer can open.

    Serialised messages that come sooner than they are drawn are dropped before they are decoded.
    """

    task = "page"

    def __init__(self) -> None:
        super().__init__("viewer")
        robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        wiring = declare_param(self, "wiring", "async", "sync or async, for the layout")
        page = declare_param(self, "page_port", PAGE_PORT, "port of the page")
        data = declare_param(self, "data_port", DATA_PORT, "port of the data, to which the page connects")
        require_rerun("view:=true")
        from franka_reacher_rl.viewer.drawing import Drawing
        from franka_reacher_rl.viewer.server import Server
        from franka_reacher_rl.viewer.stage import Stage

        self._server = Server(page, data)
        stage = Stage(self._server.recording("franka_reacher_rl"), robot, wiring)
        self._drawing = Drawing(stage, robot, self.get_namespace().strip("/"))
        self._due: dict[str, float] = {}
        self.get_logger().info(f"viewer: open {self._server.url}")
        for name, (kind, profile) in _KINDS.items():
            topic = "/diagnostics" if kind is DiagnosticArray else name
            self.create_subscription(kind, topic, partial(self._take, name, kind), profile, raw=True)

    def _take(self, name: str, kind: type, serialised: bytes) -> None:
        now = steady_seconds()
        if name in FREQUENT and now < self._due.get(name, 0.0):
            return
        self._due[name] = now + PERIOD
        self._drawing.draw(name, self.now(), message_from_bytes(serialised, kind))

    def diagnose(self) -> Diagnosis:
        if not self._server.alive():
            self.get_logger().error("the server of the page has died: the viewer starts again; reload the page")
            self.finish(EXIT_SERVER_DIED)
        return DiagnosticStatus.OK, self._server.url, {}

    def on_stop(self) -> None:
        self._server.close()


def main() -> None:
    """Run the viewer node."""
    run_node(Viewer)
