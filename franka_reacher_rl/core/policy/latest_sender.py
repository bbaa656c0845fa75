"""Sends the newest of a stream of values, at a capped rate, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LatestSender(Generic[Value]):
    """Sends the newest value to its listeners; values that were replaced meanwhile are never sent.

    Each value is sent once, and the newest one again when a listener joins. Nothing is sent without listeners.
    """

    def __init__(self, send: Callable[[Value], None], period: float) -> None:
        """Start the thread.

        Args:
            send: Sends a value; called from the thread. Its duration delays no one else.
            period: Least time between the beginnings of two calls, s. A listener that joins does not wait for it.
        """
        self._send, self._period = send, period
        self._changed = threading.Condition()
        self._value: Value | None = None
        self._due = self._joined = self._closing = False
        self._listeners = 0
        self._began = -period  # of the last call, since `_origin`
        self._origin = time.monotonic()
        self.failure = ""  # error of the last call; empty if it succeeded
        self._thread = threading.Thread(target=self._run, name="latest_sender", daemon=True)
        self._thread.start()

    def offer(self, value: Value) -> None:
        """Hand over a new value, which replaces the one before."""
        with self._changed:
            self._value, self._due = value, True
            self._changed.notify()

    def listeners(self, count: int) -> None:
        """Take note of the number of listeners."""
        with self._changed:
            self._joined = self._joined or count > self._listeners
            self._listeners = count
            self._changed.notify()

    def close(self) -> None:
        """End the thread, after a call that is under way."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                left = self._began + self._period - (time.monotonic() - self._origin)
                if left > 0.0:
                    self._changed.wait_for(lambda: self._closing or self._joined, left)
                if self._closing:
                    return
                if not self._has_work():  # the listeners left meanwhile
                    continue
                self._due = self._joined = False
                self._began = time.monotonic() - self._origin
                value = self._value
            assert value is not None
            try:
                self._send(value)
                self.failure = ""
            except Exception as error:  # the next value may be sent again
                self.failure = f"{type(error).__name__}: {error}"

    def _has_work(self) -> bool:
        ready = self._value is not None and self._listeners > 0
        return self._closing or (ready and (self._due or self._joined))
