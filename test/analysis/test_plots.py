from __future__ import annotations

from pathlib import Path

from synthetic_results import COLUMNS, synthetic

from franka_reacher_rl.analysis.plots import draw_all, figures, known_mean

RUNS = {"async_baseline": [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], "sync_baseline": [[1.0, 1.0, 2.0], [2.0, 2.0, 2.0]]}


def test_every_figure_is_drawn(tmp_path: Path) -> None:
    results = synthetic(tmp_path, RUNS, beside_paper=True)
    for i, row in enumerate(results.manifest["variants"].values()):
        row.update(group="both", x=10.0 * i)
    made = draw_all(results, tmp_path / "figures")
    assert len(made) == 6 and "Sweep" in made
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made.values())


def test_figures_of_unknown_values_are_left_out(tmp_path: Path) -> None:
    results = synthetic(tmp_path, RUNS, columns={**COLUMNS, "observation_age_ms_median": "", "learner_update": ""})
    assert "Age of observation and policy" in draw_all(results, tmp_path), "the policy's age is known"
    results = synthetic(tmp_path, RUNS, columns={"updates": ""})
    assert list(figures(results)) == ["Learning curves", "Final performance"]


def test_the_mean_of_known_values() -> None:
    assert known_mean([1.0, float("nan"), 3.0]) == 2.0
    assert known_mean([]) != known_mean([])
