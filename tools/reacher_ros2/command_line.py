"""The `ros2` command: ROS 2's own, with messages that say what this environment has."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection

from ros2cli import cli
from ros2cli.entry_points import get_entry_points

_SPECIAL = ("extension_points", "extensions")  # ROS 2 hides these in its help
_DESCRIPTION = (
    "The ros2 command of the environment that ./reacher creates where no ROS 2 is installed.\n"
    "It has the commands below. A ROS 2 installation has the others, such as ros2 bag and ros2 doctor."
)


def main() -> int | str | None:
    """Run one command; return the exit code, or an error message for stderr."""
    known = get_entry_points("ros2cli.command")
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    if command is not None and command not in known:
        return unknown_command(command, known)
    result: int | str | None = cli.main(description=_DESCRIPTION)
    return result


def unknown_command(command: str, known: Collection[str]) -> str:
    """Return the message for a command that this environment lacks."""
    names = sorted(set(known) - set(_SPECIAL))
    close = difflib.get_close_matches(command, names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return (
        f"ros2: this environment has no command '{command}'{hint}. It has {', '.join(names)}. "
        "A ROS 2 installation has the others; ./reacher uses one where it finds it."
    )
