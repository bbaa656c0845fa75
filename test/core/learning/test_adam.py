"""The optimizer equals PyTorch's, and starts without PyTorch's compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from franka_reacher_rl.core.learning.adam import Adam


def test_it_takes_the_steps_of_pytorchs_own() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in ((4, 3, 3, 3), (7,), ())]
    start[0] = start[0].to(memory_format=torch.channels_last)
    ours, theirs = ([torch.nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    adam = Adam(ours, 1e-3, 0.5, capturable=False)
    reference = torch.optim.Adam(theirs, lr=1e-3, betas=(0.5, 0.999), fused=True)
    for step in range(5):
        for own, other in zip(ours, theirs, strict=True):
            gradient = torch.randn(own.shape, generator=generator)
            own.grad, other.grad = gradient.clone(), gradient.clone()
        if step == 3:  # a parameter without a gradient stays
            ours[1].grad = theirs[1].grad = None
        adam.step()
        reference.step()
        for own, other in zip(ours, theirs, strict=True):
            assert torch.equal(own, other)
            assert all(torch.equal(adam.state[own][key], reference.state[other][key]) for key in adam.state[own])
    adam.zero_grad()
    assert all(own.grad is None for own in ours)


def test_a_learner_is_created_and_updates_without_pytorchs_compiler() -> None:
    code = """import sys
import numpy as np
from learner_helpers import make_batch, make_sac
sac = make_sac()
sac.update(make_batch(np.random.default_rng(0)))
sys.exit("the compiler is loaded" if "torch._dynamo" in sys.modules else 0)"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
