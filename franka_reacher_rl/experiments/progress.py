"""What a person sees of an experiment that runs: lines, with the time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas  # type: ignore[import-untyped]

from franka_reacher_rl.experiments.results import end_length
from franka_reacher_rl.experiments.run_files import EPISODES
from franka_reacher_rl.experiments.spec import Run

_EVERY = 20.0  # s


class Progress:
    """Prints a line for each run that ends, and now and then how far the others are."""

    def __init__(self, quiet: bool = False, every: float = _EVERY) -> None:
        self._quiet, self._every = quiet, every
        self._total = self._done = self._failed = 0
        self._pace: dict[str, list[float]] = {}  # s an episode, by variant
        self._began = self._printed = time.monotonic()

    def begin(self, total: int, finished: int) -> None:
        """An experiment of so many runs begins, of which some are finished."""
        self._total, self._done = total, finished
        self._say(f"{total} runs" + (f", {finished} of them finished before" if finished else ""))

    def ended(self, name: str, folder: Path, failure: str) -> None:
        """A run has ended."""
        if failure:
            self._failed += 1
            self._say(f"FAILED  {name}: {failure}")
            return
        self._done += 1
        table = pandas.read_csv(folder / EPISODES)
        end, wall = table.episode_return[-end_length(len(table)) :].mean(), _clock(table.wall_seconds.sum())
        self._note(folder.parent.name, table)
        self._say(
            f"{self._done + self._failed}/{self._total}  {name}: return {end:.1f} at its end, "
            f"{int(table.updates.iloc[-1])} updates, {wall}"
        )

    def look(self, running: Sequence[tuple[Path, Run]], waiting: Sequence[Run], slots: int) -> None:
        """Prints how far it is, if that is due."""
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
        until = (
            f"{_clock(left / min(slots, len(running) + len(waiting)))} left"
            if self._pace
            else "time left not known yet"
        )
        self._say(f"{self._done + self._failed}/{self._total}  {'; '.join(words)}  {until}")

    def _note(self, variant: str, table: pandas.DataFrame) -> None:
        self._pace[variant] = table.wall_seconds.tolist()[-20:]

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
        return None  # being written


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
