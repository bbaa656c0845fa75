"""The camera and the robot: whether they answer, how fast, and in which versions."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from franka_reacher_rl.cameras.base import CameraLost, FrameSource
from franka_reacher_rl.cameras.device import DeviceCamera
from franka_reacher_rl.cameras.video_file import VideoCamera
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.doctor import v4l2
from franka_reacher_rl.doctor.finding import Finding, failure, ok, warning

_SECONDS = 2.0  # s of frames
_FPS = 60.0
_SLOW = 25.0  # frames/s, of the paper's action cycle
_SHOWN = 6  # modes
_CHOOSE = "list the devices with `ls /dev/video*`, and give one by --camera"
_LONGEST = 64  # bytes of a robot's answer
_PORT, _TIMEOUT = 1337, 3.0  # s; libfranka's port of a robot
_CONNECT, _ACCEPTED, _LIBRARY = 0, 0, 10  # libfranka's command and status, and the protocol version that is asked for
# Command, its number and the size of the message; version and UDP port; status and version. Packed, as in libfranka.
_HEADER, _REQUEST, _RESPONSE = struct.Struct("<III"), struct.Struct("<HH"), struct.Struct("<BH")
# Protocol version: the libfranka versions that speak it (Franka's compatibility matrix).
_PROTOCOLS = {5: "0.8 to 0.9", 9: "0.15 to 0.17", 10: "0.18 or newer"}


def cameras(given: str = "") -> Iterator[Finding]:
    """Measure the rate and the latency of the frames of a device or a video file; by default, of every V4L2 camera."""
    if given and not given.startswith("/dev/"):
        yield from _camera(given, lambda: VideoCamera(given, *_size(), _FPS))
        return
    found = False
    for device in [given] if given else sorted(str(path) for path in Path("/dev").glob("video[0-9]*")):
        for finding in _device(device):
            found = True
            yield finding
    if given and not found:
        yield warning("camera", f"{given} is not a camera", _CHOOSE)
    elif not found:
        yield ok("camera", "there is no V4L2 camera: the simulated camera and video files work")


def _device(device: str) -> Iterator[Finding]:
    """Measure a V4L2 device; one that is not a camera has no findings."""
    try:
        modes = v4l2.modes(device)
    except OSError as error:
        yield warning("camera", f"{device} cannot be opened: {error.strerror}", _remedy(error))
        return
    if modes:
        yield ok("camera modes", f"{device}: {_shortened(modes)}")
    if modes is not None:
        yield from _camera(device, lambda: DeviceCamera(device, *_size(), _FPS))


def _size() -> tuple[int, int]:
    image = ImageSettings()
    return image.width, image.height


def _remedy(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "join the group of the device: sudo usermod -aG video $USER, then log in again"
    return _CHOOSE


def _shortened(modes: Sequence[str]) -> str:
    more = f"; and {len(modes) - _SHOWN} more" if len(modes) > _SHOWN else ""
    return "; ".join(modes[:_SHOWN]) + more


def _camera(name: str, open_source: Callable[[], FrameSource]) -> Iterator[Finding]:
    try:
        source = open_source()
        try:
            arrivals, ages = _frames(source)
        finally:
            source.close()
    except CameraLost as error:
        yield warning("camera", str(error), "check the cable and other programs, or give another one by --camera")
        return
    if len(ages) < 2:
        remedy = "connect the camera to another port, or choose a smaller mode"
        yield failure("camera", f"{name} has sent {len(ages)} frames within {_SECONDS:g} s", remedy)
        return
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    text = f"{name}: {source.values['mode']}; measured {rate:.1f} frames/s, {1e3 * float(np.median(ages)):.0f} ms old"
    if rate < _SLOW:
        remedy = f"add light or fix camera.exposure; a cycle of 40 ms needs {_SLOW:g} frames/s"
        yield warning("camera", text, remedy)
    else:
        yield ok("camera", text)
    for note in source.warnings:
        yield warning("camera", note, "see docs/own_camera.md")


def _frames(source: FrameSource) -> tuple[list[float], list[float]]:
    """Return when frames arrive and how old they are then, s; the first, for which the camera starts, is left out."""
    source.read()
    arrivals: list[float] = []
    ages: list[float] = []
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        captured = source.read()
        if captured is not None:
            now = time.monotonic()
            arrivals.append(now)
            ages.append(now - 1e-9 * captured.time)
    return arrivals, ages


def robot(name: str, address: str = "") -> Iterator[Finding]:
    """Ask the robot of a file for its protocol version; a robot without an address is not asked."""
    loaded = Robot.load(name)
    host = address or loaded.driver.address
    if loaded.driver.name != "franka":
        yield ok("robot", f"{loaded.name} is driven through topics: its nodes are checked when the graph starts")
    elif not host:
        yield warning("robot", f"{loaded.name} has no address", "give --address, or set driver.address in its file")
    else:
        yield from _franka(host)


def _franka(host: str) -> Iterator[Finding]:
    try:
        status, version = protocol_version(host)
    except OSError as error:
        remedy = f"check the cable, the address and, in the browser at https://{host}, that FCI is activated"
        yield failure("robot", f"{host} does not answer on port {_PORT}: {error.strerror or error}", remedy)
        return
    library = _PROTOCOLS.get(version)
    text = f"{host} speaks protocol {version} (libfranka {library or 'unknown'})"
    if status == _ACCEPTED:
        yield ok("robot", text)
    else:
        fitting = library or "of the version that Franka's compatibility matrix names"
        remedy = f"install a franky-control that was built for libfranka {fitting} (docs/hardware.md)"
        yield failure("robot", f"{text}, not {_LIBRARY}", remedy)


def protocol_version(host: str, port: int = _PORT) -> tuple[int, int]:
    """Return status and protocol version of a robot's answer to a connection request (libfranka's `robot_types`).

    The connection is closed at once. A robot that a program controls refuses it.

    Raises:
        OSError: It does not answer.
    """
    with (
        socket.create_connection((host, port), _TIMEOUT) as connection,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as states,
    ):
        states.bind(("", 0))
        request = _REQUEST.pack(_LIBRARY, states.getsockname()[1])
        connection.sendall(_HEADER.pack(_CONNECT, 0, _HEADER.size + len(request)) + request)
        answer = b""
        while len(answer) < _HEADER.size + _RESPONSE.size:
            part = connection.recv(64)
            if not part:
                raise OSError("it closed the connection without an answer")
            answer += part
    command, _, size = _HEADER.unpack_from(answer)
    if command != _CONNECT or not _HEADER.size + _RESPONSE.size <= size <= _LONGEST:
        raise OSError("what answers there is not a Franka arm")
    status, version = _RESPONSE.unpack_from(answer, _HEADER.size)
    return status, version
