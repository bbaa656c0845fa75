"""Sends spooled messages in order: at most a window beyond the last receipt, again from there without progress.

Pure: time is handed in, and the caller sends. Nothing is sent before the first receipt, because only the receiver knows
where to begin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from franka_reacher_rl.core.link.receiver import MOST_NUMBER
from franka_reacher_rl.core.link.spool import Spool

_FIRST_TIMEOUT = 1.0  # s without progress before the messages since the last receipt are sent again
_LONGEST_TIMEOUT = 8.0  # s


@dataclass(frozen=True)
class Window:
    """How much may be on its way at once."""

    messages: int = 64
    bytes: int = 4 << 20  # a single larger message is sent all the same


@dataclass(frozen=True)
class Message:
    """A message to send."""

    number: int
    data: bytes


@dataclass(frozen=True)
class Gap:
    """Numbers whose messages do not exist any more, sent in their place."""

    first: int
    last: int


class Sender:
    """Sends the messages of a spool to one receiver.

    Attributes:
        received: Number of the last message that was received, with all before it; None before the first receipt.
        lost: Messages that were removed or damaged before they were received.
        dropped: Messages that could not be stored.
        failure: Why the last message could not be stored; empty if it was.
    """

    def __init__(self, spool: Spool, window: Window | None = None) -> None:
        self._spool, self._window = spool, window or Window()
        self.received: int | None = None
        self.lost = self.dropped = 0
        self.failure = ""
        self._next = 1  # number of the message to send next
        self._on_way: deque[tuple[int, int]] = deque()  # number and bytes of what was sent and not received
        self._progress = 0.0  # when a receipt last showed progress, or sending began
        self._timeout = _FIRST_TIMEOUT
        self._lost_until = 0

    @property
    def pending(self) -> int:
        """Number of messages that were not received yet."""
        received = self._spool.oldest - 1 if self.received is None else self.received
        return self._spool.next - 1 - received

    def on_message(self, data: bytes) -> None:
        """Store a message. One that cannot be stored is counted in `dropped`."""
        try:
            self._spool.append(data)
            self.failure = ""
        except (OSError, ValueError) as error:
            self.dropped += 1
            self.failure = str(error)

    def on_receipt(self, now: float, number: int) -> None:
        """Take a receipt.

        A lower number than before is that of a receiver that started anew from older state: everything since then is
        sent again.

        Args:
            now: Steady time, s.
            number: Of the last message received, with all before it.

        Raises:
            ValueError: No spool can have numbered so many.
        """
        if number > MOST_NUMBER:
            raise ValueError(f"number = {number} is not allowed: at most {MOST_NUMBER}")
        if self.received is None or number >= self._spool.next:
            self._spool.continue_from(number + 1)
        self._spool.settle()
        if self.received is None or number < self.received:
            self._rewind(number)
            self._timeout = _FIRST_TIMEOUT
        elif number > self.received:
            self._progress, self._timeout = now, _FIRST_TIMEOUT
        self.received = number
        self._next = max(self._next, number + 1)
        while self._on_way and self._on_way[0][0] <= number:
            self._on_way.popleft()

    def due(self, now: float) -> Iterator[Message | Gap]:
        """Return what to send now, in order.

        Args:
            now: Steady time, s.

        Raises:
            OSError: The spool cannot be read.
        """
        if self.received is None:
            return
        if self._on_way and now - self._progress >= self._timeout:
            self._rewind(self.received)
            self._timeout = min(2.0 * self._timeout, _LONGEST_TIMEOUT)
        while self._next < self._spool.next and self._has_room():
            found = self._spool.read(self._next)
            number = found[0] if found else self._spool.next
            if number > self._next:
                if self._next != self.received + 1:  # a gap is only understood as the next thing expected
                    return
                yield self._gap(now, number)
            if found:
                self._sent(now, number, len(found[1]))
                yield Message(number, found[1])

    def silence(self, now: float) -> float:
        """Return for how long messages have been on their way without a receipt, s; 0 if none are."""
        return now - self._progress if self._on_way else 0.0

    def _has_room(self) -> bool:
        if not self._on_way:
            return True
        return len(self._on_way) < self._window.messages and sum(n for _, n in self._on_way) < self._window.bytes

    def _gap(self, now: float, end: int) -> Gap:
        gap = Gap(self._next, end - 1)
        self.lost += max(0, gap.last - max(gap.first - 1, self._lost_until))
        self._lost_until = max(self._lost_until, gap.last)
        self._sent(now, gap.last, 0)
        return gap

    def _sent(self, now: float, number: int, size: int) -> None:
        if not self._on_way:
            self._progress = now
        self._on_way.append((number, size))
        self._next = number + 1

    def _rewind(self, received: int) -> None:
        self._on_way.clear()
        self._next = received + 1
