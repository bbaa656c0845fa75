from __future__ import annotations

from pathlib import Path

import pytest
import tiny_experiments as tiny

from franka_reacher_rl.experiments.progress import Progress
from franka_reacher_rl.experiments.virtual_run import EPISODES

HEADER = "episode,coverage_return,updates,wall_seconds\n"


def write(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True)
    (folder / EPISODES).write_text(HEADER + "".join(rows))
    return folder


def test_runs_that_finish_and_fail_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.begin(3, 1)
    progress.ended("a seed 0", write(tmp_path / "a" / "seed0", "1,3.0,5,30\n", "2,5.0,9,31\n"), "")
    progress.ended("b seed 0", tmp_path, "no OpenGL")
    printed = capsys.readouterr().out
    assert "3 runs, 1 of them already finished" in printed
    assert "2/3  a seed 0: return 5.0 at the end, 9 updates, 0:01:01" in printed
    assert "FAILED  b seed 0: no OpenGL" in printed


def test_unknown_values_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Progress().ended("a seed 0", write(tmp_path / "a" / "seed0", "1,3.0,,\n"), "")
    assert "a seed 0: return 3.0 at the end\n" in capsys.readouterr().out


def test_the_remaining_time_follows_from_the_pace_of_each_variant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny.experiment("async_baseline", episodes=3).runs[0]
    progress = Progress(every=0.0)
    progress.look([(tmp_path, run)], [], 1)
    assert "remaining time not known yet" in capsys.readouterr().out
    folder = write(tmp_path / "async_baseline" / "seed0", "1,3.0,5,60\n", "2,3.")  # the last row is being written
    progress.look([(folder, run)], [run], 1)
    assert "async_baseline seed 0 2/3  0:04:00 left" in capsys.readouterr().out
    Progress(quiet=True, every=0.0).look([(folder, run)], [], 1)
    assert not capsys.readouterr().out
