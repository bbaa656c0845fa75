"""The commands of `./reacher`.

Commands in `FORWARDED` belong to the package's own command line, `franka_reacher_rl.cli`, which parses their arguments.
"""

from __future__ import annotations

import difflib
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

# Commands of the package's own command line, with the help that it shows for them.
FORWARDED = {
    "experiment": "run, plot and report experiments",
    "bench": "measure this machine",
    "soak": "run the graph for hours and fail where something grows",
    "identify": "measure how late an arm follows its commands",
    "runs": "list runs of the graph, and how to resume them",
    "pause": "end the episode of a running graph and let the arm rest",
    "resume": "let a paused graph go on",
    "abort": "end a running graph for good after stopping the arm",
    "demo": "show a trained policy at work in the browser",
    "watch": "show a running graph as tables in the terminal",
    "view": "show a recorded run in the browser",
    "curve": "plot the learning curves of runs of the graph",
    "relabel": "recompute the rewards of a run under another setting",
    "tune-mask": "tune the mask of the target in the browser",
    "doctor": "check this computer, and say what to do",
    "draw": "draw the pictures of the documentation",
    "preview": "render the simulated world",
}

_FORWARDED_HELP = "\n".join(f"  {name + ' ...':<31}{text}" for name, text in FORWARDED.items())

HELP = f"""\
usage: ./reacher COMMAND [ARGUMENTS]

Run the graph:
  launch FILE [NAME:=VALUE ...]  run a launch file of launch/, for example: async.launch.py episodes:=5
                                 (--show-args lists its arguments)
  ros2 ...                       run the ros2 command
  shell [COMMAND ...]            open a shell in the environment, or run one command in it

Measure and compare (each command and subcommand has --help):
{_FORWARDED_HELP}

Develop:
  test [PYTEST ARGUMENTS]        run lint, types and all tests; with arguments, run only pytest
  test integration [...]         run the tests against the robot's protocol (4 minutes)
  test cuda [...]                run the learner's tests on a GPU; without one they are skipped
  test fuzz [...]                run more than 100,000 hostile messages and damaged files (takes minutes)
  test faults [...]              kill, stop and disturb the processes of a graph (half an hour)
  test recipe                    check the installation on a machine with ROS 2 (downloads 1 GB)
  lint                           run ruff and mypy
  docs [SPHINX ARGUMENTS]        build the documentation into .reacher/docs
  setup                          set up and build
  build [FOLDER ...]             build again; with the ROS packages in these folders, now and in later builds
  clean [build]                  remove everything that this script has created, or only the builds

The first command sets everything up. It uses an installed ROS 2 (sourced, or in /opt/ros). Where there is none, it
creates an environment in .reacher/. The variable REACHER_PYTHON selects the Python to use.
"""

