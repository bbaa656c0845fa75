"""The commands of `./reacher`."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bootstrap.machines import CHECKOUT, Machine, this_machine
from bootstrap.problem import Problem, say
from bootstrap.workspace import PACKAGE

HELP = """\
usage: ./reacher COMMAND [ARGUMENTS]

  launch FILE [NAME:=VALUE ...]  run a launch file of launch/, for example: async.launch.py episodes:=5
                                 (--show-args lists its arguments)
  test [PYTEST ARGUMENTS]        lint, types and all tests; with arguments, just pytest
  test integration [...]         the tests that take minutes
  ros2 ...                       the ros2 command
  shell [COMMAND ...]            a shell in the environment, or one command
  bench ...                      measure this machine
  experiment ...                 run experiments in virtual time
  lint                           ruff and mypy
  setup                          set up and build, no more
  build                          build again
  clean [build]                  remove all that this script has made, or just what it has built

The first command sets everything up. An installed ROS 2 (sourced, or in /opt/ros) is used; where there is none, an
environment of its own is made in .reacher/. REACHER_PYTHON names the Python to use.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code."""
    # A terminated set-up ends its children and leaves as an interrupted one does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return _run(arguments)
    except Problem as problem:
        print(f"./reacher: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n./reacher: interrupted. What is complete is kept; run it again to go on.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"./reacher: the disk is full ({error}). Make room, then run this again.", file=sys.stderr)
            return 1
        if error.errno in (errno.EACCES, errno.EROFS):
            print(f"./reacher: {error}. The checkout must be writable: it holds the environment.", file=sys.stderr)
            return 1
        raise


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if arguments else 2
    name, rest = arguments[0], list(arguments[1:])
    if name == "clean":
        return clean(rest)
    if name not in COMMANDS:
        raise Problem(f"there is no command '{name}'. ./reacher --help lists them.")
    machine = this_machine(arguments)
    return COMMANDS[name](machine, rest)


def launch(machine: Machine, rest: list[str]) -> int:
    """Runs a launch file by its name in launch/ or by its path."""
    names = sorted(path.name for path in (CHECKOUT / "launch").glob("*.launch.*"))
    if not rest or (rest[0].startswith("-") and rest[0] not in ("-h", "--help")):
        raise Problem(f"which launch file? ./reacher launch FILE, with FILE one of: {', '.join(names)}")
    by_name = not (rest[0].startswith("-") or "/" in rest[0] or Path(rest[0]).is_file())
    if by_name and rest[0] not in names:
        raise Problem(f"there is no launch file '{rest[0]}'; there are: {', '.join(names)}")
    machine.prepare()
    machine.execute(["ros2", "launch", *([PACKAGE] if by_name else []), *rest])


def ros2(machine: Machine, rest: list[str]) -> int:
    """Runs the ros2 command."""
    machine.prepare()
    machine.execute(["ros2", *rest])


def shell(machine: Machine, rest: list[str]) -> int:
    """Opens a shell, or runs one command."""
    machine.prepare()
    if rest:
        machine.execute(rest)
    startup = machine.folder / "shellrc"
    # After the person's own start-up file, which may put another Python first.
    startup.write_text(f'[ -f ~/.bashrc ] && . ~/.bashrc\n. "{machine.source_file()}"\nPS1="(reacher) $PS1"\n')
    machine.execute(["bash", "--rcfile", str(startup), "-i"])


def module(command: str) -> Callable[[Machine, list[str]], int]:
    """A command that the package's own command line carries out."""

    def run(machine: Machine, rest: list[str]) -> int:
        machine.prepare()
        machine.execute(["python", "-m", f"{PACKAGE}.cli", command, *rest])

    return run


def test(machine: Machine, rest: list[str]) -> int:
    """Runs lint, types and tests, or just pytest with arguments."""
    machine.prepare()
    os.chdir(CHECKOUT)
    # Tests of two checkouts on one machine must not hear each other.
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.randint(1, 101)))
    pytest = ["python", "-m", "pytest"]
    if rest[:1] == ["integration"]:
        machine.execute([*pytest, "-m", "integration", "-o", "timeout=1200", *rest[1:]])
    if rest:
        machine.execute([*pytest, *rest])
    linted = lint_all(machine)
    if linted:
        say("lint failed (see above); the tests run all the same.")
    code = machine.run([*pytest, "test"])
    return code or linted


def lint(machine: Machine, rest: list[str]) -> int:
    """Runs ruff and mypy."""
    machine.prepare()
    os.chdir(CHECKOUT)
    return lint_all(machine)


def lint_all(machine: Machine) -> int:
    """Runs every linter, so that one run shows all there is; non-zero if one complains."""
    commands = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
    return max(abs(machine.run(["python", "-m", *command])) for command in commands)


def setup(machine: Machine, rest: list[str]) -> int:
    """Sets up and builds."""
    start = time.monotonic()
    machine.prepare()
    say(f"Ready ({time.monotonic() - start:.1f} s). ./reacher --help lists what can be done now.")
    return 0


def build(machine: Machine, rest: list[str]) -> int:
    """Builds, whether or not it seems needed."""
    for stamp in machine.folder.glob("ws*/stamps/build"):
        stamp.unlink()
    machine.prepare()
    return 0


def clean(rest: list[str]) -> int:
    """Removes what this script has made."""
    if rest not in ([], ["build"]):
        raise Problem("./reacher clean, or ./reacher clean build")
    folder = CHECKOUT / ".reacher"
    for path in sorted(folder.glob("ws*")) if rest else [folder]:
        if path.is_dir():
            shutil.rmtree(path)
            say(f"removed {path}")
    return 0


COMMANDS: dict[str, Callable[[Machine, list[str]], int]] = {
    "launch": launch,
    "test": test,
    "ros2": ros2,
    "shell": shell,
    "bench": module("bench"),
    "experiment": module("experiment"),
    "lint": lint,
    "setup": setup,
    "build": build,
}
