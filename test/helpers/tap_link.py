"""A link with delay, loss and cuts between two TAP devices: `python tap_link.py ARM GPU --delay 0.02 --loss 0.01`.

It creates the devices ARM and GPU, prints `ready` and forwards frames until its standard input ends. Lines of the
standard input control it: `cut` drops all frames, `join` ends that.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_LARGEST_FRAME = 65536  # bytes
_QUEUE = 20_000  # frames on their way in one direction, beyond which they are dropped
_BURST = 256  # frames that are read before others are delivered


class Way:
    """One direction of the link."""

    def __init__(self, source: int, sink: int, delay: float, loss: float, seed: int) -> None:
        self.source, self._sink = source, sink
        self._delay, self._loss, self._random = delay, loss, random.Random(seed)
        self._frames: deque[tuple[float, bytes]] = deque()

    @property
    def due(self) -> float:
        """When the next frame arrives; infinite if none is on its way."""
        return self._frames[0][0] if self._frames else float("inf")

    def take(self, cut: bool) -> None:
        """Read what was sent."""
        for _ in range(_BURST):
            try:
                frame = os.read(self.source, _LARGEST_FRAME)
            except BlockingIOError:
                return
            if not cut and len(self._frames) < _QUEUE and self._random.random() >= self._loss:
                self._frames.append((time.monotonic() + self._delay, frame))

    def deliver(self, now: float, cut: bool) -> None:
        """Write what has arrived."""
        while self._frames and self._frames[0][0] <= now:
            frame = self._frames.popleft()[1]
            if cut:
                continue
            try:
                os.write(self._sink, frame)
            except OSError:  # its queue is full, or the device is down
                continue


def open_tap(name: str) -> int:
    """Create a TAP device and return its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor


def main() -> None:
    """Forward frames until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", nargs=2)
    parser.add_argument("--delay", type=float, default=0.0, help="of each frame, one way [s]")
    parser.add_argument("--loss", type=float, default=0.0, help="fraction of frames that are lost")
    arguments = parser.parse_args()
    one, other = (open_tap(name) for name in arguments.devices)
    ways = [
        Way(one, other, arguments.delay, arguments.loss, 1),
        Way(other, one, arguments.delay, arguments.loss, 2),
    ]
    poll = select.poll()
    for descriptor in (one, other, sys.stdin.fileno()):
        poll.register(descriptor, select.POLLIN)
    print("ready", flush=True)
    cut = False
    while True:
        wait = min(way.due for way in ways) - time.monotonic()
        ready = {descriptor for descriptor, _ in poll.poll(None if wait == float("inf") else max(0.0, 1e3 * wait))}
        if sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if not line:
                return
            cut = line.strip() == "cut"
        for way in ways:
            if way.source in ready:
                way.take(cut)
            way.deliver(time.monotonic(), cut)


if __name__ == "__main__":
    main()
