from __future__ import annotations

from pathlib import Path

from synthetic_results import synthetic

from franka_reacher_rl.analysis.plots import draw_all, figures, known_mean, learning_curves, returns
from franka_reacher_rl.experiments.results import Results

RUNS = {"async_baseline": [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], "sync_baseline": [[1.0, 1.0, 2.0], [2.0, 2.0, 2.0]]}


def sweep_of(folder: Path, *, beside_paper: bool = False) -> Results:
    """A sweep of two cycles: sync at the second, async at both."""
    names = ("async_baseline", "async_highres", "sync_baseline")
    results = synthetic(
        folder, dict.fromkeys(names, RUNS["async_baseline"]), beside_paper=beside_paper, x_label="cycle (ms)"
    )
    for name, group, x in zip(names, ("async", "async", "sync"), (40.0, 75.0, 75.0), strict=True):
        results.manifest["variants"][name].update(group=group, x=x)
    return results


def test_every_figure_is_drawn(tmp_path: Path) -> None:
    made = draw_all(sweep_of(tmp_path, beside_paper=True), tmp_path / "figures")
    assert list(made) == ["Learning curves", "Sweep"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made.values())


def test_a_comparison_without_a_sweep_shows_the_returns(tmp_path: Path) -> None:
    assert list(figures(synthetic(tmp_path, RUNS))) == ["Learning curves", "Returns"]


def test_a_sweep_has_a_panel_for_each_place_on_one_scale(tmp_path: Path) -> None:
    figure = learning_curves(sweep_of(tmp_path))
    assert [axis.get_title() for axis in figure.axes] == ["cycle 40 ms", "cycle 75 ms"]
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    coloured = [[line.get_label() for line in axis.lines if line.get_color() != "0.75"] for axis in figure.axes]
    assert coloured == [["async (2 runs)"], ["async (2 runs)", "sync (2 runs)"]]
    (legend,) = figure.legends
    shown = {text.get_text() for text in legend.get_texts()}
    assert shown == {"async (2 runs)", "sync (2 runs)", "the other panels"}


def test_the_papers_curves_have_a_panel_whose_scale_is_said_to_differ(tmp_path: Path) -> None:
    own, published = learning_curves(synthetic(tmp_path, RUNS, beside_paper=True)).axes
    assert own.get_title() == "here: simulated" and own.get_ylim()[0] == 0.0
    assert "another scale" in published.get_ylabel()
    assert [line.get_color() for line in own.lines] == [line.get_color() for line in published.lines]


def test_both_measures_of_the_tests_are_drawn_on_one_scale(tmp_path: Path) -> None:
    whole, end = returns(synthetic(tmp_path, RUNS)).axes
    assert (whole.get_title(), end.get_title()) == ("over the whole run", "at the end (last 1 episodes)")
    assert whole.get_xlim() == end.get_xlim()
    assert [label.get_text() for label in whole.get_yticklabels()] == [
        "async baseline (2 runs)",
        "sync baseline (2 runs)",
    ]


def test_the_mean_of_known_values() -> None:
    assert known_mean([1.0, float("nan"), 3.0]) == 2.0
    assert known_mean([]) != known_mean([])
