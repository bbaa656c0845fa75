"""The replay of an earlier run is read without its networks, and a new run starts with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learner_helpers import IMAGE, fill, make_replay, make_sac, make_transition

from franka_reacher_rl.core.base.datatypes import StepId
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.stored import read_replay, write_replay


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Replay]:
    """A run folder with a checkpoint, and its replay, of which the first rows are overwritten."""
    replay = make_replay(40)
    fill(replay, 55)
    assert Checkpointer(tmp_path / "run" / "checkpoints", make_sac(), replay).save(wait=True)
    return tmp_path / "run", replay


def rows_of(replay: Replay) -> bytes:
    return b"".join(part.tobytes() for part in replay.slots(replay.total - len(replay), replay.total))


def test_the_rows_are_those_of_the_run(run: tuple[Path, Replay]) -> None:
    folder, replay = run
    found = make_replay(40)
    assert read_replay(folder, found) == 40
    assert rows_of(found) == rows_of(replay)


def test_a_smaller_replay_keeps_the_newest(run: tuple[Path, Replay]) -> None:
    found = make_replay(20)
    assert read_replay(run[0], found) == 20
    assert rows_of(found) == rows_of(run[1])[-len(rows_of(found)) :]


def test_what_was_written_is_read(run: tuple[Path, Replay], tmp_path: Path) -> None:
    write_replay(tmp_path / "copy", run[1])
    found = make_replay(40)
    assert read_replay(tmp_path / "copy", found) == 40
    assert rows_of(found) == rows_of(run[1])
    with pytest.raises(ValueError, match="has a replay already: give another folder"):
        write_replay(tmp_path / "copy", run[1])


def test_a_new_run_begins_with_it(run: tuple[Path, Replay]) -> None:
    replay = make_replay(60)
    read_replay(run[0], replay)
    replay.begin_run(30)
    assert replay.steps == 30 and replay.newest == StepId(0, 0) and replay.can_sample
    replay.add(make_transition(0, 1, 0, first=True))
    assert replay.steps == 30, "it does not follow a step of the earlier run"
    replay.add(make_transition(1, 1, 1))
    assert replay.steps == 31 and len(replay) == 42
    assert np.isfinite(replay.sample(64).reward).all()


def test_its_own_checkpoints_hold_the_earlier_rows(run: tuple[Path, Replay], tmp_path: Path) -> None:
    replay = make_replay(60)
    read_replay(run[0], replay)
    replay.begin_run(30)
    assert Checkpointer(tmp_path / "new" / "checkpoints", make_sac(), replay).save(wait=True)
    again = make_replay(60)
    assert read_replay(tmp_path / "new", again) == 40 and rows_of(again) == rows_of(replay)


def test_a_damaged_checkpoint_of_another_run_stays_as_it_is(run: tuple[Path, Replay]) -> None:
    path = next((run[0] / "checkpoints").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="no replay that can be read"):
        read_replay(run[0], make_replay(40))
    assert path.exists()


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no folder checkpoints: give a run folder"):
        read_replay(tmp_path, make_replay(40))


def test_another_image_size(run: tuple[Path, Replay]) -> None:
    other = type(IMAGE)(width=IMAGE.width * 2, height=IMAGE.height, frames=IMAGE.frames)
    with pytest.raises(ValueError, match="frame is .* in the checkpoint"):
        read_replay(run[0], make_replay(40, image=other))
