"""Whether a run is running, and how it ended: the rules by which a run folder tells it.

The launch process holds a lock on `launch.lock` for as long as its nodes run, and notes in `launch.json` how the launch
ended. The environment keeps the progress of the run. A run whose note says "running" although nobody holds the lock has
died. Nodes that write into the folder hold a lock on `nodes.lock`, since they outlive a killed launch by some seconds.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from franka_reacher_rl.core.base.documents import load_json
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.loop.events import RunState
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, read_progress

LOCK_FILE, NODES_FILE, NOTE_FILE = "launch.lock", "nodes.lock", "launch.json"
RUNNING, COMPLETE, ABORTED = RunState.RUNNING.value, RunState.COMPLETE.value, RunState.ABORTED.value
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of file systems without locks: the run goes on without
_ATTEMPTS, _PAUSE = 10, 0.05  # s; a reader of the state holds the lock for a moment


class RunLock:
    """The lock that a launch process holds on its run folder, and its note of how the run ended."""

    def __init__(self, folder: Path, run_id: str) -> None:
        """Take the lock and note that the run is running.

        Args:
            folder: The run folder, created if it does not exist.
            run_id: Identifier of the run.

        Raises:
            ValueError: Another launch process holds the lock, or the folder cannot be written.
        """
        self._folder, self._run_id = folder, run_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Python closes the descriptor in the nodes, so the lock ends with this process.
            self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._release = weakref.finalize(self, os.close, self._descriptor)
            self._take()
            self._check_nodes()
            self._note(RUNNING)
        except OSError as error:
            raise ValueError(
                f"run folder {folder} cannot be written ({error.strerror}): give run_dir:=FOLDER on a disk that is "
                "writable and has room, or run_dir:= to write nothing"
            ) from None

    def end(self, how: str) -> None:
        """Note how the run ends: `complete`, `aborted`, `interrupted by SIGNAL`, `ended: REASON` or `failed: REASON`.

        Raises:
            OSError: The note cannot be written.
        """
        self._note(how)

    def release(self) -> None:
        """Release the lock."""
        self._release()

    def _take(self) -> None:
        if not _lock(self._descriptor):
            self._release()
            raise ValueError(
                f"run folder {self._folder} is in use by {_owner(self._folder)}: end that launch, or give another "
                "run_dir"
            )
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def _check_nodes(self) -> None:
        """Check that no node of an earlier launch still writes into the folder."""
        descriptor = os.open(self._folder / NODES_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _lock(descriptor):
                self._release()
                raise ValueError(
                    f"nodes of an earlier launch still write into run folder {self._folder}: try again in some seconds"
                )
        finally:
            os.close(descriptor)

    def _note(self, how: str) -> None:
        note = {"run_id": self._run_id, "state": how, "pid": os.getpid(), "host": socket.gethostname()}
        write_atomic(self._folder / NOTE_FILE, json.dumps({**note, "time": round(time.time(), 3)}) + "\n")


class FolderUse:
    """Marks a run folder as written by a node, for as long as the object or its process lives."""

    def __init__(self, folder: Path) -> None:
        """Take a share of the nodes' lock; without effect where the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / NODES_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return
        weakref.finalize(self, os.close, descriptor)
        with suppress(OSError):  # held by a launch that has just begun, or a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def holder(folder: Path) -> str:
    """Return the process that runs the run of a folder, as `process PID on HOST`; empty: none does."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(folder)
    except OSError:  # a file system without locks
        return ""
    finally:
        os.close(descriptor)
    return ""


@dataclass(frozen=True)
class RunStatus:
    """What has become of a run."""

    state: str  # running, paused, ending, complete, aborted, interrupted, ended, failed, died or unknown
    detail: str  # the reason of a failure, or the process that runs it; may be empty

    @property
    def remark(self) -> str:
        """A warning about resuming the run; empty: none."""
        remarks = {ABORTED: "the run was aborted by a person", "died": "the run died without an orderly end"}
        return f"the run failed before: {self.detail}" if self.state == "failed" else remarks.get(self.state, "")


def state_of(folder: Path) -> RunStatus:
    """Return the state of the run in a folder."""
    note, running = _read_note(folder), holder(folder)
    how = str(note.get("state", ""))
    progress = _progress(folder, str(note.get("run_id", "")))
    if running:
        if how not in (RUNNING, ""):
            return RunStatus("ending", running)
        return RunStatus(progress if progress == RunState.PAUSED.value else RUNNING, running)
    state, _, detail = how.partition(": ")
    if state == "failed":
        return RunStatus(state, detail)
    if progress in (COMPLETE, ABORTED):
        return RunStatus(progress, "")
    if state == RUNNING:
        return RunStatus("died", "its launch process was killed, or the computer went down")
    if state.startswith("interrupted by "):
        return RunStatus("interrupted", state.removeprefix("interrupted "))
    return RunStatus(state, detail) if state else RunStatus("unknown", "")


def end_by_progress(folder: Path, run_id: str, otherwise: str) -> str:
    """Return `complete` or `aborted` if the environment has noted that end of the run, else what is given."""
    progress = _progress(folder, run_id)
    return progress if progress in (COMPLETE, ABORTED) else otherwise


def _read_note(folder: Path) -> dict[str, object]:
    try:
        note = load_json(folder / NOTE_FILE)
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _progress(folder: Path, run_id: str) -> str:
    """Return the state that the environment of a run has noted last; empty: none, or that of an earlier part."""
    try:
        found = read_progress(folder / PROGRESS_FILE)
    except ValueError:
        return ""
    return found[1].state.value if found is not None and found[0] == run_id else ""


def _lock(descriptor: int) -> bool:
    """Take the lock of a file; return whether that succeeded. Where there are no locks, it does."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return True
        else:
            return True
    return False


def _owner(folder: Path) -> str:
    try:
        return (folder / LOCK_FILE).read_text().strip() or "another process"
    except (OSError, ValueError):
        return "another process"
