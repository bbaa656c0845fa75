"""Settings as dataclasses whose fields carry their description, unit and range.

The same field checks a YAML file, describes a ROS parameter and fills a table of the documentation.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from franka_reacher_rl.core.base.suggestions import did_you_mean, shortened

T = TypeVar("T")


def param(
    default: Any = dataclasses.MISSING,
    description: str = "",
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] = (),
    live: bool = False,
) -> Any:
    """Declare a field of a settings dataclass.

    Args:
        default: Default value; a list is copied for each instance. Without a default, the field is required.
        description: What the field sets, without its unit.
        unit: SI unit; empty for a dimensionless value.
        minimum: Smallest allowed value, or smallest allowed element of a list.
        maximum: Largest allowed value, or largest allowed element of a list.
        choices: The only allowed values, if any.
        live: Whether the value can be changed while a node is running.
    """
    metadata = {
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": tuple(choices),
        "live": live,
    }
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Checked:
    """Base class of settings dataclasses, which checks type, range and choices of every field on construction.

    Raises:
        ValueError: A value is not allowed; the message names the field, the value and what is allowed.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = _converted(getattr(self, f.name), hints[f.name], f.name)
            _check_range(value, f)
            object.__setattr__(self, f.name, value)


def allowed(f: dataclasses.Field[Any]) -> str:
    """Describe the values that a field allows; empty if every value of its type is allowed."""
    unit = f" {f.metadata['unit']}" if f.metadata.get("unit") else ""
    low, high = f.metadata.get("minimum"), f.metadata.get("maximum")
    if f.metadata.get("choices"):
        return "one of " + ", ".join(str(c) for c in f.metadata["choices"])
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if low is not None:
        return f"at least {low}{unit}"
    if high is not None:
        return f"at most {high}{unit}"
    return ""


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a settings dataclass from nested mappings such as YAML gives.

    Args:
        cls: A dataclass whose fields have plain types or are dataclasses themselves.
        values: Field name to value; a field that is left out keeps its default.
        where: Start of the error message, for example the name of the file.

    Raises:
        ValueError: A field is unknown, missing or not allowed; the message says where and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected a mapping of {', '.join(_names(cls))}, got {shortened(values)}")
    hints = typing.get_type_hints(cls)
    unknown = [k for k in values if k not in _names(cls)]
    if unknown:
        raise ValueError(f"{where}: unknown {shortened(repr(unknown[0]))}{_suggestion(str(unknown[0]), _names(cls))}")
    made: dict[str, Any] = {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name not in values:
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise ValueError(f"{where}: field {f.name!r} is missing ({f.metadata.get('description', '')})")
            continue
        hint, value = hints[f.name], values[f.name]
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is list else None
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            made[f.name] = from_mapping(hint, value, f"{where}: {f.name}")
        elif dataclasses.is_dataclass(inner) and isinstance(inner, type) and isinstance(value, list):
            made[f.name] = [from_mapping(inner, v, f"{where}: {f.name}[{i}]") for i, v in enumerate(value)]
        else:
            made[f.name] = value
    try:
        return cls(**made)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def to_mapping(settings: Any) -> dict[str, Any]:
    """Return settings as nested mappings of plain values, fit for YAML: the inverse of `from_mapping`."""
    return dataclasses.asdict(settings)


def _names(cls: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(cls)]


def _suggestion(word: str, known: Sequence[str]) -> str:
    return f"{did_you_mean(word, known)}; allowed: {', '.join(known)}"


def _converted(value: Any, hint: Any, name: str) -> Any:
    """Convert a value to the field's type if that loses no information (1 to 1.0), else raise ValueError."""
    if isinstance(hint, types.UnionType):
        if value is None and type(None) in hint.__args__:
            return None
        hint = next(a for a in hint.__args__ if a is not type(None))
    origin = typing.get_origin(hint)
    if origin in (list, tuple):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{name} = {shortened(repr(value))} is not a list")
        inner = typing.get_args(hint)[0]
        return origin(_converted(v, inner, f"{name}[{i}]") for i, v in enumerate(value))
    if not isinstance(hint, type) or origin is not None:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return _float_from_int(value, name)
    if hint is float and isinstance(value, str):
        return _float_from_text(value, name)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name} = {shortened(repr(value))} is not of type {hint.__name__}")
    return value


def _float_from_int(value: int, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large: a number of {value.bit_length()} bits") from None


def _float_from_text(value: str, name: str) -> float:
    """Parse a float that YAML 1.1 reads as text, such as 3e-4, which lacks a decimal point."""
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} = {shortened(repr(value))} is not a number") from None


def _check_range(value: Any, f: dataclasses.Field[Any]) -> None:
    low, high = f.metadata.get("minimum"), f.metadata.get("maximum")
    for element in value if isinstance(value, (list, tuple)) else (value,):
        wrong = f.metadata.get("choices") and element not in f.metadata["choices"]
        if isinstance(element, (int, float)) and not isinstance(element, bool):
            wrong = wrong or (isinstance(element, float) and not math.isfinite(element))
            wrong = wrong or (low is not None and element < low) or (high is not None and element > high)
        if wrong:
            raise ValueError(f"{f.name} = {shortened(repr(element))} is not allowed: {allowed(f) or 'a finite number'}")
