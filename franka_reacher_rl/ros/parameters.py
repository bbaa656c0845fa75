"""Convert between ROS parameters and settings dataclasses, whose fields define descriptors, ranges and errors."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from franka_reacher_rl.core.base.fields import allowed, from_mapping

T = TypeVar("T")


def declare(node: Node, settings: type[T], prefix: str) -> T:
    """Declare every field of a settings dataclass as `<prefix>.<field>` and return the settings.

    Raises:
        ValueError: A value is not allowed; the message names the parameter, the value and what is allowed.
    """
    values = {f.name: _declare_field(node, settings, f, prefix) for f in dataclasses.fields(settings)}  # type: ignore[arg-type]
    return from_mapping(settings, values, f"parameter {prefix}")


def declare_param(
    node: Node, name: str, default: Any, description: str, *, read_only: bool = True, choices: tuple[Any, ...] = ()
) -> Any:
    """Declare a parameter that is not a field of a settings dataclass, and return its value.

    Args:
        node: The node.
        name: The name of the parameter.
        default: The default value, which also determines the type.
        description: A description, with the unit.
        read_only: Whether the value is fixed while the node runs.
        choices: The allowed values; empty: any.

    Raises:
        ValueError: The value is not allowed; the message names the parameter, the value and what is allowed.
    """
    constraints = "one of " + ", ".join(map(str, choices)) if choices else ""
    descriptor = ParameterDescriptor(description=description, read_only=read_only, additional_constraints=constraints)
    value = _declare(node, name, default, descriptor)
    if choices and value not in choices:
        raise ValueError(f"parameter {name} = {value!r} is not allowed: {constraints}")
    return value


def declare_frame_prefix(node: Node) -> str:
    """Declare the parameter `frame_prefix` and return what precedes the name of every TF frame."""
    return str(declare_param(node, "frame_prefix", "", "prefix of the names of TF frames, for example left/"))


def on_change(node: Node, settings: type[T], prefix: str, current: T, take: Callable[[T], None]) -> None:
    """Check changes of a dataclass's live parameters, and pass on the new settings.

    Args:
        node: The node.
        settings: The settings dataclass.
        prefix: The prefix of its parameters.
        current: The settings so far.
        take: Called with the new settings, unless they are refused.
    """
    state = {"settings": current}

    def check(parameters: list[Parameter]) -> SetParametersResult:
        changes = {p.name[len(prefix) + 1 :]: p.value for p in parameters if p.name.startswith(prefix + ".")}
        if not changes:
            return SetParametersResult(successful=True)
        values = dataclasses.asdict(state["settings"])  # type: ignore[call-overload]
        values |= {k: v if isinstance(v, (str, int, float)) else list(v) for k, v in changes.items()}
        try:
            state["settings"] = from_mapping(settings, values, f"parameter {prefix}")
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        take(state["settings"])
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)


def _declare_field(node: Node, settings: type, f: dataclasses.Field[Any], prefix: str) -> Any:
    default = f.default if f.default is not dataclasses.MISSING else f.default_factory()  # type: ignore[misc,operator]
    optional = default is None
    value = _declare(node, f"{prefix}.{f.name}", math.nan if optional else default, _descriptor(settings, f))
    if optional and isinstance(value, float) and math.isnan(value):
        return None
    return list(value) if isinstance(default, list) else value


def _descriptor(settings: type, f: dataclasses.Field[Any]) -> ParameterDescriptor:
    unit = f" [{f.metadata['unit']}]" if f.metadata["unit"] else ""
    descriptor = ParameterDescriptor(description=f.metadata["description"] + unit, read_only=not f.metadata["live"])
    low, high = f.metadata["minimum"], f.metadata["maximum"]
    hint = typing.get_type_hints(settings)[f.name]
    if low is None or high is None or hint not in (int, float):
        descriptor.additional_constraints = allowed(f)
    elif hint is int:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    else:
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor


def _declare(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> Any:
    try:
        return node.declare_parameter(name, default, descriptor).value
    except InvalidParameterTypeException as error:
        hint = f"; write {float(default)!r} with a point" if isinstance(default, float) else ""
        raise ValueError(f"parameter {name} has the wrong type ({error}){hint}") from None
    except InvalidParameterValueException as error:
        raise ValueError(f"parameter {name} is not allowed: {error}") from None
