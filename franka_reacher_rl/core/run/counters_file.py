"""What a learner had done, noted once a second, so that its successor can tell what its last checkpoint lacks."""

from __future__ import annotations

import json
from pathlib import Path

from franka_reacher_rl.core.base.documents import load_json
from franka_reacher_rl.core.base.files import write_atomic

COUNTERS_FILE = "learner.json"


class CountersFile:
    """Notes updates and stored steps of one run."""

    def __init__(self, folder: Path | None, run_id: str) -> None:
        """Describe the file.

        Args:
            folder: Folder of the run; None: nothing is noted.
            run_id: Identifier of the run; the counters of another run are not read.
        """
        self._path = folder / COUNTERS_FILE if folder else None
        self._run_id = run_id

    def write(self, updates: int, stored_steps: int) -> None:
        """Replace the note; where it cannot be written, the old one stays."""
        if self._path is None:
            return
        note = json.dumps({"run_id": self._run_id, "updates": updates, "stored_steps": stored_steps})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, note + "\n")
        except OSError:  # nothing but the numbers in a message depends on it
            return

    def lost(self, updates: int, stored_steps: int) -> str:
        """Return what this run had done beyond a checkpoint with these counters, in words; empty if unknown."""
        try:
            note = load_json(self._path) if self._path else {}
            if note.get("run_id") != self._run_id:
                return ""
            more, further = int(note["updates"]) - updates, int(note["stored_steps"]) - stored_steps
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return ""
        return f"lost since then: {max(0, more)} updates and {max(0, further)} steps"
