"""The robot bridge as a state machine: no ROS, no clock; the time is handed in with everything.

Commands, states and requests come in between the control cycles; `update` is the cycle and returns the velocity that
the driver shall carry out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from franka_reacher_rl.core.arm.commands import FUTURE, Command, Refusal, Refused, by_joint, check_stamp
from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.moves import Move
from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.safety import Filtered, Reason, Region, SafetyFilter
from franka_reacher_rl.core.base.datatypes import Vector

FROZEN_TRAVEL = 0.02  # rad commanded without any change of the measured positions
ON_THE_WAY = frozenset({Reason.ACCELERATION, Reason.JERK})  # every change of a command passes these


class Mode(str, Enum):
    """What the bridge does; the values of RobotStatus.msg."""

    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"
    MOVING = "moving"
    HOLDING = "holding"
    STOPPED = "stopped"
    FAULT = "fault"


ARMED = frozenset({Mode.READY, Mode.RUNNING, Mode.MOVING, Mode.HOLDING})


@dataclass(frozen=True)
class Measured:
    """The joints as measured."""

    q: Vector  # (joints,), rad
    dq: Vector  # (joints,), rad/s
    stamp: float  # s, of the measurement
    received: float  # s


@dataclass(frozen=True)
class Status:
    """State and counters, as RobotStatus.msg has them."""

    mode: Mode = Mode.STARTING
    fault: str = ""
    commands_accepted: int = 0
    commands_refused: int = 0
    last_refusal: str = ""
    commands_limited: int = 0
    watchdog_stops: int = 0


@dataclass(frozen=True)
class Output:
    """What one control cycle decided."""

    velocity: Vector  # (joints,), rad/s
    reasons: tuple[Reason, ...]
    mode: Mode


class _Stillness:
    """Whether the measured positions stay exactly the same although the arm is commanded to move: a frozen state."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._q: Vector | None = None
        self._since, self._travel = 0.0, 0.0

    def frozen(self, measured: Measured, velocity: Vector, dt: float) -> bool:
        """Looks at one cycle; `velocity` (joints,) in rad/s was commanded during it.

        The time counts by the measurements' stamps: where none come at all the state is silent, not frozen.
        """
        if self._q is None or not np.array_equal(self._q, measured.q):
            self._q, self._since, self._travel = measured.q, measured.stamp, 0.0
        self._travel += float(np.abs(velocity).max()) * dt
        return measured.stamp - self._since > self._timeout and self._travel > FROZEN_TRAVEL


