"""Writes the reference of all settings and of the robot file from the fields that define them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.fields import allowed
from franka_reacher_rl.core.base.settings import Setting

_PLURALS = {float: "numbers", int: "whole numbers", str: "texts"}
_HEAD = """# Parameter reference

Made from the code by `./reacher docs`. A setting (`config/settings/*.yaml`) is a ROS parameter file: the parameter
`cycle_ms` of the section `episode` is `episode.cycle_ms`. *live* parameters can be changed while a node runs. A value
that is not allowed is refused at the start.
"""


def write_reference(path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [_HEAD, "## Settings\n", *_sections(Setting), "## Robot file\n", *_sections(Robot)]
    path.write_text("\n".join(parts))


def _sections(kind: type) -> Iterator[str]:
    """Yield a table for each section of a dataclass."""
    hints = typing.get_type_hints(kind)
    own = [f for f in dataclasses.fields(kind) if not dataclasses.is_dataclass(hints[f.name])]
    if own and any(f.metadata for f in own):
        yield _table([f for f in own if f.metadata], hints)
    for f in dataclasses.fields(kind):
        section = hints[f.name]
        if not dataclasses.is_dataclass(section):
            continue
        yield f"### {f.name}\n"
        yield f"{(section.__doc__ or '').splitlines()[0]}\n"
        yield _table(list(dataclasses.fields(section)), typing.get_type_hints(section))


def _table(fields: list[dataclasses.Field[Any]], hints: dict[str, Any]) -> str:
    rows = ["| name | default | allowed | meaning |", "|---|---|---|---|"]
    for f in fields:
        values = (allowed(f) or _kind(hints[f.name])).replace("|", "or").replace("None", "null")
        unit = f.metadata.get("unit") or ""
        unit = f" [{unit}]" if unit and not values.endswith(unit) else ""
        live = " *live*" if f.metadata.get("live") else ""
        text = f"{f.metadata.get('description', '')}{unit}{live}".replace("|", "\\|")
        rows.append(f"| `{f.name}` | {_default(f)} | {values} | {text} |")
    return "\n".join(rows) + "\n"


def _default(f: dataclasses.Field[Any]) -> str:
    if f.default is not dataclasses.MISSING:
        return f"`{_yaml(f.default)}`"
    if f.default_factory is not dataclasses.MISSING:
        return f"`{_yaml(f.default_factory())}`"
    return "required"


def _yaml(value: Any) -> str:
    """Return a value as a setting file has it."""
    if dataclasses.is_dataclass(value):
        return type(value).__name__
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _kind(hint: Any) -> str:
    """Return a type in words."""
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    if text.startswith(("list", "tuple")):
        inner = typing.get_args(hint)
        return f"list of {_PLURALS.get(inner[0], 'mappings') if inner else 'values'}"
    return {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false"}.get(
        text, text.replace("float", "a number").replace("int", "a whole number").replace("str", "a text")
    )
