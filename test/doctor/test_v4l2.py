"""The modes of a video device, as the kernel lists them."""

from __future__ import annotations

import errno
import struct

import pytest

from franka_reacher_rl.doctor import v4l2

MJPG, YUYV = (int.from_bytes(name, "little") for name in (b"MJPG", b"YUYV"))
SIZES = {MJPG: [(1280, 720), (640, 360)], YUYV: [(640, 360)]}
RATES = {(MJPG, 1280): [(1, 60), (1, 30)], (MJPG, 640): [(1001, 30000)], (YUYV, 640): []}


class Kernel:
    """Answers the requests of V4L2 for a device."""

    def __init__(self, capabilities: int = 0x04200001, stepwise: bool = False) -> None:
        self._capabilities, self._stepwise = capabilities, stepwise

    def __call__(self, descriptor: int, request: int, data: bytearray) -> int:
        size = (request >> 16) & 0x3FFF
        assert len(data) == size, "the kernel copies as many bytes as the request says"
        if request & 0xFF == 0:
            struct.pack_into("<I", data, 88, self._capabilities)
            return 0
        index, code, width = struct.unpack_from("<III", data)
        entries = {2: list(SIZES), 74: SIZES.get(code, []), 75: RATES.get((code, width), [])}[request & 0xFF]
        if index >= len(entries):
            raise OSError(errno.EINVAL, "Invalid argument")
        if request & 0xFF == 2:
            struct.pack_into("<I", data, 44, entries[index])
        elif request & 0xFF == 74:
            struct.pack_into("<III", data, 8, 2 if self._stepwise else 1, *entries[index])
        else:
            struct.pack_into("<III", data, 16, 1, *entries[index])
        return 0


def test_sizes_and_rates_of_each_format() -> None:
    assert v4l2.modes("/dev/null", Kernel()) == ["MJPG 1280x720 at 60, 30 Hz", "MJPG 640x360 at 30 Hz", "YUYV 640x360"]


def test_a_device_with_any_size() -> None:
    assert v4l2.modes("/dev/null", Kernel(stepwise=True)) == ["MJPG of any size", "YUYV of any size"]


def test_a_device_for_metadata_is_no_camera() -> None:
    assert v4l2.modes("/dev/null", Kernel(capabilities=0x04A00000)) is None


def test_a_file_that_is_no_device() -> None:
    with pytest.raises(OSError):
        v4l2.modes("/dev/null")
    with pytest.raises(FileNotFoundError):
        v4l2.modes("/dev/video99")
