"""Actor and learner in virtual time: the core's own parts in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.safetensors_format import Arrays
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.virtual.wiring import Action, View

_WEIGHTS = "policy."


class LearningAgent:
    """SAC, replay, and a policy of the actor's own, which lags behind the learner's as virtual time wills."""

    def __init__(self, setting: Setting, robot: Robot, seed: int, folder: Path, rows: int) -> None:
        """Makes everything afresh.

        Args:
            setting: Of the run.
            robot: For its joints.
            seed: Of networks, sampling and noise.
            folder: Of the checkpoints.
            rows: That the run will store at most; a replay no larger than needed is taken.
        """
        image, dof = setting.image, robot.dof
        self._trainer = make_trainer(
            image,
            setting.network,
            setting.sac,
            setting.learner,
            dof,
            seed,
            rows=rows,
            checkpoints=folder,
            exact_draws=True,
        )
        self._weights = FlatWeights(self._trainer.sac.policy)
        self._policy = Policy(image, setting.network, dof, seed)
        self._stack = FrameStack(image.height, image.width, image.frames)
        self._none = np.zeros(dof, np.float32)
        self._action, self._version = self._none, 0
        self._taken: tuple[Action, int] = (self._none, 0)
        self._proprioception: npt.NDArray[np.float32] = np.zeros(3 * dof, np.float32)
        self._on_the_way: dict[int, Arrays] = {}  # policies that the actor does not have yet, by version
        self._in_use: Arrays = {}  # empty: the untrained policy

    @property
    def stored_steps(self) -> int:
        """Complete transitions in the replay, ever."""
        return self._trainer.stored_steps

    @property
    def updates(self) -> int:
        """Updates made."""
        return self._trainer.updates

    def info(self) -> dict[str, float]:
        """The last update's losses and means; empty before the first."""
        return self._trainer.info()

    def policy_bytes(self) -> bytes:
        """The learner's newest policy as safetensors."""
        return bytes(self._weights.bytes())

    def see(self, view: View, step: StepId, *, truncated: bool) -> None:
        """Takes an observation and stores it with the action that led to it."""
        first = step.step == 0
        if first:
            self._stack.reset(view.frame)
            self._taken = (self._none, 0)
        else:
            self._stack.push(view.frame)
        self._proprioception = view.proprioception
        reward = 0.0 if first else view.reward
        observation = Observation(step, view.frame, view.proprioception, reward, first, False, truncated)
        action, version = self._taken
        self._trainer.add(Transition(observation, action, version))

    def act(self) -> Action:
        """An action for the last observation, by the policy in use."""
        action = self._policy.act(self._stack.stack, self._proprioception)
        self._taken = (action, self._version)
        return action

    def update(self) -> None:
        """One update with what is stored now."""
        self._trainer.update(self._trainer.sample())
        self._on_the_way[self._trainer.policy_version] = self._trainer.sac.policy_weights()

    def use(self, version: int) -> None:
        """The actor takes that version of the policy."""
        self._in_use = self._on_the_way.pop(version)
        self._version = version
        self._policy.load(self._in_use)  # type: ignore[arg-type]

    def save(self, extra: dict[str, Any], arrays: Arrays) -> None:
        """Writes a checkpoint of everything, with what else the run needs.

        Raises:
            OSError: It could not be written.
        """
        policies = {**self._on_the_way, self._version: self._in_use}
        weights = {f"{_WEIGHTS}{v}.{name}": a for v, policy in policies.items() for name, a in policy.items()}
        own = {"version": self._version}
        noise: Arrays = {"noise": self._policy.random_state}
        if not self._trainer.save({"agent": own, **extra}, {**noise, **weights, **arrays}, wait=True):
            raise OSError(self._trainer.save_error)

    def restore(self) -> tuple[dict[str, Any], Arrays] | None:
        """Takes up the newest checkpoint; gives what else was saved with it, or None where there is none."""
        restored = self._trainer.restore()
        if restored is None:
            return None
        extra, arrays = restored
        for name, array in arrays.items():
            if name.startswith(_WEIGHTS):
                version, _, weight = name.removeprefix(_WEIGHTS).partition(".")
                self._on_the_way.setdefault(int(version), {})[weight] = array
        self._version = int(extra["agent"]["version"])
        if self._version in self._on_the_way:
            self.use(self._version)
        self._policy.random_state = arrays["noise"].astype(np.uint8)
        return extra, arrays
