"""A correct but slow learner with the reference's structure, as a baseline for timings.

It works in float32 and crops one image at a time. Images are divided by 255 in each of the five encoder passes of an
update. There are two separate critics, whose gradients the actor step computes and discards. The optimizer handles one
parameter at a time, and every loss is read at once. The algorithm is that of `core/learning/sac.py`; no code is shared.
"""

from __future__ import annotations

import copy
import math
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.learning.networks import cropped_size
from franka_reacher_rl.core.replay.batch import Batch


class PlainEncoder(nn.Module):
    """Convolutions and spatial soft-argmax."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        channels = [setting.image.channels, *setting.network.channels]
        layers = zip(channels[:-1], setting.network.channels, setting.network.strides, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride) for a, b, stride in layers)
        self.features = 2 * channels[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (batch, features) of images from 0 to 255."""
        x = images / 255.0
        for i, conv in enumerate(self.convs):
            x = conv(F.relu(x) if i else x)
        p = x.flatten(2).softmax(-1).view_as(x)
        ys = torch.linspace(-1.0, 1.0, x.shape[2], device=x.device)[:, None]
        xs = torch.linspace(-1.0, 1.0, x.shape[3], device=x.device)
        return torch.stack([(p * xs).sum((2, 3)), (p * ys).sum((2, 3))], 2).flatten(1)


def mlp(inputs: int, hidden: list[int], outputs: int) -> nn.Sequential:
    """Create linear layers with ReLU between them."""
    sizes = [inputs, *hidden]
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class PlainCritic(nn.Module):
    """An encoder and two critics."""

    def __init__(self, setting: Setting, dof: int) -> None:
        super().__init__()
        self.encoder = PlainEncoder(setting)
        inputs = self.encoder.features + 4 * dof
        self.q1, self.q2 = mlp(inputs, setting.network.hidden, 1), mlp(inputs, setting.network.hidden, 1)

    def forward(self, images: Tensor, proprioception: Tensor, action: Tensor, detach: bool = False) -> list[Tensor]:
        """Return both critics' values, (batch, 1) each."""
        features = self.encoder(images)
        x = torch.cat([features.detach() if detach else features, proprioception, action], -1)
        return [self.q1(x), self.q2(x)]


class PlainLearner:
    """The networks and optimizers, updated from the replay's batches like the fast learner."""

    def __init__(self, setting: Setting, dof: int, seed: int) -> None:
        """Create the networks; their initial weights do not affect the timing."""
        torch.manual_seed(seed)
        self._setting, self._dof = setting, dof
        self._random = np.random.default_rng(seed)
        self.critic = PlainCritic(setting, dof)
        self.target = copy.deepcopy(self.critic)
        self.actor = mlp(self.critic.encoder.features + 3 * dof, setting.network.hidden, 2 * dof)
        self.log_temperature = torch.tensor(math.log(setting.sac.initial_temperature), requires_grad=True)
        rate = setting.sac.learning_rate
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), rate, foreach=False)
        self._actor_optimizer = torch.optim.Adam(self.actor.parameters(), rate, foreach=False)
        self._temperature_optimizer = torch.optim.Adam([self.log_temperature], rate, betas=(0.5, 0.999))

    def update(self, batch: Batch) -> dict[str, float]:
        """Update all networks once and return the losses."""
        images, next_images = self._crop(batch.image), self._crop(batch.next_image)
        s, s_next = torch.from_numpy(batch.proprioception), torch.from_numpy(batch.next_proprioception)
        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            action, log_prob = self._act(next_images, s_next)
            value = torch.min(*self.target(next_images, s_next, action)) - temperature * log_prob
            going_on = 1.0 - torch.from_numpy(batch.terminated)[:, None]
            target = torch.from_numpy(batch.reward)[:, None] + self._setting.sac.discount * going_on * value
        q = self.critic(images, s, torch.from_numpy(batch.action))
        critic_loss = F.mse_loss(q[0], target) + F.mse_loss(q[1], target)
        self._step(self._critic_optimizer, critic_loss)
        action, log_prob = self._act(images, s)
        actor_loss = (temperature * log_prob - torch.min(*self.critic(images, s, action, detach=True))).mean()
        self._step(self._actor_optimizer, actor_loss)
        temperature_loss = (self.log_temperature.exp() * (-log_prob.detach() + self._dof)).mean()
        self._step(self._temperature_optimizer, temperature_loss)
        tau = self._setting.sac.tau
        for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
            slow.data.copy_((1.0 - tau) * slow.data + tau * fast.data)
        return {"critic_loss": critic_loss.item(), "actor_loss": actor_loss.item()}

    def _crop(self, stacks: npt.NDArray[np.uint8]) -> Tensor:
        height, width = cropped_size(self._setting.image)
        rows, columns = self._setting.image.crop_radius
        crops = []
        for stack in stacks:
            row, column = self._random.integers(0, 2 * rows + 1), self._random.integers(0, 2 * columns + 1)
            crops.append(stack[:, row : row + height, column : column + width])
        return torch.from_numpy(np.stack(crops)).float()

    def _act(self, images: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Return an action and its log density; the encoder gets no gradient."""
        features = self.critic.encoder(images).detach()
        mean, log_std = self.actor(torch.cat([features, proprioception], -1)).chunk(2, -1)
        low, high = self._setting.network.log_std_min, self._setting.network.log_std_max
        log_std = low + 0.5 * (high - low) * (torch.tanh(log_std) + 1.0)
        noise = torch.randn_like(mean)
        action = torch.tanh(mean + noise * log_std.exp())
        log_prob = (-0.5 * noise**2 - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1, keepdim=True)
        return action, log_prob - torch.log(1.0 - action**2 + 1e-6).sum(-1, keepdim=True)

    def _step(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        for parameter in chain(self.critic.parameters(), self.actor.parameters()):
            parameter.grad = None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
