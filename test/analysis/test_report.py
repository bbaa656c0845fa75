from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_results import COLUMNS, synthetic

from franka_reacher_rl.analysis.plots import figures
from franka_reacher_rl.analysis.report import FIGURES, report_text, write_report
from franka_reacher_rl.experiments.results import load

PUBLISHED = sorted(p.parent for p in (Path(__file__).parents[2] / "docs" / "results").glob("*/manifest.yaml"))
RUNS = {"async_baseline": [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], "sync_baseline": [[1.0, 1.0, 2.0], [2.0, 2.0, 2.0]]}


def row_of(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_report_is_written_beside_its_figures(tmp_path: Path) -> None:
    results = synthetic(tmp_path, RUNS)
    table = (tmp_path / "results.csv").read_bytes()
    (made,) = write_report(results)
    assert made == tmp_path / "report.md"
    assert (tmp_path / "results.csv").read_bytes() == table, "without the runs, the table is the source"
    text = made.read_text()
    for file in (tmp_path / "figures").glob("*.png"):
        assert f"(figures/{file.name})" in text
    assert str(tmp_path) not in text


def test_the_report_states_the_conditions_of_its_results(tmp_path: Path) -> None:
    text = report_text(synthetic(tmp_path, RUNS), {})
    assert "Simulated: arm, camera and clock (virtual time), on x86_64 with 4 cores" in text
    assert "4 runs of 3 episodes, seeds 0 to 1" in text
    assert "Commit abc, code digest def" in text
    assert "In real time, by the ROS graph" in report_text(synthetic(tmp_path, RUNS, realtime=True), {})


def test_holm_and_the_floor_are_stated_for_all_tests_of_the_report(tmp_path: Path) -> None:
    text = report_text(synthetic(tmp_path, RUNS), {})
    assert "permutation test of the means (exact); with these numbers of runs it cannot be smaller than 0.33" in text
    assert "Holm's correction is over all 2 tests of this report" in text
    many = {name: [[float(i), 1.0, 2.0] for i in range(11)] for name in RUNS}
    assert "beyond that Monte Carlo with 99,999 draws" in report_text(synthetic(tmp_path, many), {})


def test_unknown_values_are_a_dash_and_never_zero(tmp_path: Path) -> None:
    known = row_of(report_text(synthetic(tmp_path, RUNS), {}), "sync_baseline | 2")
    assert known[-5:] == ["70", "80", "58.0", "10", "0"]
    blank = dict.fromkeys(COLUMNS, "")
    for columns in (blank, {}):
        text = report_text(synthetic(tmp_path, RUNS, columns=columns), {})
        assert row_of(text, "sync_baseline | 2")[-5:] == ["–"] * 5
        assert "processor time" not in text


@pytest.mark.parametrize("beside_paper", [True, False])
def test_the_papers_column_is_there_if_the_paper_has_the_settings(tmp_path: Path, beside_paper: bool) -> None:
    text = report_text(synthetic(tmp_path, RUNS, beside_paper=beside_paper), {})
    assert ("paper, at the end" in text) == ("168 ± 8" in text) == beside_paper


def test_one_variant_is_reported_without_tests(tmp_path: Path) -> None:
    text = report_text(synthetic(tmp_path, {"async_baseline": RUNS["async_baseline"]}), {})
    assert "No variants are compared." in text
    assert "## Tests" not in text


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_reports_follow_from_their_tables(folder: Path) -> None:
    results = load(folder)
    links = {title: f"{FIGURES}/{draw.__name__}.png" for title, draw in figures(results).items()}
    assert all((folder / link).is_file() for link in links.values())
    assert (folder / "report.md").read_text() == report_text(results, links), "run: experiment report " + folder.name
