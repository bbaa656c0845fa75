"""What counts as growth in a soak."""

from __future__ import annotations

from pathlib import Path

from franka_reacher_rl.bench.soak import COLUMNS, Sample, growth, read_samples
from franka_reacher_rl.core.base.csv_file import CsvFile


def samples(memory: float = 100.0, handles: float = 20.0, threads: float = 4.0, *, end: float = 100.0) -> list[Sample]:
    """A process whose quantities reach these values at the end, and grow from the first quarter on."""
    return [
        Sample(
            t,
            "actor",
            100.0 + (memory - 100.0) * t / 100.0,
            round(20 + (handles - 20) * t / 100.0),
            round(4 + (threads - 4) * t / 100.0),
        )
        for t in range(round(end) + 1)
    ]


def test_a_flat_process_has_not_grown() -> None:
    assert growth(samples(memory=108.0)) == []


def test_growth_is_named() -> None:
    assert growth(samples(memory=130.0)) == ["actor: memory_mb has grown from 111.25 to 126.25"]
    assert growth(samples(handles=40.0))[0].startswith("actor: handles has grown from 28")
    assert growth(samples(threads=12.0))[0].startswith("actor: threads has grown from 7")


def test_filling_in_the_first_quarter_is_no_growth() -> None:
    early = [Sample(t, "learner", 10.0 * t, 20, 4) for t in range(25)]
    assert growth([*early, *(Sample(t, "learner", 300.0, 20, 4) for t in range(25, 101))]) == []


def test_a_process_that_ends_is_named() -> None:
    others = [Sample(t, "learner", 1.0, 1, 1) for t in range(101)]
    assert growth([*others, *samples(end=40.0)]) == ["actor: it was not there all the time"]


def test_samples_are_read_back(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "soak.csv", COLUMNS)
    for sample in samples(end=2.0):
        table.write(vars(sample))
    table.close()
    assert read_samples(tmp_path / "soak.csv") == samples(end=2.0)
