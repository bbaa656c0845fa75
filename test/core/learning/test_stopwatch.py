"""The stopwatch accounts time to the part in progress, and its totals only grow."""

from __future__ import annotations

import json

import pytest

from franka_reacher_rl.core.learning.stopwatch import Stopwatch


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """Return the time in nanoseconds."""
        return self.now


def test_totals_include_the_part_in_progress() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch.part("waiting"):
        clock.now = 1
    clock.now = 2
    with watch.part("update"):
        clock.now = 4
        assert watch.totals() == {"waiting": 1, "update": 2}
        clock.now = 5
    clock.now = 6
    assert watch.totals() == {"waiting": 1, "update": 3}


def test_a_part_that_fails_is_accounted_too() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with pytest.raises(RuntimeError), watch.part("update"):
        clock.now = 2
        raise RuntimeError
    clock.now = 4
    assert watch.totals() == {"update": 2}


def test_an_inner_part_interrupts_the_outer_one() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch.part("outer"):
        clock.now = 1
        with watch.part("inner"):
            clock.now = 4
        clock.now = 5
    assert watch.totals() == {"outer": 2, "inner": 3}


def test_switching_and_adding() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.switch("idle")
    clock.now = 10
    watch.switch("update")
    clock.now = 12
    watch.switch(None)
    watch.add("update", 5)
    watch.add("sampling", 3)
    assert watch.totals() == {"idle": 10, "update": 7, "sampling": 3}


def test_a_restored_stopwatch_continues_the_part_in_progress() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.switch("update")
    clock.now = 7
    state = json.loads(json.dumps(watch.state()))
    clock.now = 100
    restored = Stopwatch(clock)
    restored.load_state(state)
    clock.now = 101
    assert restored.totals() == {"update": 8}
