"""The robot bridge, the only node that communicates with a robot.

All times are on the steady clock. Message stamps are converted when a message arrives or leaves.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from franka_reacher_rl.core.arm.bridge import ARMED, Bridge, Mode, Output, Status
from franka_reacher_rl.core.arm.guard import HEARTBEAT, GuardWatch
from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.drivers import make_driver
from franka_reacher_rl.msg import RobotState, RobotStatus
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_from_stamp, steady_seconds
from franka_reacher_rl.ros.messages import joint_state_msg, robot_state_msg, robot_status_msg
from franka_reacher_rl.ros.move_server import MoveServer
from franka_reacher_rl.ros.node import Node, run_node
from franka_reacher_rl.ros.parameters import declare_frame_prefix, declare_param
from franka_reacher_rl.ros.standard_messages import pose_msg
from franka_reacher_rl.ros.stop_record import StopRecord

MOST_TRIES = 4  # of a cycle whose velocity expires before it is sent
PUBLISHER_CHECK_PERIOD = 0.2  # s, between counts of the publishers of commands
COUNTERS_PERIOD = 0.5  # s, between statuses in which only counters changed
LONGEST_STOP = 1.0  # s, to bring the arm to rest when the node shuts down
GUARD_PATIENCE = 10.0  # s after the start before a missing guard is reported


class RobotBridge(Node):
    """Executes `velocity_command` on one arm and publishes `~/robot_state`, `~/joint_states` and `~/status`.

    It offers the action `~/move_to` and the services `~/stop` and `~/arm` for people, and
    `~/finish` and `~/rearm` for programs.
    """

    task = "arm"

    def __init__(self) -> None:
        super().__init__("robot_bridge")
        robot = Robot.load(
            declare_param(self, "robot", "panda_sim", "robot file: a name in config/robots, or the path of a YAML file")
        )
        address = declare_param(
            self, "address", "", "franka driver: host name or IP address of the robot; empty: that of the robot file"
        )
        if address:
            robot = replace(robot, driver=replace(robot.driver, address=address))
        self.hardware_id = robot.name
        self._frame_prefix = declare_frame_prefix(self)
        self._record = StopRecord(self.get_namespace(), robot.name)
        since = self._record.read()
        self._bridge = Bridge(robot, stopped=bool(since) or not robot.simulated)
        if since:
            text = f"a stop that was requested at {since} still holds; to continue, when it is safe"
            self.get_logger().warning(f"{text}: {self._arm_command}")
        self._guard = GuardWatch(robot)
        self._guard_expected = steady_seconds() + GUARD_PATIENCE
        self._driver = make_driver(self, robot)
        self._published_status: Status | None = None
        self._status_due = 0.0
        self._refused_before = 0  # commands, at the last diagnosis
        self._states = self.create_publisher(RobotState, "~/robot_state", qos.RELIABLE)
        self._joint_states = self.create_publisher(JointState, "~/joint_states", qos.RELIABLE)
        self._statuses = self.create_publisher(RobotStatus, "~/status", qos.LATCHED)
        self._commands = self.create_subscription(JointState, "velocity_command", self._on_command, qos.RELIABLE)
        self.create_subscription(Empty, HEARTBEAT, self._on_heartbeat, qos.RELIABLE)
        self.create_service(Trigger, "~/stop", self._on_stop_request)
        self.create_service(Trigger, "~/finish", self._on_finish_request)
        self.create_service(Trigger, "~/arm", self._on_arm_request)
        self.create_service(Trigger, "~/rearm", self._on_rearm_request)
        self._moves = MoveServer(self, self._bridge)
        self.steady_timer(1.0 / robot.driver.control_rate, self._cycle)
        self.steady_timer(PUBLISHER_CHECK_PERIOD, self._count_publishers)

    # -- the control cycle ----------------------------------------------------------------------------------------

    def _cycle(self) -> None:
        now = steady_seconds()
        measurement = self._driver.state()
        if measurement is not None:
            self._bridge.take_state(now, measurement.stamp, measurement.q, measurement.dq)
        self._bridge.awaited = self._driver.waiting_for()
        fault = self._driver.fault()
        if fault:
            self._bridge.fail(now, fault)
        interruption = self._driver.interruption()
        if interruption:
            self._bridge.interrupt(now, interruption)
            self.get_logger().warning(interruption, throttle_duration_sec=1.0)
        self._watch_guard(now)
        output = self._command(now)
        if self._bridge.measured is not None:
            self._publish_state(self._bridge.measured, output)
        self._publish_status()
        self._moves.update(now)

    def _command(self, now: float) -> Output:
        """Decide the velocity of this cycle and send it; decide anew if it expires since the process was stopped."""
        for _ in range(MOST_TRIES):
            output = self._bridge.update(now)
            expires = now + self._bridge.robot.driver.deadline
            if self._bridge.status.mode is Mode.STARTING or self._driver.send(output.velocity, expires):
                break
            now = steady_seconds()
        return output

    def _watch_guard(self, now: float) -> None:
        """Report a missing command guard; without it, a real arm that is armed stops."""
        problem = self._guard.problem(now)
        if problem and self._bridge.status.mode in ARMED and not self._bridge.robot.simulated:
            self._bridge.fail(now, problem)
        elif problem and now > self._guard_expected:
            self.get_logger().warning(problem, throttle_duration_sec=60.0)

    @property
    def _arm_command(self) -> str:
        return f"ros2 service call {self.resolve_service_name('~/arm')} std_srvs/srv/Trigger"

    def _publish_state(self, measured: JointMeasurement, output: Output) -> None:
        state = robot_state_msg(self._bridge.robot, measured, output, self._frame_prefix)
        if np.isfinite(measured.q).all():
            state.o_t_ee = pose_msg(self._bridge.kinematics.forward(measured.q))
        self._states.publish(state)
        if self._joint_states.get_subscription_count():
            self._joint_states.publish(joint_state_msg(state))

    def _publish_status(self) -> None:
        status, now = self._bridge.status, steady_seconds()
        if status is self._published_status or (self._only_counted() and now < self._status_due):
            return
        self._log_changes()
        self._published_status, self._status_due = status, now + COUNTERS_PERIOD
        self._statuses.publish(robot_status_msg(self._bridge.robot, status, self.get_clock().now().to_msg()))

    def _only_counted(self) -> bool:
        status, before = self._bridge.status, self._published_status
        return before is not None and (status.mode, status.fault) == (before.mode, before.fault)

    def _log_changes(self) -> None:
        status, before = self._bridge.status, self._published_status or Status()
        if status.fault and status.fault != before.fault:
            self.get_logger().error(f"fault: {status.fault}; once the cause is fixed: {self._arm_command}")
        if status.mode is Mode.STOPPED and before.mode is not Mode.STOPPED:
            self.get_logger().info(f"stopped; to continue, when it is safe: {self._arm_command}")
        if status.commands_refused != before.commands_refused:
            self.get_logger().warning(f"command refused: {status.last_refusal}", throttle_duration_sec=2.0)

    # -- inputs ---------------------------------------------------------------------------------------------------

    def _on_command(self, message: JointState) -> None:
        stamp = steady_from_stamp(message.header.stamp) * 1e-9
        self._bridge.take_command(steady_seconds(), stamp, message.name, message.velocity)

    def _count_publishers(self) -> None:
        if self._commands.handle is None:
            return
        infos = self.get_publishers_info_by_topic(self._commands.topic_name)
        self._bridge.set_publishers([f"{i.node_namespace.rstrip('/')}/{i.node_name}" for i in infos])

    def _on_heartbeat(self, message: Empty) -> None:
        self._guard.on_heartbeat(steady_seconds())

    def _on_stop_request(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._bridge.stop(steady_seconds())
        self._update_record()
        response.success, response.message = True, "stopping; call ~/arm to continue"
        return response

    def _on_finish_request(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Stop the arm at the end of a run; unlike a stop, this need not be lifted by a person."""
        self._bridge.stop(steady_seconds(), "the run has ended", requested=False)
        response.success, response.message = True, "stopping"
        return response

    def _on_arm_request(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._arm(response, person=True)

    def _on_rearm_request(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Arm a simulated robot for a program, unless a person has stopped it."""
        return self._arm(response, person=False)

    def _arm(self, response: Trigger.Response, *, person: bool) -> Trigger.Response:
        self._count_publishers()
        now = steady_seconds()
        unguarded = "" if self._bridge.robot.simulated else self._guard.problem(now)
        problem = unguarded or (self._driver.recover() if person else "") or self._bridge.arm(now, person)
        if not problem:
            self._update_record()
        response.success, response.message = not problem, problem or "armed"
        return response

    def _update_record(self) -> None:
        """Record on disk whether a requested stop holds, for the next bridge of this robot."""
        try:
            if self._bridge.status.stop_requested:
                self._record.write()
            else:
                self._record.clear()
        except OSError as error:
            self.get_logger().error(f"a restarted bridge will not know of stop and arm requests: {error}")

    # -- diagnostics and shutdown ---------------------------------------------------------------------------------

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        status = self._bridge.status
        values: dict[str, object] = {"robot": self._bridge.robot.name, **vars(status), "mode": status.mode.value}
        refused = status.commands_refused - self._refused_before
        self._refused_before = status.commands_refused
        if status.mode is Mode.FAULT:
            return DiagnosticStatus.ERROR, status.fault, values
        if status.mode not in ARMED:
            return DiagnosticStatus.WARN, f"{status.mode.value}: {self._bridge.waiting_for()}", values
        unguarded = self._guard.problem(steady_seconds())
        if unguarded:
            return DiagnosticStatus.WARN, unguarded, values
        if refused:
            message = f"{refused} commands refused in the last second: {status.last_refusal}"
            return DiagnosticStatus.WARN, message, values
        return DiagnosticStatus.OK, status.mode.value, values

    def on_suspend(self) -> None:
        """Bring the arm to rest; it stays stopped when the process goes on, until it is armed."""
        self._bridge.stop(steady_seconds(), "the bridge was suspended", requested=False)
        self._bring_to_rest()

    def on_stop(self) -> None:
        """Bring the arm to rest before the node ends, for whatever reason it ends."""
        self._bring_to_rest()
        self._driver.close()
        self._moves.close()

    def _bring_to_rest(self) -> None:
        if self._bridge.status.mode is not Mode.STARTING:
            period = 1.0 / self._bridge.robot.driver.control_rate
            end = steady_seconds() + LONGEST_STOP
            while not self._bridge.motion.at_rest and steady_seconds() < end:
                self._driver.send(self._bridge.brake().velocity)
                time.sleep(period)
            self._driver.send(np.zeros(self._bridge.robot.dof))
            self._driver.flush(max(0.0, end - steady_seconds()))


def main() -> None:
    """Run the robot bridge."""
    run_node(RobotBridge)
