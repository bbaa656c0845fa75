from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas
import pytest
import tiny_experiments as tiny

from franka_reacher_rl.analysis.conclusions import comparisons, conclusions
from franka_reacher_rl.analysis.plots import draw_all
from franka_reacher_rl.analysis.report import write_report
from franka_reacher_rl.experiments import results
from franka_reacher_rl.experiments.executors import InThisProcess
from franka_reacher_rl.experiments.runner import run_experiment
from franka_reacher_rl.experiments.virtual_run import EPISODES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny.experiment("async_baseline", "sync_baseline", seeds="0:2", episodes=2)
    path = tmp_path_factory.mktemp("experiment")
    assert run_experiment(made, path, InThisProcess()) == {}
    return path


def test_the_table_has_a_row_per_episode(folder: Path) -> None:
    loaded = results.load(folder)
    assert len(loaded.table) == 2 * 2 * 2
    assert loaded.variants == ["async_baseline", "sync_baseline"]
    assert len(loaded.final("sync_baseline")) == 2
    minutes, curves = loaded.curve("sync_baseline", 20)
    assert curves.shape == (2, 2)
    assert minutes[-1] == pytest.approx(2 * 1.2 / 60)


def test_pictures_and_report(folder: Path) -> None:
    made = write_report(results.load(folder))
    assert [path.name for path in made] == ["results.csv", "report.md", "report.html"]
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list((folder / "figures").glob("*.png"))) == 5
    assert 'src="figures' not in page, "the page is self-contained"
    for word in ("async_baseline", "What differs", "permutation", "manifest.yaml"):
        assert word in page
    assert str(folder) not in page + (folder / "report.md").read_text() + (folder / "manifest.yaml").read_text()


def test_a_committed_table_is_enough_for_the_report(folder: Path, tmp_path: Path) -> None:
    write_report(results.load(folder))
    for name in ("manifest.yaml", "results.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert len(draw_all(results.load(tmp_path), tmp_path / "figures")) == 5


def test_learning_sooner_is_told_from_ending_higher(folder: Path) -> None:
    loaded = results.load(folder)
    rows = loaded.table.iloc[np.repeat(0, 2 * 8 * 60)].reset_index(drop=True)
    index = np.arange(len(rows))
    variant, rows["seed"], rows["episode"] = index // (8 * 60), index // 60 % 8, 1 + index % 60
    rows["variant"] = np.where(variant == 0, "async_baseline", "sync_baseline")
    learnt = rows.episode > np.where(variant == 0, 10, 30)
    rows["coverage_return"] = 100.0 * learnt + rows.seed + 0.5 * variant
    loaded = dataclasses.replace(loaded, table=rows)
    at_end, over_all = comparisons(loaded, loaded.final), comparisons(loaded, loaded.whole)
    assert [(d.a, d.significant) for d in at_end] == [("sync_baseline", False)]
    assert [(d.a, d.significant) for d in over_all] == [("async_baseline", True)]
    said = "\n".join(conclusions(loaded, at_end, over_all))
    assert "do not differ significantly" in said
    assert "**async_baseline** learns significantly sooner than **sync_baseline**" in said


def test_one_run_is_said_to_tell_nothing_of_chance(folder: Path) -> None:
    loaded = results.load(folder)
    loaded = dataclasses.replace(loaded, table=loaded.table[loaded.table.seed == 0])
    differences = comparisons(loaded, loaded.final)
    said = "\n".join(conclusions(loaded, differences, comparisons(loaded, loaded.whole)))
    assert "One run tells nothing of chance" in said and "do not differ significantly" in said
    assert "Every run" not in said


def test_a_sweep_is_drawn_over_its_x(folder: Path) -> None:
    loaded = results.load(folder)
    for i, row in enumerate(loaded.manifest["variants"].values()):
        row.update(group="both", x=10.0 * i)
    assert "Sweep" in draw_all(loaded, folder / "figures")
    (folder / "figures" / "sweep.png").unlink()


def test_folders_without_results_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not there"):
        results.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is empty"):
        results.load(tmp_path)
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds no experiment: manifest\.yaml is missing"):
        results.load(tmp_path)
    (tmp_path / "manifest.yaml").write_bytes((folder / "manifest.yaml").read_bytes())
    with pytest.raises(ValueError, match="no finished run yet"):
        results.load(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(episode_return=float("nan")), "episode_return in row 1 is nan"),
        (lambda t: t.assign(updates="many"), "updates in row 1 is many"),
        (lambda t: t.drop(columns="seed"), "column 'seed' is missing"),
        (lambda t: t.iloc[:0], "no finished run yet"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(folder: Path, tmp_path: Path, spoil: object, message: str) -> None:
    table = results.load(folder).table
    (tmp_path / "manifest.yaml").write_bytes((folder / "manifest.yaml").read_bytes())
    spoil(table).to_csv(tmp_path / "results.csv", index=False)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        results.load(tmp_path)
    (tmp_path / "results.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="not a table of episodes"):
        results.load(tmp_path)


def test_a_cut_off_table_is_refused(folder: Path) -> None:
    path = next((folder / "runs").rglob(EPISODES))
    whole = path.read_text()
    pandas.read_csv(path).iloc[:1].to_csv(path, index=False)
    try:
        with pytest.raises(ValueError, match="has 1 episodes, not 2"):
            results.load(folder)
    finally:
        path.write_text(whole)
