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

from bootstrap import installed_ros, python_packages
from bootstrap.environment import OwnEnvironment, prepend
from bootstrap.problem import Problem, say
from bootstrap.steps import Stamps, Step, fingerprint, lock
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
            ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={self.environment.python}"],
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
    """A machine with a sourced ROS 2, prepared as the README describes it.

    A virtual environment sees the packages of ROS 2 and contains those that rosdep lacks. The package is built in it.
    An active virtual environment is used as it is; otherwise one is created in `.reacher/`.
    """

    def __init__(self, checkout: Path) -> None:
        super().__init__(checkout)
        self.distribution = os.environ["ROS_DISTRO"]
        self.workspace = Workspace(checkout, f"ws-{self.distribution}")
        active = os.environ.get("VIRTUAL_ENV")
        self.venv = Path(active) if active else self.folder / f"venv-{self.distribution}"
        self._owns_venv = not active
        self._stamps = Stamps(self.folder / f"stamps-{self.distribution}")
        self._python = installed_ros.interpreter(os.environ)
        self._requirements = checkout / "requirements.txt"

    def prepare(self) -> None:
        """Set up and build what is missing or outdated."""
        steps = [self._packages_step()] if self._owns_venv else []
        identity = [os.environ.get(name, "") for name in ("ROS_DISTRO", "AMENT_PREFIX_PATH")]
        identity += [str(self.venv), self._requirements.read_text()]
        build = self.workspace.step(self._variables, fingerprint(identity), ["--cmake-args", "-DBUILD_TESTING=OFF"])
        if not self._stamps.pending(steps) and not self.workspace.pending(build):
            return
        self._folder()
        with lock(self.folder / "lock"):
            say(f"Using the installed ROS 2 {self.distribution}.")
            self._check_rosdep()
            self._stamps.run(steps)
            self._check_pip()
            self.workspace.build(build)

    def command(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and environment variables that run a command in the environment."""
        script = '. "$1"; shift; exec "$@"'
        arguments = ["bash", "-c", script, "bash", str(self.source_file()), *command]
        return arguments, with_defaults(self._variables())

    def source_file(self) -> Path:
        """Return the file that a bash sources to enter the environment."""
        return self.workspace.folder / "install" / "setup.bash"

    def _variables(self) -> dict[str, str]:
        """Return the variables of the active virtual environment; the build writes its Python into the nodes."""
        path = prepend(os.environ.get("PATH", "/usr/bin:/bin"), self.venv / "bin")
        return {**os.environ, "VIRTUAL_ENV": str(self.venv), "PATH": path}

    def _packages_step(self) -> Step:
        development = python_packages.REQUIREMENTS / "dev.txt"
        files = [self._requirements, development]
        bound = installed_ros.numpy_bound(self.distribution)

        def install() -> None:
            python_packages.make_venv(self.venv, self._python, "--system-site-packages")
            arguments = [argument for file in files for argument in ("--requirement", file)]
            python_packages.pip(self.venv, "install", *arguments, *bound)

        return Step(
            "python-packages",
            f"Installing the Python packages that rosdep lacks into {self.folder.name}/{self.venv.name}",
            [str(self.venv), str(self._python), *bound, *(file.read_text() for file in files)],
            install,
        )

    def _check_rosdep(self) -> None:
        modules = ["cv_bridge", *installed_ros.python_modules(python_packages.REQUIREMENTS / "rosdep.txt")]
        missing = _missing(self._python, modules)
        if missing:
            raise Problem(
                f"The Python of ROS 2 {self.distribution} lacks {', '.join(missing)}. Install what rosdep finds "
                "missing, then run this command again:\n"
                f"    rosdep install --from-paths {shlex.quote(str(self.checkout))} --ignore-src -y"
            )

    def _check_pip(self) -> None:
        missing = _missing(self.venv / "bin" / "python", installed_ros.python_modules(self._requirements))
        if missing:
            bound = "".join(f" '{requirement}'" for requirement in installed_ros.numpy_bound(self.distribution))
            raise Problem(
                f"The active virtual environment {self.venv} lacks {', '.join(missing)}. Install them, then run this "
                "command again, or deactivate the environment to let this script make one:\n"
                f"    python3 -m pip install -r {shlex.quote(str(self._requirements))}{bound}"
            )


def _missing(python: Path, modules: Sequence[str]) -> list[str]:
    """Return the modules that an interpreter does not find."""
    code = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n) is None))"
    return subprocess.run([python, "-c", code, *modules], capture_output=True, text=True, check=False).stdout.split()


def with_defaults(variables: Mapping[str, str]) -> dict[str, str]:
    """Restrict ROS discovery to this computer unless the user has chosen a range, as the launch files do."""
    if variables.get("ROS_DISTRO") == "humble":  # which knows no ranges
        return {"ROS_LOCALHOST_ONLY": "1", **variables}
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
