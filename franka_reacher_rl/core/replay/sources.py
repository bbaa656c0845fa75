"""Batch sources: sampling on demand, prefetching on another thread, or gathering on the device."""

from __future__ import annotations

import queue
import threading

import torch

from franka_reacher_rl.core.base.settings import LearnerSettings
from franka_reacher_rl.core.replay.batch import Batch, DeviceBatch, to_device
from franka_reacher_rl.core.replay.device_replay import DeviceReplay
from franka_reacher_rl.core.replay.replay import Replay


class Prefetcher:
    """Samples one batch ahead on its own thread; on CUDA this thread also transfers it.

    A batch is drawn before the newest steps are stored, so the draws depend on timing. Sample on demand where they must
    be reproducible.
    """

    def __init__(self, replay: Replay, batch_size: int, device: torch.device) -> None:
        """Start the thread; it samples nothing before the first call of `next`."""
        self._replay, self._batch_size, self._device = replay, batch_size, device
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[DeviceBatch | BaseException] = queue.SimpleQueue()
        self._requested = False
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> DeviceBatch:
        """Return the prefetched batch and request the next one.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        if not self._requested:
            self._wanted.put(True)
        self._wanted.put(True)
        self._requested = True
        batch = self._ready.get()
        if isinstance(batch, BaseException):
            self._ready.get()  # the answer to the second request
            self._requested = False
            raise batch
        if self._device.type == "cuda":
            for tensor in batch.tensors().values():  # allocated on the other stream, used on this one
                tensor.record_stream(torch.cuda.current_stream(self._device))
        return batch

    def close(self) -> None:
        """Stop the thread."""
        self._wanted.put(False)
        self._thread.join()

    def _run(self) -> None:
        cuda = self._device.type == "cuda"
        stream = torch.cuda.Stream(self._device) if cuda else None  # type: ignore[no-untyped-call]
        while self._wanted.get():
            try:
                self._ready.put(self._sample(stream))
            except BaseException as error:  # raised by `next`
                self._ready.put(error)

    def _sample(self, stream: torch.cuda.Stream | None) -> DeviceBatch:
        batch = self._replay.sample(self._batch_size)
        if stream is None:
            return to_device(batch, self._device)
        with torch.cuda.stream(stream):
            placed = to_device(batch, self._device)
        stream.synchronize()  # the batch's host memory is reused afterwards
        return placed


class Source:
    """The source of a learner's batches that its settings select."""

    def __init__(self, replay: Replay, settings: LearnerSettings, device: torch.device) -> None:
        """Start the source on the thread that updates: a prefetching thread inherits that thread's priority.

        Raises:
            torch.OutOfMemoryError: The replay does not fit in the device's memory (`replay_on_device`).
        """
        self._batch_size, self._replay = settings.batch_size, replay
        self._on_device = DeviceReplay(replay, device) if settings.replay_on_device else None
        prefetch = settings.prefetch and not settings.replay_on_device
        self._prefetcher = Prefetcher(replay, settings.batch_size, device) if prefetch else None

    def next(self) -> Batch | DeviceBatch:
        """Return a batch for `SAC.update`.

        Raises:
            ValueError: The replay holds no transition yet.
        """
        if self._on_device is not None:
            return self._on_device.sample(self._batch_size)
        return self._prefetcher.next() if self._prefetcher else self._replay.sample(self._batch_size)

    def close(self) -> None:
        """Stop the prefetching thread, if there is one."""
        if self._prefetcher is not None:
            self._prefetcher.close()
