"""`episodes.csv`: a row per episode, on disk as soon as it is written, and back to a checkpoint's place on resume."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EpisodeRow:
    """One episode. `wall_seconds` and what the machine does are the only values that differ between equal runs."""

    episode: int
    episode_return: float
    coverage_return: float  # with each step's true length: comparable where cycles were late
    steps: int
    duration: float  # s, virtual
    training_seconds: float  # s, virtual: of all episodes so far
    virtual_seconds: float  # s, resets included
    total_steps: int
    updates: int  # until the next episode begins, since async learns on during the reset; so are the losses below
    policy_version: int  # of the last action
    end_reason: str
    late_cycles: int
    lateness_ms_median: float
    lateness_ms_max: float
    observation_age_ms_median: float
    observation_age_ms_p99: float
    policy_age_s_median: float
    policy_age_steps_median: float
    watchdog_stops: int
    held_seconds: float  # s, virtual: the bridge held the arm because commands ceased
    commands_limited: int
    learner_waiting_for_data: float  # s, virtual, since the episode before; likewise below
    learner_waiting_for_budget: float
    learner_idle: float
    learner_sampling: float
    learner_batch_transfer: float
    learner_update: float
    critic_loss: float
    actor_loss: float
    temperature: float
    entropy: float
    q_mean: float
    wall_seconds: float  # s of this machine, for this episode


COLUMNS = tuple(f.name for f in fields(EpisodeRow))
WALL = ("wall_seconds",)  # columns that differ between equal runs


class EpisodeTable:
    """Appends rows to a CSV file."""

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Opens the table, keeping the rows of the first `keep` episodes."""
        lines = path.read_text().splitlines(keepends=True)[1 : keep + 1] if path.exists() and keep else []
        if len(lines) < keep or any(not line.endswith("\n") for line in lines):
            raise ValueError(f"{path} has fewer rows than its checkpoint's {keep} episodes: remove the run's folder")
        temporary = path.with_suffix(".tmp")
        temporary.write_text(",".join(COLUMNS) + "\n" + "".join(lines))
        os.replace(temporary, path)
        self._file = path.open("a", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def write(self, row: EpisodeRow) -> None:
        """Appends one row. Floats are written so that they read back the same."""
        self._writer.writerow([getattr(row, name) for name in COLUMNS])
        self._file.flush()

    def sync(self) -> None:
        """Makes what is written durable: a checkpoint relies on it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def first_line(path: Path) -> str:
    """The table's header."""
    with path.open() as file:
        return file.readline().rstrip("\n")


def row_of(values: Mapping[str, str]) -> dict[str, str | float]:
    """A row as numbers, where it has numbers.

    Raises:
        ValueError: Something that must be a number is none.
    """
    return {name: v if name == "end_reason" else float(v) for name, v in values.items()}
