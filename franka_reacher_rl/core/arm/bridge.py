"""The robot bridge as a state machine without ROS and without a clock: every call is given the time.

Commands, measurements and requests arrive between control cycles. `update` runs one cycle and returns the velocity to
send to the driver. All times are in seconds on one clock, whose origin does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from franka_reacher_rl.core.arm.commands import Command, Refusal, Refused, by_joint, check_stamp
from franka_reacher_rl.core.arm.health import JointMeasurement, StateMonitor
from franka_reacher_rl.core.arm.kinematics import Kinematics, check_start_poses
from franka_reacher_rl.core.arm.moves import Move, check_goal
from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake
from franka_reacher_rl.core.arm.region import Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.safety import SafetyFilter
from franka_reacher_rl.core.arm.status import ARMED as ARMED
from franka_reacher_rl.core.arm.status import RAMPING, Filtered, Reason
from franka_reacher_rl.core.arm.status import Mode as Mode
from franka_reacher_rl.core.arm.status import Output as Output
from franka_reacher_rl.core.arm.status import Status as Status
from franka_reacher_rl.core.arm.tracking import CycleClock, Tracking
from franka_reacher_rl.core.base.datatypes import Vector


class Bridge:
    """Turns commands and requests into safe velocities for one robot.

    Args:
        robot: The robot file.
        stopped: Whether a person has to arm the bridge before the arm moves: for a real arm, or after a requested stop.

    Raises:
        ValueError: The robot file does not match its URDF or itself.
    """

    def __init__(self, robot: Robot, *, stopped: bool = False) -> None:
        self.robot = robot
        self.kinematics = Kinematics(robot)
        check_start_poses(robot, self.kinematics)
        self.status = Status(stop_requested=stopped)
        self.motion = Motion.rest(robot.dof)
        self.awaited = ""  # what the driver waits for before it gives measurements
        self._task = SafetyFilter(robot, self.kinematics, Region.for_task(robot))
        self._moves = SafetyFilter(robot, self.kinematics, Region.for_moves(robot))
        self._limits: Limits = self._moves.region.limits
        self._command: Command | None = None
        self._command_limited = False
        self._newest_stamp = -np.inf
        self._move: Move | None = None
        self._publishers: tuple[str, ...] = ()
        self._clock = CycleClock(robot.driver)
        self._tracking = Tracking(robot.driver, robot.dof)
        self._reasons: tuple[Reason, ...] = ()
        self._check_skipped = False
        self._interrupted = False
        self._held = 0.0  # s
        self._monitor = StateMonitor(robot.bridge.state_timeout)

    @property
    def measured(self) -> JointMeasurement | None:
        """The newest joint measurement, or None before the first."""
        return self._monitor.newest

    # -- inputs ---------------------------------------------------------------------------------------------------

    def take_state(self, now: float, stamp: float, q: Vector, dq: Vector) -> None:
        """Take a joint measurement; ignore it if it is no newer than the last, and fail if it is not finite.

        Args:
            now: Time of arrival, s.
            stamp: Time of measurement, s; 0 if the source gives none.
            q: Joint positions, (joints,) in rad.
            dq: Joint velocities, (joints,) in rad/s.
        """
        self._monitor.take(now, JointMeasurement(stamp or now, q, dq))
        if self._monitor.not_finite and self.status.mode is not Mode.STARTING:
            self.fail(now, self._monitor.not_finite)

    def take_command(self, now: float, stamp: float, names: Sequence[str], velocity: Sequence[float]) -> Refusal | None:
        """Take a velocity command; a refused command changes only the counters.

        Args:
            now: Current time, s.
            stamp: Time at which the command was issued, s.
            names: One joint name per velocity, in any order.
            velocity: Joint velocities, rad/s.

        Returns:
            Why the command was refused, or None.
        """
        try:
            ordered = by_joint(self.robot.joints, names, velocity)
            check_stamp(stamp, now, self.robot.bridge.max_command_age, self._newest_stamp)
            if self.status.mode is Mode.MOVING:
                raise Refused(Refusal.MOVING, "a move is in progress")
            if self.status.mode not in ARMED:
                raise Refused(Refusal.NOT_ARMED, self.waiting_for())
        except Refused as refused:
            refusal = f"{refused.refusal.value}: {refused}"
            self._set(commands_refused=self.status.commands_refused + 1, last_refusal=refusal)
            return refused.refusal
        self._command = Command(ordered, stamp, now)
        self._command_limited = False
        self._newest_stamp = stamp
        self._set(mode=Mode.RUNNING, commands_accepted=self.status.commands_accepted + 1)
        return None

    def set_publishers(self, names: Sequence[str]) -> None:
        """Set the names of the nodes that publish velocity commands; more than one is a fault."""
        self._publishers = tuple(names)

    def move_to(self, now: float, names: Sequence[str], position: Sequence[float], timeout: float = 0.0) -> Move:
        """Start a move to a joint configuration.

        Args:
            now: Current time, s.
            names: One joint name per position, in any order.
            position: Joint positions to reach, rad.
            timeout: Time after which the move fails, s; 0: `reset.timeout` of the robot file.

        Returns:
            The move, which is updated until it is done.

        Raises:
            ValueError: A position or the timeout is not allowed.
            Refused: The names are wrong, or the bridge cannot move the arm now.
        """
        goal = by_joint(self.robot.joints, names, position)
        check_goal(goal, timeout, self.robot.joints, self._moves.region)
        if self.status.mode is Mode.MOVING:
            raise Refused(Refusal.MOVING, "another move is in progress")
        if self.status.mode not in ARMED:
            raise Refused(Refusal.NOT_ARMED, self.waiting_for())
        self._move = Move(goal, now, timeout or self.robot.reset.timeout)
        self._command = None
        self._set(mode=Mode.MOVING)
        return self._move

    def stop(self, now: float, reason: str = "stopped on request", *, requested: bool = True) -> None:
        """Ramp to rest and stay there until `arm` is called.

        Args:
            now: Current time, s.
            reason: Ends a move in progress with this message.
            requested: Whether a person has requested the stop, so that no program may call `arm`.
        """
        self._end_move(now, reason)
        self._command = None
        mode = Mode.FAULT if self.status.mode is Mode.FAULT else Mode.STOPPED
        self._set(mode=mode, stop_requested=self.status.stop_requested or requested)

    def arm(self, now: float, person: bool = True) -> str:
        """Make the bridge ready again after a stop, or after a fault whose cause is fixed.

        Args:
            now: Current time, s.
            person: Whether a person asks. A program may arm a simulated arm only, and not after a requested stop.

        Returns:
            Why that is not possible, or an empty string.
        """
        problem = self._problem(now)
        if not (problem or person or self.robot.simulated):
            problem = "only a person may arm a real arm: call ~/arm"
        if not (problem or person) and self.status.stop_requested:
            problem = "a stop was requested, so only a person may arm the robot: call ~/arm"
        if problem:
            return problem
        if self.status.mode not in ARMED:
            self._monitor.restart_frozen_check()
            self._set(mode=Mode.READY, fault="", stop_requested=False)
        return ""

    def fail(self, now: float, reason: str) -> None:
        """Stop the arm with a fault, which is cleared only by `arm`."""
        if self.status.mode is not Mode.FAULT or self.status.fault != reason:
            self._end_move(now, reason)
            self._command = None
            self._set(mode=Mode.FAULT, fault=reason)

    def interrupt(self, now: float, reason: str) -> None:
        """Report that the arm has stopped itself and is recovering automatically.

        Call this before every `update` for as long as the recovery lasts.
        """
        self._end_move(now, reason)
        self._interrupted = True

    # -- the control cycle ----------------------------------------------------------------------------------------

    def update(self, now: float) -> Output:
        """Run one control cycle at time `now` (s) and return the velocity to send to the driver."""
        dt = self._clock.tick(now)
        paused = self._clock.silence > 0.5 * self.robot.bridge.state_timeout
        # After a pause of this process, unread measurements look late although the arm is fine.
        self._check_skipped = paused and not self._check_skipped
        if not self._check_skipped:
            self._check_health(now, dt)
        self._watch(now)
        self._follow_guard(now)
        if self.status.mode is Mode.HOLDING:
            self._held += self._clock.silence
        if dt == 0.0:
            return self._output(self._reasons)
        filtered = self._decide(now, dt)
        self._count_limited(filtered)
        self.motion, self._reasons = filtered.motion, filtered.reasons
        self._tracking.sent(now, self.motion.velocity)
        return self._output(filtered.reasons)

    def brake(self) -> Output:
        """Run one cycle that only brakes, whatever the state of the arm; used when the program ends."""
        self.motion = brake(self.motion, self._limits, 1.0 / self.robot.driver.control_rate)
        return self._output((Reason.STOPPED,))

    def _output(self, reasons: tuple[Reason, ...]) -> Output:
        return Output(self.motion.velocity, reasons, self.status.mode, self._held)

    def _follow_guard(self, now: float) -> None:
        """Repeat what the arm or its command guard has done since the deadline, if this cycle is later than that."""
        if self._clock.silence > self.robot.bridge.state_timeout:  # a person may not expect that the move goes on
            self._end_move(now, f"the bridge paused for {self._clock.silence:.1f} s")
        for ago in self._clock.braked:
            if not self.motion.at_rest:
                self.motion = brake(self.motion, self._limits, self._clock.period)
                self._tracking.sent(now - ago, self.motion.velocity)

    def _check_health(self, now: float, dt: float) -> None:
        if self.status.mode is Mode.STARTING:
            if not self._monitor.problem(now):
                self._set(mode=Mode.STOPPED if self.status.stop_requested else Mode.READY)
            else:
                return
        if self.status.mode is Mode.FAULT or self._interrupted:  # an arm may send no state while it recovers
            return
        problem = self._problem(now)
        frozen = self._monitor.frozen(self.motion.velocity, dt)
        if not problem and frozen:
            problem = "joint state is frozen: its positions do not change although the arm is commanded to move"
        if problem:
            self.fail(now, problem)

    def _problem(self, now: float) -> str:
        if len(self._publishers) > 1:
            names = ", ".join(self._publishers)
            return f"{len(self._publishers)} nodes publish velocity commands: {names}; stop all but one"
        return self._monitor.problem(now)

    def _watch(self, now: float) -> None:
        """Run the watchdog: ramp to rest when commands cease, and latch if they stay away."""
        if self._command is None or self.status.mode not in (Mode.RUNNING, Mode.HOLDING):
            return
        silence = now - self._command.received
        if self.status.mode is Mode.RUNNING and silence > self.robot.bridge.command_timeout:
            self._set(mode=Mode.HOLDING, watchdog_stops=self.status.watchdog_stops + 1)
        if self.status.mode is Mode.HOLDING and silence > self.robot.bridge.latch_after:
            self._set(mode=Mode.STOPPED)

    def _decide(self, now: float, dt: float) -> Filtered:
        mode, measured = self.status.mode, self.measured
        if self._interrupted:
            self._interrupted = False
            return Filtered(Motion.rest(self.robot.dof), (Reason.INTERRUPTED,))
        if measured is None:
            return Filtered(brake(self.motion, self._limits, dt))
        self._tracking.measure(measured)
        if mode is Mode.RUNNING and self._command is not None:
            return self._filter(self._task, measured, self._command.velocity, now, dt)
        if mode is Mode.MOVING and self._move is not None:
            return self._continue_move(self._move, measured, now, dt)
        reasons = {Mode.HOLDING: (Reason.WATCHDOG,), Mode.STOPPED: (Reason.STOPPED,), Mode.FAULT: (Reason.STOPPED,)}
        if self.motion.at_rest:
            return Filtered(self.motion, reasons.get(mode, ()))
        return Filtered(brake(self.motion, self._limits, dt), reasons.get(mode, ()))

    def _filter(
        self, safety: SafetyFilter, measured: JointMeasurement, velocity: Vector, now: float, dt: float
    ) -> Filtered:
        travel = self._tracking.travel(measured.stamp, now)
        return safety.filter(measured.q, measured.dq, self.motion, velocity, dt, travel, self._clock.slowest)

    def _continue_move(self, move: Move, measured: JointMeasurement, now: float, dt: float) -> Filtered:
        move.check(now, measured.q, self.motion, self.robot)
        if move.done:
            self._move = None
            self._set(mode=Mode.READY)
        if move.done or move.canceled:
            return Filtered(brake(self.motion, self._limits, dt))
        travel = self._tracking.travel(measured.stamp, now)
        velocity = move.velocity(self._moves.predict(measured.q, measured.dq, travel), self.robot)
        return self._filter(self._moves, measured, velocity, now, dt)

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _count_limited(self, filtered: Filtered) -> None:
        """Count a command once if the filter changed it by more than the ramp that every change takes."""
        limited = not RAMPING.issuperset(filtered.reasons)
        if self.status.mode is Mode.RUNNING and limited and not self._command_limited:
            self._command_limited = True
            self._set(commands_limited=self.status.commands_limited + 1)

    def _end_move(self, now: float, reason: str) -> None:
        if self._move is not None:
            self._move.end(now, reason)
            self._move = None
            if self.status.mode is Mode.MOVING:
                self._set(mode=Mode.READY)

    def waiting_for(self) -> str:
        """Return what has to happen before the arm can move, or an empty string if it can."""
        if self.status.mode in ARMED:
            return ""
        if self.status.mode is Mode.FAULT:
            return f"fault: {self.status.fault}; fix the cause, then call ~/arm"
        if self.status.mode is Mode.STOPPED:
            return "the robot is stopped: call ~/arm"
        return self.awaited or "no fresh joint state yet"

    def _set(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
