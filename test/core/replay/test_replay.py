"""Sampled stacks are those that the actor saw, and rows are complete although another thread writes."""

from __future__ import annotations

import dataclasses
import resource
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_helpers import DOF, IMAGE, fill, make_replay, make_transition

from franka_reacher_rl.core.base.datatypes import Transition
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.core.replay.batch import Batch, to_device
from franka_reacher_rl.core.replay.device_replay import DeviceReplay
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.row_format import row_type


@dataclass
class Row:
    number: int
    episode: int
    step: int
    first: bool
    last: bool


EVENTS = st.lists(st.sampled_from(["step"] * 8 + ["last", "new", "gap", "repeat"]), max_size=60)


def rows_of(events: list[str]) -> list[Row]:
    """Create rows with losses and repetitions, as an unreliable network might deliver them."""
    rows: list[Row] = []
    episode, step = 1, 0
    for number, event in enumerate(["new", *events]):
        if event == "new":
            episode, step = episode + 1, 0
        elif event != "repeat":
            step += 2 if event == "gap" else 1
        rows.append(Row(number, episode, step, event == "new", event == "last"))
    return rows


def run_before(rows: list[Row], k: int) -> int:
    """Return how many consecutive rows of the same episode precede row k."""
    run = 0
    while k - run > 0:
        row, before = rows[k - run], rows[k - run - 1]
        if row.first or before.last or before.episode != row.episode or before.step + 1 != row.step:
            break
        run += 1
    return run


def add_all(replay: Replay, rows: list[Row]) -> None:
    for row in rows:
        replay.add(make_transition(row.number, row.episode, row.step, first=row.first, last=row.last))


def frames_of(stack: np.ndarray) -> list[int]:
    """Return the numbers that a stack's frames are filled with; all pixels must agree."""
    planes = stack.reshape(-1, 3, *stack.shape[1:])
    values = planes[:, 0, 0, 0]
    assert np.array_equal(planes, np.broadcast_to(values[:, None, None, None], planes.shape)), "a torn frame"
    return [int(v) for v in values]


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.integers(5, 40), st.integers(1, 4))
def test_samples_equal_what_the_actor_saw(events: list[str], capacity: int, frames: int) -> None:
    image = dataclasses.replace(IMAGE, frames=frames)
    rows = rows_of(events)
    replay = make_replay(max(capacity, frames + 2), image=image)
    add_all(replay, rows)
    oldest = max(0, len(rows) - replay.capacity)
    low = oldest + frames if oldest else 1
    valid = [k for k in range(low, len(rows)) if run_before(rows, k)]
    assert len(replay) == min(len(rows), replay.capacity)
    assert replay.steps == sum(run_before(rows, k) > 0 for k in range(len(rows)))
    if not valid:
        with pytest.raises(ValueError, match="no transition to sample"):
            replay.sample(3)
        return
    batch = replay.sample(16)
    for i, k in enumerate(batch.index.tolist()):
        assert k in valid
        for stack, newest in ((batch.image[i], k - 1), (batch.next_image[i], k)):
            run = run_before(rows, newest)
            assert frames_of(stack) == [(newest - min(j, run)) % 251 for j in range(frames)]
        expected = make_transition(k, 0, 0, last=rows[k].last)
        assert batch.reward[i] == k and batch.terminated[i] == 0
        np.testing.assert_array_equal(batch.action[i], expected.action)
        assert (batch.proprioception[i] == k - 1).all() and (batch.next_proprioception[i] == k).all()


def test_the_resumed_replay_draws_the_same() -> None:
    a, b = make_replay(30), make_replay(30, seed=9)
    fill(a, 75)
    a.sample(4)
    for source, target in zip(a.slots(a.oldest, a.total), b.slots(a.oldest, a.total), strict=True):
        target[:] = source
    b.load_state(a.state(), a.oldest)
    for replay in (a, b):
        fill(replay, 10, begin=75)
    assert (a.total, a.steps, a.newest, len(a)) == (b.total, b.steps, b.newest, len(b))
    assert_equal(a.sample(32), b.sample(32))


def assert_equal(a: Batch, b: Batch) -> None:
    for field in dataclasses.fields(Batch):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), err_msg=field.name)


