"""Tests of the bridge's state machine, which is given the time and so runs in microseconds."""

from dataclasses import replace

import numpy as np
import pytest

from franka_reacher_rl.core.arm.bridge import Bridge, Mode
from franka_reacher_rl.core.arm.commands import Refusal, Refused
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.status import Reason

ROBOT = Robot.load("panda_sim")
JOINTS = ROBOT.joints
SLOW = [0.05] * 7
DT = 0.01


class Arm:
    """A bridge and an arm that follows its velocities exactly, on one clock."""

    def __init__(self, **bridge_settings):
        settings = {"command_timeout": 0.2, "latch_after": 1.0, "state_timeout": 0.2, **bridge_settings}
        self.robot = replace(ROBOT, bridge=replace(ROBOT.bridge, **settings))
        self.bridge = Bridge(self.robot)
        self.now, self.q, self.v = 100.0, self.robot.start_middle(), np.zeros(7)
        self.held = self.silent = False
        self.sent = []

    def cycle(self, seconds=DT):
        """Run control cycles for some time and return the output of the last one."""
        for _ in range(max(1, round(seconds / DT))):
            self.now += DT
            if not self.held:
                self.q = self.q + self.v * DT
            if not self.silent:
                self.bridge.take_state(self.now, self.now, self.q.copy(), self.v.copy())
            output = self.bridge.update(self.now)
            change = np.abs(output.velocity - self.v) / DT
            assert self.bridge.motion.velocity is output.velocity
            assert (change <= np.array(self.robot.limits.acceleration) * (1 + 1e-6)).all()
            self.v = output.velocity
            self.sent.append(output)
        return output

    def command(self, velocity=SLOW, names=JOINTS, age=0.0):
        return self.bridge.take_command(self.now, self.now - age, names, velocity)

    @property
    def mode(self):
        return self.bridge.status.mode


@pytest.fixture
def arm():
    arm = Arm()
    arm.cycle()
    return arm


def test_arms_after_the_first_joint_state():
    arm = Arm()
    arm.silent = True
    arm.cycle(1.0)
    assert arm.mode is Mode.STARTING and arm.command() is Refusal.NOT_ARMED
    arm.silent = False
    arm.cycle()
    assert arm.mode is Mode.READY


def test_executes_a_command(arm):
    assert arm.command() is None
    output = arm.cycle(0.05)
    assert arm.mode is Mode.RUNNING and output.mode is Mode.RUNNING
    np.testing.assert_allclose(output.velocity, SLOW)
    assert output.reasons == ()


@pytest.mark.parametrize(
    ("names", "velocity", "refusal"),
    [
        (JOINTS, [*SLOW[:6], float("nan")], Refusal.NOT_FINITE),
        (JOINTS, [*SLOW[:6], float("inf")], Refusal.NOT_FINITE),
        (JOINTS, SLOW[:6], Refusal.WRONG_LENGTH),
        (JOINTS, [*SLOW, 0.0], Refusal.WRONG_LENGTH),
        ([*JOINTS[:6], "finger"], SLOW, Refusal.UNKNOWN_JOINT),
        ([*JOINTS, "finger"], [*SLOW, 0.0], Refusal.UNKNOWN_JOINT),
        (JOINTS[:6], SLOW[:6], Refusal.MISSING_JOINT),
        ([*JOINTS[:6], JOINTS[0]], SLOW, Refusal.DUPLICATE_JOINT),
        ([], [], Refusal.MISSING_JOINT),
    ],
)
def test_an_invalid_command_is_refused_and_does_not_reset_the_watchdog(arm, names, velocity, refusal):
    arm.command()
    for _ in range(15):
        arm.cycle(0.02)
        assert arm.command(velocity, names) is refusal
    assert arm.mode is Mode.HOLDING and not arm.v.any()
    status = arm.bridge.status
    assert (status.commands_accepted, status.commands_refused, status.watchdog_stops) == (1, 15, 1)
    assert status.last_refusal.startswith(refusal.value)


@pytest.mark.parametrize(
    ("age", "refusal"),
    [(0.49, None), (0.51, Refusal.STALE), (-0.05, None), (-0.2, Refusal.FUTURE), (float("nan"), Refusal.STALE)],
)
def test_stamps(arm, age, refusal):
    assert arm.command(age=age) is refusal


def test_a_command_older_than_its_predecessor_is_refused(arm):
    arm.command(age=0.01)
    assert arm.command(age=0.02) is Refusal.OUT_OF_ORDER


