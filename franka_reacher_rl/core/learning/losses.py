"""The losses of soft actor-critic: one function each, returning its value and what is worth knowing about it.

Haarnoja et al. 2018, "Soft actor-critic algorithms and applications" (equation numbers are this paper's), with twin
critics and the smaller of the two where a value is used.
"""

from __future__ import annotations

import torch
from torch import Tensor

from franka_reacher_rl.core.learning.networks import Actor, TwinCritic, squashed_sample

Info = dict[str, Tensor]


def target_value(
    actor: Actor,
    target_critic: TwinCritic,
    features: Tensor,
    target_features: Tensor,
    proprioception: Tensor,
    reward: Tensor,
    terminated: Tensor,
    noise: Tensor,
    temperature: Tensor,
    discount: float,
) -> Tensor:
    """What the critics should say, eq. (2) and (3): reward + discount * soft value of the next observation.

    A time limit is no end of the task and bootstraps.

    Args:
        actor: The current policy.
        target_critic: The slow critics.
        features: Of the next observation by the current encoder, for the actor, (batch, features).
        target_features: Of the next observation by the slow encoder, for the slow critics, (batch, features).
        proprioception: Of the next observation, (batch, 3 * dof).
        reward: (batch,).
        terminated: (batch,), 1 where nothing follows.
        noise: Of the next action, standard normal, (batch, dof).
        temperature: Weight of the entropy.
        discount: Per step.

    Returns:
        (batch,).
    """
    mean, log_std = actor(features, proprioception)
    action, log_prob = squashed_sample(mean, log_std, noise)
    value = target_critic(target_features, proprioception, action).amin(0) - temperature * log_prob
    result: Tensor = reward + discount * (1.0 - terminated) * value
    return result


def critic_loss(
    critic: TwinCritic, features: Tensor, proprioception: Tensor, action: Tensor, target: Tensor
) -> tuple[Tensor, Info]:
    """Mean squared error against the target (batch,), eq. (5) without its factor 1/2, summed over the critics."""
    q = critic(features, proprioception, action)  # (2, batch)
    loss = (q - target).square().mean(1).sum()
    return loss, {"critic_loss": loss.detach(), "q_mean": q.detach().mean()}


def actor_loss(
    actor: Actor, critic: TwinCritic, features: Tensor, proprioception: Tensor, noise: Tensor, temperature: Tensor
) -> tuple[Tensor, Info]:
    """Mean of temperature * log probability - value, eq. (9), on features that pass no gradient to the encoder."""
    mean, log_std = actor(features, proprioception)
    action, log_prob = squashed_sample(mean, log_std, noise)
    value = critic(features, proprioception, action).amin(0)  # (batch,)
    loss = (temperature * log_prob - value).mean()
    return loss, {"actor_loss": loss.detach(), "entropy": -log_prob.detach().mean()}


def temperature_loss(log_temperature: Tensor, entropy: Tensor, target_entropy: float) -> tuple[Tensor, Info]:
    """Eq. (18), temperature * (entropy - target): the temperature rises while the entropy is below its target."""
    temperature = torch.exp(log_temperature)
    loss = temperature * (entropy - target_entropy)
    return loss, {"temperature_loss": loss.detach(), "temperature": temperature.detach()}
