"""The definitions of message types, as an MCAP file holds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

_SEPARATOR = "=" * 80
_PRIMITIVE = re.compile(r"(bool|byte|char|u?int(8|16|32|64)|float(32|64)|w?string(<=\d+)?)$")
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*(?:<=\d+)?)(?:\[[^\]]*\])?\s+[A-Za-z]\w*")


@cache
def read_definition(kind: str) -> str:
    """Return the text of a message type's .msg file, for example of `sensor_msgs/msg/Image`.

    Raises:
        ValueError: There is no such file.
    """
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    package, name = kind.split("/")[0], kind.split("/")[-1]
    try:
        return (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text()
    except (PackageNotFoundError, OSError) as error:
        raise ValueError(f"there is no definition of {kind}: {error}") from None


def full_definition(kind: str, read: Callable[[str], str] = read_definition) -> str:
    """Return a type's definition followed by those of all types that it uses, each once (MCAP's `ros2msg`).

    Args:
        kind: Such as `sensor_msgs/msg/Image`.
        read: Returns the text of a type's .msg file.
    """
    texts, waiting = {kind: read(kind)}, [kind]
    while waiting:
        used = waiting.pop(0)
        for other in _types(texts[used], used.split("/")[0]):
            if other not in texts:
                texts[other] = read(other)
                waiting.append(other)
    first, *others = texts
    parts = [texts[first]]
    for name in others:
        package, _, short = name.split("/")
        parts.append(f"{_SEPARATOR}\nMSG: {package}/{short}\n{texts[name]}")
    return "\n".join(parts)


def _types(text: str, package: str) -> Iterator[str]:
    """Yield the message types that a definition's fields have."""
    for line in text.splitlines():
        field = _FIELD.match(line.partition("#")[0])
        if field is None or _PRIMITIVE.match(field[1]):
            continue
        parts = field[1].split("/")
        yield f"{parts[0] if len(parts) > 1 else package}/msg/{parts[-1]}"
