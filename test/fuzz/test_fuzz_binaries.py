"""Policies, checkpoints, shared memory and videos with any bytes are refused, or read as what they are."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import fuzzing
import learner_helpers as helpers
import numpy as np
import pytest
from fuzzing import damaged, floats, fuzzed, integers, texts
from hypothesis import given
from hypothesis import strategies as st

from franka_reacher_rl.cameras.base import CameraLost
from franka_reacher_rl.cameras.video_file import VideoCamera
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.learning.networks import make_policy
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.policy_store import PolicyAnnouncement, PolicyReader, PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.replay.checkpoint import Checkpointer

IMAGE = ImageSettings(width=16, height=16, frames=2)
NETWORK = NetworkSettings(channels=[4], strides=[2], hidden=[8])
WEIGHTS = bytes(FlatWeights(make_policy(IMAGE, NETWORK, 7, 0)).bytes())
POLICY = Policy(IMAGE, NETWORK, 7, 0)
SAC_TO_RESTORE = helpers.make_sac()


def acts() -> None:
    """The policy still gives an action, so that no damaged weight is in it."""
    action = POLICY.act(np.zeros((6, 16, 16), np.uint8), np.zeros(21, np.float32))
    assert np.isfinite(action).all()


@fuzzed(2)
@given(blob=damaged(WEIGHTS) | st.binary(max_size=200))
def test_weights(blob: bytes) -> None:
    fuzzing.count()
    try:
        POLICY.load(blob)
    except ValueError as error:
        assert "policy weights" in str(error)
    acts()


def _header(entries: dict[str, Any], size: int = 0) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + b"\0" * size


@fuzzed(2)
@given(
    kind=st.sampled_from(["F32", "F16", "BF16", "F64", "I8", "BOOL", "C64", "F8_E4M3", "F4", "X", 3, None]),
    shape=st.lists(integers(-1, 2**64), max_size=4),
    span=st.lists(integers(-1, 2**64), max_size=3),
    name=st.sampled_from(sorted(make_policy(IMAGE, NETWORK, 7, 0).state_dict())) | texts(),
    size=st.integers(0, 64),
)
def test_headers_of_weights(kind: Any, shape: list[int], span: list[int], name: str, size: int) -> None:
    fuzzing.count()
    with pytest.raises(ValueError, match="policy weights"):
        POLICY.load(_header({name: {"dtype": kind, "shape": shape, "data_offsets": span}}, size))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PolicyAnnouncement, Path, bytes]]:
    folder = tmp_path_factory.mktemp("store")
    with PolicyWriter("run", "network", folder) as writer:
        writer.publish(WEIGHTS, 1)
        announcement = writer.publish(WEIGHTS, 2)
        path = Path(announcement.shared_memory)
        yield announcement, path, path.read_bytes()


@fuzzed(2)
@given(data=st.data())
def test_announcements(store: tuple[PolicyAnnouncement, Path, bytes], data: st.DataObject) -> None:
    fuzzing.count()
    announcement, path, _ = store
    numbers = integers(0, 2**64 - 1)
    hostile: dict[str, Any] = {
        "run_id": texts(), "version": numbers, "network": texts(), "crc": integers(0, 2**32 - 1), "size": numbers,
        "host": texts(),
        "shared_memory": texts() | st.sampled_from(["/dev/zero", "/proc/self/mem", str(path.parent), f"{path}x"]),
    }  # fmt: skip
    names = data.draw(st.lists(st.sampled_from(sorted(hostile)), max_size=3))
    made = replace(announcement, **{name: data.draw(hostile[name]) for name in names})
    inline = data.draw(st.sampled_from([b"", WEIGHTS]) | damaged(WEIGHTS))
    reader = PolicyReader("network", "run")
    blob = reader.read(made, inline)
    reader.close()
    assert (blob is None) == bool(reader.refusal)
    if blob is not None:
        assert zlib.crc32(blob.weights) == made.crc or not inline


@fuzzed()
@given(data=st.data())
def test_shared_memory(store: tuple[PolicyAnnouncement, Path, bytes], data: st.DataObject) -> None:
    fuzzing.count()
    announcement, path, whole = store
    # In the headers; the weights have their checksum.
    head = data.draw(damaged(whole[:128]))[:128].ljust(128, b"\0")
    copy = path.with_name(path.name + "-copy")
    copy.write_bytes(head + whole[128:])
    reader = PolicyReader("network", "run")
    blob = reader.read(replace(announcement, shared_memory=str(copy)))
    reader.close()
    assert blob is None or bytes(blob.weights) == WEIGHTS


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    sac, replay = helpers.make_sac(), helpers.make_replay()
    helpers.fill(replay, 20)
    saver = Checkpointer(folder, sac, replay)
    for update in range(2):
        sac.updates = update
        assert saver.save({"done": 1}, wait=True), saver.failure
    return folder


@fuzzed(0.2)
@given(data=st.data())
def test_checkpoints(checkpoints: Path, data: st.DataObject) -> None:
    fuzzing.count()
    folder = checkpoints.with_name("damaged")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(checkpoints, folder)
    path = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    sac, replay = SAC_TO_RESTORE, helpers.make_replay()
    try:
        restored = Checkpointer(folder, sac, replay).restore()
    except ValueError as error:
        assert str(error)
    else:
        assert restored is None or (restored[0] == {"done": 1} and len(replay) <= 20)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 200.0, (16, 16))
    for level in range(6):
        writer.write(np.full((16, 16, 3), 40 * level, np.uint8))
    writer.release()
    return path


@fuzzed(0.2)
@given(data=st.data())
def test_videos(clip: Path, data: st.DataObject) -> None:
    fuzzing.count()
    path = clip.with_name("damaged.avi")
    path.write_bytes(data.draw(damaged(clip.read_bytes())))
    try:
        camera = VideoCamera(str(path), 16, 16, 1000.0)
        for _ in range(2):
            captured = camera.read()
            assert captured is not None and captured.frame.shape == (16, 16, 3)
        camera.close()
    except CameraLost as error:
        assert "damaged.avi" in str(error)


@fuzzed(0.2)
@given(value=floats(64))
def test_the_check_of_weights_finds_every_value_that_is_not_finite(value: float) -> None:
    fuzzing.count()
    blob = WEIGHTS[:-4] + np.float32(value).tobytes()
    if np.isfinite(np.float32(value)):
        POLICY.load(blob)
    else:
        with pytest.raises(ValueError, match="not finite"):
            POLICY.load(blob)
    acts()
