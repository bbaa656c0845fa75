"""The launch files' arguments: a mistake prints one line and ends the launch with exit code 1."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from child_environment import ROOT, child_environment

pytest.importorskip("launch")

from launch import LaunchContext
from launch.actions import LogInfo, SetEnvironmentVariable, Shutdown, TimerAction
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

from franka_reacher_rl.core.run.run_state import RunLock
from franka_reacher_rl.launching import graph as launching
from franka_reacher_rl.launching import middleware, plan
from franka_reacher_rl.launching.arguments import ARGUMENTS, check_names, names_on_command_line
from franka_reacher_rl.launching.restarts import MAX_DEATHS, Restarts


def context(**arguments: str) -> LaunchContext:
    """A launch context with the arguments' defaults and the given values."""
    made = LaunchContext()
    for argument in ARGUMENTS:
        argument.execute(made)
    made.launch_configurations.update({"setting": "lite", "run_dir": ""} | arguments)
    return made


def started(wiring: str, **arguments: str) -> tuple[list[Any], list[str]]:
    """The entities that a launch would run, and its errors."""
    loop, made = asyncio.new_event_loop(), context(**arguments)
    errors: list[str] = []
    loop.set_exception_handler(lambda _, problem: errors.append(problem["message"]))
    made._set_asyncio_loop(loop)
    try:
        return launching.start(made, wiring), errors
    finally:
        loop.close()


