"""How a graph ends: asked for, by a signal, by the death of a node, by a mistake in its arguments."""

import csv
import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
import yaml
from processes import policy_blocks, until

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.launching.restarts import MAX_DEATHS


def _well_ended(launch, blocks):
    assert "Traceback" not in launch.text
    assert not launch.nodes(), "a node outlived its launch"
    assert policy_blocks() <= blocks, "a policy stayed in shared memory"


@pytest.mark.parametrize("to_all", [False, True], ids=["launch only", "the terminal's whole group"])
def test_ctrl_c_in_the_middle_of_an_episode(launch, tmp_path, to_all):
    blocks = policy_blocks()
    graph = launch("async", run_dir=str(tmp_path / "run"))
    graph.until(lambda: "\n        2 " in graph.text)
    (os.killpg if to_all else os.kill)(graph.process.pid, signal.SIGINT)
    assert graph.wait() == 0, graph.text
    _well_ended(graph, blocks)
    rows = list(csv.DictReader((tmp_path / "run" / "episodes.csv").open(newline="")))
    assert [int(r["episode"]) for r in rows] == list(range(1, len(rows) + 1)) and len(rows) >= 2
    for name in ("manifest.yaml", "policy.safetensors", "cycles.csv", "learner.csv", "tensorboard", "checkpoints"):
        assert (tmp_path / "run" / name).exists(), name


def test_ctrl_c_while_the_nodes_start(launch):
    blocks = policy_blocks()
    graph = launch("async")
    graph.until(lambda: len(graph.nodes()) == 11)
    os.killpg(graph.process.pid, signal.SIGINT)
    assert graph.wait() == 0, graph.text
    _well_ended(graph, blocks)


def test_a_node_that_dies_too_often_ends_the_graph_with_its_name(launch):
    blocks = policy_blocks()
    graph = launch("async")
    for _ in range(MAX_DEATHS):
        graph.until(lambda: "reward" in graph.nodes(), 20.0)
        os.kill(pid := graph.nodes()["reward"], signal.SIGKILL)
        until(lambda pid=pid: graph.nodes().get("reward") != pid, 20.0)
    assert graph.wait() == 1
    assert graph.text.count("reward died with signal SIGKILL: it is started again") == MAX_DEATHS - 1
    assert f"error: reward died {MAX_DEATHS} times within 60 s" in graph.text
    _well_ended(graph, blocks)


def test_a_killed_launch_takes_its_nodes_with_it(launch):
    graph = launch("async")
    graph.until(lambda: "\n        1 " in graph.text)
    graph.process.kill()
    graph.process.wait()
    until(lambda: not graph.nodes(), 20.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"setting": "nonsense"}, "error: no setting 'nonsense': there are baseline, highres, lite"),
        ({"robot": "pandax"}, "no robot 'pandax' (did you mean 'panda'?)"),
        ({"camera": "/dev/video99"}, "'/dev/video99' does not exist"),
        ({"episodes": "many"}, "episodes:=many is not a number"),
        ({"evaluate": "true"}, "needs policy:=PATH"),
        ({"evaluate": "true", "policy": "nowhere.safetensors"}, "nowhere.safetensors does not exist"),
        ({"resume": "/nowhere"}, "resume:=/nowhere holds no run"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_named(launch, arguments, words):
    graph = launch("async", **arguments)
    assert graph.wait() != 0
    assert words in graph.text and "Traceback" not in graph.text and "Caught exception" not in graph.text


def test_a_wrong_joint_name_is_named(launch, tmp_path):
    robot = to_mapping(Robot.load("panda_sim"))
    robot["joints"][3] = "panda_elbow"
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump(robot))
    graph = launch("async", robot=str(path))
    assert graph.wait() != 0
    assert "no movable joint 'panda_elbow'" in graph.text or "no joint 'panda_elbow'" in graph.text
    assert "Traceback" not in graph.text


def test_killed_and_resumed(launch, tmp_path):
    run_dir: Path = tmp_path / "run"
    graph = launch("async", run_dir=str(run_dir))
    graph.until(lambda: list(run_dir.glob("checkpoints/checkpoint-*")) and "\n        3 " in graph.text)
    os.killpg(graph.process.pid, signal.SIGKILL)
    graph.wait()
    saved = max(run_dir.glob("checkpoints/checkpoint-*")).stem.split("-")
    episodes = len(list(csv.DictReader((run_dir / "episodes.csv").open(newline=""))))
    graph = launch("async", resume=str(run_dir), episodes=str(episodes + 2), setting="lite")
    assert graph.wait() == 0, graph.text
    rows = list(csv.DictReader((run_dir / "episodes.csv").open(newline="")))
    assert [int(r["episode"]) for r in rows] == list(range(1, episodes + 3))
    assert float(rows[-1]["training_seconds"]) > float(rows[episodes - 1]["training_seconds"])
    assert f"resumed from the checkpoint of update {int(saved[1])}" in graph.text
    assert int(rows[-1]["updates"]) > int(saved[1])
    assert int(rows[-1]["policy_version"]) > int(saved[1])


def test_a_saved_policy_is_evaluated(launch, tmp_path):
    graph = launch("async", run_dir=str(tmp_path / "learnt"), episodes="1")
    assert graph.wait() == 0, graph.text
    policy = tmp_path / "learnt" / "policy.safetensors"
    graph = launch("async", evaluate="true", policy=str(policy), episodes="2", run_dir=str(tmp_path / "run"))
    assert graph.wait() == 0, graph.text
    assert "learner" not in graph.nodes() and "evaluating" in graph.text
    assert len(list(csv.DictReader((tmp_path / "run" / "episodes.csv").open(newline="")))) == 2


def test_the_trained_policy_is_evaluated_and_shown(launch, tmp_path):
    pytest.importorskip("rerun")
    with socket.socket() as page, socket.socket() as data:
        for each in (page, data):
            each.bind(("127.0.0.1", 0))
        ports = {"page_port": page.getsockname()[1], "data_port": data.getsockname()[1]}
    params = tmp_path / "ports.yaml"
    params.write_text(f"viewer: {{ros__parameters: {ports}}}".replace("'", ""))
    run = {"setting": "auto", "evaluate": "true", "policy": "pretrained", "episodes": "2", "view": "true"}
    graph = launch("async", **run, params_file=str(params), run_dir=str(tmp_path / "run"))
    address = f"http://127.0.0.1:{ports['page_port']}/"
    graph.until(lambda: f"viewer: open {address}" in graph.text)
    with urllib.request.urlopen(address, timeout=10.0) as answer:
        assert answer.status == 200
    assert graph.wait() == 0, graph.text
    assert "evaluation of 2 episodes, with 95 % intervals:" in graph.text
    for row in ("return", "success rate", "time to reach"):
        assert f"\n  {row}" in graph.text
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=1.0)
