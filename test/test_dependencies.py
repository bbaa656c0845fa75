"""The dependency lists name exactly the packages that the code imports."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "franka_reacher_rl"
LISTS = ("requirements.txt", "tools/requirements/rosdep.txt", "tools/requirements/optional.txt")
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "franky": "franky-control",
    "mcap_ros2": "mcap-ros2-support",
    "pinocchio": "pin",
    "rerun": "rerun-sdk",
    "rerun_cli": "rerun-sdk",
    "yaml": "pyyaml",
}
ROSDEP_KEYS = {"opencv-python-headless": "python3-opencv", "pyyaml": "python3-yaml"}


def listed(path: str) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return {re.split(r"[^\w-]", line)[0] for line in lines if line}


def ros_dependencies() -> set[str]:
    return set(re.findall(r"<(?:exec_)?depend>([^<]+)</", (ROOT / "package.xml").read_text()))


def imported() -> set[str]:
    """Top-level names of the third-party modules that the package imports."""
    found = set()
    for path in (ROOT / PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {PACKAGE}


def test_every_import_is_listed_and_every_listed_package_is_imported() -> None:
    used = {DISTRIBUTIONS.get(name, name) for name in imported() - ros_dependencies()}
    assert used == set().union(*map(listed, LISTS))


def test_no_package_is_listed_twice() -> None:
    assert sum(len(listed(path)) for path in LISTS) == len(set().union(*map(listed, LISTS)))


def test_package_xml_has_the_rosdep_keys() -> None:
    keys = {ROSDEP_KEYS.get(name, f"python3-{name}") for name in listed("tools/requirements/rosdep.txt")}
    assert keys == {name for name in ros_dependencies() if name.startswith("python3-")}


def test_the_environment_includes_every_list() -> None:
    included = re.findall(r"^-r (\S+)$", (ROOT / "tools/requirements/environment.txt").read_text(), re.MULTILINE)
    folder = ROOT / "tools" / "requirements"
    assert {(folder / name).resolve() for name in included} >= {(ROOT / path).resolve() for path in LISTS}
