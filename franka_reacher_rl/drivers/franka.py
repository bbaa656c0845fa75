"""A real Franka arm (Panda, FR3) through franky, which runs libfranka's 1 kHz loop in a thread of its own.

Each velocity goes out as a motion that ends by itself after `driver.deadline`: a program that hangs stops the arm that
way, and one that was killed by the robot's own watch over its connection. Ruckig, within franky, keeps the jerk limits
at 1 kHz. A worker thread holds the connection, so that no network trouble blocks the bridge.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from enum import Enum
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.drivers.base import JointSample

RECOVERY_WINDOW = 60.0  # s, in which `driver.max_recoveries` automatic recoveries are allowed
RECONNECT_EVERY = 1.0  # s
PRIORITY = 40  # SCHED_FIFO
IDLE_AFTER = 2.0  # s of zero velocity after which the arm is let go, so that a person may guide it


class Condition(Enum):
    """What the worker has to do."""

    FINE = "fine"
    RECOVERING = "recovering"
    FAULT = "fault"
    LOST = "lost"


class FrankaDriver:
    """Drives the arm at `driver.address` of its robot file.

    Args:
        robot: The robot file.
        api: The module franky, or what stands in for it in tests.

    Raises:
        RuntimeError: The arm can't be reached or won't take commands; the message says what to do.
    """

    def __init__(self, robot: Robot, api: Any = None) -> None:
        if not robot.driver.address:
            raise RuntimeError(f"robot {robot.name!r} has no address: set driver.address in its file, or `address`")
        self._robot, self._settings, self._api = robot, robot.driver, api or _franky()
        self._lock = threading.Condition()
        self._velocity: Vector | None = None  # to be sent; None: sent already
        self._moving_until = 0.0
        self._sample: JointSample | None = None
        self._measured = -1  # ms, by the robot's clock
        self._condition, self._problem = Condition.FINE, ""
        self._recoveries: deque[float] = deque()
        self._asked_to_recover = False
        self._closing = False
        self._arm: Any = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._work, name="franka", daemon=True)
        self._thread.start()
        self._connected.wait()
        if self._arm is None:
            raise RuntimeError(self._problem)

    def state(self) -> JointSample | None:
        """The newest measurement."""
        return self._sample

    def send(self, velocity: Vector) -> None:
        """Hands a velocity, (joints,) in rad/s, to the worker; each is sent once, so that the deadline counts."""
        with self._lock:
            if velocity.any():
                self._moving_until = time.monotonic() + IDLE_AFTER
            if time.monotonic() < self._moving_until:
                self._velocity = velocity.copy()
                self._lock.notify()

    def fault(self) -> str:
        """A lost connection, a user stop, or more reflexes than may be recovered from."""
        return self._problem if self._condition in (Condition.FAULT, Condition.LOST) else ""

    def interruption(self) -> str:
        """A reflex that is being recovered from."""
        return self._problem if self._condition is Condition.RECOVERING else ""

    def recover(self) -> str:
        """Recovers from a reflex on a person's word, and gives the arm its automatic recoveries back."""
        self._recoveries.clear()
        if self._condition is Condition.LOST:
            return self._problem
        if self._condition is Condition.FAULT:
            with self._lock:
                self._asked_to_recover = True
                self._lock.notify()
                self._lock.wait_for(lambda: not self._asked_to_recover, timeout=2.0)
        return self.fault() or self.interruption()

    def flush(self, timeout: float) -> None:
        """Waits until the worker has sent the last velocity."""
        with self._lock:
            self._lock.wait_for(lambda: self._velocity is None or self._condition is not Condition.FINE, timeout)

    def close(self) -> None:
        """Ends the worker; a motion still under way ends by its deadline."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(timeout=2.0)

    # -- the worker ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        _take_realtime_priority()
        # Connected here and not in the caller's thread: libfranka raises the priority of the thread that connects.
        try:
            self._arm = self._connect()
        except Exception as error:  # franky raises what libfranka, Poco and pybind raise
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
            except Exception as error:  # whatever it is, the bridge must hear of it
                self._take_error(error)

    def _step(self) -> None:
        if self._condition is Condition.LOST:
            self._reconnect()
            return
        self._read()
        if self._condition is Condition.RECOVERING or self._asked_to_recover:
            self._try_to_recover()
        velocity = self._take_velocity()
        if velocity is None or self._condition is not Condition.FINE:
            return
        milliseconds = round(1000.0 * self._settings.deadline)
        motion = self._api.JointVelocityMotion(velocity, duration=self._api.Duration(milliseconds))
        self._arm.move(motion, asynchronous=True)

    def _take_velocity(self) -> Vector | None:
        with self._lock:
            velocity, self._velocity = self._velocity, None
            self._lock.notify_all()
            return velocity

    def _read(self) -> None:
        mode, modes = self._measure(), self._api.RobotMode
        if mode == modes.UserStopped:
            self._fail("the user stop is pressed: release it, then call ~/arm")
        elif mode == modes.Guiding:
            self._fail("the arm is being guided by hand: let it go, then call ~/arm")
        elif mode == modes.Reflex and self._condition is Condition.FINE:
            self._reflex("reflex")

    def _measure(self) -> Any:
        """Takes a measurement and returns the arm's mode."""
        state = self._arm.state
        measured = state.time.to_msec()
        if measured != self._measured:  # while the robot is silent, franky repeats its last state
            self._measured = measured
            self._sample = JointSample(time.time(), np.array(state.q, float), np.array(state.dq, float))
        return state.robot_mode

    def _take_error(self, error: BaseException) -> None:
        """A refused or aborted motion is a reflex; after anything else, the network's own errors too, connect anew."""
        if isinstance(error, (self._api.ControlException, self._api.CommandException)):
            if self._condition is Condition.FINE:
                self._reflex(str(error))
        else:
            self._condition, self._problem = Condition.LOST, self._explain(error)

    def _reflex(self, why: str) -> None:
        """A reflex is recovered from by itself, but only so often."""
        now = time.monotonic()
        while self._recoveries and now - self._recoveries[0] > RECOVERY_WINDOW:
            self._recoveries.popleft()
        if len(self._recoveries) >= self._settings.max_recoveries:
            self._fail(f"the arm stopped itself: {why}; see what it met, then call ~/arm")
            return
        self._recoveries.append(now)
        self._condition, self._problem = Condition.RECOVERING, f"the arm stopped itself, recovering: {why}"

    def _try_to_recover(self) -> None:
        """Recovers, but never over a user stop or a hand that guides."""
        mode = self._arm.state.robot_mode
        try:
            if mode in (self._api.RobotMode.UserStopped, self._api.RobotMode.Guiding):
                return
            if mode != self._api.RobotMode.Idle:
                refusal = self._recover_from_errors()
                if refusal:
                    self._fail(f"the arm does not recover{refusal}: look at it in Desk, then call ~/arm")
                    return
            with contextlib.suppress(self._api.ControlException, self._api.CommandException):
                self._arm.poll_motion()  # the error recovered from: franky would raise it at the next motion
            self._measure()  # a recovery takes longer than a state may be old
            self._condition, self._problem = Condition.FINE, ""
        finally:
            with self._lock:
                self._velocity = None
                self._asked_to_recover = False
                self._lock.notify_all()

    def _recover_from_errors(self) -> str:
        """Has the arm recover; why it did not, or an empty string."""
        try:
            return "" if self._arm.recover_from_errors() else ", it still has errors"
        except (self._api.ControlException, self._api.CommandException) as error:
            return f" ({error})"

    def _fail(self, why: str) -> None:
        self._condition, self._problem = Condition.FAULT, why

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
        if arm.state.robot_mode == api.RobotMode.Reflex:
            arm.recover_from_errors()
        return arm

    def _reconnect(self) -> None:
        """The fault stays until someone arms again: the arm may have been moved meanwhile."""
        try:
            self._arm = self._connect()
        except Exception as error:  # as above
            self._problem = self._explain(error)
            with self._lock:
                self._lock.wait_for(lambda: self._closing, timeout=RECONNECT_EVERY)
            return
        with self._lock:
            self._velocity = None
        self._fail("the connection was lost and is back: call ~/arm")

    def _explain(self, error: BaseException) -> str:
        api, address = self._api, self._settings.address
        name = type(error).__name__
        if isinstance(error, api.NetworkException):
            return (
                f"no connection to the arm at {address} ({error}): is it on, its network cable in this computer, its "
                "brakes open and FCI active in Desk?"
            )
        if isinstance(error, api.IncompatibleVersionException):
            return (
                f"the arm at {address} speaks another protocol version ({error}): match franky-control to its firmware"
            )
        if isinstance(error, api.RealtimeException):
            return f"no real-time kernel ({error}): install PREEMPT_RT, or set driver.realtime: false in the robot file"
        if isinstance(error, (api.ControlException, api.CommandException, api.InvalidOperationException)):
            return f"the arm at {address} takes no commands ({error}): in Desk open the brakes and activate FCI"
        return f"the arm at {address}: {name}: {error}"


def _take_realtime_priority() -> None:
    """Has this thread, and libfranka's that it starts, run before everything ordinary, where that is permitted."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def _franky() -> Any:
    try:
        import franky
    except ImportError as error:
        raise RuntimeError(f"the franka driver needs franky ({error}): pip install franky-control") from None
    return franky
