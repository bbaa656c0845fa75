"""`draw graph`: the node graph, sync beside async, from the running graphs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import rclpy
import rclpy.node

# Where each node is drawn; other nodes of the graph are left out.
_PLACES = {
    "sim_robot": (0.0, 2.3),
    "robot_bridge": (2.1, 2.3),
    "command_guard": (4.2, 2.3),
    "camera": (0.0, 1.15),
    "environment": (2.1, 1.15),
    "actor": (4.2, 1.15),
    "reward": (0.0, 0.0),
    "recorder": (2.1, 0.0),
    "learner": (4.2, 0.0),
}
_HIDDEN = ("/rosout", "/parameter_events", "/diagnostics", "/tf", "/tf_static", "/robot_description", "/clock")
_PATIENCE = 40.0  # s, for the graph to be complete
_SETTLED = 4.0  # s without a new connection
_COMMON, _DIFFERENT = "0.45", "#D55E00"
_BEND, _BEND_DIFFERENT, _BEND_VERTICAL = 0.12, 0.3, 0.7  # of an arrow; those that differ keep clear of the others

Edge = tuple[str, str, str]  # publisher, subscriber, topic without the leading slash


def edges(domain: int, seconds: float = _PATIENCE) -> set[Edge]:
    """Return who sends what to whom in the running graph of a domain.

    Raises:
        OSError: Nodes of the loop are missing.
    """
    context = rclpy.Context()
    context.init(domain_id=domain)
    node = rclpy.node.Node("draw_graph", context=context, use_global_arguments=False, start_parameter_services=False)
    found: set[Edge] = set()
    try:
        end, changed = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < end and (not _complete(found) or time.monotonic() - changed < _SETTLED):
            time.sleep(0.25)
            now = _connections(node)
            if now - found:
                found |= now
                changed = time.monotonic()
    finally:
        node.destroy_node()
        context.try_shutdown()
    if not _complete(found):
        seen = sorted({name for sender, receiver, _ in found for name in (sender, receiver)})
        raise OSError(
            f"the graph was not complete after {seconds:g} s: found {', '.join(seen) or 'no node'}. Launch it alone to "
            "see why: ./reacher launch async.launch.py setting:=lite"
        )
    return found


def _complete(found: set[Edge]) -> bool:
    return all(any(node in edge[:2] for edge in found) for node in _PLACES)


def _connections(node: rclpy.node.Node) -> set[Edge]:
    found: set[Edge] = set()
    for topic, _ in node.get_topic_names_and_types():
        if topic in _HIDDEN or "/_" in topic:  # the latter are the topics of actions
            continue
        senders = {info.node_name for info in node.get_publishers_info_by_topic(topic)}
        receivers = {info.node_name for info in node.get_subscriptions_info_by_topic(topic)}
        found |= {(a, b, topic.strip("/")) for a in senders for b in receivers if {a, b} <= _PLACES.keys()}
    return found


def draw(graphs: dict[str, set[Edge]], out: Path) -> None:
    """Draw graphs side by side; connections that are not in all of them are emphasised."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    common = set.intersection(*graphs.values())
    figure, axes = plt.subplots(1, len(graphs), figsize=(5.6 * len(graphs), 3.4), squeeze=False, layout="constrained")
    for axis, (name, found) in zip(axes[0], graphs.items(), strict=True):
        axis.set_title(name, fontsize=11, loc="left")
        axis.set(xlim=(-0.75, 5.3), ylim=(-0.62, 2.5), aspect="equal")
        axis.axis("off")
        style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.2"}
        middle: dict[str, Any] = {"ha": "center", "va": "center"}
        boxes = {node: axis.text(*at, node, **middle, fontsize=8, bbox=style, zorder=3) for node, at in _PLACES.items()}
        figure.canvas.draw()  # places the boxes, at whose edges the arrows end
        for (sender, receiver, different), topics in arrows(found, common).items():
            ends = boxes[sender].get_bbox_patch(), boxes[receiver].get_bbox_patch()
            _arrow(axis, (sender, receiver), ends, topics, different=different)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=160, bbox_inches="tight")
    plt.close(figure)


def arrows(found: set[Edge], common: set[Edge]) -> dict[tuple[str, str, bool], list[str]]:
    """Return the topics of each arrow: publisher, subscriber, and whether the arrow is missing in another graph."""
    grouped: dict[tuple[str, str, bool], list[str]] = {}
    for edge in sorted(found):
        sender, receiver, topic = edge
        grouped.setdefault((sender, receiver, edge not in common), []).append(topic.rsplit("/", 1)[-1])
    return grouped


def _arrow(axis: Any, nodes: tuple[str, str], ends: tuple[Any, Any], topics: list[str], *, different: bool) -> None:
    """Draw an arrow between the boxes of two nodes, with its topics beside it."""
    (x0, y0), (x1, y1) = _PLACES[nodes[0]], _PLACES[nodes[1]]
    vertical = x0 == x1
    bend = _BEND if not different else _BEND_VERTICAL if vertical else _BEND_DIFFERENT
    colour = _DIFFERENT if different else _COMMON
    shape = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6 if different else 0.8}
    align = "center"
    if nodes[0] == nodes[1]:  # a loop below the box
        shape |= {"connectionstyle": "arc3,rad=0.9"}
        axis.annotate("", (x0 + 0.25, y0 - 0.13), (x0 - 0.25, y0 - 0.13), arrowprops=shape, zorder=1)
        x, y = x0, y0 - 0.45
    else:
        shape |= {"connectionstyle": f"arc3,rad={bend}", "patchA": ends[0], "patchB": ends[1]}
        axis.annotate("", (x1, y1), (x0, y0), arrowprops=shape, zorder=1)
        # The middle of matplotlib's arc3; text beside a vertical arrow, and over any other.
        x, y = (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2
        if vertical:
            align = "left" if y1 > y0 else "right"
            x += 0.05 if y1 > y0 else -0.05
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    weight = "bold" if different else "normal"
    text = "\n".join(topics)
    axis.text(x, y, text, fontsize=6.5, color=colour, weight=weight, ha=align, va="center", bbox=box, zorder=2)


def run(options: argparse.Namespace) -> int:
    """Launch both graphs, one after the other, and draw them; return the exit code.

    Raises:
        OSError: A graph does not start.
    """
    from franka_reacher_rl.bench.running_graph import graph_environment, launched_graph

    graphs = {}
    for wiring in ("sync", "async"):
        variables = graph_environment()
        with launched_graph(wiring, variables):
            graphs[wiring] = edges(int(variables["ROS_DOMAIN_ID"]))
    draw(graphs, options.out)
    only = graphs["sync"] ^ graphs["async"]
    for wiring, found in graphs.items():
        for sender, receiver, topic in sorted(found & only):
            print(f"{wiring} only: {sender} -> {receiver} ({topic})")
    print(options.out)
    return 0
