"""The environment's rules, with the time and all events handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from stories import MS, ROBOT, FakePlant

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Action, EndReason, Observation, StepId, Tick
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.loop.environment import MAX_ARMINGS, RESET_MARGIN, Environment
from franka_reacher_rl.core.loop.events import (
    Ask,
    BridgeCounters,
    CancelMove,
    EpisodeEnd,
    Output,
    Phase,
    Progress,
    Request,
    RunPlan,
    RunState,
    Sensed,
    Warn,
)
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget

SETTINGS = EpisodeSettings(cycle_ms=40.0, seconds=0.12, action_timeout=0.5)
RESET_TIMEOUT = round((ROBOT.reset.timeout + RESET_MARGIN) * 1e9)


class Senses(FakePlant):
    """Inputs that a test makes stale, old or counted."""

    def __init__(self) -> None:
        super().__init__()
        self.lost, self.fresh_from = "", 0
        self.counted: BridgeCounters | None = None
        self.reward = 1.0
        self.refused_so_far: dict[str, int] = {}

    def read(self, now: int) -> Sensed:
        return replace(super().read(now), reward=self.reward, coverage=0.1 * self.reward)

    def missing(self, now: int) -> str:
        return self.lost

    def since(self, time: int) -> bool:
        return self.fresh_from >= time

    def counters(self) -> BridgeCounters | None:
        return self.counted

    def refused(self) -> dict[str, int]:
        return self.refused_so_far


def make(plan: RunPlan | None = None, *, confirm: bool = False, robot: Robot = ROBOT) -> tuple[Environment, Senses]:
    senses, robot = Senses(), replace(robot, reset=replace(robot.reset, confirm=confirm))
    return Environment(SETTINGS, robot, senses, lambda episode: reset_rng(3, episode), plan), senses


def kinds(outputs: Sequence[Output]) -> list[type]:
    return [type(output) for output in outputs]


def begin(environment: Environment, senses: Senses, now: int = 0) -> list[Output]:
    """Reset at once and begin the episode."""
    assert kinds(environment.poll(now)) == [MoveTo]
    assert kinds(environment.on_reset_step(now, True)) == [PlaceTarget]
    assert environment.on_reset_step(now, True) == []
    senses.fresh_from = now
    return environment.poll(now)


def act(environment: Environment, now: int) -> list[Output]:
    return environment.on_action(now, Action(environment.step, np.zeros(7, np.float32), policy_version=4))


def test_an_episode_from_reset_to_summary() -> None:
    environment, senses = make(RunPlan(episodes=1))
    assert kinds(begin(environment, senses, 5 * MS)) == [Tick, Observation]
    for step in (1, 2):
        assert act(environment, (40 * step - 25) * MS) == []
        deadline = (5 + 40 * step) * MS
        assert environment.alarm == deadline
        tick, observation = environment.on_alarm(deadline)
        assert isinstance(tick, Tick) and tick.id == StepId(1, step)
        assert isinstance(observation, Observation) and observation.reward == 1.0 and not observation.last
    act(environment, 100 * MS)
    *_, observation, end, stop = environment.on_alarm(125 * MS)
    assert isinstance(observation, Observation) and observation.truncated and not observation.terminated
    assert isinstance(end, EpisodeEnd) and end.last and stop is Request.FINISH
    summary = end.summary
    assert (summary.episode, summary.steps, summary.end_reason) == (1, 3, EndReason.TIME_LIMIT.value)
    assert (summary.duration, summary.run_seconds) == (pytest.approx(0.12), pytest.approx(0.12))
    assert np.isnan(summary.watchdog_stops) and np.isnan(summary.updates), "unknown, not 0"
    assert environment.phase is Phase.ENDED and environment.alarm is None


def test_the_first_wait_is_timed_from_the_first_poll() -> None:
    environment, _ = make()
    assert environment.waited(5_000_000_000) == 0.0
    environment.poll(5_000_000_000, ["a learner"])
    assert environment.waited(8_000_000_000) == 3.0


def test_a_timer_that_fires_early_is_set_again() -> None:
    """A clock step may fire the timer before its time: the alarm then stands, and nothing waits for ever."""
    environment, senses = make()
    begin(environment, senses)
    act(environment, 10 * MS)
    assert environment.on_alarm(39 * MS) == []
    assert environment.alarm == 40 * MS
    assert kinds(environment.on_alarm(40 * MS)) == [Tick, Observation]


def test_a_late_action_is_followed_by_the_observation_at_once() -> None:
    environment, senses = make()
    begin(environment, senses)
    outputs = act(environment, 55 * MS)
    assert kinds(outputs) == [Tick, Observation]
    assert isinstance(outputs[1], Observation) and outputs[1].lateness == pytest.approx(0.015)


def test_an_action_of_another_step_is_ignored() -> None:
    environment, senses = make()
    begin(environment, senses)
    assert environment.on_action(50 * MS, Action(StepId(1, 1), np.zeros(7, np.float32))) == []
    assert environment.on_alarm(50 * MS) == []


def test_no_action_ends_the_episode() -> None:
    environment, senses = make()
    begin(environment, senses)
    assert environment.alarm == 500 * MS
    warning, *_, end = environment.on_alarm(500 * MS)
    assert isinstance(warning, Warn) and "no action for 0.5 s" in warning.text
    assert isinstance(end, EpisodeEnd) and end.summary.end_reason == EndReason.NO_ACTION.value and not end.last
    assert environment.phase is Phase.WAITING


def test_a_lost_input_ends_the_episode() -> None:
    environment, senses = make()
    begin(environment, senses)
    senses.lost = "a fresh frame"
    warning, *_, end = act(environment, 50 * MS)
    assert isinstance(warning, Warn) and "a fresh frame" in warning.text
    assert isinstance(end, EpisodeEnd) and end.summary.end_reason == EndReason.INPUT_LOST.value


def test_a_robot_that_stops_ends_the_episode() -> None:
    environment, senses = make()
    assert environment.on_robot_down(0) == []
    begin(environment, senses)
    end = environment.on_robot_down(20 * MS)[-1]
    assert isinstance(end, EpisodeEnd) and end.summary.end_reason == EndReason.ROBOT_STOPPED.value


def test_an_unanswered_reset_step_is_tried_again_with_the_same_draws() -> None:
    """Without a deadline, a move that is never answered would stop the run silently."""
    environment, _ = make()
    (first,) = environment.poll(0)
    assert environment.alarm == RESET_TIMEOUT
    cancel, warning = environment.on_alarm(RESET_TIMEOUT)
    assert isinstance(cancel, CancelMove), "the robot bridge refuses the next move while this one lasts"
    assert isinstance(warning, Warn) and warning.error and "tried again: no answer" in warning.text
    assert environment.on_reset_step(RESET_TIMEOUT, True) == [], "a late answer does not count"
    assert environment.poll(RESET_TIMEOUT + MS) == [], "not at once"
    (again,) = environment.poll(RESET_TIMEOUT + 1000 * MS)
    assert isinstance(first, MoveTo) and isinstance(again, MoveTo) and np.array_equal(first.q, again.q)
    assert environment.episode == 1


def test_a_failed_reset_is_tried_again() -> None:
    environment, _ = make()
    environment.poll(0)
    (warning,) = environment.on_reset_step(MS, False, "joint 3 is stuck")
    assert isinstance(warning, Warn) and "joint 3 is stuck" in warning.text
    assert environment.poll(2 * MS) == [], "a lasting failure does not flood the console"
    assert kinds(environment.poll(1001 * MS)) == [MoveTo]


def test_a_reset_waits_for_a_person_where_the_robot_file_says_so() -> None:
    environment, senses = make(confirm=True)
    assert "nothing waits" in environment.on_continue(0)
    environment.poll(0)
    environment.on_reset_step(MS, True)
    (ask,) = environment.on_reset_step(2 * MS, True)
    assert isinstance(ask, Ask) and "place the target" in ask.text
    senses.fresh_from = 3600_000 * MS
    assert environment.poll(senses.fresh_from) == [], "a person takes as long as it takes"
    assert "~/continue" in environment.waiting_for(senses.fresh_from)[0] and environment.alarm is None
    assert environment.on_continue(senses.fresh_from + MS) == ""
    assert environment.poll(senses.fresh_from + 2 * MS) == [], "the frame is from before the person's answer"
    senses.fresh_from += MS
    assert kinds(environment.poll(senses.fresh_from)) == [Tick, Observation]
    assert "nothing waits" in environment.on_continue(senses.fresh_from)


def test_a_robot_that_stops_while_a_person_places_the_target_is_reset_again() -> None:
    environment, _ = make(confirm=True)
    environment.poll(0)
    environment.on_reset_step(MS, True)
    environment.on_reset_step(2 * MS, True)
    (warning,) = environment.on_robot_down(3 * MS)
    assert isinstance(warning, Warn) and "the robot has stopped" in warning.text
    assert kinds(environment.poll(1003 * MS)) == [MoveTo] and environment.episode == 1


def test_a_start_without_the_target_in_view_is_reported_once_and_counted() -> None:
    environment, senses = make()
    senses.reward = 0.0
    *observed, warning = begin(environment, senses)
    assert kinds(observed) == [Tick, Observation]
    assert isinstance(warning, Warn) and "episode 1 starts without the target in view" in warning.text
    assert kinds(act(environment, 45 * MS)) == [Tick, Observation]
    end = environment.on_robot_down(50 * MS)[-1]
    assert isinstance(end, EpisodeEnd) and end.summary.target_at_start == 0.0
    senses.reward = 1.0
    assert kinds(begin(environment, senses, 60 * MS)) == [Tick, Observation]
    end = environment.on_robot_down(70 * MS)[-1]
    assert isinstance(end, EpisodeEnd) and end.summary.target_at_start == 1.0


def test_nothing_starts_before_everything_is_there() -> None:
    environment, senses = make()
    senses.lost = "a frame"
    assert environment.poll(0, ["the actor"]) == []
    assert environment.waiting_for(0, ["the actor"]) == ["a frame", "the actor"]
    senses.lost = ""
    assert kinds(environment.poll(MS)) == [MoveTo]
    environment.on_reset_step(MS, True)
    environment.on_reset_step(9 * MS, True)
    senses.fresh_from = 8 * MS
    assert environment.poll(10 * MS) == [], "frame and state are from before the reset's end"
    assert environment.waiting_for(10 * MS)
    senses.fresh_from = 9 * MS
    assert kinds(environment.poll(11 * MS)) == [Tick, Observation]


def test_a_wait_is_counted_from_the_first_poll_on() -> None:
    environment, senses = make()
    senses.lost = "a frame"
    start = 5_000_000 * MS  # the clock's origin is the start of the computer
    environment.poll(start)
    assert environment.waited(start + 30 * MS) == pytest.approx(0.03)


def test_a_simulated_robot_is_armed_again_a_limited_number_of_times() -> None:
    environment, _ = make()
    environment.poll(0, ["the robot"])
    armed = 0
    for second in range(2 * MAX_ARMINGS + 2):
        armed += Request.REARM in environment.on_robot_stopped(second * 1000 * MS, "tripped", requested=False)
    assert armed == MAX_ARMINGS


def test_a_requested_stop_is_never_lifted_by_the_environment() -> None:
    environment, _ = make()
    environment.poll(0, ["the robot"])
    for second in range(100):
        assert environment.on_robot_stopped(second * 1000 * MS, "stopped", requested=True) == []


def test_a_real_robot_is_never_armed_by_the_environment() -> None:
    environment, _ = make(robot=Robot.load("fr3"))
    environment.poll(0, ["the robot"])
    for second in range(100):
        assert environment.on_robot_stopped(second * 1000 * MS, "tripped", requested=False) == []


def test_the_bridges_counters_are_of_the_episode() -> None:
    environment, senses = make()
    senses.counted = BridgeCounters(watchdog_stops=5, held_seconds=1.0, commands_limited=7)
    begin(environment, senses)
    senses.counted = BridgeCounters(watchdog_stops=6, held_seconds=1.5, commands_limited=7)
    end = environment.on_robot_down(MS)[-1]
    assert isinstance(end, EpisodeEnd)
    summary = end.summary
    assert (summary.watchdog_stops, summary.held_seconds, summary.commands_limited) == (1, 0.5, 0)


def test_a_resumed_run_continues_its_counters() -> None:
    plan = RunPlan(episodes=9, first_episode=8, training_seconds=42.0, total_steps=1000, run_seconds=60.0)
    environment, senses = make(plan)
    begin(environment, senses)
    end = environment.on_robot_down(20 * MS)[-1]
    assert isinstance(end, EpisodeEnd)
    summary = end.summary
    assert (summary.episode, summary.total_steps) == (8, 1001)
    assert (summary.training_seconds, summary.run_seconds) == (pytest.approx(42.02), pytest.approx(60.02))


def test_a_pause_ends_the_episode_and_begins_no_other() -> None:
    environment, senses = make(RunPlan(episodes=9))
    begin(environment, senses)
    act(environment, 10 * MS)
    _, observation, end = environment.on_pause(50 * MS)
    assert isinstance(observation, Observation) and observation.truncated
    assert isinstance(end, EpisodeEnd) and not end.last and end.summary.end_reason == EndReason.PAUSED.value
    assert environment.progress.state is RunState.PAUSED and environment.on_pause(60 * MS) == []
    assert environment.poll(90 * MS) == [] and "resume" in environment.waiting_for(90 * MS)[0]
    environment.on_resume()
    assert kinds(environment.poll(100 * MS)) == [MoveTo]


def test_a_pause_during_a_reset_holds_before_the_episode() -> None:
    environment, senses = make()
    environment.poll(0)
    assert environment.on_pause(MS) == []
    environment.on_reset_step(2 * MS, True)
    environment.on_reset_step(3 * MS, True)
    senses.fresh_from = 4 * MS
    assert environment.poll(4 * MS) == [] and environment.waiting_for(4 * MS)
    environment.on_resume()
    assert kinds(environment.poll(5 * MS)) == [Tick, Observation]


@pytest.mark.parametrize("phase", list(Phase))
def test_an_abort_ends_the_run_in_every_phase(phase: Phase) -> None:
    environment, senses = make(confirm=phase is Phase.CONFIRMING)
    if phase is Phase.RUNNING:
        begin(environment, senses)
        act(environment, 10 * MS)
        outputs = environment.on_abort(50 * MS)
        assert isinstance(outputs[-2], EpisodeEnd) and outputs[-2].last
        assert outputs[-2].summary.end_reason == EndReason.ABORTED.value
    elif phase is Phase.ENDED:
        environment.on_abort(0)
        assert environment.on_abort(MS) == []
        return
    else:
        environment.phase = phase
        outputs = environment.on_abort(0)
        assert (CancelMove() in outputs) == (phase is Phase.RESETTING)
    assert outputs[-1] is Request.FINISH and environment.phase is Phase.ENDED
    assert environment.progress.state is RunState.ABORTED
    environment.on_resume()
    assert environment.progress.state is RunState.ABORTED


def test_waiting_for_an_action_that_never_comes_is_no_training_time() -> None:
    environment, senses = make()
    begin(environment, senses)
    act(environment, 10 * MS)
    environment.on_alarm(40 * MS)
    *_, end = environment.on_alarm(40 * MS + 500 * MS)
    assert isinstance(end, EpisodeEnd) and end.summary.end_reason == EndReason.NO_ACTION.value
    assert end.summary.training_seconds == end.summary.duration == pytest.approx(0.08)
    assert end.summary.coverage_return == pytest.approx(2.0)
    assert end.summary.run_seconds == pytest.approx(0.54)


def test_progress_counts_an_episode_from_its_reset() -> None:
    environment, senses = make(RunPlan(first_episode=4, training_seconds=10.0, total_steps=100, run_seconds=20.0))
    assert environment.progress == Progress(RunState.RUNNING, 3, 10.0, 100, 20.0)
    begin(environment, senses)
    assert environment.progress == Progress(RunState.RUNNING, 4, 10.0, 100, 20.0)


def test_the_summary_counts_the_inputs_that_were_refused_during_its_episode() -> None:
    environment, senses = make()
    senses.refused_so_far = {"black": 2}
    begin(environment, senses)
    senses.refused_so_far = {"black": 5, "frozen": 1}
    end = environment.on_pause(50 * MS)[-1]
    assert isinstance(end, EpisodeEnd) and end.summary.refused_inputs == "black 3, frozen 1"


def test_a_successor_keeps_a_pause_and_the_end_of_the_run() -> None:
    def successor(state: RunState) -> Environment:
        return Environment(SETTINGS, ROBOT, Senses(), lambda episode: reset_rng(3, episode), None, state)

    paused = successor(RunState.PAUSED)
    assert paused.poll(0) == [] and "resume" in paused.waiting_for(0)[0]
    for state in (RunState.COMPLETE, RunState.ABORTED):
        ended = successor(state)
        assert ended.phase is Phase.ENDED and ended.poll(0) == [] and ended.progress.state is state
