"""The complete learner: networks, replay, batches and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from franka_reacher_rl.core.base.datatypes import Transition
from franka_reacher_rl.core.base.safetensors_format import Arrays
from franka_reacher_rl.core.base.settings import LearnerSettings
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.replay.batch import Batch, DeviceBatch
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.sources import Source


class Trainer:
    """Stores transitions, updates the networks from them, and saves and restores both.

    One thread may add transitions while another one samples, updates and saves.

    Attributes:
        problem: Which loss or weight is not finite; empty if all are. From then on nothing is saved.
    """

    def __init__(
        self, sac: SAC, replay: Replay, settings: LearnerSettings, checkpointer: Checkpointer | None = None
    ) -> None:
        """Combine the parts; `make_trainer` creates them from the settings.

        Args:
            sac: Networks and optimizers.
            replay: Replay buffer.
            settings: Batch size and source of the batches.
            checkpointer: Saves and restores both; None for a learner without checkpoints.
        """
        self.sac, self.replay, self.checkpointer = sac, replay, checkpointer
        self._settings = settings
        self._source: Source | None = None
        self.problem = ""

    @property
    def stored_steps(self) -> int:
        """Number of complete transitions stored so far."""
        return self.replay.steps

    @property
    def can_sample(self) -> bool:
        """Whether the replay holds a transition."""
        return self.replay.can_sample

    @property
    def updates(self) -> int:
        """Number of updates so far."""
        return self.sac.updates

    @property
    def policy_version(self) -> int:
        """Version of the current policy."""
        return self.sac.policy_version

    @property
    def has_checkpoints(self) -> bool:
        """Whether there are checkpoints, readable or not."""
        return self.checkpointer is not None and self.checkpointer.found

    @property
    def saving(self) -> bool:
        """Whether a thread is writing a checkpoint."""
        return self.checkpointer is not None and self.checkpointer.busy

    @property
    def save_error(self) -> str:
        """Error of the last `save`; empty if it succeeded."""
        return self.problem or (self.checkpointer.failure if self.checkpointer else "")

    @property
    def saved_updates(self) -> int:
        """Number of updates at the newest checkpoint; -1 if there is none."""
        return self.checkpointer.saved_updates if self.checkpointer else -1

    @property
    def lost_rows(self) -> int:
        """Number of rows that `restore` could not read."""
        return self.checkpointer.lost_rows if self.checkpointer else 0

    def add(self, transition: Transition) -> None:
        """Store a transition.

        Raises:
            ValueError: The transition does not fit the replay, or a value is not finite. Nothing is stored.
        """
        self.replay.add(transition)

    def start(self) -> None:
        """Warm up, and start the source of batches on the calling thread, whose priority a prefetching thread inherits.

        `sample` calls this if needed. A second call has no effect.

        Raises:
            torch.OutOfMemoryError: The replay does not fit in the device's memory (`replay_on_device`).
        """
        if self._source is None:
            self.sac.warm_up(self._settings.batch_size)
            self._source = Source(self.replay, self._settings, self.sac.device)

    def sample(self) -> Batch | DeviceBatch:
        """Return the batch of the next update.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        self.start()
        assert self._source is not None
        return self._source.next()

    def update(self, batch: Batch | DeviceBatch) -> None:
        """Update all networks once."""
        self.sac.update(batch)

    def check_update(self) -> bool:
        """Check that the last update's losses and weights are finite; waits for the device.

        Returns:
            Whether they are. If not, the update does not count, and `problem` has the reason.
        """
        if self.sac.all_finite():
            return True
        self.problem = f"{self.sac.not_finite() or 'a weight overflows'} after update {self.sac.updates}"
        self.sac.updates -= 1
        return False

    def info(self) -> dict[str, float]:
        """Return the last update's losses and means, empty before the first update; waits for the device."""
        return self.sac.info()

    def save(self, extra: Mapping[str, Any] | None = None, arrays: Arrays | None = None, wait: bool = False) -> bool:
        """Save a checkpoint between two updates.

        Args:
            extra: Further state of the run as JSON values.
            arrays: Further state of the run as arrays.
            wait: Return only once the checkpoint is written; otherwise a thread writes it.

        Returns:
            Whether the checkpoint was begun or, with `wait`, completed; `save_error` has the reason of a failure. False
            for a learner without checkpoints, or with a state that is not finite (see `problem`).
        """
        if self.checkpointer is None or self.problem:
            return False
        try:
            return self.checkpointer.save(extra, arrays, wait)
        except ValueError as error:
            self.problem = str(error)
            return False

    def restore(self) -> tuple[dict[str, Any], Arrays] | None:
        """Restore the newest complete checkpoint.

        Returns:
            `extra` and `arrays` as saved, or None if there is no checkpoint.

        Raises:
            ValueError: The checkpoint belongs to another network, image size or robot.
        """
        return self.checkpointer.restore() if self.checkpointer else None

    def close(self) -> None:
        """Stop the threads; a checkpoint that is being written is completed."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self.checkpointer is not None:
            self.checkpointer.wait()
