"""Settings as dataclasses whose fields know their meaning, unit and range.

One place for each fact: the same field gives a YAML file its check, a ROS parameter its descriptor and the
documentation its table.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

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
    """Declares a field of a settings dataclass.

    Args:
        default: Its default; a list is copied for each instance. Left out, the field must be given.
        description: One sentence for the person who sets it.
        unit: SI unit, empty for a pure number.
        minimum: Smallest allowed value (of each element of a list).
        maximum: Largest allowed value (of each element of a list).
        choices: The only allowed values, if any.
        live: Whether a running node takes a new value.
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
    """Base of settings dataclasses: checks every field against its type, range and choices when made.

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
    """What a field allows, in words; empty where anything of its type will do."""
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
    """Makes a settings dataclass from nested mappings as YAML gives them.

    Args:
        cls: A dataclass, its fields of plain types or of further dataclasses.
        values: Field name to value; what is left out keeps its default.
        where: What the error should name, for example the file.

    Raises:
        ValueError: An unknown, missing or disallowed field; the message says where and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected a mapping of {', '.join(_names(cls))}, got {values!r}")
    hints = typing.get_type_hints(cls)
    unknown = [k for k in values if k not in _names(cls)]
    if unknown:
        raise ValueError(f"{where}: unknown {unknown[0]!r}{_suggestion(str(unknown[0]), _names(cls))}")
    made: dict[str, Any] = {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name not in values:
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise ValueError(f"{where}: {f.name!r} is missing ({f.metadata.get('description', '')})")
            continue
        hint, value = hints[f.name], values[f.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            made[f.name] = from_mapping(hint, value, f"{where}: {f.name}")
        else:
            made[f.name] = value
    try:
        return cls(**made)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def to_mapping(settings: Any) -> dict[str, Any]:
    """The inverse of from_mapping: plain values only, fit for YAML."""
    return dataclasses.asdict(settings)


def _names(cls: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(cls)]


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ","
    return f"{hint} known: {', '.join(known)}"


def _converted(value: Any, hint: Any, name: str) -> Any:
    """The value as the field's type where no information is lost (1 for 1.0), else an error."""
    if isinstance(hint, types.UnionType):
        if value is None and type(None) in hint.__args__:
            return None
        hint = next(a for a in hint.__args__ if a is not type(None))
    origin = typing.get_origin(hint)
    if origin in (list, tuple):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{name} = {value!r} is not a list")
        inner = typing.get_args(hint)[0]
        return origin(_converted(v, inner, f"{name}[{i}]") for i, v in enumerate(value))
    if not isinstance(hint, type) or origin is not None:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):
        return _float_word(value, name)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name} = {value!r} is not of type {hint.__name__}")
    return value


def _float_word(value: str, name: str) -> float:
    """YAML 1.1 reads 3e-4 (without a point) as a word."""
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} = {value!r} is not a number") from None


def _check_range(value: Any, f: dataclasses.Field[Any]) -> None:
    low, high = f.metadata.get("minimum"), f.metadata.get("maximum")
    for element in value if isinstance(value, (list, tuple)) else (value,):
        wrong = f.metadata.get("choices") and element not in f.metadata["choices"]
        if isinstance(element, (int, float)) and not isinstance(element, bool):
            wrong = wrong or math.isnan(element)
            wrong = wrong or (low is not None and element < low) or (high is not None and element > high)
        if wrong:
            raise ValueError(f"{f.name} = {element!r} is not allowed: {allowed(f) or 'a number'}")
