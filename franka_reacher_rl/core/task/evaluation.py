"""What the episodes of a policy that does not learn say about it, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from franka_reacher_rl.core.base.datatypes import Rows
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.task.summary import EpisodeSummary

_RESAMPLES = 10_000
_Z = 1.959964  # 97.5th percentile of the normal distribution
_WIDTH = 24  # characters of a column


@dataclass(frozen=True)
class Outcome:
    """The result of one episode that ended by its time limit."""

    episode_return: float
    time_to_reach: float  # s; NaN: the target was not reached
    target_at_start: bool  # whether the first frame showed the target

    @classmethod
    def of(cls, summary: EpisodeSummary) -> Outcome:
        """Return the outcome of an episode of the graph or of virtual time."""
        return cls(summary.episode_return, summary.time_to_reach, summary.target_at_start != 0.0)


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int, unit: str = "") -> str:
        """Return the value, its unit and the interval, for example `1.9 s (1.7 to 2.3)`."""
        return f"{self.value:.{digits}f}{unit} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Evaluation:
    """Estimates from a number of episodes."""

    episodes: int
    mean_return: Estimate
    success_rate: Estimate
    time_to_reach: Estimate | None  # s, the median of the successes; None: there was none

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Evaluation:
        """Evaluate at least one episode."""
        returns = [outcome.episode_return for outcome in outcomes]
        times = [outcome.time_to_reach for outcome in outcomes if not math.isnan(outcome.time_to_reach)]
        return cls(
            len(outcomes),
            bootstrap(returns, np.mean),
            wilson(len(times), len(outcomes)),
            bootstrap(times, np.median) if times else None,
        )


def wilson(successes: int, trials: int) -> Estimate:
    """Return a rate with Wilson's interval (1927), which also holds for few trials and for rates near 0 and 1."""
    rate, z2 = successes / trials, _Z**2 / trials
    middle = (rate + z2 / 2) / (1 + z2)
    half = _Z / (1 + z2) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials))
    return Estimate(rate, max(0.0, middle - half), min(1.0, middle + half))


def bootstrap(values: Sequence[float], statistic: Callable[..., Any]) -> Estimate:
    """Return a statistic that takes an `axis`, such as `np.mean`, with its percentile bootstrap interval."""
    sample = np.asarray(values, float)
    chosen: Rows = sample[np.random.default_rng(0).integers(len(sample), size=(_RESAMPLES, len(sample)))]
    low, high = np.quantile(statistic(chosen, axis=1), [0.025, 0.975])
    return Estimate(float(statistic(sample, axis=0)), float(low), float(high))


def lines(outcomes: Sequence[Outcome], setting: Setting) -> list[str]:
    """Return the report that a person reads after an evaluation.

    Episodes whose first frame did not show the target have a column of their own: the policy must search there.

    Args:
        outcomes: Of the complete episodes.
        setting: The reward and the criterion of a success.
    """
    if not outcomes:
        return ["evaluation: no episode was complete"]
    columns = {"all starts": list(outcomes)}
    if any(not outcome.target_at_start for outcome in outcomes):
        columns["target in view"] = [outcome for outcome in outcomes if outcome.target_at_start]
        columns["target not in view"] = [outcome for outcome in outcomes if not outcome.target_at_start]
    evaluations = [Evaluation.of(chosen) if chosen else None for chosen in columns.values()]
    episode, largest = setting.episode, 1000.0 * setting.reward.alpha * setting.episode.seconds
    return [
        f"evaluation of {len(outcomes)} episodes, with 95 % intervals:",
        _row("", list(columns)),
        _row("episodes", [str(each.episodes) if each else "0" for each in evaluations]),
        _row("return", [each.mean_return.text(0) if each else "-" for each in evaluations]),
        _row("success rate", [each.success_rate.text(2) if each else "-" for each in evaluations]),
        _row(
            "time to reach",
            [each.time_to_reach.text(1, " s") if each and each.time_to_reach else "-" for each in evaluations],
        ),
        f"  return: mean; {largest:.0f} is full coverage of the image for {episode.seconds:g} s",
        f"  success: the target covers {100 * episode.success_coverage:g} % of the image for "
        f"{episode.success_seconds:g} s; time to reach: median of the successes",
    ]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"  {name:<15}" + "".join(f"{cell:<{_WIDTH}}" for cell in cells).rstrip()
