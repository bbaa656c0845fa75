"""Checks of a ROS parameter file, since rcl ignores entries that match no node and reports others in its own terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.suggestions import did_you_mean

_PARAMETERS = "ros__parameters"


def check_parameter_file(path: Path, nodes: Sequence[str]) -> None:
    """Check that a file is a ROS parameter file with values for nodes of the graph.

    Args:
        path: The file.
        nodes: The fully qualified names of the graph's nodes, for example `/left/camera`.

    Raises:
        ValueError: It does not exist, has another format or names nodes that are not in the graph.
    """
    if not path.is_file():
        raise ValueError(f"params_file:={path} does not exist")
    try:
        document = load_yaml(path)
    except ValueError as error:
        raise ValueError(f"params_file:={error}") from None
    keys = list(_node_keys(document, ""))
    if not keys:
        raise ValueError(
            f"params_file:={path} holds no parameters: a ROS parameter file has entries such as "
            "'camera: {ros__parameters: {fps: 30.0}}', and '/**' for all nodes"
        )
    for key in keys:
        if not any(_matches(key, node) for node in nodes):
            hint = did_you_mean(key, nodes)
            raise ValueError(f"params_file:={path}: {key!r} matches no node{hint}: there are {', '.join(nodes)}")


def _node_keys(document: Any, prefix: str) -> Iterator[str]:
    """Yield the name or pattern of every entry; namespaces may be nested."""
    if not isinstance(document, Mapping):
        return
    for key, value in document.items():
        if key == _PARAMETERS:
            yield prefix
        else:
            yield from _node_keys(value, f"{prefix}/{str(key).strip('/')}")


def _matches(key: str, node: str) -> bool:
    """Return whether rcl applies the entry of a name or pattern (`*`: one token, `**`: any number) to a node."""
    pattern = re.escape(key).replace(r"/\*\*", "(/[^/]+)*").replace(r"\*", "[^/]+")
    return re.fullmatch(pattern, node) is not None
