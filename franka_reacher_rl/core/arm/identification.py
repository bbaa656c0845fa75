"""Identification of `driver.lag` and `driver.delay` from commanded and measured joint velocities.

The model is the safety filter's: the velocity follows the command of `delay` ago with the time constant `lag`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector

LONGEST = 0.3  # s, of the delays and lags that are tried
NOISIEST = 0.3  # share of the commanded speed; a fit that leaves more unexplained does not count
LEAST_MOTION = 0.3  # share of the commanded speed that the arm must reach
_SHORTEST_LAG = 1e-4  # s
_DELAYS = np.arange(0.0, LONGEST, 0.01)  # s, from which the search starts
_LAGS = np.array([1e-3, 0.01, 0.02, 0.04, 0.08, 0.16])


@dataclass(frozen=True)
class Recording:
    """Commanded and measured velocities of one joint, on one clock.

    Attributes:
        sent: When each command was sent, (commands,) in s, ascending.
        commanded: Velocity from then on, (commands,) in rad/s.
        measured_at: When each velocity was measured, (measurements,) in s, ascending.
        measured: Measured velocities, (measurements,) in rad/s.
    """

    sent: Vector
    commanded: Vector
    measured_at: Vector
    measured: Vector


@dataclass(frozen=True)
class Fit:
    """Lag and delay of one recording, both in s, and the root mean square of what they leave unexplained, in rad/s."""

    lag: float
    delay: float
    error: float


@dataclass(frozen=True)
class Estimate:
    """A value in s with the smallest and largest of the fits that it is the median of."""

    value: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Return the median of values and their range."""
        return cls(float(np.median(values)), min(values), max(values))


def response(recording: Recording, lag: float, delay: float) -> Vector:
    """Return the velocities that the model predicts for the times of measurement, (measurements,) in rad/s."""
    lag = max(lag, _SHORTEST_LAG)
    arrived = recording.sent + delay
    kept = np.exp(-np.diff(arrived, prepend=arrived[0]) / lag)
    reached = np.empty(len(arrived))  # when each command arrives
    velocity = before = recording.commanded[0]
    for i, command in enumerate(recording.commanded):
        velocity = before + (velocity - before) * kept[i]
        reached[i], before = velocity, command
    newest = np.maximum(np.searchsorted(arrived, recording.measured_at, side="right") - 1, 0)
    since = np.maximum(recording.measured_at - arrived[newest], 0.0)
    command = recording.commanded[newest]
    return np.asarray(command + (reached[newest] - command) * np.exp(-since / lag))


def fit(recording: Recording) -> Fit:
    """Fit lag and delay to a recording by least squares.

    Raises:
        ValueError: The measured velocity hardly follows the command.
    """
    wanted, moved = np.abs(recording.commanded).max(), np.abs(recording.measured).max()
    if wanted == 0.0 or moved < LEAST_MOTION * wanted:
        raise ValueError(
            f"the joint reached {moved:.3f} rad/s of the commanded {wanted:.3f} rad/s: check that the controller is "
            "active and that nothing blocks the arm"
        )

    def error(values: Sequence[float]) -> float:
        return float(np.mean((response(recording, values[0], values[1]) - recording.measured) ** 2))

    start = min(((float(lag), float(delay)) for lag in _LAGS for delay in _DELAYS), key=error)
    corners = [start, (start[0] * 1.5 + 2e-3, start[1]), (start[0], start[1] + 5e-3)]
    bounds = [(_SHORTEST_LAG, 2.0 * LONGEST), (0.0, 2.0 * LONGEST)]
    options = {"initial_simplex": corners, "xatol": 1e-5, "fatol": 1e-12}
    found = minimize(error, start, method="Nelder-Mead", bounds=bounds, options=options)
    return Fit(float(found.x[0]), float(found.x[1]), float(np.sqrt(found.fun)))


def summarise(fits: Sequence[Fit], speed: float) -> tuple[dict[str, Estimate], int]:
    """Return the estimates of `lag` and `delay`, and the number of fits they rest on.

    Args:
        fits: One for each movement.
        speed: Commanded speed, rad/s. A fit that leaves more than NOISIEST of it unexplained is left out.

    Raises:
        ValueError: More than half of the fits had to be left out.
    """
    clear = [each for each in fits if each.error <= NOISIEST * speed]
    if not clear or 2 * len(clear) < len(fits):
        worst = max(each.error for each in fits)
        raise ValueError(
            f"the measured velocities of {len(fits) - len(clear)} of {len(fits)} movements are too noisy: they differ "
            f"from the model by up to {worst:.3f} rad/s, {NOISIEST * speed:.3f} are allowed; give a higher --speed"
        )
    values = {
        "lag": Estimate.of([each.lag for each in clear]),
        "delay": Estimate.of([each.delay for each in clear]),
    }
    return values, len(clear)


def direction(robot: Robot, q: Vector, joint: int, travel: float) -> float:
    """Return in which direction, 1 or -1, a joint may move by `travel` (rad) within the range of the task.

    Raises:
        ValueError: There is no room in either direction, or a joint is outside the range.
    """
    lower, upper = np.asarray(robot.task.position_lower), np.asarray(robot.task.position_upper)
    margin = robot.bridge.position_margin
    if np.any(q < lower) or np.any(q > upper):
        i = int(np.argmax((q < lower) | (q > upper)))
        raise ValueError(
            f"{robot.joints[i]} = {q[i]:.3f} rad is outside its range during an episode, {lower[i]} to {upper[i]} rad: "
            "call ~/move_to with a configuration inside"
        )
    below, above = q[joint] - lower[joint], upper[joint] - q[joint]
    if max(below, above) < travel + margin:
        raise ValueError(
            f"{robot.joints[joint]} has {max(below, above):.3f} rad of its range during an episode left, but needs "
            f"{travel + margin:.3f} rad: call ~/move_to with a configuration further inside, or give a lower speed"
        )
    return 1.0 if above >= below else -1.0


def write_into(text: str, values: dict[str, Estimate], note: str) -> str:
    """Return the text of a robot file with values of its section `driver`, keeping everything else.

    Args:
        text: The file.
        values: Key in the section, and the estimate to write, in s.
        note: What the estimates rest on, for the comment.

    Raises:
        ValueError: The file has no section `driver` of lines of its own.
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.fullmatch(r"driver:\s*(#.*)?", line)), None)
    if start is None:
        raise ValueError("the robot file has no section `driver:` with one line per value: write the values yourself")
    end = next((i for i in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines))
    for key, value in values.items():
        place = next((i for i in range(start + 1, end) if re.match(rf"\s+{key}:", lines[i])), None)
        if place is None:
            last = max(i for i in range(start, end) if i == start or lines[i].strip())
            lines.insert(last + 1, "")
            place, end = last + 1, end + 1
        indent = next((re.match(r"\s+", line) for line in lines[start + 1 : end] if re.match(r"\s+\w", line)), None)
        lines[place] = f"{indent.group() if indent else '  '}{line_of(key, value, note)}"
    return "\n".join(lines) + "\n"


def line_of(key: str, value: Estimate, note: str) -> str:
    """Return the line of a robot file for an estimate."""
    return f"{key}: {value.value:.4f} # s, {value.lowest:.4f} to {value.highest:.4f} in {note}"
