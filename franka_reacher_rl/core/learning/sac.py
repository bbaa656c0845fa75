"""Soft actor-critic from images with random crops, following the reference's algorithm.

An update consists of a critic, a target, an actor and a temperature step. The encoder learns from the critic loss only.
For speed, every image is cropped once and encoded once per network, the actor step uses the critic step's features, and
nothing waits for the device before `info` reads the results.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from franka_reacher_rl.core.base.safetensors_format import Arrays
from franka_reacher_rl.core.base.seeding import torch_seed
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.adam import Adam
from franka_reacher_rl.core.learning.augment import Cropper, draw_offsets
from franka_reacher_rl.core.learning.cuda_graph import GraphedFunction
from franka_reacher_rl.core.learning.losses import Info, actor_loss, critic_loss, target_value, temperature_loss
from franka_reacher_rl.core.learning.machine import allow_tf32, choose_device, choose_dtype
from franka_reacher_rl.core.learning.networks import cropped_size, make_critic, make_policy
from franka_reacher_rl.core.replay.batch import Batch, DeviceBatch, TensorRecord, to_device


@dataclass(frozen=True)
class Draws(TensorRecord):
    """The random numbers of an update, drawn on the CPU so that a seed gives the same ones on every device."""

    offsets: Tensor  # (batch, 2), int64, row and column at which the crops of the observations start
    next_offsets: Tensor  # (batch, 2), int64, likewise of the next observations
    noise: Tensor  # (batch, dof), standard normal, of the actor step's actions
    next_noise: Tensor  # (batch, dof), standard normal, of the next actions


class SAC:
    """The learner's networks, optimizers and counters."""

    def __init__(
        self,
        image: ImageSettings,
        network: NetworkSettings,
        sac: SACSettings,
        learner: LearnerSettings,
        dof: int,
        seed: int,
    ) -> None:
        """Create untrained networks.

        Raises:
            ValueError: CUDA is requested but not available, or the image is too small for the network.
        """
        self.device = choose_device(learner.device)
        self.dof = dof
        self.updates = 0
        self._image, self._settings = image, sac
        allow_tf32(learner.tf32)
        dtype = choose_dtype(learner.precision, self.device)
        self._crop, self._next_crop = (Cropper(*cropped_size(image), dtype) for _ in range(2))
        self._target_entropy = -float(dof) if sac.target_entropy is None else sac.target_entropy
        self._generator = torch.Generator().manual_seed(torch_seed(seed, "updates"))

        self.policy = make_policy(image, network, dof, seed).to(self.device)
        self.policy.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.encoder, self.actor = self.policy.encoder, self.policy.actor
        self.critic = make_critic(network, dof, seed).to(self.device)
        self.actor.inner_dtype = self.critic.inner_dtype = None if dtype == torch.float32 else dtype
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(sac.initial_temperature, device=self.device).log())

        self._critic_parameters: list[Tensor] = [*self.critic.parameters(), *self.encoder.parameters()]
        self._target_parameters: list[Tensor] = [*self.target_critic.parameters(), *self.target_encoder.parameters()]
        self._actor_parameters: list[Tensor] = [*self.actor.parameters()]
        self._checked_parameters = [*self._critic_parameters, *self._actor_parameters, self.log_temperature.detach()]
        self._optimizers = {
            "critic": self._adam(self._critic_parameters, 0.9),
            "actor": self._adam(self._actor_parameters, 0.9),
            "temperature": self._adam([self.log_temperature], sac.temperature_beta1),
        }
        self._graph = GraphedFunction(self._steps, self.device) if self.device.type == "cuda" else None
        self._info: Info = {}

    @property
    def policy_version(self) -> int:
        """Version of the current policy: the number of updates that led to it."""
        return self.updates

    def draw(self, batch: int) -> Draws:
        """Draw the random numbers of an update from the learner's own generator."""
        g, radius = self._generator, self._image.crop_radius
        return Draws(
            draw_offsets(batch, radius, g),
            draw_offsets(batch, radius, g),
            torch.randn((batch, self.dof), generator=g),
            torch.randn((batch, self.dof), generator=g),
        )

    def update(self, batch: Batch | DeviceBatch, draws: Draws | None = None) -> Info:
        """Update all networks once; on CUDA as a graph.

        Args:
            batch: Uncropped transitions.
            draws: Random numbers of the update; drawn by `draw` if omitted.

        Returns:
            Losses and means as tensors on the device; `info` returns them as numbers.
        """
        placed = batch if isinstance(batch, DeviceBatch) else to_device(batch, torch.device("cpu"))
        draws = draws or self.draw(len(placed.reward))
        inputs = {**placed.tensors(), **draws.tensors()}
        self._info = self._graph(inputs) if self._graph else self._steps(inputs)
        self.updates += 1
        return self._info

    def warm_up(self, batch: int) -> None:
        """On CUDA, capture the update's graph with a batch of zeros, and change nothing; elsewhere do nothing.

        Without it, the first updates of a run would take seconds, longer than a step may wait for its action.
        """
        if self._graph:
            offsets, noise = torch.zeros((2, batch, 2), dtype=torch.int64), torch.zeros(2, batch, self.dof)
            draws, zeros = Draws(*offsets, *noise), DeviceBatch.zeros(batch, self._image, self.dof)
            self._graph.capture({**zeros.tensors(), **draws.tensors()}, self._changing)

    def _changing(self) -> list[Tensor]:
        """Return the tensors that an update changes in place; the optimizers create theirs in the first one."""
        moments = [t for o in self._optimizers.values() for state in o.state.values() for t in state.values()]
        return [*self._checked_parameters, *self._target_parameters, *moments]

    def info(self) -> dict[str, float]:
        """Return the last update's losses and means, empty before the first update; waits for the device."""
        if not self._info:
            return {}
        values = torch.stack([v.double() for v in self._info.values()]).tolist()
        return dict(zip(self._info, values, strict=True))

    def steps(self, batch: DeviceBatch, draws: Draws) -> Info:
        """Execute the steps of an update, kernel by kernel, without counting it.

        Args:
            batch: Uncropped transitions on the learner's device.
            draws: Random numbers on the learner's device.

        Returns:
            Losses and means as tensors on the device.
        """
        temperature = self.log_temperature.detach().exp()
        pixels, next_pixels = self.crop(batch, draws)
        target = self.target(batch, next_pixels, draws.next_noise, temperature)
        features, critic_info = self.update_critic(batch, pixels, target)
        self.update_target()
        actor_info = self.update_actor(batch, features, draws.noise, temperature)
        temperature_info = self.update_temperature(actor_info["entropy"])
        return {**critic_info, **actor_info, **temperature_info}

    def crop(self, batch: DeviceBatch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Crop the stacks before and after the action; the next call overwrites the crops."""
        return self._crop(batch.image, draws.offsets), self._next_crop(batch.next_image, draws.next_offsets)

    @torch.no_grad()
    def target(self, batch: DeviceBatch, next_pixels: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
        """Compute the critics' target, (batch,)."""
        return target_value(
            self.actor,
            self.target_critic,
            self.encoder(next_pixels),
            self.target_encoder(next_pixels),
            batch.next_proprioception,
            batch.reward,
            batch.terminated,
            noise,
            temperature,
            self._settings.discount,
        )

    def update_critic(self, batch: DeviceBatch, pixels: Tensor, target: Tensor) -> tuple[Tensor, Info]:
        """Update critics and encoder; also return the detached features from before the update, (batch, features)."""
        features = self.encoder(pixels)
        loss, info = critic_loss(self.critic, features, batch.proprioception, batch.action, target)
        self._descend("critic", loss, self._critic_parameters)
        return features.detach(), info

    @torch.no_grad()
    def update_target(self) -> None:
        """Move the target networks towards the current ones by the share tau."""
        torch._foreach_lerp_(self._target_parameters, self._critic_parameters, self._settings.tau)

    def update_actor(self, batch: DeviceBatch, features: Tensor, noise: Tensor, temperature: Tensor) -> Info:
        """Update the actor.

        The features come from the encoder before the critic step, while the critics are those after it. The reference
        encodes the images again with the updated encoder. This changes the actor's gradient by a few percent: see
        "The learner" in docs/performance.md.

        Args:
            batch: Transitions.
            features: Features of the observations as `update_critic` returns them, (batch, features).
            noise: Standard normal noise of the actions, (batch, dof).
            temperature: Weight of the entropy.
        """
        loss, info = actor_loss(self.actor, self.critic, features, batch.proprioception, noise, temperature)
        self._descend("actor", loss, self._actor_parameters)
        return info

    def update_temperature(self, entropy: Tensor) -> Info:
        """Update the temperature for the policy's mean entropy."""
        with torch.no_grad():
            loss, info = temperature_loss(self.log_temperature, entropy, self._target_entropy)
        self.log_temperature.grad = loss  # an exponential is its own derivative
        self._optimizers["temperature"].step()
        return info

    def _steps(self, tensors: Mapping[str, Tensor]) -> Info:
        return self.steps(DeviceBatch.from_tensors(tensors), Draws.from_tensors(tensors))

    def _descend(self, name: str, loss: Tensor, parameters: list[Tensor]) -> None:
        """Take an optimizer step, computing no gradients of other parameters."""
        optimizer = self._optimizers[name]
        optimizer.zero_grad()
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        optimizer.step()

    def _adam(self, parameters: list[Tensor], beta1: float) -> Adam:
        return Adam(parameters, self._settings.learning_rate, beta1, capturable=self.device.type == "cuda")

    def policy_weights(self) -> Arrays:
        """Return a copy of the policy's weights by name."""
        return {k: np.array(v.cpu().numpy()) for k, v in self.policy.state_dict().items()}

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the networks and the temperature by name."""
        modules = {
            "encoder": self.encoder,
            "actor": self.actor,
            "critic": self.critic,
            "target_encoder": self.target_encoder,
            "target_critic": self.target_critic,
        }
        tensors = {f"{name}.{key}": value for name, m in modules.items() for key, value in m.state_dict().items()}
        return {**tensors, "log_temperature": self.log_temperature.detach()}

    def save_state(self) -> Arrays:
        """Return a copy of everything that further updates depend on, by name."""
        state = self._tensors()
        for name, optimizer in self._optimizers.items():
            for i, parameter in enumerate(optimizer.parameters):
                for key, value in optimizer.state.get(parameter, {}).items():
                    state[f"optimizer.{name}.{i}.{key}"] = value
        arrays: Arrays = {key: np.array(value.cpu().numpy()) for key, value in state.items()}
        arrays["random"] = np.array(self._generator.get_state().numpy())
        arrays["updates"] = np.array(self.updates, np.int64)
        return arrays

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Restore a state that `save_state` returned.

        Raises:
            ValueError: A tensor is missing or has another shape. Nothing is changed.
        """
        self.load_networks(state)
        self._generator.set_state(torch.from_numpy(np.array(state["random"], np.uint8)))
        self.updates = int(state["updates"])

    def load_networks(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take networks, temperature and optimizers of a state that `save_state` returned, but not its counters.

        Raises:
            ValueError: A tensor is missing or has another shape. Nothing is changed.
        """
        own = self._tensors()
        _check_shapes(own, state)
        for key, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(state[key])))
        for name, optimizer in self._optimizers.items():
            _load_moments(optimizer, f"optimizer.{name}", state)
        if self._graph:
            self._graph.reset()

    def load_policy(self, weights: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take the weights of a policy by name; its encoder becomes the target encoder too. The critics stay.

        Raises:
            ValueError: A tensor is missing or has another shape. Nothing is changed.
        """
        own = self.policy.state_dict()
        _check_shapes(own, weights)
        for key, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(weights[key])))
        self.target_encoder.load_state_dict(self.encoder.state_dict())

    @torch.no_grad()
    def all_finite(self) -> bool:
        """Return whether all losses, means and weights of the last update are finite; waits for the device."""
        parameters = self._checked_parameters
        # A sum takes the least time on a CPU; on a GPU, one launch for all norms takes less than one for each sum.
        on_gpu = self.device.type == "cuda"
        sums = torch._foreach_norm(parameters, 1) if on_gpu else [tensor.sum() for tensor in parameters]
        return bool(torch.stack([value.float() for value in (*self._info.values(), *sums)]).isfinite().all())

    def not_finite(self) -> str:
        """Name the first loss or tensor that is not finite; empty if there is none."""
        for name, value in self.info().items():
            if not math.isfinite(value):
                return f"{name} is {value}"
        return next((f"{key} is not finite" for key, t in self._tensors().items() if not bool(t.isfinite().all())), "")


def _check_shapes(own: Mapping[str, Tensor], given: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Raise ValueError if a tensor is missing among those given, or has another shape."""
    for key, tensor in own.items():
        found = given[key].shape if key in given else "nothing"
        if found != tuple(tensor.shape):
            raise ValueError(f"checkpoint is of another network: {key} is {found} instead of {tuple(tensor.shape)}")


def _load_moments(optimizer: Adam, prefix: str, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Restore Adam's moments; a state from before the first update has none."""
    optimizer.state.clear()
    for i, parameter in enumerate(optimizer.parameters):
        for key in ("step", "exp_avg", "exp_avg_sq"):
            array = state.get(f"{prefix}.{i}.{key}")
            if array is None:
                continue
            # the fused step expects moments in the parameter's memory format; the step count is a scalar
            like = torch.empty_like(parameter.data) if array.ndim else torch.empty((), device=parameter.device)
            optimizer.state.setdefault(parameter, {})[key] = like.copy_(torch.from_numpy(np.array(array)))