# Tells the package's command line how it was started, for its help and error messages.
PROGRAM = "REACHER_PROGRAM"


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    # Handle SIGTERM like an interrupt, so that the children of the set-up are terminated.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return _run(arguments)
    except Problem as problem:
        print(f"./reacher: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n./reacher: interrupted. Run the same command again to continue.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"./reacher: the disk is full ({error}). Free some space, then run this again.", file=sys.stderr)
            return 1
        if error.errno in (errno.EACCES, errno.EROFS):
            print(
                f"./reacher: {error}. The checkout must be writable: it contains the environment.",
                file=sys.stderr,
            )
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
        raise Problem(
            f"unknown command '{name}'{did_you_mean(name, [*COMMANDS, 'clean'])}. ./reacher --help lists all."
        )
    machine = this_machine(arguments)
    return COMMANDS[name](machine, rest)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ` (did you mean '...'?)` with the known word closest to a misspelt one; empty if none is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def launch(machine: Machine, rest: list[str]) -> int:
    """Run a launch file, given by its name in launch/ or by its path."""
    names = sorted(path.name for path in (CHECKOUT / "launch").glob("*.launch.*"))
    if not rest or (rest[0].startswith("-") and rest[0] not in ("-h", "--help")):
        raise Problem(f"no launch file given. Usage: ./reacher launch FILE, with FILE one of: {', '.join(names)}")
    by_name = not (rest[0].startswith("-") or "/" in rest[0] or Path(rest[0]).is_file())
    if by_name and rest[0] not in names:
        raise Problem(f"no launch file '{rest[0]}'{did_you_mean(rest[0], names)}. There are: {', '.join(names)}")
    machine.prepare()
    machine.execute(["ros2", "launch", *([PACKAGE] if by_name else []), *rest])


def ros2(machine: Machine, rest: list[str]) -> int:
    """Run the ros2 command."""
    machine.prepare()
    machine.execute(["ros2", *rest])


def shell(machine: Machine, rest: list[str]) -> int:
    """Open a shell, or run one command."""
    machine.prepare()
    if rest:
        machine.execute(rest)
    startup = machine.folder / "shellrc"
    # Source the user's own start-up file first, because it may put another Python on the path.
    startup.write_text(f'[ -f ~/.bashrc ] && . ~/.bashrc\n. "{machine.source_file()}"\nPS1="(reacher) $PS1"\n')
    machine.execute(["bash", "--rcfile", str(startup), "-i"])


def forward(command: str) -> Callable[[Machine, list[str]], int]:
    """Return a command that the package's own command line runs."""

    def run(machine: Machine, rest: list[str]) -> int:
        machine.prepare()
        os.environ[PROGRAM] = "./reacher"
        machine.execute(["python", "-m", f"{PACKAGE}.cli", command, *rest])

    return run


def test(machine: Machine, rest: list[str]) -> int:
    """Run lint, types and tests; with arguments, run only pytest."""
    machine.prepare()
    os.chdir(CHECKOUT)
    # Tests of two checkouts on one machine must not receive each other's messages.
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.randint(1, 101)))
    pytest = ["python", "-m", "pytest"]
    if rest[:1] in (["integration"], ["faults"], ["cuda"]):
        machine.execute([*pytest, "-m", rest[0], "-o", "timeout=1200", *rest[1:]])
    if rest[:1] == ["fuzz"]:
        machine.execute([*pytest, "test/fuzz", "--fuzz-cases=2000", "-o", "timeout=1200", *rest[1:]])
    if rest == ["recipe"]:
        machine.execute(["python", "tools/check_recipe.py"])
    if rest:
        machine.execute([*pytest, *rest])
    linted = lint_all(machine)
    if linted:
        say("lint failed (see above); running the tests nevertheless.")
    code = machine.run([*pytest, "test"])
    return code or linted


def docs(machine: Machine, rest: list[str]) -> int:
    """Build the documentation; a warning is an error."""
    machine.prepare()
    os.chdir(CHECKOUT)
    machine.execute(["python", "-m", "sphinx", "-W", "--keep-going", "-q", "docs", ".reacher/docs", *rest])


def lint(machine: Machine, rest: list[str]) -> int:
    """Run ruff and mypy."""
    machine.prepare()
    os.chdir(CHECKOUT)
    return lint_all(machine)


def lint_all(machine: Machine) -> int:
    """Run every linter, even after a failure; return non-zero if one of them failed."""
    commands = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
    return max(abs(machine.run(["python", "-m", *command])) for command in commands)


def setup(machine: Machine, rest: list[str]) -> int:
    """Set up and build."""
    start = time.monotonic()
    machine.prepare()
    say(f"Ready ({time.monotonic() - start:.1f} s). ./reacher --help lists the commands.")
    return 0


def build(machine: Machine, rest: list[str]) -> int:
    """Build, even if nothing has changed; packages in the given folders are added to the build."""
    machine.workspace.add(rest)
    for stamp in machine.folder.glob("ws*/stamps/build"):
        stamp.unlink()
    machine.prepare()
    return 0


def clean(rest: list[str]) -> int:
    """Remove what this script has created."""
    if rest not in ([], ["build"]):
        raise Problem("usage: ./reacher clean, or ./reacher clean build")
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
    **{name: forward(name) for name in FORWARDED},
    "docs": docs,
    "lint": lint,
    "setup": setup,
    "build": build,
}
