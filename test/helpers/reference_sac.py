"""The reference's SAC without optimizations: float64, one crop at a time, five encoder passes.

It implements the algorithm a second time and shares no code with the package, so that tests can compare the two. Like
the fast learner and unlike the reference, the actor step uses features from before the critic step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Weights = dict[str, Tensor]
Array = npt.NDArray[np.generic]


class PlainAdam:
    """Adam (Kingma and Ba 2015, algorithm 1), one parameter at a time."""

    def __init__(self, parameters: list[Tensor], rate: float, beta1: float, beta2: float = 0.999) -> None:
        self.parameters, self.rate, self.beta1, self.beta2 = parameters, rate, beta1, beta2
        self.m = [torch.zeros_like(p) for p in parameters]
        self.v = [torch.zeros_like(p) for p in parameters]
        self.t = 0

    def step(self, loss: Tensor) -> None:
        """Take one step to reduce the loss."""
        gradients = torch.autograd.grad(loss, self.parameters)
        self.t += 1
        with torch.no_grad():
            for p, g, m, v in zip(self.parameters, gradients, self.m, self.v, strict=True):
                m.mul_(self.beta1).add_((1 - self.beta1) * g)
                v.mul_(self.beta2).add_((1 - self.beta2) * g * g)
                m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
                p.sub_(self.rate * m_hat / (v_hat.sqrt() + 1e-8))


class ReferenceSAC:
    """A learner whose initial weights, and their names, come from the fast learner's state."""

    def __init__(
        self,
        state: Mapping[str, Array],
        strides: list[int],
        crop: tuple[int, int],
        log_std: tuple[float, float],
        dof: int,
        *,
        dtype: torch.dtype = torch.float64,
        discount: float = 0.99,
        tau: float = 0.005,
        rate: float = 3e-4,
        temperature_beta1: float = 0.5,
    ) -> None:
        parts = ("encoder.", "actor.", "critic.", "target_encoder.", "target_critic.", "log_temperature")
        self.weights: Weights = {
            k: torch.tensor(np.array(v), dtype=dtype, requires_grad=not k.startswith("target_"))
            for k, v in state.items()
            if k.startswith(parts)
        }
        self.strides, self.crop, self.log_std, self.dof = strides, crop, log_std, dof
        self.discount, self.tau, self.dtype = discount, tau, dtype
        self.critic_optimizer = PlainAdam(self._of("critic.") + self._of("encoder."), rate, 0.9)
        self.actor_optimizer = PlainAdam(self._of("actor."), rate, 0.9)
        self.temperature_optimizer = PlainAdam([self.weights["log_temperature"]], rate, temperature_beta1)

    def _of(self, prefix: str) -> list[Tensor]:
        return [v for k, v in self.weights.items() if k.startswith(prefix)]

    def crops(self, images: Array, offsets: Array) -> Tensor:
        """Crop image by image; return (batch, channels, height, width) in [0, 1]."""
        rows, columns = self.crop
        cropped = []
        for image, (row, column) in zip(images, offsets.tolist(), strict=True):
            height, width = image.shape[1] - 2 * rows, image.shape[2] - 2 * columns
            cropped.append(image[:, row : row + height, column : column + width])
        return torch.tensor(np.stack(cropped), dtype=self.dtype) / 255.0

    def encode(self, name: str, images: Tensor) -> Tensor:
        """Apply the convolutions and the softmax over each map; return expected x and y."""
        x = images
        for i, stride in enumerate(self.strides):
            weight, bias = self.weights[f"{name}.convs.{i}.weight"], self.weights[f"{name}.convs.{i}.bias"]
            x = torch.nn.functional.conv2d(x, weight, bias, stride)
            if i < len(self.strides) - 1:
                x = x.clamp(min=0)
        height, width = x.shape[2:]
        # the positions are constants of the network, rounded to float32 like its weights
        ys, xs = (torch.linspace(-1, 1, n, dtype=torch.float32).to(self.dtype) for n in (height, width))
        p = x.exp() / x.exp().sum((2, 3), keepdim=True)
        expected_x, expected_y = (p * xs).sum((2, 3)), (p * ys[:, None]).sum((2, 3))
        return torch.stack([expected_x, expected_y], 2).flatten(1)

    def act(self, features: Tensor, proprioception: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return an action and its log density by the change of variables, eq. (26) of Haarnoja et al. 2018."""
        x = torch.cat([features, proprioception], 1)
        layers = len([k for k in self.weights if k.startswith("actor.layers.")]) // 2
        for i in range(layers):
            x = x @ self.weights[f"actor.layers.{i}.weight"].T + self.weights[f"actor.layers.{i}.bias"]
            if i < layers - 1:
                x = x.clamp(min=0)
        low, high = self.log_std
        mean, std = x[:, : self.dof], (low + (high - low) * (x[:, self.dof :].tanh() + 1) / 2).exp()
        u = mean + std * noise
        density = (-0.5 * ((u - mean) / std) ** 2).exp() / (std * math.sqrt(2 * math.pi))
        return u.tanh(), (density.log() - (1 - u.tanh() ** 2).log()).sum(1)

    def value(self, name: str, which: int, features: Tensor, proprioception: Tensor, action: Tensor) -> Tensor:
        """Return one critic's values, (batch,)."""
        x = torch.cat([features, proprioception, action], 1)
        layers = len([k for k in self.weights if k.startswith(f"{name}.weights.")])
        for i in range(layers):
            x = x @ self.weights[f"{name}.weights.{i}"][which] + self.weights[f"{name}.biases.{i}"][which]
            if i < layers - 1:
                x = x.clamp(min=0)
        return x[:, 0]

    def update(self, batch: Mapping[str, Array], offsets: Array, next_offsets: Array, noise: Array, next_noise: Array):
        """Update all networks once; return the losses."""
        vectors = ("proprioception", "next_proprioception", "action", "reward", "terminated")
        b = {k: torch.tensor(np.array(batch[k]), dtype=self.dtype) for k in vectors}
        eps, next_eps = torch.tensor(noise, dtype=self.dtype), torch.tensor(next_noise, dtype=self.dtype)
        temperature = self.weights["log_temperature"].detach().exp()
        s, s_next = b["proprioception"], b["next_proprioception"]
        images, next_images = self.crops(batch["image"], offsets), self.crops(batch["next_image"], next_offsets)
        with torch.no_grad():
            action, log_prob = self.act(self.encode("encoder", next_images), s_next, next_eps)
            target_features = self.encode("target_encoder", next_images)
            q = [self.value("target_critic", i, target_features, s_next, action) for i in (0, 1)]
            soft = torch.minimum(*q) - temperature * log_prob
            target = b["reward"] + self.discount * (1 - b["terminated"]) * soft
            features_for_actor = self.encode("encoder", images)
        q = [self.value("critic", i, self.encode("encoder", images), s, b["action"]) for i in (0, 1)]
        critic_loss = ((q[0] - target) ** 2).mean() + ((q[1] - target) ** 2).mean()
        self.critic_optimizer.step(critic_loss)
        with torch.no_grad():
            for name in ("encoder.", "critic."):
                for slow, fast in zip(self._of(f"target_{name}"), self._of(name), strict=True):
                    slow.copy_((1 - self.tau) * slow + self.tau * fast)
        action, log_prob = self.act(features_for_actor, s, eps)
        q = [self.value("critic", i, features_for_actor, s, action) for i in (0, 1)]
        actor_loss = (temperature * log_prob - torch.minimum(*q)).mean()
        self.actor_optimizer.step(actor_loss)
        entropy = -log_prob.detach().mean()
        temperature_loss = self.weights["log_temperature"].exp() * (entropy + self.dof)
        self.temperature_optimizer.step(temperature_loss)
        return {
            "critic_loss": float(critic_loss.detach()),
            "actor_loss": float(actor_loss.detach()),
            "temperature_loss": float(temperature_loss.detach()),
            "entropy": float(entropy),
            "temperature": float(temperature),
        }