def test_permuted_names_are_mapped(arm):
    order = [3, 1, 0, 6, 5, 4, 2]
    velocity = np.linspace(-0.03, 0.03, 7)
    assert arm.command(velocity[order].tolist(), [JOINTS[i] for i in order]) is None
    np.testing.assert_allclose(arm.cycle(0.05).velocity, velocity, atol=1e-12)


def test_when_commands_cease_the_arm_ramps_to_rest_and_latches(arm):
    arm.command([0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    arm.cycle(0.19)
    assert arm.mode is Mode.RUNNING and arm.v[0] == pytest.approx(0.2)
    output = arm.cycle(0.06)
    assert arm.mode is Mode.HOLDING and not output.velocity.any() and output.reasons == (Reason.WATCHDOG,)
    held = output.held_seconds
    assert held == pytest.approx(0.05, abs=1.5 * DT)
    assert arm.command() is None  # before it latches, the next command is accepted
    assert arm.cycle(0.1).held_seconds == held
    assert arm.command() is None
    arm.cycle(1.05)
    assert arm.mode is Mode.STOPPED and arm.bridge.status.watchdog_stops == 2
    assert arm.command() is Refusal.NOT_ARMED
    assert arm.bridge.arm(arm.now) == "" and arm.mode is Mode.READY
    assert arm.command() is None


@pytest.mark.parametrize("timeout", [0.05, 0.2])
def test_the_command_timeout_is_configurable(timeout):
    arm = Arm(command_timeout=timeout)
    arm.cycle()
    arm.command()
    arm.cycle(timeout - DT)
    assert arm.mode is Mode.RUNNING
    arm.cycle(3 * DT)
    assert arm.mode is Mode.HOLDING


def test_commands_every_40_ms_never_trip_the_watchdog(arm):
    for _ in range(50):
        arm.command(np.random.default_rng(0).uniform(-0.02, 0.02, 7))
        arm.cycle(0.04)
    assert arm.mode is Mode.RUNNING and arm.bridge.status.watchdog_stops == 0


def test_a_pause_after_a_reset_move_does_not_latch(arm):
    arm.command()
    arm.cycle(0.04)
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.3)
    arm.cycle(3.0)
    assert move.success and arm.mode is Mode.READY
    arm.cycle(20.0)
    assert arm.mode is Mode.READY
    assert arm.command() is None and arm.mode is Mode.RUNNING
    assert arm.bridge.status.watchdog_stops == 0


def test_a_move_arrives_on_a_straight_line_and_rests(arm):
    start, goal = arm.q, arm.robot.start_middle() + np.array([0.5, -0.4, 0.3, 0.4, -0.3, 0.2, 0.8])
    move = arm.bridge.move_to(arm.now, JOINTS[::-1], goal[::-1])
    fastest = 0.0
    while not move.done:
        arm.cycle()
        fastest = max(fastest, np.abs(arm.v).max())
        share = (arm.q - start) @ (goal - start) / ((goal - start) @ (goal - start))
        np.testing.assert_allclose(arm.q, start + share * (goal - start), atol=0.05)
    assert move.success and move.duration < 2.5 and fastest <= arm.robot.reset.velocity
    np.testing.assert_allclose(arm.q, goal, atol=arm.robot.reset.tolerance)
    assert not arm.v.any()


def test_a_move_may_leave_the_box_and_the_tasks_joint_range(arm):
    goal = arm.robot.start_middle()
    goal[0] = 1.5
    move = arm.bridge.move_to(arm.now, JOINTS, goal)
    arm.cycle(4.0)
    assert move.success


def test_a_move_of_a_blocked_arm_fails_with_a_reason(arm):
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.3, timeout=2.0)
    for _ in range(250):
        arm.cycle()
        arm.q = (
            arm.robot.start_middle() + np.random.default_rng(arm.now.as_integer_ratio()[0] % 1000).normal(size=7) * 1e-4
        )
    assert move.done and not move.success
    assert "rad from its goal after 2.0 s" in move.message and arm.mode is Mode.READY and not arm.v.any()


def test_a_canceled_move_ends_when_the_arm_rests_and_the_bridge_is_ready(arm):
    goal = arm.robot.start_middle() + 0.8
    move = arm.bridge.move_to(arm.now, JOINTS, goal)
    assert move.distance_left(arm.q) == pytest.approx(0.8, abs=0.01)
    arm.cycle(0.5)
    assert np.abs(arm.v).max() > 0.5 and move.distance_left(arm.q) < 0.7
    assert move.cancel()
    arm.cycle()
    assert not move.done and arm.command() is Refusal.MOVING, "it moves until it has come to rest"
    arm.cycle(0.6)
    assert move.done and not move.success and "rad before the goal" in move.message
    assert arm.mode is Mode.READY and not arm.v.any() and move.distance_left(arm.q) > 0.1
    assert not move.cancel(), "it has ended"


