from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest
import tiny_experiments as tiny
from synthetic_results import COLUMNS, synthetic

from franka_reacher_rl.analysis.report import write_report
from franka_reacher_rl.experiments import results
from franka_reacher_rl.experiments.executors import InThisProcess
from franka_reacher_rl.experiments.runner import run_experiment
from franka_reacher_rl.experiments.virtual_run import EPISODES

RUNS = {"async_baseline": [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], "sync_baseline": [[1.0, 1.0, 2.0], [2.0, 2.0, 2.0]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny.experiment("async_baseline", "sync_baseline", seeds="0:2", episodes=2)
    path = tmp_path_factory.mktemp("experiment") / "one"
    assert run_experiment(made, path, InThisProcess()) == {}
    return path


def test_there_is_a_row_per_episode_of_each_run(folder: Path) -> None:
    loaded = results.load(folder)
    assert len(loaded.episodes) == 2 * 2 * 2
    assert loaded.variants == ["async_baseline", "sync_baseline"]
    assert loaded.seeds("sync_baseline") == [0, 1]
    assert len(loaded.final("sync_baseline")) == 2
    assert not loaded.realtime and len(loaded.codes) == 1
    minutes, curves = loaded.curve("sync_baseline", 20)
    assert curves.shape == (2, 2)
    assert minutes[-1] == pytest.approx(2 * 1.2 / 60)


def test_the_written_table_gives_the_same_report_and_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    assert [path.name for path in write_report(results.load(folder))] == ["results.csv", "report.md"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("manifest.yaml", "results.csv"):
        (copy / name).write_bytes((folder / name).read_bytes())
    first, again = results.load(folder), results.load(copy)
    one, other = (loaded.episodes.drop(columns=["group", "x"]) for loaded in (first, again))  # empty here
    pandas.testing.assert_frame_equal(one, other, check_dtype=False, check_exact=True)
    write_report(again)
    assert (copy / "report.md").read_text() == (folder / "report.md").read_text()


def test_columns_are_read_by_name_and_may_be_more_or_fewer(tmp_path: Path) -> None:
    loaded = synthetic(tmp_path, RUNS, columns={"note": "windy", "reset_seconds": 4.0})
    assert loaded.final("sync_baseline") == [2.0, 2.0]
    assert np.isnan(loaded.last("sync_baseline", "updates")).all()
    assert np.isnan(loaded.share("sync_baseline", "held_seconds", "duration"))
    assert loaded.medians("sync_baseline", "reset_seconds") == [4.0, 4.0]


def test_unknown_values_are_nan_and_stay_out_of_sums(tmp_path: Path) -> None:
    loaded = synthetic(tmp_path, RUNS, columns={**COLUMNS, "held_seconds": ""})
    assert np.isnan(loaded.share("sync_baseline", "held_seconds", "duration")), "not held 0 %"
    loaded.episodes.loc[loaded.episodes.episode == 1, "held_seconds"] = 3.0
    assert loaded.share("sync_baseline", "held_seconds", "duration") == 0.5, "of the episodes that know it"
    loaded.episodes.loc[loaded.episodes.episode == 1, "updates"] = np.nan
    assert loaded.medians("sync_baseline", "updates") == [70.0, 70.0]


def test_the_end_is_the_last_tenth_but_at_least_20_episodes_and_at_most_a_third() -> None:
    assert [results.end_length(n) for n in (1, 3, 60, 100, 200, 720)] == [1, 1, 20, 20, 20, 72]


def test_seeds_in_words() -> None:
    assert results.seeds_in_words([0, 1, 2]) == "0 to 2"
    assert results.seeds_in_words([0, 2, 5]) == "0, 2, 5"
    assert results.seeds_in_words([3]) == "3"


def test_sweep_groups_are_ordered_by_x(tmp_path: Path) -> None:
    loaded = synthetic(tmp_path, RUNS)
    assert loaded.sweep_groups == {}
    for x, row in zip((2.0, 1.0), loaded.manifest["variants"].values(), strict=True):
        row.update(group="both", x=x)
    assert loaded.sweep_groups == {"both": ["sync_baseline", "async_baseline"]}


def test_folders_without_results_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        results.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is empty"):
        results.load(tmp_path)
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds no experiment: manifest\.yaml is missing"):
        results.load(tmp_path)
    (tmp_path / "manifest.yaml").write_bytes((folder / "manifest.yaml").read_bytes())
    with pytest.raises(ValueError, match="has no finished run"):
        results.load(tmp_path)
    (tmp_path / "manifest.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="not valid YAML"):
        results.load(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(coverage_return=float("nan")), "coverage_return is nan in row 1"),
        (lambda t: t.assign(updates="many"), "updates is many in row 1, not a number"),
        (lambda t: t.drop(columns="seed"), "column 'seed' is missing"),
        (lambda t: t.iloc[:0], "has no finished run"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, spoil: Callable[[object], object], message: str) -> None:
    episodes = synthetic(tmp_path, RUNS).episodes
    spoil(episodes).to_csv(tmp_path / "results.csv", index=False)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=message):
        results.load(tmp_path)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    synthetic(tmp_path, RUNS)
    (tmp_path / "results.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="not a table of episodes"):
        results.load(tmp_path)


def test_a_truncated_table_is_refused(folder: Path) -> None:
    path = next((folder / "runs").rglob(EPISODES))
    whole = path.read_text()
    pandas.read_csv(path).iloc[:1].to_csv(path, index=False)
    try:
        with pytest.raises(ValueError, match="has 1 episodes, not 2"):
            results.load(folder)
    finally:
        path.write_text(whole)
