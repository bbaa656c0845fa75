"""How far a run has come survives its processes."""

from pathlib import Path

import pytest

from franka_reacher_rl.core.loop.events import Progress, RunState
from franka_reacher_rl.core.run.progress_file import ProgressFile, read_progress

PROGRESS = Progress(RunState.RUNNING, 3, 12.5, 300, 20.25)


def test_a_successor_reads_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "run" / "progress.json"
    assert ProgressFile(path, "mine").load() is None
    ProgressFile(path, "mine").save(PROGRESS)
    assert ProgressFile(path, "mine").load() == PROGRESS
    assert ProgressFile(path, "theirs").load() is None
    assert read_progress(path) == ("mine", PROGRESS)


def test_a_file_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file is in the way")
    file = ProgressFile(tmp_path / "folder" / "progress.json", "mine")
    file.save(PROGRESS)
    assert "cannot be written" in file.failure


@pytest.mark.parametrize(
    "content",
    ["", "[1]", "{}", '{"run_id": "mine"}', '{"run_id": "mine", "state": "odd"}', "{" * 999]
    + [
        f'{{"run_id": "mine", "state": "running", "episode": {n}, "training_seconds": 0, "total_steps": 0, '
        '"run_seconds": 0}'
        for n in ("-1", "NaN", '"x"')
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"progress\.json .*remove it"):
        ProgressFile(path, "mine").load()
