"""A recording whose recorder was killed is completed, and other libraries read it then."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mcap")

from mcap.reader import make_reader
from mcap_ros2.reader import read_ros2_messages
from rosbags.highlevel import AnyReader

from franka_reacher_rl.ros.recording import recovery
from franka_reacher_rl.ros.recording.bag import Bag, Message
from franka_reacher_rl.ros.recording.recovery import complete

# Writes messages that hardly compress until it is killed, and says when the first chunk is in the file.
RECORDER = """
import os, pathlib, sys
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from franka_reacher_rl.ros.recording.bag import Bag, Message
path = pathlib.Path(sys.argv[1])
bag = Bag(path)
bag.add("/image", "sensor_msgs/msg/Image")
data = serialize_message(Image(height=1, width=50_000, step=50_000, encoding="mono8", data=os.urandom(50_000)))
number = 0
while True:
    if bag.written.total() > number - 100:
        bag.write(Message("/image", number, number, data))
        number += 1
    if path.stat().st_size > 2 << 20:
        print("written", flush=True)
"""


def killed(path: Path) -> None:
    """Leaves what a recorder had written when it was killed."""
    with subprocess.Popen([sys.executable, "-c", RECORDER, str(path)], stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None and recorder.stdout.readline()
        os.kill(recorder.pid, signal.SIGKILL)


def bag(path: Path) -> Path:
    """Makes a complete file of three messages."""
    written = Bag(path)
    written.add("/text", "std_msgs/msg/String")
    for number in range(3):
        written.write(Message("/text", number, number, b"\0\1\0\0\2\0\0\0a\0"))
    written.close()
    return path


def test_what_a_killed_recorder_wrote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    killed(path)
    found = complete(path)
    assert found is not None and found > 20
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None and summary.statistics.message_count == found
    assert [message.log_time_ns for message in read_ros2_messages(str(path))] == list(range(found))
    with AnyReader([path]) as reader:
        assert sum(1 for _ in reader.messages()) == found
    assert complete(path) is None and list(tmp_path.iterdir()) == [path]


def test_a_complete_file_is_left_alone(tmp_path: Path) -> None:
    path = bag(tmp_path / "run.mcap")
    before = path.read_bytes()
    assert complete(path) is None and path.read_bytes() == before


@pytest.mark.parametrize("left", [0, 5, 60])
def test_a_file_without_a_message_is_named(tmp_path: Path, left: int) -> None:
    path = bag(tmp_path / "run.mcap")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"run.mcap holds no whole message: remove it"):
        complete(path)
    assert path.stat().st_size == left and list(tmp_path.iterdir()) == [path]


def test_a_chunk_with_a_wrong_byte_ends_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    killed(path)
    content = bytearray(path.read_bytes())
    whole = complete(path)
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    found = complete(path)
    assert whole is not None and found is not None and 0 < found < whole


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bag(tmp_path / "run.mcap")
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(recovery.shutil, "disk_usage", lambda folder: SimpleNamespace(free=path.stat().st_size))
    with pytest.raises(OSError, match="No space left"):
        complete(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    written = Bag(path)
    with pytest.raises(ValueError, match="is being recorded: end the run first"):
        complete(path)
    written.close()


def test_whatever_is_damaged_the_rest_is_kept_or_named(tmp_path: Path) -> None:
    path = bag(tmp_path / "run.mcap")
    whole, chosen, kept = path.read_bytes(), random.Random(0), 0
    for _ in range(150):
        content = bytearray(whole[: chosen.randrange(len(whole))])
        for _ in range(chosen.randrange(3) if content else 0):
            content[chosen.randrange(len(content))] = chosen.randrange(256)
        path.write_bytes(content)
        try:
            found = complete(path)
        except ValueError as error:
            assert "holds no whole message" in str(error)
        else:
            kept += 1
            assert found == len(list(read_ros2_messages(str(path)))) > 0
    assert kept > 20
