"""The action cycle, on a clock that the test moves."""

import pytest

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.task.cycle import EpisodeClock

SECOND = 1_000_000_000


def _run(settings: EpisodeSettings, lateness: float = 0.0) -> tuple[EpisodeClock, list]:
    clock, cycles = EpisodeClock(settings), []
    clock.begin(100 * SECOND)
    while not cycles or cycles[-1].end is None:
        clock.on_action(clock.step)
        now = clock.alarm + round(lateness * SECOND)
        assert clock.due(now)
        cycles.append(clock.take(now))
    return clock, cycles


@pytest.mark.parametrize(("cycle_ms", "steps"), [(40.0, 150), (75.0, 80), (80.0, 75), (120.0, 50)])
def test_steps_of_a_punctual_episode(cycle_ms, steps):
    settings = EpisodeSettings(cycle_ms=cycle_ms)
    _, cycles = _run(settings)
    assert len(cycles) == steps == settings.steps
    assert [c.step for c in cycles] == list(range(1, steps + 1))
    assert cycles[-1].end is EndReason.TIME_LIMIT and not any(c.end for c in cycles[:-1])


def test_small_lateness_keeps_the_grid():
    _, cycles = _run(EpisodeSettings(), lateness=0.005)
    assert len(cycles) == 150
    assert all(abs(c.lateness - 0.005) < 1e-9 for c in cycles)


def test_large_lateness_starts_the_grid_anew_and_the_episode_still_ends_in_time():
    _, cycles = _run(EpisodeSettings(), lateness=0.06)
    assert len(cycles) == 60  # 100 ms each
    assert all(abs(c.lateness - 0.06) < 1e-9 for c in cycles)


def test_nothing_is_due_before_the_action_is_out():
    clock = EpisodeClock(EpisodeSettings())
    clock.begin(0)
    assert not clock.due(SECOND)
    clock.on_action(7)
    assert not clock.due(SECOND), "an action of another step does not count"
    clock.on_action(0)
    assert clock.due(SECOND) and not clock.due(39_999_999) and clock.alarm == 40_000_000


def test_a_silent_actor_times_out():
    clock = EpisodeClock(EpisodeSettings(action_timeout=0.5))
    clock.begin(0)
    assert not clock.timed_out(SECOND // 2 - 1) and clock.timed_out(SECOND // 2) and clock.alarm == SECOND // 2
    clock.on_action(0)
    assert not clock.timed_out(SECOND)
    assert clock.take(SECOND, EndReason.NO_ACTION).end is EndReason.NO_ACTION
