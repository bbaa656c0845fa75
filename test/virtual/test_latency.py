from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from franka_reacher_rl.virtual.latency import Duration, Latency, LatencySampler, load_latency


def test_durations_are_constant_normal_or_measured() -> None:
    random = np.random.default_rng(0)
    assert Duration.of(3.3, "test").draw(random) == 3_300_000
    normal = [Duration.of({"mean_ms": 10.0, "sd_ms": 8.0}, "test").draw(random) for _ in range(2000)]
    assert min(normal) == 0, "never negative"
    assert np.mean(normal) == pytest.approx(10.4e6, rel=0.05)  # cut at 0
    measured = {Duration.of({"samples_ms": [1.0, 2.0]}, "test").draw(random) for _ in range(50)}
    assert measured == {1_000_000, 2_000_000}


def test_an_episode_draws_the_same_whatever_was_before() -> None:
    latency = Latency.of({"update": {"mean_ms": 50.0, "sd_ms": 5.0}}, "test")
    first, second = LatencySampler(latency, 7), LatencySampler(latency, 7)
    first.draw("update")
    first.begin(3)
    second.begin(3)
    assert [first.draw("update") for _ in range(5)] == [second.draw("update") for _ in range(5)]


def test_the_lab_profile_has_the_papers_figures() -> None:
    baseline = load_latency("lab", "sync_baseline")
    assert [baseline.interaction.mean, baseline.learner_seconds] == pytest.approx([0.0033, 0.0547])
    assert load_latency("lab", "sync_highres").learner_seconds == pytest.approx(0.060)
    assert load_latency("lab", "async_highres").learner_seconds == pytest.approx(0.155)
    assert load_latency("lab_no_transfer", "async_highres").learner_seconds == pytest.approx(0.060)
    assert load_latency("zero", "anything").learner_seconds == 0.0
    changed = load_latency("lab", "sync_baseline", {"update": 1.0})
    assert changed.update.mean == pytest.approx(0.001)


def test_the_measured_profile_serves_both_wirings_of_each_size() -> None:
    for size in ("lite", "baseline", "highres"):
        here = load_latency("two_cores", f"async_{size}")
        assert here == load_latency("two_cores", f"sync_{size}")
        assert here.learner_seconds > here.interaction.mean > 0.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cases: {default: {updates: 3.0}}", "unknown 'updates'"),
        ("cases: {default: {update: -3.0}}", "mean_ms = -3.0 is not allowed"),
        ("cases: {default: {update: fast}}", "expected milliseconds"),
        ("cases: {baseline: {}}", "no case for setting 'other_one'"),
        ("latencies: {}", "not a latency profile"),
        ("cases: [", "not valid YAML"),
    ],
)
def test_a_bad_profile_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        load_latency(path, "other_one")


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no latency profile 'labs'.*: there are .*lab.*zero"):
        load_latency("labs", "sync_baseline")
