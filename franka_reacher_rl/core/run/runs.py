"""Lists the runs in a folder: state, episodes, last return, size, age and how to resume each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from franka_reacher_rl.core.base.csv_file import read_rows
from franka_reacher_rl.core.run.run_folder import EPISODES, MANIFEST, read_manifest
from franka_reacher_rl.core.run.run_state import NOTE_FILE, RunStatus, state_of

_RESUMABLE = ("died", "interrupted", "failed", "ended", "aborted", "unknown")
_COLUMNS = ("run", "state", "episodes", "last return", "size", "age")
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0  # s


@dataclass(frozen=True)
class RunSummary:
    """What a run folder tells about its run."""

    folder: Path
    status: RunStatus
    episodes: int  # recorded
    planned: int  # number of the last episode; 0: no limit
    last_return: float | None  # of the last recorded episode; None: there is none
    size: int  # bytes on disk
    age: float  # s since its files changed last
    wiring: str  # empty: unknown, or the run evaluated a policy
    setting: str  # name or path; empty: unknown
    problem: str  # what of the folder is damaged; empty: nothing

    @property
    def resume(self) -> str:
        """The arguments of a launch that resumes the run; empty: there is nothing to resume."""
        if self.status.state not in _RESUMABLE or not self.wiring or self.problem:
            return ""
        return f"{self.wiring}.launch.py resume:={self.folder}"


def find_runs(folder: Path) -> list[RunSummary]:
    """Return the runs in a folder, or the run that it is itself, in the order of their names.

    Raises:
        ValueError: There is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give the folder of a run, or the one that contains the runs")
    candidates = [folder] if _is_run(folder) else sorted(path for path in folder.iterdir() if path.is_dir())
    return [summarise(path) for path in candidates if _is_run(path)]


def summarise(folder: Path) -> RunSummary:
    """Return the summary of a run; what cannot be read is named in `problem`."""
    wiring, setting, planned, problems = "", "", 0, []
    try:
        run = read_manifest(folder)["run"]
        wiring, planned = run["wiring"] if not run.get("evaluate") else "", int(run.get("episodes", 0))
        setting = str(run.get("setting", ""))
    except FileNotFoundError:
        problems.append(f"{MANIFEST} is missing")
    except (OSError, ValueError, TypeError) as error:
        problems.append(str(error))
    rows: list[dict[str, str]] = []
    last: float | None = None
    try:
        rows = read_rows(folder / EPISODES)[0] if (folder / EPISODES).exists() else []
        last = float(rows[-1]["episode_return"]) if rows else None
    except (OSError, ValueError, KeyError) as error:
        problems.append(f"{EPISODES}: {error}")
    size, newest = _size(folder)
    age = max(0.0, time.time() - newest)
    return RunSummary(
        folder, state_of(folder), len(rows), planned, last, size, age, wiring, setting, "; ".join(problems)
    )


def table(runs: Sequence[RunSummary], launch: str) -> list[str]:
    """Return the lines of a table of runs, each followed by its reason, its damage and its command to resume.

    Args:
        runs: The runs.
        launch: The command that takes a launch file and its arguments.
    """
    rows = [_COLUMNS, *(_cells(run) for run in runs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = []
    for row, run in zip(rows, (None, *runs), strict=True):
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
        if run is not None:
            notes = (run.status.detail, run.problem, f"{launch} {run.resume}" if run.resume else "")
            lines += [f"    {note}" for note in notes if note]
    return lines


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (MANIFEST, NOTE_FILE, EPISODES))


def _cells(run: RunSummary) -> tuple[str, ...]:
    episodes = f"{run.episodes}/{run.planned}" if run.planned else str(run.episodes)
    last = "-" if run.last_return is None else f"{run.last_return:.1f}"
    return run.folder.name, run.status.state, episodes, last, _bytes(run.size), _duration(run.age)


def _size(folder: Path) -> tuple[int, float]:
    """Return the bytes that a folder takes on the disk, and the time of the last change of its files."""
    size, newest = 0, folder.stat().st_mtime
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except OSError:  # just removed
                continue
            size += 512 * status.st_blocks
            newest = max(newest, status.st_mtime)
    return size, newest


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _duration(seconds: float) -> str:
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} d"
