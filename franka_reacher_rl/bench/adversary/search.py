"""The adversarial search of `bench safety`: runs the bridge against simulated arms and keeps the worst violations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import daqp
import numpy as np
from scipy.optimize import differential_evolution

from franka_reacher_rl.bench.adversary.cases import (
    CONSTANT,
    CYCLES,
    FAMILIES,
    FASTEST,
    SLOWEST,
    Case,
    Cases,
    Wave,
)
from franka_reacher_rl.bench.adversary.plants import Plant, SimulatedArm, Timing, measured, misplaced
from franka_reacher_rl.core.arm.bridge import Bridge, Mode
from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector

MakeBridge = Callable[[Robot], Bridge]
BEGIN = 1.0  # s, time of the first cycle; 0 would mean that a state has no stamp
FULL = 0.99  # share of the acceleration limit above which a cycle counts as one at full acceleration
CHATTER = 0.05  # share of cycles at full acceleration above which a run chatters
STILL = 1e-4  # rad/s, commands of a dead still arm
BLOCKED = 0.1  # share of a full action; an arm whose request has less than this left to follow may rest
REACHED = 1.5e-3  # m, distance from margin or joint limit (rad) at which an arm may rest
REST_CYCLES = 50  # cycles at the end of a run in which a dead still arm does not move
OPTIMISED = 0.4  # share of the cycles that the optimiser spends
POPULATION = 20


@dataclass(frozen=True)
class Worst:
    """The worst violations of some runs.

    Attributes:
        outside: Distance of the end effector outside the workspace, m; negative inside.
        beyond: Distance of a joint outside the task's range, rad; negative inside.
        velocity, acceleration, jerk: Largest commanded values as shares of their limits.
        constant: Number of runs with a constant request, of which some chatter or are dead still.
        faults: Number of runs that the bridge ended with a fault.
        cycles: Number of control cycles.
    """

    outside: float = -np.inf
    beyond: float = -np.inf
    velocity: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0
    constant: int = 0
    chatter: int = 0
    dead_still: int = 0
    faults: int = 0
    cycles: int = 0

    def __or__(self, other: Worst) -> Worst:
        """Combine the findings of two sets of runs."""
        largest = ("outside", "beyond", "velocity", "acceleration", "jerk")
        counted = ("constant", "chatter", "dead_still", "faults", "cycles")
        return Worst(
            **{name: max(getattr(self, name), getattr(other, name)) for name in largest},
            **{name: getattr(self, name) + getattr(other, name) for name in counted},
        )


def search(robot: Robot, plant: Plant, cycles: int, seed: int, make_bridge: MakeBridge = Bridge) -> Worst:
    """Search for the worst violations in about this many control cycles.

    Requests of every family are tried in turn. An optimiser, differential evolution, then varies the worst of those
    with parameters: start pose, direction, amplitude and frequency.
    """
    runner = Runner(robot, plant, seed, make_bridge)
    cases = Cases(robot, np.random.default_rng([seed, 1]))
    waves: list[tuple[float, Wave]] = []
    while runner.worst.cycles < (1.0 - OPTIMISED) * cycles:
        for family in FAMILIES:
            drawn = cases.draw(family)
            found = runner.run(drawn.case(robot, family) if isinstance(drawn, Wave) else drawn)
            if isinstance(drawn, Wave):
                waves.append((found.outside, drawn))
    waves.sort(key=lambda wave: -wave[0])
    _optimise(runner, cases, [wave for _, wave in waves[:POPULATION]], cycles)
    return runner.worst


def _optimise(runner: Runner, cases: Cases, waves: list[Wave], cycles: int) -> None:
    """Vary the worst waves by differential evolution until the runner has spent its cycles."""
    dof = runner.robot.dof
    bounds = [*zip(cases.lower, cases.upper), *[(-1.5, 1.5)] * dof, *[(-3.0, 3.0)] * dof]
    bounds.append((np.log(SLOWEST), np.log(FASTEST)))
    low, high = np.array(bounds).T

    def outside(values: Vector) -> float:
        if runner.worst.cycles >= cycles:
            return 0.0
        start, offset, swing = np.split(values[:-1], 3)
        wave = Wave(cases.inside(start), offset, swing, float(np.exp(values[-1])))
        return -runner.run(wave.case(runner.robot, "optimised")).outside

    population = [np.concatenate([w.start, w.offset, w.swing, [np.log(w.frequency)]]) for w in waves]
    generations = (cycles - runner.worst.cycles) // (CYCLES * max(len(population), 1))
    if generations > 0 and len(population) > 4:
        differential_evolution(
            outside, bounds, init=np.clip(population, low, high), maxiter=int(generations), tol=0.0, polish=False,
            seed=np.random.default_rng(0), callback=lambda *_, **__: runner.worst.cycles >= cycles,
        )  # fmt: skip


class Runner:
    """Runs cases on one robot and one plant, and combines their findings in `worst`."""

    def __init__(
        self, robot: Robot, plant: Plant, seed: int, make_bridge: MakeBridge = Bridge, guarded: bool = True
    ) -> None:
        self.robot, self.plant, self.worst = robot, plant, Worst()
        self._random, self._seed = np.random.default_rng([seed, 2]), seed
        self._make_bridge, self._guarded = make_bridge, guarded
        self._kinematics = Kinematics(robot)
        self._period = 1.0 / robot.driver.control_rate

    def run(self, case: Case) -> Worst:
        """Run one case and return its findings."""
        random = self._random
        bridge, arm = self._make_bridge(self.robot), SimulatedArm(self.robot, self.plant, case.start, self._guarded)
        timing, now, path = Timing(self.plant, self._period, random), 0.0, [case.start[None]]
        faulty = False
        for request in case.requests:
            path.append(arm.advance(now))
            stamp = BEGIN + now
            if now == 0.0 or timing.state_arrives():
                bridge.take_state(stamp, stamp, *measured(self.plant, arm, random))
            bridge.take_command(stamp, stamp, self.robot.joints, request.tolist())
            bridge.update(stamp)
            arm.send(bridge.motion)
            if bridge.status.mode is Mode.FAULT:
                faulty = True
                break
            now = timing.next(now)
        path.append(arm.advance(now))
        found = self._measure(np.concatenate(path), arm, len(case.requests))
        found = replace(found, faults=int(faulty))
        if case.family in CONSTANT:
            found = self._judge_constant(found, arm, case)
        self.worst = self.worst | found
        return found

    def _measure(self, path: Rows, arm: SimulatedArm, cycles: int) -> Worst:
        task, limits = self.robot.task, self.robot.limits
        places = self._kinematics.positions(path)
        if self.plant.model_error:
            rotations = np.array([self._kinematics.forward(q)[:3, :3] for q in path])
            places = misplaced(places, rotations, self._random)
        outside = np.maximum(places - task.workspace_upper, np.array(task.workspace_lower) - places).max()
        beyond = np.maximum(path - task.position_upper, np.array(task.position_lower) - path).max()
        velocity, acceleration, jerk = self._derivatives(arm)
        fastest = np.minimum(task.action_scale, limits.velocity)
        return Worst(
            outside=float(outside),
            beyond=float(beyond),
            velocity=float((velocity / fastest).max()),
            acceleration=float((acceleration / limits.acceleration).max()),
            jerk=float((jerk / limits.jerk).max()),
            cycles=cycles,
        )

    def _derivatives(self, arm: SimulatedArm) -> tuple[Rows, Rows, Rows]:
        """Return sizes of the velocities, accelerations and jerks that the arm received, (commands, joints) each.

        A step of the velocity counts as spread over the time since the last command, but at most over one period.
        """
        times, commands = np.array([t for t, _ in arm.received]), np.array([v for _, v in arm.received])
        taken = np.minimum(np.maximum(np.diff(times), 0.0), self._period)[:, None]
        taken[0] = self._period  # the first command comes at the time of the rest before it
        acceleration = np.diff(commands, axis=0) / np.maximum(taken, 1e-6)
        before = np.concatenate([np.zeros((1, commands.shape[1])), acceleration[:-1]])
        jerk = np.abs(acceleration - before) / np.maximum(taken, 1e-6)
        return np.abs(commands), np.abs(acceleration), jerk

    def _judge_constant(self, found: Worst, arm: SimulatedArm, case: Case) -> Worst:
        _, acceleration, _ = self._derivatives(arm)
        full = (acceleration > FULL * np.array(self.robot.limits.acceleration)).any(axis=1)
        commands = np.array([v for _, v in arm.received[-REST_CYCLES:]])
        still = bool((np.abs(commands) < STILL).all()) and not found.faults
        dead = still and self._could_follow(arm.q, case.requests[-1])
        return replace(found, constant=1, chatter=int(full.mean() > CHATTER), dead_still=int(dead))

    def _could_follow(self, q: Vector, request: Vector) -> bool:
        """Return whether an arm at rest could follow a part of the request without approaching any limit."""
        task, bridge = self.robot.task, self.robot.bridge
        place, jacobian = self._kinematics.position(q), self._kinematics.jacobian(q)[:3]
        gaps = np.concatenate([np.array(task.workspace_upper) - place, place - np.array(task.workspace_lower)])
        room = np.where(gaps < bridge.workspace_margin + REACHED, 0.0, 1e3)
        scale = np.array(task.action_scale)
        close = bridge.position_margin + REACHED
        high = np.where(np.array(task.position_upper) - q < close, 0.0, scale)
        low = np.where(q - np.array(task.position_lower) < close, 0.0, -scale)
        rows = np.ascontiguousarray(np.concatenate([jacobian, -jacobian]))
        upper, lower = np.concatenate([high, room]), np.concatenate([low, np.full(6, -1e30)])
        nearest, _, flag, _ = daqp.solve(np.eye(len(q)), -request, rows, upper, lower, np.zeros(len(upper), np.int32))
        return bool(flag > 0 and (np.abs(nearest) > BLOCKED * scale).any())
