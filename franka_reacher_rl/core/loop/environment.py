"""The environment's rules: the action cycle, the numbering of steps, and what happens between episodes.

Pure: events come in with their time, outputs go out as values. The environment node and virtual time run this code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Action, EndReason, Nanoseconds, Observation, StepId, Tick
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.loop.episode_counts import EpisodeCounts
from franka_reacher_rl.core.loop.events import (
    Ask,
    CancelMove,
    EpisodeEnd,
    Output,
    Phase,
    Progress,
    Request,
    RunPlan,
    RunState,
    Sensed,
    Senses,
    Warn,
)
from franka_reacher_rl.core.task.cycle import Cycle, EpisodeClock
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget, reset_steps
from franka_reacher_rl.core.task.summary import EpisodeRecord

SECOND: Nanoseconds = 1_000_000_000
RESET_MARGIN = 2.0  # s that a reset step may take beyond the robot file's timeout
RETRY_AFTER: Nanoseconds = SECOND  # after a failed reset, so that a lasting failure does not flood the console
ARM_AFTER = 1.0  # s stopped or in fault before a simulated robot is armed again
MAX_ARMINGS = 20  # of a simulated robot in one run
_ENDED = (RunState.COMPLETE, RunState.ABORTED)
PLACE_TARGET = "place the target where the wrist camera sees it"


class Environment:
    """The state machine of the environment.

    `poll` moves it on between episodes, `on_action` and `on_alarm` within one. After each call, `alarm` is the time
    at which `on_alarm` is to be called, and the returned outputs are to be sent in their order.
    """

    def __init__(
        self,
        settings: EpisodeSettings,
        robot: Robot,
        senses: Senses,
        reset_random: Callable[[int], np.random.Generator],
        plan: RunPlan | None = None,
        state: RunState = RunState.RUNNING,
    ) -> None:
        """Start in the phase WAITING, or ENDED if the run has ended.

        Args:
            settings: Cycle time and length of an episode.
            robot: The arm, for its resets.
            senses: Where observations are read from.
            reset_random: Gives the random numbers of an episode's reset, whenever it is tried.
            plan: Length of the run; the default has no limit.
            state: Of the run, where another process has begun it.
        """
        self._settings, self._robot, self._senses = settings, robot, senses
        self._reset_random, self._plan = reset_random, plan or RunPlan()
        self.phase = Phase.ENDED if state in _ENDED else Phase.WAITING
        self.episode = self._plan.first_episode - 1
        self._clock = EpisodeClock(settings)
        self._record = EpisodeRecord(self.episode)
        self._began: Nanoseconds | None = None  # of the run
        self._run_seconds = self._plan.run_seconds  # at the end of the last episode
        self._phase_began = self._reset_began = self._reset_ended = self._observed = 0  # ns
        self._steps: list[MoveTo | PlaceTarget] = []
        self._step_deadline: Nanoseconds = 0
        self._retry_at: Nanoseconds | None = None  # of a failed reset
        self._counts = EpisodeCounts(senses)
        self._armings = 0
        self._state = state

    @property
    def step(self) -> StepId:
        """The step of the last observation."""
        return StepId(self.episode, self._clock.step)

    @property
    def alarm(self) -> Nanoseconds | None:
        """When `on_alarm` is to be called next, or None."""
        if self.phase is Phase.RESETTING:
            return self._step_deadline
        if self.phase is not Phase.RUNNING:
            return None
        return self._clock.alarm

    @property
    def progress(self) -> Progress:
        """How far the run has come."""
        plan = self._plan
        return Progress(self._state, self.episode, plan.training_seconds, plan.total_steps, self._run_seconds)

    # Within an episode

    def on_action(self, now: Nanoseconds, action: Action) -> list[Output]:
        """Take note of the action that was sent; one of another step is ignored."""
        if self.phase is not Phase.RUNNING or action.id != self.step:
            return []
        self._record.add_action(action)
        self._clock.on_action(action.id.step)
        return self._take(now) if self._clock.due(now) else []

    def on_alarm(self, now: Nanoseconds) -> list[Output]:
        """Do what is due: take an observation, or give up waiting for an action or a reset."""
        if self.phase is Phase.RUNNING and self._clock.due(now):
            return self._take(now)
        if self.phase is Phase.RUNNING and self._clock.timed_out(now):
            waited = f"no action for {self._settings.action_timeout} s after step {self._clock.step}"
            warning = self._ending(f"{waited}: is the actor alive (in sync: the learner)?")
            return [warning, *self._take(now, EndReason.NO_ACTION)]
        if self.phase is Phase.RESETTING and now >= self._step_deadline:
            return [CancelMove(), *self._fail_reset(now, "no answer: is the robot bridge alive?")]
        return []

    def on_robot_down(self, now: Nanoseconds) -> list[Output]:
        """End the running episode, or a reset that is otherwise complete: the robot has stopped or is in fault."""
        if self.phase in (Phase.CONFIRMING, Phase.SETTLING):
            return self._fail_reset(now, "the robot has stopped")
        return self._take(now, EndReason.ROBOT_STOPPED) if self.phase is Phase.RUNNING else []

    # Asked for by a person

    def on_pause(self, now: Nanoseconds) -> list[Output]:
        """Begin no further episode until `on_resume`; a running one ends."""
        if self._state is RunState.RUNNING and self.phase is not Phase.ENDED:
            self._state = RunState.PAUSED
        return self._take(now, EndReason.PAUSED) if self.phase is Phase.RUNNING else []

    def on_resume(self) -> None:
        """Go on after a pause."""
        if self._state is RunState.PAUSED:
            self._state = RunState.RUNNING

    def on_abort(self, now: Nanoseconds) -> list[Output]:
        """End the run; a running episode ends with it."""
        if self.phase is Phase.ENDED:
            return []
        self._state = RunState.ABORTED
        if self.phase is Phase.RUNNING:
            return self._take(now, EndReason.ABORTED)
        cancel: list[Output] = [CancelMove()] if self.phase is Phase.RESETTING else []
        self._enter(Phase.ENDED, now)
        return [*cancel, Request.FINISH]

    # Between episodes

    def poll(self, now: Nanoseconds, missing: Sequence[str] = ()) -> list[Output]:
        """Begin the next reset or episode where everything is ready.

        Args:
            now: The time.
            missing: What else must be there before a reset, in words.
        """
        if self._began is None:
            self._began = self._phase_began = now
        retry = self._retry_at is None or now >= self._retry_at
        if self.phase is Phase.WAITING and retry and not self.waiting_for(now, missing):
            return self._reset(now)
        if self.phase is Phase.SETTLING and not self.waiting_for(now):
            return self._begin(now)
        return []

    def waiting_for(self, now: Nanoseconds, missing: Sequence[str] = ()) -> list[str]:
        """Name what the next reset or episode waits for; see `poll` for the arguments."""
        if self._state is RunState.PAUSED and self.phase in (Phase.WAITING, Phase.SETTLING):
            return ["a person to call ~/resume: the run is paused"]
        if self.phase is Phase.WAITING:
            lost = self._senses.missing(now)
            return [*([lost] if lost else []), *missing]
        if self.phase is Phase.SETTLING and not self._senses.since(self._reset_ended):
            return ["a frame and a robot state from after the reset"]
        if self.phase is Phase.CONFIRMING:
            return [f"a person to {PLACE_TARGET} and to call ~/continue"]
        return []

    def waited(self, now: Nanoseconds) -> float:
        """Return how long the current phase has lasted, s; 0 before the first `poll`."""
        return 0.0 if self._began is None else 1e-9 * (now - self._phase_began)

    def on_robot_stopped(self, now: Nanoseconds, reason: str, *, requested: bool) -> list[Output]:
        """Arm a simulated robot, which nobody needs to look at first, unless a person has stopped it.

        Call this while the robot is stopped or in fault.

        Args:
            now: The time.
            reason: Why it is stopped, in words.
            requested: Whether a person has requested the stop.
        """
        due = self.phase is Phase.WAITING and self.waited(now) > ARM_AFTER
        allowed = self._robot.simulated and not requested and self._armings < MAX_ARMINGS
        if not (due and allowed):
            return []
        self._armings += 1
        self._phase_began = now
        return [Warn(f"arming the simulated robot again: {reason}"), Request.REARM]

    def on_reset_step(self, now: Nanoseconds, success: bool, message: str = "") -> list[Output]:
        """Take note of the answer to the last `MoveTo` or `PlaceTarget`. A failed reset is tried again."""
        if self.phase is not Phase.RESETTING:
            return []
        return self._next_reset_step(now) if success else self._fail_reset(now, message)

    def on_continue(self, now: Nanoseconds) -> str:
        """Take note that a person has placed the target.

        Returns:
            Why nothing follows from it, or an empty string.
        """
        if self.phase is not Phase.CONFIRMING:
            return f"nothing waits for ~/continue now: the environment is {self.phase.value}"
        self._settle(now)
        return ""

    def state(self) -> dict[str, Any]:
        """Return everything that later episodes depend on, as JSON values; to be asked for before an episode."""
        assert self.phase is Phase.SETTLING, "the state is complete between a reset and its episode only"
        return {
            "episode": self.episode,
            "plan": asdict(self._plan),
            "times": [self._began, self._phase_began, self._reset_began, self._reset_ended],
            "armings": self._armings,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state: the next `poll` begins the episode."""
        self.phase, self.episode, self._armings = Phase.SETTLING, state["episode"], state["armings"]
        self._plan = RunPlan(**state["plan"])
        self._began, self._phase_began, self._reset_began, self._reset_ended = state["times"]

    def _reset(self, now: Nanoseconds) -> list[Output]:
        self._enter(Phase.RESETTING, now)
        self._reset_began, self._retry_at = now, None
        self.episode += 1
        self._steps = reset_steps(self._robot, self._reset_random(self.episode))
        return self._next_reset_step(now)

    def _next_reset_step(self, now: Nanoseconds) -> list[Output]:
        if not self._steps and self._robot.reset.confirm:
            self._enter(Phase.CONFIRMING, now)
            return [Ask(PLACE_TARGET)]
        if not self._steps:
            self._settle(now)
            return []
        self._step_deadline = now + round((self._robot.reset.timeout + RESET_MARGIN) * SECOND)
        return [self._steps.pop(0)]

    def _settle(self, now: Nanoseconds) -> None:
        self._reset_ended = now
        self._enter(Phase.SETTLING, now)

    def _fail_reset(self, now: Nanoseconds, message: str) -> list[Output]:
        self.episode -= 1
        self._retry_at = now + RETRY_AFTER
        self._enter(Phase.WAITING, now)
        return [Warn(f"the reset failed and is tried again: {message}", error=True)]

    # Observations

    def _begin(self, now: Nanoseconds) -> list[Output]:
        self._enter(Phase.RUNNING, now)
        sensed = self._senses.read(now)
        self._record = EpisodeRecord.begin(self.episode, self._settings, now, sensed.reward, sensed.coverage)
        self._counts.begin()
        return [*self._observe(now, self._clock.begin(now), sensed), *self._lost_target()]

    def _take(self, now: Nanoseconds, end: EndReason | None = None) -> list[Output]:
        """Take the next observation: the episode's last if time is up or `end` is given."""
        outputs: list[Output] = []
        lost = self._senses.missing(now)
        if end is None and lost:
            outputs.append(self._ending(f"missing {lost}"))
            end = EndReason.INPUT_LOST
        before, sensed = self._observed, self._senses.read(now)
        cycle = self._clock.take(now, end)
        # Waiting for a node that has died is neither training time nor time at the target.
        until = before + round(1e6 * self._settings.cycle_ms) if end is EndReason.NO_ACTION else now
        self._record.add_cycle(sensed.reward, sensed.coverage, cycle.lateness, until - before)
        outputs += self._observe(now, cycle, sensed)
        if cycle.end is not None:
            outputs += self._end(now, until, cycle.end)
        return outputs

    def _observe(self, now: Nanoseconds, cycle: Cycle, sensed: Sensed) -> list[Output]:
        self._observed = now
        observation = Observation(
            id=self.step,
            frame=sensed.frame,
            proprioception=sensed.proprioception,
            reward=sensed.reward if cycle.step else 0.0,
            first=cycle.step == 0,
            terminated=False,
            truncated=cycle.end is not None,
            captured=sensed.captured,
            taken=now,
            lateness=cycle.lateness,
        )
        # The tick goes first: where the actor gets it, the actor acts as soon as the observation arrives.
        return [Tick(self.step), observation]

    def _end(self, now: Nanoseconds, until: Nanoseconds, end: EndReason) -> list[Output]:
        record, plan = self._record, self._plan
        duration = 1e-9 * (until - record.started)
        self._run_seconds = plan.run_seconds + 1e-9 * (now - (self._began or 0))
        training_seconds, total_steps = plan.training_seconds + duration, plan.total_steps + record.steps
        self._plan = replace(plan, training_seconds=training_seconds, total_steps=total_steps)
        complete = (0 < plan.episodes <= record.episode) or (0 < 60.0 * plan.training_minutes <= training_seconds)
        if complete and self._state is not RunState.ABORTED:
            self._state = RunState.COMPLETE
        last = self._state in _ENDED
        summary = record.summary(
            end,
            late_ms=self._settings.late_ms,
            duration=duration,
            training_seconds=training_seconds,
            run_seconds=self._run_seconds,
            total_steps=total_steps,
            reset_seconds=1e-9 * (record.started - self._reset_began),
            **self._counts.fields(),
        )
        self._enter(Phase.ENDED if last else Phase.WAITING, now)
        return [EpisodeEnd(summary, record, last), *([Request.FINISH] if last else [])]

    def _lost_target(self) -> list[Output]:
        """Return a warning if the episode starts without the target in view."""
        remedy = f"{PLACE_TARGET}, or check reward.bands; with reset.confirm: true, each episode waits for you"
        warning = Warn(f"episode {self.episode} starts without the target in view: {remedy}")
        return [] if self._record.target_at_start else [warning]

    def _enter(self, phase: Phase, now: Nanoseconds) -> None:
        self.phase, self._phase_began = phase, now

    def _ending(self, reason: str) -> Warn:
        return Warn(f"episode {self.episode} ends: {reason}", error=True)
