"""What goes wrong in ways a person can mend, and how it is said."""

from __future__ import annotations

import sys


class Problem(Exception):
    """Ends the script with a message instead of a traceback: what is wrong and what to do about it."""


def say(message: str) -> None:
    """Tells the person what the script does; on stderr, since stdout belongs to the command that is run."""
    print(f"[reacher] {message}", file=sys.stderr, flush=True)
