"""The record of a run in its folder: manifest, tables and TensorBoard scalars.

Nothing that cannot be written ends the run: it waits in memory, is counted, and is written when there is room.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.files import AppendFile
from franka_reacher_rl.core.run.run_state import FolderUse
from franka_reacher_rl.core.run.scalars import Scalars
from franka_reacher_rl.core.task.summary import COLUMNS, CYCLE_COLUMNS, LEARNER_PARTS, LOSSES, EpisodeSummary

STATUS_COLUMNS = ("updates", "updates_per_s", "stored_steps", *LEARNER_PARTS, *LOSSES)


class Record:
    """Writes `manifest.yaml`, `episodes.csv`, `cycles.csv`, `learner.csv` and TensorBoard scalars.

    Attributes:
        folder: The run folder.
        notices: What was repaired in the files of an earlier part of the run, in words.
    """

    def __init__(self, folder: Path, write_manifest: Callable[[], None]) -> None:
        """Open the files.

        Args:
            folder: The run folder, created if it does not exist.
            write_manifest: Writes the manifest; called again later if it raises OSError.

        Raises:
            ValueError: The folder cannot be created, or a table has other columns.
        """
        self.folder, self._write_manifest = folder, write_manifest
        try:
            (folder / "tensorboard").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"run folder {folder} cannot be created ({error.strerror}): give run_dir:=FOLDER on a disk that is "
                "writable and has room, or run_dir:= to write nothing"
            ) from None
        self._use = FolderUse(folder)
        self._manifest_failure = ""
        self._manifest_due = True
        self._episodes = CsvFile(folder / "episodes.csv", COLUMNS)
        self._cycles = CsvFile(folder / "cycles.csv", ("episode", "step", *CYCLE_COLUMNS), number=_six_digits)
        self._statuses = CsvFile(folder / "learner.csv", ("wall_time", "seconds", *STATUS_COLUMNS), number=_six_digits)
        self._scalars = Scalars(folder / "tensorboard")
        tables = (self._episodes, self._cycles, self._statuses)
        self._files: tuple[CsvFile | AppendFile, ...] = (*tables, self._scalars.file)
        self.notices = [table.repaired for table in tables if table.repaired]
        self.flush()

    def write_status(self, seconds: float, values: Mapping[str, float]) -> None:
        """Write a status of the learner.

        Args:
            seconds: s that it covers.
            values: Its values by column.
        """
        self._statuses.write({"wall_time": f"{time.time():.3f}", "seconds": seconds, **values})
        self._scalars.add("learner", values, int(values["updates"]))
        self._scalars.file.flush()

    def write_episode(self, summary: EpisodeSummary, cycles: Sequence[Sequence[float]]) -> None:
        """Write an episode and the values of its cycles, which are in the order of `CYCLE_COLUMNS`."""
        for step, row in enumerate(cycles):
            values = dict(zip(CYCLE_COLUMNS, row, strict=True))
            self._cycles.write({"episode": summary.episode, "step": step, **values}, flush=False)
        self._cycles.flush()
        self._episodes.write(summary.row())
        self._scalars.add("episode", summary.row(), summary.episode)
        self._scalars.file.flush()

    def flush(self) -> bool:
        """Write everything that waits; return whether that succeeded. Called regularly, so that files catch up."""
        if self._manifest_due:
            try:
                self._write_manifest()
                self._manifest_due, self._manifest_failure = False, ""
            except OSError as error:
                self._manifest_failure = error.strerror or str(error)
        written = [file.flush() for file in self._files]
        return all(written) and not self._manifest_due

    @property
    def waiting(self) -> int:
        """Number of rows and events that are not written yet."""
        return sum(file.waiting for file in self._files)

    @property
    def dropped(self) -> int:
        """Number of rows and events that were dropped because too many were waiting."""
        return sum(file.dropped for file in self._files)

    @property
    def problem(self) -> str:
        """What cannot be written now, why, and what would help; empty if everything is written."""
        failures = (self._manifest_failure, *(file.failure for file in self._files))
        reason = next((text for text in failures if text), "")
        if not reason:
            return ""
        lost = f"; {self.dropped} were dropped" if self.dropped else ""
        waiting = f"{self.waiting} rows wait in memory until there is room{lost}"
        return f"{self.folder} cannot be written ({reason}; {self.free()} free): {waiting}"

    def free(self) -> str:
        """Return the free space of the folder's disk, in words."""
        space = self.free_bytes()
        return "unknown space" if space is None else f"{1e-6 * space:.0f} MB"

    def free_bytes(self) -> int | None:
        """Return the free bytes of the folder's disk; None if they are unknown."""
        try:
            return shutil.disk_usage(self.folder).free
        except OSError:
            return None

    def close(self) -> str:
        """Close the files; return what is not on record, in words, or an empty string."""
        self.flush()
        problem, dropped = self.problem, self.dropped
        for file in self._files:
            file.close()
        return problem or (f"{dropped} rows were dropped while {self.folder} could not be written" if dropped else "")


def _six_digits(value: float) -> str:
    return f"{value:.6g}"
