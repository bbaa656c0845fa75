"""A bag is read back by a library that has nothing to do with this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mcap")

from mcap.reader import make_reader
from mcap_ros2.reader import read_ros2_messages
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from franka_reacher_rl import msg
from franka_reacher_rl.ros.recording import bag as module
from franka_reacher_rl.ros.recording.bag import Bag, Message


def image(value: int) -> Image:
    return Image(height=2, width=3, encoding="rgb8", step=9, data=bytes([value] * 18))


def test_messages_come_back_as_they_were_sent(tmp_path: Path) -> None:
    bag = Bag(tmp_path / "run.mcap")
    bag.add("/camera/image_raw", "sensor_msgs/msg/Image")
    bag.add("/actor/action", "franka_reacher_rl/msg/Action")
    bag.write(Message("/camera/image_raw", 1_000, 900, serialize_message(image(7))))
    bag.write(Message("/actor/action", 2_000, 1_900, serialize_message(msg.Action(action=[0.5, -0.5]))))
    bag.close()
    first, second = read_ros2_messages(str(tmp_path / "run.mcap"))
    assert (first.log_time_ns, first.publish_time_ns, bytes(first.ros_msg.data)) == (1_000, 900, b"\7" * 18)
    assert first.channel.topic == "/camera/image_raw"
    assert (second.channel.topic, list(second.ros_msg.action)) == ("/actor/action", [0.5, -0.5])


def test_every_message_type_of_the_package_has_its_definition(tmp_path: Path) -> None:
    kinds = [name for name in dir(msg) if name[0].isupper()]
    bag = Bag(tmp_path / "run.mcap")
    for name in kinds:
        bag.add(f"/{name}", f"franka_reacher_rl/msg/{name}")
        bag.write(Message(f"/{name}", 1, 1, serialize_message(getattr(msg, name)())))
    bag.close()
    found = list(read_ros2_messages(str(tmp_path / "run.mcap")))
    assert sorted(m.channel.topic for m in found) == sorted(f"/{name}" for name in kinds)


def test_a_full_queue_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 7)
    monkeypatch.setattr(module.threading.Thread, "start", lambda thread: None)  # nobody writes
    bag = Bag(tmp_path / "run.mcap")
    bag.add("/joint_states", "sensor_msgs/msg/JointState")
    for _ in range(5):
        bag.write(Message("/joint_states", 1, 1, b"four"))
    assert bag.dropped == {"/joint_states": 3}


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.mcap").write_text("precious")
    with pytest.raises(FileExistsError):
        Bag(tmp_path / "run.mcap")
    assert (tmp_path / "run.mcap").read_text() == "precious"


def test_a_type_without_a_definition_is_refused(tmp_path: Path) -> None:
    bag = Bag(tmp_path / "run.mcap")
    with pytest.raises(ValueError, match="no definition of nowhere_msgs/msg/Nothing"):
        bag.add("/x", "nowhere_msgs/msg/Nothing")
    bag.close()
    with (tmp_path / "run.mcap").open("rb") as file:
        assert make_reader(file).get_summary() is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_recording_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda path, mode: open(path, "wb"))  # noqa: SIM115
    bag = Bag(Path("/dev/full"))
    bag.add("/joint_states", "sensor_msgs/msg/JointState")
    for _ in range(500):
        bag.write(Message("/joint_states", 1, 1, bytes(10_000)))
    bag.close()
    assert "No space left" in bag.failure


def test_the_recording_ends_before_the_disk_is_full(tmp_path: Path) -> None:
    bag = Bag(tmp_path / "run.mcap", keep_free=1 << 60)
    bag.add("/joint_states", "sensor_msgs/msg/JointState")
    for _ in range(3):
        bag.write(Message("/joint_states", 1, 1, b""))
    bag.close()
    assert "GB are kept for the run" in bag.failure and not bag.written
    with (tmp_path / "run.mcap").open("rb") as file:
        assert make_reader(file).get_summary() is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_at_the_end_hangs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda path, mode: open(path, "wb"))  # noqa: SIM115
    bag = Bag(Path("/dev/full"))
    bag.close()
    assert "No space left" in bag.failure


def test_rerun_reads_it(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    bag = Bag(tmp_path / "run.mcap")
    bag.add("/camera/image_raw", "sensor_msgs/msg/Image")
    bag.add("/actor/action", "franka_reacher_rl/msg/Action")
    for number in range(3):
        bag.write(Message("/camera/image_raw", number, number, serialize_message(image(number))))
        bag.write(Message("/actor/action", number, number, serialize_message(msg.Action(action=[0.5, -0.5]))))
    bag.close()
    command = [sys.executable, "-m", "rerun", "mcap"]
    checked = subprocess.run([*command, "check", "run.mcap"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line[:2] for line in checked.stdout.splitlines() if "/" in line] == ["ok", "ok"], checked.stdout
    subprocess.run([*command, "convert", "run.mcap", "-o", "run.rrd"], cwd=tmp_path, check=True)
    shown = [sys.executable, "-m", "rerun", "rrd", "print", "-vv", "run.rrd"]
    text = subprocess.run(shown, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "/camera/image_raw" in text and "Image:buffer" in text and "/actor/action" in text