@pytest.mark.parametrize(
    ("names", "position", "message"),
    [
        (JOINTS, [9.0, 0, 0, -2, 0, 2, 0], "panda_joint1 = 9.000 rad is not allowed"),
        (JOINTS, [float("nan"), 0, 0, -2, 0, 2, 0], "not all values are finite"),
        (JOINTS[:6], [0.0] * 6, "'panda_joint7' is missing"),
    ],
)
def test_a_move_that_is_not_allowed_is_refused(arm, names, position, message):
    with pytest.raises(ValueError, match=message):
        arm.bridge.move_to(arm.now, names, position)
    assert arm.mode is Mode.READY


def test_during_a_move_commands_and_moves_are_refused(arm):
    arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.3)
    arm.cycle()
    assert arm.command() is Refusal.MOVING
    with pytest.raises(Refused, match="another move"):
        arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle())


@pytest.mark.parametrize("busy", ["resting", "running", "moving"])
def test_stop_latches_in_every_mode(arm, busy):
    move = None
    if busy == "running":
        arm.command()
    if busy == "moving":
        move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.5)
    arm.cycle(0.1)
    arm.bridge.stop(arm.now)
    output = arm.cycle(0.3)
    assert arm.mode is Mode.STOPPED and not output.velocity.any() and Reason.STOPPED in output.reasons
    assert arm.command() is Refusal.NOT_ARMED
    assert move is None or (move.done and move.message == "stopped on request")
    with pytest.raises(Refused, match="call ~/arm"):
        arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle())
    assert arm.bridge.arm(arm.now) == "" and arm.mode is Mode.READY


def test_two_publishers_of_commands_are_a_fault_that_names_them(arm):
    arm.command()
    arm.bridge.set_publishers(["/actor", "/teleop"])
    arm.cycle(0.1)
    assert arm.mode is Mode.FAULT and "/actor, /teleop" in arm.bridge.status.fault and not arm.v.any()
    assert "/teleop" in arm.bridge.arm(arm.now) and arm.mode is Mode.FAULT
    arm.bridge.set_publishers(["/actor"])
    assert arm.bridge.arm(arm.now) == "" and arm.bridge.status.fault == ""


def test_two_publishers_of_commands_prevent_arming_at_the_start():
    arm = Arm()
    arm.bridge.set_publishers(["/actor", "/teleop"])
    arm.cycle(0.1)
    assert arm.mode is Mode.FAULT


def test_a_silent_state_is_a_fault(arm):
    arm.command()
    arm.cycle(0.1)
    arm.silent = True
    arm.cycle(0.19)
    arm.command()
    assert arm.mode is Mode.RUNNING
    arm.cycle(0.1)
    assert arm.mode is Mode.FAULT and "no new joint state for 0.2" in arm.bridge.status.fault and not arm.v.any()
    assert "no new joint state" in arm.bridge.arm(arm.now)
    arm.silent = False
    arm.cycle()
    assert arm.bridge.arm(arm.now) == ""


def test_a_silent_state_is_a_fault_at_rest_too(arm):
    arm.silent = True
    arm.cycle(0.3)
    assert arm.mode is Mode.FAULT and arm.command() is Refusal.NOT_ARMED
    arm.silent = False
    arm.cycle(0.1)
    assert arm.mode is Mode.FAULT, "a person may have touched the arm meanwhile"
    assert arm.bridge.arm(arm.now) == "" and arm.mode is Mode.READY


def test_a_repeated_stamp_does_not_count_as_a_new_state(arm):
    arm.silent = True
    stamp = arm.now
    for _ in range(30):
        arm.command()
        arm.cycle()
        arm.bridge.take_state(arm.now, stamp, arm.q, arm.v)
    assert arm.mode is Mode.FAULT


@pytest.mark.parametrize(("shift", "message"), [(-1.0, "old by its stamp"), (1.0, "ahead")])
def test_states_of_another_clock_are_a_fault(arm, shift, message):
    arm.silent = True
    for _ in range(30):
        arm.command()
        arm.cycle()
        arm.bridge.take_state(arm.now, arm.now + shift, arm.q, arm.v)
    # Stamps older than the last are ignored; newer ones are checked for their age.
    assert arm.mode is Mode.FAULT and (message in arm.bridge.status.fault or "no new" in arm.bridge.status.fault)


