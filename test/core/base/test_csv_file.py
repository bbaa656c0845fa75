"""Tables that grow, are continued, and know what is unknown."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import pytest

from franka_reacher_rl.core.base import csv_file
from franka_reacher_rl.core.base.csv_file import CsvFile, read_rows


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


@pytest.mark.parametrize("torn", ["3", "3,4", "\0\0\0", '3,"'])
def test_an_incomplete_last_row_is_removed_and_reported(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n" + torn)
    table = CsvFile(path, ("a", "b"))
    assert f"incomplete last row of {path} ({len(torn)} bytes)" in table.repaired
    table.write({"a": 5, "b": 6})
    table.close()
    assert path.read_text() == "a,b\n1,2\n5,6\n"
    assert CsvFile(path, ("a", "b")).repaired == ""


@pytest.mark.parametrize("torn", ["", "a", "a,b"])
def test_an_incomplete_header_is_written_anew(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(torn)
    CsvFile(path, ("a", "b")).close()
    assert path.read_text() == "a,b\n"


def test_a_torn_row_longer_than_a_block_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK", 4)
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n" + "9" * 23)
    CsvFile(path, ("a",)).close()
    assert path.read_text() == "a\n1\n"


def test_only_complete_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,")
    assert read_rows(path) == ([{"a": "1", "b": "2"}], True)
    path.write_text("a,b\n1,2\n3\n4,5\n")
    with pytest.raises(ValueError, match=r"line 3 has 1 of 2 cells"):
        read_rows(path)
    path.write_text("")
    assert read_rows(path) == ([], False)


def test_rows_of_what_is_no_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1" * (csv.field_size_limit() + 1) + ",2\n")
    with pytest.raises(ValueError, match=r"table\.csv is damaged: line 2: field larger"):
        read_rows(path)
    path.unlink()
    os.mkfifo(path)  # opening it would block
    with pytest.raises(ValueError, match="not a regular file"):
        read_rows(path)
