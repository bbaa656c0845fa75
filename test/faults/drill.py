"""A run of the real launch files whose processes a drill kills, stops or disturbs."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

from processes import Launch


class Drill:
    """A running graph with its run folder."""

    def __init__(self, launch: Any, wiring: str, folder: Path, episodes: int, **arguments: str) -> None:
        self.folder = folder
        self.graph: Launch = launch(wiring, run_dir=str(folder), episodes=str(episodes), **arguments)

    @property
    def episode(self) -> int:
        """The last episode that was begun."""
        try:
            return int(json.loads((self.folder / "progress.json").read_text())["episode"])
        except FileNotFoundError:
            return 0

    def rows(self, table: str = "episodes.csv") -> list[dict[str, str]]:
        """The rows of a table of the run folder."""
        path = self.folder / table
        return list(csv.DictReader(path.open(newline=""))) if path.exists() else []

    def in_episode(self, number: int, seconds: float = 90.0) -> None:
        """Waits until an episode has been begun."""
        self.graph.until(lambda: self.episode >= number, seconds)

    def signal(self, node: str, number: signal.Signals) -> int:
        """Sends a signal to a node and returns its process id."""
        pid = self.graph.nodes()[node]
        os.kill(pid, number)
        return pid

    def kill(self, node: str) -> None:
        """Kills a node and waits until another process has taken its place."""
        pid = self.signal(node, signal.SIGKILL)
        self.graph.until(lambda: self.graph.nodes().get(node, pid) != pid, 30.0)

    def assert_complete(self, episodes: int, *, missing: int = 0, seconds: float = 240.0) -> None:
        """The run ends well by itself, with every episode on record but those whose environment has died."""
        assert self.graph.wait(seconds) == 0, self.graph.text
        assert "Traceback" not in self.graph.text, self.graph.text
        numbers = [int(row["episode"]) for row in self.rows()]
        assert len(numbers) == len(set(numbers)) == episodes - missing, (numbers, self.graph.text)
        assert numbers == sorted(numbers) and numbers[-1] == episodes
        assert json.loads((self.folder / "progress.json").read_text())["state"] == "complete"
        assert (self.folder / "policy.safetensors").is_file()

    def restarts(self) -> list[str]:
        """The nodes that were started again, in their order."""
        words = ": it is started again"
        lines = [line.partition(words)[0] for line in self.graph.text.splitlines() if words in line]
        return [line.partition(" died with ")[0].split()[-1] for line in lines]
