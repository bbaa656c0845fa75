from __future__ import annotations

import os
from pathlib import Path

import pytest

from franka_reacher_rl.core.base.documents import MOST_BYTES, load_json, load_table, load_yaml, read_text
from franka_reacher_rl.core.base.suggestions import shortened


def test_a_document_may_have_aliases(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {k: [1, 2.5, true, null]}\nb: *x\nc: {<<: *x, l: text}")
    inner = {"k": [1, 2.5, True, None]}
    assert load_yaml(path) == {"a": inner, "b": inner, "c": {**inner, "l": "text"}}
    path.write_text("# nothing\n")
    assert load_yaml(path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [*x]", "contains itself"),
        ("a: " + "9" * 30_000, "has 30000 characters"),
        ("[" * 3000, "nested too deeply"),
        ("a: !!python/name:os.system", "not valid YAML"),
        ("!!int ''", "not valid YAML"),
        (
            "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 3}]\n" for i in range(1, 13)),
            "more than 100000",
        ),
    ],
)
def test_a_yaml_file_that_could_not_be_handled_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_yaml(path)
    assert str(error.value).startswith(str(path))


def test_sizes_and_kinds_of_files_are_checked_before_reading(tmp_path: Path) -> None:
    large, pipe, binary = tmp_path / "large", tmp_path / "pipe", tmp_path / "binary"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(pipe)
    binary.write_bytes(b"\xff\xfe")
    for path, message in ((large, f"at most {MOST_BYTES} are read"), (pipe, "not a regular file"), (binary, "UTF-8")):
        with pytest.raises(ValueError, match=message):
            read_text(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        load_yaml(tmp_path / "none")
    with pytest.raises(OSError):
        load_json(tmp_path / "none")


def test_json_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("{", "[" * 100_000, "1" * 5000):
        path.write_text(text)
        with pytest.raises(ValueError, match="a.json is not valid JSON"):
            load_json(path)


def test_a_table_has_equal_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,\n")
    assert load_table(path) == [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]
    for text in ("a,b\n1,2\n3\n", "a,b\n1,2\n3,4,5\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="row 2 has another number of cells"):
            load_table(path)


def test_texts_from_outside_are_cut_and_stay_on_their_line() -> None:
    assert shortened("plain") == "plain"
    assert shortened("x" * 100, 10) == "x" * 10 + "..."
    assert shortened("a\nb\x1b[2J") == "a\\nb\\x1b[2J"
