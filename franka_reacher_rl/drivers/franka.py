"""Driver of a Franka arm (Panda, FR3) through franky, which runs libfranka's 1 kHz loop in its own thread.

Each velocity is sent as a motion that ends after `driver.deadline`. So the arm stops if this program hangs; if the
program is killed, the robot stops because the connection is lost. Ruckig, inside franky, enforces the jerk limits at
1 kHz. A worker thread owns the connection, so that network errors never block the bridge.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections import deque
from enum import Enum
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector

RECOVERY_WINDOW = 60.0  # s, in which `driver.max_recoveries` automatic recoveries are allowed
RECONNECT_PERIOD = 1.0  # s
LAST_MOTION = 1.0  # s that the driver waits for the end of the last motion
PRIORITY = 40  # of SCHED_FIFO
RECOVERABLE = {"communication_constraints_violation"}  # reflexes after which the arm may go on without a person
IDLE_AFTER = 2.0  # s of zero velocity after which no motion is sent, so that a person can guide the arm


class Level(Enum):
    """Condition of the arm and its connection."""

    OK = "ok"
    RECOVERING = "recovering"  # from a reflex, automatically
    FAULT = "fault"  # until a person calls `recover`
    LOST = "lost"  # no connection


class FrankaDriver:
    """Drives the arm at `driver.address` of its robot file.

    Args:
        robot: The robot.
        api: The module franky, or a replacement in tests.

    Raises:
        RuntimeError: The arm cannot be reached or refuses commands; the message says what to do.
    """

    def __init__(self, robot: Robot, api: Any = None) -> None:
        if not robot.driver.address:
            raise RuntimeError(
                f"robot {robot.name!r} has no address: set driver.address in its file, or the parameter `address`"
            )
        self._robot, self._settings, self._api = robot, robot.driver, api or _franky()
        self._lock = threading.Condition()
        self._velocity: Vector | None = None  # still to be sent; None: nothing to send
        self._moving_until = 0.0
        self._measurement: JointMeasurement | None = None
        self._measured_ms = -1  # time of the newest measurement by the robot's clock
        self._level, self._problem = Level.OK, ""
        self._recoveries: deque[float] = deque()
        self._recovery_requested = False
        self._closing = False
        self._arm: Any = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._work, name="franka", daemon=True)
        self._thread.start()
        self._connected.wait()
        if self._arm is None:
            raise RuntimeError(self._problem)

    def state(self) -> JointMeasurement | None:
        """Return the newest measurement, or None before the first."""
        return self._measurement

    def send(self, velocity: Vector, expires: float = math.inf) -> bool:
        """Pass a velocity, (joints,) in rad/s, to the worker, which sends it once so that the deadline applies."""
        if time.monotonic() > expires:
            return False
        with self._lock:
            if velocity.any():
                self._moving_until = time.monotonic() + IDLE_AFTER
            if time.monotonic() < self._moving_until:
                self._velocity = velocity.copy()
                self._lock.notify()
        return True

    def fault(self) -> str:
        """Return a description of a lost connection, a user stop or a reflex, or an empty string."""
        return self._problem if self._level in (Level.FAULT, Level.LOST) else ""

    def interruption(self) -> str:
        """Return the reflex from which the arm is recovering, or an empty string."""
        return self._problem if self._level is Level.RECOVERING else ""

    def waiting_for(self) -> str:
        """Return an empty string: the arm is connected from the start."""
        return ""

    def recover(self) -> str:
        """Recover from a fault on request of a person, and allow all automatic recoveries again."""
        self._recoveries.clear()
        if self._level is Level.LOST:
            return self._problem
        if self._level is Level.FAULT:
            with self._lock:
                self._recovery_requested = True
                self._lock.notify()
                self._lock.wait_for(lambda: not self._recovery_requested, timeout=2.0)
        return self.fault() or self.interruption()

    def flush(self, timeout: float) -> None:
        """Wait until the worker has sent the last velocity, at most `timeout` s."""
        with self._lock:
            self._lock.wait_for(lambda: self._velocity is None or self._level is not Level.OK, timeout)

    def close(self) -> None:
        """End the worker, after the motion in progress, which ends by its deadline."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(timeout=2.0)

    # -- the worker ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        _use_realtime_priority()
        # Connect in this thread: libfranka raises the priority of the thread that connects.
        try:
            self._arm = self._connect()
        except Exception as error:  # franky lets exceptions of libfranka, Poco and pybind through
            self._problem = self._explain(error)
            return
        finally:
            self._connected.set()
        period = 1.0 / self._settings.control_rate
        while not self._closing:
            with self._lock:
                self._lock.wait_for(lambda: self._velocity is not None or self._closing, timeout=period)
            try:
                self._step()
            except Exception as error:  # report every error to the bridge
                self._take_error(error)
        # To the robot, a process that ends during a motion is a loss of packets, which is a reflex.
        with contextlib.suppress(Exception):
            self._arm.join_motion(timeout=LAST_MOTION)

    def _step(self) -> None:
        if self._level is Level.LOST:
            self._reconnect()
            return
        self._check_mode()
        if self._level is Level.RECOVERING or self._recovery_requested:
            self._try_to_recover()
        velocity = self._take_velocity()
        if velocity is None or self._level is not Level.OK:
            return
        milliseconds = round(1000.0 * self._settings.deadline)
        motion = self._api.JointVelocityMotion(velocity, duration=self._api.Duration(milliseconds))
        self._arm.move(motion, asynchronous=True)

    def _take_velocity(self) -> Vector | None:
        with self._lock:
            velocity, self._velocity = self._velocity, None
            self._lock.notify_all()
            return velocity

    def _check_mode(self) -> None:
        mode, modes = self._measure(), self._api.RobotMode
        if mode == modes.UserStopped:
            self._fail("the user stop is pressed: release it, then call ~/arm")
        elif mode == modes.Guiding:
            self._fail("the arm is being guided by hand: release it, then call ~/arm")
        elif mode == modes.Reflex and self._level is Level.OK:
            self._take_reflex("")

    def _measure(self) -> Any:
        """Store a new measurement, if there is one, and return the robot's mode."""
        state = self._arm.state
        measured_ms = state.time.to_msec()
        if measured_ms != self._measured_ms:  # while the robot is silent, franky repeats its last state
            self._measured_ms = measured_ms
            self._measurement = JointMeasurement(time.monotonic(), np.array(state.q, float), np.array(state.dq, float))
        return state.robot_mode

    def _take_error(self, error: BaseException) -> None:
        """Treat a refused or aborted motion as a reflex; reconnect after any other error."""
        if isinstance(error, (self._api.ControlException, self._api.CommandException)):
            if self._level is Level.OK:
                self._take_reflex(str(error))
        else:
            self._level, self._problem = Level.LOST, self._explain(error)

    def _take_reflex(self, message: str) -> None:
        """Start a recovery from lost packets; report a fault after contact, another reflex or too many of them.

        Args:
            message: Of the error of an aborted motion, which may arrive before the state that has the reflex.
        """
        reflexes = self._reflexes(message)
        reason = message or ", ".join(sorted(reflexes)) or "reflex"
        if not reflexes or not reflexes <= RECOVERABLE:
            self._fail(f"the arm stopped itself: {reason}; check what it touches, then call ~/arm")
            return
        now = time.monotonic()
        while self._recoveries and now - self._recoveries[0] > RECOVERY_WINDOW:
            self._recoveries.popleft()
        if len(self._recoveries) >= self._settings.max_recoveries:
            self._fail(f"the arm stopped itself: {reason}; find the cause, then call ~/arm")
            return
        self._recoveries.append(now)
        self._level, self._problem = Level.RECOVERING, f"the arm stopped itself, recovering: {reason}"

    def _reflexes(self, message: str) -> set[str]:
        """Return the names of the present errors of the arm, and of those that a message mentions."""
        errors = self._arm.state.current_errors
        names = [name for name in dir(errors) if not name.startswith("_")]
        return {name for name in names if getattr(errors, name) is True or name in message}

    def _try_to_recover(self) -> None:
        """Recover from errors, but never while the user stop is pressed or a person guides the arm."""
        mode = self._arm.state.robot_mode
        try:
            if mode in (self._api.RobotMode.UserStopped, self._api.RobotMode.Guiding):
                return
            if mode != self._api.RobotMode.Idle:
                refusal = self._recover_from_errors()
                if refusal:
                    self._fail(f"the arm does not recover{refusal}: check it in Desk, then call ~/arm")
                    return
            with contextlib.suppress(self._api.ControlException, self._api.CommandException):
                self._arm.poll_motion()  # discards the old error, which franky would raise at the next motion
            self._measure()  # a recovery takes longer than the bridge's state timeout
            self._level, self._problem = Level.OK, ""
        finally:
            with self._lock:
                self._velocity = None
                self._recovery_requested = False
                self._lock.notify_all()

    def _recover_from_errors(self) -> str:
        """Request an error recovery; return why it failed, or an empty string."""
        try:
            return "" if self._arm.recover_from_errors() else " (it still reports errors)"
        except (self._api.ControlException, self._api.CommandException) as error:
            return f" ({error})"

    def _fail(self, reason: str) -> None:
        self._level, self._problem = Level.FAULT, reason

    # -- the connection ------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        api = self._api
        realtime = api.RealtimeConfig.Enforce if self._settings.realtime else api.RealtimeConfig.Ignore
        arm = api.Robot(self._settings.address, realtime_config=realtime)
        limits = self._robot.limits
        for limit, values in (
            (arm.joint_velocity_limit, limits.velocity),
            (arm.joint_acceleration_limit, limits.acceleration),
            (arm.joint_jerk_limit, limits.jerk),
        ):
            limit.set(np.minimum(values, np.asarray(limit.max)))
        arm.set_collision_behavior(self._settings.collision_torque, self._settings.collision_force)
        return arm

    def _reconnect(self) -> None:
        """Try to connect again; afterwards a fault remains, since a person may have moved the arm meanwhile."""
        try:
            self._arm = self._connect()
        except Exception as error:  # as in _work
            self._problem = self._explain(error)
            with self._lock:
                self._lock.wait_for(lambda: self._closing, timeout=RECONNECT_PERIOD)
            return
        with self._lock:
            self._velocity = None
        self._fail("the connection was lost and is restored: call ~/arm")

    def _explain(self, error: BaseException) -> str:
        api, address = self._api, self._settings.address
        name = type(error).__name__
        if isinstance(error, api.NetworkException):
            return (
                f"no connection to the arm at {address} ({error}): check that it is on, that its network cable is "
                "connected to this computer, and that in Desk the brakes are open and FCI is active"
            )
        if isinstance(error, api.IncompatibleVersionException):
            return (
                f"the arm at {address} uses another protocol version ({error}): install the franky-control release "
                "for its firmware"
            )
        if isinstance(error, api.RealtimeException):
            return f"no real-time kernel ({error}): install PREEMPT_RT, or set driver.realtime: false in the robot file"
        if isinstance(error, (api.ControlException, api.CommandException, api.InvalidOperationException)):
            return f"the arm at {address} accepts no commands ({error}): open the brakes and activate FCI in Desk"
        return f"error of the arm at {address}: {name}: {error}"


def _use_realtime_priority() -> None:
    """Give this thread, and the libfranka threads that it starts, real-time priority if that is permitted."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def _franky() -> Any:
    try:
        import franky
    except ImportError as error:
        raise RuntimeError(f"the franka driver needs franky ({error}): run `pip install franky-control`") from None
    return franky
