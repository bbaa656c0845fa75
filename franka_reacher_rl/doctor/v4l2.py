"""The kernel's description of a video device: whether it is a camera, and its modes (linux/videodev2.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator

Ioctl = Callable[[int, int, bytearray], int]

_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
_CAPTURE_DEVICE, _CAPTURE_BUFFER, _DISCRETE = 0x1, 1, 1
_DEVICE_CAPS, _FOURCC, _TYPE_OF_SIZE, _SIZE, _TYPE_OF_INTERVAL, _INTERVAL = 88, 44, 8, 12, 16, 20  # offsets, bytes
_MOST = 64  # of each list


def modes(device: str, ioctl: Ioctl = fcntl.ioctl) -> list[str] | None:
    """Return the modes of a camera, such as "MJPG 1280x720 at 60, 30 Hz"; None if the device is not a camera.

    A camera of the class "USB video" also has a device for its metadata, which is not a camera.

    Raises:
        OSError: The device cannot be opened or is no video device.
    """
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        capabilities = bytearray(104)
        ioctl(descriptor, _QUERYCAP, capabilities)
        if not _number(capabilities, _DEVICE_CAPS) & _CAPTURE_DEVICE:
            return None
        return [text for code in _formats(descriptor, ioctl) for text in _sizes(descriptor, ioctl, code)]
    finally:
        os.close(descriptor)


def _formats(descriptor: int, ioctl: Ioctl) -> Iterator[int]:
    for found in _listed(descriptor, ioctl, _ENUM_FMT, 64, lambda index: struct.pack("<II", index, _CAPTURE_BUFFER)):
        yield _number(found, _FOURCC)


def _sizes(descriptor: int, ioctl: Ioctl, code: int) -> Iterator[str]:
    name = code.to_bytes(4, "little").decode("ascii", "replace").strip()
    for found in _listed(descriptor, ioctl, _ENUM_FRAMESIZES, 44, lambda index: struct.pack("<II", index, code)):
        width, height = struct.unpack_from("<II", found, _SIZE)
        if _number(found, _TYPE_OF_SIZE) != _DISCRETE:
            yield f"{name} of any size"
            return
        rates = ", ".join(f"{rate:g}" for rate in _rates(descriptor, ioctl, code, width, height))
        yield f"{name} {width}x{height}" + (f" at {rates} Hz" if rates else "")


def _rates(descriptor: int, ioctl: Ioctl, code: int, width: int, height: int) -> Iterator[float]:
    def request(index: int) -> bytes:
        return struct.pack("<IIII", index, code, width, height)

    for found in _listed(descriptor, ioctl, _ENUM_FRAMEINTERVALS, 52, request):
        numerator, denominator = struct.unpack_from("<II", found, _INTERVAL)
        if _number(found, _TYPE_OF_INTERVAL) == _DISCRETE and numerator:
            yield round(denominator / numerator, 1)


def _listed(
    descriptor: int, ioctl: Ioctl, request: int, size: int, head: Callable[[int], bytes]
) -> Iterator[bytearray]:
    """Yield the entries of a list that the kernel gives one by one."""
    for index in range(_MOST):
        entry = bytearray(head(index).ljust(size, b"\0"))
        try:
            ioctl(descriptor, request, entry)
        except OSError:  # after the last one
            return
        yield entry


def _number(data: bytearray, offset: int) -> int:
    return int(struct.unpack_from("<I", data, offset)[0])
