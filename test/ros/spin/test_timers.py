"""Timers of a node, which its process runs between messages."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from franka_reacher_rl.ros.spin import timers as module
from franka_reacher_rl.ros.spin.timers import Timer, Timers

MS = 1_000_000


class Clock:
    """A steady clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000 * MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "steady_ns", clock)
    return clock


def calls_at(clock: Clock, timer: Timer, times: range) -> list[int]:
    """Run a timer at some times, ms, and return those at which it called."""
    found: list[int] = []
    timer.callback = lambda: found.append((clock.now - 1000 * MS) // MS)
    for time in times:
        clock.now = 1000 * MS + time * MS
        timer.run(clock.now)
    return found


def test_a_periodic_timer_keeps_its_phase(clock: Clock) -> None:
    assert calls_at(clock, Timer(lambda: None, 10 * MS), range(0, 50, 4)) == [12, 20, 32, 40]


def test_missed_calls_are_left_out(clock: Clock) -> None:
    assert calls_at(clock, Timer(lambda: None, 10 * MS), range(5, 100, 35)) == [40, 75]


def test_an_alarm_calls_once_each_time_it_is_set(clock: Clock) -> None:
    calls: list[int] = []
    alarm = Timer(lambda: calls.append(clock.now))
    alarm.run(clock.now)
    alarm.due = clock.now
    alarm.run(clock.now)
    alarm.run(clock.now + 10 * MS)
    assert calls == [clock.now]


def test_an_alarm_may_be_set_by_its_own_call(clock: Clock) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(clock.now)
        alarm.due = clock.now + 5 * MS

    alarm = Timer(call)
    alarm.due = clock.now
    alarm.run(clock.now)
    alarm.run(clock.now + 4 * MS)
    assert len(calls) == 1
    alarm.run(clock.now + 5 * MS)
    assert len(calls) == 2


def test_one_timer_may_cancel_another(clock: Clock) -> None:
    timers, calls = Timers(), []
    first = timers.add(Timer(lambda: setattr(second, "due", None), MS))
    second = timers.add(Timer(lambda: calls.append("second"), MS))
    clock.now += MS
    timers.run_due()
    assert first.due == clock.now + MS
    assert not calls


def test_the_wait_is_that_of_the_next_call(clock: Clock) -> None:
    timers = Timers()
    assert timers.wait(0.1) == 0.1
    timers.add(Timer(lambda: None, 30 * MS))
    assert timers.wait(0.1) == pytest.approx(0.03)
    assert timers.wait(0.01) == 0.01
    clock.now += 40 * MS
    assert timers.wait(0.1) == 0.0


def test_a_periodic_call_makes_way_for_a_deadline(clock: Clock) -> None:
    calls: list[str] = []
    timers, start = Timers(), clock.now
    timers.add(Timer(lambda: calls.append("regular"), 10 * MS))
    alarm = timers.add(Timer(lambda: calls.append("deadline")))
    alarm.due = start + 11 * MS
    clock.now = start + 10 * MS
    timers.run_due()
    assert calls == [] and timers.wait(1.0) == pytest.approx(0.001)
    clock.now = start + 11 * MS
    timers.run_due()
    assert sorted(calls) == ["deadline"] and timers.wait(1.0) == 0.0
    timers.run_due()
    assert calls == ["deadline", "regular"]


def test_deadlines_in_a_row_do_not_hold_up_a_periodic_call(clock: Clock) -> None:
    calls: list[int] = []
    timers, start = Timers(), clock.now
    timers.add(Timer(lambda: calls.append(clock.now - start), 10 * MS))
    alarm = timers.add(Timer(lambda: None))
    for clock.now in range(start, start + 21 * MS, MS):
        alarm.due = clock.now + MS
        timers.run_due()
    assert calls == [14 * MS]
