"""The graph that a benchmark launches, with an `ros2` that only notes its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.bench.running_graph import running_graph
from franka_reacher_rl.cli import make_parser


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "ros2"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexit ${{CODE:-0}}\n')
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_further_launch_arguments_come_last(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", environment["PATH"])
    options = make_parser().parse_args(["bench", "cycle", "--launch", "record:=true", "view:=true"])
    with running_graph(
        Path("s.yaml"), "panda_sim", tmp_path, environment, "episodes:=1", quiet=True, further=options.launch
    ):
        pass
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[:3] == ["launch", "franka_reacher_rl", "async.launch.py"]
    assert arguments[5:] == ["episodes:=1", f"run_dir:={tmp_path}", "record:=true", "view:=true"]


def test_a_graph_that_fails(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", environment["PATH"])
    with (
        pytest.raises(RuntimeError, match="the graph ended with exit code 3"),
        running_graph(Path("s.yaml"), "x", tmp_path, {**environment, "CODE": "3"}, "episodes:=1", quiet=True),
    ):
        pass
