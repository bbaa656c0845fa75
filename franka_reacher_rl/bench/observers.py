"""Tools that observe the running graph, for `bench cycle --observers`, and CPU burners to compare them with.

Observers are what a person starts in another terminal and ends with Ctrl-C. A tool also takes processor time, so each
observer has a counterpart later in the same run: a burner that starts at the same point of its block of episodes, lives
as long and uses as much processor time, but does not join the graph.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.bench.running_graph import finished_episodes
from franka_reacher_rl.core.loop.wiring import SHARED

_INPUTS = SHARED["environment"]
OBSERVERS: tuple[tuple[str, ...], ...] = (
    ("ros2", "topic", "hz", f"/{_INPUTS['image']}"),
    ("ros2", "topic", "hz", f"/{_INPUTS['action']}"),
    ("ros2", "topic", "echo", f"/{_INPUTS['robot_state']}"),
    ("ros2", "param", "list"),
    (sys.executable, "-m", "franka_reacher_rl.ros.subscribe_all"),
)
_BURNER = (sys.executable, "-m", "franka_reacher_rl.bench.burner")
_ROUNDS = 2  # blocks with observers, each followed by one with burners, so that a trend affects both alike
_LIFETIME = (3.5, 6.0)  # s, of which starting takes 0.5 to 3
_PATIENCE = 5.0  # s for an interrupted process to end
_POLL_PERIOD = 0.05  # s
_OLD_MS, _LATE_MS = 60.0, 5.0


@dataclass(frozen=True)
class Visit:
    """One process that comes and goes."""

    start: float  # s after the beginning of its block
    lifetime: float  # s from its start to the interrupt
    command: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Consecutive episodes during which observers come and go, or the burners of the block before."""

    episodes: range
    observed: bool
    observers: tuple[Visit, ...] = ()


def plan_blocks(observers: int, episodes: int, warmup: int, seconds: float) -> list[Block]:
    """Return blocks with observers and blocks with burners in turn.

    One episode that does not count precedes each block, so that the processes of the block before are gone.

    Args:
        observers: Number of observers.
        episodes: Number of episodes with observers; there are as many with burners.
        warmup: Number of further episodes at the start of the run that do not count.
        seconds: Length of an episode in s.
    """
    rng, blocks, last, started = random.Random(0), list[Block](), warmup, 0
    for i in range(_ROUNDS):
        length = episodes * (i + 1) // _ROUNDS - episodes * i // _ROUNDS
        number = observers * (i + 1) // _ROUNDS - started
        visits = plan_visits(number, length * seconds, rng, started)
        started += number
        first = last + 2
        blocks.append(Block(range(first, first + length), True, visits))
        blocks.append(Block(range(first + length + 1, first + 2 * length + 1), False))
        last = blocks[-1].episodes[-1]
    return blocks


def plan_visits(number: int, seconds: float, rng: random.Random, first: int = 0) -> tuple[Visit, ...]:
    """Spread observers over a block of episodes, at random within equal slots.

    Args:
        number: Number of observers.
        seconds: Length of the block in s.
        rng: Gives start and lifetime.
        first: Number of observers in earlier blocks; the sequence of tools continues from there.
    """
    return tuple(
        Visit(
            (i + 0.5 * rng.random()) * seconds / number,
            rng.uniform(*_LIFETIME),
            OBSERVERS[(first + i) % len(OBSERVERS)],
        )
        for i in range(number)
    )


def observe(
    blocks: Sequence[Block], run_dir: Path, graph: subprocess.Popen[bytes], environment: Mapping[str, str]
) -> int:
    """Start and end observers and burners while a graph runs its episodes; return the number of observers.

    There are fewer than planned where episodes were cut short.

    Args:
        blocks: As planned.
        run_dir: The graph's run folder.
        graph: The graph's process.
        environment: Environment variables of the observers.
    """

    def finished(episode: int) -> bool:
        return finished_episodes(run_dir) >= episode or graph.poll() is not None

    planned: Sequence[Visit] = ()
    count = 0
    for block in blocks:
        while not finished(block.episodes.start - 1):
            time.sleep(_POLL_PERIOD)
        visits = block.observers if block.observed else planned
        try:
            used = attend(visits, lambda: finished(block.episodes[-1]), environment)  # noqa: B023
        finally:
            if block.observed:
                # `ros2` leaves a daemon in the graph, which a block with burners must not have.
                subprocess.run(["ros2", "daemon", "stop"], env=environment, stdout=subprocess.DEVNULL, check=False)
        if block.observed:
            count += len(used)
            planned = [burner(visit, seconds) for visit, seconds in zip(visits, used, strict=False)]
    return count


