"""Set-up steps, which run once, run again when their inputs change, and can be interrupted at any time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.problem import Problem, say


@dataclass(frozen=True)
class Step:
    """One step of the set-up."""

    name: str
    announcement: str  # tells the user what the step does and how long it takes
    inputs: Sequence[str]  # everything the result depends on; a change runs the step again
    run: Callable[[], None]
    after: Sequence[str] = ()  # steps whose results this one uses


class Stamps:
    """Records, in a folder, which steps are complete and from which inputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pending(self, steps: Sequence[Step]) -> list[Step]:
        """Return the steps that have to run, in order."""
        fingerprints = self._fingerprints(steps)
        return [step for step in steps if self._read(step.name) != fingerprints[step.name]]

    def run(self, steps: Sequence[Step]) -> None:
        """Run the pending steps; a step is recorded as complete only after it has returned."""
        fingerprints = self._fingerprints(steps)
        for step in self.pending(steps):
            say(f"{step.announcement} …")
            start = time.monotonic()
            self.forget(step.name)
            step.run()
            self._folder.mkdir(parents=True, exist_ok=True)
            # Rename, so that a crash leaves no incomplete stamp.
            partial = self._folder / f"{step.name}.partial"
            partial.write_text(fingerprints[step.name])
            partial.replace(self._folder / step.name)
            say(f"  done in {time.monotonic() - start:.0f} s")

    def forget(self, name: str) -> None:
        """Mark a step as not complete."""
        (self._folder / name).unlink(missing_ok=True)

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except FileNotFoundError:
            return ""

    @staticmethod
    def _fingerprints(steps: Sequence[Step]) -> dict[str, str]:
        known: dict[str, str] = {}
        for step in steps:
            known[step.name] = fingerprint([*step.inputs, *(known[name] for name in step.after)])
        return known


def fingerprint(parts: Sequence[str]) -> str:
    """Return a digest of the parts and of the boundaries between them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the set-up lock of a checkout; a second set-up waits until the first process has exited."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    # The commands of the set-up inherit the lock (see `run_logged`).
    os.set_inheritable(descriptor, True)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another ./reacher (process {_owner(descriptor)}) is setting up this checkout; waiting for it …")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise Problem(
                f"Cannot lock {path} ({error.strerror}). Move the checkout to a file system that supports file locks."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode() or "unknown"
