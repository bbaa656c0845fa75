"""The networks' shapes, initial values and densities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from learner_helpers import DOF, IMAGE, NETWORK

from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings, Setting
from franka_reacher_rl.core.learning.networks import Encoder, make_critic, make_policy, network_digest, squashed_sample


@pytest.mark.parametrize("name", ["async_baseline", "async_highres", "async_lite"])
def test_the_papers_shapes(name: str) -> None:
    setting = Setting.load(name)
    policy = make_policy(setting.image, setting.network, 7, 0)
    critic = make_critic(setting.network, 7, 0)
    features = 2 * setting.network.channels[-1]
    linear = [tuple(layer.weight.shape) for layer in policy.actor.layers]  # type: ignore[union-attr]
    hidden = setting.network.hidden
    assert linear == [(hidden[0], features + 21), (hidden[1], hidden[0]), (14, hidden[1])]
    assert [tuple(w.shape) for w in critic.weights] == [(2, features + 28, hidden[0]), (2, *hidden), (2, hidden[1], 1)]
    height, width = setting.image.height, setting.image.width
    rows, columns = setting.image.crop_radius
    pixels = torch.zeros(2, 9, height - 2 * rows, width - 2 * columns)
    assert policy.encoder(pixels).shape == (2, features)


def test_the_first_policy_has_mean_0_and_std_1() -> None:
    policy = make_policy(IMAGE, NETWORK, DOF, 0)
    mean, log_std = policy(torch.rand(5, 9, 16, 20) * 255, torch.randn(5, 3 * DOF))
    assert mean.abs().max() == 0.0
    assert log_std.abs().max() < 1e-6


def test_log_std_stays_in_its_bounds() -> None:
    policy = make_policy(IMAGE, NETWORK, DOF, 0)
    last = policy.actor.layers[-1]
    for bias, bound in ((-50.0, NETWORK.log_std_min), (50.0, NETWORK.log_std_max)):
        torch.nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
        _, log_std = policy.actor(torch.zeros(1, 12), torch.zeros(1, 3 * DOF))
        assert log_std.flatten().tolist() == pytest.approx([bound] * DOF)


def test_orthogonal_and_delta_orthogonal() -> None:
    policy, critic = make_policy(IMAGE, NETWORK, DOF, 0), make_critic(NETWORK, DOF, 0)
    weight = policy.actor.layers[1].weight.detach()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(weight @ weight.T, torch.eye(16), atol=1e-5, rtol=0)
    for one in critic.weights[1]:
        torch.testing.assert_close((one @ one.T).detach(), torch.eye(16), atol=1e-5, rtol=0)
    assert not torch.equal(critic.weights[0][0], critic.weights[0][1])
    for conv in policy.encoder.convs:
        kernel = conv.weight.detach().clone()  # type: ignore[union-attr, operator]
        centre = kernel[:, :, 1, 1].clone()
        kernel[:, :, 1, 1] = 0
        assert kernel.abs().max() == 0
        square = centre @ centre.T if centre.shape[0] <= centre.shape[1] else centre.T @ centre
        torch.testing.assert_close(square, 2.0 * torch.eye(len(square)), atol=1e-5, rtol=0)  # ReLU's gain, squared


def test_weights_depend_on_the_seed_and_not_on_the_global_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, c = (make_policy(IMAGE, NETWORK, DOF, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["encoder.convs.0.weight"], c["encoder.convs.0.weight"])


def test_soft_argmax_finds_a_bright_spot() -> None:
    encoder = Encoder(
        ImageSettings(width=16, height=16, frames=1, crop_fraction=0.0), NetworkSettings(channels=[1], strides=[1])
    )
    conv = encoder.convs[0]
    torch.nn.init.zeros_(conv.weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    conv.weight.data[0, 0, 1, 1] = 100.0  # type: ignore[union-attr, index, operator]
    pixels = torch.zeros(1, 3, 16, 16)
    pixels[0, 0, 4, 14] = 255.0  # row 3, column 13 of 14 x 14 positions
    x, y = encoder(pixels)[0].tolist()
    assert (x, y) == pytest.approx((1.0, -1.0 + 2 * 3 / 13), abs=1e-4)


def test_pixels_are_divided_by_255_once() -> None:
    policy = make_policy(IMAGE, NETWORK, DOF, 3)
    pixels = torch.rand(1, 9, 16, 20) * 255
    first = policy.encoder.convs[0]
    plain = torch.nn.functional.conv2d(pixels / 255.0, first.weight, first.bias, 2)  # type: ignore[arg-type]
    second = policy.encoder.convs[1]
    plain = torch.nn.functional.conv2d(plain.relu(), second.weight, second.bias, 1)  # type: ignore[arg-type]
    attention = plain.flatten(2).softmax(-1)
    torch.testing.assert_close(policy.encoder(pixels), (attention @ policy.encoder.grid).flatten(1))


def test_the_log_probability_is_a_density() -> None:
    mean, log_std = torch.tensor([[0.3]]), torch.tensor([[-0.4]])
    noise = torch.linspace(-8, 8, 20001, dtype=torch.float64)[:, None]
    action, log_prob = squashed_sample(mean.double().expand(20001, 1), log_std.double().expand(20001, 1), noise)
    assert float(torch.trapezoid(log_prob.exp(), action[:, 0])) == pytest.approx(1.0, abs=1e-6)


def test_the_log_probability_is_finite_where_the_tanh_saturates() -> None:
    action, log_prob = squashed_sample(torch.tensor([[30.0, -30.0]]), torch.zeros(1, 2), torch.zeros(1, 2))
    assert action.abs().max() == 1.0
    # log(1 - tanh(u)^2) = 2 log 2 - 2 |u| for large |u|
    assert float(log_prob) == pytest.approx(-math.log(2 * math.pi) - 2 * (2 * math.log(2) - 60.0), rel=1e-6)


def test_an_image_too_small_for_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for 4 convolutions"):
        make_policy(ImageSettings(width=20, height=16), NetworkSettings(), 7, 0)


def test_the_digest_distinguishes_networks() -> None:
    other = NetworkSettings(channels=[4, 6], strides=[2, 1], hidden=[16, 17])
    digests = {network_digest(IMAGE, NETWORK, 7), network_digest(IMAGE, NETWORK, 6), network_digest(IMAGE, other, 7)}
    assert len(digests) == 3
    assert network_digest(IMAGE, NETWORK, 7) in digests
    assert np.all([len(d) == 16 for d in digests])