def burner(observer: Visit, cpu_seconds: float) -> Visit:
    """Return the counterpart of an observer that used so much processor time, in s."""
    return Visit(observer.start, observer.lifetime, (*_BURNER, f"{cpu_seconds:.3f}", f"{observer.lifetime:.3f}"))


def attend(visits: Sequence[Visit], over: Callable[[], bool], environment: Mapping[str, str]) -> list[float]:
    """Start and interrupt processes until a block of episodes is over.

    Args:
        visits: The processes, in the order of their start.
        over: Returns whether the block is over.
        environment: Environment variables of the processes.

    Returns:
        The processor time that each process used, in s; without those that had not started when the block was over.
    """
    began, running = time.monotonic(), list[_Process]()
    try:
        while not over():
            if len(running) < len(visits) and time.monotonic() - began >= visits[len(running)].start:
                running.append(_Process(visits[len(running)], environment))
            for process in running:
                process.interrupt_when_due()
            time.sleep(_POLL_PERIOD)
    finally:
        for process in running:
            process.end()
    return [process.cpu_seconds for process in running]


class _Process:
    """A running observer or burner."""

    def __init__(self, visit: Visit, environment: Mapping[str, str]) -> None:
        null = subprocess.DEVNULL
        # A session of its own: Ctrl-C at the terminal ends the bench, which then ends this process.
        self._process = subprocess.Popen(
            visit.command, env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        self._interrupt_at = time.monotonic() + visit.lifetime
        self._interrupted = False
        self.cpu_seconds = 0.0

    def interrupt_when_due(self) -> None:
        if not self._ended() and not self._interrupted and time.monotonic() >= self._interrupt_at:
            self._interrupt()

    def end(self) -> None:
        if not self._ended() and not self._interrupted:
            self._interrupt()
        deadline = time.monotonic() + _PATIENCE
        while not self._ended():
            if time.monotonic() > deadline:
                self._process.kill()
            time.sleep(_POLL_PERIOD)

    def _interrupt(self) -> None:
        self._interrupted = True
        self._process.send_signal(signal.SIGINT)

    def _ended(self) -> bool:
        """Return whether the process has ended, and record its processor time."""
        if self._process.returncode is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return self._process.returncode is not None


def observed_figures(run_dir: Path, blocks: Sequence[Block]) -> dict[str, float]:
    """Return the figures of a run with observers; those of the blocks with burners have the prefix `burner_`.

    Raises:
        ValueError: A block has no cycles.
    """
    observed = {episode for block in blocks if block.observed for episode in block.episodes}
    burners = {episode for block in blocks if not block.observed for episode in block.episodes}
    found = _figures(run_dir, observed)
    return found | {f"burner_{name}": value for name, value in _figures(run_dir, burners).items()}


def _figures(run_dir: Path, episodes: set[int]) -> dict[str, float]:
    cycles = _rows(run_dir / "cycles.csv", episodes)
    age, lateness = (1e3 * _column(cycles, name) for name in ("observation_age", "lateness"))
    reasons = [row["end_reason"] for row in _rows(run_dir / "episodes.csv", episodes)]
    if not cycles:
        raise ValueError(f"no cycles were recorded in episodes {min(episodes)} to {max(episodes)}")
    return {
        "observation_age_ms_p99": float(np.quantile(age, 0.99)),
        "observation_age_ms_max": float(age.max()),
        "observation_age_over_60ms_fraction": float(np.mean(age > _OLD_MS)),
        "late_over_5ms_fraction": float(np.mean(lateness > _LATE_MS)),
        "observation_age_ms_median": float(np.median(age)),
        "cycles": float(len(cycles)),
        "episodes_cut_short": float(sum(reason != "time_limit" for reason in reasons)),
    }


def _rows(path: Path, episodes: set[int]) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["episode"]) in episodes]


def _column(rows: Sequence[Mapping[str, str]], name: str) -> npt.NDArray[np.float64]:
    return np.array([float(row[name]) for row in rows])
