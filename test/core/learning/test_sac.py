"""The fast learner equals the plain one, and each loss equals hand-computed values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from learner_helpers import DOF, IMAGE, NETWORK, make_batch, make_sac, make_smooth_batch
from reference_sac import ReferenceSAC
from torch import Tensor, nn

from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.losses import actor_loss, critic_loss, target_value, temperature_loss
from franka_reacher_rl.core.learning.sac import SAC, Draws
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.replay.batch import Batch, to_device

LOSSES = ("critic_loss", "actor_loss", "temperature_loss", "entropy", "temperature")


class Constant(nn.Module):
    """A network that returns the same tensors for every input."""

    def __init__(self, *answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *inputs: Tensor) -> Any:
        """Return the tensors."""
        return self.answer if len(self.answer) > 1 else self.answer[0]


def reference_of(sac: SAC) -> ReferenceSAC:
    bounds = (NETWORK.log_std_min, NETWORK.log_std_max)
    return ReferenceSAC(sac.save_state(), NETWORK.strides, IMAGE.crop_radius, bounds, DOF)


def as_float64(sac: SAC) -> SAC:
    """Convert a learner to double precision, in which rounding errors do not hide differences."""
    for module in (sac.policy, sac.critic, sac.target_encoder, sac.target_critic):
        module.double()
    sac.log_temperature.data = sac.log_temperature.data.double()
    sac._crop.dtype = sac._next_crop.dtype = torch.float64
    return sac


def in_float64(draws: Draws) -> Draws:
    """Return the draws with the noise in double precision."""
    return Draws(draws.offsets, draws.next_offsets, draws.noise.double(), draws.next_noise.double())


def three_updates(sac: SAC, reference: ReferenceSAC, seed: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Update both with the same batches, crops and noise; return their losses per update."""
    random = np.random.default_rng(seed)
    losses = []
    for _ in range(3):
        batch, draws = make_batch(random), sac.draw(8)
        if sac._crop.dtype == torch.float64:
            draws = in_float64(draws)
        arrays = {**vars(batch), "image": batch.image, "next_image": batch.next_image}
        plain = reference.update(arrays, *[t.numpy() for t in draws.tensors().values()])
        sac.update(batch, draws)
        losses.append((sac.info(), plain))
    return losses


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_learner(seed: int) -> None:
    sac = as_float64(make_sac(seed=seed))
    reference = reference_of(sac)
    for ours, plain in three_updates(sac, reference, seed):
        for name in LOSSES:
            assert ours[name] == pytest.approx(plain[name], rel=1e-9, abs=1e-12), name
    state = sac.save_state()
    for name, weight in reference.weights.items():
        np.testing.assert_allclose(state[name], weight.detach().numpy(), rtol=1e-7, atol=1e-10, err_msg=name)


def test_float32_stays_near_the_plain_learner() -> None:
    sac = make_sac(seed=4)
    reference = reference_of(sac)
    for ours, plain in three_updates(sac, reference, 4):
        for name in LOSSES:
            assert ours[name] == pytest.approx(plain[name], rel=1e-4, abs=1e-5), name
    state = sac.save_state()
    for name, weight in reference.weights.items():
        if name.endswith("encoder.convs.1.bias"):
            continue  # the softmax cancels this bias: its gradient is 0 but for rounding errors
        # Adam divides by the gradient's magnitude, so a gradient of rounding errors gives an arbitrary step
        difference = np.abs(np.asarray(state[name], float) - weight.detach().numpy())
        assert np.median(difference) < 1e-6 and difference.max() < 2e-3, name


def test_bfloat16_convolutions_keep_the_losses() -> None:
    sac = make_sac("bfloat16", seed=5)
    reference = reference_of(sac)
    for ours, plain in three_updates(sac, reference, 5):
        for name in LOSSES:
            assert ours[name] == pytest.approx(plain[name], rel=0.02, abs=0.02), name


