"""CSV files that grow by a row at a time."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.documents import MOST_TABLE, read_bytes
from franka_reacher_rl.core.base.files import AppendFile

_BLOCK = 1 << 16  # bytes read at once while the last complete row is searched


class CsvFile:
    """Appends rows to a CSV file with fixed columns; unknown values (None, NaN) become empty cells.

    Rows that cannot be written wait in memory and are written later; see `AppendFile`.

    Attributes:
        repaired: What was removed from the file when it was opened, in words; empty if it was intact.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], *, keep: int | None = None, number: Callable[[float], object] = float
    ) -> None:
        """Open the file. A new one gets its header; from an existing one, an incomplete last row is removed.

        Args:
            path: The file.
            columns: Names of the columns.
            keep: Rows to keep of an existing file; None keeps all that are complete.
            number: Converts a float before it is written; by default floats read back exactly.

        Raises:
            ValueError: The existing file has other columns, or fewer complete rows than `keep`.
        """
        self._columns, self._number = tuple(columns), number
        self._file = AppendFile(path)
        self.repaired = ""
        header = (",".join(columns) + "\n").encode()
        try:
            new = self._trim(path, header, keep)
        except FileNotFoundError:
            new = True
        except OSError as error:  # the file cannot be read or changed: what is added to it may still be written later
            new, self.repaired = False, f"{path} cannot be checked for an incomplete last row: {error.strerror}"
        if new:
            self._file.append(header)
        self._file.flush()

    @property
    def failure(self) -> str:
        """Why the rows that wait cannot be written; empty if none waits."""
        return self._file.failure

    @property
    def waiting(self) -> int:
        """Number of rows that are not written yet."""
        return self._file.waiting

    @property
    def dropped(self) -> int:
        """Number of rows that were dropped because too many were waiting."""
        return self._file.dropped

    def write(self, row: Mapping[str, Any], *, flush: bool = True) -> None:
        """Append one row. A flushed row survives the end of this process, unless it has to wait.

        Raises:
            KeyError: A column is missing.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([self._cell(row[name]) for name in self._columns])
        self._file.append(text.getvalue().encode())
        if flush:
            self._file.flush()

    def flush(self) -> bool:
        """Hand all rows to the operating system; return whether none waits any longer."""
        return self._file.flush()

    def sync(self) -> None:
        """Make all rows durable.

        Raises:
            OSError: A row cannot be written, or was dropped.
        """
        self._file.sync()

    def close(self) -> bool:
        """Close the file; return whether all rows are written."""
        return self._file.close()

    def _trim(self, path: Path, header: bytes, keep: int | None) -> bool:
        """Cut an existing file after the last row to keep; return whether it needs a header.

        Raises:
            OSError: The file does not exist, or cannot be read or cut.
            ValueError: It has other columns, or fewer complete rows than `keep`.
        """
        with path.open("rb") as file:
            first, size = file.readline(), path.stat().st_size
            end = len(first)
            if keep == 0 or (first != header and header.startswith(first)):  # no row, at most a part of the header
                end = 0
            elif first != header:
                raise ValueError(f"{path} has other columns than this version writes: continue it with its own version")
            elif keep is None:
                end = _after_last_newline(file, size)
            else:
                rows = [len(line) for line, _ in zip(file, range(keep), strict=False) if line.endswith(b"\n")]
                if len(rows) < keep:
                    raise ValueError(
                        f"{path} has {len(rows)} rows, but its checkpoint has {keep} episodes: remove its folder"
                    )
                end += sum(rows)
        if end < size:
            os.truncate(path, end)
            if keep is None:
                self.repaired = f"removed the incomplete last row of {path} ({size - end} bytes)"
        return end == 0

    def _cell(self, value: Any) -> object:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        return self._number(value) if isinstance(value, float) else value


def read_rows(path: Path) -> tuple[list[dict[str, str]], bool]:
    """Read the complete rows of a CSV file.

    Returns:
        The rows, and whether the file ends with an incomplete row, which a crash may leave behind.

    Raises:
        OSError: The file cannot be read.
        ValueError: A row before the last one has too few or too many cells, and the message names its line; or the file
            is too large or no CSV file.
    """
    text = read_bytes(path, MOST_TABLE).decode(errors="replace")
    whole, newline, rest = text.rpartition("\n")
    lines = csv.reader(io.StringIO(whole + newline))
    try:
        columns, rows = next(lines, []), []
        for cells in lines:
            if len(cells) != len(columns):
                raise ValueError(f"{path} is damaged: line {lines.line_num} has {len(cells)} of {len(columns)} cells")
            rows.append(dict(zip(columns, cells, strict=True)))
    except csv.Error as error:
        raise ValueError(f"{path} is damaged: line {lines.line_num}: {error}") from None
    return rows, bool(rest)


def _after_last_newline(file: io.BufferedReader, size: int) -> int:
    """Return the position after the last newline of a file."""
    position = size
    while position > 0:
        begin = max(0, position - _BLOCK)
        file.seek(begin)
        found = file.read(position - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        position = begin
    return 0
