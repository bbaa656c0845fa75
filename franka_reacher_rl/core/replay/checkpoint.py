"""Checkpoints: the whole state of a run, so that it goes on as if it had never stopped.

A checkpoint is one safetensors file, written beside its final name, synced and renamed, so that there is always a whole
one; the newest two are kept. The replay's rows, up to 17 GB, are not written anew each time: they go, once each, into
segment files at a place that follows from the row's number, and the checkpoint only says how many there are. So

- a checkpoint costs as much as what came since the last one;
- rows written for a checkpoint that was never completed lie beyond the count of the one that was, and are ignored, then
  overwritten;
- a segment is removed only when no kept checkpoint reaches back to it, though the ring in memory has long reused the
  rows' slots.

The state is copied when `save` is called, between two updates; a thread writes it. The rows are written from the ring
itself: they don't change until the ring comes round to them, and those it came round to while they were written are
left out of the checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from franka_reacher_rl.core.base.safetensors_format import write
from franka_reacher_rl.core.learning.sac import SAC, Arrays
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.segments import SegmentStore

_log = logging.getLogger(__name__)

_KEPT = 2
_PATTERN = "checkpoint-*.safetensors"


class Checkpointer:
    """Saves and restores a learner and its replay in a folder of the run."""

    def __init__(self, folder: Path, sac: SAC, replay: Replay) -> None:
        """Writes nothing yet.

        Args:
            folder: Of the checkpoints; made with the first one.
            sac: What to save and restore.
            replay: Likewise.
        """
        self._folder, self._sac, self._replay = folder, sac, replay
        self._segments = SegmentStore(folder / "replay", replay.row_type)
        self._saved_rows = 0  # rows below it are in the segments
        self._floor = 0  # rows below it are not
        self._ours = False  # whether the checkpoints in the folder are of this run
        self._thread: threading.Thread | None = None
        self.failure = ""  # why the last save failed; empty: it did not
        self.saved_updates = -1  # of the newest complete checkpoint

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._thread is not None and self._thread.is_alive()

    def save(self, extra: Mapping[str, Any] | None = None, arrays: Arrays | None = None, wait: bool = False) -> bool:
        """Saves the state as it is now. Call it between two updates.

        Args:
            extra: What else the run needs, as JSON knows it: counters, episode numbers.
            arrays: Likewise as arrays: further random generators.
            wait: Return only when it is written; else a thread writes it.

        Returns:
            Whether it was begun (waiting: whether it is done). Not begun while the last one is being written. A failure
            is logged and told by `failure`; the last good checkpoint stays.
        """
        if self.busy:
            if not wait:
                return False
            self.wait()
        state: Arrays = {f"sac.{k}": v for k, v in self._sac.save_state().items()}
        state.update({f"replay.{k}": v for k, v in self._replay.state().items()})
        state.update({f"extra.{k}": np.array(v) for k, v in (arrays or {}).items()})
        total, updates = int(np.asarray(state["replay.counters"])[0]), self._sac.updates
        words = json.dumps(dict(extra or {}))
        self._thread = threading.Thread(target=self._write, args=(state, total, updates, words), name="checkpoint")
        self._thread.start()
        if wait:
            self.wait()
        return not (wait and self.failure)

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._thread is not None:
            self._thread.join()

    def restore(self) -> tuple[dict[str, Any], Arrays] | None:
        """Takes up the newest whole checkpoint; a damaged one is skipped with a warning.

        Returns:
            `extra` and `arrays` as saved, or None where there is no checkpoint.

        Raises:
            ValueError: It is of another network, image size or robot.
        """
        for path in self._complete():
            try:
                state, words = _read(path)
                floor, total = int(words["floor"]), int(np.asarray(state["replay.counters"])[0])
                floor = max(floor, total - self._replay.capacity)
                self._segments.check(words["layout"])
                self._segments.read(self._replay, floor, total)
            except (OSError, safetensors.SafetensorError, KeyError, EOFError) as error:
                _log.warning("%s is damaged (%s): set aside, trying the one before", path, error)
                path.rename(path.with_suffix(".damaged"))
                continue
            self._sac.load_state(_part(state, "sac."))
            self._replay.load_state(_part(state, "replay."), floor)
            self._ours = True
            self._saved_rows, self._floor, self.saved_updates = total, int(words["floor"]), self._sac.updates
            return json.loads(words["extra"]), _part(state, "extra.")
        return None

    def _write(self, state: Arrays, total: int, updates: int, extra: str) -> None:
        # Behind everything else: nobody waits for it. Niceness is a thread's own on Linux.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            if not self._ours and self._complete():
                raise FileExistsError(f"{self._folder} has the checkpoints of another run: resume it, or take another")
            self._ours = True
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write_rows(total)
            words = {
                "extra": extra,
                "layout": self._segments.layout,
                "floor": str(self._floor),
                "crc": str(_crc(state)),
            }
            path = self._folder / f"checkpoint-{updates:010d}-{total:012d}.safetensors"
            _write_durably(path, state, words)
            self.failure, self.saved_updates = "", updates
            self._remove_old()
        except Exception as error:  # whatever it is: the training goes on
            self.failure = f"no checkpoint at update {updates}: {error}"
            _log.error("%s; training goes on, the last good one is of update %d", self.failure, self.saved_updates)

    def _write_rows(self, total: int) -> None:
        begin = max(self._saved_rows, self._replay.oldest)
        if begin > self._saved_rows:
            self._floor = begin
        self._segments.write(self._replay, begin, total)
        oldest = self._replay.oldest
        if oldest > begin:  # the ring came round to rows that were being written
            self._floor = max(self._floor, min(oldest, total))
        self._saved_rows = total

    def _complete(self) -> list[Path]:
        """Complete checkpoints, newest first."""
        return sorted(self._folder.glob(_PATTERN), reverse=True)

    def _remove_old(self) -> None:
        complete = self._complete()
        for path in [*complete[_KEPT:], *self._folder.glob("*.tmp")]:
            path.unlink(missing_ok=True)
        total = int(complete[:_KEPT][-1].stem.rsplit("-", 1)[1])
        self._segments.remove_before(total - self._replay.capacity)


def _read(path: Path) -> tuple[Arrays, dict[str, str]]:
    with safetensors.safe_open(path, framework="numpy") as file:
        names, words = file.keys(), file.metadata() or {}
        state = {name: file.get_tensor(name) for name in names}
    if int(words["crc"]) != _crc(state):
        raise OSError("its CRC is another")
    return state, words


def _crc(state: Arrays) -> int:
    crc = 0
    for name in sorted(state):
        crc = zlib.crc32(np.ascontiguousarray(state[name]).reshape(-1).view(np.uint8).data, crc)
    return crc


def _part(state: Arrays, prefix: str) -> Arrays:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _write_durably(path: Path, arrays: Arrays, words: Mapping[str, str]) -> None:
    """Under another name, synced, renamed, and the folder synced: whole or not there, whenever the power fails."""
    temporary = path.with_suffix(".tmp")
    try:
        with open(temporary, "wb") as file:
            write(file, arrays, words)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
