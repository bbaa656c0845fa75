from __future__ import annotations

from franka_reacher_rl.experiments.paper import paper


def test_the_papers_results_are_in_the_package() -> None:
    published = paper()
    assert set(published) == {"async_baseline", "sync_baseline", "async_highres", "sync_highres"}
    assert published["async_baseline"].final == 270.8
    assert published["async_highres"].updates == 43949
    for row in published.values():
        assert len(row.minutes) == len(row.mean) == len(row.ci) == 24
        assert row.minutes[-1] == 72
