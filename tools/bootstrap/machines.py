"""The two kinds of machine: with an installed ROS 2, and without."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from bootstrap import installed_ros
from bootstrap.environment import OwnEnvironment
from bootstrap.problem import Problem, say
from bootstrap.steps import fingerprint, lock
from bootstrap.workspace import Workspace

CHECKOUT = Path(__file__).resolve().parents[2]


class Machine(ABC):
    """Prepares an environment with the built package and runs commands in it."""

    workspace: Workspace

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.folder = checkout / ".reacher"

    @abstractmethod
    def prepare(self) -> None:
        """Set up and build what is missing or outdated."""

    @abstractmethod
    def command(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and environment variables that run a command in the environment."""

    @abstractmethod
    def source_file(self) -> Path:
        """Return the file that a bash sources to enter the environment."""

    def execute(self, command: Sequence[str]) -> NoReturn:
        """Replace this process by the command, which then receives signals and sets the exit code."""
        arguments, variables = self.command(command)
        sys.stdout.flush()
        os.execvpe(arguments[0], arguments, variables)

    def run(self, command: Sequence[str]) -> int:
        """Run a command and return its exit code; the command alone handles an interrupt."""
        arguments, variables = self.command(command)
        program = shutil.which(arguments[0], path=variables["PATH"]) or arguments[0]
        with subprocess.Popen([program, *arguments[1:]], env=variables) as process:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue

    def _folder(self) -> None:
        self.folder.mkdir(exist_ok=True)
        # Keeps a colcon that runs in the checkout from searching this folder.
        (self.folder / "COLCON_IGNORE").touch()


class OwnMachine(Machine):
    """A machine without ROS 2: everything is installed in `.reacher/`."""

    def __init__(self, checkout: Path) -> None:
        super().__init__(checkout)
        self.environment = OwnEnvironment(checkout)
        self.workspace = Workspace(checkout, "ws")

    def prepare(self) -> None:
        """Set up and build what is missing or outdated."""
        self.environment.check_machine()
        steps = self.environment.steps()
        build = self.workspace.step(
            lambda: self.environment.variables(os.environ, self.environment.venv),
            fingerprint([part for step in steps for part in step.inputs if step.name != "ros2-commands"]),
            ["--cmake-args", f"-DPython3_EXECUTABLE={self.environment.python}"],
        )
        if not self.environment.stamps.pending(steps) and not self.workspace.pending(build):
            return
        self._folder()
        with lock(self.folder / "lock"):
            # Another process may have finished the set-up while this one waited for the lock.
            pending = self.environment.stamps.pending(steps)
            if pending and pending[0].name in ("system", "python-packages"):
                say(
                    f"No ROS 2 is installed: creating an environment in {self.folder}. This happens once and can be "
                    "interrupted; completed steps are not repeated."
                )
            self.environment.stamps.run(steps)
            self.environment.check_system()
            self.workspace.build(build)
            self._write_source_file()

    def command(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and environment variables that run a command in the environment."""
        variables = self.environment.variables(os.environ, *self.workspace.prefixes)
        return list(command), with_defaults(variables)

    def source_file(self) -> Path:
        """Return the file that a bash sources to enter the environment."""
        return self.folder / "env.sh"

    def _write_source_file(self) -> None:
        variables = with_defaults(self.environment.variables({"PATH": ""}, *self.workspace.prefixes))
        lines = ["# Written by ./reacher: `source` this file to enter its environment."]
        for name, value in sorted(variables.items()):
            if name in ("PATH", "LD_LIBRARY_PATH"):  # the user's own entries follow
                lines.append(f'export {name}={shlex.quote(value)}"${{{name}:+:${name}}}"')
            elif name == "ROS_AUTOMATIC_DISCOVERY_RANGE":
                lines.append(f'export {name}="${{{name}:-{value}}}"')
            else:
                lines.append(f"export {name}={shlex.quote(value)}")
        self.source_file().write_text("\n".join(lines) + "\n")


class RosMachine(Machine):
    """A machine with a sourced ROS 2: only a workspace with the package is built, on top of that ROS 2."""

    def __init__(self, checkout: Path) -> None:
        super().__init__(checkout)
        self.distribution = os.environ["ROS_DISTRO"]
        self.workspace = Workspace(checkout, f"ws-{self.distribution}")
        self._requirements = checkout / "requirements.txt"

    def prepare(self) -> None:
        """Build what is missing or outdated."""
        identity = [os.environ.get(name, "") for name in ("ROS_DISTRO", "AMENT_PREFIX_PATH", "VIRTUAL_ENV")]
        requirements = self._requirements.read_text()
        build = self.workspace.step(lambda: dict(os.environ), fingerprint([*identity, requirements]))
        if not self.workspace.pending(build):
            return
        self._folder()
        with lock(self.folder / "lock"):
            say(f"Using the installed ROS 2 {self.distribution}.")
            self._check_python_packages()
            self.workspace.build(build)

    def command(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and environment variables that run a command in the environment."""
        script = '. "$1"; shift; exec "$@"'
        arguments = ["bash", "-c", script, "bash", str(self.source_file()), *command]
        if command[0] == "python":
            arguments[arguments.index("python")] = "python3"
        variables = dict(os.environ)
        return arguments, variables if self.distribution == "humble" else with_defaults(variables)

    def source_file(self) -> Path:
        """Return the file that a bash sources to enter the environment."""
        return self.workspace.folder / "install" / "setup.bash"

    def _check_python_packages(self) -> None:
        code = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n) is None))"
        command = ["python3", "-c", code, *installed_ros.python_modules(self._requirements)]
        missing = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        if missing:
            raise Problem(
                f"The Python of ROS 2 {self.distribution} lacks {', '.join(missing)}, which rosdep does not install. "
                "Install them, for example into a virtual environment, then run this command again from there:\n"
                "    python3 -m venv --system-site-packages ~/reacher-venv && . ~/reacher-venv/bin/activate\n"
                f"    python3 -m pip install -r {shlex.quote(str(self._requirements))}"
            )


def with_defaults(variables: Mapping[str, str]) -> dict[str, str]:
    """Restrict ROS discovery to this computer unless the user has chosen a range."""
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **variables}


def this_machine(arguments: Sequence[str]) -> Machine:
    """Return this machine; where an installed ROS 2 is not sourced yet, source it and restart the script.

    Args:
        arguments: The script's command line, with which it is restarted.
    """
    if installed_ros.is_sourced(os.environ):
        return RosMachine(CHECKOUT)
    setup = installed_ros.setup_file(os.environ)
    if setup is not None:
        if "REACHER_SOURCED" in os.environ:
            raise Problem(
                f"{setup} provides no ros2 command. Install it, then run this command again:\n"
                f"    sudo apt-get install ros-{setup.parent.name}-ros2cli-common-extensions"
            )
        os.environ["REACHER_SOURCED"] = str(setup)
        script = '. "$1" && shift && exec "$@"'
        again = [sys.executable, "-SE", str(CHECKOUT / "tools" / "main.py"), *arguments]
        os.execvp("bash", ["bash", "-c", script, "bash", str(setup), *again])
    return OwnMachine(CHECKOUT)
