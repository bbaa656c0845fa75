"""A replay buffer that stores each frame once and rebuilds the stacks when it samples.

Rows are numbered from 0 in the order of arrival; row n is stored in slot n % capacity. A row holds an observation and
the action that led to it. The transition of row n is therefore (observation n-1, action, reward, observation n), where
row n-1 is the preceding step of the same episode.

One thread writes while others sample and save. Readers copy without holding the lock, because the writer must not wait
for tens of milliseconds. Afterwards they check whether the writer has begun to reuse a slot that they read: a sampler
draws such rows again, a checkpoint omits them.
"""

from __future__ import annotations

import json
import mmap
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import StepId, Transition
from franka_reacher_rl.core.base.seeding import spawn
from franka_reacher_rl.core.replay.batch import Batch
from franka_reacher_rl.core.replay.buffers import BufferPool
from franka_reacher_rl.core.replay.row_format import check, row_type

Indices = npt.NDArray[np.int64]

_CAP = np.iinfo(np.uint16).max


class Replay:
    """A ring buffer of rows, whose memory is allocated as it fills."""

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
        """Create an empty replay.

        Args:
            capacity: Number of rows kept: one per step and one more per episode.
            height: Frame height in pixels.
            width: Frame width in pixels.
            frames: Number of frames in a stack.
            proprioception: Number of proprioceptive values.
            dof: Number of action values.
            seed: Seed of the run, from which the stream `sampling` is derived.
            pinned: Whether batches are in page-locked memory, from which CUDA copies faster.

        Raises:
            ValueError: The capacity is too small for a transition with its stack.
        """
        if capacity < frames + 2:
            raise ValueError(f"capacity = {capacity} is too small for a transition: use at least {frames + 2} rows")
        self.capacity, self.frames = capacity, frames
        self.row_type = row_type(height, width, proprioception, dof)
        # an anonymous map: the system allocates a page when it is first written
        self._memory = mmap.mmap(-1, capacity * self.row_type.itemsize)
        self._rows: npt.NDArray[np.void] = np.frombuffer(self._memory, self.row_type)
        self._run = np.zeros(capacity, np.uint16)  # per slot: consecutive rows of the episode before the row
        self._random = np.random.default_rng(spawn(seed, "sampling"))
        self._lock = threading.Lock()
        self._floor = 0  # earlier rows are not held: a restored replay may begin later
        self._begun = 0  # rows whose writing has begun: those before begun - capacity are gone
        self._total = 0  # rows complete
        self._steps = 0
        self._newest = StepId(0, 0)
        self._buffers = BufferPool(pinned)
        self._can_sample = False

    @property
    def total(self) -> int:
        """Number of rows added so far, including overwritten ones."""
        return self._total

    @property
    def steps(self) -> int:
        """Number of complete transitions added so far, including overwritten ones."""
        return self._steps

    @property
    def newest(self) -> StepId:
        """Step of the newest row."""
        return self._newest

    @property
    def can_sample(self) -> bool:
        """Whether a transition has been held, with its stack, since the replay was created or restored."""
        if not self._can_sample:
            self._can_sample = len(self._transitions()) > 0
        return self._can_sample

    def __len__(self) -> int:
        """Return the number of rows held."""
        return self._total - self.oldest

    def add(self, transition: Transition) -> None:
        """Store one row.

        Raises:
            ValueError: A shape or type is wrong, a value is not finite, or the action is outside [-1, 1]. Nothing is
                stored.
        """
        check(transition, self.row_type)
        observation = transition.observation
        planes = np.ascontiguousarray(observation.frame.transpose(2, 0, 1))  # outside the lock: this takes longest
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
        """Draw n transitions uniformly, with replacement.

        The memory of the batch's frames is reused once no view of them is left.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        stacks = self._buffers.take((n, self.frames + 1, *self.row_type["frame"].shape))
        frames = self._rows["frame"]

        def copy(wanted: Indices, slots: Indices) -> None:
            for i, stack in zip(wanted.tolist(), slots.tolist(), strict=True):
                for j, slot in enumerate(stack):
                    stacks[i, j] = frames[slot]

        return self.gather(n, copy, stacks)

    def gather(self, n: int, copy: Callable[[Indices, Indices], None], frames: Any) -> Batch:
        """Draw n transitions, copying their frames with a function of the caller.

        Args:
            n: Number of transitions.
            copy: Called with positions in the batch (k,) and the slots of their frames (k, stack + 1), newest first.
            frames: What `copy` writes to; becomes the batch's frames.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        previous, rows = np.empty(n, self._scalars), np.empty(n, self._scalars)
        index = np.full(n, -1, np.int64)
        while len(wanted := np.flatnonzero(index < 0)):
            drawn = self._draw(len(wanted))
            copy(wanted, self._stack_slots(drawn))
            previous[wanted] = self._scalars_of(drawn - 1)
            rows[wanted] = self._scalars_of(drawn)
            # rows whose slots the writer began to reuse meanwhile are torn: draw them again
            gone = self._begun - self.capacity
            index[wanted] = np.where((gone <= 0) | (drawn - self.frames >= gone), drawn, -1)
        return Batch(
            frames=frames,
            proprioception=previous["proprioception"].copy(),
            next_proprioception=rows["proprioception"].copy(),
            action=rows["action"].copy(),
            reward=rows["reward"].copy(),
            terminated=rows["terminated"].astype(np.float32),
            index=index,
        )

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the counters and the state of the random generator, which belong to the rows up to `total`."""
        with self._lock:
            counters = [self._total, self._steps, self._newest.episode, self._newest.step]
        generator = json.dumps(self._random.bit_generator.state).encode()
        return {"counters": np.array(counters, np.int64), "random": np.frombuffer(generator, np.uint8).copy()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]], floor: int) -> None:
        """Restore a saved state whose rows from `floor` on have been written to their `slots`."""
        total, steps, episode, step = (int(v) for v in state["counters"])
        with self._lock:
            self._floor, self._begun, self._total, self._steps = floor, total, total, steps
            self._newest = StepId(episode, step)
            self._random.bit_generator.state = json.loads(bytes(state["random"].astype(np.uint8)).decode())
            self._rebuild_runs()
            self._can_sample = False

    def begin_run(self, steps: int) -> None:
        """Begin a run with the rows of an earlier one.

        Args:
            steps: What they count as, so that the warm-up is over and no update is due for them.
        """
        with self._lock:
            self._steps, self._newest = steps, StepId(0, 0)

    @property
    def oldest(self) -> int:
        """Number of the oldest row held; read after copying rows, it shows which of the copies are whole."""
        return max(self._floor, self._begun - self.capacity)

    def slots(self, begin: int, end: int) -> list[npt.NDArray[np.void]]:
        """Return views of the slots of rows begin to end, in order: two views where the ring wraps around."""
        first, count = begin % self.capacity, end - begin
        assert 0 <= count <= self.capacity
        parts = [self._rows[first : first + count], self._rows[: max(0, first + count - self.capacity)]]
        return [part for part in parts if len(part)]

    def _draw(self, n: int) -> Indices:
        """Draw the row numbers of n transitions whose stacks are held completely."""
        low, high = self._first_with_stack(), self._total
        drawn: Indices = np.empty(0, np.int64)
        for _ in range(64):
            if high <= low:
                break
            more = self._random.integers(low, high, n)
            drawn = np.concatenate([drawn, more[self._run[more % self.capacity] > 0]])
            if len(drawn) >= n:
                return drawn[:n]
        # hardly any row is a transition: search all of them
        every = self._transitions()
        if not len(every):
            raise ValueError(f"no transition to sample in {len(self)} rows: add two consecutive steps first")
        chosen: Indices = self._random.choice(every, n)
        return chosen

    def _first_with_stack(self) -> int:
        """Return the first row whose stack is held: once rows have been overwritten, the oldest stacks miss frames."""
        return self.oldest + self.frames if self.oldest else 1

    def _transitions(self) -> Indices:
        """Return the numbers of all rows that are transitions whose stacks are held."""
        rows = np.arange(self._first_with_stack(), max(self._first_with_stack(), self._total))
        return rows[self._run[rows % self.capacity] > 0]

    def _stack_slots(self, rows: Indices) -> Indices:
        """Return the slots of each row's frames, (rows, frames + 1), newest first.

        Where an episode has too few frames, its first one is repeated.
        """
        run = self._run[rows % self.capacity].astype(np.int64)
        back = np.minimum(np.arange(self.frames + 1), run[:, None])
        return (rows[:, None] - back) % self.capacity

    def _rebuild_runs(self) -> None:
        """Compute the run of every row held from the rows themselves."""
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
        """Return how many consecutive rows of the same episode precede row n."""
        observation = transition.observation
        if n == 0 or observation.first:
            return 0
        slot = (n - 1) % self.capacity
        before = self._rows[slot]
        ended = before["terminated"] or before["truncated"]
        same = before["episode"] == observation.id.episode and before["step"] + 1 == observation.id.step
        return min(int(self._run[slot]) + 1, _CAP) if same and not ended else 0
