"""The event file has TensorBoard's record format."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from franka_reacher_rl.core.run.scalars import Scalars, record


@pytest.mark.parametrize("data", [b"", b"123456789", bytes(range(256)) * 3])
def test_a_record_is_that_of_tensorboard(data: bytes, tmp_path: Path) -> None:
    with (tmp_path / "records").open("wb") as file:
        RecordWriter(file).write(data)
    assert record(data) == (tmp_path / "records").read_bytes()


def test_numbers_are_read_back_and_unknown_values_left_out(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path)
    scalars.add("episode", {"return": 2.5, "loss": math.nan, "reason": "time_limit"}, 7)
    scalars.add("episode", {"loss": math.nan}, 8)
    scalars.file.close()
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert found.Tags()["scalars"] == ["episode/return"]
    assert [(event.step, event.value) for event in found.Scalars("episode/return")] == [(7, 2.5)]
