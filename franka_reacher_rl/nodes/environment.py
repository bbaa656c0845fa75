"""The environment node: the action cycle, the numbering of steps and the resets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point
from rclpy.action import ActionClient
from rclpy.duration import Duration
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from franka_reacher_rl import action, msg, srv
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import EndReason, Observation, Tick
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.base.settings import EpisodeSettings, ImageSettings
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.core.loop import environment as loop
from franka_reacher_rl.core.loop.events import (
    Ask,
    CancelMove,
    EpisodeEnd,
    Output,
    Phase,
    Request,
    RunPlan,
    RunState,
    Warn,
)
from franka_reacher_rl.core.loop.inputs import MAX_WAITING, Inputs
from franka_reacher_rl.core.loop.sign_of_life import SignOfLife
from franka_reacher_rl.core.run.progress_file import ProgressFile, continued
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import measured_from_stamp, stamp_ns, steady_ns
from franka_reacher_rl.ros.intake import FrameIntake, LazyImage
from franka_reacher_rl.ros.messages import (
    action_from_msg,
    check_robot_status,
    observation_msg,
    robot_state_from_msg,
    summary_msg,
    tick_msg,
)
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param
from franka_reacher_rl.ros.run.control import RunControl
from franka_reacher_rl.ros.services import Goal, LatestAnswer, call
from franka_reacher_rl.ros.standard_messages import MOST_BYTES, stamp_from_bytes

_POLL_PERIOD = 0.05  # s
ACTOR_TIMEOUT = 2.0  # s without a sign of life of the actor after which no episode begins
_PATIENCE = 10.0  # s before a wait is reported; nodes take this long to start on a busy machine
_MANY_LATE = 0.1  # fraction of late cycles above which diagnostics warn
_READ_AHEAD = 1_000_000  # ns before a deadline: what has arrived is decoded, so that little is left to do at it
_STOP_PATIENCE = 2.0  # s for the robot to answer the final stop


class Environment(Node):
    """Publishes `~/observation` and `~/cycle` once per action cycle, and `~/episode` at each episode's end.

    With `reset.confirm` in the robot file, each episode waits for a call of the service `~/continue`.
    """

    task = "cycle"

    def __init__(self) -> None:
        super().__init__("environment")
        settings = declare(self, EpisodeSettings, "episode")
        self._late_ms = settings.late_ms
        self._taken = self._late = 0  # observations since the last diagnosis
        self._robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        seed = declare_param(self, "seed", 0, "seed of start poses and targets")
        if seed < 0:
            raise ValueError(f"parameter seed = {seed} is not allowed: 0 or more")
        self._learner_timeout = declare_param(
            self,
            "learner_timeout",
            0.0,
            "time without a sign of life of the learner after which no episode begins; 0: there is none [s]",
        )
        self._plan = declare(self, RunPlan, "run")
        progress = declare_param(self, "progress", "", "file that keeps the progress of the run; empty: none")
        self._progress = ProgressFile(Path(progress), self.run.id) if progress else None
        state = self._take_up()
        frozen = declare_param(self, "refuse_frozen", True, "refuse frames that do not change while the arm moves")
        intake = FrameIntake(declare(self, ImageSettings, "image"))
        self._inputs: Inputs[LazyImage] = Inputs(lambda image: intake(image.message), frozen=frozen)
        self._loop = loop.Environment(
            settings, self._robot, self._inputs, lambda e: reset_rng(seed, e), self._plan, state
        )
        self._status = msg.RobotStatus()
        self._actor, self._learner = SignOfLife(ACTOR_TIMEOUT), SignOfLife(self._learner_timeout)
        self._connect()
        self._alarm, self._ahead = self.alarm(self._on_alarm), self.alarm(self._read)
        self.steady_timer(_POLL_PERIOD, self._poll)

    def _take_up(self) -> RunState:
        """Continue after the last episode of a predecessor in the same run, and return the run's state."""
        done = self._progress.load() if self._progress is not None else None
        if done is None:
            return RunState.RUNNING
        self.get_logger().warning(
            f"takes up the run after episode {done.episode}, which is not on record if it was incomplete"
        )
        self._plan = continued(self._plan, done)
        return done.state

    def _connect(self) -> None:
        self._observations = self.create_publisher(msg.Observation, "~/observation", qos.RELIABLE)
        self._cycles = self.create_publisher(msg.Tick, "~/cycle", qos.EVENT)
        self._summaries = self.create_publisher(msg.EpisodeSummary, "~/episode", qos.SUMMARIES)
        self._inboxes = [
            self.poll_subscription(Image, "image", self._on_image, qos.newest(MAX_WAITING), raw=True),
            self.poll_subscription(msg.Reward, "reward", self._on_reward, qos.newest(MAX_WAITING)),
            self.poll_subscription(msg.RobotState, "robot_state", self._on_state, qos.RELIABLE),
        ]
        self.create_subscription(msg.RobotStatus, "robot_status", self._on_status, qos.LATCHED)
        self.create_subscription(msg.Action, "action", self.run.only(self._on_action), qos.EVENT)
        self.create_subscription(Bool, "actor_ready", self._on_ready, qos.LATCHED)
        if self._learner_timeout:
            self.create_subscription(msg.LearnerStatus, "learner_status", self.run.only(self._on_learner), qos.EVENT)
        # Unlike services, actions are not remapped by their name (before ROS 2 Rolling), but this name is.
        self._move_to = ActionClient(self, action.MoveTo, self.resolve_service_name("move_to"))
        self._goal: Goal | None = None
        self._place_target = self.create_client(srv.PlaceTarget, "place_target")
        self._continue = self.create_service(Trigger, "~/continue", self._on_continue)
        self._control = RunControl(self, self._loop, self._send)
        self._requests = {r: self.create_client(Trigger, r.value) for r in Request}
        self._senders: dict[type, Callable[[Any], None]] = {
            Tick: lambda tick: self._cycles.publish(self.run.mark(tick_msg(tick, self.get_clock().now().to_msg()))),
            Observation: self._publish_observation,
            EpisodeEnd: self._publish_summary,
            MoveTo: self._move,
            CancelMove: lambda _: self._cancel_move(),
            PlaceTarget: self._place,
            Request: self._request,
            Ask: self._ask,
            Warn: self._log,
        }
        self._reset_answer = LatestAnswer(self._on_reset_answer)

    # Inputs

    def _read(self) -> None:
        """Take what has arrived; nothing wakes this process for a frame or a state that is not observed."""
        for read in self._inboxes:
            read()

    def _on_image(self, serialised: bytes) -> None:
        if len(serialised) > MOST_BYTES:  # decoded only if it is observed
            raise ValueError(f"it has {len(serialised)} bytes: at most {MOST_BYTES} are allowed")
        stamp = stamp_from_bytes(serialised)
        self._inputs.on_image(stamp_ns(stamp), measured_from_stamp(stamp), LazyImage(serialised))

    def _on_reward(self, reward: msg.Reward) -> None:
        self._inputs.on_reward(stamp_ns(reward.header.stamp), reward.reward, reward.coverage)

    def _on_state(self, state: msg.RobotState) -> None:
        measured = robot_state_from_msg(state, self._robot.joints)
        self._inputs.on_robot_state(measured_from_stamp(state.header.stamp), measured, state.held_seconds)

    def _on_status(self, status: msg.RobotStatus) -> None:
        check_robot_status(status)
        self._status = status
        self._inputs.on_counters(status.watchdog_stops, status.commands_limited)
        if self._robot_is_down():
            self._send(self._loop.on_robot_down(steady_ns()))

    def _on_ready(self, ready: Bool) -> None:
        self._actor.heard(steady_ns(), well=ready.data)

    def _on_learner(self, status: msg.LearnerStatus) -> None:
        self._learner.heard(steady_ns())

    def _on_action(self, sent: msg.Action) -> None:
        self._read()  # an action after its deadline has the next observation taken at once
        self._send(self._loop.on_action(steady_ns(), action_from_msg(sent)))

    def _on_continue(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        problem = self._loop.on_continue(steady_ns())
        response.success, response.message = not problem, problem or "the episode begins"
        self._set_alarm()
        return response

    # Time

    def _on_alarm(self) -> None:
        self._read()
        self._send(self._loop.on_alarm(steady_ns()))

    def _poll(self) -> None:
        self._read()
        now, missing = steady_ns(), self._missing()
        if self._robot_is_down():
            reason = self._status.fault or "it stopped, since it got no command"
            self._send(self._loop.on_robot_stopped(now, reason, requested=self._status.stop_requested))
        self._send(self._loop.poll(now, missing))
        waiting = self._loop.waiting_for(now, missing)
        if waiting and self._loop.waited(now) > _PATIENCE:
            self.get_logger().warning(f"waiting for {'; '.join(waiting)}", throttle_duration_sec=5.0)
        if self._loop.phase is Phase.ENDED and self._loop.waited(now) > _STOP_PATIENCE:
            self.finish(0)

    def _missing(self) -> list[str]:
        """Name the nodes and states that a reset needs and that are not there; nothing while no reset is due."""
        if self._loop.phase is not Phase.WAITING:
            return []
        arm = f"ros2 service call {self.resolve_service_name('arm')} std_srvs/srv/Trigger"
        down = f"the robot: {self._status.fault or 'stopped'} (when it is safe: {arm})"
        teleport, now = self._robot.reset.strategy == "teleport", steady_ns()
        needs = {
            "the robot bridge to be ready": self._status.mode not in ("", msg.RobotStatus.STARTING),
            down: not self._robot_is_down(),
            f"the actor to have a policy, a learner and a tick{self._actor.silence(now)}": self._actor.well(now),
            f"the learner{self._learner.silence(now)}": not self._learner_timeout or self._learner.well(now),
            "a subscriber of ~/cycle": self._cycles.get_subscription_count() > 0,
            "an actor that subscribes to ~/observation": self._observations.get_subscription_count() > 0,
            "the robot bridge's move_to": self._move_to.server_is_ready(),
            "the simulated world's place_target": not teleport or self._place_target.service_is_ready(),
        }
        return [need for need, there in needs.items() if not there]

    def _robot_is_down(self) -> bool:
        return self._status.mode in (msg.RobotStatus.STOPPED, msg.RobotStatus.FAULT)

    # Outputs

    def _send(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            self._senders[type(output)](output)
        if self._loop.phase is not Phase.RUNNING and self._progress is not None:
            self._progress.save(self._loop.progress)
        self._set_alarm()

    def _publish_observation(self, observation: Observation) -> None:
        self._taken += 1
        self._late += 1e3 * observation.lateness > self._late_ms
        image = self._inputs.image
        assert image is not None, "an observation without an image"
        message = observation_msg(observation, image.message, self._inputs.measured)
        self._observations.publish(self.run.mark(message))

    def _publish_summary(self, end: EpisodeEnd) -> None:
        message = summary_msg(end, self._plan.episodes, self.get_clock().now().to_msg())
        self._summaries.publish(self.run.mark(message))
        if end.summary.end_reason == EndReason.NO_ACTION:  # both have to show that they are alive
            self._actor.forget()
            self._learner.forget()

    def _move(self, move: MoveTo) -> None:
        goal = action.MoveTo.Goal(joint_names=self._robot.joints, position=move.q.tolist())
        self._goal = Goal(self._move_to, goal, self._reset_answer.expect())

    def _cancel_move(self) -> None:
        if self._goal is not None:
            self._goal.cancel()

    def _place(self, target: PlaceTarget) -> None:
        x, y = target.xy.tolist()
        request = srv.PlaceTarget.Request(position=Point(x=x, y=y))
        call(self._place_target, request, self._reset_answer.expect())

    def _ask(self, ask: Ask) -> None:
        how = f"ros2 service call {self.resolve_service_name('~/continue')} std_srvs/srv/Trigger"
        self.get_logger().warning(f"episode {self._loop.episode}: {ask.text}, then: {how}")

    def _log(self, warning: Warn) -> None:
        # On lines of their own: rclpy refuses to log from one line with different severities.
        if warning.error:
            self.get_logger().error(warning.text)
        else:
            self.get_logger().warning(warning.text)

    def _set_alarm(self) -> None:
        due = self._alarm.due = self._loop.alarm
        self._ahead.due = None if due is None else due - _READ_AHEAD

    def _on_reset_answer(self, answer: Any) -> None:
        success, message = (answer.success, answer.message) if answer else (False, "the robot bridge rejects the goal")
        self._send(self._loop.on_reset_step(steady_ns(), success, shortened(message, 500)))

    def _request(self, request: Request) -> None:
        """Call the bridge. The run ends with its answer to `finish`, not with a late answer to an earlier call."""

        def answered(response: Trigger.Response) -> None:
            if request is Request.FINISH:
                self.finish(0)

        call(self._requests[request], Trigger.Request(), answered)

    def diagnose(self) -> Diagnosis:
        now, step = steady_ns(), self._loop.step
        taken, late, self._taken, self._late = self._taken, self._late, 0, 0
        phase = self._loop.phase.value
        values = {"phase": phase, "episode": step.episode, "step": step.step, "cycles": taken, "late_cycles": late}
        waiting = self._loop.waiting_for(now, self._missing())
        if waiting and self._loop.waited(now) > _PATIENCE:
            return DiagnosticStatus.WARN, f"waiting for {'; '.join(waiting)}", values
        if late > _MANY_LATE * taken:
            return DiagnosticStatus.WARN, f"{late} of {taken} cycles later than {self._late_ms:g} ms", values
        return DiagnosticStatus.OK, phase, values

    def on_stop(self) -> None:
        """Cancel a reset's move, and wait until the last episode's summary has arrived."""
        if self._loop.phase is Phase.RESETTING:
            self._cancel_move()
        self._summaries.wait_for_all_acked(Duration(seconds=1.0))
        self._move_to.destroy()


def main() -> None:
    """Run the environment node."""
    run_node(Environment)