@pytest.mark.parametrize("name", ["lite", "async_lite"])
def test_a_setting_with_or_without_its_wiring(name: str) -> None:
    entities, errors = started("async", setting=name)
    assert not errors
    assert sum(isinstance(entity, Node) for entity in entities) == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"setting": "async_lite"},
            "error: setting 'async_lite' is for the async wiring, not for sync: give 'sync_lite'",
        ),
        ({"setting": "lit"}, "error: no setting 'lit' (did you mean 'lite'?): there are baseline, highres, lite"),
        ({"robot": "panda_smi"}, "error: no robot 'panda_smi' (did you mean 'panda_sim'?)"),
        ({"device": "cdua"}, "error: device:=cdua is not allowed (did you mean 'cuda'?): give auto or cpu or cuda"),
        ({"rviz": "yes"}, "error: rviz:=yes is not allowed: give true or false"),
        ({"episodes": "many"}, "error: episodes:=many is not a number"),
        ({"seed": "-1"}, "error: seed:=-1 is not allowed"),
        ({"evaluate": "true"}, "error: evaluate:=true needs policy:=PATH"),
        ({"evaluate": "true", "policy": "/nowhere.safetensors"}, "error: policy:=/nowhere.safetensors does not exist"),
        ({"policy": "pretrained"}, "error: policy:=pretrained runs a saved policy: give evaluate:=true too"),
        (
            {"evaluate": "true", "policy": "pretrained", "setting": "lite"},
            "error: policy:=pretrained brings its own setting: leave out setting:=lite",
        ),
        (
            {"evaluate": "true", "policy": "pretrained", "setting": "auto", "robot": "fr3"},
            "error: there is no trained policy for robot 'fr3'",
        ),
        ({"resume": "/nowhere"}, "error: resume:=/nowhere"),
        ({"robot": "fr3"}, "error: camera:=simulated renders the simulated arm, but robot 'fr3' is not simulated"),
        ({"use_sim_time": "true"}, "error: use_sim_time:=true is not allowed: the action cycle and all deadlines use"),
        ({"log_level": "warning"}, "error: log_level:=warning is not allowed (did you mean 'warn'?)"),
        ({"namespace": "left arm"}, "error: namespace:=left arm is not allowed: Invalid namespace"),
        ({"params_file": "/nowhere.yaml"}, "error: params_file:=/nowhere.yaml does not exist"),
        ({"reward_node": "centering"}, "error: reward_node:=centering is not allowed: give PACKAGE/EXECUTABLE"),
        ({"reward_node": "no_such/reward"}, "error: reward_node:=no_such/reward: there is no package 'no_such'"),
        (
            {"reward_node": "franka_reacher_rl/rewrad"},
            "error: reward_node:=franka_reacher_rl/rewrad: the package has no 'rewrad' (did you mean 'reward'?)",
        ),
        ({"image_topic": "/images", "camera_node": "franka_reacher_rl/camera"}, "error: image_topic names a camera"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_the_launch_with_one_line(arguments: dict[str, str], message: str) -> None:
    entities, errors = started("sync", **arguments)
    assert len(errors) == 1 and errors[0].startswith(message)
    assert [type(entity) for entity in entities] == [Shutdown]


def commands(wiring: str, **arguments: str) -> dict[str, list[str]]:
    """The command line of every node, without its program, by the node's name."""
    entities, errors = started(wiring, **arguments)
    assert not errors
    found = {}
    for node in (entity for entity in entities if isinstance(entity, Node)):
        node._perform_substitutions(made := context(**arguments))
        made.extend_locals({"ros_specific_arguments": {"name": "NAME", "ns": "NS"}})
        words = [perform_substitutions(made, word) for word in node.cmd[1:]]
        found[node.node_name.rpartition("/")[2]] = words
    return found


def test_parameters_of_a_file_come_last(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("/left/camera: {ros__parameters: {fps: 15.0}}\n/**: {ros__parameters: {seed: 9}}")
    words = commands("async", namespace="left", params_file=str(path))["camera"]
    given = [words[i + 1] for i, word in enumerate(words) if word in ("--params-file", "-p")]
    assert given[0].endswith("async_lite.yaml") and given[-1] == str(path)
    assert all(word.partition(":=")[1] for word in given[1:-1]), "a file under the node's name would come after /**"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("camra: {ros__parameters: {fps: 15.0}}", r"'/camra' matches no node \(did you mean '/camera'\?\)"),
        ("camera: {fps: 15.0}", "holds no parameters"),
        ("a: [", "not valid YAML"),
        ("", "holds no parameters"),
    ],
)
def test_a_parameter_file_is_checked(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    _, errors = started("async", params_file=str(path))
    assert len(errors) == 1 and re.search(message, errors[0])


@pytest.mark.parametrize(
    "key", ["camera", "/camera", "/**", "/*", "/**/camera", "/left/camera", "left: {camera", "/left/**"]
)
def test_patterns_of_a_parameter_file(key: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{key}: {{ros__parameters: {{fps: 15.0}}}}" + "}" * key.count("{"))
    in_namespace = key not in ("camera", "/camera", "/*")
    _, errors = started("async", namespace="left" if in_namespace else "", params_file=str(path))
    assert not errors
    if in_namespace and "left" in key:
        _, errors = started("async", namespace="right", params_file=str(path))
        assert "matches no node" in errors[0]


def test_another_packages_node_takes_a_role() -> None:
    entities, errors = started("sync", camera_node="franka_reacher_rl/reward")
    assert not errors
    camera = next(e for e in entities if isinstance(e, Node) and e._Node__node_name == "camera")
    assert camera.node_executable == "reward"


def test_another_packages_outputs_have_the_names_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        plan, "_executable", lambda argument, given: plan.Executable(*given.split("/")) if given else None
    )
    made = plan.Plan("async", dict(context(robot_bridge_node="ur/bridge").launch_configurations))
    remappings = dict(made.remappings("robot_bridge"))
    assert remappings["velocity_command"] == "actor/velocity_command"
    assert remappings["robot_state"] == "robot_bridge/robot_state" and remappings["stop"] == "robot_bridge/stop"
    assert "robot_state" not in dict(made.remappings("reward"))


def test_the_log_level_does_not_hide_the_results() -> None:
    found = commands("async", log_level="error")
    assert found["learner"][found["learner"].index("--log-level") + 1] == "error"
    assert found["recorder"][found["recorder"].index("--log-level") + 1] == "info"


def test_images_of_a_running_camera() -> None:
    found = commands("async", image_topic="/usb_cam/image_raw", robot="fr3")
    assert "camera" not in found and "sim_robot" not in found
    assert "command_guard" not in found, "the driver of a Franka arm has a deadline of its own"
    for node in ("reward", "environment"):
        assert "image:=/usb_cam/image_raw" in found[node]


@pytest.mark.parametrize(
    ("variables", "transports"),
    [
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "UDPv4"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}, "UDPv4"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, None),  # a profiles file instead
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, None),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT"}, None),
        ({"FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml"}, None),
    ],
)
def test_the_graph_uses_udp_unless_the_user_has_chosen(variables: dict[str, str], transports: str | None) -> None:
    assert middleware.middleware_settings(variables).get("FASTDDS_BUILTIN_TRANSPORTS") == transports


