"""How many cases the fuzz tests run, and values that a hostile sender or a damaged file may hold."""

from __future__ import annotations

import array
import copy
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

T = TypeVar("T")

SHORT, LONG = 20, 2000  # cases of a test of weight 1: in every test run, and of `./reacher test fuzz`
LEAST = 100_000  # cases of all tests together in the long run
DEADLINE = 10_000  # ms of one case, which is a hang

cases = SHORT  # set by the option --fuzz-cases
total = 0  # cases run so far


def fuzzed(weight: float = 1.0) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Settings of a fuzz test, whose cases are the same in every run."""
    return settings(
        max_examples=max(10, round(weight * cases)),
        derandomize=True,
        deadline=DEADLINE,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def count() -> None:
    """Counts a case; each test calls it once."""
    global total
    total += 1


# Values

JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
RUN = "run-of-this-graph"

_WORDS = [
    "",
    "x",
    RUN,
    *JOINTS,
    " ".join(JOINTS),
    "command_guard",
    "ready",
    "running",
    "holding",
    "stopped",
    "fault",
    "moving",
    "time_limit",
    "aborted",
    "workspace",
    "rgb8",
    "bgr8",
    "mono8",
    "yuv422",
    "16UC1",
    "8UC3",
    "bayer_rggb8",
    "64FC4",
    "world",
    "/",
    "~",
    "../../etc/passwd",
    "/dev/shm/franka_reacher_rl-policy-1",
    "\x00",
    "\x1b[2J\x07",
    "\u202e\U0001f916",
    "%s%n",
    "{0}",
    "a" * 5000,
    "use_sim_time",
    "reward.bands",
    "reward.alpha",
    "robot",
    "nan",
]
_SIZES = [7, 7, 7, 7, 7, 7, 21, 21, 21, 0, 1, 2, 3, 4, 6, 8, 14, 22, 40, 300]  # often those of seven joints


def texts() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(_WORDS), st.text(max_size=12))


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    edges = [v for v in (0, 1, 2, 3, 7, 10**9 - 1, 10**9, low, high, high - 1, -1) if low <= v <= high]
    return st.one_of(st.sampled_from(edges), st.integers(low, high))


def floats(width: int) -> st.SearchStrategy[float]:
    large = 3.4e38 if width == 32 else 1.7e308
    special = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.1, 1e3, 1e9, large, -large]
    return st.one_of(st.sampled_from(special), st.floats(width=width))  # type: ignore[arg-type]


def _filled(values: st.SearchStrategy[Any], sizes: Sequence[int]) -> st.SearchStrategy[list[Any]]:
    """Lists of one value, with another one somewhere."""

    def fill(value: Any, other: Any, size: int, place: int) -> list[Any]:
        made = [value] * size
        if size:
            made[place % size] = other
        return made

    return st.builds(fill, values, values, st.sampled_from(list(sizes)), st.integers(0, 7))


# Messages

_INTEGERS = {f"{sign}int{bits}": (sign, bits) for sign in ("u", "") for bits in (8, 16, 32, 64)}
_CODES = {
    "double": "d", "float": "f", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q",
}  # fmt: skip


@cache
def values_of(kind: str) -> st.SearchStrategy[Any]:
    """Values of a field, by its type as rosidl names it."""
    if kind in _INTEGERS:
        sign, bits = _INTEGERS[kind]
        return integers(0, 2**bits - 1) if sign else integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if kind in ("float", "double"):
        return floats(32 if kind == "float" else 64)
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        return texts()
    if kind == "octet":
        return st.integers(0, 255).map(lambda v: bytes([v]))
    sequence = re.fullmatch(r"sequence<(.+?)(?:, \d+)?>", kind)
    if sequence:
        inner = sequence[1]
        small = "/" in inner
        lists = _filled(values_of(inner), [0, 1, 2, 5] if small else _SIZES)
        return lists.map(lambda v: array.array(_CODES[inner], v)) if inner in _CODES else lists
    fixed = re.fullmatch(r"(.+)\[(\d+)\]", kind)
    if fixed:
        return _filled(values_of(fixed[1]), [int(fixed[2])])
    package, name = kind.split("/")
    return messages(_message(package, name))


def _message(package: str, name: str) -> Any:
    module = __import__(f"{package}.msg", fromlist=[name])
    return getattr(module, name)


@cache
def paths(kind: Any) -> list[tuple[tuple[str, ...], str]]:
    """The fields of a message type and of the messages in it, each with its type."""
    return list(_paths(kind, ()))


def _paths(kind: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in kind.get_fields_and_field_types().items():
        if "/" in field and "<" not in field and "[" not in field:
            yield from _paths(_message(*field.split("/")), (*above, name))
        else:
            yield (*above, name), field


def mutate(message: Any, changes: list[tuple[int, Any]]) -> Any:
    """A copy of a message with other values in some of its fields."""
    changed, fields = copy.deepcopy(message), paths(type(message))
    for place, value in changes:
        path, _ = fields[place]
        part = changed
        for name in path[:-1]:
            part = getattr(part, name)
        setattr(part, path[-1], value)
    return changed


@st.composite
def messages(draw: st.DrawFn, kind: Any, valid: Any = None, most: int = 4) -> Any:
    """Messages with hostile values in up to `most` fields; the others are those of a valid one."""
    fields = paths(kind)
    if not fields:
        return kind()
    places = draw(st.lists(st.integers(0, len(fields) - 1), max_size=most))
    return mutate(kind() if valid is None else valid, [(p, draw(values_of(fields[p][1]))) for p in places])


# Files


def documents() -> st.SearchStrategy[Any]:
    """Values that a YAML or JSON file may hold."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), floats(64), texts(),
        st.sampled_from([10**400, -1, "1e400", ".inf", "[", 3.0, "3e-4"]),
    )  # fmt: skip
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts(), inner, max_size=4)),
        max_leaves=8,
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes of a file of which some are changed, missing or added."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        place, what = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 3))
        if what == 0:
            data[place] = draw(st.sampled_from([0, 1, 0x22, 0x2C, 0x3A, 0x5B, 0x7B, 0x7F, 0x80, 0xFF]))
        elif what == 1:
            del data[place:]
        elif what == 2:
            data[place:place] = draw(st.binary(max_size=12))
        else:
            data[place : place + 8] = draw(st.sampled_from([b"\0" * 8, b"\xff" * 8, (2**62).to_bytes(8, "little")]))
    return bytes(data)


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a document of which some values are others, missing or added."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        part, path = made, 0
        while isinstance(part, (dict, list)) and part and path < 6:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            key = draw(st.sampled_from(keys))
            if not isinstance(part[key], (dict, list)) or not part[key] or draw(st.integers(0, 3)) == 0:
                what = draw(st.integers(0, 3))
                if what == 0:
                    del part[key]
                elif what == 1 and isinstance(part, dict):
                    part[draw(texts())] = draw(documents())
                else:
                    part[key] = draw(documents())
                break
            part, path = part[key], path + 1
        else:
            return draw(documents())
    return made