def test_a_frozen_state_is_a_fault(arm):
    arm.held = True
    for _ in range(60):
        arm.command([0.1] * 7)
        arm.cycle()
        if arm.mode is Mode.FAULT:
            break
    assert "frozen" in arm.bridge.status.fault and not arm.cycle(0.1).velocity.any()


def test_late_states_during_a_fast_move_are_not_frozen():
    """At 1.3 rad/s an arm travels far between two states, even if they are only late."""
    arm = Arm()
    arm.cycle()
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.5)
    while not move.done:
        arm.silent = not arm.silent if round(arm.now / DT) % 10 == 0 else arm.silent
        arm.cycle()
    assert move.success


def test_constant_positions_at_rest_are_not_a_fault(arm):
    arm.cycle(10.0)
    assert arm.mode is Mode.READY


def test_an_interruption_ends_a_move_and_keeps_the_bridge_armed(arm):
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.5)
    arm.cycle(0.05)
    arm.bridge.interrupt(arm.now, "reflex")
    arm.v = np.zeros(7)
    output = arm.cycle()
    assert not output.velocity.any() and output.reasons == (Reason.INTERRUPTED,)
    assert move.done and move.message == "reflex"
    assert arm.mode is Mode.READY and arm.command() is None


def test_an_arm_that_recovers_may_send_no_state(arm):
    arm.command()
    arm.cycle(0.1)
    arm.silent, arm.v = True, np.zeros(7)
    for _ in range(50):
        arm.bridge.interrupt(arm.now, "reflex")
        assert not arm.cycle().velocity.any()
    arm.silent = False
    arm.bridge.take_state(arm.now, arm.now, arm.q, arm.v)
    arm.command()
    assert arm.cycle(0.05).velocity.any() and arm.mode is Mode.RUNNING


def test_counts_limited_commands(arm):
    arm.command(SLOW)
    arm.cycle(0.04)
    arm.command([3.0] * 7)
    arm.cycle(0.04)
    arm.command(SLOW)
    arm.cycle(0.04)
    assert arm.bridge.status.commands_limited == 1


def test_brake_comes_to_rest(arm):
    arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.5)
    arm.cycle(0.2)
    assert np.abs(arm.v).max() > 0.5
    cycles = 0
    while not arm.bridge.motion.at_rest:
        arm.bridge.brake()
        cycles += 1
    assert 5 < cycles < 40


def test_a_late_cycle_allows_no_larger_change_of_velocity(arm):
    arm.command([0.2] * 7)
    arm.now += 0.15
    arm.bridge.take_state(arm.now, arm.now, arm.q, arm.v)
    velocity = arm.bridge.update(arm.now).velocity
    assert (np.abs(velocity) <= np.array(arm.robot.limits.acceleration) * DT * (1 + 1e-9)).all()


def test_steadily_late_cycles_do_not_silence_the_health_check(arm):
    """At most one check is skipped after a late cycle, so a missing state or a second publisher is a fault."""
    arm.silent = True
    arm.command()
    for _ in range(10):
        arm.now += 0.11
        arm.bridge.update(arm.now)
    assert arm.mode is Mode.FAULT and "no new joint state" in arm.bridge.status.fault


def test_a_single_late_cycle_skips_one_health_check(arm):
    arm.now += 0.3
    arm.bridge.update(arm.now)
    assert arm.mode is Mode.READY
    arm.cycle()
    assert arm.mode is Mode.READY


def test_after_the_deadline_the_bridge_continues_from_where_the_guard_has_braked_to(arm):
    for _ in range(10):
        arm.command([0.2] * 7)
        arm.cycle()
    before = arm.v.copy()
    arm.now += arm.robot.driver.deadline + 0.5 * DT  # the guard has braked once, half a cycle ago
    arm.bridge.take_state(arm.now, arm.now, arm.q + before * 0.1, before)
    arm.command([0.2] * 7)
    arm.bridge.update(arm.now)
    acceleration = (arm.bridge.motion.velocity - before) / (1.5 * DT)
    assert (arm.bridge.motion.velocity < before).all()
    assert (np.abs(acceleration) <= np.array(arm.robot.limits.acceleration) * (1 + 1e-9)).all()


def test_a_cycle_right_after_another_changes_no_velocity(arm):
    arm.command([0.2] * 7)
    arm.cycle()
    velocity = arm.bridge.motion.velocity
    assert arm.bridge.update(arm.now + 0.2 * DT).velocity is velocity


