from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from franka_reacher_rl.pictures.timing import draw, read_timing


def run_folder(folder: Path, wiring: str, updates: tuple[int, ...] = (0, 10, 20)) -> Path:
    """A run of episodes of two cycles each; only the last one is wholly after the first update."""
    folder.mkdir()
    (folder / "manifest.yaml").write_text(yaml.safe_dump({"run": {"wiring": wiring}}))
    rows = [f"{i + 1},75.0,{count},0.5" for i, count in enumerate(updates)]
    (folder / "episodes.csv").write_text("\n".join(["episode,cycle_ms,updates,learner_update", *rows]) + "\n")
    rows = [f"{i + 1},{step},{0.01 * (i + 1) + 0.005},{0.01 * (i + 1)}" for i in range(len(updates)) for step in (0, 1)]
    (folder / "cycles.csv").write_text("\n".join(["episode,step,observation_age,response_time", *rows]) + "\n")
    return folder


def test_only_cycles_beside_updates_are_evaluated(tmp_path: Path) -> None:
    timing = read_timing(run_folder(tmp_path / "run", "sync"))
    assert (timing.wiring, timing.cycle, timing.cycles) == ("sync", 75.0, 2)
    assert timing.response.median == pytest.approx(30.0)
    assert timing.frame.median == pytest.approx(5.0)
    assert timing.age.rare == pytest.approx(35.0)
    assert timing.update == pytest.approx(50.0), "0.5 s for 10 updates"


def test_a_run_without_updates_is_drawn_from_all_its_cycles(tmp_path: Path) -> None:
    timing = read_timing(run_folder(tmp_path / "run", "async", updates=(0, 0)))
    assert timing.cycles == 4 and math.isnan(timing.update)


def test_a_run_without_episodes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished episode"):
        read_timing(run_folder(tmp_path / "run", "sync", updates=()))


def test_both_wirings_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "timing.png"
    draw([read_timing(run_folder(tmp_path / wiring, wiring)) for wiring in ("sync", "async")], out)
    assert out.read_bytes().startswith(b"\x89PNG")
