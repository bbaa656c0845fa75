"""Reads of small files that may hold anything: YAML, JSON and tables."""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.base.suggestions import shortened

MOST_BYTES = 1 << 19  # of a YAML or JSON file
MOST_TABLE = 256 << 20  # of a CSV file
MOST_VALUES = 100_000  # of a YAML document, aliases expanded
LONGEST_SCALAR = 20_000  # characters; PyYAML reads some numbers in quadratic time


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a small file.

    Args:
        path: The file; a pipe or a device is refused without waiting for it.
        most: Largest allowed size in bytes.

    Raises:
        ValueError: It is not a regular file, or too large.
        OSError: It cannot be read.
    """
    # Without O_NONBLOCK, opening a pipe would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is not a regular file")
        data = file.read(most + 1) if status.st_size <= most else b""
    if status.st_size > most or len(data) > most:
        raise ValueError(f"{path} has {max(status.st_size, len(data))} bytes: at most {most} are read")
    return data


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Return the text of a small file; see `read_bytes`.

    Raises:
        ValueError: It is not a regular file, too large, or not UTF-8.
        OSError: It cannot be read.
    """
    data = read_bytes(path, most)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error}") from None


def load_yaml(path: Path) -> Any:
    """Return the document of a YAML file, which can hold plain values only.

    Raises:
        ValueError: The file cannot be read, is too large, is not YAML, or expands to too many values.
    """
    try:
        return parse_yaml(read_text(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def parse_yaml(text: str) -> Any:
    """Return the document of a YAML text.

    Raises:
        ValueError: It is not YAML, or expands to too many values.
    """
    node = _tried(lambda: yaml.compose(text, yaml.SafeLoader))
    if node is None:
        return None
    _check_size(node)
    return _tried(lambda: yaml.constructor.SafeConstructor().construct_document(node))


def _tried(call: Callable[[], Any]) -> Any:
    """Return what a function of PyYAML returns."""
    try:
        return call()
    # The constructor of a scalar lets any exception through.
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"not valid YAML: {shortened(' '.join(str(error).split()), 300)}") from None
    except RecursionError:
        raise ValueError("not valid YAML: it is nested too deeply") from None


def load_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        ValueError: The file is too large or is not JSON.
        OSError: It cannot be read.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not valid JSON: it is nested too deeply") from None


def load_table(path: Path, most: int = MOST_TABLE) -> list[dict[str, str]]:
    """Return the complete rows of a CSV file with a header, each by column name.

    Raises:
        ValueError: The file is too large, or a row has another number of cells than the header.
        OSError: It cannot be read.
    """
    try:
        reader = csv.DictReader(read_text(path, most).splitlines(keepends=True))
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV file: {error}") from None
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"{path}: row {number} has another number of cells than the header: remove it")
    return rows


def _check_size(root: yaml.Node) -> None:
    """Check how many values a document has once its aliases are expanded, and that it does not contain itself.

    Raises:
        ValueError: There are too many, or infinitely many, or one of them is too long.
    """
    sizes: dict[int, int | None] = {}  # by node; None: being counted

    def size_of(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            raise ValueError("a value contains itself")
        if known:
            return known
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > LONGEST_SCALAR:
                raise ValueError(f"a value has {len(node.value)} characters: at most {LONGEST_SCALAR} are allowed")
            return 1 + len(node.value) // 10  # long texts count as several values
        sizes[id(node)] = None
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        total = 1 + sum(size_of(part) for part in parts)
        if total > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
        sizes[id(node)] = total
        return total

    size_of(root)
