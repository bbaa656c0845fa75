from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_experiments as tiny

from franka_reacher_rl.experiments.executors import InThisProcess, Job
from franka_reacher_rl.experiments.run_files import EPISODES
from franka_reacher_rl.experiments.runner import prepare, run_experiment

pytest.importorskip("ray", reason="Ray is an optional extra: pip install ray")
pytest.importorskip("psutil", reason="the tests look for Ray's processes with it")

import psutil

from franka_reacher_rl.experiments.ray_executor import OnRay

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def local() -> Iterator[OnRay]:
    executor = OnRay("local")
    yield executor
    executor.stop()


def wait_for(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def ended(executor: OnRay) -> str:
    """The reason of the failure of the only run, or an empty string."""
    (_, failure) = wait_for(executor.ended)[0]
    return failure


def begun(job: Job) -> bool:
    """Whether a run has finished its first episode."""
    table = job.folder / EPISODES
    return table.exists() and table.read_text().count("\n") > 1


def workers_of(job: Job) -> list[Any]:
    """The processes that have the run's lock open."""
    lock, found = str(job.folder / ".lock"), []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("ray::") and any(file.path == lock for file in process.open_files()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_runs_on_a_ray_cluster_equal_local_ones(tmp_path: Path) -> None:
    made = tiny.experiment("async_baseline", "sync_baseline", episodes=2)
    assert run_experiment(made, tmp_path / "here", InThisProcess()) == {}
    assert run_experiment(made, tmp_path / "ray", OnRay("local")) == {}
    for run in made.runs:
        assert tiny.rows(tmp_path / "here" / run.folder) == tiny.rows(tmp_path / "ray" / run.folder)


LISTENING = """
import json, psutil
from franka_reacher_rl.experiments.ray_executor import OnRay
executor = OnRay("local")
family = [psutil.Process(), *psutil.Process().children(recursive=True)]
sockets = [c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == "LISTEN"]
commands = [p.cmdline() for p in family]
executor.stop()
print(json.dumps([sockets, commands]))
"""


def test_a_cluster_of_this_computer_listens_on_the_loopback_interface_only() -> None:
    # In a process of its own, where nobody has imported Ray before.
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    ended = subprocess.run([sys.executable, "-c", LISTENING], env=variables, capture_output=True, text=True, check=True)
    sockets, commands = json.loads(ended.stdout.splitlines()[-1])
    assert len(sockets) >= 3 and set(sockets) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert any("gcs_server" in word for words in commands for word in words)
    head = [words for words in commands if any(word.endswith("dashboard.py") for word in words)]
    assert all("--disable-frontend" in words for words in head), "this process collects usage statistics too"


def test_another_worker_takes_up_the_run_of_one_that_was_killed(local: OnRay, tmp_path: Path) -> None:
    made = tiny.experiment("async_baseline", episodes=30)
    assert run_experiment(made, tmp_path / "here", InThisProcess()) == {}
    (tmp_path / "ray").mkdir()
    (job,) = prepare(made, tmp_path / "ray")
    local.start(job)
    wait_for(lambda: begun(job))
    (worker,) = workers_of(job)
    worker.kill()
    assert ended(local) == ""
    assert job.finished
    assert tiny.rows(tmp_path / "here" / job.run.folder) == tiny.rows(job.folder)


def test_a_run_that_fails_is_not_tried_again(local: OnRay, tmp_path: Path) -> None:
    (job,) = prepare(tiny.experiment("async_baseline"), tmp_path)
    (job.folder / "run.json").write_text("{}")
    local.start(job)
    assert "run.json" in ended(local)


def test_another_node_takes_up_the_runs_of_one_that_is_lost(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    executor = OnRay(cluster.address)
    try:
        assert executor.slots == 2
        made = tiny.experiment("async_baseline", episodes=30)
        (job,) = prepare(made, tmp_path)
        executor.start(job)
        wait_for(lambda: begun(job))
        (worker,) = workers_of(job)
        raylets = {node.all_processes["raylet"][0].process.pid: node for node in nodes}
        lost = next(node for pid, node in raylets.items() if pid in (p.pid for p in worker.parents()))
        cluster.remove_node(lost, allow_graceful=False)
        assert ended(executor) == ""
        assert job.finished and len(tiny.rows(job.folder)) == 30
    finally:
        executor.stop()
        cluster.shutdown()