@pytest.mark.parametrize("part", ["position", "velocity"])
def test_a_state_that_is_not_finite_is_a_fault_at_once(arm, part):
    arm.command([0.1] * 7)
    arm.cycle(0.05)
    broken = np.full(7, np.nan)
    q, v = (broken, arm.v) if part == "position" else (arm.q, broken)
    arm.now += DT
    arm.bridge.take_state(arm.now, arm.now, q, v)
    arm.v = arm.bridge.update(arm.now).velocity
    assert np.isfinite(arm.v).all() and arm.mode is Mode.FAULT and "not finite" in arm.bridge.status.fault
    assert "not finite" in arm.bridge.arm(arm.now)
    arm.cycle()
    assert arm.bridge.arm(arm.now) == ""


def test_a_move_does_not_succeed_on_states_that_are_not_finite(arm):
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.3)
    for _ in range(20):
        arm.now += DT
        arm.bridge.take_state(arm.now, arm.now, np.full(7, np.nan), np.zeros(7))
        arm.bridge.update(arm.now)
    assert move.done and not move.success and "not finite" in move.message


def test_the_bridge_does_not_become_ready_on_states_that_are_not_finite():
    arm = Arm()
    arm.q = np.full(7, np.nan)
    arm.cycle(0.1)
    assert arm.mode is Mode.STARTING


def test_a_command_that_is_sent_twice_is_refused_and_does_not_reset_the_watchdog(arm):
    arm.command()
    stamp = arm.now
    for jitter in (0.0, 2e-5, -2e-5):  # of a stamp that is converted from another clock
        arm.cycle()
        assert arm.bridge.take_command(arm.now, stamp + jitter, JOINTS, SLOW) is Refusal.OUT_OF_ORDER
    arm.cycle(0.2)
    assert arm.mode is Mode.HOLDING


def test_a_very_long_command_is_refused_unread(arm):
    class Names(list):
        def __iter__(self):
            raise AssertionError("the names were read")

    names = Names(["x"] * 8000)
    assert arm.bridge.take_command(arm.now, arm.now, names, [0.0] * 8000) is Refusal.WRONG_LENGTH


def test_a_bridge_that_starts_stopped_needs_a_person():
    arm = Arm()
    arm.bridge = Bridge(arm.robot, stopped=True)
    arm.cycle()
    assert arm.mode is Mode.STOPPED and arm.command() is Refusal.NOT_ARMED
    assert "only a person" in arm.bridge.arm(arm.now, person=False) and arm.mode is Mode.STOPPED
    assert arm.bridge.arm(arm.now) == "" and arm.mode is Mode.READY and not arm.bridge.status.stop_requested


def test_a_program_arms_a_simulated_arm_after_a_fault_and_a_latch_but_not_after_a_stop(arm):
    arm.bridge.fail(arm.now, "test")
    assert arm.bridge.arm(arm.now, person=False) == "" and arm.mode is Mode.READY
    arm.command()
    arm.cycle(1.2)
    assert arm.mode is Mode.STOPPED and arm.bridge.arm(arm.now, person=False) == ""
    arm.bridge.stop(arm.now)
    arm.bridge.fail(arm.now, "a fault after the stop")
    assert "a stop was requested" in arm.bridge.arm(arm.now, person=False)


def test_a_program_never_arms_a_real_arm(arm):
    arm.bridge.robot = replace(arm.robot, model=replace(arm.robot.model, mjcf=""))
    arm.bridge.fail(arm.now, "test")
    assert "only a person" in arm.bridge.arm(arm.now, person=False)


def test_the_end_of_a_run_is_no_requested_stop(arm):
    arm.bridge.stop(arm.now, requested=False)
    assert arm.mode is Mode.STOPPED and arm.bridge.arm(arm.now, person=False) == ""
    arm.bridge.stop(arm.now)
    arm.bridge.stop(arm.now, requested=False)
    assert arm.bridge.status.stop_requested, "a stop that was requested before still holds"


def test_a_long_pause_of_the_bridge_ends_a_move(arm):
    move = arm.bridge.move_to(arm.now, JOINTS, arm.robot.start_middle() + 0.8)
    arm.cycle(0.3)
    arm.now += 3.0
    arm.v = np.zeros(7)  # the guard has stopped the arm
    arm.cycle()
    assert move.done and "paused for 3.0 s" in move.message
    assert arm.mode is Mode.READY and not arm.v.any()
