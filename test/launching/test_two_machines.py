"""The launch files of the two parts of a run: which nodes each starts, and what it asks for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch")

from launch import LaunchContext
from launch.actions import LogInfo, Shutdown
from launch_ros.actions import Node

from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.loop.events import Progress, RunState
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, ProgressFile
from franka_reacher_rl.launching import graph as launching
from franka_reacher_rl.launching.arguments import ARGUMENTS, PART_ARGUMENTS
from franka_reacher_rl.launching.plan import Plan
from franka_reacher_rl.launching.two_machines import Part, discovery_hint, run_folder, run_name

PARTS = (Part.LEARNER, Part.ROBOT)


def values(**arguments: str) -> dict[str, str]:
    context = LaunchContext()
    for argument in [*ARGUMENTS, *PART_ARGUMENTS]:
        argument.execute(context)
    return dict(context.launch_configurations) | {"setting": "lite", "run_dir": "", "run": "monday"} | arguments


def plan(part: Part, wiring: str = "async", **arguments: str) -> Plan:
    return Plan(wiring, values(**arguments), part)


def started(part: Part, **arguments: str) -> tuple[list[Any], list[str]]:
    """The entities that the launch file of a part would run, and its errors."""
    loop, context, errors = asyncio.new_event_loop(), LaunchContext(), []
    loop.set_exception_handler(lambda _, problem: errors.append(problem["message"]))
    context._set_asyncio_loop(loop)
    context.launch_configurations.update(values(**arguments))
    try:
        return launching.start(context, "", part), errors
    finally:
        loop.close()


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_the_parts_are_the_graph_and_what_joins_them(wiring: str) -> None:
    whole = Plan(wiring, values())
    learner, robot = (plan(part, wiring) for part in PARTS)
    assert learner.nodes == ["learner", "recorder"]
    assert {*learner.nodes, *robot.nodes} == {*whole.nodes, "uplink", "robot_recorder"}
    assert not {*learner.nodes} & {*robot.nodes}
    assert learner.run_id == robot.run_id == "monday"


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_transitions_go_through_the_uplink_and_all_else_is_wired_as_ever(wiring: str) -> None:
    whole = Plan(wiring, values())
    learner, robot = (plan(part, wiring) for part in PARTS)
    inputs = dict(learner.remappings("learner"))
    assert inputs.pop("transition") == "uplink/transition" and inputs.pop("episode") == "environment/episode"
    assert inputs == {k: v for k, v in whole.remappings("learner") if k != "transition"}
    assert dict(robot.remappings("uplink")) == {"transition": "actor/transition", "receipt": "learner/receipt"}
    for node in whole.nodes:
        if node != "learner":
            part = learner if node == "recorder" else robot
            assert part.remappings(node) == whole.remappings(node), node
    assert robot.remappings("robot_recorder") == whole.remappings("recorder")


def test_the_parameters_of_the_parts() -> None:
    learner, robot = (plan(part, run_dir="/tmp/x") for part in PARTS)
    assert learner.parameters("learner")["end_with_run"]
    assert not Plan("async", values()).parameters("learner")["end_with_run"]
    assert learner.parameters("learner")["policy_period"] == 0.5
    assert plan(Part.LEARNER, "sync").parameters("learner")["policy_period"] == 0.0
    assert robot.parameters("uplink") == {"run_id": "monday", "run_dir": "/tmp/x"}
    assert robot.parameters("robot_recorder")["wiring"] == "async"
    assert robot.executable("robot_recorder").name == "recorder" and robot.log_level("robot_recorder") == "info"


def test_each_part_starts_its_nodes() -> None:
    for part, count in zip(PARTS, (2, 11), strict=True):
        entities, errors = started(part)
        assert not errors
        assert sum(isinstance(entity, Node) for entity in entities) == count


@pytest.mark.parametrize(
    ("part", "arguments", "message"),
    [
        (Part.LEARNER, {"run": ""}, "error: run:=NAME is missing: give the same run:=NAME"),
        (Part.ROBOT, {"run": ""}, "error: run:=NAME is missing: give the same run:=NAME"),
        (Part.ROBOT, {"run": "a/b"}, "error: run:=a/b is not allowed"),
        (Part.ROBOT, {"wiring": "asnyc"}, "error: wiring:=asnyc is not allowed (did you mean 'async'?)"),
        (Part.LEARNER, {"evaluate": "true"}, "error: evaluate:=true needs no learner: use async.launch.py"),
        (Part.LEARNER, {"rviz": "true"}, "error: rviz:=true belongs to the computer at the arm"),
        (Part.ROBOT, {"robot": "fr3"}, "error: camera:=simulated renders the simulated arm"),
    ],
    ids=str,
)
def test_a_mistake_ends_the_launch_with_one_line(part: Part, arguments: dict[str, str], message: str) -> None:
    entities, errors = started(part, **arguments)
    assert len(errors) == 1 and errors[0].startswith(message)
    assert [type(entity) for entity in entities] == [Shutdown]


def test_the_learner_needs_no_camera() -> None:
    assert plan(Part.LEARNER, robot="fr3").nodes == ["learner", "recorder"]


def test_a_folder_is_named_after_the_run_and_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_folder("auto", "monday", Part.LEARNER) == str(tmp_path / "runs" / "monday_learner")
    assert run_folder("", "monday", Part.ROBOT) == ""
    folder = tmp_path / "runs" / "monday_robot"
    folder.mkdir(parents=True)
    (folder / "episodes.csv").write_text("episode\n1\n")
    (folder / "manifest.yaml").write_text("run: {run_id: monday}")
    assert run_folder("auto", "monday", Part.ROBOT) == str(folder)
    with pytest.raises(ValueError, match="contains another run"):
        run_folder(str(folder), "tuesday", Part.ROBOT)
    write_atomic(folder / "manifest.yaml", "run: [")
    with pytest.raises(ValueError, match="contains another run"):
        run_folder(str(folder), "monday", Part.ROBOT)


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_that_has_ended_is_not_taken_up(tmp_path: Path, state: RunState) -> None:
    ProgressFile(tmp_path / PROGRESS_FILE, "monday").save(Progress(state, 5, 10.0, 100, 12.0))
    assert run_folder(str(tmp_path), "tuesday", Part.ROBOT) == str(tmp_path)
    if state in (RunState.COMPLETE, RunState.ABORTED):
        with pytest.raises(ValueError, match=rf"is {state.value}: give both parts another run:=NAME"):
            run_folder(str(tmp_path), "monday", Part.ROBOT)
    else:
        assert run_folder(str(tmp_path), "monday", Part.ROBOT) == str(tmp_path)


@pytest.mark.parametrize("name", ["monday", "2026-11-27_a.1", "7"])
def test_names_of_runs(name: str) -> None:
    assert run_name(name, Part.ROBOT) == name


@pytest.mark.parametrize("name", [".hidden", "two words", "ü", "a" * 65, "-x"])
def test_names_that_are_not_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="give up to 64 letters"):
        run_name(name, Part.ROBOT)


@pytest.mark.parametrize(
    ("variables", "hinted"),
    [
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, True),
        ({"ROS_LOCALHOST_ONLY": "1"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.2"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_STATIC_PEERS": "10.0.0.2"}, False),
    ],
)
def test_local_discovery_is_pointed_out_but_not_changed(
    variables: dict[str, str], hinted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = discovery_hint(variables, Part.ROBOT)
    assert bool(hint) == hinted
    assert not hinted or ("learner.launch.py" in hint and "SUBNET" in hint)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    entities, _ = started(Part.ROBOT)
    assert sum(isinstance(entity, LogInfo) for entity in entities) == 2
