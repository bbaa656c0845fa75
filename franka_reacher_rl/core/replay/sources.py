"""Where batches come from: sampled in time, one ahead on another thread, or gathered on the device."""

from __future__ import annotations

import queue
import threading

import torch

from franka_reacher_rl.core.base.datatypes import Batch
from franka_reacher_rl.core.base.settings import LearnerSettings
from franka_reacher_rl.core.replay.device_batch import DeviceBatch, to_device
from franka_reacher_rl.core.replay.device_replay import DeviceReplay
from franka_reacher_rl.core.replay.replay import Replay


class Prefetcher:
    """One batch ahead, on a thread of its own; on CUDA the transfer is done there too.

    The batch was drawn before the newest steps came. Where every draw must be repeatable, sample without it.
    """

    def __init__(self, replay: Replay, batch_size: int, device: torch.device) -> None:
        """Starts the thread; it samples nothing before the first `next`."""
        self._replay, self._batch_size, self._device = replay, batch_size, device
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[DeviceBatch | BaseException] = queue.SimpleQueue()
        self._asked = False
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> DeviceBatch:
        """The batch drawn meanwhile; has the next one drawn.

        Raises:
            ValueError: There is no transition yet.
        """
        if not self._asked:
            self._wanted.put(True)
        self._wanted.put(True)
        self._asked = True
        batch = self._ready.get()
        if isinstance(batch, BaseException):
            self._ready.get()  # of the second request
            self._asked = False
            raise batch
        if self._device.type == "cuda":
            for tensor in batch.tensors():  # made on the other stream, used on this one
                tensor.record_stream(torch.cuda.current_stream(self._device))
        return batch

    def close(self) -> None:
        """Ends the thread."""
        self._wanted.put(False)
        self._thread.join()

    def _run(self) -> None:
        cuda = self._device.type == "cuda"
        stream = torch.cuda.Stream(self._device) if cuda else None  # type: ignore[no-untyped-call]
        while self._wanted.get():
            try:
                self._ready.put(self._sample(stream))
            except BaseException as error:  # raised where the batch is asked for
                self._ready.put(error)

    def _sample(self, stream: torch.cuda.Stream | None) -> DeviceBatch:
        batch = self._replay.sample(self._batch_size)
        if stream is None:
            return to_device(batch, self._device)
        with torch.cuda.stream(stream):
            placed = to_device(batch, self._device)
        stream.synchronize()  # before the batch's memory is used again
        return placed


class Source:
    """Where an updating learner takes its batches from, as its settings say."""

    def __init__(self, replay: Replay, settings: LearnerSettings, device: torch.device) -> None:
        """Starts what is needed; call it on the thread that updates, whose priority a prefetching thread inherits.

        Raises:
            torch.OutOfMemoryError: The replay is to be on the device, which has no room for it.
        """
        self._batch_size, self._replay = settings.batch_size, replay
        self._on_device = DeviceReplay(replay, device) if settings.replay_on_device else None
        prefetch = settings.prefetch and not settings.replay_on_device
        self._prefetcher = Prefetcher(replay, settings.batch_size, device) if prefetch else None

    def next(self) -> Batch | DeviceBatch:
        """A batch for `SAC.update`.

        Raises:
            ValueError: There is no transition yet.
        """
        if self._on_device is not None:
            return self._on_device.sample(self._batch_size)
        return self._prefetcher.next() if self._prefetcher else self._replay.sample(self._batch_size)

    def close(self) -> None:
        """Ends what was started."""
        if self._prefetcher is not None:
            self._prefetcher.close()
