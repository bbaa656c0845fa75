"""Starts the launch files as a person would, in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from graphs import ROOT, setting


class Session:
    """A command in a session of its own; its output is kept."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd="/",
            **options,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        """What it printed so far."""
        return "".join(self._lines)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Waits for a condition; fails when it does not come true in time or the command ends before."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.text}"
            assert time.monotonic() < deadline, f"the condition did not come true in time:\n{self.text}"
            threading.Event().wait(0.05)

    def wait(self, seconds: float = 60.0) -> int:
        """The exit code, when it has ended by itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds:g} s:\n{self.text}") from None
        self._reader.join(5.0)
        return code

    def commands(self) -> dict[int, list[str]]:
        """The words of the command line of each process of the session that lives."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                session = int(stat.read_text().rsplit(")", 1)[1].split()[3])
                words = (stat.parent / "cmdline").read_bytes().decode().split("\0")
            except OSError:  # just ended
                continue
            if session == self.process.pid:
                found[int(stat.parent.name)] = words
        return found


class Launch(Session):
    """`ros2 launch` of one of the package's launch files."""

    def __init__(self, wiring: str, **arguments: str) -> None:
        given = {"setting": setting("quick"), "device": "cpu", "run_dir": ""} | arguments
        command = ["ros2", "launch", str(ROOT / "launch" / f"{wiring}.launch.py")]
        super().__init__([*command, *(f"{name}:={value}" for name, value in given.items())])

    def nodes(self) -> dict[str, int]:
        """Process id of each node that lives."""
        commands = self.commands().items()
        return {Path(word).name: pid for pid, words in commands for word in words[:2] if "/lib/franka" in word}

    def end(self) -> None:
        """Ends whatever is left."""
        for pid in self.nodes().values():
            os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def until(condition: Callable[[], Any], seconds: float) -> None:
    """Waits for a condition and fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.05)


def policy_blocks() -> set[str]:
    """The policies in shared memory whose learner is gone; those of other graphs on this machine don't count."""
    names = {p.name for p in Path("/dev/shm").glob("franka_reacher_rl-policy-*")}
    return {name for name in names if not Path("/proc", name.split("-")[2]).exists()}
