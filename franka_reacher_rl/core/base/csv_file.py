"""CSV files that grow by a row at a time."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.files import write_atomic


class CsvFile:
    """Appends rows to a CSV file with fixed columns; unknown values (None, NaN) become empty cells."""

    def __init__(
        self, path: Path, columns: Sequence[str], *, keep: int | None = None, number: Callable[[float], object] = float
    ) -> None:
        """Open the file, creating it with its header where it does not exist.

        Args:
            path: The file.
            columns: Names of the columns.
            keep: Rows to keep of an existing file; None keeps all.
            number: Converts a float before it is written; by default floats read back exactly.

        Raises:
            ValueError: The existing file has other columns, or fewer complete rows than `keep`.
        """
        self._columns, self._number = tuple(columns), number
        header = ",".join(columns) + "\n"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        if lines and keep != 0 and lines[0] != header:
            raise ValueError(f"{path} has other columns than this version writes: continue it with its own version")
        rows = lines[1:] if keep is None else lines[1 : keep + 1]
        if keep is not None and (len(rows) < keep or any(not row.endswith("\n") for row in rows)):
            raise ValueError(f"{path} has {len(rows)} rows, but its checkpoint has {keep} episodes: remove its folder")
        write_atomic(path, header + "".join(rows))
        self._file = path.open("a", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def write(self, row: Mapping[str, Any], *, flush: bool = True) -> None:
        """Append one row. A flushed row survives the end of this process.

        Raises:
            KeyError: A column is missing.
        """
        self._writer.writerow([self._cell(row[name]) for name in self._columns])
        if flush:
            self._file.flush()

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def sync(self) -> None:
        """Make what was written durable."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cell(self, value: Any) -> object:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        return self._number(value) if isinstance(value, float) else value
