"""Encoder, actor and critics, as in the reference (RAD's SAC with a spatial soft-argmax).

The encoder has 3x3 convolutions without padding, with ReLU between them and none after the last, followed by a spatial
soft-argmax (Levine et al. 2016, "End-to-end training of deep visuomotor policies", section 5.1). Actor and critics are
multilayer perceptrons on the features and the proprioception. Pixels range from 0 to 255; their scaling by 1/255 is
folded into the weights of the first convolution, which saves a pass over the pixels.
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

from franka_reacher_rl.core.base.seeding import torch_seed
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings


class Encoder(nn.Module):
    """Convolutions and spatial soft-argmax, computed in the type of the input; the last layer at least in float32."""

    grid: Tensor

    def __init__(self, image: ImageSettings, network: NetworkSettings) -> None:
        """Create an encoder for the cropped image.

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
                f"strides {network.strides}: use a larger image or fewer layers"
            )
        self.features = 2 * network.channels[-1]
        self.register_buffer("grid", _grid(height, width), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode stacks of frames.

        Args:
            pixels: Cropped stacks, (batch, channels, height, width), 0 to 255.

        Returns:
            float32 (batch, features): expected x and y of each channel of the last convolution, in [-1, 1].
        """
        x = pixels
        for i, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            weight = conv.weight if i else conv.weight / 255.0
            # The softmax magnifies errors of the last layer, and its bias would get their rounding for a gradient.
            dtype = pixels.dtype if i < len(self.convs) - 1 else torch.promote_types(pixels.dtype, torch.float32)
            x = F.conv2d((x.relu_() if i else x).to(dtype), weight.to(dtype), conv.bias.to(dtype), conv.stride)
        # In memory the channels are last, so that a softmax over the places handles many channels at once.
        attention = x.flatten(2).mT.to(self.grid.dtype).softmax(1)  # (batch, places, channels)
        return (self.grid.mT @ attention).mT.flatten(1)


class Actor(nn.Module):
    """Mean and log standard deviation of the Gaussian whose tanh is the action.

    Attributes:
        inner_dtype: Type of the products between hidden layers; None for the type of the weights. First and last layer
            always have the type of the weights: rounding would move positions in the image, actions and values.
    """

    inner_dtype: torch.dtype | None = None

    def __init__(self, features: int, proprioception: int, dof: int, network: NetworkSettings) -> None:
        super().__init__()
        sizes = [features + proprioception, *network.hidden, 2 * dof]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.low, self.high = network.log_std_min, network.log_std_max

    def forward(self, features: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distribution's mean and log standard deviation, (batch, dof) each."""
        x = torch.cat([features, proprioception], -1)
        for i, layer in enumerate(self.layers):
            x = x.relu_() if i else x
            if self.inner_dtype and 0 < i < len(self.layers) - 1:
                assert isinstance(layer, nn.Linear)
                inputs, weight, bias = (t.to(self.inner_dtype) for t in (x, layer.weight, layer.bias))
                x = F.linear(inputs, weight, bias).to(x.dtype)
            else:
                x = layer(x)
        mean, raw = x.chunk(2, -1)
        # unlike a clamp, a smooth bound has a gradient at both ends
        log_std = self.low + 0.5 * (self.high - self.low) * (torch.tanh(raw) + 1.0)
        return mean, log_std


class TwinCritic(nn.Module):
    """Two critics with stacked weights, so that each layer of both is one batched product.

    Attributes:
        inner_dtype: Type of the products between hidden layers, as in `Actor`.
    """

    inner_dtype: torch.dtype | None = None

    def __init__(self, features: int, proprioception: int, dof: int, network: NetworkSettings) -> None:
        super().__init__()
        sizes = [features + proprioception + dof, *network.hidden, 1]
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(2, a, b) for a, b in pairs)
        self.biases = nn.ParameterList(torch.zeros(2, 1, b) for _, b in pairs)

    def forward(self, features: Tensor, proprioception: Tensor, action: Tensor) -> Tensor:
        """Return both critics' values, (2, batch)."""
        x = torch.cat([features, proprioception, action], -1).expand(2, -1, -1)  # (2, batch, inputs)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x.relu_() if i else x
            if self.inner_dtype and 0 < i < len(self.weights) - 1:
                bias, inputs, weight = (t.to(self.inner_dtype) for t in (bias, x, weight))
                x = torch.baddbmm(bias, inputs, weight).to(x.dtype)
            else:
                x = torch.baddbmm(bias, x, weight)
        return x.squeeze(-1)


