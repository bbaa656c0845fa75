"""Whatever commands, states and requests the bridge is given, its velocity stays within the limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fuzzing
import numpy as np
import pytest
from fuzzing import JOINTS, floats, fuzzed, texts
from hypothesis import given
from hypothesis import strategies as st

from franka_reacher_rl.core.arm import bridge as bridge_module
from franka_reacher_rl.core.arm.bridge import Bridge
from franka_reacher_rl.core.arm.guard import Guard
from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot

ROBOT = Robot.load("panda_sim")
START = ROBOT.start_middle()
FASTEST = np.asarray(ROBOT.limits.velocity) * (1.0 + 1e-9)
PERIOD = 1.0 / ROBOT.driver.control_rate

vectors = st.lists(floats(64), min_size=7, max_size=7)
names = st.sampled_from([JOINTS, JOINTS[:6], [*JOINTS, "x"], [JOINTS[0]] * 7, []]) | st.lists(texts(), max_size=8)
events = st.one_of(
    st.tuples(st.just("state"), vectors, vectors),
    st.tuples(st.just("moved"), st.lists(st.floats(-0.01, 0.01), min_size=7, max_size=7), vectors),
    st.tuples(st.just("command"), names, vectors),
    st.tuples(st.just("command"), st.just(JOINTS), vectors),
    st.tuples(st.just("command"), st.just(JOINTS), st.lists(floats(64), max_size=9)),
    st.tuples(st.just("move"), names, vectors, floats(64)),
    st.tuples(st.just("stamp"), floats(64)),
    st.tuples(st.sampled_from(["arm", "rearm", "stop"])),
)


def give(bridge: Bridge, now: float, event: tuple[Any, ...]) -> None:
    what = event[0]
    if what == "state":
        bridge.take_state(now, now, np.array(event[1]), np.array(event[2]))
    elif what == "moved":
        bridge.take_state(now, now, START + event[1], np.zeros(7))
    elif what == "command":
        bridge.take_command(now, now, event[1], event[2])
    elif what == "stamp":
        bridge.take_command(now, event[1], JOINTS, [0.1] * 7)
    elif what == "move":
        try:
            bridge.move_to(now, event[1], event[2], event[3])
        except ValueError as error:
            assert str(error) and len(str(error)) < 2000
    elif what == "stop":
        bridge.stop(now)
    else:
        bridge.arm(now, person=what == "arm")


@fuzzed(2)
@given(sequence=st.lists(events, min_size=1, max_size=12))
def test_the_bridge_stays_within_its_limits(sequence: list[tuple[Any, ...]]) -> None:
    fuzzing.count()
    bridge, now = make(), 100.0
    for event in sequence:
        now += PERIOD
        give(bridge, now, event)
        velocity = bridge.update(now).velocity
        assert np.isfinite(velocity).all() and (np.abs(velocity) <= FASTEST).all()
        assert len(bridge.status.last_refusal) < 500


@pytest.fixture(scope="module", autouse=True)
def shared_kinematics() -> Iterator[None]:
    """All bridges have the same kinematics: reading the URDF takes long."""
    patch, kinematics = pytest.MonkeyPatch(), Kinematics(ROBOT)
    patch.setattr(bridge_module, "Kinematics", lambda robot: kinematics)
    yield
    patch.undo()


def make() -> Bridge:
    """A bridge that is ready."""
    bridge = Bridge(ROBOT)
    bridge.take_state(100.0, 100.0, START, np.zeros(7))
    bridge.update(100.0)
    bridge.arm(100.0)
    return bridge


@fuzzed(2)
@given(
    commands=st.lists(st.tuples(st.lists(floats(64), max_size=8) | vectors, names), min_size=1, max_size=6),
)
def test_the_guard_brakes_from_whatever_was_commanded(commands: list[tuple[list[float], list[str]]]) -> None:
    fuzzing.count()
    guard, now = Guard(ROBOT), 0.0
    for velocity, joints in commands:
        now += PERIOD
        try:
            guard.on_command(now, np.array(velocity, float), joints)
        except ValueError as error:
            assert str(error)
    for _ in range(2000):
        if guard.alarm == np.inf:
            break
        now = guard.alarm
        sent = guard.on_alarm(now)
        assert sent is None or (np.isfinite(sent).all() and (np.abs(sent) <= FASTEST).all())
    assert guard.idle
