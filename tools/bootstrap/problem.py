"""Errors that the user can fix, and messages to the user."""

from __future__ import annotations

import sys


class Problem(Exception):
    """An error that the user can fix; the script prints its message, without a traceback, and exits."""


def say(message: str) -> None:
    """Print a progress message to stderr; stdout is reserved for the command that is run."""
    print(f"[reacher] {message}", file=sys.stderr, flush=True)
