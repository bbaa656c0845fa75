"""Imports go one way: nodes -> ros -> core, and nodes -> sim, drivers, cameras -> core. Nothing below knows ROS."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "franka_reacher_rl"
MAY_IMPORT = {
    "core": {"core"},
    "sim": {"core", "sim"},
    "cameras": {"core", "sim", "cameras"},
    "drivers": {"core", "drivers"},
    "experiments": {"core", "sim", "experiments"},
    "ros": {"core", "ros", "msg", "srv"},
    "nodes": {"core", "sim", "cameras", "drivers", "ros", "nodes", "msg", "srv"},
}
WITHOUT_ROS = ("core", "sim", "cameras", "experiments")
ROS = {"rclpy", "launch", "launch_ros", "cv_bridge", "ament_index_python", "std_msgs", "sensor_msgs", "geometry_msgs"}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = path.relative_to(PACKAGE).parts[0]
    for name in _imports(path):
        top, _, rest = name.partition(".")
        if top == "franka_reacher_rl" and rest:
            assert rest.split(".")[0] in MAY_IMPORT[room] | {"__version__"}, f"{room} imports {name}"
        assert room not in WITHOUT_ROS or top not in ROS, f"{room} imports {name}"


def test_every_room_is_checked():
    rooms = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(MAY_IMPORT)


def test_the_map_of_core_names_every_module():
    tree = ast.parse((PACKAGE / "core" / "__init__.py").read_text())
    named = re.findall(r"`(\w+)`", ast.get_docstring(tree) or "")
    assert sorted(named) == sorted(p.stem for p in (PACKAGE / "core").glob("*.py") if p.stem != "__init__")
