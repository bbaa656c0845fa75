"""Checkpoints of a run's whole state, from which it continues as if it had not been interrupted.

A checkpoint is one safetensors file, written durably, so that there is always a complete one; the newest two are kept.
The replay's rows can take up 17 GB and are not written again for each checkpoint. Each row is written once, to a
segment file at a position given by its number, and a checkpoint only holds the number of rows. Hence

- a checkpoint costs as much as the rows added since the last one;
- rows written for a checkpoint that was never completed lie beyond the count of the last complete one: they are
  ignored, then overwritten;
- a checkpoint also holds the checksums of its rows, by which damaged rows are found when it is restored. The rows
  after the last damaged one are restored; of several checkpoints, the one that keeps most rows is used;
- a segment is removed only when no kept checkpoint reaches back to it, although its slots in memory are reused earlier.

`save` copies the state between two updates, and a thread writes it. Rows are written from the ring buffer itself. They
do not change until their slots are reused; rows whose slots are reused during the write are left out of the checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from franka_reacher_rl.core.base.files import write_durable
from franka_reacher_rl.core.base.safetensors_format import Arrays, write
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.segments import SegmentStore

_log = logging.getLogger(__name__)

_KEPT = 2
_PATTERN = "checkpoint-*.safetensors"


class Learner(Protocol):
    """What a checkpoint needs of a learner."""

    updates: int

    def save_state(self) -> Arrays:
        """Return a copy of everything that further updates depend on, by name."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Restore a saved state; raises ValueError if it belongs to another network."""


class _Found(NamedTuple):
    """A checkpoint whose rows have been read."""

    path: Path
    state: Arrays
    extra: dict[str, Any]
    first: int  # number of its first row that the replay can hold
    kept: int  # number of the first row after the last damaged one
    total: int  # number after its last row