class Bridge:
    """One robot's bridge.

    Raises:
        ValueError: The robot file and its URDF don't fit.
    """

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.kinematics = Kinematics(robot)
        self.status = Status()
        self.measured: Measured | None = None
        self.motion = Motion.rest(robot.dof)
        self._task = SafetyFilter(robot, self.kinematics, Region.for_task(robot))
        self._moves = SafetyFilter(robot, self.kinematics, Region.for_moves(robot))
        self._limits: Limits = self._moves.region.limits
        self._command: Command | None = None
        self._command_limited = False
        self._newest_stamp = -np.inf
        self._move: Move | None = None
        self._publishers: tuple[str, ...] = ()
        self._updated: float | None = None
        self._interrupted = False
        self._stillness = _Stillness(robot.bridge.state_timeout)

    # -- what comes in --------------------------------------------------------------------------------------------

    def take_state(self, now: float, stamp: float, q: Vector, dq: Vector) -> None:
        """Takes a measurement; one that is no newer than the last is none.

        Args:
            now: Time of arrival, s.
            stamp: Time of measurement, s; 0 where the source gives none.
            q: Joint positions, (joints,) in rad.
            dq: Joint velocities, (joints,) in rad/s.
        """
        stamp = stamp or now
        if self.measured is None or stamp > self.measured.stamp:
            self.measured = Measured(q, dq, stamp, now)

    def take_command(self, now: float, stamp: float, names: Sequence[str], velocity: Sequence[float]) -> Refusal | None:
        """Takes a velocity command; a refused one changes nothing but the counters.

        Args:
            now: The time, s.
            stamp: When the command was made, s.
            names: A joint name for each velocity, in any order.
            velocity: rad/s.

        Returns:
            Why it was refused, or None.
        """
        try:
            ordered = by_joint(self.robot.joints, names, velocity)
            check_stamp(stamp, now, self.robot.bridge.max_command_age, self._newest_stamp)
            if self.status.mode is Mode.MOVING:
                raise Refused(Refusal.MOVING, "a move is under way")
            if self.status.mode not in ARMED:
                raise Refused(Refusal.NOT_ARMED, self.waiting_for())
        except Refused as refused:
            self._set(commands_refused=self.status.commands_refused + 1, last_refusal=f"{refused.why.value}: {refused}")
            return refused.why
        self._command = Command(ordered, stamp, now)
        self._command_limited = False
        self._newest_stamp = stamp
        self._set(mode=Mode.RUNNING, commands_accepted=self.status.commands_accepted + 1)
        return None

    def set_publishers(self, names: Sequence[str]) -> None:
        """Tells who publishes velocity commands; more than one is a fault."""
        self._publishers = tuple(names)

    def move_to(self, now: float, names: Sequence[str], position: Sequence[float], timeout: float = 0.0) -> Move:
        """Starts a move to a configuration.

        Args:
            now: The time, s.
            names: A joint name for each position, in any order.
            position: rad.
            timeout: s; 0: the robot file's.

        Returns:
            The move, which later says how it ended.

        Raises:
            Refused: The request is not allowed, or not now.
        """
        goal = by_joint(self.robot.joints, names, position)
        region = self._moves.region
        outside = (goal < region.position_lower) | (goal > region.position_upper)
        if outside.any():
            i = int(outside.argmax())
            raise ValueError(
                f"{self.robot.joints[i]} = {goal[i]:.3f} rad is not allowed: "
                f"{region.position_lower[i]:.3f} to {region.position_upper[i]:.3f} rad"
            )
        if not (np.isfinite(timeout) and timeout >= 0.0):
            raise ValueError(f"timeout = {timeout} s is not allowed: 0 or more")
        if self.status.mode is Mode.MOVING:
            raise Refused(Refusal.MOVING, "another move is under way")
        if self.status.mode not in ARMED:
            raise Refused(Refusal.NOT_ARMED, self.waiting_for())
        self._move = Move(goal, now, timeout or self.robot.reset.timeout)
        self._command = None
        self._set(mode=Mode.MOVING)
        return self._move

    def stop(self, now: float, why: str = "stopped on request") -> None:
        """Ramps to rest and stays there until armed again."""
        self._end_move(now, why)
        self._command = None
        if self.status.mode is not Mode.FAULT:
            self._set(mode=Mode.STOPPED)

    def arm(self, now: float) -> str:
        """Makes the bridge ready again after a stop or a fault that is mended.

        Returns:
            Why it can't, or an empty string.
        """
        problem = self._problem(now)
        if problem:
            return problem
        if self.status.mode not in ARMED:
            self._stillness = _Stillness(self.robot.bridge.state_timeout)
            self._set(mode=Mode.READY, fault="")
        return ""

    def fail(self, now: float, why: str) -> None:
        """Stops the arm for a fault, which only `arm` ends."""
        if self.status.mode is not Mode.FAULT or self.status.fault != why:
            self._end_move(now, why)
            self._command = None
            self._set(mode=Mode.FAULT, fault=why)

    def interrupt(self, now: float, why: str) -> None:
        """The arm has stopped by itself and will be ready again by itself: called for each cycle until it is."""
        self._end_move(now, why)
        self._interrupted = True
        if self.status.mode is Mode.MOVING:
            self._set(mode=Mode.READY)

    # -- the control cycle ----------------------------------------------------------------------------------------

    def update(self, now: float) -> Output:
        """One control cycle at time `now` in s: what the driver shall carry out from here on."""
        overslept = self._updated is not None and now - self._updated > 0.5 * self.robot.bridge.state_timeout
        dt = self._elapsed(now)
        if not overslept:  # our own pause says nothing of the arm: states that came meanwhile are read first
            self._check_health(now, dt)
        self._watch(now)
        filtered = self._decide(now, dt)
        self._count_limited(filtered)
        self.motion = filtered.motion
        return Output(filtered.motion.velocity, filtered.reasons, self.status.mode)

    def brake(self) -> Output:
        """A cycle of nothing but braking, whatever is known of the arm: the way out of a program that ends."""
        self.motion = brake(self.motion, self._limits, 1.0 / self.robot.driver.control_rate)
        return Output(self.motion.velocity, (Reason.STOPPED,), self.status.mode)

    def _elapsed(self, now: float) -> float:
        """Time since the last cycle; a late cycle must not allow a larger change."""
        nominal = 1.0 / self.robot.driver.control_rate
        elapsed = nominal if self._updated is None else now - self._updated
        self._updated = now
        return min(max(elapsed, 0.2 * nominal), nominal)

    def _check_health(self, now: float, dt: float) -> None:
        if self.status.mode is Mode.STARTING:
            if self.measured is not None and not self._problem_of_state(now):
                self._set(mode=Mode.READY)
            else:
                return
        if self.status.mode is Mode.FAULT or self._interrupted:  # an arm that recovers may be silent meanwhile
            return
        problem = self._problem(now)
        frozen = self.measured is not None and self._stillness.frozen(self.measured, self.motion.velocity, dt)
        if not problem and frozen:
            problem = "joint state is frozen: its positions don't change although the arm is commanded to move"
        if problem:
            self.fail(now, problem)

    def _problem(self, now: float) -> str:
        if len(self._publishers) > 1:
            return f"{len(self._publishers)} publishers of velocity commands: {', '.join(self._publishers)}; leave one"
        return self._problem_of_state(now)

    def _problem_of_state(self, now: float) -> str:
        if self.measured is None:
            return "no joint state yet"
        age, silence = now - self.measured.stamp, now - self.measured.received
        timeout = self.robot.bridge.state_timeout
        if silence > timeout or (age > timeout and silence > 0.5 * timeout):
            return f"no new joint state for {silence:.2f} s"
        if age > timeout:
            return f"joint state is {age:.2f} s old by its stamp: are the clocks synchronised?"
        if age < -FUTURE:
            return f"joint state is stamped {-age:.2f} s ahead: are the clocks synchronised?"
        return ""

    def _watch(self, now: float) -> None:
        """The watchdog: commands that ceased without a move or a stop."""
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
        age = max(now - measured.stamp, 0.0)
        if mode is Mode.RUNNING and self._command is not None:
            return self._task.filter(measured.q, measured.dq, self.motion, self._command.velocity, dt, age)
        if mode is Mode.MOVING and self._move is not None:
            return self._go_on(self._move, measured, now, dt, age)
        reasons = {Mode.HOLDING: (Reason.WATCHDOG,), Mode.STOPPED: (Reason.STOPPED,), Mode.FAULT: (Reason.STOPPED,)}
        if self.motion.at_rest:
            return Filtered(self.motion, reasons.get(mode, ()))
        return Filtered(brake(self.motion, self._limits, dt), reasons.get(mode, ()))

    def _go_on(self, move: Move, measured: Measured, now: float, dt: float, age: float) -> Filtered:
        move.check(now, measured.q, self.motion, self.robot)
        if move.done:
            self._move = None
            self._set(mode=Mode.READY)
            return Filtered(brake(self.motion, self._limits, dt))
        velocity = move.velocity(self._moves.predict(measured.q, measured.dq, self.motion, age), self.robot)
        return self._moves.filter(measured.q, measured.dq, self.motion, velocity, dt, age)

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _count_limited(self, filtered: Filtered) -> None:
        """Counts a command once that was changed by more than the ramp every change takes."""
        limited = not ON_THE_WAY.issuperset(filtered.reasons)
        if self.status.mode is Mode.RUNNING and limited and not self._command_limited:
            self._command_limited = True
            self._set(commands_limited=self.status.commands_limited + 1)

    def _end_move(self, now: float, why: str) -> None:
        if self._move is not None:
            self._move.end(now, why)
            self._move = None

    def waiting_for(self) -> str:
        """What must happen before the arm moves; empty where nothing must."""
        if self.status.mode in ARMED:
            return ""
        if self.status.mode is Mode.FAULT:
            return f"fault: {self.status.fault}; mend it, then call ~/arm"
        if self.status.mode is Mode.STOPPED:
            return "the robot is stopped: call ~/arm"
        return "no fresh joint state yet"

    def _set(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
