"""The learner on a GPU: `./reacher test cuda` on a computer with CUDA.

Random numbers are drawn on the CPU, so equal draws must give equal updates on every device, within rounding.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from learner_helpers import DOF, IMAGE, NETWORK, fill, make_batch, make_replay, make_transition

from franka_reacher_rl.core.base.settings import LearnerSettings, SACSettings
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.sac import SAC, Draws
from franka_reacher_rl.core.replay.batch import Batch, to_device
from franka_reacher_rl.core.replay.device_replay import DeviceReplay

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device on this computer"),
]

CALLS = 6  # three are executed kernel by kernel, the fourth captures the graph, the others replay it
CLOSE = {"rtol": 2e-4, "atol": 2e-5}  # float32 with sums in another order, over six updates


def sac(device: str, **settings: object) -> SAC:
    return SAC(IMAGE, NETWORK, SACSettings(), LearnerSettings(batch_size=8, device=device, **settings), DOF, seed=3)


@pytest.fixture
def inputs() -> list[tuple[Batch, Draws]]:
    """Batches and draws of some updates, on the host."""
    random, drawing = np.random.default_rng(5), sac("cpu")
    return [(make_batch(random), drawing.draw(8)) for _ in range(CALLS)]


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, value in expected.items():
        if name not in ("random", "updates"):
            np.testing.assert_allclose(found[name], value, err_msg=name, **CLOSE)


def test_cpu_kernels_and_graph_agree_at_every_update(inputs: list[tuple[Batch, Draws]]) -> None:
    device = torch.device("cuda")
    on_cpu, by_kernel, by_graph = sac("cpu"), sac("cuda"), sac("cuda")
    for batch, draws in inputs:
        on_cpu.update(batch, draws)
        by_kernel.steps(to_device(batch, device), draws.to(device))
        by_graph.update(batch, draws)
        expected = on_cpu.save_state()
        assert_close(by_kernel.save_state(), expected)
        assert_close(by_graph.save_state(), expected)
        for name, value in on_cpu.info().items():
            assert by_graph.info()[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


def test_a_restored_learner_captures_anew(inputs: list[tuple[Batch, Draws]]) -> None:
    made = sac("cuda")
    for batch, draws in inputs:
        made.update(batch, draws)
    state = made.save_state()
    first = [made.update(*each) and made.info() for each in inputs]
    made.load_state(state)
    second = [made.update(*each) and made.info() for each in inputs]
    for a, b in zip(first, second, strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("updates_before", [0, CALLS])
def test_a_warm_up_changes_nothing(inputs: list[tuple[Batch, Draws]], updates_before: int) -> None:
    warm, cold = sac("cuda"), sac("cuda")
    for batch, draws in inputs[:updates_before]:
        warm.update(batch, draws)
        cold.update(batch, draws)
    before = warm.save_state()
    warm._graph.reset()
    warm.warm_up(8)
    after = warm.save_state()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    for batch, draws in inputs:
        warm.update(batch, draws)
        cold.update(batch, draws)
    assert_close(warm.save_state(), cold.save_state())


@pytest.fixture
def storing() -> Iterator[tuple[object, threading.Event]]:
    """A trainer that prefetches, while another thread stores transitions."""
    learner = LearnerSettings(batch_size=8, replay_capacity=200, device="cuda", prefetch=True)
    trainer = make_trainer(IMAGE, NETWORK, SACSettings(), learner, DOF, 0, rows=60, exact_draws=False)
    stop, number = threading.Event(), 0

    def store() -> None:
        nonlocal number
        while not stop.wait(0.001):
            trainer.add(make_transition(number, 1, number, first=number == 0))
            number += 1

    thread = threading.Thread(target=store)
    thread.start()
    yield trainer, stop
    stop.set()
    thread.join()
    trainer.close()


def test_batches_are_transferred_while_the_graph_is_captured(storing) -> None:
    trainer, stop = storing
    while not trainer.can_sample:
        assert not stop.wait(0.01)
    for _ in range(40):
        trainer.update(trainer.sample())
        assert trainer.check_update(), trainer.problem


def test_a_replay_on_the_device_follows_the_ring() -> None:
    """It samples what the replay itself would, before and after its oldest rows are overwritten."""
    host, source = make_replay(capacity=40, seed=1), make_replay(capacity=40, seed=1)
    on_device = DeviceReplay(source, torch.device("cuda"))
    for begin in range(0, 200, 25):
        for replay in (host, source):
            fill(replay, 25, begin=begin)
        expected, found = host.sample(16), on_device.sample(16)
        np.testing.assert_array_equal(found.frames.cpu().numpy(), expected.frames)
        np.testing.assert_array_equal(found.reward.cpu().numpy(), expected.reward)


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_is_what_the_setting_says(allowed: bool) -> None:
    sac("cuda", tf32=allowed)
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == allowed


def test_bfloat16_is_near_float32(inputs: list[tuple[Batch, Draws]]) -> None:
    exact, fast = sac("cuda"), sac("cuda", precision="bfloat16")
    for batch, draws in inputs:
        exact.update(batch, draws)
        fast.update(dataclasses.replace(batch), draws)
    for name, value in exact.info().items():
        assert fast.info()[name] == pytest.approx(value, rel=0.05, abs=0.05), name