class Checkpointer:
    """Saves and restores a learner and its replay in a folder of the run."""

    def __init__(self, folder: Path, learner: Learner, replay: Replay, *, read_only: bool = False) -> None:
        """Describe the checkpoints; the first `save` creates the folder.

        Args:
            folder: Folder of the checkpoints.
            learner: Learner to save and restore.
            replay: Replay to save and restore.
            read_only: Leave damaged checkpoints as they are, since they belong to another run.
        """
        self._read_only = read_only
        self._folder, self._learner, self._replay = folder, learner, replay
        self._segments = SegmentStore(folder / "replay", replay.row_type)
        self._checksums = np.zeros(replay.capacity, np.uint32)  # of the rows in the segments, by slot
        self._saved_rows = 0  # earlier rows are in the segments
        self._floor = 0  # but not those before this one
        self._ours = False  # whether the folder's checkpoints belong to this run
        self._thread: threading.Thread | None = None
        self.failure = ""  # error of the last save; empty if it succeeded
        self.lost_rows = 0  # rows that the last `restore` could not read, and those before them
        self.saved_updates = -1  # updates at the newest complete checkpoint

    @property
    def found(self) -> bool:
        """Whether the folder has checkpoints, damaged ones included."""
        return any(self._folder.glob("checkpoint-*"))

    @property
    def busy(self) -> bool:
        """Whether a thread is writing a checkpoint."""
        return self._thread is not None and self._thread.is_alive()

    def save(self, extra: Mapping[str, Any] | None = None, arrays: Arrays | None = None, wait: bool = False) -> bool:
        """Save the current state; call this between two updates.

        A failure is logged and described by `failure`; the last good checkpoint remains.

        Args:
            extra: Further state of the run as JSON values, for example counters.
            arrays: Further state of the run as arrays, for example of random generators.
            wait: Return only once the checkpoint is written; otherwise a thread writes it.

        Returns:
            Whether the checkpoint was begun or, with `wait`, completed. It is not begun while a thread is writing the
            last one.

        Raises:
            ValueError: The learner's state is not finite; nothing is written.
        """
        if self.busy:
            if not wait:
                return False
            self.wait()
        learned = self._learner.save_state()
        if name := first_not_finite(learned):
            raise ValueError(f"{name} is not finite after update {self._learner.updates}")
        state: Arrays = {f"sac.{k}": v for k, v in learned.items()}
        state.update({f"replay.{k}": v for k, v in self._replay.state().items()})
        state.update({f"extra.{k}": np.array(v) for k, v in (arrays or {}).items()})
        total, updates = int(np.asarray(state["replay.counters"])[0]), self._learner.updates
        words = json.dumps(dict(extra or {}))
        self._thread = threading.Thread(target=self._write, args=(state, total, updates, words), name="checkpoint")
        self._thread.start()
        if wait:
            self.wait()
        return not (wait and self.failure)

    def wait(self) -> None:
        """Wait until no checkpoint is being written."""
        if self._thread is not None:
            self._thread.join()

    def restore(self) -> tuple[dict[str, Any], Arrays] | None:
        """Restore the newest complete checkpoint; damaged ones are renamed and logged.

        Where rows are damaged, those after the last damaged one are restored; `lost_rows` has the number of the others.

        Returns:
            `extra` and `arrays` as saved, or None if there is no checkpoint.

        Raises:
            ValueError: The checkpoint belongs to another network, image size or robot.
        """
        found = self._choose()
        if found is None:
            return None
        try:
            self._learner.load_state(part(found.state, "sac."))
            self._replay.load_state(part(found.state, "replay."), found.kept)
        except (LookupError, TypeError, ArithmeticError, RuntimeError) as error:
            raise ValueError(f"{found.path} is not a checkpoint of this package: {error!r}") from None
        self._ours, self.lost_rows = True, found.kept - found.first
        if self.lost_rows:
            _log.warning(
                "%s: %d rows of the replay are lost, because row %d is damaged; the %d rows after it are restored",
                *(found.path, self.lost_rows, found.kept - 1, found.total - found.kept),
            )
        self._saved_rows, self._floor, self.saved_updates = found.total, found.kept, self._learner.updates
        return found.extra, part(found.state, "extra.")

    def _choose(self) -> _Found | None:
        """Read the newest checkpoint with intact rows or, if there is none, the one that keeps most rows."""
        best = last = None
        for path in self._complete():
            try:
                last = self._read(path)
            except (OSError, safetensors.SafetensorError, KeyError, json.JSONDecodeError) as error:
                self._set_aside(path, str(error))
                continue
            if best is None or last.total - last.kept > best.total - best.kept:
                if best is not None:
                    self._set_aside(best.path, "an earlier one has more intact rows")
                best = last
            if last.kept == last.first:
                break
        if best is not last and best is not None:  # the slots hold the rows of the other one
            self._read(best.path)
        return best

    def _set_aside(self, path: Path, reason: str) -> None:
        _log.warning("%s is not used (%s)%s", path, reason, "" if self._read_only else ": renamed to *.damaged")
        if not self._read_only:
            path.rename(path.with_suffix(".damaged"))

    def _read(self, path: Path) -> _Found:
        """Read a checkpoint, and its rows into their slots."""
        state, words = read_checkpoint(path)
        extra = json.loads(words["extra"])
        self._segments.check(words["layout"])
        counters, checksums = np.asarray(state["replay.counters"]), np.asarray(state["rows.crc32"])
        if counters.shape != (4,) or counters.dtype.kind not in "iu" or checksums.ndim != 1 or counters.min() < 0:
            raise OSError("its counters are damaged")
        total = int(counters[0])
        if len(checksums) > total:
            raise OSError("it has more checksums than rows")
        expected = checksums[-self._replay.capacity :].astype(np.uint32)
        first = total - len(expected)
        kept = self._segments.read(self._replay, first, total, expected)
        self._checksums[self._slots(first, total)] = expected
        return _Found(path, state, extra, first, kept, total)

    def _write(self, state: Arrays, total: int, updates: int, extra: str) -> None:
        # Nothing waits for this thread. On Linux, niceness belongs to a thread.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            if not self._ours and self._complete():
                raise FileExistsError(
                    f"{self._folder} has the checkpoints of another run: resume that run or use another folder"
                )
            self._ours = True
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write_rows(total)
            first = max(self._floor, total - self._replay.capacity)
            state["rows.crc32"] = self._checksums[self._slots(first, total)]
            words = {"extra": extra, "layout": self._segments.layout, "crc": str(_crc(state))}
            path = self._folder / f"checkpoint-{updates:010d}-{total:012d}.safetensors"
            write_durable(path, lambda file: write(file, state, words))
            self.failure, self.saved_updates = "", updates
            self._remove_old()
        except Exception as error:  # training continues without this checkpoint
            self.failure = f"checkpoint of update {updates} failed: {error}"
            _log.error("%s; training continues, the last good one is of update %d", self.failure, self.saved_updates)

    def _write_rows(self, total: int) -> None:
        begin = min(max(self._saved_rows, self._replay.oldest), total)
        if begin > self._saved_rows:
            self._floor = begin
        self._checksums[self._slots(begin, total)] = self._segments.write(self._replay, begin, total)
        oldest = self._replay.oldest
        if oldest > begin:  # slots were reused during the write
            self._floor = max(self._floor, min(oldest, total))
        self._saved_rows = total

    def _slots(self, begin: int, end: int) -> npt.NDArray[np.int64]:
        return np.arange(begin, end) % self._replay.capacity

    def _complete(self) -> list[Path]:
        """Return the complete checkpoints, newest first."""
        return sorted(self._folder.glob(_PATTERN), reverse=True)

    def _remove_old(self) -> None:
        complete = self._complete()
        for path in [*complete[_KEPT:], *self._folder.glob("*.tmp")]:
            path.unlink(missing_ok=True)
        total = int(complete[:_KEPT][-1].stem.rsplit("-", 1)[1])
        self._segments.remove_before(total - self._replay.capacity)


def read_checkpoint(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read a checkpoint without its rows; return its arrays and its strings.

    Raises:
        OSError: The file cannot be read, its checksum differs, or a value of the learner is not finite.
        SafetensorError: It has another format.
        KeyError: It is no checkpoint.
    """
    with safetensors.safe_open(path, framework="numpy") as file:
        names, words = file.keys(), file.metadata() or {}
        state = {name: file.get_tensor(name) for name in names}
    if words["crc"] != str(_crc(state)):
        raise OSError("its checksum differs")
    if name := first_not_finite(part(state, "sac.")):
        raise OSError(f"{name} is not finite")
    return state, words


def first_not_finite(arrays: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Return the name of the first array with a value that is not finite; empty if there is none."""
    return next((name for name, a in arrays.items() if a.dtype.kind == "f" and not np.isfinite(a).all()), "")


def _crc(state: Arrays) -> int:
    crc = 0
    for name in sorted(state):
        crc = zlib.crc32(np.ascontiguousarray(state[name]).reshape(-1).view(np.uint8).data, crc)
    return crc


def part(state: Arrays, prefix: str) -> Arrays:
    """Return the arrays whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
