"""A recorded run on the page."""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rerun")
pytest.importorskip("mcap_ros2")

from mcap_ros2.writer import Writer

from franka_reacher_rl.viewer import replay
from franka_reacher_rl.viewer.replay import draw_file

REWARD = "float32 reward\nfloat32 coverage"
TICK = "uint32 step"


class Drawing:
    """Keeps the names and times of what it is to draw."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, float]] = []

    def draw(self, name: str, time: float, message: Any) -> None:
        if getattr(message, "coverage", 0.0) > 1.0:
            raise ValueError("no share of an image")
        self.drawn.append((name, round(time, 3)))


def recording(path: Path, topics: dict[str, str], coverage: float = 0.1) -> Path:
    """Writes a message of each topic every 50 ms for a second; topics have the text of their definition."""
    with path.open("wb") as file:
        writer = Writer(file)
        schemas = {
            topic: writer.register_msgdef(f"test_msgs/msg/T{n}", t) for n, (topic, t) in enumerate(topics.items())
        }
        for number in range(20):
            for topic, definition in topics.items():
                message = {"step": number} if definition is TICK else {"reward": 1.0, "coverage": coverage}
                stamp = 1_000_000_000 + 50_000_000 * number
                writer.write_message(topic, schemas[topic], message, log_time=stamp, publish_time=stamp)
        writer.finish()
    return path


def draw(path: Path, namespace: str = "") -> list[tuple[str, float]]:
    drawing = Drawing()
    assert draw_file(drawing, namespace, path) == len(drawing.drawn)  # type: ignore[arg-type]
    return drawing.drawn


def test_frequent_messages_are_drawn_ten_times_a_second(tmp_path: Path) -> None:
    drawn = draw(recording(tmp_path / "run.mcap", {"/reward/value": REWARD, "/environment/cycle": TICK}))
    times = [time for name, time in drawn if name == "reward"]
    assert 7 <= len(times) <= 10
    assert min(b - a for a, b in pairwise(times)) > 0.099
    assert sum(name == "cycle" for name, _ in drawn) == 20


def test_only_the_runs_own_graph_is_drawn(tmp_path: Path) -> None:
    path = recording(tmp_path / "run.mcap", {"/left/environment/cycle": TICK, "/environment/cycle": TICK})
    assert len(draw(path, "left")) == len(draw(path)) == 20
    assert draw(path, "right") == []


def test_what_cannot_be_drawn_is_left_out(tmp_path: Path) -> None:
    assert draw(recording(tmp_path / "run.mcap", {"/reward/value": REWARD}, coverage=2.0)) == []


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"nothing of the kind"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="run.mcap cannot be read"):
        draw(path)


def test_a_run_without_a_recording(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no recording: launch with record:=true to make one"):
        replay.run(argparse.Namespace(run_dir=tmp_path))
