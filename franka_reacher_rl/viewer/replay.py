"""`view`: shows a recorded run in the layout of the running graph."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

from mcap.exceptions import McapError
from mcap_ros2.reader import read_ros2_messages

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.loop.wiring import SHARED
from franka_reacher_rl.core.run.run_folder import ROBOT_FILE, read_manifest
from franka_reacher_rl.ros.recording.recovery import complete
from franka_reacher_rl.viewer.drawing import Drawing
from franka_reacher_rl.viewer.page import FREQUENT, PERIOD
from franka_reacher_rl.viewer.server import Server
from franka_reacher_rl.viewer.stage import Stage

_TOPICS = {topic: name for name, topic in SHARED["viewer"].items()}


def run(options: argparse.Namespace) -> int:
    """Show the recordings of a run until Ctrl-C; return the exit code.

    Raises:
        ValueError: The run has no recording, or it is being written or cannot be read.
        OSError: The server of the page has died.
    """
    folder: Path = options.run_dir
    files = sorted(folder.glob("*.mcap"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise ValueError(f"{folder} has no recording: launch with record:=true to make one")
    for path in files:
        complete(path)
    manifest, robot = read_manifest(folder)["run"], Robot.load(folder / ROBOT_FILE)
    wiring, namespace = str(manifest["wiring"]), str(manifest.get("namespace", ""))
    with Server(options.page_port, options.data_port) as server:
        drawing = Drawing(Stage(server.recording(folder.name), robot, wiring), robot, namespace)
        print(f"open {server.url}", flush=True)
        drawn = sum(draw_file(drawing, namespace, path) for path in files)
        print(f"{drawn} messages of {len(files)} files are shown; Ctrl-C ends", flush=True)
        with suppress(KeyboardInterrupt):
            while not options.once:
                if not server.alive():
                    raise OSError("the server of the page has died: run the command again")
                time.sleep(0.5)
    return 0


def draw_file(drawing: Drawing, namespace: str, path: Path) -> int:
    """Draw a file, and return the number of messages that were drawn.

    Args:
        drawing: Takes the messages.
        namespace: Of the graph, without slashes around it.
        path: An MCAP file.

    Raises:
        ValueError: It cannot be read.
    """
    names = {(f"/{namespace}" if namespace else "") + f"/{topic}": name for topic, name in _TOPICS.items()}
    names["/diagnostics"] = "diagnostics"
    drawn, last = 0, dict[str, float]()
    try:
        for found in read_ros2_messages(str(path), topics=list(names)):
            name, stamp = names[found.channel.topic], found.log_time_ns * 1e-9
            if name in FREQUENT and stamp - last.get(name, -PERIOD) < PERIOD:
                continue
            last[name] = stamp
            with suppress(ValueError):  # the graph refused it too
                drawing.draw(name, stamp, found.ros_msg)
                drawn += 1
    except (McapError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read ({error}): it is damaged, or its recorder was killed") from None
    return drawn
