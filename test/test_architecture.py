"""The package's structure: layers import downwards only, without cycles, and no room outgrows its purpose."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "franka_reacher_rl"
NAME = PACKAGE.name

# Each room, and the rooms it may import besides itself.
LAYERS: dict[str, set[str]] = {
    "core.base": set(),
    "core.arm": {"core.base"},
    "core.link": {"core.base"},
    "core.replay": {"core.base"},
    "core.learning": {"core.base", "core.replay"},
    "core.policy": {"core.base", "core.learning"},
    "core.task": {"core.base", "core.arm"},
    "core.loop": {"core.base", "core.arm", "core.replay", "core.learning", "core.policy", "core.task", "core.link"},
    "core.run": {"core.base", "core.arm", "core.replay", "core.task", "core.loop"},
    "sim": {"core"},
    "cameras": {"core", "sim"},
    "drivers": {"core", "ros"},
    "virtual": {"core", "sim"},
    "experiments": {"core", "virtual"},
    "analysis": {"core", "experiments"},
    "bench": {"core", "sim", "virtual", "experiments"},
    "ros": {"core", "msg", "action", "srv"},
    "launching": {"core", "ros"},
    "watch": {"core", "ros", "msg"},
    "clients": {"core", "ros", "msg", "action"},
    "viewer": {"core", "virtual", "ros"},
    "pictures": {"core", "virtual", "bench", "viewer"},
    "tuner": {"core", "cameras", "ros"},
    "doctor": {"core", "cameras", "drivers", "launching", "sim", "ros"},
    "nodes": {"core", "sim", "cameras", "drivers", "ros", "viewer", "msg", "action", "srv"},
    "commands": {
        "core",
        "sim",
        "virtual",
        "experiments",
        "analysis",
        "bench",
        "clients",
        "watch",
        "doctor",
        "viewer",
        "tuner",
        "pictures",
    },
    "cli": {"core", "bench", "commands"},
}
WITHOUT_ROS = ("core", "sim", "cameras", "virtual", "experiments", "analysis", "bench")
ROS = {"rclpy", "launch", "launch_ros", "cv_bridge", "ament_index_python", "std_msgs", "sensor_msgs", "geometry_msgs"}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")
MODULES = {".".join([NAME, *p.relative_to(PACKAGE).with_suffix("").parts]): p for p in FILES}
MOST_MODULES, MOST_LINES, MOST_SHARE = 14, 350, 0.15


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _room(module: str) -> str:
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[0] == "core" else parts[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_layers(module: str) -> None:
    room = _room(module)
    allowed = LAYERS[room] | {room}
    for name in _imports(MODULES[module]):
        top, _, rest = name.partition(".")
        if top == NAME and rest:
            target = _room(name)
            assert target in allowed or target.split(".")[0] in allowed, f"{room} imports {name}"
        assert room.split(".")[0] not in WITHOUT_ROS or top not in ROS, f"{room} imports {name}"


def test_modules_import_without_cycles() -> None:
    graph = {}
    for module, path in MODULES.items():
        names = _imports(path)
        graph[module] = {
            m for m in MODULES if m != module and (m in names or any(n.startswith(m + ".") for n in names))
        }
    assert list(TopologicalSorter(graph).static_order())


def _attributes(path: Path) -> set[str]:
    """Dotted names such as `yaml.safe_load` that a module uses."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(f"{node.arg}=")
    return found


UNSAFE = {
    "torch.load",
    "np.load",
    "numpy.load",
    "allow_pickle=",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "eval",
}
# Only this module reads documents, since it limits their size.
READERS = {"yaml.safe_load", "yaml.SafeLoader", "json.load"}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_that_is_read_can_run_code(module: str) -> None:
    imported = {name.partition(".")[0] for name in _imports(MODULES[module])}
    assert not imported & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    used = _attributes(MODULES[module])
    assert not used & UNSAFE
    assert module == f"{NAME}.core.base.documents" or not used & READERS


def test_every_room_has_a_layer() -> None:
    assert {_room(module) for module in MODULES} == set(LAYERS)


def test_no_room_is_crowded() -> None:
    modules = Counter(path.parent for path in FILES)
    assert not {str(folder): n for folder, n in modules.items() if n > MOST_MODULES}


def test_no_room_holds_too_large_a_share_of_the_code() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in FILES}
    assert not {str(path): n for path, n in lines.items() if n > MOST_LINES}
    share = Counter[str]()
    for module, path in MODULES.items():
        share[_room(module)] += lines[path]
    assert not {room: n for room, n in share.items() if n > MOST_SHARE * sum(lines.values())}


# Libraries that take long to load, and who may load them when it starts: the first action waits for the last node.
SLOW = {"torch", "mujoco", "pinocchio", "daqp", "cv2", "cv_bridge", "scipy", "matplotlib", "pandas", "ray", "psutil"}
LOADED = {
    "launching.graph": set(),
    "nodes.actor": {"torch"},
    "nodes.bag_recorder": set(),
    "nodes.camera": {"cv2", "mujoco"},
    "nodes.command_guard": set(),
    "nodes.display": set(),
    "nodes.environment": {"pinocchio"},
    "nodes.learner": {"torch"},
    "nodes.recorder": set(),
    "nodes.reward": {"cv2"},
    "nodes.robot_bridge": {"pinocchio", "daqp"},
    "nodes.robot_state_publisher": {"pinocchio"},
    "nodes.sim_robot": {"mujoco"},
    "nodes.uplink": set(),
    "nodes.viewer": set(),
}


def _imported_at_start(body: list[ast.stmt]) -> set[str]:
    """The names that a module imports when it is imported itself, with those of packages on the way."""
    found = set()
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        for part in ("body", "orelse", "handlers"):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found |= _imported_at_start(getattr(node, part, []))
    return found


@pytest.mark.parametrize("start", LOADED)
def test_a_process_starts_with_no_library_that_it_can_do_without(start: str) -> None:
    found, seen, left = set(), set(), [f"{NAME}.{start}"]
    while left:
        name = left.pop()
        parts = name.split(".")
        for module in {".".join(parts[:n]) for n in range(1, len(parts) + 1)} - seen:
            seen.add(module)
            path = PACKAGE.parent.joinpath(*module.split("."))
            file = path.with_suffix(".py") if module in MODULES else path / "__init__.py"
            if file.is_file():
                left += _imported_at_start(ast.parse(file.read_text()).body)
        found |= SLOW & {parts[0]}
    assert found == LOADED[start]


def test_every_node_of_the_graph_is_watched() -> None:
    executables = (PACKAGE.parent / "CMakeLists.txt").read_text().partition("set(nodes")[2].partition(")")[0].split()
    assert {f"nodes.{name}" for name in executables} == set(LOADED) - {"launching.graph"}
