"""The list of runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from franka_reacher_rl.core.run.run_state import RunLock
from franka_reacher_rl.core.run.runs import find_runs, summarise, table


def make(folder: Path, how: str = "", episodes: int = 2, wiring: str = "async") -> Path:
    """A run of which some episodes are recorded, and which ended in a way."""
    lock = RunLock(folder, "r1")
    if how:
        lock.end(how)
    lock.release()
    (folder / "manifest.yaml").write_text(f"run: {{wiring: {wiring}, episodes: 12}}")
    rows = "".join(f"{number},{number}.5\n" for number in range(1, episodes + 1))
    (folder / "episodes.csv").write_text("episode,episode_return\n" + rows)
    return folder


def test_every_run_of_a_folder_is_listed_with_its_command_to_resume(tmp_path: Path) -> None:
    make(tmp_path / "a", "complete", episodes=12)
    make(tmp_path / "b", "failed: learner died", wiring="sync")
    make(tmp_path / "c")
    (tmp_path / "no run").mkdir()
    lines = table(find_runs(tmp_path), "./reacher launch")
    assert [line.split()[:4] for line in (lines[1], lines[2], lines[5])] == [
        ["a", "complete", "12/12", "12.5"],
        ["b", "failed", "2/12", "2.5"],
        ["c", "died", "2/12", "2.5"],
    ]
    assert lines[3:5] == ["    learner died", f"    ./reacher launch sync.launch.py resume:={tmp_path / 'b'}"]
    assert lines[7] == f"    ./reacher launch async.launch.py resume:={tmp_path / 'c'}" and len(lines) == 8


def test_a_running_run_is_not_to_be_resumed(tmp_path: Path) -> None:
    make(tmp_path)
    lock = RunLock(tmp_path, "r2")
    found = summarise(tmp_path)
    assert found.status.state == "running" and found.resume == ""
    lock.release()


def test_size_and_age_are_those_of_its_files(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    hour_ago = time.time() - 3600.0
    for path in (tmp_path, *tmp_path.iterdir()):
        os.utime(path, (hour_ago, hour_ago))
    found = summarise(tmp_path)
    assert found.size >= 100_000 and 3590.0 < found.age < 3700.0
    assert table([found], "")[1].split()[-2:] == ["1", "h"]


def test_damage_is_named_and_does_not_end_the_list(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "a" / "manifest.yaml").write_text("")
    make(tmp_path / "b")
    (tmp_path / "b" / "episodes.csv").write_text("episode,episode_return\n1,2\n3\n4,5\n")
    first, second = find_runs(tmp_path)
    assert "manifest.yaml is damaged (it is empty)" in first.problem and first.resume == ""
    assert "line 3 has 1 of 2 cells" in second.problem
    assert len(table([first, second], "")) == 7


def test_one_run_may_be_given_itself(tmp_path: Path) -> None:
    assert [run.folder for run in find_runs(make(tmp_path / "a"))] == [tmp_path / "a"]
    with pytest.raises(ValueError, match="is not a folder"):
        find_runs(tmp_path / "nowhere")
