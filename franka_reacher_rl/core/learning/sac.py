"""Soft actor-critic from images, with random crops: the reference's algorithm, fast.

One update is one critic, one target, one actor and one temperature step. The encoder learns from the critic loss only.
What makes it fast keeps the maths: every image is cropped once and encoded once per network, the actor step works on
the critic step's detached features, and nothing waits for the device until someone asks for the numbers (`info`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from franka_reacher_rl.core.base.datatypes import Batch
from franka_reacher_rl.core.base.safetensors_format import FlatWeights
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.augment import Cropper, draw_offsets
from franka_reacher_rl.core.learning.cuda_graph import GraphedFunction
from franka_reacher_rl.core.learning.losses import Info, actor_loss, critic_loss, target_value, temperature_loss
from franka_reacher_rl.core.learning.networks import cropped_size, make_critic, make_policy
from franka_reacher_rl.core.replay.device_batch import DeviceBatch, choose_device, choose_dtype, to_device

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Draws:
    """The random numbers of one update, drawn on the CPU so that a seed means the same on every device."""

    offsets: Tensor  # (batch, 2), int64, where the crops of the observations start
    next_offsets: Tensor  # (batch, 2), int64
    noise: Tensor  # (batch, dof), of the actor step's actions
    next_noise: Tensor  # (batch, dof), of the next actions

    def tensors(self) -> list[Tensor]:
        """All of them, in the order of the fields."""
        return [self.offsets, self.next_offsets, self.noise, self.next_noise]


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
        """Makes everything afresh.

        Raises:
            ValueError: CUDA is asked for and there is none, or the image is too small for the network.
        """
        self.device = choose_device(learner.device)
        self.dof = dof
        self.updates = 0
        self.plain = False  # on CUDA: kernel by kernel, so that the parts can be timed
        self.mark: Callable[[str], None] = lambda part: None  # called after each part of an update: for a stopwatch
        self._image, self._settings = image, sac
        dtype = choose_dtype(learner.precision, self.device)
        self._crop, self._next_crop = (Cropper(*cropped_size(image), dtype) for _ in range(2))
        self._target_entropy = -float(dof) if sac.target_entropy is None else sac.target_entropy
        self._generator = torch.Generator().manual_seed(seed)

        self.policy = make_policy(image, network, dof, seed).to(self.device)
        self.policy.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.encoder, self.actor = self.policy.encoder, self.policy.actor
        self.critic = make_critic(image, network, dof, seed + 1).to(self.device)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(sac.initial_temperature, device=self.device).log())

        self._critic_parameters: list[Tensor] = [*self.critic.parameters(), *self.encoder.parameters()]
        self._target_parameters: list[Tensor] = [*self.target_critic.parameters(), *self.target_encoder.parameters()]
        self._actor_parameters: list[Tensor] = [*self.actor.parameters()]
        self._optimizers = {
            "critic": self._adam(self._critic_parameters, 0.9),
            "actor": self._adam(self._actor_parameters, 0.9),
            "temperature": self._adam([self.log_temperature], sac.temperature_beta1),
        }
        self._graph = GraphedFunction(self._update, self.device) if self.device.type == "cuda" else None
        self._info: Info = {}
        self._published: FlatWeights | None = None

    @property
    def policy_version(self) -> int:
        """Version of the current policy: the updates that made it."""
        return self.updates

    def draw(self, batch: int) -> Draws:
        """The random numbers of an update of so many transitions."""
        g, radius = self._generator, self._image.crop_radius
        return Draws(
            draw_offsets(batch, radius, g),
            draw_offsets(batch, radius, g),
            torch.randn((batch, self.dof), generator=g),
            torch.randn((batch, self.dof), generator=g),
        )

    def update(self, batch: Batch | DeviceBatch, draws: Draws | None = None) -> Info:
        """One update of everything.

        Args:
            batch: Of the replay, uncropped.
            draws: Crops and noise; left out, drawn from the learner's own generator.

        Returns:
            Losses and means as tensors on the device; `info` has them as numbers.
        """
        placed = batch if isinstance(batch, DeviceBatch) else to_device(batch, torch.device("cpu"))
        draws = draws or self.draw(len(placed.reward))
        inputs = [*placed.tensors(), *draws.tensors()]
        if self._graph and not self.plain:
            self._info = self._graph(inputs)
        else:
            self._info = self._update([t.to(self.device) for t in inputs])
        self.updates += 1
        return self._info

    def info(self) -> dict[str, float]:
        """The last update's losses and means; waits for the device."""
        if not self._info:
            return {}
        values = torch.stack([v.double() for v in self._info.values()]).tolist()
        return dict(zip(self._info, values, strict=True))

    def _update(self, inputs: Sequence[Tensor]) -> Info:
        batch, draws = DeviceBatch(*inputs[:-4]), Draws(*inputs[-4:])
        temperature = self.log_temperature.detach().exp()
        pixels = self._crop(batch.image, draws.offsets)
        next_pixels = self._next_crop(batch.next_image, draws.next_offsets)
        self.mark("crop")
        target = self._target(batch, next_pixels, draws.next_noise, temperature)
        features, critic_info = self._update_critic(batch, pixels, target)
        self._update_target()
        actor_info = self._update_actor(batch, features, draws.noise, temperature)
        temperature_info = self._update_temperature(actor_info["entropy"])
        return {**critic_info, **actor_info, **temperature_info}

    @torch.no_grad()
    def _target(self, batch: DeviceBatch, next_pixels: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
        target = target_value(
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
        self.mark("target")
        return target

    def _update_critic(self, batch: DeviceBatch, pixels: Tensor, target: Tensor) -> tuple[Tensor, Info]:
        """Critics and encoder; also gives the features, detached."""
        features = self.encoder(pixels)
        loss, info = critic_loss(self.critic, features, batch.proprioception, batch.action, target)
        self._descend("critic", loss, self._critic_parameters)
        return features.detach(), info

    @torch.no_grad()
    def _update_target(self) -> None:
        torch._foreach_lerp_(self._target_parameters, self._critic_parameters, self._settings.tau)
        self.mark("target")

    def _update_actor(self, batch: DeviceBatch, features: Tensor, noise: Tensor, temperature: Tensor) -> Info:
        loss, info = actor_loss(self.actor, self.critic, features, batch.proprioception, noise, temperature)
        self._descend("actor", loss, self._actor_parameters)
        return info

    def _update_temperature(self, entropy: Tensor) -> Info:
        loss, info = temperature_loss(self.log_temperature, entropy, self._target_entropy)
        self._descend("temperature", loss, [self.log_temperature])
        return info

    def _descend(self, name: str, loss: Tensor, parameters: list[Tensor]) -> None:
        """One optimizer step; gradients of other parameters are not even computed."""
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        optimizer.step()
        self.mark(name)

    def _adam(self, parameters: list[Tensor], beta1: float) -> torch.optim.Adam:
        graphed = self.device.type == "cuda"
        rate = self._settings.learning_rate
        return torch.optim.Adam(parameters, lr=rate, betas=(beta1, 0.999), fused=True, capturable=graphed)

    def policy_weights(self) -> Arrays:
        """A copy of the policy's weights by name."""
        return {k: np.array(v.cpu().numpy()) for k, v in self.policy.state_dict().items()}

    def policy_bytes(self) -> memoryview:
        """The policy's weights as safetensors; the memory is written anew by the next call."""
        self._published = self._published or FlatWeights(self.policy)
        return self._published.bytes()

    def _tensors(self) -> dict[str, Tensor]:
        """Networks and temperature by name."""
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
        """A copy of everything that further updates depend on, by name."""
        state = self._tensors()
        for name, optimizer in self._optimizers.items():
            for i, parameter in enumerate(optimizer.param_groups[0]["params"]):
                for key, value in optimizer.state.get(parameter, {}).items():
                    state[f"optimizer.{name}.{i}.{key}"] = value
        arrays: Arrays = {key: np.array(value.cpu().numpy()) for key, value in state.items()}
        arrays["random"] = np.array(self._generator.get_state().numpy())
        arrays["updates"] = np.array(self.updates, np.int64)
        return arrays

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Takes up where `save_state` was called.

        Raises:
            ValueError: Something is missing or has another shape; nothing is changed.
        """
        own = self._tensors()
        for key, tensor in own.items():
            found = state[key].shape if key in state else "nothing"
            if found != tuple(tensor.shape):
                raise ValueError(f"checkpoint is of another network: {key} is {found}, not {tuple(tensor.shape)}")
        for key, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(state[key])))
        for name, optimizer in self._optimizers.items():
            _load_moments(optimizer, f"optimizer.{name}", state)
        self._generator.set_state(torch.from_numpy(np.array(state["random"], np.uint8)))
        self.updates = int(state["updates"])
        if self._graph:
            self._graph.reset()


def _load_moments(optimizer: torch.optim.Adam, prefix: str, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Adam's moments; none in the state: none yet."""
    optimizer.state.clear()
    for i, parameter in enumerate(optimizer.param_groups[0]["params"]):
        for key in ("step", "exp_avg", "exp_avg_sq"):
            array = state.get(f"{prefix}.{i}.{key}")
            if array is None:
                continue
            # like the parameter, memory format included: what the fused step expects; its count is a scalar
            like = torch.empty_like(parameter.data) if array.ndim else torch.empty((), device=parameter.device)
            optimizer.state[parameter][key] = like.copy_(torch.from_numpy(np.array(array)))
