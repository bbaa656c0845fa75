"""What a check has found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is."""

    OK = "OK"
    WARNING = "warning"  # a run works, but worse than it could
    FAILURE = "FAILURE"  # something does not work


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    level: Level
    text: str  # what was found
    remedy: str = ""  # what to do


Check = Callable[[], Iterable[Finding]]


def ok(name: str, text: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(name, Level.OK, text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Return a finding that should be looked at."""
    return Finding(name, Level.WARNING, text, remedy)


def failure(name: str, text: str, remedy: str) -> Finding:
    """Return a finding that must be looked at."""
    return Finding(name, Level.FAILURE, text, remedy)


def found_by(name: str, check: Check) -> Iterator[Finding]:
    """Return what a check finds; one that breaks off is itself a failure, and the others go on."""
    try:
        yield from check()
    except Exception as error:
        yield failure(
            name,
            f"the check broke off: {type(error).__name__}: {error}",
            "report this with the output of `doctor --json`",
        )
