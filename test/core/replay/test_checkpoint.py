"""A resumed run equals an uninterrupted one, and damage to a checkpoint leaves the previous one usable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_disk import small_disk
from learner_helpers import DOF, IMAGE, NETWORK, fill, make_replay, make_sac, make_transition, policy_bytes

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.replay import checkpoint, segments
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.task.frames import FrameStack

ROOT = Path(__file__).resolve().parents[3]


def noise_state(policy: Policy) -> np.ndarray:
    """The state of the policy's noise: these runs have no episodes by which to begin it anew."""
    return np.array(policy._generator.get_state().numpy())


class Loop:
    """Acts, stores and updates in one process without ROS; its state is that of a run."""

    def __init__(self, folder: Path, seed: int = 0, capacity: int = 40, busy: bool = True) -> None:
        self.sac, self.replay = make_sac(seed=seed), make_replay(capacity, seed)
        self.policy = Policy(IMAGE, NETWORK, DOF, seed)
        self.stack = FrameStack(IMAGE)
        self.world = np.random.default_rng(seed)
        self.checkpoints = Checkpointer(folder, self.sac, self.replay)
        self.episode = 0

    def run(self, episodes: int, length: int = 9) -> None:
        """Run episodes with one update per step."""
        for _ in range(episodes):
            self.episode += 1
            action = np.zeros(DOF, np.float32)
            for step in range(length):
                frame = self.world.integers(0, 256, (IMAGE.height, IMAGE.width, 3), dtype=np.uint8)
                (self.stack.push if step else self.stack.reset)(frame)
                proprioception = self.world.standard_normal(3 * DOF).astype(np.float32)
                observation = Observation(
                    StepId(self.episode, step), frame, proprioception, float(step), step == 0, False, step == length - 1
                )
                self.replay.add(Transition(observation, action, self.sac.policy_version))
                if self.replay.steps > 5:
                    self.sac.update(self.replay.sample(4))
                    self.policy.load(policy_bytes(self.sac))
                action = self.policy.act(self.stack.stack, proprioception)

    def save(self) -> bool:
        """Save a checkpoint and wait until it is written."""
        extra = {"episode": self.episode, "world": self.world.bit_generator.state}
        return self.checkpoints.save(extra, {"policy": noise_state(self.policy)}, wait=True)

    def restore(self) -> bool:
        """Restore the newest checkpoint; return whether there was one."""
        restored = self.checkpoints.restore()
        if restored is None:
            return False
        extra, arrays = restored
        self.episode, self.world.bit_generator.state = extra["episode"], extra["world"]
        self.policy._generator.set_state(torch.from_numpy(np.asarray(arrays["policy"], np.uint8)))
        self.policy.load(policy_bytes(self.sac))
        return True

    def everything(self) -> dict[str, Any]:
        """Return the whole state for comparison."""
        rows = [np.array(part) for part in self.replay.slots(self.replay.oldest, self.replay.total)]
        state = {**self.sac.save_state(), **{f"replay.{k}": v for k, v in self.replay.state().items()}}
        return {**state, "rows": np.concatenate(rows) if rows else np.zeros(0), "policy": noise_state(self.policy)}


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert set(a) == set(b)
    for name in a:
        assert np.array_equal(a[name], b[name]), name


@pytest.mark.parametrize("episodes", [0, 1, 3, 12])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, episodes: int) -> None:
    whole = Loop(tmp_path)
    whole.run(episodes)
    assert whole.save()
    resumed = Loop(tmp_path, seed=7)
    assert resumed.restore()
    assert_same(whole.everything(), resumed.everything())
    whole.run(4)
    resumed.run(4)
    assert_same(whole.everything(), resumed.everything())


def test_resumed_twice_and_saved_in_between(tmp_path: Path) -> None:
    whole = Loop(tmp_path / "whole")
    whole.run(9)
    for _ in range(3):
        loop = Loop(tmp_path / "parts")
        loop.restore()
        loop.run(2)
        loop.save()
        loop.run(1)
        loop.save()
    assert_same(whole.everything(), loop.everything())


def test_nothing_to_resume(tmp_path: Path) -> None:
    assert not Loop(tmp_path / "none").restore()


