"""The table and the figure that a `bench cycle` keeps."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np

from franka_reacher_rl.bench.histogram import FIGURE, TABLE, draw, keep_table


def test_the_table_is_kept_to_the_microsecond(tmp_path: Path) -> None:
    cycles = tmp_path / "cycles.csv"
    cycles.write_text("episode,step,lateness,policy_age\n1,0,5.58917e-05,nan\n1,12,0.0012345,1.5\n")
    keep_table(cycles, tmp_path)
    text = lzma.decompress((tmp_path / TABLE).read_bytes()).decode()
    assert text == "episode,step,lateness,policy_age\n1,0,0.000056,nan\n1,12,0.001234,1.500000\n"


def test_times_of_zero_are_drawn(tmp_path: Path) -> None:
    draw({"lateness": np.array([0.0, 0.1, 5.0])}, tmp_path)
    assert (tmp_path / FIGURE).read_bytes().startswith(b"\x89PNG")
