"""The losses of soft actor-critic, each a function that returns the loss and diagnostic values.

Equation numbers refer to Haarnoja et al. 2018, "Soft actor-critic algorithms and applications". There are twin critics;
wherever a value is used, it is the smaller of their two values.
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
    """Compute the critics' target, eq. (2) and (3): reward + discount * soft value of the next observation.

    A time limit does not end the task, so its value is bootstrapped.

    Args:
        actor: The current policy.
        target_critic: The target critics.
        features: The next observation as encoded by the current encoder, for the actor, (batch, features).
        target_features: The next observation as encoded by the target encoder, for the target critics, (batch,
            features).
        proprioception: Proprioception of the next observation, (batch, 3 * dof).
        reward: Rewards, (batch,).
        terminated: 1 where the task ended, else 0, (batch,).
        noise: Standard normal noise of the next action, (batch, dof).
        temperature: Weight of the entropy.
        discount: Discount per step.

    Returns:
        Targets, (batch,).
    """
    mean, log_std = actor(features, proprioception)
    action, log_prob = squashed_sample(mean, log_std, noise)
    value = target_critic(target_features, proprioception, action).amin(0) - temperature * log_prob
    result: Tensor = reward + discount * (1.0 - terminated) * value
    return result


def critic_loss(
    critic: TwinCritic, features: Tensor, proprioception: Tensor, action: Tensor, target: Tensor
) -> tuple[Tensor, Info]:
    """Compute the mean squared error to the target (batch,), eq. (5) without the factor 1/2, summed over critics."""
    q = critic(features, proprioception, action)  # (2, batch)
    loss = (q - target).square().mean(1).sum()
    return loss, {"critic_loss": loss.detach(), "q_mean": q.detach().mean()}


def actor_loss(
    actor: Actor, critic: TwinCritic, features: Tensor, proprioception: Tensor, noise: Tensor, temperature: Tensor
) -> tuple[Tensor, Info]:
    """Compute the mean of temperature * log probability - value, eq. (9), from detached features."""
    mean, log_std = actor(features, proprioception)
    action, log_prob = squashed_sample(mean, log_std, noise)
    value = critic(features, proprioception, action).amin(0)  # (batch,)
    loss = (temperature * log_prob - value).mean()
    return loss, {"actor_loss": loss.detach(), "entropy": -log_prob.detach().mean()}


def temperature_loss(log_temperature: Tensor, entropy: Tensor, target_entropy: float) -> tuple[Tensor, Info]:
    """Compute temperature * (entropy - target), eq. (18).

    Minimising it raises the temperature while the entropy is below its target.
    """
    temperature = torch.exp(log_temperature)
    loss = temperature * (entropy - target_entropy)
    return loss, {"temperature_loss": loss.detach(), "temperature": temperature.detach()}
