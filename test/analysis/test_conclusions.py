from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_results import synthetic

from franka_reacher_rl.analysis.conclusions import END, WHOLE, comparisons, conclusions


def said(results: object) -> str:
    return "\n".join(conclusions(results, comparisons(results)))  # type: ignore[arg-type]


def test_learning_sooner_is_distinguished_from_ending_higher(tmp_path: Path) -> None:
    sooner = [[100.0 * (i > 10) + seed for i in range(60)] for seed in range(8)]
    later = [[100.0 * (i > 30) + seed + 0.5 for i in range(60)] for seed in range(8)]
    results = synthetic(tmp_path, {"async_baseline": sooner, "sync_baseline": later})
    found = [(c.measure, c.a, c.significant) for c in comparisons(results)]
    assert found == [(END, "sync_baseline", False), (WHOLE, "async_baseline", True)]
    text = said(results)
    assert "At the end, no significant difference between **sync_baseline** and **async_baseline** was found" in text
    assert "Over the whole run, **async_baseline** has a significantly higher return than **sync_baseline**" in text


def test_not_significant_is_never_called_the_same(tmp_path: Path) -> None:
    runs = [[float(i + seed) for i in range(9)] for seed in range(5)]
    text = said(synthetic(tmp_path, {"async_baseline": runs, "sync_baseline": runs}, beside_paper=True))
    assert "no significant difference" in text
    assert "neither confirmed nor refuted" in text
    for wrong in ("the same", "equal", "do not differ", "there is no difference"):
        assert wrong not in text


def test_too_few_runs_are_named_as_the_reason(tmp_path: Path) -> None:
    high, low = [[float(100 + i)] * 3 for i in range(3)], [[float(i)] * 3 for i in range(3)]
    text = said(synthetic(tmp_path, {"async_baseline": high, "sync_baseline": low}))
    assert "every run of **async_baseline** has a higher return than every run of **sync_baseline**" in text
    assert "smallest p of a single test is 0.1000, and 0.200 after Holm's correction over 2 tests" in text
    text = said(synthetic(tmp_path, {"async_baseline": high[:1], "sync_baseline": low[:1]}))
    assert "A variant with a single run cannot be tested" in text
    assert "every run" not in text


def test_the_papers_ordering_is_compared_only_where_the_difference_is_significant(tmp_path: Path) -> None:
    high, low = [[100.0 + i] * 3 for i in range(5)], [[float(i)] * 3 for i in range(5)]
    text = said(synthetic(tmp_path, {"async_baseline": low, "sync_baseline": high}, beside_paper=True))
    assert "This contradicts the paper." in text
    text = said(synthetic(tmp_path, {"async_baseline": high, "sync_baseline": low}, beside_paper=True))
    assert "This agrees with the paper." in text


@pytest.mark.parametrize("variants", [1, 2])
def test_a_sweep_names_its_best_place(tmp_path: Path, variants: int) -> None:
    names = ["async_baseline", "sync_baseline"][:variants]
    results = synthetic(tmp_path, {name: [[10.0 * i] * 3 for _ in range(5)] for i, name in enumerate(names)})
    for i, row in enumerate(results.manifest["variants"].values()):
        row.update(group="both", x=20.0 * i)
    assert ("highest at x 20: 10.0 [10.0, 10.0], overlapped by no other interval" in said(results)) == (variants == 2)