def test_bfloat16_gradients_stay_near_those_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are about twice the errors; docs/performance.md lists the errors of a baseline network."""
    image = ImageSettings(width=64, height=36, crop_fraction=0.02)
    network = NetworkSettings(channels=[16, 32, 32], strides=[2, 2, 1], hidden=[256, 256])
    float32, exact, bfloat16 = (
        SAC(image, network, SACSettings(), LearnerSettings(device="cpu", precision=precision), DOF, 0)
        for precision in ("float32", "float32", "bfloat16")
    )
    state, random = float32.save_state(), np.random.default_rng(0)
    for name, value in state.items():  # untrained, most weights of the convolutions and the actor's last layer are 0
        if value.ndim == 4 or name == "actor.layers.2.weight":
            state[name] = (random.standard_normal(value.shape) * math.sqrt(2.0 / value[0].size)).astype(np.float32)
    for sac in (float32, bfloat16, as_float64(exact)):
        sac.load_networks(state)
    batch, draws = make_smooth_batch(random, 32, image), float32.draw(32)
    expected = gradients(exact, batch, in_float64(draws))

    def errors(sac: SAC) -> dict[str, float]:
        found = gradients(sac, batch, draws)
        # The softmax cancels the last bias of the encoder: its gradient is 0.
        scale = {k: expected[k.replace("2.bias", "2.weight") if "convs" in k else k].norm() for k in found}
        return {k: float((found[k] - g).norm() / scale[k]) for k, g in expected.items()}

    assert max(errors(float32).values()) < 1e-5
    bounds = {"convs": 0.12, "convs.2.bias": 1e-5, "critic": 0.06, "critic.weights.2": 0.005, "actor": 0.15}
    for name, error in errors(bfloat16).items():
        assert error < min(bound for part, bound in bounds.items() if part in name), name
    monkeypatch.setattr(torch, "promote_types", lambda first, second: first)  # attention logits in bfloat16
    assert errors(bfloat16)["encoder.convs.2.bias"] > 1e-4


def gradients(sac: SAC, batch: Batch, draws: Draws) -> dict[str, Tensor]:
    """Return the gradients of an update that changes nothing, by name, in float64."""
    for optimizer in sac._optimizers.values():
        optimizer.rate = 0.0
    sac.update(batch, draws)
    networks = {"encoder": sac.encoder, "critic": sac.critic, "actor": sac.actor}
    named = {f"{name}.{k}": p for name, network in networks.items() for k, p in network.named_parameters()}
    return {k: p.grad.double() for k, p in named.items() if p.grad is not None}


def test_target_of_a_time_limit_bootstraps_and_of_an_end_does_not() -> None:
    log_std = torch.zeros(2, 1)
    actor, critic = Constant(torch.zeros(2, 1), log_std), Constant(torch.tensor([[5.0, 5.0], [3.0, 9.0]]))
    none = torch.zeros(2, 1)
    reward, terminated, noise = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]), torch.zeros(2, 1)
    target = target_value(actor, critic, none, none, none, reward, terminated, noise, torch.tensor(0.1), 0.9)  # type: ignore[arg-type]
    log_prob = -0.5 * math.log(2 * math.pi)  # a standard normal's density at 0, where tanh has slope 1
    assert target.tolist() == pytest.approx([1.0 + 0.9 * (3.0 - 0.1 * log_prob), 2.0])


def test_critic_loss_sums_both_critics() -> None:
    critic, none = Constant(torch.tensor([[1.0, 2.0], [0.0, 5.0]])), torch.zeros(2, 1)
    loss, info = critic_loss(critic, none, none, none, torch.tensor([1.0, 4.0]))  # type: ignore[arg-type]
    assert float(loss) == pytest.approx((0 + 4) / 2 + (1 + 1) / 2)
    assert float(info["q_mean"]) == pytest.approx(2.0)


def test_actor_loss_takes_the_smaller_value() -> None:
    actor = Constant(torch.tensor([[0.5]]), torch.tensor([[math.log(2.0)]]))
    critic, none = Constant(torch.tensor([[7.0], [4.0]])), torch.zeros(1, 1)
    loss, info = actor_loss(actor, critic, none, none, torch.tensor([[1.0]]), torch.tensor(0.3))  # type: ignore[arg-type]
    u = 0.5 + 2.0
    log_prob = -0.5 - math.log(2.0) - 0.5 * math.log(2 * math.pi) - math.log(1 - math.tanh(u) ** 2)
    assert float(loss) == pytest.approx(0.3 * log_prob - 4.0)
    assert float(info["entropy"]) == pytest.approx(-log_prob)


@pytest.mark.parametrize(("entropy", "sign"), [(-3.0, -1.0), (5.0, 1.0)])
def test_temperature_rises_while_the_entropy_is_low(entropy: float, sign: float) -> None:
    log_temperature = torch.tensor(0.1).log().requires_grad_()
    loss, info = temperature_loss(log_temperature, torch.tensor(entropy), -2.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(info["temperature_loss"]) == pytest.approx(0.1 * (entropy + 2.0))
    assert log_temperature.grad is not None and np.sign(float(log_temperature.grad)) == sign


def test_encoder_learns_from_the_critic_only() -> None:
    sac = make_sac()
    batch = make_batch(np.random.default_rng(0))
    sac.update(batch)
    sac._optimizers["critic"].rate = 0.0
    before = sac.save_state()
    sac.update(batch)
    after = sac.save_state()
    changed = {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert "actor" in changed and "log_temperature" in changed
    assert "encoder" not in changed and "critic" not in changed


def test_target_follows_by_tau() -> None:
    sac = make_sac(tau=0.25)
    before = sac.save_state()
    sac.update(make_batch(np.random.default_rng(0)))
    after = sac.save_state()
    for name in (n for n in before if n.startswith("target_")):
        expected = 0.75 * before[name] + 0.25 * after[name.removeprefix("target_")]  # type: ignore[operator]
        np.testing.assert_allclose(after[name], expected, atol=1e-6, err_msg=name)


def test_same_seed_same_updates() -> None:
    ends = []
    for _ in range(2):
        sac, random = make_sac(seed=3), np.random.default_rng(0)
        for _ in range(3):
            sac.update(make_batch(random))
        ends.append(sac.save_state())
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert sac.updates == sac.policy_version == 3


def test_state_continues_bit_for_bit() -> None:
    batches = [make_batch(np.random.default_rng(i)) for i in range(4)]
    whole = make_sac()
    for batch in batches[:2]:
        whole.update(batch)
    resumed = make_sac(seed=99)
    resumed.load_state(whole.save_state())
    for sac in (whole, resumed):
        for batch in batches[2:]:
            sac.update(batch)
    a, b = whole.save_state(), resumed.save_state()
    assert set(a) == set(b)
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_state_of_another_network_is_refused_and_changes_nothing() -> None:
    sac = make_sac()
    before, state = sac.save_state(), make_sac(seed=1).save_state()
    state["critic.weights.0"] = state["critic.weights.0"][:, :-1]
    with pytest.raises(ValueError, match=r"another network: critic\.weights\.0"):
        sac.load_state(state)
    assert all(np.array_equal(v, before[k]) for k, v in sac.save_state().items())


def test_crops_reach_both_ends_of_their_range() -> None:
    draws: list[Draws] = [make_sac(seed=s).draw(256) for s in range(2)]
    rows, columns = IMAGE.crop_radius
    offsets = torch.cat([draws[0].offsets, draws[0].next_offsets])
    assert offsets.amin(0).tolist() == [0, 0] and offsets.amax(0).tolist() == [2 * rows, 2 * columns]
    assert not torch.equal(draws[0].offsets, draws[0].next_offsets)
    assert not torch.equal(draws[0].noise, draws[1].noise)


def test_features_from_before_the_critic_step_change_the_actor_gradient_little() -> None:
    """The reference encodes the images again after the critic step; the fast learner reuses the earlier features."""
    sac, random, differences = make_sac(), np.random.default_rng(0), []
    for _ in range(200):
        batch, draws = to_device(make_batch(random), torch.device("cpu")), sac.draw(8)
        temperature = sac.log_temperature.detach().exp()
        pixels, next_pixels = sac.crop(batch, draws)
        target = sac.target(batch, next_pixels, draws.next_noise, temperature)
        features, _ = sac.update_critic(batch, pixels, target)
        sac.update_target()
        gradients = []
        for used in (sac.encoder(pixels).detach(), features):
            sac.actor.zero_grad()
            loss, _ = actor_loss(sac.actor, sac.critic, used, batch.proprioception, draws.noise, temperature)
            loss.backward(inputs=list(sac.actor.parameters()))  # type: ignore[no-untyped-call]
            gradients.append(torch.cat([p.grad.flatten() for p in sac.actor.parameters() if p.grad is not None]))
        again, earlier = gradients
        differences.append(float((earlier - again).norm() / again.norm()))
        info = sac.update_actor(batch, features, draws.noise, temperature)
        sac.update_temperature(info["entropy"])
    assert 0.0 < float(np.median(differences)) < 1e-3


def test_seeds_share_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, updates and the actor's noise have streams of their own, also between neighbouring seeds."""
    weights: list[int] = []
    original = torch.manual_seed

    def record(seed: int) -> torch.Generator:
        weights.append(seed)
        return original(seed)

    monkeypatch.setattr(torch, "manual_seed", record)
    seeds: set[int] = set()
    for seed in (0, 1):
        sac, policy = make_sac(seed=seed), Policy(IMAGE, NETWORK, DOF, seed)
        seeds |= {sac._generator.initial_seed(), policy._generator.initial_seed()}
    policy_and_critic = set(weights)
    assert len(weights) == 6 and len(policy_and_critic) == 4  # the actor starts with the learner's weights
    assert len(seeds) == 4 and not seeds & policy_and_critic
