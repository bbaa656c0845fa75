"""A graph's names are claimed by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("launch")

from franka_reacher_rl.launching.graph_lock import claim_graph
from franka_reacher_rl.launching.two_machines import Part

HOLDER = """
import sys
from franka_reacher_rl.launching.graph_lock import claim_graph
from franka_reacher_rl.launching.two_machines import Part
give_up = claim_graph(sys.argv[3], Part.ALL)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, "async.launch.py", "episodes:=5", request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("holder", ["/left"], indirect=True)
def test_a_second_process_is_refused_until_the_first_has_died(holder: subprocess.Popen[str]) -> None:
    who = rf"in domain .* and namespace /left: process {holder.pid} \(async.launch.py episodes:=5\)"
    with pytest.raises(ValueError, match=f"another graph is running {who}"):
        claim_graph("/left", Part.ALL)
    holder.kill()
    holder.wait()
    claim_graph("/left", Part.ALL)()
    claim_graph("/left", Part.ALL)()  # it was given up


@pytest.mark.parametrize("holder", ["/right"], indirect=True)
def test_other_names_are_free(holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    claim_graph("/elsewhere", Part.ALL)()
    claim_graph("/right", Part.ROBOT)()
    monkeypatch.setenv("ROS_DOMAIN_ID", f"{os.environ['ROS_DOMAIN_ID']}0")
    claim_graph("/right", Part.ALL)()
