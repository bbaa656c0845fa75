"""Encoder, actor and critics, as in the reference (RAD's SAC with a spatial soft-argmax).

Convolutions 3x3 without padding, ReLU between and none after the last, spatial soft-argmax (Levine et al. 2016,
"End-to-end training of deep visuomotor policies", section 5.1), then a multilayer perceptron on the features and the
proprioception. Images enter as 0..255; the 1/255 is folded into the first convolution, so no pass over the pixels is
spent on it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings


class Encoder(nn.Module):
    """Convolutions and spatial soft-argmax; computes in the type of its input."""

    grid: Tensor

    def __init__(self, image: ImageSettings, network: NetworkSettings) -> None:
        """Makes an encoder for the cropped image.

        Raises:
            ValueError: The image is too small for the convolutions.
        """
        super().__init__()
        height, width = cropped_size(image)
        channels = [image.channels, *network.channels]
        self.convs = nn.ModuleList()
        for inputs, outputs, stride in zip(channels[:-1], network.channels, network.strides, strict=True):
            self.convs.append(nn.Conv2d(inputs, outputs, 3, stride))
            height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
        if height < 1 or width < 1:
            raise ValueError(
                f"a {image.width}x{image.height} image is too small for {len(network.channels)} convolutions with "
                f"strides {network.strides}: take a larger image or fewer layers"
            )
        self.features = 2 * network.channels[-1]
        self.register_buffer("grid", _grid(height, width), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of stacks of frames.

        Args:
            pixels: (batch, channels, height, width), cropped, 0 to 255.

        Returns:
            float32 (batch, features): each last channel's expected x and y, in [-1, 1].
        """
        x = pixels
        for i, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            weight = conv.weight if i else conv.weight / 255.0
            x = F.conv2d(x.relu_() if i else x, weight.to(x.dtype), conv.bias.to(x.dtype), conv.stride)
        attention = x.flatten(2).to(self.grid.dtype).softmax(-1)  # (batch, channels, places)
        return (attention @ self.grid).flatten(1)


class Actor(nn.Module):
    """Mean and log standard deviation of a Gaussian, before the tanh of the action."""

    def __init__(self, features: int, proprioception: int, dof: int, network: NetworkSettings) -> None:
        super().__init__()
        sizes = [features + proprioception, *network.hidden, 2 * dof]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.low, self.high = network.log_std_min, network.log_std_max

    def forward(self, features: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """The distribution's mean and log standard deviation, (batch, dof) each."""
        x = torch.cat([features, proprioception], -1)
        for i, layer in enumerate(self.layers):
            x = layer(x.relu_() if i else x)
        mean, raw = x.chunk(2, -1)
        # A smooth bound keeps a gradient at both ends, where a clamp would have none.
        log_std = self.low + 0.5 * (self.high - self.low) * (torch.tanh(raw) + 1.0)
        return mean, log_std


class TwinCritic(nn.Module):
    """Two critics computed as one: their weights are stacked, each layer is one batched product."""

    def __init__(self, features: int, proprioception: int, dof: int, network: NetworkSettings) -> None:
        super().__init__()
        sizes = [features + proprioception + dof, *network.hidden, 1]
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(2, a, b) for a, b in pairs)
        self.biases = nn.ParameterList(torch.zeros(2, 1, b) for _, b in pairs)

    def forward(self, features: Tensor, proprioception: Tensor, action: Tensor) -> Tensor:
        """Both critics' values, (2, batch)."""
        x = torch.cat([features, proprioception, action], -1).expand(2, -1, -1)  # (2, batch, inputs)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x.relu_() if i else x, weight)
        return x.squeeze(-1)


class PolicyNetwork(nn.Module):
    """What the actor process needs to act, and nothing more."""

    def __init__(self, encoder: Encoder, actor: Actor) -> None:
        super().__init__()
        self.encoder = encoder
        self.actor = actor

    def forward(self, pixels: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (batch, dof) each, from cropped pixels 0 to 255."""
        mean, log_std = self.actor(self.encoder(pixels), proprioception)
        return mean, log_std


def make_policy(image: ImageSettings, network: NetworkSettings, dof: int, seed: int) -> PolicyNetwork:
    """The first policy: mean 0, standard deviation 1 before the tanh."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(image, network)
        actor = Actor(encoder.features, 3 * dof, dof, network)
        initialise(encoder)
        initialise(actor)
        initialise_last(actor)
    return PolicyNetwork(encoder, actor)


def make_critic(image: ImageSettings, network: NetworkSettings, dof: int, seed: int) -> TwinCritic:
    """Twin critics, initialised differently from each other."""
    del image  # its size does not matter: the soft-argmax gives two features a channel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = TwinCritic(2 * network.channels[-1], 3 * dof, dof, network)
        initialise(critic)
    return critic


def initialise(module: nn.Module) -> None:
    """Orthogonal linear layers (Saxe et al. 2014), delta-orthogonal convolutions (Xiao et al. 2018), zero biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.orthogonal_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            assert part.bias is not None
            nn.init.zeros_(part.weight)
            nn.init.orthogonal_(part.weight.data[:, :, 1, 1], gain=nn.init.calculate_gain("relu"))
            nn.init.zeros_(part.bias)
        elif isinstance(part, TwinCritic):
            for stacked in part.weights:
                for weight in stacked.data:
                    nn.init.orthogonal_(weight)


def initialise_last(actor: Actor) -> None:
    """Zero weights, and the bias whose log standard deviation is 0: with bounds [-10, 2] a zero bias is std e^-4."""
    last = actor.layers[-1]
    assert isinstance(last, nn.Linear)
    dof = last.out_features // 2
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias[dof:] = math.atanh(-2.0 * actor.low / (actor.high - actor.low) - 1.0)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A reparametrised action and its log probability.

    Haarnoja et al. 2018, "Soft actor-critic algorithms and applications", appendix C.

    Args:
        mean: (batch, dof).
        log_std: (batch, dof).
        noise: (batch, dof), standard normal.

    Returns:
        The action (batch, dof) in [-1, 1] and its log density (batch,).
    """
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
    # log(1 - tanh(u)^2), in the form that does not cancel for large |u|
    squash = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return torch.tanh(u), (gaussian - squash).sum(-1)


def cropped_size(image: ImageSettings) -> tuple[int, int]:
    """Height and width of a crop."""
    rows, columns = image.crop_radius
    return image.height - 2 * rows, image.width - 2 * columns


def network_digest(image: ImageSettings, network: NetworkSettings, dof: int) -> str:
    """Names the shape of a policy: weights fit where the digests are equal."""
    fields = [image.width, image.height, image.frames, *image.crop_radius, network.channels, network.strides]
    fields += [network.hidden, network.log_std_min, network.log_std_max, dof]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


def _grid(height: int, width: int) -> Tensor:
    """Gives x and y of every place of a feature map, (height * width, 2), in [-1, 1]."""
    axes: Sequence[Tensor] = torch.meshgrid(
        torch.linspace(-1.0, 1.0, height), torch.linspace(-1.0, 1.0, width), indexing="ij"
    )
    y, x = axes
    return torch.stack([x.flatten(), y.flatten()], -1)
