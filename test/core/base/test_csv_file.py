"""Tables that grow, are continued, and know what is unknown."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from franka_reacher_rl.core.base.csv_file import CsvFile


def test_a_table_is_continued_without_a_second_header(tmp_path: Path) -> None:
    for episode in (1, 2):
        table = CsvFile(tmp_path / "t.csv", ("episode", "value"))
        table.write({"episode": episode, "value": 1 / 3})
        table.close()
    assert (tmp_path / "t.csv").read_text() == f"episode,value\n1,{1 / 3!r}\n2,{1 / 3!r}\n"


def test_unknown_values_are_empty_cells(tmp_path: Path) -> None:
    table = CsvFile(tmp_path / "t.csv", ("a", "b", "c"))
    table.write({"a": math.nan, "b": None, "c": 0})
    table.close()
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == ",,0"


def test_rows_beyond_a_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n3,")
    CsvFile(path, ("a",), keep=2).close()
    assert path.read_text() == "a\n1\n2\n"
    with pytest.raises(ValueError, match="2 rows, but its checkpoint has 3"):
        CsvFile(path, ("a",), keep=3)


def test_a_table_of_other_columns_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        CsvFile(tmp_path / "t.csv", ("a", "c"))
