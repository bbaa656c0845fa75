"""Replay that stores each frame once and rebuilds stacks when it samples.

Rows are numbered from 0 as they come; row n lies in slot n % capacity. A row holds an observation and the action that
led to it, so the transition of row n is (observation n-1, action, reward, observation n), where row n-1 is the step
before it in the same episode.

One thread writes, others sample and save: they copy without holding the lock (the writer must not wait for tens of
milliseconds), then look whether the writer has meanwhile begun to reuse a slot they read. A sampler draws those rows
again, a checkpoint leaves them out.
"""

from __future__ import annotations

import json
import mmap
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Batch, StepId, Transition
from franka_reacher_rl.core.replay.buffers import BufferPool
from franka_reacher_rl.core.replay.row_format import check, row_type

Indices = npt.NDArray[np.int64]

_CAP = np.iinfo(np.uint16).max


class Replay:
    """A ring of rows. Memory is taken as it fills."""

    def __init__(
        self,
        capacity: int,
        height: int,
        width: int,
        frames: int,
        proprioception: int,
        dof: int,
        seed: int,
        pinned: bool = False,
    ) -> None:
        """Makes an empty replay.

        Args:
            capacity: Rows kept: one a step and one more an episode.
            height: Of a frame.
            width: Of a frame.
            frames: In a stack.
            proprioception: Values of it.
            dof: Values of an action.
            seed: Of the sampling.
            pinned: Batches lie in page-locked memory, from which CUDA copies faster.

        Raises:
            ValueError: The capacity holds no transition with its stack.
        """
        if capacity < frames + 2:
            raise ValueError(f"a replay of {capacity} rows holds no transition: take at least {frames + 2}")
        self.capacity, self.frames = capacity, frames
        self.row_type = row_type(height, width, proprioception, dof)
        # an anonymous map: pages come into being when they are first written
        self._memory = mmap.mmap(-1, capacity * self.row_type.itemsize)
        self._rows: npt.NDArray[np.void] = np.frombuffer(self._memory, self.row_type)
        self._run = np.zeros(capacity, np.uint16)  # consecutive rows before a row in its episode
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._floor = 0  # rows before it are not held: a resumed replay may begin later
        self._begun = 0  # rows begun: those before begun - capacity are gone
        self._total = 0  # rows complete
        self._steps = 0
        self._newest = StepId(0, 0)
        self._buffers = BufferPool(pinned)

    @property
    def total(self) -> int:
        """Rows ever added."""
        return self._total

    @property
    def steps(self) -> int:
        """Complete transitions ever added."""
        return self._steps

    @property
    def newest(self) -> StepId:
        """The step of the newest row."""
        return self._newest

    def __len__(self) -> int:
        """Rows held."""
        return self._total - self.oldest

    def add(self, transition: Transition) -> None:
        """Stores one row.

        Raises:
            ValueError: A shape or type is wrong, a value is not finite, or the action is out of [-1, 1]; nothing is
                stored.
        """
        check(transition, self.row_type)
        observation = transition.observation
        planes = np.ascontiguousarray(observation.frame.transpose(2, 0, 1))  # outside the lock: it takes longest
        with self._lock:
            n = self._total
            self._begun = n + 1
            slot = n % self.capacity
            run = self._run_of(transition, n)
            row = self._rows[slot]
            row["frame"] = planes
            row["proprioception"] = observation.proprioception
            row["action"] = transition.action
            row["reward"] = observation.reward
            row["episode"], row["step"] = observation.id.episode, observation.id.step
            row["first"], row["terminated"], row["truncated"] = (
                observation.first,
                observation.terminated,
                observation.truncated,
            )
            row["policy_version"] = transition.policy_version
            self._run[slot] = run
            self._newest = observation.id
            self._steps += run > 0
            self._total = n + 1

    def sample(self, n: int) -> Batch:
        """Draws transitions evenly, with replacement.

        The batch's images share memory: `image` and `next_image` overlap in the frames that they have in common. The
        memory is used again once nothing refers to the batch's images any more.

        Args:
            n: How many.

        Raises:
            ValueError: There is no transition yet.
        """
        stacks = self._buffers.take(
            (n, self.frames + 1, *self.row_type["frame"].shape)
        )  # (batch, frames + 1, 3, height, width), newest first
        frames = self._rows["frame"]

        def copy(wanted: Indices, slots: Indices) -> None:
            for i, stack in zip(wanted.tolist(), slots.tolist(), strict=True):
                for j, slot in enumerate(stack):
                    stacks[i, j] = frames[slot]

        flat = stacks.reshape(n, -1, *stacks.shape[3:])  # (batch, 3 * (frames + 1), height, width)
        return self.gather(n, copy, flat[:, 3:], flat[:, :-3])

    def gather(self, n: int, copy: Callable[[Indices, Indices], None], image: Any, next_image: Any) -> Batch:
        """Draws n transitions, and has `copy` copy the frames of those at `wanted` from the slots of their stacks.

        Args:
            n: How many.
            copy: Called with positions in the batch (k,) and slots (k, frames + 1), newest first.
            image: Becomes the batch's images.
            next_image: Becomes the batch's next images.
        """
        previous, rows = np.empty(n, self._scalars), np.empty(n, self._scalars)
        index = np.full(n, -1, np.int64)
        while len(wanted := np.flatnonzero(index < 0)):
            drawn = self._draw(len(wanted))
            copy(wanted, self._stack_slots(drawn))
            previous[wanted] = self._scalars_of(drawn - 1)
            rows[wanted] = self._scalars_of(drawn)
            # rows whose slots the writer began to reuse while they were copied are torn: draw those again
            gone = self._begun - self.capacity
            index[wanted] = np.where((gone <= 0) | (drawn - self.frames >= gone), drawn, -1)
        return Batch(
            image=image,
            next_image=next_image,
            proprioception=previous["proprioception"].copy(),
            next_proprioception=rows["proprioception"].copy(),
            action=rows["action"].copy(),
            reward=rows["reward"].copy(),
            terminated=rows["terminated"].astype(np.float32),
            index=index,
        )

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """The counters and the random generator; the rows up to `total` belong to it."""
        with self._lock:
            counters = [self._total, self._steps, self._newest.episode, self._newest.step]
        generator = json.dumps(self._random.bit_generator.state).encode()
        return {"counters": np.array(counters, np.int64), "random": np.frombuffer(generator, np.uint8).copy()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]], floor: int) -> None:
        """Takes up a saved state, whose rows from `floor` on are in their slots (`slots`)."""
        total, steps, episode, step = (int(v) for v in state["counters"])
        with self._lock:
            self._floor, self._begun, self._total, self._steps = floor, total, total, steps
            self._newest = StepId(episode, step)
            self._random.bit_generator.state = json.loads(bytes(state["random"].astype(np.uint8)).decode())
            self._rebuild_runs()

    @property
    def oldest(self) -> int:
        """The oldest row held; asked after copying rows, it tells which of them are whole."""
        return max(self._floor, self._begun - self.capacity)

    def slots(self, begin: int, end: int) -> list[npt.NDArray[np.void]]:
        """Views of the slots of rows begin to end, in order: two where the ring wraps."""
        first, count = begin % self.capacity, end - begin
        assert 0 <= count <= self.capacity
        parts = [self._rows[first : first + count], self._rows[: max(0, first + count - self.capacity)]]
        return [part for part in parts if len(part)]

    def _draw(self, n: int) -> Indices:
        """Row numbers of n transitions whose stacks are all held."""
        # where older rows are gone, so are frames of the oldest stacks: leave those out
        low = self.oldest + self.frames if self.oldest else 1
        high = self._total
        drawn: Indices = np.empty(0, np.int64)
        for _ in range(64):
            if high <= low:
                break
            more = self._random.integers(low, high, n)
            drawn = np.concatenate([drawn, more[self._run[more % self.capacity] > 0]])
            if len(drawn) >= n:
                return drawn[:n]
        # hardly any row is a transition: look at each
        every = np.arange(low, max(low, high))
        every = every[self._run[every % self.capacity] > 0]
        if not len(every):
            raise ValueError(f"no transition to sample among {len(self)} rows: add two consecutive steps first")
        chosen: Indices = self._random.choice(every, n)
        return chosen

    def _stack_slots(self, rows: Indices) -> Indices:
        """Slots of frames k, k-1, ... of each row, (rows, frames + 1); a run's first frame stands for those before."""
        run = self._run[rows % self.capacity].astype(np.int64)
        back = np.minimum(np.arange(self.frames + 1), run[:, None])
        return (rows[:, None] - back) % self.capacity

    def _rebuild_runs(self) -> None:
        """The run of every row held, from the rows themselves."""
        numbers = np.arange(self.oldest, self._total)
        slots = numbers % self.capacity
        fields = {name: self._rows[name][slots] for name in ("episode", "step", "first", "terminated", "truncated")}
        follows = np.zeros(len(numbers), bool)
        follows[1:] = (
            (fields["episode"][1:] == fields["episode"][:-1])
            & (fields["step"][1:] == fields["step"][:-1] + 1)
            & ~(fields["first"][1:] | fields["terminated"][:-1] | fields["truncated"][:-1])
        )
        starts = np.maximum.accumulate(np.where(follows, 0, numbers)) if len(numbers) else numbers
        self._run[slots] = np.minimum(numbers - starts, _CAP)

    def _scalars_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        chosen = np.empty(len(rows), self._scalars)
        slots = rows % self.capacity
        for name in self._scalars.names or ():
            chosen[name] = self._rows[name][slots]
        return chosen

    @property
    def _scalars(self) -> np.dtype[np.void]:
        names = ("proprioception", "action", "reward", "terminated")
        return np.dtype([(name, self.row_type[name]) for name in names])

    def _run_of(self, transition: Transition, n: int) -> int:
        """How many rows before row n continue into it."""
        observation = transition.observation
        if n == 0 or observation.first:
            return 0
        slot = (n - 1) % self.capacity
        before = self._rows[slot]
        ended = before["terminated"] or before["truncated"]
        same = before["episode"] == observation.id.episode and before["step"] + 1 == observation.id.step
        return min(int(self._run[slot]) + 1, _CAP) if same and not ended else 0