def test_each_row_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, original = [0], os.pwritev

    def count(*arguments: Any) -> int:
        done = original(*arguments)
        written[0] += done
        return done

    monkeypatch.setattr(segments.os, "pwritev", count)
    loop = Loop(tmp_path)
    for rows in (20, 5, 30):
        written[0] = 0
        fill(loop.replay, rows, begin=loop.replay.total)
        assert loop.save()
        assert written[0] == rows * loop.replay.row_type.itemsize


def test_segments_that_no_checkpoint_needs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_SEGMENT_BYTES", 10 * make_replay().row_type.itemsize)
    loop = Loop(tmp_path)
    for _ in range(30):
        fill(loop.replay, 8, begin=loop.replay.total)
        loop.save()
    files = sorted(int(p.stem) for p in (tmp_path / "replay").iterdir())
    assert files == list(range((240 - 8 - 40) // 10, 24))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    (max(tmp_path.glob("*.safetensors"))).write_bytes(b"nothing")
    resumed = Loop(tmp_path)
    assert resumed.restore() and resumed.replay.total == 232 and len(resumed.replay) == 40


@pytest.mark.parametrize("fails", ["pwritev", "fsync", "replace"])
def test_a_failed_write_is_reported_and_the_last_good_one_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    assert loop.save()
    good = loop.everything()
    loop.run(2)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    logged: list[str] = []
    with monkeypatch.context() as broken:
        broken.setattr(os, fails, full)
        broken.setattr(checkpoint._log, "error", lambda message, *a: logged.append(message % a))
        assert not loop.save()
    assert "No space left" in loop.checkpoints.failure and "training continues" in logged[0]
    assert not list(tmp_path.glob("*.tmp"))
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(good, resumed.everything())
    loop.run(1)
    assert loop.save() and loop.checkpoints.failure == ""
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(loop.everything(), resumed.everything())


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_after_damage_the_previous_checkpoint_is_restored(tmp_path: Path, damage: str) -> None:
    loop = Loop(tmp_path)
    loop.run(3)
    loop.save()
    good = loop.everything()
    loop.run(3)
    loop.save()
    newest = max(tmp_path.glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[-10] ^= 1
    newest.write_bytes(content[:-100] if damage == "cut" else content)
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(good, resumed.everything())


@pytest.mark.parametrize("field", ["reward", "proprioception", "action", "frame"])
def test_after_damage_to_newer_rows_the_previous_checkpoint_is_restored(tmp_path: Path, field: str) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    good, row = loop.everything(), loop.replay.total + 1
    loop.run(1)
    loop.save()
    row_type = loop.replay.row_type
    dtype, offset = (row_type.fields or {})[field][:2]
    with next((tmp_path / "replay").iterdir()).open("r+b") as file:
        file.seek(row * row_type.itemsize + offset)
        file.write(np.full(1, np.nan if dtype.base.kind == "f" else 77, dtype.base).tobytes())
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(good, resumed.everything())
    assert len(list(tmp_path.glob("*.damaged"))) == 1


def damage_row(loop: Loop, folder: Path, row: int) -> None:
    """Change a byte of a row's frame on the disk."""
    with next((folder / "replay").iterdir()).open("r+b") as file:
        file.seek(row * loop.replay.row_type.itemsize + 5)
        file.write(b"\x99\x98")


@pytest.mark.parametrize("row", [0, 3, 15])
def test_damage_to_a_row_of_both_checkpoints_costs_the_rows_up_to_it(
    tmp_path: Path, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    loop.run(1)
    loop.save()
    damage_row(loop, tmp_path, row)
    logged: list[str] = []
    monkeypatch.setattr(checkpoint._log, "warning", lambda message, *a: logged.append(message % a))
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert (resumed.replay.oldest, resumed.replay.total, resumed.checkpoints.lost_rows) == (row + 1, 27, row + 1)
    assert f"{row + 1} rows of the replay are lost, because row {row} is damaged; the {26 - row} rows" in logged[0]
    assert not list(tmp_path.glob("*.damaged"))
    assert resumed.sac.updates == loop.sac.updates and np.array_equal(
        np.concatenate(resumed.replay.slots(row + 1, 27)), np.concatenate(loop.replay.slots(row + 1, 27))
    )
    resumed.run(1)
    assert resumed.save()
    again = Loop(tmp_path)
    assert again.restore()
    assert (again.replay.oldest, again.checkpoints.lost_rows) == (row + 1, 0), "the damaged row is left out"
    assert_same(resumed.everything(), again.everything())


def test_of_two_damaged_checkpoints_the_one_with_more_intact_rows_is_restored(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    good = loop.everything()
    loop.run(1)
    loop.save()
    damage_row(loop, tmp_path, 2)
    damage_row(loop, tmp_path, 25)
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert (resumed.replay.oldest, resumed.replay.total) == (3, 18)
    assert np.array_equal(np.concatenate(resumed.replay.slots(3, 18)), good["rows"][3:])
    assert len(list(tmp_path.glob("*.damaged"))) == 1


def test_if_all_are_damaged_alike_the_newest_is_restored_from_the_slots_of_its_own_rows(tmp_path: Path) -> None:
    loop = Loop(tmp_path, capacity=20)
    loop.run(3)
    loop.save()
    loop.run(1)
    loop.save()
    damage_row(loop, tmp_path, 25)
    resumed = Loop(tmp_path, capacity=20)
    assert resumed.restore()
    assert (resumed.replay.oldest, resumed.replay.total) == (26, 36)
    assert np.array_equal(np.concatenate(resumed.replay.slots(26, 36)), np.concatenate(loop.replay.slots(26, 36)))


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "missing"])
def test_without_its_rows_a_checkpoint_still_gives_the_networks(tmp_path: Path, cut: bool) -> None:
    loop = Loop(tmp_path)
    loop.run(3)
    loop.save()
    path = next((tmp_path / "replay").iterdir())
    if cut:
        os.truncate(path, loop.replay.row_type.itemsize * 20 + 3)
    else:
        path.unlink()
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert len(resumed.replay) == 0 and resumed.sac.updates == loop.sac.updates
    resumed.replay.add(make_transition(27, 4, 0, first=True))
    assert not resumed.replay.can_sample


def test_a_state_that_is_not_finite_is_neither_saved_nor_restored(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    good = loop.everything()
    loop.run(1)
    with torch.no_grad():
        loop.sac.log_temperature.fill_(float("inf"))
    with pytest.raises(ValueError, match=r"^log_temperature is not finite after update"):
        loop.save()
    with pytest.MonkeyPatch.context() as unchecked:
        unchecked.setattr(checkpoint, "first_not_finite", lambda _: "")
        assert loop.save()
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(good, resumed.everything())


def test_a_full_disk_leaves_the_last_good_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path, "4m") as disk:
        loop = Loop(tmp_path / "run")
        loop.run(2)
        assert loop.save()
        good, names = loop.everything(), sorted(p.name for p in (tmp_path / "run").iterdir())
        disk.fill()
        for _ in range(2):
            loop.run(1)
            assert not loop.save()
            assert "No space left on device" in loop.checkpoints.failure
            assert sorted(p.name for p in (tmp_path / "run").iterdir()) == names
        resumed = Loop(tmp_path / "run")
        assert resumed.restore()
        assert_same(good, resumed.everything())
        disk.empty()
        assert loop.save()
        resumed = Loop(tmp_path / "run")
        assert resumed.restore()
        assert_same(loop.everything(), resumed.everything())


@pytest.mark.parametrize("field", ["reward", "proprioception", "action"])
def test_rows_that_are_not_finite_are_not_restored(tmp_path: Path, field: str) -> None:
    """Values that were damaged in memory have a correct checksum."""
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    good = loop.everything()
    loop.run(1)
    loop.replay.slots(loop.replay.total - 2, loop.replay.total)[0][field] = np.nan
    loop.save()
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert_same(good, resumed.everything())


def test_a_checkpoint_without_checksums_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    layout = json.loads(loop.checkpoints._segments.layout)
    loop.checkpoints._segments.layout = json.dumps({k: v for k, v in layout.items() if k != "checksum"})
    loop.save()
    with pytest.raises(ValueError, match="another version"):
        Loop(tmp_path).restore()
    assert not list(tmp_path.glob("*.damaged"))


def test_a_larger_replay_takes_over_the_rows_of_a_smaller_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_SEGMENT_BYTES", 10 * make_replay().row_type.itemsize)
    loop = Loop(tmp_path)
    for _ in range(15):
        fill(loop.replay, 8, begin=loop.replay.total)
        loop.save()
    resumed = Loop(tmp_path, capacity=100)
    assert resumed.restore()
    assert (resumed.replay.total, resumed.replay.oldest) == (120, 80)


def test_rows_reused_while_they_are_written_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(tmp_path)
    fill(loop.replay, 40)
    original = segments.SegmentStore.write

    def slow(store: segments.SegmentStore, replay: Replay, begin: int, end: int) -> Any:
        fill(replay, 15, begin=replay.total)  # reuses the slots of rows 0 to 14
        return original(store, replay, begin, end)

    monkeypatch.setattr(segments.SegmentStore, "write", slow)
    assert loop.save()
    resumed = Loop(tmp_path)
    assert resumed.restore()
    assert resumed.replay.total == 40 and resumed.replay.oldest == 15
    batch = resumed.replay.sample(64)
    assert batch.index.min() >= 15 + IMAGE.frames and (batch.reward == batch.index).all()


def test_saving_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, go_on, original = Loop(tmp_path), threading.Event(), checkpoint.write_durable
    loop.run(2)

    def slow(*arguments: Any) -> None:
        go_on.wait(10)
        original(*arguments)

    monkeypatch.setattr(checkpoint, "write_durable", slow)
    updates = loop.sac.updates
    assert loop.checkpoints.save() and loop.checkpoints.busy
    loop.run(1)
    assert not loop.checkpoints.save()  # only one at a time
    go_on.set()
    loop.checkpoints.wait()
    resumed = make_sac(seed=3)
    Checkpointer(tmp_path, resumed, make_replay()).restore()
    assert resumed.updates == updates == loop.checkpoints.saved_updates


def test_another_network_or_image_is_refused(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.run(2)
    loop.save()
    wide = ImageSettings(width=48, height=20, frames=3, crop_fraction=0.1)
    with pytest.raises(ValueError, match=r"rows of another shape.*frame"):
        Checkpointer(tmp_path, make_sac(), make_replay(image=wide)).restore()
    network = NetworkSettings(channels=[4, 8], strides=[2, 1], hidden=[16, 16])
    other = SAC(IMAGE, network, SACSettings(), LearnerSettings(device="cpu"), DOF, 0)
    with pytest.raises(ValueError, match="another network"):
        Checkpointer(tmp_path, other, make_replay()).restore()


def test_checkpoints_of_two_runs_are_not_mixed(tmp_path: Path) -> None:
    first = Loop(tmp_path)
    first.run(2)
    first.save()
    second = Loop(tmp_path)
    second.run(1)
    assert not second.save() and "another run" in second.checkpoints.failure
    assert second.restore()


KILLED = """
import sys
from pathlib import Path
from test_checkpoint import Loop
loop = Loop(Path(sys.argv[1]))
loop.restore()
print(loop.sac.updates, flush=True)
for _ in range(10000):
    loop.run(1)
    loop.save()
    print(loop.checkpoints.saved_updates, flush=True)
"""


def test_killed_at_any_moment_it_resumes_from_the_last_checkpoint(tmp_path: Path) -> None:
    path = os.pathsep.join(str(folder) for folder in (ROOT, ROOT / "test" / "helpers", Path(__file__).parent))
    saved = 0
    for lines in (7, 12):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        )
        assert process.stdout is not None
        assert int(process.stdout.readline()) >= saved
        for _ in range(lines):
            saved = int(process.stdout.readline())
        process.kill()
        process.wait()
    resumed = Loop(tmp_path)
    assert resumed.restore() and resumed.sac.updates >= saved > 0
    resumed.run(1)


def test_nothing_unpickles() -> None:
    forbidden = re.compile(r"\bpickle\b|torch\.load\b|torch\.save\b|allow_pickle=True|\bmarshal\b|\bjoblib\b")
    for path in (ROOT / "franka_reacher_rl").rglob("*.py"):
        found = [line for line in path.read_text().splitlines() if forbidden.search(line) and "import" in line]
        calls = [line for line in path.read_text().splitlines() if re.search(r"(torch|pickle|dill)\.loads?\(", line)]
        calls = [line for line in calls if "safetensors" not in line]
        assert not found and not calls, f"{path}: {found + calls}"
