"""Check the README's recipe for a machine with ROS 2, on a machine without: `./reacher test recipe`.

The ROS packages are taken as installed: those of `.reacher/venv` stand for `/opt/ros`. PyPI provides the versions of
Ubuntu 24.04 of what rosdep installs. What follows is the recipe: a virtual environment that sees both, what rosdep
lacks from pip, `colcon build`. The check then imports every node with the interpreter that its script names, and the
launch files with the Python of `ros2`, which does not see the virtual environment. It does not check rosdep itself and
ROS's Debian packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "franka_reacher_rl"
# The versions of Ubuntu 24.04 of the packages in tools/requirements/rosdep.txt.
UBUNTU = (
    "numpy==1.26.4",
    "opencv-python-headless==4.6.0.66",
    "scipy==1.11.4",
    "pandas==2.1.4",
    "matplotlib==3.6.3",
    "pyyaml==6.0.1",
)
# Other than the above, all that ROS's own packages import.
ROS_IMPORTS = {
    *("argcomplete", "catkin_pkg", "colcon", "cv_bridge", "dateutil", "docutils", "em", "importlib_metadata", "lark"),
    *("packaging", "pkg_resources", "psutil", "pyparsing", "setuptools", "six"),
}
BOUND = "numpy<2"


def main() -> None:
    """Carry out the recipe in a temporary folder and print what was checked."""
    with tempfile.TemporaryDirectory(prefix="recipe ", dir=os.environ.get("TMPDIR")) as name:
        check(Path(name))


def check(folder: Path) -> None:
    """Carry out the recipe in a folder.

    Raises:
        SystemExit: A step failed.
    """
    system = make_system(folder / "system")
    venv = folder / "ws" / "venv"
    run("a virtual environment that sees the system", [base_python(), "-m", "venv", "--system-site-packages", venv])
    (venv / "COLCON_IGNORE").touch()
    add_paths(venv, system)
    python = venv / "bin" / "python"
    run(
        "pip installs what rosdep lacks", [python, "-m", "pip", "install", "-q", "-r", ROOT / "requirements.txt", BOUND]
    )
    versions = {name: version(python, name) for name in ("numpy", "cv2", "scipy", "pandas", "matplotlib")}
    for requirement in UBUNTU[:-1]:
        module, expected = requirement.replace("opencv-python-headless", "cv2").split("==")
        if not expected.startswith(versions[module]):
            sys.exit(f"FAILED: {module} is {versions[module]}, not the system's {expected}")
    print(f"  pip changed none of the system's: {versions}")
    variables = activated(venv, system)
    build: list[str | Path] = [
        "colcon",
        "build",
        "--symlink-install",
        "--base-paths",
        ROOT,
        "--packages-select",
        PACKAGE,
    ]
    run("colcon builds", build, variables, folder / "ws")
    installed = folder / "ws" / "install" / PACKAGE
    nodes = sorted((installed / "lib" / PACKAGE).iterdir())
    for node in nodes:
        if str(python) not in node.read_text().split("import os")[0]:
            sys.exit(f"FAILED: {node.name} does not name {python}")
    modules = ";".join(f"import {PACKAGE}.nodes.{node.name}" for node in nodes)
    print(f"  the scripts of {len(nodes)} nodes name the virtual environment's Python")
    sourced = with_package(variables, installed)
    run("every node is imported", [python, "-c", modules], sourced, folder)
    plain = {name: value for name, value in sourced.items() if name != "VIRTUAL_ENV"}
    code = f"import runpy; import {PACKAGE}.launching.graph; [runpy.run_path(f) for f in {launch_files()}]"
    run("ros2's Python loads the launch files", [system / "bin" / "python", "-c", code], plain, folder)


def make_system(system: Path) -> Path:
    """Make what stands for the system's Python: Ubuntu's versions, and the ROS packages of this environment."""
    run("the system's Python", [base_python(), "-m", "venv", system])
    python = system / "bin" / "python"
    run("the versions of Ubuntu 24.04", [python, "-m", "pip", "install", "-q", *UBUNTU])
    ros = system / "ros"
    ros.mkdir()
    source = Path(sysconfig.get_paths()["purelib"])
    index = ROOT / ".reacher" / "venv" / "share" / "ament_index" / "resource_index" / "packages"
    wanted = {path.name for path in index.iterdir()} | ROS_IMPORTS
    for path in source.iterdir():
        top = path.name.split("-")[0].split(".")[0]
        if top in wanted or top.startswith(("ros_", "ros2", "launch", "colcon", "rpyutils", "osrf_pycommon")):
            (ros / path.name).symlink_to(path)
    site_packages(system).joinpath("ros.pth").write_text(f"{ros}\n")
    return system


def base_python() -> Path:
    """Return the interpreter on which this environment is based."""
    return Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


def site_packages(venv: Path) -> Path:
    """Return the site-packages folder of a virtual environment."""
    return venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def add_paths(venv: Path, system: Path) -> None:
    """Let a virtual environment see the system's packages, as `--system-site-packages` does for Ubuntu's."""
    paths = [site_packages(system), system / "ros"]
    site_packages(venv).joinpath("system.pth").write_text("".join(f"{path}\n" for path in paths))


def activated(venv: Path, system: Path) -> dict[str, str]:
    """Return the variables of a shell with a sourced ROS 2 and an active virtual environment."""
    variables = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME"):
        variables.pop(name, None)
    own = str(ROOT / ".reacher" / "venv")
    variables.update(VIRTUAL_ENV=str(venv), AMENT_PREFIX_PATH=own, CMAKE_PREFIX_PATH=own)
    # colcon and cmake are the system's, as on Ubuntu: their interpreter is not the virtual environment's.
    variables["PATH"] = f"{venv / 'bin'}:{os.environ['PATH']}"
    return variables


def with_package(variables: Mapping[str, str], installed: Path) -> dict[str, str]:
    """Return the variables after sourcing the workspace."""
    packages = site_packages(installed)
    return {
        **variables,
        "PYTHONPATH": str(packages),
        "AMENT_PREFIX_PATH": f"{installed}:{variables['AMENT_PREFIX_PATH']}",
        "LD_LIBRARY_PATH": f"{installed / 'lib'}:{variables.get('LD_LIBRARY_PATH', '')}",
    }


def version(python: Path, module: str) -> str:
    """Return the version of a module."""
    code = f"import {module}; print({module}.__version__)"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def launch_files() -> list[str]:
    """Return the paths of the launch files."""
    return [str(path) for path in sorted((ROOT / "launch").glob("*.launch.py"))]


def run(
    what: str, command: list[str | Path], variables: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a step, print it and end the check if it fails."""
    print(f"- {what}", flush=True)
    program = shutil.which(str(command[0])) or command[0]
    done = subprocess.run([program, *command[1:]], env=variables, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(
            f"FAILED ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )


if __name__ == "__main__":
    main()
