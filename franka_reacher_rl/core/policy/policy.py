"""Inference of the policy in the actor process, without gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from franka_reacher_rl.core.base.seeding import torch_seed
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.learning.augment import centre_crop
from franka_reacher_rl.core.learning.networks import make_policy

Weights = Mapping[str, npt.NDArray[np.generic]]


class Policy:
    """Computes actions from stacks of frames; the policy is untrained until `load` is called.

    The exploration noise of an episode depends only on the run's seed, the episode's number and the number of actions
    since `reseed`, which the caller calls at the start of every episode. A resumed run therefore continues with the
    noise of its next episode instead of repeating the noise of the first ones, and saves no generator for it.

    Inference uses PyTorch's number of threads. For a single image one thread is fastest (`torch.set_num_threads(1)`).
    """

    def __init__(self, image: ImageSettings, network: NetworkSettings, dof: int, seed: int) -> None:
        """Create the untrained policy.

        Args:
            image: Image settings.
            network: Network settings.
            dof: Number of action values.
            seed: Seed of the run, from which independent streams of untrained weights and noise are derived.

        Raises:
            ValueError: The image is too small for the network.
        """
        self._image = image
        self._dof = dof
        self._network = make_policy(image, network, dof, seed).eval().requires_grad_(False)
        self._seed = seed
        self._generator = torch.Generator()
        self.reseed(0)

    def reseed(self, episode: int) -> None:
        """Set the noise generator to the start of an episode's stream."""
        self._generator.manual_seed(torch_seed(self._seed, "policy_noise", episode))

    def load(self, weights: bytes | memoryview | Weights) -> None:
        """Load new weights, given as safetensors bytes or as arrays.

        Raises:
            ValueError: The weights are damaged, not finite, or of another network. The old ones are kept.
        """
        if not isinstance(weights, Mapping):
            try:
                tensors = safetensors.torch.load(bytes(weights))
            except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
                raise ValueError(f"policy weights are damaged: {error}") from None
        else:
            tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in weights.items()}
        own = self._network.state_dict()
        _check_weights(tensors, own)
        for name, tensor in own.items():
            tensor.copy_(tensors[name])

    @torch.inference_mode()
    def act(
        self, stack: npt.NDArray[np.uint8], proprioception: npt.NDArray[np.float32], deterministic: bool = False
    ) -> npt.NDArray[np.float32]:
        """Compute the action for one observation.

        Args:
            stack: Stack of frames, (3 * frames, height, width), newest frame first.
            proprioception: Proprioception, (3 * dof,).
            deterministic: Whether to return the mean instead of a sample.

        Returns:
            Action in [-1, 1], (dof,).

        Raises:
            ValueError: An argument has the wrong shape.
        """
        shape = (self._image.channels, self._image.height, self._image.width)
        if stack.shape != shape or proprioception.shape != (3 * self._dof,):
            raise ValueError(
                f"stack {stack.shape} and proprioception {proprioception.shape} are not {shape} and "
                f"{(3 * self._dof,)}: give camera and actor the same image settings and robot"
            )
        view = centre_crop(torch.from_numpy(stack)[None], self._image.crop_radius)
        pixels = view.to(torch.float32, memory_format=torch.channels_last)  # (1, channels, rows, columns)
        mean, log_std = self._network(pixels, torch.from_numpy(proprioception)[None].float())
        if not deterministic:
            mean = mean + log_std.exp() * torch.randn(mean.shape, generator=self._generator)
        action: npt.NDArray[np.float32] = torch.tanh(mean)[0].numpy()
        return action


def _check_weights(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    if set(given) != set(own):
        odd = sorted(set(given) ^ set(own))
        raise ValueError(f"policy weights are of another network: {odd[0]!r} and {len(odd) - 1} others do not match")
    for name, tensor in own.items():
        if given[name].shape != tensor.shape:
            raise ValueError(
                f"policy weights are of another network: {name} is {tuple(given[name].shape)} instead of "
                f"{tuple(tensor.shape)}"
            )
        if given[name].dtype != tensor.dtype:
            raise ValueError(f"policy weights are of another type: {name} is {given[name].dtype}, not {tensor.dtype}")
        if not bool(torch.isfinite(given[name].sum())):
            raise ValueError(f"policy weights are not finite: {name}")