@settings(max_examples=12, deadline=None)
@given(st.integers(6, 60), st.integers(1, 3), st.integers(2, 30), st.integers(1, 24))
def test_no_torn_rows_while_another_thread_writes(capacity: int, frames: int, length: int, n: int) -> None:
    image = ImageSettings(width=64, height=48, frames=frames)
    replay = make_replay(capacity, image=image)
    fill_image = [make_transition(i, 0, 0, image=image) for i in range(251)]
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            episode, step = divmod(number, length)
            made = make_transition(number, episode + 1, step, first=step == 0, last=step == length - 1, image=IMAGE)
            observation = dataclasses.replace(made.observation, frame=fill_image[number % 251].observation.frame)
            replay.add(Transition(observation, made.action, number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        checked, begun = 0, replay.total
        while checked < 40 * n:
            try:
                batch = replay.sample(n)
            except ValueError:  # fewer than two rows, or a small replay full of first rows
                continue
            check_whole(batch, length, frames)
            checked += n
    finally:
        stop.set()
        writer.join()
    assert replay.total > begun


def check_whole(batch: Batch, length: int, frames: int) -> None:
    for i, k in enumerate(batch.index.tolist()):
        step = k % length
        assert step > 0
        assert frames_of(batch.next_image[i]) == [(k - min(j, step)) % 251 for j in range(frames)]
        assert frames_of(batch.image[i]) == [(k - 1 - min(j, step - 1)) % 251 for j in range(frames)]
        assert batch.reward[i] == k
        assert (batch.proprioception[i] == k - 1).all() and (batch.next_proprioception[i] == k).all()


def test_a_batch_keeps_its_images_while_it_is_held() -> None:
    replay = make_replay(100)
    fill(replay, 60)
    held = [replay.sample(8) for _ in range(5)]
    copies = [(b.image.copy(), b.next_image.copy()) for b in held]
    view = held.pop().image[3]
    expected = view.copy()
    for _ in range(20):
        replay.sample(8)
    for batch, (image, next_image) in zip(held, copies[:-1], strict=True):
        np.testing.assert_array_equal(batch.image, image)
        np.testing.assert_array_equal(batch.next_image, next_image)
    np.testing.assert_array_equal(view, expected)


def test_draws_evenly() -> None:
    replay = make_replay(30)
    fill(replay, 30, episode_length=10)
    counts = np.bincount(np.concatenate([replay.sample(270).index for _ in range(40)]), minlength=30)
    assert (counts[::10] == 0).all()
    assert abs(counts[counts > 0] - 400).max() < 100 and (counts > 0).sum() == 27


def test_terminated_and_truncated_are_distinguished() -> None:
    replay = make_replay()
    for step, terminated in enumerate([False, True]):
        made = make_transition(step, 1, step, first=step == 0)
        ended = dataclasses.replace(made.observation, terminated=terminated)
        replay.add(Transition(ended, made.action))
    assert replay.sample(2).terminated.tolist() == [1.0, 1.0]
    fill(replay, 7, begin=7)
    assert replay.sample(64).terminated.min() == 0.0


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("frame", np.zeros((4, 4, 3), np.uint8), "same image settings"),
        ("frame", np.zeros((IMAGE.height, IMAGE.width, 3), np.float32), "frame is float32"),
        ("proprioception", np.zeros(5, np.float32), "proprioception has shape"),
        ("proprioception", np.full(3 * DOF, np.nan, np.float32), "proprioception is not finite"),
        ("reward", float("nan"), "reward is not finite"),
        ("reward", float("inf"), "reward is not finite"),
        ("action", np.full(DOF, np.nan, np.float32), "action is not finite"),
        ("action", np.full(DOF, 1.5, np.float32), r"outside \[-1, 1\]"),
        ("action", np.zeros(DOF + 1, np.float32), "action has shape"),
    ],
)
def test_a_bad_row_is_refused_and_nothing_stored(part: str, value: object, message: str) -> None:
    replay = make_replay()
    fill(replay, 3)
    made = make_transition(3, 1, 3)
    if part == "action":
        bad = dataclasses.replace(made, action=value)
    else:
        bad = dataclasses.replace(made, observation=dataclasses.replace(made.observation, **{part: value}))
    with pytest.raises(ValueError, match=message):
        replay.add(bad)
    assert (replay.total, replay.steps, replay.newest.step) == (3, 2, 2)


def test_memory_is_allocated_only_as_rows_are_added() -> None:
    assert 100_000 * row_type(180, 320, 21, 7).itemsize <= 17.6e9
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    replay = Replay(100_000, 180, 320, 3, 21, 7, 0)
    assert len(replay) == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_ring_too_small_for_a_stack_is_refused() -> None:
    with pytest.raises(ValueError, match="use at least 5"):
        make_replay(4)


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 60), st.lists(st.integers(0, 25), min_size=1, max_size=6))
def test_frames_on_the_device_equal_those_on_the_host(capacity: int, additions: list[int]) -> None:
    host, mirrored = make_replay(capacity), make_replay(capacity)
    device = DeviceReplay(mirrored, torch.device("cpu"))
    fill(host, 2)
    fill(mirrored, 2)
    for rows in additions:
        fill(host, rows, begin=host.total)
        fill(mirrored, rows, begin=mirrored.total)
        a, b = host.sample(9), device.sample(9)
        for name in ("image", "next_image", "proprioception", "next_proprioception", "action", "reward", "terminated"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name).numpy(), err_msg=name)


def test_both_stacks_are_views_of_the_same_frames() -> None:
    replay = make_replay()
    fill(replay, 30)
    batch = replay.sample(5)
    on_device = to_device(batch, torch.device("cpu"))
    frames = IMAGE.frames
    assert batch.frames.shape == (5, frames + 1, 3, IMAGE.height, IMAGE.width)
    for stack, begin in ((batch.image, 1), (batch.next_image, 0)):
        assert np.shares_memory(stack, batch.frames) and stack.shape == (5, 3 * frames, IMAGE.height, IMAGE.width)
        for j in range(frames):
            np.testing.assert_array_equal(stack[:, 3 * j : 3 * j + 3], batch.frames[:, begin + j])
    for name in ("image", "next_image"):
        np.testing.assert_array_equal(getattr(on_device, name).numpy(), getattr(batch, name))
        assert getattr(on_device, name).untyped_storage().data_ptr() == on_device.frames.untyped_storage().data_ptr()


def test_overlapping_stacks_are_transferred_once() -> None:
    """The frames are the only images among the tensors that `SAC.update` copies to the device."""
    replay = make_replay()
    fill(replay, 30)
    transferred = to_device(replay.sample(5), torch.device("cpu")).tensors()
    images = [name for name, tensor in transferred.items() if tensor.dtype == torch.uint8]
    assert images == ["frames"] and transferred["frames"].is_contiguous()
