"""Tests of the Franka driver with a fake franky: errors, recoveries and the deadline."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.drivers.franka import FrankaDriver

LOST = ("communication_constraints_violation",)  # packets
TOUCHED = ("joint_reflex", "cartesian_reflex")


class NetworkError(Exception):
    pass


class ControlError(Exception):
    pass


class CommandError(Exception):
    pass


class OtherError(Exception):
    pass


class Limit:
    max = np.full(7, 2.0)

    def set(self, values):
        self.values = values


class Arm:
    """A fake franky.Robot."""

    def __init__(self, franky):
        self.franky = franky
        self.joint_velocity_limit, self.joint_acceleration_limit, self.joint_jerk_limit = Limit(), Limit(), Limit()

    @property
    def state(self):
        if self.franky.lost:
            raise NetworkError("cable")
        now = SimpleNamespace(to_msec=lambda: round(1000.0 * time.monotonic()))
        return SimpleNamespace(
            time=now, q=[0.1] * 7, dq=[0.0] * 7, robot_mode=self.franky.mode, current_errors=self.franky.current
        )

    def set_collision_behavior(self, torque, force):
        self.franky.thresholds = (torque, force)

    def move(self, motion, asynchronous):
        assert asynchronous
        if self.franky.pending:
            raise self.franky.pending.pop()
        if self.franky.errors:
            self.franky.mode = "Reflex"
            raise self.franky.errors.pop()
        self.franky.motions.append(motion)
        self.franky.moved.set()

    def join_motion(self, timeout):
        self.franky.joined.append(len(self.franky.motions))
        if self.franky.pending:
            raise self.franky.pending.pop()
        return True

    def poll_motion(self):
        if self.franky.pending:
            raise self.franky.pending.pop()

    def recover_from_errors(self):
        self.franky.recovered += 1
        if self.franky.refusals:
            raise self.franky.refusals.pop()
        if self.franky.recovers:
            self.franky.mode = "Idle"
            for error in vars(self.franky.current):
                setattr(self.franky.current, error, False)
        return self.franky.recovers


class Franky:
    """A fake module franky."""

    RobotMode = SimpleNamespace(Idle="Idle", Reflex="Reflex", UserStopped="UserStopped", Guiding="Guiding")
    RealtimeConfig = SimpleNamespace(Enforce=1, Ignore=0)
    NetworkException, ControlException, CommandException = NetworkError, ControlError, CommandError
    IncompatibleVersionException = RealtimeException = InvalidOperationException = OtherError
    Duration = staticmethod(lambda milliseconds: milliseconds)
    JointVelocityMotion = staticmethod(lambda velocity, duration: (velocity, duration))

    def __init__(self):
        self.mode, self.lost, self.recovers, self.recovered = "Idle", False, True, 0
        self.errors, self.motions, self.moved = [], [], threading.Event()
        self.refusals = []  # errors of a recovery
        self.pending = []  # errors of an asynchronous motion, raised at the next call
        self.connections = 0
        self.joined = []  # number of motions so far, each time that somebody waited for the last one
        self.current = SimpleNamespace(**dict.fromkeys([*LOST, *TOUCHED], False))  # the arm's errors

    def reflex(self, *errors):
        """Stop the arm with a reflex."""
        for error in errors:
            setattr(self.current, error, True)
        self.mode = "Reflex"

    def Robot(self, address, realtime_config):
        if self.lost:
            raise NetworkError("no route")
        self.connections += 1
        return Arm(self)


@pytest.fixture
def franky():
    return Franky()


@pytest.fixture
def driver(franky):
    robot = Robot.load("fr3")
    driver = FrankaDriver(replace(robot, driver=replace(robot.driver, max_recoveries=2)), franky)
    yield driver
    driver.close()


def until(condition):
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.001)


def test_sends_each_velocity_once_with_a_deadline(franky, driver):
    driver.send(np.full(7, 0.1))
    driver.flush(1.0)
    until(lambda: franky.motions)
    velocity, milliseconds = franky.motions[0]
    np.testing.assert_array_equal(velocity, np.full(7, 0.1))
    assert milliseconds == 100
    until(lambda: driver.state() is not None)
    stamp = driver.state().stamp
    until(lambda: driver.state().stamp > stamp)
    assert len(franky.motions) == 1  # not repeated, so that the deadline applies
    assert driver.fault() == driver.interruption() == ""


def test_the_end_waits_for_the_last_motion(franky, driver):
    driver.send(np.full(7, 0.1))
    driver.flush(1.0)
    driver.close()
    assert franky.joined == [len(franky.motions)] == [1]


def test_an_aborted_motion_does_not_keep_the_driver_from_ending(franky, driver):
    driver.send(np.full(7, 0.1))
    driver.flush(1.0)
    franky.pending.append(ControlError("aborted"))
    driver.close()
    assert not driver._thread.is_alive()


def test_no_motion_is_sent_at_rest(franky, driver):
    driver.send(np.zeros(7))
    until(lambda: driver.state() is not None)
    assert not franky.motions


def test_limits_do_not_exceed_those_of_the_arm(franky, driver):
    arm = driver._arm
    np.testing.assert_array_equal(arm.joint_velocity_limit.values, np.full(7, 1.3))
    np.testing.assert_array_equal(arm.joint_acceleration_limit.values, np.full(7, 2.0))


def test_the_number_of_automatic_recoveries_is_limited(franky, driver):
    for recovery in (1, 2):
        franky.errors.append(ControlError("communication_constraints_violation"))
        driver.send(np.full(7, 0.1))
        until(lambda n=recovery: franky.recovered == n and not driver.interruption())
        assert driver.fault() == ""
    franky.errors.append(ControlError("communication_constraints_violation"))
    driver.send(np.full(7, 0.1))
    until(driver.fault)
    assert (
        "communication_constraints_violation" in driver.fault()
        and "call ~/arm" in driver.fault()
        and franky.recovered == 2
    )
    assert driver.recover() == "" and franky.recovered == 3
    franky.moved.clear()
    driver.send(np.full(7, 0.1))
    assert franky.moved.wait(5.0)


def test_one_reflex_counts_once(franky, driver):
    """The robot's mode reports it first; the error of the aborted motion arrives later."""
    franky.pending.append(ControlError("communication_constraints_violation"))
    franky.reflex(*LOST)
    until(lambda: franky.recovered == 1 and not driver.interruption())
    driver.send(np.full(7, 0.1))
    assert franky.moved.wait(5.0)
    assert len(driver._recoveries) == 1 and not franky.pending


