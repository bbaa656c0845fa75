"""The file in which the environment keeps how far its run has come, so that the next process goes on from there."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

from franka_reacher_rl.core.base.documents import load_json
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.loop.events import Progress, RunPlan, RunState

PROGRESS_FILE = "progress.json"
MOST_COUNTED = 10**12  # episodes or steps
_REMEDY = "remove it to continue after the last recorded episode"


class ProgressFile:
    """Saves the progress of one run and reads it back.

    Attributes:
        failure: Why the last `save` has failed; empty if it has not.
    """

    def __init__(self, path: Path, run_id: str) -> None:
        """Describe the file; the first `save` creates it and its folder.

        Args:
            path: The file.
            run_id: Identifier of the run; the progress of another run is neither read nor continued.
        """
        self._path, self._run_id = path, run_id
        self._saved: Progress | None = None
        self.failure = ""

    def save(self, progress: Progress) -> None:
        """Replace the file unless it holds this progress. A failure is kept in `failure`: the run goes on."""
        if progress == self._saved:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, json.dumps({"run_id": self._run_id, **asdict(progress)}) + "\n")
            self._saved, self.failure = progress, ""
        except OSError as error:
            self.failure = f"{self._path} cannot be written ({error.strerror}): a restart would repeat episode numbers"

    def load(self) -> Progress | None:
        """Return the progress of this run, or None if the file is of another run or not there.

        Raises:
            ValueError: The file is damaged.
        """
        found = read_progress(self._path)
        return found[1] if found is not None and found[0] == self._run_id else None


def continued(plan: RunPlan, done: Progress) -> RunPlan:
    """Return the plan of what is left after some progress; the last episode that was begun is not begun again."""
    return replace(
        plan,
        first_episode=done.episode + 1,
        training_seconds=done.training_seconds,
        total_steps=done.total_steps,
        run_seconds=done.run_seconds,
    )


def read_progress(path: Path) -> tuple[str, Progress] | None:
    """Return the identifier and the progress of whatever run a file describes, or None if there is no file.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        content = load_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}): {_REMEDY}") from None
    try:
        run_id = str(content.pop("run_id"))
        progress = Progress(**{**content, "state": RunState(content["state"])})
        counts, times = (progress.episode, progress.total_steps), (progress.training_seconds, progress.run_seconds)
        if not all(type(n) is int and 0 <= n <= MOST_COUNTED for n in counts):
            raise ValueError("episode and total_steps must be whole numbers of at least 0")
        if not all(type(t) in (int, float) and 0.0 <= t < math.inf for t in times):
            raise ValueError("training_seconds and run_seconds must be finite numbers of at least 0")
        return run_id, progress
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): {_REMEDY}") from None
