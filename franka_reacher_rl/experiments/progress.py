"""Progress of a running experiment, printed line by line with the remaining time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas  # type: ignore[import-untyped]

from franka_reacher_rl.experiments.results import end_length, numbers
from franka_reacher_rl.experiments.run_files import EPISODES
from franka_reacher_rl.experiments.spec import Run

_EVERY = 20.0  # s between two lines about running runs


class Progress:
    """Prints a line for each run that ends, and at intervals how far the running ones are."""

    def __init__(self, quiet: bool = False, every: float = _EVERY) -> None:
        """Start the clock.

        Args:
            quiet: Print nothing.
            every: Least time between two lines about running runs, s.
        """
        self._quiet, self._every = quiet, every
        self._total = self._done = self._failed = 0
        self._pace: dict[str, list[float]] = {}  # wall time of recent episodes in s, by variant
        self._began = self._printed = time.monotonic()

    def begin(self, total: int, finished: int) -> None:
        """Report the start of an experiment with `total` runs, of which `finished` are finished already."""
        self._total, self._done = total, finished
        self._say(f"{total} runs" + (f", {finished} of them already finished" if finished else ""))

    def ended(self, name: str, folder: Path, failure: str) -> None:
        """Report the end of a run.

        Args:
            name: Of the run.
            folder: Of the run.
            failure: Why it failed; empty if it finished.
        """
        if failure:
            self._failed += 1
            self._say(f"FAILED  {name}: {failure}")
            return
        self._done += 1
        table = pandas.read_csv(folder / EPISODES)
        self._note(folder.parent.name, table)
        parts = [f"return {numbers(table, 'coverage_return')[-end_length(len(table)) :].mean():.1f} at the end"]
        updates, wall = numbers(table, "updates")[-1], numbers(table, "wall_seconds").sum()
        parts += [f"{updates:.0f} updates"] if np.isfinite(updates) else []
        parts += [_clock(wall)] if np.isfinite(wall) else []
        self._say(f"{self._done + self._failed}/{self._total}  {name}: {', '.join(parts)}")

    def look(self, running: Sequence[tuple[Path, Run]], waiting: Sequence[Run], slots: int) -> None:
        """Print how far the running runs are, unless the last such line is too recent.

        Args:
            running: Folder and specification of each running run.
            waiting: Runs that have not started.
            slots: How many runs execute at the same time.
        """
        now = time.monotonic()
        if self._quiet or now - self._printed < self._every or not running:
            return
        self._printed = now
        left, words = 0.0, []
        for folder, run in running:
            table = _read(folder / EPISODES)
            done = 0 if table is None else len(table)
            if table is not None and done:
                self._note(run.variant.name, table)
            words.append(f"{run.variant.name} seed {run.seed} {done}/{run.episodes}")
            left += (run.episodes - done) * self._seconds(run.variant.name)
        left += sum(run.episodes * self._seconds(run.variant.name) for run in waiting)
        parallel = min(slots, len(running) + len(waiting))
        until = f"{_clock(left / parallel)} left" if self._pace else "remaining time not known yet"
        self._say(f"{self._done + self._failed}/{self._total}  {'; '.join(words)}  {until}")

    def _note(self, variant: str, table: pandas.DataFrame) -> None:
        walls = numbers(table, "wall_seconds")[-20:]
        known = walls[np.isfinite(walls)]  # the last row may be incomplete
        if known.size:
            self._pace[variant] = known.tolist()

    def _seconds(self, variant: str) -> float:
        paces = [self._pace[variant]] if variant in self._pace else list(self._pace.values())
        values = [v for pace in paces for v in pace]
        return sum(values) / len(values) if values else 0.0

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(f"[{_clock(time.monotonic() - self._began)}] {text}", flush=True)


def _read(path: Path) -> pandas.DataFrame | None:
    try:
        return pandas.read_csv(path, on_bad_lines="skip")
    except (OSError, pandas.errors.EmptyDataError, pandas.errors.ParserError):
        return None  # its header is not written yet


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