@pytest.mark.parametrize("errors", [TOUCHED[:1], TOUCHED[1:], (*LOST, "joint_reflex"), ()])
@pytest.mark.parametrize("moving", [False, True])
def test_no_other_reflex_is_recovered_from_before_a_person_arms_the_arm(franky, driver, errors, moving):
    if moving:
        franky.errors.append(ControlError(f"motion aborted by reflex! {list(errors)}"))
        driver.send(np.full(7, 0.1))
    else:
        franky.reflex(*errors)
    until(driver.fault)
    driver.send(np.full(7, 0.1))
    driver.flush(0.05)
    assert all(error in driver.fault() for error in errors) and "call ~/arm" in driver.fault()
    assert franky.recovered == 0 and not franky.motions and driver.interruption() == ""
    assert driver.recover() == "" and franky.recovered == 1 and driver.fault() == ""


def test_an_arm_that_has_touched_something_is_not_recovered_when_the_driver_connects(franky):
    franky.reflex("joint_reflex")
    driver = FrankaDriver(Robot.load("fr3"), franky)
    try:
        until(driver.fault)
        assert "joint_reflex" in driver.fault() and franky.recovered == 0
    finally:
        driver.close()


def test_the_collision_thresholds_are_those_of_the_robot_file(franky, driver):
    settings = Robot.load("fr3").driver
    assert franky.thresholds == (settings.collision_torque, settings.collision_force)


@pytest.mark.parametrize(("mode", "message"), [("UserStopped", "user stop is pressed"), ("Guiding", "guided by hand")])
def test_never_recovers_while_a_person_intervenes(franky, driver, mode, message):
    franky.mode = mode
    until(driver.fault)
    assert message in driver.fault()
    assert message in driver.recover() and franky.recovered == 0
    franky.motions.clear()
    driver.send(np.full(7, 0.1))
    driver.flush(0.05)
    assert not franky.motions
    franky.mode = "Idle"  # released
    assert driver.fault() != ""  # a person has to call ~/arm
    assert driver.recover() == "" and driver.fault() == "" and franky.recovered == 0


def test_a_recovery_that_fails_is_a_fault(franky, driver):
    franky.recovers = False
    franky.errors.append(ControlError("communication_constraints_violation"))
    driver.send(np.full(7, 0.1))
    until(driver.fault)
    assert "does not recover" in driver.fault()


def test_a_refused_recovery_is_a_fault_and_is_not_repeated(franky, driver):
    franky.refusals = [CommandError("not possible in the current mode")] * 3
    franky.errors.append(ControlError("communication_constraints_violation"))
    driver.send(np.full(7, 0.1))
    until(driver.fault)
    assert "does not recover (not possible in the current mode)" in driver.fault() and franky.recovered == 1
    assert "does not recover" in driver.recover() and franky.recovered == 2
    franky.refusals.clear()
    assert driver.recover() == "" and driver.fault() == ""


def test_a_lost_connection_is_a_fault_until_armed_again(franky, driver):
    franky.lost = True
    until(driver.fault)
    assert "no connection to the arm at 172.16.0.2" in driver.fault() and "FCI" in driver.recover()
    franky.lost = False
    until(lambda: franky.connections == 2 and "is restored" in driver.fault())
    assert driver.recover() == "" and driver.fault() == ""


def test_no_connection_at_the_start_gives_a_clear_error(franky):
    franky.lost = True
    with pytest.raises(
        RuntimeError, match=r"no connection to the arm at 172\.16\.0\.2 \(no route\): check that it is on"
    ):
        FrankaDriver(Robot.load("fr3"), franky)


def test_a_missing_address_gives_a_clear_error(franky):
    robot = Robot.load("fr3")
    with pytest.raises(RuntimeError, match=r"no address: set driver\.address"):
        FrankaDriver(replace(robot, driver=replace(robot.driver, address="")), franky)