class PolicyNetwork(nn.Module):
    """The networks that the actor process needs: encoder and actor."""

    def __init__(self, encoder: Encoder, actor: Actor) -> None:
        super().__init__()
        self.encoder = encoder
        self.actor = actor

    def forward(self, pixels: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation, (batch, dof) each, for cropped pixels 0 to 255."""
        mean, log_std = self.actor(self.encoder(pixels), proprioception)
        return mean, log_std


def make_policy(image: ImageSettings, network: NetworkSettings, dof: int, seed: int) -> PolicyNetwork:
    """Create the untrained policy, with mean 0 and standard deviation 1 before the tanh."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "policy_weights"))
        encoder = Encoder(image, network)
        actor = Actor(encoder.features, 3 * dof, dof, network)
        initialise(encoder)
        initialise(actor)
        initialise_last(actor)
    return PolicyNetwork(encoder, actor)


def make_critic(network: NetworkSettings, dof: int, seed: int) -> TwinCritic:
    """Create twin critics with different weights; the image's size does not matter, as channels have two features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "critic_weights"))
        critic = TwinCritic(2 * network.channels[-1], 3 * dof, dof, network)
        initialise(critic)
    return critic


def initialise(module: nn.Module) -> None:
    """Initialise weights in place.

    Linear layers become orthogonal (Saxe et al. 2014), convolutions delta-orthogonal (Xiao et al. 2018), biases zero.
    """
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
    """Set the last layer to mean 0 and log standard deviation 0 for every input.

    This needs a bias: with bounds [-10, 2], a zero bias means a log standard deviation of -4.
    """
    last = actor.layers[-1]
    assert isinstance(last, nn.Linear)
    dof = last.out_features // 2
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias[dof:] = math.atanh(-2.0 * actor.low / (actor.high - actor.low) - 1.0)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a reparametrised action and its log density.

    Haarnoja et al. 2018, "Soft actor-critic algorithms and applications", appendix C.

    Args:
        mean: Mean of the Gaussian, (batch, dof).
        log_std: Log standard deviation of the Gaussian, (batch, dof).
        noise: Standard normal noise, (batch, dof).

    Returns:
        The action (batch, dof) in [-1, 1] and its log density (batch,).
    """
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
    # log(1 - tanh(u)^2), in a form without cancellation for large |u|
    squash = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return torch.tanh(u), (gaussian - squash).sum(-1)


def cropped_size(image: ImageSettings) -> tuple[int, int]:
    """Return the height and width of a crop in pixels."""
    rows, columns = image.crop_radius
    return image.height - 2 * rows, image.width - 2 * columns


def network_digest(image: ImageSettings, network: NetworkSettings, dof: int) -> str:
    """Return a digest of a policy's architecture; weights are interchangeable if the digests are equal."""
    fields = [image.width, image.height, image.frames, *image.crop_radius, network.channels, network.strides]
    fields += [network.hidden, network.log_std_min, network.log_std_max, dof]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


def _grid(height: int, width: int) -> Tensor:
    """Return x and y of every position of a feature map, (height * width, 2), in [-1, 1]."""
    axes: Sequence[Tensor] = torch.meshgrid(
        torch.linspace(-1.0, 1.0, height), torch.linspace(-1.0, 1.0, width), indexing="ij"
    )
    y, x = axes
    return torch.stack([x.flatten(), y.flatten()], -1)