def shared_memory_of(variables: dict[str, str]) -> int:
    """The number of shared-memory mappings of Fast DDS in a process with one node."""
    code = """import rclpy
rclpy.init()
node = rclpy.create_node("probe")
print(sum("/dev/shm/fastrtps" in line for line in open("/proc/self/maps")))"""
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("discovery", ["LOCALHOST", "SUBNET"])
def test_nodes_use_no_shared_memory(discovery: str) -> None:
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp":
        pytest.skip("another middleware")
    plain = {name: value for name, value in os.environ.items() if name not in middleware.CHOSEN_BY}
    plain["ROS_AUTOMATIC_DISCOVERY_RANGE"] = discovery
    assert shared_memory_of(plain) > 0, "the test cannot tell"
    assert shared_memory_of(plain | middleware.middleware_settings(plain)) == 0


LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


@pytest.mark.parametrize(
    ("variables", "settings"),
    [
        ({}, LOCAL),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": ""}, LOCAL),
        ({"ROS_STATIC_PEERS": "192.168.0.7"}, LOCAL),
        ({"ROS_DISTRO": "humble"}, {"ROS_LOCALHOST_ONLY": "1"}),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, {}),
        ({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "0"}, {}),
        ({"ROS_DISCOVERY_SERVER": "192.168.0.7:11811"}, {}),
    ],
)
def test_discovery_stays_on_this_computer_unless_the_user_has_chosen(
    variables: dict[str, str], settings: dict[str, str]
) -> None:
    assert middleware.discovery_settings(variables) == settings
    other = {**variables, "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    assert middleware.middleware_settings(other) == settings, "whatever the middleware"


def test_the_profile_of_the_loopback_interface_does_not_cut_off_peers() -> None:
    alone = middleware.middleware_settings({})
    assert alone["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("udp_on_this_computer.xml")
    for name in ("ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER"):
        found = middleware.middleware_settings({**LOCAL, name: "192.168.0.7"})
        assert found["FASTDDS_BUILTIN_TRANSPORTS"] == "UDPv4"
        assert found["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("/udp.xml")


def test_the_launch_sets_the_range_for_all_that_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in middleware.DISCOVERED_BY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    made = context()
    for entity in launching.graph("async").entities:
        if isinstance(entity, SetEnvironmentVariable):
            entity.execute(made)
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert not [e for e in launching.graph("async").entities if isinstance(e, SetEnvironmentVariable)], "it is set"


def test_nodes_are_in_their_enclaves_where_security_is_enabled() -> None:
    assert middleware.enclave_arguments("camera", {}) == []
    assert middleware.enclave_arguments("camera", {"ROS_SECURITY_ENABLE": "true"}) == [
        "--enclave",
        "/franka_reacher_rl/camera",
    ]
    chosen = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_ENCLAVE_OVERRIDE": "/mine"}
    assert middleware.enclave_arguments("camera", chosen) == []


def test_every_process_of_the_graph_has_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in middleware.CHOSEN_BY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    entities, errors = started("async")
    assert not errors
    for node in (entity for entity in entities if isinstance(entity, Node)):
        given = {perform_substitutions(context(), name): value for name, value in node.additional_env}
        assert perform_substitutions(context(), given["FASTDDS_BUILTIN_TRANSPORTS"]) == "UDPv4"


def test_nodes_that_only_listen_yield_to_the_others() -> None:
    entities, errors = started("async")
    assert not errors
    niceness = {}
    for node in (entity for entity in entities if isinstance(entity, Node)):
        given = {perform_substitutions(context(), name): value for name, value in node.additional_env}
        niceness[node.node_executable] = int(perform_substitutions(context(), given[plan.NICE]))
    assert {name for name, value in niceness.items() if value} == {"display", "recorder", "robot_state_publisher"}


def test_a_run_of_the_other_wiring_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("run: {wiring: async}")
    _, errors = started("sync", resume=str(tmp_path))
    assert "async.launch.py" in errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"seed_replay": "/nowhere"},
            "error: seed_replay:=/nowhere does not exist: give a run folder, or a folder written",
        ),
        (
            {"seed_replay": "/tmp", "evaluate": "true", "policy": __file__},
            "error: seed_replay:=/tmp starts a new run: leave out evaluate or seed_replay",
        ),
        ({"resume_weights": "/nowhere"}, "error: resume_weights:=/nowhere does not exist: give a run folder"),
        (
            {"resume_weights": "/tmp", "evaluate": "true", "policy": __file__},
            "error: resume_weights:=/tmp starts a new run: leave out evaluate or resume_weights",
        ),
    ],
)
def test_networks_of_an_earlier_run_that_cannot_be_used(arguments: dict[str, str], message: str) -> None:
    _, errors = started("async", **arguments)
    assert errors[0].startswith(message)


