"""Whether a robot answers, and in which version."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from franka_reacher_rl.cameras.base import CameraLost, Captured
from franka_reacher_rl.doctor import hardware
from franka_reacher_rl.doctor.finding import Level


@pytest.fixture
def robot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A robot that answers a connection request with a status and its protocol version."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(hardware, "_PORT", server.getsockname()[1])
        monkeypatch.setattr(hardware.protocol_version, "__defaults__", (server.getsockname()[1],))

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                command, identifier, size = struct.unpack("<III", connection.recv(12, socket.MSG_WAITALL))
                assert (command, size) == (0, 16)
                connection.recv(size - 12, socket.MSG_WAITALL)
                if isinstance(request.param, bytes):
                    connection.sendall(request.param)
                elif request.param is not None:
                    connection.sendall(struct.pack("<IIIBH", command, identifier, 15, *request.param))
                    connection.recv(1)  # a robot keeps the connection open

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(5.0)


@pytest.mark.parametrize("robot", [(0, 10)], indirect=True)
def test_a_robot_that_fits(robot: None) -> None:
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.OK and "protocol 10 (libfranka 0.18 or newer)" in found.text


@pytest.mark.parametrize("robot", [(1, 9)], indirect=True)
def test_an_older_robot(robot: None) -> None:
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.FAILURE and "libfranka 0.15 to 0.17" in found.remedy


@pytest.mark.parametrize("robot", [(1, 7)], indirect=True)
def test_a_robot_of_an_unknown_version(robot: None) -> None:
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.FAILURE and "protocol 7" in found.text and "compatibility matrix" in found.remedy


@pytest.mark.parametrize("robot", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], indirect=True)
def test_another_server_on_that_port(robot: None) -> None:
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.FAILURE and "is not a Franka arm" in found.text


@pytest.mark.parametrize("robot", [None], indirect=True)
def test_a_robot_that_closes_the_connection(robot: None) -> None:
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.FAILURE and "closed the connection" in found.text


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(hardware.protocol_version, "__defaults__", (port,))
    (found,) = hardware.robot("fr3", "127.0.0.1")
    assert found.level is Level.FAILURE and "cable" in found.remedy


def test_an_arm_behind_topics_is_not_asked() -> None:
    (found,) = hardware.robot("panda_sim")
    assert found.level is Level.OK and "topics" in found.text


class FakeCamera:
    """Frames at a rate, each of an age, until there are no more."""

    def __init__(self, clock: Clock, rate: float, age: float = 0.02, frames: int = 1000) -> None:
        self.values = {"mode": "MJPG 320x180 at 60 Hz"}
        self._clock, self._period, self._age, self._left = clock, 1.0 / rate, age, frames
        self.warnings: list[str] = []
        self.closed = False

    def read(self) -> Captured | None:
        self._clock.now += self._period
        self._left -= 1
        if self._left < 0:
            return None
        return Captured(np.zeros((2, 2, 3), np.uint8), round(1e9 * (self._clock.now - self._age)))

    def close(self) -> None:
        self.closed = True


class Clock:
    """A steady clock that stands still."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hardware, "time", clock)
    return clock


def devices(monkeypatch: pytest.MonkeyPatch, modes: list[str] | OSError | None, camera: object = None) -> None:
    """Let there be one device with these modes, which opens a camera."""

    def listed(device: str) -> list[str] | None:
        if isinstance(modes, OSError):
            raise modes
        return modes

    def opened(*arguments: object) -> object:
        if isinstance(camera, Exception):
            raise camera
        return camera

    monkeypatch.setattr(hardware.Path, "glob", lambda self, pattern: iter([Path("/dev/video0")]))
    monkeypatch.setattr(hardware.v4l2, "modes", listed)
    monkeypatch.setattr(hardware, "DeviceCamera", opened)


def test_without_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.Path, "glob", lambda self, pattern: iter(()))
    (found,) = hardware.cameras()
    assert found.level is Level.OK


def test_rate_and_latency_of_a_camera_are_measured(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    camera = FakeCamera(clock, rate=50.0, age=0.031)
    devices(monkeypatch, [f"MJPG {width}x720 at 30 Hz" for width in range(8)], camera)
    modes, found = hardware.cameras()
    assert modes.level is found.level is Level.OK
    assert "MJPG 0x720 at 30 Hz; MJPG 1x720" in modes.text and modes.text.endswith("and 2 more")
    assert "/dev/video0: MJPG 320x180 at 60 Hz; measured 50.0 frames/s, 31 ms old" in found.text and camera.closed


def test_a_slow_camera_and_its_notes_are_warnings(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    camera = FakeCamera(clock, rate=10.0)
    camera.warnings = ["exposure is automatic"]
    devices(monkeypatch, [], camera)
    slow, note = hardware.cameras()
    assert slow.level is note.level is Level.WARNING
    assert "10.0 frames/s" in slow.text and "add light" in slow.remedy and note.text == "exposure is automatic"


def test_a_camera_without_frames_is_a_failure(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    devices(monkeypatch, [], FakeCamera(clock, rate=10.0, frames=0))
    (found,) = hardware.cameras()
    assert found.level is Level.FAILURE and "0 frames within 2 s" in found.text and found.remedy


def test_a_camera_in_use_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    devices(monkeypatch, [], CameraLost("/dev/video0 cannot be opened"))
    (found,) = hardware.cameras()
    assert found.level is Level.WARNING and "--camera" in found.remedy


def test_a_device_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    devices(monkeypatch, PermissionError(13, "Permission denied"))
    (found,) = hardware.cameras()
    assert found.level is Level.WARNING and "usermod -aG video" in found.remedy


def test_a_device_for_metadata_is_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    devices(monkeypatch, None)
    (found,) = hardware.cameras()
    assert found.level is Level.OK and "no V4L2 camera" in found.text
    (found,) = hardware.cameras("/dev/video1")
    assert found.level is Level.WARNING and "/dev/video1 is not a camera" in found.text


def test_a_video_file_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_SECONDS", 0.3)
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 40.0, (64, 36))  # type: ignore[attr-defined]
    for _ in range(10):
        writer.write(np.zeros((36, 64, 3), np.uint8))
    writer.release()
    (found,) = hardware.cameras(str(path))
    assert "64x36 at 40 Hz; measured" in found.text and "frames/s" in found.text


def test_a_missing_video_file() -> None:
    (found,) = hardware.cameras("nowhere.avi")
    assert found.level is Level.WARNING and "no such video file" in found.text
