"""Virtual time: the loop on a simulated clock, in an exact order of events.

The rules are the graph's own (`core/loop`); this module is the clock. It keeps the queue of events and routes every
output to its inputs by the graph's wiring table, with the delays of a latency profile. The arm moves on meanwhile.

Time is whole nanoseconds. Events at the same time happen in the order of `Event`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Action, Nanoseconds, Observation, StepId, Tick, Transition
from franka_reacher_rl.core.learning.stopwatch import Stopwatch
from franka_reacher_rl.core.loop.actor import Actor, Step
from franka_reacher_rl.core.loop.environment import Environment
from franka_reacher_rl.core.loop.events import Ask, CancelMove, EpisodeEnd, Output, Phase, Request, Warn
from franka_reacher_rl.core.loop.learner import Learner, Work
from franka_reacher_rl.core.loop.wiring import wires
from franka_reacher_rl.core.task.reset import MoveTo, PlaceTarget
from franka_reacher_rl.core.task.summary import LEARNER_PARTS
from franka_reacher_rl.virtual.interfaces import Plant, Trainer
from franka_reacher_rl.virtual.latency import LatencySampler

PARTS = ("sampling", "batch_transfer", "update")  # that keep the learner busy, in their order


class Event(IntEnum):
    """What can happen next; of two events at the same time, the smaller happens first."""

    POLICY = 0  # a policy reaches the actor
    UPDATED = 1  # an update is complete
    COMMAND = 2  # a command reaches the bridge
    CONTROL = 3  # a control cycle of the bridge
    ENVIRONMENT = 4  # the environment's alarm


@dataclass
class _Policy:
    """A policy on its way to the actor, or in use."""

    version: int
    published: Nanoseconds
    weights: Any
    arrival: Nanoseconds = 0


class Timeline:
    """One run. Call `reset` and `run_episode` in turn; between the two, `state` is all there is to save."""

    def __init__(
        self,
        wiring: str,
        environment: Environment,
        actor: Actor,
        learner: Callable[[Stopwatch], Learner],
        trainer: Trainer,
        plant: Plant,
        latency: LatencySampler,
        trace: Callable[[Nanoseconds, str], None] = lambda now, what: None,
    ) -> None:
        """Start at time 0, before the first reset, with the untrained policy at the actor.

        Args:
            wiring: `sync` or `async`.
            environment: Before its first episode.
            actor: Without a policy.
            learner: Makes the learner, given the stopwatch of its virtual time.
            trainer: The learner's replay and networks.
            plant: The arm.
            latency: How long things take.
            trace: Called with the time and a description of everything that happens.
        """
        self._environment, self._actor, self._trainer, self._plant = environment, actor, trainer, plant
        self._latency, self._trace_to = latency, trace
        self.now: Nanoseconds = 0
        self._stopwatch = Stopwatch(lambda: self.now)
        self._learner = learner(self._stopwatch)
        self._alarms: dict[Event, Nanoseconds] = {Event.CONTROL: 0}
        self._command: npt.NDArray[np.float32] | None = None
        self._working: Work | None = None  # while the learner updates
        self._updated = _Policy(0, 0, trainer.weights())  # the result of the newest update
        self._in_use = self._updated
        self._policies: list[_Policy] = []  # on their way, in order
        self._spent: dict[str, Nanoseconds] = {}
        self._ended: EpisodeEnd | None = None
        self._inputs = self._connect(wiring)
        actor.on_policy(0, 0, self._in_use.weights)

    def _connect(self, wiring: str) -> dict[str, list[Callable[[Any], None]]]:
        """Return the handlers of each output, by the wiring table."""
        handlers: dict[tuple[str, str], Callable[[Any], None]] = {
            ("environment", "action"): self._on_action,
            ("actor", "observation"): self._on_observation,
            ("actor", "tick"): self._on_tick,
            ("actor", "policy"): self._on_policy,
            ("learner", "transition"): self._on_transition,
            ("learner", "update_request"): self._on_update_request,
            ("robot_bridge", "velocity_command"): self._on_velocity_command,
        }
        connected: dict[str, list[Callable[[Any], None]]] = defaultdict(list)
        for node, inputs in wires(wiring).items():
            for name, output in inputs.items():
                if (node, name) in handlers:
                    connected[output].append(handlers[node, name])
        return connected

    # A run

    def reset(self) -> None:
        """Move the arm to the start of the next episode. The learner continues meanwhile."""
        ready = self.now + self._latency.reset
        self._trace(f"reset {self._environment.episode + 1}")
        self._send(self._environment.poll(self.now))
        while self._environment.phase is not Phase.SETTLING or self.now < ready:
            self._next()

    def run_episode(self) -> EpisodeEnd:
        """Run an episode from its first to its final observation."""
        self._latency.begin(self._environment.episode)
        self._plant.begin_episode(self.now)
        self._alarms[Event.CONTROL] = self.now + self._plant.period
        self._ended = None
        self._send(self._environment.poll(self.now))
        while self._ended is None:
            self._next()
        totals = self._stopwatch.totals()
        spent = {f"learner_{part}": 1e-9 * (totals.get(part, 0) - self._spent.get(part, 0)) for part in LEARNER_PARTS}
        self._spent = totals
        return replace(self._ended, summary=self._ended.summary.with_values(spent))

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on as JSON values, besides `weights`."""
        return {
            "now": self.now,
            "alarms": {event.name: at for event, at in self._alarms.items()},
            "policies": [[p.version, p.published, p.arrival] for p in self._policies],
            "in_use": [self._in_use.version, self._in_use.published],
            "working": None if self._working is None else [self._working.step.episode, self._working.step.step],
            "updated": self._updated.version,
            "environment": self._environment.state(),
            "actor": self._actor.state(),
            "learner": self._learner.state(),
            "stopwatch": self._stopwatch.state(),
            "spent": self._spent,
        }

    def weights(self) -> dict[int, Any]:
        """Return the weights of the policy in use and of those on their way, by version."""
        return {p.version: p.weights for p in (self._in_use, self._updated, *self._policies)}

    def load_state(self, state: dict[str, Any], weights: dict[int, Any]) -> None:
        """Continue from a state and its weights."""
        self.now = state["now"]
        self._alarms = {Event[name]: at for name, at in state["alarms"].items()}
        self._policies = [_Policy(v, published, weights[v], arrival) for v, published, arrival in state["policies"]]
        version, published = state["in_use"]
        self._in_use = _Policy(version, published, weights[version])
        self._updated = _Policy(state["updated"], 0, weights[state["updated"]])
        self._working = None if state["working"] is None else Work(StepId(*state["working"]), update=True)
        self._environment.load_state(state["environment"])
        self._actor.on_policy(version, published, self._in_use.weights)
        self._actor.load_state(state["actor"])
        self._learner.load_state(state["learner"])
        self._stopwatch.load_state(state["stopwatch"])
        self._spent = dict(state["spent"])

    # The clock

    def _trace(self, what: str) -> None:
        self._trace_to(self.now, what)

    def _next(self) -> None:
        """Let the next event happen."""
        alarms = dict(self._alarms)
        if self._policies:
            alarms[Event.POLICY] = self._policies[0].arrival
        if (alarm := self._environment.alarm) is not None:
            alarms[Event.ENVIRONMENT] = alarm
        at, event = min((at, event) for event, at in alarms.items())
        assert at >= self.now, "time does not run backwards"
        self._alarms.pop(event, None)
        self.now = at
        self._handlers[event](self)

    def _route(self, output: str, message: Any) -> None:
        """Hand an output to the inputs that the wiring connects it to."""
        for handler in self._inputs[output]:
            handler(message)

    # Environment and arm

    def _environment_due(self) -> None:
        self._send(self._environment.on_alarm(self.now))

    def _control_due(self) -> None:
        moving = self._plant.moving()
        self._plant.control(self.now)
        self._alarms[Event.CONTROL] = self.now + self._plant.period
        if moving and not self._plant.moving():
            self._send(self._environment.on_reset_step(self.now, True))

    def _send(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Tick):
                self._route("environment/cycle", output)
            elif isinstance(output, Observation):
                self._trace(f"observe {output.id.step}" + (" last" if output.last else ""))
                if output.last:
                    self._alarms.pop(Event.COMMAND, None)
                self._route("environment/observation", output)
            elif isinstance(output, MoveTo):
                self._plant.move_to(output.q, self.now)
            elif isinstance(output, PlaceTarget):
                self._plant.place_target(output.xy)
                self._send(self._environment.on_reset_step(self.now, True))
            elif isinstance(output, EpisodeEnd):
                self._ended = output
            elif isinstance(output, Ask):  # the simulated target needs no person
                self._environment.on_continue(self.now)
            else:
                # For a bridge and a console, which are not here.
                assert isinstance(output, CancelMove | Request | Warn)

    def _on_action(self, action: Action) -> None:
        self._send(self._environment.on_action(self.now, action))

    def _on_velocity_command(self, action: npt.NDArray[np.float32]) -> None:
        self._plant.command(action, self.now)

    # The actor

    def _on_observation(self, observation: Observation) -> None:
        self._follow(self._actor.on_observation(observation))

    def _on_tick(self, tick: Tick) -> None:
        self._follow(self._actor.on_tick(tick))

    def _on_policy(self, policy: _Policy) -> None:
        self._trace(f"policy {policy.version}")
        self._in_use = policy
        self._follow(self._actor.on_policy(policy.version, policy.published, policy.weights))

    def _follow(self, step: Step) -> None:
        if step.command is not None:
            self._trace(f"act {self._actor.acted.step} v{self._actor.version}")
            self._command = step.command
            self._alarms[Event.COMMAND] = self.now + self._latency.draw("interaction")
        if step.transition is not None:
            self._route("actor/transition", step.transition)

    def _command_due(self) -> None:
        self._trace(f"command {self._actor.acted.step}")
        action = self._actor.sent(self.now)
        self._route("actor/velocity_command", self._command)
        self._route("actor/action", action)

    # The learner

    def _on_transition(self, transition: Transition) -> None:
        self._learner.on_transition(transition)
        self._work()

    def _on_update_request(self, tick: Tick) -> None:
        self._learner.on_request(tick)
        self._work()

    def _work(self) -> None:
        """Answer requests while the learner is free and its rules allow."""
        while self._working is None:
            work = self._learner.next()
            if work is None:
                return
            if work.update:
                self._start_update(work)
            else:
                self._route("learner/update_done", self._learner.answer(work))

    def _start_update(self, work: Work) -> None:
        """Compute the update at once, on what is stored now; its result counts when its time is over."""
        self._trace(f"update {self._trainer.updates + 1} begins")
        self._working = work
        self._trainer.update()
        self._updated = _Policy(self._trainer.updates, 0, self._trainer.weights())
        done = self.now
        for part in PARTS:
            took = self._latency.draw(part)
            self._stopwatch.add(part, took)
            done += took
        self._alarms[Event.UPDATED] = done

    def _update_done(self) -> None:
        assert self._working is not None
        self._trace(f"update {self._updated.version} done")
        work, self._working = self._working, None
        arrival = self.now + self._latency.draw("policy_transfer")
        if self._policies:
            arrival = max(arrival, self._policies[-1].arrival)  # in order
        self._policies.append(replace(self._updated, published=self.now, arrival=arrival))
        if arrival == self.now:
            self._policy_due()
        self._route("learner/update_done", self._learner.answer(work))
        self._work()

    def _policy_due(self) -> None:
        self._route("learner/policy", self._policies.pop(0))

    _handlers = {  # noqa: RUF012
        Event.POLICY: _policy_due,
        Event.UPDATED: _update_done,
        Event.COMMAND: _command_due,
        Event.CONTROL: _control_due,
        Event.ENVIRONMENT: _environment_due,
    }