def test_the_learner_gets_the_networks_to_start_from(tmp_path: Path) -> None:
    made = plan.Plan("async", dict(context(resume_weights=str(tmp_path)).launch_configurations))
    assert made.parameters("learner")["resume_weights"] == str(tmp_path) and not made.parameters("learner")["resume"]
    assert made.parameters("recorder")["resume_weights"] == str(tmp_path)
    assert "learning from the networks of an earlier run" in made.summary()


def test_the_learner_gets_the_replay_to_start_with(tmp_path: Path) -> None:
    made = plan.Plan("async", dict(context(seed_replay=str(tmp_path)).launch_configurations))
    assert made.parameters("learner")["seed_replay"] == str(tmp_path) == made.parameters("recorder")["seed_replay"]
    assert "learning with the replay of an earlier run" in made.summary()


def test_the_bag_recorder_runs_on_request_and_writes_into_the_run_folder(tmp_path: Path) -> None:
    arguments = {"run_dir": str(tmp_path / "new")}
    assert "bag_recorder" not in plan.Plan("async", dict(context(**arguments).launch_configurations)).nodes
    made = plan.Plan("async", dict(context(record="true", **arguments).launch_configurations))
    assert "bag_recorder" in made.nodes and not made.priority("bag_recorder")
    assert made.parameters("bag_recorder")["path"] == str(tmp_path / "new" / "run.mcap")


