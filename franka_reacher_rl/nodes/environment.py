"""The environment: the Gymnasium of the graph. Keeps the action cycle, numbers the steps and runs the resets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from rclpy.duration import Duration
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Header
from std_srvs.srv import Trigger

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import EndReason, Observation, StepId
from franka_reacher_rl.core.base.quantiles import median, quantile
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.task.cycle import Cycle, EpisodeClock
from franka_reacher_rl.core.task.reset import MoveTo as MoveStep
from franka_reacher_rl.core.task.reset import PlaceTarget as PlaceStep
from franka_reacher_rl.core.task.reset import reset_steps
from franka_reacher_rl.core.task.summary import EpisodeRecord
from franka_reacher_rl.msg import Action, EpisodeStatus, Reward, RobotState, RobotStatus, Tick
from franka_reacher_rl.msg import Observation as ObservationMsg
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.messages import (
    floats_msg,
    frame_from_msg,
    observation_msg,
    robot_state_from_msg,
    time_from_msg,
)
from franka_reacher_rl.ros.node import Node, run_node
from franka_reacher_rl.ros.parameters import declare, declare_param
from franka_reacher_rl.srv import MoveTo, PlaceTarget

_KEPT_IMAGES = 8  # waiting for their reward
_PATIENCE = 10.0  # s; nodes take this long to start on a busy machine
_MOST_ARMINGS = 20  # of a simulated robot in one run
_STALE = 0.5  # s; a camera or an arm whose news are older ends the episode


class Phase(Enum):
    """What the environment is doing."""

    WAITING = "waiting"  # for inputs and nodes
    RESETTING = "resetting"
    SETTLING = "settling"  # for a frame and a robot state from after the reset
    RUNNING = "running"
    ENDED = "ended"


class Environment(Node):
    """Publishes `~/observation` and `~/cycle` once per action cycle, and `~/episode` at each episode's end."""

    def __init__(self) -> None:
        super().__init__("environment")
        self._settings = declare(self, EpisodeSettings, "episode")
        self._robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        seed = declare_param(self, "seed", 0, "seed of start poses and targets")
        self._episodes = declare_param(self, "episodes", 0, "episodes to run; 0: no limit")
        self._minutes = float(declare_param(self, "training_minutes", 0.0, "training time to run [min]; 0: no limit"))
        first = declare_param(self, "first_episode", 1, "number of the first episode, above 1 in a resumed run")
        self._training_seconds = float(declare_param(self, "training_seconds", 0.0, "training time so far [s]"))
        self._total_steps = declare_param(self, "total_steps", 0, "steps so far")
        for name, value in (("episodes", self._episodes), ("training_minutes", self._minutes), ("seed", seed)):
            if value < 0:
                raise ValueError(f"parameter {name} = {value} is not allowed: 0 or more")
        self._random = np.random.default_rng([seed, first])
        self._phase = Phase.WAITING
        self._record = EpisodeRecord(first - 1)
        self._episode_clock = EpisodeClock(self._settings)
        self._images: OrderedDict[float, Image] = OrderedDict()
        self._rewards: OrderedDict[float, float] = OrderedDict()
        self._frame: tuple[Image, float] | None = None  # the newest frame with its reward
        self._state: RobotState | None = None
        self._status = RobotStatus()
        self._actor_ready = False
        self._steps: list[MoveStep | PlaceStep] = []
        self._phase_began = self._reset_began = time.monotonic()
        self._reset_ended = 0.0  # ROS time
        self._reset_seconds = 0.0
        self._connect()

    def _connect(self) -> None:
        self._observations = self.create_publisher(ObservationMsg, "~/observation", qos.RELIABLE)
        self._cycles = self.create_publisher(Tick, "~/cycle", qos.EVENT)
        self._statuses = self.create_publisher(EpisodeStatus, "~/episode", qos.EVENT)
        self.create_subscription(Image, "image", self._on_image, qos.NEWEST)
        self.create_subscription(Reward, "reward", self._on_reward, qos.NEWEST)
        self.create_subscription(RobotState, "robot_state", self._on_state, qos.RELIABLE)
        self.create_subscription(RobotStatus, "robot_status", self._on_status, qos.LATCHED)
        self.create_subscription(Action, "action", self._on_action, qos.EVENT)
        self.create_subscription(Bool, "actor_ready", self._on_ready, qos.LATCHED)
        self._move_to = self.create_client(MoveTo, "move_to")
        self._place_target = self.create_client(PlaceTarget, "place_target")
        self._stop = self.create_client(Trigger, "stop")
        self._arm = self.create_client(Trigger, "arm")
        self._armings = 0
        self._deadline = self.create_timer(3600.0, self._on_deadline)
        self._deadline.cancel()
        self.create_timer(0.05, self._look_around)

    # Inputs

    def _on_image(self, image: Image) -> None:
        stamp = time_from_msg(image.header.stamp)
        self._images[stamp] = image
        self._pair(stamp)

    def _on_reward(self, reward: Reward) -> None:
        stamp = time_from_msg(reward.header.stamp)
        self._rewards[stamp] = reward.reward
        self._pair(stamp)

    def _pair(self, stamp: float) -> None:
        """A frame counts once its reward is there; they come over two topics, in any order."""
        if stamp in self._images and stamp in self._rewards:
            newest = self._frame is None or stamp > time_from_msg(self._frame[0].header.stamp)
            image, reward = self._images.pop(stamp), self._rewards.pop(stamp)
            if newest:
                self._frame = (image, reward)
        for waiting in (self._images, self._rewards):
            while len(waiting) > _KEPT_IMAGES:
                waiting.popitem(last=False)  # type: ignore[attr-defined]

    def _on_state(self, state: RobotState) -> None:
        self._state = state

    def _on_status(self, status: RobotStatus) -> None:
        self._status = status
        if self._phase is Phase.RUNNING and self._robot_is_down():
            self._take(EndReason.ROBOT_STOPPED)

    def _on_ready(self, ready: Bool) -> None:
        self._actor_ready = ready.data

    def _on_action(self, action: Action) -> None:
        current = StepId(self._record.episode, self._episode_clock.step)
        if self._phase is not Phase.RUNNING or StepId(action.episode, action.step) != current:
            return
        self._record.add_action(
            action.policy_version,
            action.observation_age,
            action.response_time,
            action.policy_age,
            action.policy_age_steps,
        )
        self._episode_clock.on_action(action.step)
        if self._episode_clock.due(time.monotonic()):
            self._take()

    # The action cycle

    def _on_deadline(self) -> None:
        self._deadline.cancel()
        if self._phase is Phase.RUNNING and self._episode_clock.due(time.monotonic()):
            self._take()

    def _arm_deadline(self) -> None:
        wait = max(0.0, self._episode_clock.deadline - time.monotonic())
        self._deadline.timer_period_ns = int(wait * 1e9)
        self._deadline.reset()

    def _begin(self) -> None:
        self._phase = Phase.RUNNING
        now = time.monotonic()
        self._record.started = now
        self._publish(self._episode_clock.begin(now))
        self._arm_deadline()

    def _take(self, end: EndReason | None = None) -> None:
        """Takes the next observation and publishes it; the last of the episode where it is time or `end` says so."""
        if end is None and (lost := self._stale()):
            self.get_logger().error(f"episode {self._record.episode} ends: {lost}")
            end = EndReason.INPUT_LOST
        cycle = self._episode_clock.take(time.monotonic(), end)
        self._record.add_cycle(self._frame[1] if self._frame else 0.0, cycle.lateness)
        self._publish(cycle)
        if cycle.end:
            self._end(cycle.end)
        else:
            self._arm_deadline()

    def _publish(self, cycle: Cycle) -> None:
        assert self._frame is not None and self._state is not None, "an episode began without inputs"
        image, reward = self._frame
        stamp = self.get_clock().now().to_msg()
        # The tick first: where it goes to the actor, it acts as soon as the observation is there.
        self._cycles.publish(Tick(stamp=stamp, episode=self._record.episode, step=cycle.step))
        observation = Observation(
            id=StepId(self._record.episode, cycle.step),
            frame=frame_from_msg(image),
            proprioception=robot_state_from_msg(self._state).proprioception(),
            reward=reward if cycle.step else 0.0,
            first=cycle.step == 0,
            terminated=False,
            truncated=cycle.end is not None,
        )
        header = Header(stamp=stamp, frame_id=image.header.frame_id)  # its own: the image keeps the capture's stamp
        message = observation_msg(observation, header, image)
        message.lateness = cycle.lateness
        message.robot_stamp = self._state.header.stamp
        self._observations.publish(message)

    def _end(self, reason: EndReason) -> None:
        record, now = self._record, time.monotonic()
        self._training_seconds += now - record.started
        self._total_steps += record.steps
        last = (0 < self._episodes <= record.episode) or (0 < self._minutes * 60 <= self._training_seconds)
        samples = (record.lateness, record.observation_age, record.response_time)
        late, age, response = (1e3 * np.array(sample) for sample in samples)  # ms
        status = EpisodeStatus(
            episode=record.episode,
            episodes=self._episodes,
            steps=record.steps,
            episode_return=record.episode_return,
            truncated=True,
            end_reason=reason.value,
            last=last,
            cycle_ms=self._settings.cycle_ms,
            duration=now - record.started,
            training_seconds=self._training_seconds,
            total_steps=self._total_steps,
            late_cycles=record.late_cycles(self._settings.late_ms / 1e3),
            lateness_ms_median=median(late),
            lateness_ms_p99=quantile(late, 0.99),
            lateness_ms_max=quantile(late, 1.0),
            observation_age_ms_median=median(age),
            observation_age_ms_p99=quantile(age, 0.99),
            response_time_ms_median=median(response),
            response_time_ms_p99=quantile(response, 0.99),
            policy_age_s_median=median(record.policy_age),
            policy_age_steps_median=median(record.policy_age_steps),
            policy_version=record.policy_version,
            reset_seconds=self._reset_seconds,
            observation_age=floats_msg(record.observation_age),
            response_time=floats_msg(record.response_time),
            policy_age=floats_msg(record.policy_age),
            lateness=floats_msg(record.lateness),
        )
        status.header.stamp = self.get_clock().now().to_msg()
        self._statuses.publish(status)
        if last:
            self._phase = Phase.ENDED
            self._call(self._stop, Trigger.Request(), lambda response: self.finish(0))
        else:
            self._enter(Phase.WAITING)

    # Between episodes

    def _enter(self, phase: Phase) -> None:
        self._phase, self._phase_began = phase, time.monotonic()

    def _look_around(self) -> None:
        """Twenty times a second: moves on between episodes, and notices what should have happened by now."""
        if self._phase is Phase.RUNNING:
            self._look_at_episode()
        elif self._phase is Phase.WAITING and self._nothing_missing(self._missing()):
            self._reset()
        elif self._phase is Phase.WAITING:
            self._arm_simulated_robot()
        elif self._phase is Phase.SETTLING and self._nothing_missing(self._unsettled()):
            self._reset_seconds = time.monotonic() - self._reset_began
            self._begin()
        elif self._phase is Phase.ENDED and time.monotonic() - self._phase_began > 2.0:
            self.finish(0)

    def _look_at_episode(self) -> None:
        if self._episode_clock.timed_out(time.monotonic()):
            self.get_logger().error(
                f"episode {self._record.episode} ends: no action for {self._settings.action_timeout} s after step "
                f"{self._episode_clock.step}; is the actor (sync: the learner) alive?"
            )
            self._take(EndReason.NO_ACTION)

    def _arm_simulated_robot(self) -> None:
        """A simulated arm needs no person to look at it after a fault, such as a computer too busy to move it."""
        waited = time.monotonic() - self._phase_began > 1.0
        if not self._robot.simulated or self._status.mode != RobotStatus.FAULT or not waited:
            return
        if self._armings < _MOST_ARMINGS and self._arm.service_is_ready():
            self._armings += 1
            self.get_logger().warning(f"arms the simulated robot again after a fault: {self._status.fault}")
            self._call(self._arm, Trigger.Request(), lambda response: None)

    def _nothing_missing(self, missing: list[str]) -> bool:
        if missing and time.monotonic() - self._phase_began > _PATIENCE:
            self.get_logger().warning(f"waiting for {'; '.join(missing)}", throttle_duration_sec=5.0)
        return not missing

    def _missing(self) -> list[str]:
        missing = [lost] if (lost := self._stale()) else []
        if self._status.mode == RobotStatus.STARTING or not self._status.mode:
            missing.append("the robot bridge to be ready")
        elif self._robot_is_down():
            how = "ros2 service call /robot_bridge/arm std_srvs/srv/Trigger"
            missing.append(f"the robot: {self._status.fault or 'stopped'} (when it is safe: {how})")
        if not self._actor_ready:
            missing.append("the actor to have a policy, a learner and a tick")
        if not self._cycles.get_subscription_count():
            missing.append("somebody who listens to ~/cycle")
        if not self._observations.get_subscription_count():
            missing.append("an actor that listens to ~/observation")
        if not self._move_to.service_is_ready():
            missing.append("the bridge's move_to service")
        if self._robot.reset.strategy == "teleport" and not self._place_target.service_is_ready():
            missing.append("the simulated world's place_target service")
        return missing

    def _stale(self) -> str:
        """Which input is missing or too old; empty: none."""
        now = self.now()
        if self._frame is None:
            return "a frame with its reward on `image` and `reward`"
        if (age := now - time_from_msg(self._frame[0].header.stamp)) > _STALE:
            return f"a fresh frame: the newest is {age:.1f} s old"
        if self._state is None:
            return "the robot's state on `robot_state`"
        if (age := now - time_from_msg(self._state.header.stamp)) > _STALE:
            return f"a fresh robot state: the newest is {age:.1f} s old"
        return ""

    def _robot_is_down(self) -> bool:
        return self._status.mode in (RobotStatus.STOPPED, RobotStatus.FAULT)

    def _unsettled(self) -> list[str]:
        stamps = [self._frame[0].header.stamp] if self._frame else []
        stamps += [self._state.header.stamp] if self._state else []
        fresh = len(stamps) == 2 and all(time_from_msg(s) > self._reset_ended for s in stamps)
        return [] if fresh else ["a frame and a robot state from after the reset"]

    def _reset(self) -> None:
        self._enter(Phase.RESETTING)
        self._reset_began = time.monotonic()
        self._record = EpisodeRecord(self._record.episode + 1)
        self._steps = reset_steps(self._robot, self._random)
        self._next_step()

    def _next_step(self) -> None:
        if not self._steps:
            self._reset_ended = self.now()
            self._enter(Phase.SETTLING)
            return
        step = self._steps.pop(0)
        if isinstance(step, MoveStep):
            request = MoveTo.Request(joint_names=self._robot.joints, position=[float(v) for v in step.q])
            self._call(self._move_to, request, self._on_step)
        else:
            x, y = (float(v) for v in step.xy)
            self._call(self._place_target, PlaceTarget.Request(position=Point(x=x, y=y)), self._on_step)

    def _on_step(self, response: Any) -> None:
        if response.success:
            self._next_step()
            return
        self.get_logger().error(f"the reset failed and is tried again: {response.message}")
        self._record = EpisodeRecord(self._record.episode - 1)
        self._enter(Phase.WAITING)

    def _call(self, client: Any, request: Any, then: Callable[[Any], None]) -> None:
        def done(future: Future) -> None:
            then(future.result())

        self._phase_began = time.monotonic()
        client.call_async(request).add_done_callback(done)

    def on_stop(self) -> None:
        """The last episode's status must not end with the process."""
        self._statuses.wait_for_all_acked(Duration(seconds=1.0))


def main() -> None:
    """Runs the environment."""
    run_node(Environment)
