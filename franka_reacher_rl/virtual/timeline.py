"""Virtual time: the ROS graph's rules on a simulated clock, in an exact order of events.

The rules are the graph's own: `EpisodeClock` says when an observation is taken, `RequestGate` when the learner updates,
and the actor acts on observation k when it holds a tick for k and a policy at least as new as the tick says. Sync and
async differ in who sends ticks and requests, as the two launch files do. What takes time is told by a latency profile;
the arm goes on moving meanwhile.

Time is whole nanoseconds. Events at the same time happen in the order of `Event`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from franka_reacher_rl.core.base.datatypes import EndReason, Nanoseconds, StepId
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.loop.gate import Answer, RequestGate, UpdateBudget
from franka_reacher_rl.core.task.cycle import EpisodeClock
from franka_reacher_rl.core.task.summary import EpisodeRecord
from franka_reacher_rl.virtual.latency import Clockwork, nanoseconds
from franka_reacher_rl.virtual.wiring import Action, Agent, Plant, Wiring

PARTS = ("sampling", "batch_transfer", "update")  # that keep the learner busy, in their order
WAITS = (Answer.WAIT_FOR_DATA.value, Answer.WAIT_FOR_BUDGET.value, Answer.IDLE.value)


class Event(IntEnum):
    """What can happen next; at the same time, the smaller first."""

    POLICY = 0  # a policy reaches the actor
    UPDATED = 1  # the learner is done
    COMMAND = 2  # a command reaches the bridge
    CONTROL = 3  # the bridge's cycle
    DEADLINE = 4  # the next observation is due
    SILENCE = 5  # the actor has been silent for too long


@dataclass
class Outcome:
    """One episode: what the record holds, and what only virtual time knows."""

    record: EpisodeRecord
    end: EndReason
    began: Nanoseconds
    ended: Nanoseconds
    coverage_return: float  # the return with each step's true length instead of the cycle time
    learner_seconds: dict[str, float]  # where its time went since the episode before
    held: int  # control cycles in which the bridge held the arm
    watchdog_stops: int
    commands_limited: int


class Timeline:
    """One run. Alternately call `reset` and `run_episode`; between the two, `state` is all there is to save."""

    def __init__(
        self,
        wiring: Wiring,
        episode: EpisodeSettings,
        budget: UpdateBudget,
        clockwork: Clockwork,
        plant: Plant,
        agent: Agent,
        trace: Callable[[Nanoseconds, str], None] = lambda now, what: None,
    ) -> None:
        """Starts at time 0, before the first reset.

        Args:
            wiring: Of the graph.
            episode: Action cycle and length of an episode.
            budget: Of the learner's updates.
            clockwork: How long things take.
            plant: The arm.
            agent: Actor and learner.
            trace: Told of everything that happens.
        """
        self._wiring, self._settings, self._trace = wiring, episode, trace
        self._clockwork, self._plant, self._agent = clockwork, plant, agent
        self._clock = EpisodeClock(episode)
        self._gate = RequestGate(budget)
        self._answered = StepId(0, 0)
        self.now: Nanoseconds = 0
        self._alarms: dict[Event, Nanoseconds] = {Event.CONTROL: 0}
        # the episode
        self._record = EpisodeRecord(0)
        self._running = False
        self._observed: Nanoseconds = 0
        self._coverage = 0.0
        self._end: EndReason | None = None
        # learner
        self._answering: StepId | None = None  # while it updates
        self._newest = StepId(0, 0)
        self._spent: dict[str, Nanoseconds] = dict.fromkeys((*PARTS, *WAITS), 0)
        self._waiting_for: tuple[str, Nanoseconds] | None = None
        # policies on their way: when they arrive, version, when they were made
        self._policies: list[tuple[Nanoseconds, int, Nanoseconds]] = []
        # actor
        self._tick: tuple[StepId, int] = (StepId(0, 0), 0)
        self._acted = StepId(0, 0)
        self._version, self._made, self._uses = 0, 0, 0
        self._action: Action | None = None
        self._policy_age: tuple[int, Nanoseconds, int] = (0, 0, 0)

    # What a run does

    def reset(self, episode: int) -> None:
        """Moves the arm to the start of an episode; the learner goes on meanwhile."""
        ready = self.now + self._clockwork.reset
        self._trace(self.now, f"reset {episode}")
        self._plant.begin_reset(episode, self.now)
        while self._plant.resetting() or self.now < ready:
            self._next()

    def run_episode(self, episode: int) -> Outcome:
        """From the first observation to the last."""
        self._clockwork.begin(episode)
        self._plant.begin_episode(self.now)
        self._alarms[Event.CONTROL] = self.now + self._plant.period
        self._record = EpisodeRecord(episode, started=self._seconds)
        self._coverage, self._end = 0.0, None
        began = self.now
        self._running = True
        self._clock.begin(self._seconds)
        self._observe(0, None)
        while self._running:
            self._next()
        assert self._end is not None
        return Outcome(
            record=self._record,
            end=self._end,
            began=began,
            ended=self.now,
            coverage_return=self._coverage,
            learner_seconds=self._take_spent(),
            held=self._plant.held,
            watchdog_stops=self._plant.watchdog_stops,
            commands_limited=self._plant.commands_limited,
        )

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on, as JSON knows it; to be asked between a reset and an episode."""
        pending = self._gate.pending
        return {
            "now": self.now,
            "alarms": {event.name: at for event, at in self._alarms.items()},
            "policies": self._policies,
            "answered": [self._answered.episode, self._answered.step],
            "pending": None if pending is None else [pending.episode, pending.step],
            "answering": None if self._answering is None else [self._answering.episode, self._answering.step],
            "newest": [self._newest.episode, self._newest.step],
            "acted": [self._acted.episode, self._acted.step],
            "tick": [self._tick[0].episode, self._tick[0].step, self._tick[1]],
            "policy": [self._version, self._made, self._uses],
            "spent": self._spent,
            "waiting_for": self._waiting_for,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.now = state["now"]
        self._alarms = {Event[name]: at for name, at in state["alarms"].items()}
        self._policies = [(at, version, made) for at, version, made in state["policies"]]
        self._answered = StepId(*state["answered"])
        self._gate.request(self._answered)
        self._gate.answer()
        if state["pending"] is not None:
            self._gate.request(StepId(*state["pending"]))
        self._answering = None if state["answering"] is None else StepId(*state["answering"])
        self._newest, self._acted = StepId(*state["newest"]), StepId(*state["acted"])
        episode, step, version = state["tick"]
        self._tick = (StepId(episode, step), version)
        self._version, self._made, self._uses = state["policy"]
        self._spent = dict(state["spent"])
        self._waiting_for = None if state["waiting_for"] is None else tuple(state["waiting_for"])

    # The clock

    @property
    def _seconds(self) -> float:
        return self.now * 1e-9

    def _next(self) -> None:
        """Lets the next event happen."""
        if self._policies:
            self._alarms[Event.POLICY] = self._policies[0][0]
        at, event = min((at, event) for event, at in self._alarms.items())
        del self._alarms[event]
        assert at >= self.now, "time goes on"
        self.now = at
        self._handlers[event](self)

    def _on_control(self) -> None:
        self._plant.control(self.now)
        self._alarms[Event.CONTROL] = self.now + self._plant.period

    # The environment

    def _on_deadline(self) -> None:
        if self._clock.due(self._seconds):
            self._take()

    def _on_silence(self) -> None:
        if self._clock.timed_out(self._seconds):
            self._take(EndReason.NO_ACTION)

    def _take(self, end: EndReason | None = None) -> None:
        before = self._observed
        cycle = self._clock.take(self._seconds, end)
        self._end, self._running = cycle.end, cycle.end is None  # first of all: nobody acts on a final observation
        reward = self._observe(cycle.step, cycle.end)
        self._record.add_cycle(reward, cycle.lateness)
        self._coverage += reward * 1e-6 * (self.now - before) / self._settings.cycle_ms
        if cycle.end is not None:
            for event in (Event.DEADLINE, Event.COMMAND, Event.SILENCE):
                self._alarms.pop(event, None)

    def _observe(self, step: int, end: EndReason | None) -> float:
        """Takes the observation of a step and tells everyone; returns its reward."""
        self._observed = self.now
        view, number = self._plant.observe(self.now), StepId(self._record.episode, step)
        self._trace(self.now, f"observe {step}" + (" last" if end else ""))
        self._agent.see(view, number, truncated=end is not None)
        self._newest = number
        if end is None:
            self._alarms[Event.DEADLINE] = self._not_before(self._clock.deadline)
            self._alarms[Event.SILENCE] = self.now + nanoseconds(self._settings.action_timeout) + 1000
        if self._wiring is Wiring.ASYNC:
            self._on_tick(number, 0)
        else:
            self._gate.request(number)
        self._consider_update()
        return view.reward

    @staticmethod
    def _not_before(seconds: float) -> Nanoseconds:
        """The first nanosecond that, as a float of seconds, is not before a deadline."""
        at = nanoseconds(seconds)
        return at if at * 1e-9 >= seconds else at + 1

    # The actor

    def _on_tick(self, step: StepId, version: int) -> None:
        self._tick = (step, version)
        self._act_if_due()

    def _on_policy(self) -> None:
        _, version, self._made = self._policies.pop(0)
        self._trace(self.now, f"policy {version}")
        self._agent.use(version)
        self._version, self._uses = version, 0
        self._act_if_due()

    def _act_if_due(self) -> None:
        step, version = self._tick
        current = StepId(self._record.episode, self._clock.step)
        if not self._running or step != current or not self._acted < current or self._version < version:
            return
        self._trace(self.now, f"act {current.step} v{self._version}")
        self._acted = current
        self._action = self._agent.act()
        self._uses += 1
        self._policy_age = (self._version, self._made, self._uses - 1)
        self._alarms[Event.COMMAND] = self.now + self._clockwork.draw("interaction")

    def _on_command(self) -> None:
        assert self._action is not None
        self._trace(self.now, f"command {self._clock.step}")
        self._plant.command(self._action, self.now)
        version, made, uses = self._policy_age
        age = 1e-9 * (self.now - self._observed)  # the camera's frame is of the time it was taken
        self._record.add_action(
            version=version,
            observation_age=age,
            response_time=age,
            policy_age=1e-9 * (self.now - made),
            policy_age_steps=uses,
        )
        self._clock.on_action(self._clock.step)
        if self._clock.due(self._seconds):
            self._take()

    # The learner

    def _consider_update(self) -> None:
        """Answers the pending request, where the gate says so and the learner is free."""
        while self._answering is None:
            answer = self._gate.decide(self._newest, self._agent.stored_steps, self._agent.updates)
            if answer not in (Answer.UPDATE, Answer.ANSWER):
                self._wait_for(answer.value)
                return
            self._wait_for("")
            self._answered = self._gate.answer()
            if answer is Answer.UPDATE:
                self._start_update()
            else:
                self._tell_answer(self._answered)

    def _start_update(self) -> None:
        """Computes the update at once, on what is stored now; its result counts when its time is over."""
        self._trace(self.now, f"update {self._agent.updates + 1} begins")
        self._agent.update()
        self._answering = self._answered
        done = self.now
        for part in PARTS:
            took = self._clockwork.draw(part)
            self._spent[part] += took
            done += took
        self._alarms[Event.UPDATED] = done

    def _on_updated(self) -> None:
        assert self._answering is not None
        version = self._agent.updates
        self._trace(self.now, f"update {version} done")
        step, self._answering = self._answering, None
        arrival = self.now + self._clockwork.draw("policy_transfer")
        if self._policies:
            arrival = max(arrival, self._policies[-1][0])  # in order
        self._policies.append((arrival, version, self.now))
        if arrival == self.now:
            self._on_policy()
        self._tell_answer(step)
        self._consider_update()

    def _tell_answer(self, step: StepId) -> None:
        if self._wiring is Wiring.ASYNC:
            self._gate.request(step)
        else:
            self._on_tick(step, self._agent.updates)

    def _wait_for(self, what: str) -> None:
        """Accounts for waiting: for something from now on, or no longer."""
        if self._waiting_for is not None:
            was, since = self._waiting_for
            self._spent[was] += self.now - since
        self._waiting_for = (what, self.now) if what else None

    def _take_spent(self) -> dict[str, float]:
        if self._waiting_for is not None:
            self._wait_for(self._waiting_for[0])
        spent = {name: 1e-9 * t for name, t in self._spent.items()}
        self._spent = dict.fromkeys(self._spent, 0)
        return spent

    _handlers = {  # noqa: RUF012
        Event.POLICY: _on_policy,
        Event.UPDATED: _on_updated,
        Event.COMMAND: _on_command,
        Event.CONTROL: _on_control,
        Event.DEADLINE: _on_deadline,
        Event.SILENCE: _on_silence,
    }
