"""Set-up as steps that are done once, again when what they are made from changes, and survive being interrupted."""

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
    announcement: str  # what it does and how long that takes, for the person
    inputs: Sequence[str]  # all that its result depends on; when one of them changes, it is done again
    run: Callable[[], None]
    after: Sequence[str] = ()  # steps on whose results it builds


class Stamps:
    """Remembers in a folder which steps are complete, and from which inputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pending(self, steps: Sequence[Step]) -> list[Step]:
        """The steps that are still to be done, in order."""
        fingerprints = self._fingerprints(steps)
        return [step for step in steps if self._read(step.name) != fingerprints[step.name]]

    def run(self, steps: Sequence[Step]) -> None:
        """Does what is pending; a step counts as done only when it has come to its end."""
        fingerprints = self._fingerprints(steps)
        for step in self.pending(steps):
            say(f"{step.announcement} …")
            start = time.monotonic()
            self.forget(step.name)
            step.run()
            self._folder.mkdir(parents=True, exist_ok=True)
            # Renamed into place: a stamp is there in whole or not at all.
            partial = self._folder / f"{step.name}.partial"
            partial.write_text(fingerprints[step.name])
            partial.replace(self._folder / step.name)
            say(f"  done in {time.monotonic() - start:.0f} s")

    def forget(self, name: str) -> None:
        """Lets a step count as not done."""
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
    """A digest that differs when any part, or where one ends, differs."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Keeps two set-ups of one checkout apart: the second waits until the first has ended, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    # The commands of the set-up inherit it (see `run_logged`).
    os.set_inheritable(descriptor, True)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another ./reacher (process {_owner(descriptor)}) is setting up this checkout; waiting for it …")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise Problem(
                f"Can't lock {path} ({error.strerror}): is the checkout on a file system without locks?"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode() or "unknown"