def test_a_folder_in_which_a_launch_runs_is_refused(tmp_path: Path) -> None:
    lock = RunLock(tmp_path, "other")
    _, errors = started("async", run_dir=str(tmp_path))
    assert re.match(rf"error: run folder {tmp_path} is in use by process {os.getpid()} on ", errors[0])
    lock.release()


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown launch argument 'setings' \(did you mean 'setting'\?\): there are"):
        check_names(["seed", "setings"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["franka_reacher_rl", "sync.launch.py"], ["seed", "mine"]),
        ([str(ROOT / "launch" / "sync.launch.py")], ["seed", "mine"]),
        (["my_package", "sync.launch.py"], []),
        (["my_package", "everything.launch.py"], []),
    ],
)
def test_only_arguments_of_the_launch_file_itself_are_checked(
    words: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["seed:=1", "mine:=2"]
    monkeypatch.setattr("sys.argv", ["ros2", "launch", *words, *arguments])
    made = LaunchContext(argv=arguments)
    made.extend_locals({"current_launch_file_path": str(ROOT / "launch" / "sync.launch.py")})
    assert names_on_command_line(made) == names


def exited(name: str, code: int, *, shutdown: bool) -> tuple[Any, list[str]]:
    loop, made = asyncio.new_event_loop(), context()
    errors: list[str] = []
    loop.set_exception_handler(lambda _, problem: errors.append(problem["message"]))
    made._set_asyncio_loop(loop)
    made._set_is_shutdown(shutdown)
    try:
        on_exit = launching._on_exit(name, plan.Plan("async", dict(made.launch_configurations)), Restarts())
        return on_exit(SimpleNamespace(returncode=code), made), errors  # type: ignore[arg-type]
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("code", "shutdown", "ends", "message"),
    [
        (0, False, True, ""),
        (2, False, True, "error: camera refused its settings; its message above says why"),
        (3, False, True, "error: camera cannot start; its message above says why"),
        (0, True, False, ""),
        (-2, True, False, ""),
        (1, True, False, "error: camera ended with exit code 1"),
    ],
)
def test_the_graph_ends_with_a_node_that_ends_or_cannot_start(
    code: int, shutdown: bool, ends: bool, message: str
) -> None:
    entities, errors = exited("camera", code, shutdown=shutdown)
    assert bool(entities) == ends
    assert [error[: len(message)] for error in errors] == ([message] if message else [])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["setings:=lite"], "error: unknown launch argument 'setings' (did you mean 'setting'?)"),
        (["setting:=lit"], "error: no setting 'lit' (did you mean 'lite'?)"),
    ],
)
def test_ros2_launch_prints_the_line_and_fails(words: list[str], line: str, tmp_path: Path) -> None:
    command = ["ros2", "launch", str(ROOT / "launch" / "async.launch.py"), "run_dir:=", *words]
    ended = subprocess.run(
        command, env=child_environment(tmp_path), capture_output=True, text=True, timeout=60.0, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(line) and ended.stderr.count("\n") == 1, ended.stderr
    assert "Caught exception" not in ended.stdout


def ended(robot: str, node: str, code: int, times: int = 1) -> list[type]:
    """The kinds of entities that follow when a node of a graph ends with an exit code for the n-th time."""
    made = context(robot=robot, camera="simulated" if robot.endswith("_sim") else "/dev/null")
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    made._set_asyncio_loop(loop)
    values = {argument.name: made.launch_configurations[argument.name] for argument in ARGUMENTS}
    on_exit = launching._on_exit(node, plan.Plan("async", values), Restarts())
    try:
        found = [[type(e) for e in on_exit(SimpleNamespace(returncode=code), made) or []] for _ in range(times)]
        return found[-1]
    finally:
        loop.close()


def test_the_controller_is_deactivated_when_the_bridge_of_a_real_arm_dies() -> None:
    assert ended("ros2_control", "robot_bridge", -9) == [TimerAction]
    assert ended("ros2_control", "robot_bridge", 0) == [Shutdown], "the arm is at rest"
    for robot in ("panda_sim", "fr3"):
        assert ended(robot, "robot_bridge", -9) == [LogInfo]


def test_a_node_that_dies_is_started_again_unless_it_dies_too_often() -> None:
    assert ended("panda_sim", "actor", -9, times=MAX_DEATHS - 1) == [LogInfo]
    assert ended("panda_sim", "actor", -9, times=MAX_DEATHS) == [Shutdown]
    nodes = [entity for entity in started("async")[0] if isinstance(entity, Node)]
    assert sum(node._ExecuteLocal__respawn for node in nodes) == len(nodes) - 1, "all but robot_state_publisher"


@pytest.mark.parametrize("node", ["viewer", "bag_recorder"])
def test_a_node_that_only_listens_never_ends_a_run_that_has_begun(node: str) -> None:
    assert ended("panda_sim", node, 2) == [Shutdown], "its settings are wrong from the start"
    assert ended("panda_sim", node, -9, times=MAX_DEATHS + 1) == [LogInfo]
    assert ended("panda_sim", node, 0) == [Shutdown], "it was asked to end"


def test_a_viewer_that_finds_its_port_taken_later_does_not_end_the_run() -> None:
    made, restarts = context(view="true"), Restarts()
    on_exit = launching._on_exit("viewer", plan.Plan("async", dict(made.launch_configurations)), restarts)
    for code in (-9, 2):
        entities = on_exit(SimpleNamespace(returncode=code), made)  # type: ignore[arg-type]
        assert [type(entity) for entity in entities or []] == [LogInfo]


def test_the_trained_policy_brings_its_setting() -> None:
    found = commands("async", evaluate="true", policy="pretrained", setting="auto")
    policies = ROOT / "config" / "policies" / "panda_sim"
    assert "learner" not in found
    assert any(word.startswith(f"policy:={policies / 'policy.safetensors'}") for word in found["actor"])
    assert str(policies / "pretrained.yaml") in found["actor"]


def test_all_nodes_are_of_one_run() -> None:
    found = commands("async")
    ids = {word for words in found.values() for word in words if word.startswith("run_id:=")}
    assert len(ids) == 1


INTERRUPTED_START = """
import os, signal, subprocess, sys
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess
from franka_reacher_rl.launching.graph import leave_sigint_to_launch
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored
leave_sigint_to_launch()
start = subprocess.Popen._execute_child
def interrupted(self, *arguments):
    start(self, *arguments)
    os.kill(os.getpid(), signal.SIGINT)
subprocess.Popen._execute_child = interrupted
service = LaunchService()
service.include_launch_description(LaunchDescription([ExecuteProcess(cmd=["sleep", "60"])]))
sys.exit(service.run())
"""


def test_ctrl_c_while_a_process_is_being_started(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_START]
    ended = subprocess.run(
        command, env=child_environment(tmp_path), capture_output=True, text=True, timeout=20.0, check=False
    )
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
