"""What a new learner says was lost."""

from pathlib import Path

import pytest

from franka_reacher_rl.core.run.counters_file import COUNTERS_FILE, CountersFile


def test_what_came_after_the_checkpoint_is_lost(tmp_path: Path) -> None:
    CountersFile(tmp_path, "mine").write(120, 900)
    assert CountersFile(tmp_path, "mine").lost(100, 850) == "lost since then: 20 updates and 50 steps"
    assert CountersFile(tmp_path, "theirs").lost(100, 850) == ""
    assert CountersFile(None, "mine").lost(0, 0) == ""


@pytest.mark.parametrize("content", ["", "[]", '{"run_id": "mine"}', '{"run_id": "mine", "updates": []}'])
def test_a_damaged_note_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / COUNTERS_FILE).write_text(content)
    assert CountersFile(tmp_path, "mine").lost(0, 0) == ""


def test_a_note_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    CountersFile(tmp_path / "file", "mine").write(1, 1)
