from __future__ import annotations

from pathlib import Path

from synthetic_results import synthetic

from franka_reacher_rl.analysis.shared_runs import shared_runs


def test_runs_that_also_appear_in_a_neighbouring_folder_are_one_piece_of_evidence(tmp_path: Path) -> None:
    runs = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
    changed = [[0.0, 2.0, 3.0], *runs[1:]]
    one = synthetic(tmp_path / "one", {"async_baseline": runs, "sync_baseline": runs[::-1][:1]})
    synthetic(tmp_path / "two", {"async_highres": changed})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.yaml").write_text("a: 3")
    (sentence,) = shared_runs(one)
    assert "**async_baseline** with seeds 1 to 2" in sentence
    assert "**async_highres** in `two`: both reports show the same evidence" in sentence
    (sentence,) = shared_runs(synthetic(tmp_path / "two", {"async_highres": changed}))
    assert "**async_baseline** in `one`" in sentence
